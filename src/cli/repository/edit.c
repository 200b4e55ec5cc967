#include "cli/repository/repository.h"
#include "fetch/remote_add.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

/* -- what the commands share --------------------------------------------------------------- */

json_t *cmd_repository_roles_json(const struct remote *c)
{
	struct tuf_role_state states[4];
	size_t count = c->tuf ? tuf_client_state(c->tuf, states) : 0;
	json_t *roles = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *role = json_object();
		char expires[TIME_TEXT];
		format_time(expires, states[i].expires_s);
		json_put_string(role, "role", states[i].role);
		json_put_u64(role, "version", states[i].version);
		json_put_string(role, "expires", expires);
		json_push(roles, role);
	}
	return roles;
}

json_t *cmd_repository_endpoints_json(struct remote *c)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&c->transport, &count);
	json_t *endpoints = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *object = json_object();
		session_endpoint_json(object, &p[i]);
		json_push(endpoints, object);
	}
	return endpoints;
}

void cmd_repository_print_endpoints(struct cli *cli, struct remote *c)
{
	static const char *const titles[] = { "ENDPOINT", "STATE", ">TIMESTAMP", "FAULT" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	size_t count;
	const struct endpoint *p = endpoints_all(&c->transport, &count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *url = url_redact(p[i].source->url);
		CLEANUP(mem_free_ptr) char *version = p[i].has_version
			? mem_printf("%llu", (unsigned long long)p[i].version) : mem_strdup("-");
		cli_table_add(t, (const char *const[]){ url, endpoint_state_name(p[i].state),
							version, p[i].fault });
	}
	cli_table_print(cli, t);
}

/* -- add -------------------------------------------------------------------------------------- */

struct add_opts {
	const char *root, *root_sha256;
};

static const struct opt add_opts[] = {
	OPT_HINTED(OPT_STRING, add_opts, root, 0, "root", "FILE", HINT_FILE,
		   "the publisher's 1.root.json, received on a way that you trust; a copy is kept "
		   "beside the configuration"),
	OPT_ENTRY(OPT_STRING, add_opts, root_sha256, 0, "root-sha256", "HEX",
		  "or its SHA-256: then the file itself is taken from a mirror and must match"),
	OPT_LAST,
};

static json_t *root_json(const struct remote *c)
{
	const char *const *keyids;
	struct tuf_role_state states[4];
	uint64_t threshold;
	size_t count = tuf_client_root_keys(c->tuf, &keyids, &threshold);
	json_t *root = json_object(), *keys = json_array();
	/* The root comes first. */
	tuf_client_state(c->tuf, states);
	json_put_u64(root, "version", states[0].version);
	json_put_u64(root, "threshold", threshold);
	for (size_t i = 0; i < count; i++)
		json_push(keys, json_string_lossy(keyids[i], strlen(keyids[i])));
	json_put(root, "keys", keys);
	return root;
}

static int print_added_json(struct cli *cli, const char *conf, const char *pin, struct remote *c,
			    struct err *e)
{
	json_t *document = json_object();
	json_put_string(document, "command", "repository add");
	json_put_string(document, "name", c->repository);
	if (c->catalog.title)
		json_put_string(document, "title", c->catalog.title);
	json_put_string(document, "config", conf);
	if (pin)
		json_put_string(document, "root_file", pin);
	json_put_u64(document, "models", c->catalog.model_count);
	json_put(document, "root", root_json(c));
	json_put(document, "roles", cmd_repository_roles_json(c));
	json_put(document, "endpoints", cmd_repository_endpoints_json(c));
	return cli_print_json(cli, document, e);
}

static void print_added(struct cli *cli, const char *conf, const char *pin, struct remote *c)
{
	const char *const *keyids;
	struct tuf_role_state states[4];
	uint64_t threshold;
	size_t count = tuf_client_root_keys(c->tuf, &keyids, &threshold);
	CLEANUP(mem_free_ptr) char *title =
		text_escaped(c->catalog.title ? c->catalog.title : c->repository);
	tuf_client_state(c->tuf, states);
	cli_print(cli, "%s: %s, %zu model%s\n", c->repository, title, c->catalog.model_count,
		  c->catalog.model_count == 1 ? "" : "s");
	cli_print(cli, "root version %llu; %llu of these keys must sign the next one:\n",
		  (unsigned long long)states[0].version, (unsigned long long)threshold);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *id = text_escaped(keyids[i]);
		cli_print(cli, "  %s\n", id);
	}
	cmd_repository_print_endpoints(cli, c);
	report_note(cli->report, "written: %s%s%s", conf, pin ? " and " : "", pin ? pin : "");
	report_note(cli->report, "next: ferry list");
}

static int run_add(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	const struct add_opts *o = opts;
	const struct remote_options options = { .report = cli->report,
						.kinds = mirror_kinds_client };
	CLEANUP(mem_free_ptr) char *conf = NULL;
	CLEANUP(mem_free_ptr) char *pin = NULL;
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP_PTR(remote_free) struct remote *client = NULL;
	if (!o->root == !o->root_sha256) {
		err_set(e, ERR_USAGE, o->root ? "--root and --root-sha256 together"
					      : "no root to begin the trust with");
		return err_hint(e, "get 1.root.json or its SHA-256 from the publisher on a way that "
				   "you trust, and give either --root FILE or --root-sha256 HEX");
	}
	int rc = cli_conf_path(cli, &conf, e);
	if (rc == 0)
		rc = session_store(&store, e);
	if (rc < 0)
		return rc;
	const struct remote_add what = { .conf_path = conf, .name = operands[0], .urls = operands + 1,
				    .url_count = (size_t)count - 1, .root = o->root,
				    .root_sha256 = o->root_sha256 };
	rc = remote_add(&what, &store, &options, &client, &pin, e);
	if (rc < 0)
		return rc;
	if (cli->json)
		return print_added_json(cli, conf, pin, client, e);
	print_added(cli, conf, pin, client);
	return 0;
}

const struct command cmd_repository_add = {
	.name = "add",
	.summary = "verify a repository and add it to the configuration",
	.synopsis = (const char *const[]){ "NAME URL… --root FILE",
					   "NAME URL… --root-sha256 HEX", NULL },
	.description = "Fetches and verifies everything from the pinned root to the catalog first; a "
		       "root, hash or URL that is wrong is refused and nothing is written. NAME is "
		       "what you will call it. Every URL is the base of a mirror; the more, the "
		       "better.",
	.opts = add_opts,
	.opts_size = sizeof(struct add_opts),
	.min_operands = 2,
	.max_operands = -1,
	.run = run_add,
};

/* -- list ------------------------------------------------------------------------------------- */

static json_t *listed_json(const struct conf *conf, const struct conf_section *s, bool trusted)
{
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	CLEANUP(mem_free_ptr) char *root = conf_get_path(conf, s, "root");
	json_t *object = json_object(), *metadata = json_array();
	conf_get_words(s, "metadata", &urls);
	for (size_t i = 0; i < urls.count; i++) {
		CLEANUP(mem_free_ptr) char *url = url_redact(urls.at[i]);
		json_push(metadata, json_string_lossy(url, strlen(url)));
	}
	json_put_string(object, "name", s->name);
	json_put(object, "metadata", metadata);
	if (root)
		json_put(object, "root_file", json_string_lossy(root, strlen(root)));
	if (conf_get(s, "root-sha256"))
		json_put(object, "root_sha256", json_string_lossy(conf_get(s, "root-sha256"),
								   strlen(conf_get(s, "root-sha256"))));
	json_put_bool(object, "trusted", trusted);
	json_put_bool(object, "published_here", conf_get(s, "path") != NULL);
	return object;
}

static void list_row(struct cli_table *t, const struct conf_section *s, bool trusted)
{
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	conf_get_words(s, "metadata", &urls);
	for (size_t i = 0; i < urls.count; i++) {
		CLEANUP(mem_free_ptr) char *url = url_redact(urls.at[i]);
		buf_addf(&text, "%s%s", i ? " " : "", url);
	}
	bool pinned = conf_get(s, "root") || conf_get(s, "root-sha256");
	cli_table_add(t, (const char *const[]){
		s->name, trusted ? "trusted" : pinned ? "not fetched yet" : "no pinned root",
		buf_str(&text) });
}

static int print_list_json(struct cli *cli, const struct conf *conf, const struct store *store,
			   struct err *e)
{
	const struct conf_section *s;
	json_t *document = json_object(), *list = json_array();
	for (size_t i = 0; (s = conf_nth(conf, "repository", i)); i++) {
		CLEANUP(mem_free_ptr) char *dir = store_trust_dir(store, s->name);
		if (conf_get(s, "metadata"))
			json_push(list, listed_json(conf, s, tuf_client_is_initialised(dir)));
	}
	json_put_string(document, "command", "repository list");
	if (conf->path)
		json_put_string(document, "config", conf->path);
	json_put(document, "repositories", list);
	return cli_print_json(cli, document, e);
}

static int run_list(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)opts, (void)count, (void)operands;
	static const char *const titles[] = { "NAME", "TRUST", "METADATA" };
	CLEANUP(store_close) struct store store = { 0 };
	const struct conf *conf;
	const struct conf_section *s;
	bool any = false;
	int rc = cli_conf(cli, &conf, e);
	if (rc == 0)
		rc = session_store(&store, e);
	if (rc < 0)
		return rc;
	if (cli->json)
		return print_list_json(cli, conf, &store, e);
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	for (size_t i = 0; (s = conf_nth(conf, "repository", i)); i++) {
		CLEANUP(mem_free_ptr) char *dir = store_trust_dir(&store, s->name);
		if (!conf_get(s, "metadata"))
			continue;
		list_row(t, s, tuf_client_is_initialised(dir));
		any = true;
	}
	cli_table_print(cli, t);
	if (!any)
		report_note(cli->report, "no repository yet: ferry repository add NAME URL "
			    "--root FILE");
	return 0;
}

const struct command cmd_repository_list = {
	.name = "list",
	.summary = "list the repositories of the configuration; asks nobody",
	.run = run_list,
};

/* -- remove ----------------------------------------------------------------------------------- */

struct remove_opts {
	bool purge;
};

static const struct opt remove_opts[] = {
	OPT_ENTRY(OPT_FLAG, remove_opts, purge, 0, "purge", NULL,
		  "also remove what was trusted (the metadata in the store) and NAME.root.json "
		  "beside the configuration"),
	OPT_LAST,
};

static int run_remove(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	const struct remove_opts *o = opts;
	CLEANUP(mem_free_ptr) char *conf = NULL;
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP(remote_removed_release) struct remote_removed removed = { 0 };
	int rc = cli_conf_path(cli, &conf, e);
	if (rc == 0)
		rc = session_store(&store, e);
	if (rc == 0)
		rc = remote_remove(conf, operands[0], &store, o->purge, &removed, e);
	if (rc < 0)
		return rc;
	if (removed.section)
		report_note(cli->report, "%s is no longer in %s", operands[0], conf);
	for (size_t i = 0; i < removed.purged.count; i++)
		report_note(cli->report, "removed %s", removed.purged.at[i]);
	for (size_t i = 0; i < removed.kept.count; i++)
		report_note(cli->report, "kept %s%s", removed.kept.at[i],
			    o->purge ? ": it cannot be removed" : "; --purge removes it");
	if (!cli->json)
		return 0;
	json_t *document = json_object();
	json_put_string(document, "command", "repository remove");
	json_put_string(document, "name", operands[0]);
	json_put_string(document, "config", conf);
	json_put_bool(document, "removed", removed.section);
	json_put(document, "purged", json_strings(&removed.purged));
	json_put(document, "kept", json_strings(&removed.kept));
	return cli_print_json(cli, document, e);
}

const struct command cmd_repository_remove = {
	.name = "remove",
	.summary = "take a repository out of the configuration",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "Takes [repository.NAME] out, whether `add` or a person wrote it, and leaves "
		       "everything else as it is. A section that publishes something is refused. "
		       "Models in the store stay; `ferry store remove` removes them.",
	.opts = remove_opts,
	.opts_size = sizeof(struct remove_opts),
	.operand_hint = HINT_REPOSITORY,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_remove,
};
