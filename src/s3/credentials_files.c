#include "s3/credentials_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FILE MIB

static const char default_profile[] = "default";

/* The variable's path, or the name in ~/.aws; NULL when there is no home. */
static char *path_of(const char *variable, const char *name)
{
	const char *given = credentials_env(variable), *home = credentials_env("HOME");
	if (given && str_starts(given, "~/") && home)
		return path_join(home, given + 2);
	if (given)
		return mem_strdup(given);
	return home ? mem_printf("%s/.aws/%s", home, name) : NULL;
}

static int load(const char *path, struct conf *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(MAX_FILE);
	int rc = path && file_exists(path) ? file_read_named(path, &text, e) : 0;
	if (rc < 0)
		return err_class_set(e, ERR_USAGE);
	return text.len ? conf_parse_plain(text.data, text.len, path, out, e) : 0;
}

int credentials_files_load(struct credentials_files *f, struct err *e)
{
	*f = (struct credentials_files){
		.config_path = path_of("AWS_CONFIG_FILE", "config"),
		.credentials_path = path_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
	};
	int rc = load(f->config_path, &f->config, e);
	if (rc == 0)
		rc = load(f->credentials_path, &f->credentials, e);
	return rc;
}

void credentials_files_wipe(struct credentials_files *f)
{
	conf_wipe(&f->config);
	conf_wipe(&f->credentials);
	free(f->config_path);
	free(f->credentials_path);
	*f = (struct credentials_files){ 0 };
}

/* Is this section's name "KIND NAME", or "KIND 'NAME'"? */
static bool names(const char *section, const char *kind, const char *name)
{
	size_t len = strlen(name);
	if (!str_starts(section, kind))
		return false;
	section += strlen(kind);
	if (*section != ' ' && *section != '\t')
		return false;
	section += strspn(section, " \t");
	char quote = *section == '"' || *section == '\'' ? *section++ : '\0';
	return strncmp(section, name, len) == 0 && section[len] == quote &&
	       (!quote || !section[len + 1]);
}

static const struct conf_section *find(const struct conf *c, const char *kind, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (names(c->sections[i].kind, kind, name))
			return &c->sections[i];
	return NULL;
}

static const struct conf_section *in_config(const struct credentials_files *f, const char *profile)
{
	const struct conf_section *s = find(&f->config, "profile", profile);
	if (!s && strcmp(profile, default_profile) == 0)
		s = conf_find(&f->config, default_profile, "");
	return s;
}

static const struct conf_section *in_credentials(const struct credentials_files *f,
						 const char *profile)
{
	return conf_find(&f->credentials, profile, "");
}

/* The names of keys may be written in upper case. */
static const char *value_of(const struct conf_section *s, const char *key)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (str_eq_nocase(s->values[i].key, key))
			return *s->values[i].value ? s->values[i].value : NULL;
	return NULL;
}

bool credentials_files_have(const struct credentials_files *f, const char *profile)
{
	return in_config(f, profile) || in_credentials(f, profile);
}

const char *credentials_files_get(const struct credentials_files *f, const char *profile,
				  const char *key)
{
	const char *value = value_of(in_credentials(f, profile), key);
	return value ? value : value_of(in_config(f, profile), key);
}

const char *credentials_files_sso(const struct credentials_files *f, const char *session,
				  const char *key)
{
	return value_of(find(&f->config, "sso-session", session), key);
}

int credentials_files_keys(const struct credentials_files *f, const char *profile, bool config,
			   struct s3_keys *out, struct err *e)
{
	const struct conf_section *s = config ? in_config(f, profile) : in_credentials(f, profile);
	const char *id = value_of(s, "aws_access_key_id");
	const char *secret = value_of(s, "aws_secret_access_key");
	if (!id && !secret)
		return 0;
	if (!id || !secret)
		return err_set(e, ERR_USAGE, "%s:%d: profile %s lacks %s",
			       config ? f->config_path : f->credentials_path, s->line, profile,
			       id ? "aws_secret_access_key" : "aws_access_key_id");
	credentials_set(out, id, secret, value_of(s, "aws_session_token"));
	return 0;
}
