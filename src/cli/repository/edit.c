#include "cli/repository/repository.h"
#include "fetch/remote_add.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"

/* -- what the commands share --------------------------------------------------------------- */

void cmd_repository_put(json_t *object, struct remote *c)
{
	json_put(object, "roles", session_roles_json(c));
	session_put_endpoints(json_put_array(object, "endpoints"), c, NULL);
}

void cmd_repository_print_endpoints(struct cli *cli, const json_t *object)
{
	static const struct cli_column columns[] = {
		{ "ENDPOINT", "{url}", NULL },
		{ "STATE", "{state}", NULL },
		{ ">TIMESTAMP", "{version|-}", NULL },
		{ "FAULT", "{fault}", NULL },
	};
	cli_table(cli, json_object_get(object, "endpoints"), columns, ARRAY_LEN(columns));
}

/* -- add -------------------------------------------------------------------------------------- */

struct add_opts {
	const char *root, *root_sha256;
};

static const struct opt add_opts[] = {
	OPT_HINTED(OPT_STRING, add_opts, root, 0, "root", "FILE", HINT_FILE,
		   "the publisher's 1.root.json, received over a channel that you trust; it is "
		   "copied beside the configuration"),
	OPT_ENTRY(OPT_STRING, add_opts, root_sha256, 0, "root-sha256", "HEX",
		  "or its SHA-256; the file is then downloaded from a mirror and must match"),
	OPT_LAST,
};

static void put_root(json_t *root, const struct remote *c)
{
	const char *const *keyids;
	struct tuf_role_state states[4];
	uint64_t threshold;
	size_t count = tuf_client_root_keys(c->tuf, &keyids, &threshold);
	/* The root comes first. */
	tuf_client_state(c->tuf, states);
	json_put_u64(root, "version", states[0].version);
	json_put_u64(root, "threshold", threshold);
	json_t *keys = json_put_array(root, "keys");
	for (size_t i = 0; i < count; i++)
		json_push_string(keys, keyids[i]);
}

static int count_model(void *ctx, const struct index_model *m, struct err *e)
{
	uint64_t *count = ctx;
	(void)m;
	(void)e;
	++*count;
	return 0;
}

static json_t *added(struct cli *cli, const char *conf, const char *pin, struct remote *c)
{
	json_t *document = cli_document(cli);
	uint64_t models = 0;
	struct err ignored = ERR_INIT;
	json_put_string(document, "name", c->repository);
	json_put_string(document, "title", c->catalog.title);
	json_put_string(document, "config", conf);
	json_put_string(document, "root_file", pin);
	if (remote_each_model(c, count_model, &models, &ignored) == 0)
		json_put_u64(document, "models", models);
	put_root(json_put_object(document, "root"), c);
	cmd_repository_put(document, c);
	return document;
}

static void print_added(struct cli *cli, const json_t *document)
{
	const json_t *key;
	size_t i;
	cli_say(cli, document,
		json_object_get(document, "title") ? "{name}: {title}, {models#model}"
						   : "{name}: {name}, {models#model}");
	cli_say(cli, document,
		"root version {root.version}; {root.threshold} of these keys must sign the next "
		"one:");
	json_array_foreach (json_object_get(json_object_get(document, "root"), "keys"), i, key)
		cli_say(cli, key, "  {}");
	cmd_repository_print_endpoints(cli, document);
	cli_note(cli, document,
		 json_object_get(document, "root_file") ? "wrote {config} and {root_file}"
							: "wrote {config}");
	cli_note(cli, document, "next: run `ferry list`");
}

static int run_add(struct cli *cli, struct err *e)
{
	const struct add_opts *o = cli->opts;
	const struct remote_options options = {
		.strict = true,
		.report = cli->report,
		.cancel = cli->cancel,
		.kinds = mirror_kinds_client,
	};
	CLEANUP(mem_free_ptr) char *conf = NULL;
	CLEANUP(mem_free_ptr) char *pin = NULL;
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP_PTR(remote_free) struct remote *remote = NULL;
	if (!o->root == !o->root_sha256) {
		err_set(e, ERR_USAGE,
			o->root ? "--root and --root-sha256 are both given" : "no root is given");
		return err_hint(e,
				"get 1.root.json or its SHA-256 from the publisher over a channel "
				"that you trust, and use --root FILE or --root-sha256 HEX");
	}
	int rc = cli_conf_path(cli, &conf, e);
	if (rc == 0)
		rc = session_store(cli, &store, e);
	if (rc < 0)
		return rc;
	const struct remote_add what = {
		.conf_path = conf,
		.name = cli->operands[0],
		.urls = cli->operands + 1,
		.url_count = (size_t)cli->count - 1,
		.root = o->root,
		.root_sha256 = o->root_sha256,
	};
	rc = remote_add(&what, &store, &options, &remote, &pin, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = added(cli, conf, pin, remote);
	print_added(cli, document);
	return cli_result(cli, document, e);
}

const struct command cmd_repository_add = {
	.name = "add",
	.summary = "verify a repository and add it to the configuration",
	.synopsis = (const char *const[]){ "NAME URL… --root FILE", "NAME URL… --root-sha256 HEX",
					   NULL },
	.description =
		"First downloads and verifies everything from the pinned root to the catalog; if "
		"the root, the hash or a URL is wrong, nothing is written. NAME is your name for "
		"the repository. Every URL is the base of a mirror; the more, the better.",
	.opts = add_opts,
	.opts_size = sizeof(struct add_opts),
	.min_operands = 2,
	.max_operands = -1,
	.run = run_add,
};

/* -- list ------------------------------------------------------------------------------------- */

static void put_listed(json_t *object, const struct settings_repository *set,
		       const struct store *store)
{
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(store, set->name);
	json_put_string(object, "name", set->name);
	json_t *metadata = json_put_array(object, "metadata");
	for (size_t i = 0; i < set->metadata.count; i++) {
		CLEANUP(mem_free_ptr) char *url = url_redact(set->metadata.at[i]);
		json_push_string(metadata, url);
	}
	json_put_string(object, "root_file", set->root);
	json_put_string(object, "root_sha256", set->root_sha256);
	json_put_bool(object, "trusted", tuf_client_is_initialised(trust));
	json_put_bool(object, "published_here", set->dir != NULL);
}

static char *trust_text(const json_t *repository)
{
	bool pinned = json_object_get(repository, "root_file") ||
		      json_object_get(repository, "root_sha256");
	return cli_fill(repository, pinned ? "{trusted?trusted:not fetched yet}"
					   : "{trusted?trusted:no pinned root}");
}

static char *metadata_text(const json_t *repository)
{
	return cli_join(json_object_get(repository, "metadata"), "{}", " ");
}

static int run_list(struct cli *cli, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "NAME", "{name}", NULL },
		{ "TRUST", NULL, trust_text },
		{ "METADATA", NULL, metadata_text },
	};
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	struct settings_fetch fetch;
	int rc = session_settings(cli, &all, &fetch, e);
	if (rc == 0)
		rc = session_store(cli, &store, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "config", all.path);
	json_t *list = json_put_array(document, "repositories");
	for (size_t i = 0; i < all.count; i++)
		if (all.at[i].metadata.count)
			put_listed(json_push_object(list), &all.at[i], &store);
	cli_table(cli, list, columns, ARRAY_LEN(columns));
	if (json_array_size(list) == 0)
		cli_note(cli, document,
			 "no repository yet; add one with `ferry repository add NAME URL --root "
			 "FILE`");
	return cli_result(cli, document, e);
}

const struct command cmd_repository_list = {
	.name = "list",
	.asked = true,
	.summary = "list the configured repositories, without using the network",
	.run = run_list,
};

/* -- remove ----------------------------------------------------------------------------------- */

struct remove_opts {
	bool purge;
};

static const struct opt remove_opts[] = {
	OPT_ENTRY(OPT_FLAG, remove_opts, purge, 0, "purge", NULL,
		  "also delete the trusted metadata in the store and NAME.root.json beside the "
		  "configuration"),
	OPT_LAST,
};

static int run_remove(struct cli *cli, struct err *e)
{
	const struct remove_opts *o = cli->opts;
	CLEANUP(mem_free_ptr) char *conf = NULL;
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP(remote_removed_release) struct remote_removed removed = { 0 };
	int rc = cli_conf_path(cli, &conf, e);
	if (rc == 0)
		rc = session_store(cli, &store, e);
	if (rc == 0)
		rc = remote_remove(conf, cli->operands[0], &store, o->purge, &removed, e);
	if (rc < 0)
		return rc;
	if (removed.section)
		report_note(cli->report, "%s is no longer in %s", cli->operands[0], conf);
	for (size_t i = 0; i < removed.purged.count; i++)
		report_note(cli->report, "removed %s", removed.purged.at[i]);
	for (size_t i = 0; i < removed.kept.count; i++)
		report_note(cli->report, "kept %s%s", removed.kept.at[i],
			    o->purge ? ", which cannot be removed" : "; --purge removes it");
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_put_string(document, "name", cli->operands[0]);
	json_put_string(document, "config", conf);
	json_put_bool(document, "removed", removed.section);
	json_put(document, "purged", json_strings(&removed.purged));
	json_put(document, "kept", json_strings(&removed.kept));
	return cli_result(cli, document, e);
}

const struct command cmd_repository_remove = {
	.name = "remove",
	.summary = "remove a repository from the configuration",
	.synopsis = (const char *const[]){ "NAME", NULL },
	.description = "Removes [repository.NAME], whether `add` or a person wrote it, and changes "
		       "nothing else. A publisher's section is refused. Models in the store are "
		       "kept; `ferry store remove` removes them.",
	.opts = remove_opts,
	.opts_size = sizeof(struct remove_opts),
	.operand_hint = HINT_REPOSITORY,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_remove,
};
