/* add: a section of ferry.conf, from options or answers. */
#include "catalog/link.h"
#include "cli/mirror/mirror.h"
#include "mirror/s3_setup.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct add_opts {
	const char *kind, *url, *region, *priority, *holds, *path, *bucket, *prefix, *endpoint;
	const char *account, *profile, *repository;
	struct opt_list set;
	bool stage, no_probe;
};

#define SETTING(member, n, arg, help) OPT_ENTRY(OPT_STRING, add_opts, member, 0, n, arg, help)

static const struct opt options[] = {
	OPT_OFFERED(OPT_STRING, add_opts, kind, 0, "kind", "KIND", "file http s3 r2 github git oci",
		    "file, http, s3, r2, github, git or oci"),
	OPT_HINTED(OPT_STRING, add_opts, path, 0, "path", "DIR", HINT_DIR, "file: the folder"),
	SETTING(bucket, "bucket", "NAME", "s3, r2: the bucket"),
	SETTING(prefix, "prefix", "TEXT", "s3, r2: the folder in the bucket"),
	SETTING(endpoint, "endpoint", "URL", "s3: the server; by default Amazon's"),
	SETTING(account, "account", "ID", "r2: the id of the Cloudflare account"),
	SETTING(profile, "profile", "NAME", "s3, r2: the profile of the AWS files"),
	SETTING(url, "url", "URL", "the public base URL for readers"),
	SETTING(region, "region", "NAME", "where it is; s3: the region of the bucket"),
	SETTING(priority, "priority", "NUMBER", "mirrors with lower numbers are used first"),
	OPT_OFFERED(OPT_STRING, add_opts, holds, 0, "holds", "WHAT", "all objects metadata",
		    "all, objects or metadata"),
	OPT_ENTRY(OPT_FLAG, add_opts, stage, 0, "stage", NULL, "make it a stage mirror"),
	OPT_ENTRY(OPT_LIST, add_opts, set, 0, "set", "KEY=VALUE",
		  "any other key of ferry.conf(5); may be repeated"),
	OPT_HINTED(OPT_STRING, add_opts, repository, 0, "name", "NAME", HINT_REPOSITORY,
		   "the repository, if ferry.conf has several"),
	OPT_ENTRY(OPT_FLAG, add_opts, no_probe, 0, "no-probe", NULL,
		  "only write the section, and do not probe the mirror"),
	OPT_LAST,
};

/* ---- the settings ---------------------------------------------------------------- */

struct settings {
	struct str_list keys, values; /* in the order of the section */
};

static void settings_release(struct settings *s)
{
	str_list_release(&s->keys);
	str_list_release(&s->values);
}

static const char *settings_get(const struct settings *s, const char *key)
{
	for (size_t i = 0; i < s->keys.count; i++)
		if (strcmp(s->keys.at[i], key) == 0)
			return s->values.at[i];
	return NULL;
}

static int settings_add(struct settings *s, const char *key, const char *value, struct err *e)
{
	if (settings_get(s, key))
		return err_set(e, ERR_USAGE, "%s is given twice", key);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ')
			return err_set(e, ERR_USAGE, "%s: the value has a control character", key);
	str_list_add(&s->keys, key);
	str_list_add(&s->values, value);
	return 0;
}

/* The options that were given, in the order of the table. --name is called `repository` there. */
static int from_options(const struct add_opts *o, struct settings *s, struct err *e)
{
	int rc = 0;
	for (const struct opt *opt = options; opt->type != OPT_END && rc == 0; opt++) {
		const void *at = (const char *)o + opt->offset;
		const char *value = opt->type == OPT_STRING ? *(const char *const *)at : NULL;
		bool name = strcmp(opt->name, "name") == 0;
		if (value)
			rc = settings_add(s, name ? "repository" : opt->name, value, e);
	}
	if (rc == 0 && o->stage)
		rc = settings_add(s, "stage", "yes", e);
	for (size_t i = 0; i < o->set.count && rc == 0; i++) {
		const char *equals = strchr(o->set.at[i], '=');
		if (!equals || equals == o->set.at[i])
			return err_set(e, ERR_USAGE, "--set '%s': must be KEY=VALUE", o->set.at[i]);
		CLEANUP(mem_free_ptr) char *key = mem_strndup(o->set.at[i],
							      (size_t)(equals - o->set.at[i]));
		rc = settings_add(s, key, equals + 1, e);
	}
	return rc;
}

/* ---- questions ------------------------------------------------------------------- */

static const struct question {
	const char *kind, *key, *text;
	bool needed;
} questions[] = {
	{ "file", "path", "Folder of the mirror", true },
	{ "file", "url", "Public URL of that folder (none: empty)", false },
	{ "http", "url", "Base URL", true },
	{ "s3", "bucket", "Bucket", true },
	{ "s3", "endpoint", "Endpoint URL (Amazon S3: empty)", false },
	{ "s3", "region", "Region (that of the profile: empty)", false },
	{ "s3", "url", "Public base URL of the bucket (none: empty)", false },
	{ "r2", "account", "Id of the Cloudflare account", true },
	{ "r2", "bucket", "Bucket", true },
	{ "r2", "url", "Public base URL of the bucket (none: empty)", false },
	{ "github", "owner", "Owner of the repository", true },
	{ "github", "repo", "Repository", true },
	{ "github", "tag", "What the tags of its releases begin with (models: empty)", false },
	{ "git", "remote", "URL of the remote", true },
	{ "git", "branch", "Branch (main: empty)", false },
	{ "git", "url", "Base URL where the host serves the files of the branch (none: empty)",
	  false },
	{ "oci", "image", "Repository in the registry (HOST/NAME)", true },
	{ "oci", "url", "https://HOST/v2/NAME, if readers may read it (else: empty)", false },
};

static bool is_kind(const char *text)
{
	for (const struct mirror_ops *const *k = mirror_kinds_all; *k; k++)
		if (strcmp((*k)->kind, text) == 0)
			return true;
	return false;
}

/* Asks until there is a usable answer; the end of the input is an error. */
static int ask(struct cli *cli, struct settings *s, const char *key, const char *text, bool needed,
	       struct err *e)
{
	int rc = 0;
	for (bool again = true; again && rc == 0;) {
		CLEANUP(buf_release) struct buf answer = BUF_INIT(0);
		rc = cli_ask(cli, text, &answer, e);
		again = rc == 0 && (strcmp(key, "kind") == 0 ? !is_kind(buf_str(&answer))
							     : needed && !answer.len);
		if (again)
			continue;
		if (rc == 0 && answer.len)
			rc = settings_add(s, key, buf_str(&answer), e);
	}
	return rc;
}

static int missing(const char *what, const char *key, bool option, struct err *e)
{
	err_set(e, ERR_USAGE, "%s needs %s%s", what, option ? "--" : "--set ", key);
	return err_hint(e, "give it, or run the command on a terminal, where it asks for it");
}

static bool is_option(const char *key)
{
	for (const struct opt *opt = options; opt->type != OPT_END; opt++)
		if (strcmp(opt->name, key) == 0)
			return true;
	return false;
}

/* Cloudflare's own tools read the account from this variable. */
static bool is_given(const struct settings *s, const char *key)
{
	const char *account = getenv("CLOUDFLARE_ACCOUNT_ID");
	return settings_get(s, key) || (strcmp(key, "account") == 0 &&
					((account && *account) || settings_get(s, "endpoint")));
}

/* The first needed key that is not there; NULL: none is missing. */
static const struct question *first_missing(const struct settings *s, const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		if (strcmp(questions[i].kind, kind) == 0 && questions[i].needed &&
		    !is_given(s, questions[i].key))
			return &questions[i];
	return NULL;
}

/* If a required key is missing, the optional ones are asked for as well. */
static int complete(struct cli *cli, struct settings *s, struct err *e)
{
	int rc = 0;
	if (!settings_get(s, "kind") && !cli_can_ask(cli))
		return missing("a mirror", "kind", true, e);
	if (!settings_get(s, "kind"))
		rc = ask(cli, s, "kind", "Kind (file, http, s3, r2, github, git, oci)", true, e);
	if (rc < 0)
		return rc;
	const char *kind = settings_get(s, "kind");
	const struct question *first = first_missing(s, kind);
	if (first && !cli_can_ask(cli)) {
		CLEANUP(mem_free_ptr) char *what = mem_printf("a mirror of kind %s", kind);
		return missing(what, first->key, is_option(first->key), e);
	}
	for (size_t i = 0; first && i < ARRAY_LEN(questions) && rc == 0; i++) {
		const struct question *q = &questions[i];
		if (strcmp(q->kind, kind) == 0 && !is_given(s, q->key))
			rc = ask(cli, s, q->key, q->text, q->needed, e);
	}
	return rc;
}

/* ---- the section ----------------------------------------------------------------- */

/* ferry.conf is for everybody to read. */
static int check_url(const struct settings *s, struct err *e)
{
	const char *url = settings_get(s, "url");
	const char *fault = url ? link_fault(url, true) : NULL;
	if (!fault)
		return 0;
	err_set(e, ERR_USAGE, "this url cannot be published: %s", fault);
	return err_hint(e, "it is shown to readers in the signed catalog");
}

/* Paths in the file are relative to its folder, on the command line to the current one. */
static char *path_there(const char *conf, const char *path)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(conf);
	return strcmp(dir, ".") == 0 || str_starts(path, "~/") ? mem_strdup(path)
							       : path_absolute(path);
}

static char *compose(const char *name, const char *conf, const struct settings *s)
{
	struct buf text = BUF_INIT(CONF_MAX_BYTES);
	buf_addf(&text, "[mirror.%s]\n", name);
	for (size_t i = 0; i < s->keys.count; i++) {
		bool path = strcmp(s->keys.at[i], "path") == 0;
		CLEANUP(mem_free_ptr) char *there = path ? path_there(conf, s->values.at[i]) : NULL;
		buf_addf(&text, "%s = %s\n", s->keys.at[i], there ? there : s->values.at[i]);
	}
	return buf_steal(&text);
}

static bool can_open(const char *kind)
{
	for (const struct mirror_ops *const *k = mirror_kinds_all; *k; k++)
		if (strcmp((*k)->kind, kind) == 0)
			return (*k)->open != NULL;
	return false;
}

/* The mirror must be one that the other commands accept. */
static int check_mirror(const struct conf *c, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(settings_mirrors_release) struct settings_mirrors all = { 0 };
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	const struct conf_section *s = conf_find(c, "mirror", name), *one;
	one = conf_nth(c, "repository", 0);
	const char *of = s ? conf_get(s, "repository") : NULL;
	int rc = conf_check_kinds(c, e);
	if (rc == 0)
		rc = settings_mirrors_read(c, of ? of : one ? one->name : NULL, kinds, &all, e);
	for (size_t i = 0; i < all.count && rc == 0; i++) {
		if (strcmp(all.at[i].id, name) != 0)
			continue;
		*e = all.at[i].fault;
		rc = -(int)e->class;
		if (rc == 0 && can_open(all.at[i].kind))
			rc = mirror_open(mirror_kinds_all, NULL, &all.at[i], &m, e);
	}
	return rc;
}

/* Is every value read as it was given? A part after " ;" would be a comment. */
static int check_values(const struct conf *c, const char *name, const struct settings *s,
			struct err *e)
{
	const struct conf_section *section = conf_find(c, "mirror", name);
	for (size_t i = 0; i < s->keys.count; i++) {
		const char *read = conf_get(section, s->keys.at[i]);
		bool path = strcmp(s->keys.at[i], "path") == 0;
		if (!read || (!path && strcmp(read, s->values.at[i]) != 0))
			return err_set(e, ERR_USAGE, "%s: '%s' cannot be written in ferry.conf",
				       s->keys.at[i], s->values.at[i]);
	}
	return 0;
}

static int taken(const char *path, const struct conf_section *s, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s:%d: the mirror %s already exists", path, s->line, s->name);
	return err_hint(e, "choose another name, or `ferry mirror remove %s` first", s->name);
}

/* Before a person is asked for anything. */
static int check_free(const char *path, const char *name, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(conf_release) struct conf c = { 0 };
	int rc = conf_edit_read(path, &text, &c, e);
	const struct conf_section *s = rc == 0 ? conf_find(&c, "mirror", name) : NULL;
	return s ? taken(path, s, e) : rc;
}

static int count_lines(const struct buf *text)
{
	int count = 1;
	for (const char *s = buf_str(text); (s = strchr(s, '\n')); s++)
		count++;
	return count;
}

static int write_section(const char *path, const char *name, const struct settings *s,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *section = compose(name, path, s);
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	CLEANUP(conf_release) struct conf before = { 0 };
	CLEANUP(conf_release) struct conf after = { 0 };
	int rc = conf_edit_read(path, &text, &before, e);
	int lines = count_lines(&text);
	if (rc == 0 && conf_find(&before, "mirror", name))
		rc = taken(path, conf_find(&before, "mirror", name), e);
	if (rc == 0)
		rc = conf_edit_append(&text, path, section, e);
	if (rc == 0)
		rc = conf_parse(buf_str(&text), text.len, path, &after, e);
	after.unwritten = lines;
	if (rc == 0)
		rc = check_values(&after, name, s, e);
	if (rc == 0)
		rc = check_mirror(&after, name, e);
	return rc < 0 ? rc : conf_edit_write(path, &text, e);
}

/* ---- the command ----------------------------------------------------------------- */

/* The configuration in use, or ferry.conf in the current folder. */
static int find_conf(struct cli *cli, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	int rc = cli->conf_path ? 0 : cli_conf_path(cli, &path, e);
	if (rc < 0)
		err_clear(e);
	*out = cli->conf_path              ? mem_strdup(cli->conf_path)
	       : path && file_exists(path) ? STEAL(path)
					   : mem_strdup("ferry.conf");
	return 0;
}

static int probe(struct cli *cli, const char *name, json_t *document,
		 struct cmd_mirror_worst *worst, struct err *e)
{
	CLEANUP(publisher_release) struct publisher p = { 0 };
	struct publisher_opts who = { 0 };
	const char *names[] = { name };
	who.mirrors = (struct opt_list){ .at = names, .count = 1 };
	json_t *mirrors = json_put_array(document, "mirrors");
	int rc = publisher_open(cli, &who, false, true, &p, e);
	for (size_t i = 0; i < p.places.count && rc == 0; i++)
		if (p.places.at[i].chosen)
			rc = cmd_mirror_look(cli, &p.places.at[i], LOOK_PROBE,
					     json_push_object(mirrors), worst, e);
	if (rc == 0)
		cmd_mirror_print_findings(cli, mirrors, false);
	return rc;
}

/* Does set-up have anything to do that the probe does not check? */
static bool wants_setup(const struct settings *s)
{
	static const char *const keys[] = { MIRROR_S3_SETUP_KEYS };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (settings_get(s, keys[i]))
			return true;
	return false;
}

static char *next_command(const char *name, const struct settings *s, bool fault)
{
	const char *kind = settings_get(s, "kind");
	/* A read-only mirror needs no push: readers learn of it from the signed catalog. */
	if (!can_open(kind) || strcmp(kind, "http") == 0)
		return mem_strdup("ferry catalog sign");
	return mem_printf(fault || wants_setup(s) ? "ferry mirror setup --mirror %s"
						  : "ferry push --mirror %s",
			  name);
}

static int run(struct cli *cli, struct err *e)
{
	const struct add_opts *o = cli->opts;
	const char *name = cli->operands[0];
	CLEANUP(settings_release) struct settings s = { 0 };
	CLEANUP(mem_free_ptr) char *conf = NULL;
	struct cmd_mirror_worst worst = { 0 };
	if (!path_is_id(name)) {
		err_set(e, ERR_USAGE, "'%s' is not a name for a mirror", name);
		return err_hint(e, "use at most 64 of a-z, 0-9, '.', '_' and '-'");
	}
	int rc = from_options(o, &s, e);
	if (rc == 0)
		rc = find_conf(cli, &conf, e);
	if (rc == 0)
		rc = check_free(conf, name, e);
	if (rc == 0)
		rc = complete(cli, &s, e);
	if (rc == 0)
		rc = check_url(&s, e);
	if (rc == 0)
		rc = write_section(conf, name, &s, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "name", name);
	json_put_string(document, "config", conf);
	cli_note(cli, document, "wrote [mirror.{name}] to {config}");
	if (!o->no_probe)
		rc = probe(cli, name, document, &worst, e);
	CLEANUP(mem_free_ptr) char *next = next_command(name, &s, worst.class != ERR_NONE);
	json_put_string(document, "next", next);
	if (rc == 0)
		cli_note(cli, document, "next: run `{next}`");
	if (rc == 0 && settings_get(&s, "url") && !settings_get(&s, "stage"))
		cli_note(cli, document,
			 "`ferry catalog sign` and `ferry push` make it known to readers");
	return cli_result(cli, document, e);
}

const struct command cmd_mirror_add = {
	.name = "add",
	.summary = "add a mirror to ferry.conf",
	.synopsis = (const char *const[]){ "NAME [OPTION…]", NULL },
	.description =
		"Writes the section [mirror.NAME], then probes the mirror and says what is "
		"missing. On a terminal it asks for what the options do not give. Nothing is "
		"written if the "
		"settings are faulty. Access keys are never asked for and never written: they come "
		"from the environment or the files of AWS's tools.",
	.opts = options,
	.opts_size = sizeof(struct add_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
