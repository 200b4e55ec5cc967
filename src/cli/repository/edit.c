#include "cli/repository/repository.h"
#include "fetch/remote_add.h"
#include "http/url.h"
#include "util/mem.h"

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
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	struct settings_fetch fetch;
	int rc = session_settings(cli, &all, &fetch, &access, e);
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
			 "no repository yet; add one with its publisher's line: ferry repository "
			 "add 'URL#sha256=HEX'");
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
