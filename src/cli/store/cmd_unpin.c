#include "cli/store/pins.h"
#include "cli/values.h"
#include "store/pinned.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_unpin;

struct unpinning {
	struct cli *cli;
	struct stock stock;
	json_t *unpinned;
	bool by_version; /* the operand names one */
};

static void unpinning_release(struct unpinning *u)
{
	stock_release(&u->stock);
}

static int unpin(void *ctx, const struct store_variant *v, struct err *e)
{
	struct unpinning *u = ctx;
	const struct store *s = &u->stock.store;
	CLEANUP(mem_free_ptr) char *plain = store_variant_plain(v);
	uint64_t version;
	bool pinned = store_pin_of(s, v->repository, v->model, plain, &version);
	if (!pinned || (u->by_version && version != v->version)) {
		report_note(u->cli->report, "%s/%s:%s was not pinned%s", v->repository, v->model,
			    plain, pinned ? " at this version" : "");
		return 0;
	}
	int rc = store_unpin(s, v, e);
	if (rc < 0)
		return rc;
	json_t *model = pins_json(v, version);
	json_push(u->unpinned, model);
	cli_note(u->cli, model,
		 "{repository}/{model}:{variant} is no longer pinned: `ferry update` may change "
		 "its version");
	return 0;
}

static int unpin_operand(void *ctx, int i, struct err *e)
{
	struct unpinning *u = ctx;
	u->by_version = strchr(u->cli->operands[i], '@') != NULL;
	return pins_each(&u->stock, u->cli->operands[i], unpin, u, e);
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(unpinning_release) struct unpinning u = {
		.cli = cli,
		.unpinned = json_put_array(document, "unpinned"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = stock_open(cli, &u.stock, true, e);
	if (rc == 0)
		rc = several_each(&operands, unpin_operand, &u, e);
	return rc < 0 ? rc : several_result(&operands, document, e);
}

const struct command cmd_unpin = {
	.name = "unpin",
	.summary = "let models be updated again",
	.synopsis = (const char *const[]){ STOCK_REFERENCE "…", NULL },
	.description = "Takes back what `ferry pin` did. The version in the store stays until "
		       "`ferry update` or `ferry fetch` brings the current one.",
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
