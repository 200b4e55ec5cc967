#include "settings/access.h"

#include "settings/secret.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONNECTIONS 64

char *settings_variable_name(const char *name, const char *before, const char *behind)
{
	char *text = mem_printf("%s%s%s", before, name, behind);
	for (char *c = text; *c; c++)
		*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : strchr("-.", *c) ? '_' : *c;
	return text;
}

/* -- secrets --------------------------------------------------------------------------------- */

/* It becomes part of a header. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int take_token(char *token, char *from, struct http_access *a, struct err *e)
{
	if (!token[0] || !is_plain(token)) {
		settings_secret_free(token);
		err_set(e, ERR_USAGE, "%s has no token: expected one word without blanks", from);
		free(from);
		return -(int)e->class;
	}
	a->token = token;
	a->token_from = from;
	return 0;
}

static int read_token(const struct conf *c, const struct conf_section *s, struct http_access *a,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *variable = settings_variable_name(s->name, "FERRY_", "_TOKEN");
	CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, "token-file");
	const char *set = getenv(variable);
	char *token = NULL;
	if (set && *set)
		return take_token(mem_strdup(set), STEAL(variable), a, e);
	if (!path)
		return 0;
	int rc = settings_secret_read(path, &token, e);
	return rc < 0 ? rc : take_token(token, STEAL(path), a, e);
}

static int need_file(const char *path, struct err *e)
{
	if (!path || file_exists(path))
		return 0;
	return err_set(e, ERR_USAGE, "%s: there is no such file", path);
}

/* The fault of a server that is asked is told without the context of its settings. */
static void name_fault(const char *name, struct err *e)
{
	struct err why = *e;
	if (!why.class)
		return;
	err_clear(e);
	err_set(e, why.class, "[access.%s]: %s", name, why.text);
	err_cause(e, CAUSE_SETTINGS, 0);
	if (why.hint[0])
		err_hint(e, "%s", why.hint);
	else
		err_hint(e, "correct the section [access.%s] of ferry.conf", name);
}

/* What is only needed by requests to this server. */
static int read_files(const struct conf *c, const struct conf_section *s, struct http_access *a,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *phrase = conf_get_path(c, s, "client-key-passphrase-file");
	a->ca = conf_get_path(c, s, "ca");
	a->cert = conf_get_path(c, s, "client-cert");
	a->key = conf_get_path(c, s, "client-key");
	int rc = read_token(c, s, a, e);
	if (rc == 0)
		rc = need_file(a->ca, e);
	if (rc == 0)
		rc = need_file(a->cert, e);
	if (rc == 0)
		rc = need_file(a->key, e);
	if (rc == 0 && phrase)
		rc = settings_secret_read(phrase, &a->key_phrase, e);
	name_fault(s->name, e);
	return rc;
}

/* -- sections -------------------------------------------------------------------------------- */

static int read_url(const struct conf *c, const struct conf_section *s, struct http_access *a,
		    struct err *e)
{
	const char *text = conf_get(s, "url");
	struct err why = ERR_INIT;
	if (!text)
		return conf_err(c, s, NULL, e, "[access.%s] needs 'url': the server that it is for",
				s->name);
	if (url_parse(text, &a->url, &why) < 0)
		return conf_err(c, s, "url", e, "url: %s", why.text);
	if (!a->url.user && !a->url.query)
		return 0;
	CLEANUP(mem_free_ptr) char *shown = url_redact(text);
	return conf_err(c, s, "url", e, "url: '%s' has a user name or a query", shown);
}

static int read_ip(const struct conf *c, const struct conf_section *s, int *out, struct err *e)
{
	const char *ip = conf_get(s, "ip");
	if (!ip)
		return 0;
	if (strcmp(ip, "4") != 0 && strcmp(ip, "6") != 0)
		return conf_err(c, s, "ip", e, "ip: must be 4 or 6, not '%s'", ip);
	*out = *ip - '0';
	return 0;
}

static int read_limits(const struct conf *c, const struct conf_section *s, struct http_access *a,
		       struct err *e)
{
	uint64_t connections = 0;
	int rc = conf_get_u64(c, s, "connections", &connections, e);
	if (rc == 0 &&
	    (connections > MAX_CONNECTIONS || (conf_get(s, "connections") && !connections)))
		rc = conf_err(c, s, "connections", e, "connections: from 1 to %d", MAX_CONNECTIONS);
	a->connections = (unsigned)connections;
	if (rc == 0)
		rc = conf_get_rate(c, s, "limit-rate", &a->rate.table, e);
	return rc;
}

static int read_section(const struct conf *c, const struct conf_section *s, struct http_access *a,
			struct err *e)
{
	static const char *const keys[] = {
		"url",
		"token-file",
		"netrc",
		"ca",
		"client-cert",
		"client-key",
		"client-key-passphrase-file",
		"ip",
		"connections",
		"limit-rate",
		NULL,
	};
	if (!*s->name)
		return conf_err(c, s, NULL, e, "the section needs a name: [access.NAME]");
	a->name = mem_strdup(s->name);
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = read_url(c, s, a, e);
	if (rc == 0)
		rc = conf_get_bool(c, s, "netrc", &a->netrc, e);
	if (rc == 0)
		rc = read_ip(c, s, &a->ip, e);
	if (rc == 0)
		rc = read_limits(c, s, a, e);
	if (rc == 0)
		(void)!read_files(c, s, a, &a->fault);
	return rc;
}

static int read_all_servers(const struct conf *c, struct http_access_list *out, struct err *e)
{
	const struct conf_section *s = conf_find(c, "fetch", "");
	int ip = 0, rc = read_ip(c, s, &ip, e);
	if (rc < 0)
		return rc;
	if (!out->ip)
		out->ip = ip;
	if (!out->ca)
		out->ca = conf_get_path(c, s, "ca");
	return 0;
}

int settings_access_read(const struct conf *c, struct http_access_list *out, struct err *e)
{
	const struct conf_section *s;
	int rc = read_all_servers(c, out, e);
	for (size_t i = 0; rc == 0 && (s = conf_nth(c, "access", i)); i++)
		rc = read_section(c, s, http_access_add(out), e);
	return rc;
}
