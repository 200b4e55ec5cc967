#include "cli/catalog_common.h"

#include <stdio.h>
#include <time.h>

static const struct opt status_opts[] = { CATALOG_OPT_PLACE, OPT_LAST };

/* What to do about a document, in a word. */
static const char *state_of(const struct tuf_writer_status *s, int64_t now_s)
{
	return s->waiting ? "waiting for signatures" : s->expires_s <= now_s ? "expired" : "published";
}

static void add_row(struct cli_table *table, const struct tuf_writer_status *s, int64_t now_s)
{
	char version[24], expires[TIME_TEXT], signatures[48];
	snprintf(version, sizeof version, "%llu", (unsigned long long)s->version);
	snprintf(signatures, sizeof signatures, "%u of %u", s->valid, s->threshold);
	format_time(expires, s->expires_s);
	cli_table_add(table, (const char *const[]){ s->role, version, expires, signatures,
						    state_of(s, now_s) });
}

static json_t *role_json(const struct tuf_writer_status *s, int64_t now_s)
{
	char expires[TIME_TEXT];
	json_t *object = json_object(), *keys = json_array();
	format_time(expires, s->expires_s);
	json_put_string(object, "role", s->role);
	json_put_u64(object, "version", s->version);
	json_put_u64(object, "published", s->published);
	json_put_bool(object, "waiting", s->waiting);
	json_put_string(object, "expires", expires);
	json_put_bool(object, "expired", s->expires_s <= now_s);
	json_put_u64(object, "threshold", s->threshold);
	json_put_u64(object, "signatures", s->valid);
	for (size_t i = 0; i < s->keyids.count; i++) {
		json_t *key = json_object();
		json_put_string(key, "id", s->keyids.at[i]);
		json_put_bool(key, "signed", str_list_has(&s->signed_by, s->keyids.at[i]));
		json_push(keys, key);
	}
	json_put(object, "keys", keys);
	return object;
}

static int run_status(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count, (void)operands;
	static const char *const titles[] = { "ROLE", ">VERSION", "EXPIRES", "SIGNATURES", "STATE" };
	CLEANUP(catalog_place_release) struct catalog_place p = { 0 };
	CLEANUP(tuf_writer_statuses_release) struct tuf_writer_statuses all = { 0 };
	CLEANUP_PTR(tuf_writer_close) struct tuf_writer *w = NULL;
	int64_t now_s = time(NULL);
	int rc = catalog_place_load(cli, opts, &p, e);
	if (rc < 0 || (rc = tuf_writer_open(p.dir, NULL, now_s, &w, e)) < 0 ||
	    (rc = tuf_writer_status(w, &all, e)) < 0)
		return rc;
	if (all.count == 0) {
		err_set(e, ERR_NOT_FOUND, "%s: nothing was ever signed", p.dir);
		return err_hint(e, "`ferry catalog init` makes keys and root");
	}
	struct cli_table *table = cli->json ? NULL : cli_table_new(titles, ARRAY_LEN(titles));
	json_t *document = json_object(), *roles = json_array();
	for (size_t i = 0; i < all.count; i++) {
		if (table)
			add_row(table, &all.at[i], now_s);
		json_push(roles, role_json(&all.at[i], now_s));
	}
	json_put_string(document, "command", "catalog status");
	json_put_string(document, "repository", p.dir);
	json_put(document, "roles", roles);
	if (cli->json)
		return cli_print_json(cli, document, e);
	json_decref(document);
	cli_table_print(cli, table);
	return 0;
}

const struct command catalog_status = {
	.name = "status",
	.summary = "show versions, expiry and signatures of the metadata",
	.synopsis = (const char *const[]){ "", NULL },
	.opts = status_opts,
	.opts_size = sizeof(struct catalog_opts),
	.run = run_status,
};
