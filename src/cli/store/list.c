#include "cli/standings.h"
#include "cli/store/linked.h"
#include "cli/store/stock.h"
#include "cli/store/store.h"
#include "store/partials.h"

#include <string.h>

/* Downloads that can be resumed take space, and models have no line yet. */
static int count_partials(const struct store *s, json_t *document, struct err *e)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	uint64_t count = 0, bytes = 0;
	int rc = store_partials_list(s, NULL, &all, e);
	for (size_t i = 0; i < all.count; i++) {
		count += all.at[i].exists;
		bytes += all.at[i].there;
	}
	json_put_u64(document, "partials", count);
	json_put_u64(document, "partial_bytes", bytes);
	return rc;
}

/* With the catalogs that were verified last. */
static int list_variants(const struct stock *s, const struct client *known, json_t *variants,
			 struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->all.count; i++) {
		const struct store_variant *v = &s->all.at[i];
		struct remote *remote = remotes_find(&known->remotes, v->repository);
		struct standing st;
		rc = standing_of(remote, &s->store, v, &st, e);
		if (rc < 0)
			break;
		json_t *object = stock_variant_json(&s->store, v, NULL);
		standings_put(object, v, &st);
		json_push(variants, object);
	}
	return rc;
}

static bool has_models_of(const struct stock *s, const char *repository)
{
	for (size_t i = 0; i < s->all.count; i++)
		if (strcmp(s->all.at[i].repository, repository) == 0)
			return true;
	return false;
}

/* Of which catalogs the states are, and which of them are old. */
static void tell_catalogs(struct cli *cli, const struct stock *s, const struct client *known,
			  json_t *document)
{
	json_t *catalogs = json_put_array(document, "catalogs");
	for (size_t i = 0; i < known->remotes.count; i++) {
		const struct remote *r = known->remotes.at[i];
		if (!has_models_of(s, r->repository))
			continue;
		json_t *object = json_push_object(catalogs);
		json_put_string(object, "repository", r->repository);
		json_put_string(object, "updated", r->catalog.updated);
		json_put_string(object, "expired", r->expired);
		if (r->expired)
			cli_note(cli, object,
				 "{repository}: the catalog that was verified last is of {updated} "
				 "and has expired: `ferry list` refreshes it");
	}
}

static int run_list(struct cli *cli, struct err *e)
{
	static const struct cli_column columns[] = {
		{ "MODEL", "{repository}/{model}:{variant}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ ">FILES", "{files}", NULL },
		{ "FETCHED", "{fetched|-}", NULL },
		{ "STATE", NULL, standings_text },
	};
	CLEANUP(stock_release) struct stock s = { 0 };
	CLEANUP(client_release) struct client known = { 0 };
	int rc = stock_open(cli, &s, false, e);
	if (rc == 0)
		rc = standings_recall(cli, &known, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *variants = json_put_array(document, "variants");
	rc = list_variants(&s, &known, variants, e);
	if (rc == 0)
		rc = count_partials(&s.store, document, e);
	if (rc < 0)
		return rc;
	if (!s.all.count && !cli->json)
		report_note(cli->report, "the store %s is empty", s.store.home);
	cli_table(cli, variants, columns, ARRAY_LEN(columns));
	tell_catalogs(cli, &s, &known, document);
	linked_warn(cli, &s.store);
	if (json_integer_value(json_object_get(document, "partials")))
		cli_note(cli, document,
			 "{partials#unfinished download}, {partial_bytes:size}: `ferry store "
			 "partials` lists them");
	return cli_result(cli, document, e);
}

const struct command cmd_store_list = {
	.name = "list",
	.asked = true,
	.summary = "list what is in the store",
	.description = "For each variant: the size and number of its files, when it "
		       "was fetched, and whether the catalog that was verified last has a newer "
		       "version. The network is not used.",
	.run = run_list,
};
