/* `ferry serve key`: the file of API keys, which the edge reads again when it changes. */
#include "auth/key.h"
#include "cli/serve/serve.h"
#include "cli/session.h"
#include "settings/serve.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define LOCK_WAIT_MS 10000

struct key_opts {
	const char *keys;
	struct opt_list scopes;
	uint64_t expires_s;
};

#define OPT_KEYS \
	OPT_HINTED(OPT_STRING, key_opts, keys, 'k', "keys", "FILE", HINT_FILE, \
		   "the file of keys; without it, the one that [serve] of ferry.conf names")

/* The file, locked if it is to be changed. */
struct desk {
	char *path;
	int lock;
	struct auth_keys keys;
};
#define DESK_INIT BRACES(.lock = -1)

static void desk_release(struct desk *d)
{
	free(d->path);
	file_close(&d->lock);
	auth_keys_release(&d->keys);
}

static int find_path(struct cli *cli, char **out, struct err *e)
{
	const struct key_opts *o = cli->opts;
	CLEANUP(settings_serve_release) struct settings_serve set = { 0 };
	const struct conf *conf;
	if (o->keys) {
		*out = mem_strdup(o->keys);
		return 0;
	}
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = settings_serve_read(conf, &set, e);
	if (rc < 0)
		return rc;
	if (!set.keys) {
		err_set(e, ERR_USAGE, "no file for the keys is set");
		return err_hint(e, "write keys = FILE into [serve] of ferry.conf, or give --keys");
	}
	*out = STEAL(set.keys);
	return 0;
}

static int open_desk(struct cli *cli, bool change, struct desk *d, struct err *e)
{
	int rc = find_path(cli, &d->path, e);
	if (rc == 0 && change) {
		CLEANUP(mem_free_ptr) char *lock = mem_printf("%s.lock", d->path);
		rc = file_mkdirs_for(d->path, FILE_DIR_MODE, e);
		if (rc == 0)
			rc = file_lock(lock, LOCK_WAIT_MS, cli->cancel, &d->lock, e);
	}
	return rc < 0 ? rc : auth_keys_load(d->path, &d->keys, e);
}

static void put_key(json_t *object, const struct auth_key *k, int64_t now_s)
{
	auth_key_json(k, object);
	json_put_bool(object, "expired", k->expires_s && now_s >= k->expires_s);
}

/* ---- new ---- */

static const struct auth_key *named(const struct auth_keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->at[i].name, name) == 0)
			return &keys->at[i];
	return NULL;
}

/* The key may be for an edge on another machine: that is no fault. */
static void warn_of_scope(struct cli *cli, const struct settings_repositories *known,
			  const char *text)
{
	CLEANUP(auth_scope_release) struct auth_scope s = { 0 };
	struct err ignored = ERR_INIT;
	if (auth_scope_parse(text, &s, &ignored) == 0 && s.repository &&
	    !settings_repositories_find(known, s.repository))
		report_warn(cli->report,
			    "scope '%s': ferry.conf has no repository '%s'; a scope is "
			    "pull:REPOSITORY/MODEL",
			    text, s.repository);
}

static void warn_of_scopes(struct cli *cli, const struct opt_list *scopes)
{
	CLEANUP(settings_repositories_release) struct settings_repositories known = { 0 };
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	struct settings_fetch fetch = { 0 };
	struct err ignored = ERR_INIT;
	if (session_settings(cli, &known, &fetch, &access, &ignored) < 0 || !known.count)
		return;
	for (size_t i = 0; i < scopes->count; i++)
		warn_of_scope(cli, &known, scopes->at[i]);
}

static int run_new(struct cli *cli, struct err *e)
{
	static const char *const pull[] = { "pull" };
	const struct key_opts *o = cli->opts;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(desk_release) struct desk d = DESK_INIT;
	char text[AUTH_KEY_LEN + 1];
	int64_t now_s = clock_wall_s(NULL);
	struct auth_key_order order = {
		.name = cli->operands[0],
		.scopes = o->scopes.count ? o->scopes.at : pull,
		.count = o->scopes.count ? o->scopes.count : ARRAY_LEN(pull),
		.now_s = now_s,
		.expires_s = o->expires_s ? now_s + (int64_t)o->expires_s : 0,
	};
	int rc = open_desk(cli, true, &d, e);
	if (rc == 0)
		rc = auth_keys_add(&d.keys, &order, text, e);
	if (rc == 0)
		rc = auth_keys_write(d.path, &d.keys, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "file", d.path);
	json_t *key = json_put_object(document, "key");
	put_key(key, named(&d.keys, order.name), now_s);
	json_put_string(document, "secret", text);
	cli_say(cli, document, "{secret}");
	cli_note(cli, key, "this is the only time that the key of {name} is shown");
	rc = cli_result(cli, document, e);
	mem_wipe(text, sizeof text);
	warn_of_scopes(cli, &o->scopes);
	return rc;
}

static const struct opt new_opts[] = {
	OPT_ENTRY(OPT_LIST, key_opts, scopes, 's', "scope", "SCOPE",
		  "what it allows: pull, pull:REPOSITORY or pull:REPOSITORY/GLOB, preload in the "
		  "same forms, admin, metrics; may be given several times; without it, pull"),
	OPT_ENTRY(OPT_SPAN, key_opts, expires_s, 'e', "expires", "DURATION",
		  "it is valid for so long (90d, 12h); without it, until it is revoked"),
	OPT_KEYS,
	OPT_LAST,
};

static const struct command cmd_new = {
	.name = "new",
	.asked = true,
	.summary = "make a key, and print it",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "The key is printed once. The file has its hash. A running edge knows the "
		       "key after a few seconds.",
	.opts = new_opts,
	.opts_size = sizeof(struct key_opts),
	.min_operands = 1,
	.max_operands = 1,
	.run = run_new,
};

/* ---- list ---- */

static const struct opt common_opts[] = { OPT_KEYS, OPT_LAST };

static char *scopes_text(const json_t *key)
{
	return cli_join(json_object_get(key, "scopes"), "{}", " ");
}

static char *expires_text(const json_t *key)
{
	return cli_fill(key, json_flag(key, "expired") ? "expired" : "{expires|-}");
}

static int run_list(struct cli *cli, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "NAME", "{name}", NULL },        { "ID", "{id}", NULL },
		{ "SCOPES", NULL, scopes_text },   { "CREATED", "{created}", NULL },
		{ "EXPIRES", NULL, expires_text },
	};
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(desk_release) struct desk d = DESK_INIT;
	int rc = open_desk(cli, false, &d, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "file", d.path);
	json_t *keys = json_put_array(document, "keys");
	for (size_t i = 0; i < d.keys.count; i++)
		put_key(json_push_object(keys), &d.keys.at[i], clock_wall_s(NULL));
	cli_table(cli, keys, columns, ARRAY_LEN(columns));
	if (!d.keys.count)
		cli_note(cli, document, "{file} has no key");
	return cli_result(cli, document, e);
}

static const struct command cmd_list = {
	.name = "list",
	.asked = true,
	.summary = "list the keys, without their secrets",
	.opts = common_opts,
	.opts_size = sizeof(struct key_opts),
	.run = run_list,
};

/* ---- revoke ---- */

static int run_revoke(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(desk_release) struct desk d = DESK_INIT;
	int rc = open_desk(cli, true, &d, e);
	json_t *revoked = json_put_array(document, "revoked");
	for (int i = 0; i < cli->count && rc == 0; i++) {
		CLEANUP(mem_free_ptr) char *name = NULL;
		rc = auth_keys_remove(&d.keys, cli->operands[i], &name, e);
		if (rc == 0)
			json_push_string(revoked, name);
	}
	if (rc == 0)
		rc = auth_keys_write(d.path, &d.keys, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "file", d.path);
	CLEANUP(mem_free_ptr) char *names = cli_join(revoked, "{}", ", ");
	cli_line(cli, "revoked: %s", names);
	return cli_result(cli, document, e);
}

static const struct command cmd_revoke = {
	.name = "revoke",
	.summary = "remove keys, by name or id",
	.synopsis = (const char *const[]){ "NAME…", NULL },
	.description = "A running edge refuses them after a few seconds. If one of them is not "
		       "there, none is removed.",
	.opts = common_opts,
	.opts_size = sizeof(struct key_opts),
	.min_operands = 1,
	.max_operands = -1,
	.run = run_revoke,
};

const struct command cmd_serve_key = {
	.name = "key",
	.summary = "make, list and revoke the keys of those who may use the edge",
	.subs = (const struct command *const[]){ &cmd_new, &cmd_list, &cmd_revoke, NULL },
};
