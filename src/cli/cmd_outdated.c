#include "cli/upkeep.h"
#include "cli/values.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_outdated;

struct outdated_opts {
	bool offline;
};

static const struct opt outdated_opts[] = {
	OPT_ENTRY(OPT_FLAG, outdated_opts, offline, 0, "offline", NULL,
		  "do not use the network: compare with the catalog that was verified last"),
	OPT_LAST,
};

/* The first change; all of them are in the document, and `update --dry-run` prints them. */
static char *what_cell(const json_t *row)
{
	const json_t *changes = json_object_get(row, "changes");
	CLEANUP(mem_free_ptr)
	char *remark = json_text(row, "remark")   ? cli_fill(row, "{remark}")
		       : json_text(row, "reason") ? cli_fill(row, "withdrawn: {reason}")
						  : NULL;
	size_t count = json_array_size(changes);
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	buf_adds(&text, remark ? remark : "");
	if (remark && count)
		buf_adds(&text, "; ");
	if (count)
		buf_adds(&text, json_string_value(json_array_get(changes, 0)));
	if (count > 1)
		buf_addf(&text, " (and %zu more)", count - 1);
	return mem_strdup(buf_str(&text));
}

/* What is current is only counted. */
static void put_models(json_t *document, const struct upkeep *u)
{
	uint64_t current = 0, updates = 0, bytes = 0;
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < u->count; i++) {
		const struct upkeep_model *m = &u->at[i];
		if (!m->meant)
			continue;
		if (strcmp(upkeep_state(m), "current") == 0) {
			current++;
			continue;
		}
		json_push(models, upkeep_json(m));
		if (m->pinned || !upkeep_is_outdated(m))
			continue;
		updates++;
		bytes += m->download;
	}
	json_put_u64(document, "current", current);
	json_put_u64(document, "updates", updates);
	json_put_u64(document, "download", bytes);
}

static void print(struct cli *cli, const struct upkeep *u, const json_t *document)
{
	static const struct cli_column columns[] = {
		{ "MODEL", "{repository}/{model}:{variant}", NULL },
		{ ">HAVE", "{version|-}", NULL },
		{ ">NEW", "{update.version|-}", NULL },
		{ ">DOWNLOAD", "{update.bytes:size}", NULL },
		{ "WHAT", NULL, what_cell },
	};
	const json_t *models = json_object_get(document, "models");
	cli_table(cli, models, columns, ARRAY_LEN(columns));
	if (!u->count)
		cli_note(cli, document,
			 u->all.count ? "the store has models only under the numbers of their "
					"versions, which never change"
				      : "the store has no models");
	else if (!json_array_size(models) && !u->faults.count)
		cli_note(cli, document, "nothing is outdated");
	else if (json_integer_value(json_object_get(document, "updates")))
		cli_note(cli, document,
			 "{updates#update}, {download:size} to download: `ferry update`");
}

static int run(struct cli *cli, struct err *e)
{
	const struct outdated_opts *o = cli->opts;
	CLEANUP(upkeep_release) struct upkeep u = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int rc = upkeep_open(cli, o->offline, &u, e);
	if (rc < 0 && !o->offline && err_is(e, ERR_NETWORK))
		return err_hint(e, "--offline compares with the catalog that was verified last");
	if (rc < 0)
		return rc;
	session_tell_faults(cli, &u.client);
	put_models(document, &u);
	print(cli, &u, document);
	upkeep_end(cli, &u, json_array_size(json_object_get(document, "models")), document, e);
	return cli_result(cli, document, e);
}

const struct command cmd_outdated = {
	.name = "outdated",
	.asked = true,
	.summary = "list the models in the store that have a newer version",
	.synopsis = (const char *const[]){ "[[REPOSITORY/]MODEL[:VARIANT]…]", NULL },
	.description = "Compares the models in the store with the catalogs, and lists those that "
		       "are not the current version: what is new, and how many bytes the download "
		       "takes. Those that were withdrawn, or left the catalog, are listed, too. "
		       "Nothing is downloaded but signed metadata.",
	.opts = outdated_opts,
	.opts_size = sizeof(struct outdated_opts),
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
