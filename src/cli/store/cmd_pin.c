#include "cli/store/pins.h"
#include "cli/values.h"
#include "store/pinned.h"

extern const struct command cmd_pin;

struct pinning {
	struct cli *cli;
	struct stock stock;
	json_t *pinned;
};

static void pinning_release(struct pinning *p)
{
	stock_release(&p->stock);
}

static int pin(void *ctx, const struct store_variant *v, struct err *e)
{
	struct pinning *p = ctx;
	int rc = store_variant_check_complete(v, e);
	if (rc == 0)
		rc = store_pin(&p->stock.store, v, e);
	if (rc < 0)
		return rc;
	json_t *model = pins_json(v, v->version);
	json_push(p->pinned, model);
	cli_note(p->cli, model, "{repository}/{model}:{variant} is pinned at version {version}");
	return 0;
}

static int pin_operand(void *ctx, int i, struct err *e)
{
	struct pinning *p = ctx;
	const char *operand = p->cli->operands[i];
	int rc = pins_each(&p->stock, operand, pin, p, e);
	if (rc != -ERR_NOT_FOUND || p->stock.count || str_starts(e->hint, "did you mean"))
		return rc;
	e->hint[0] = '\0';
	return err_hint(e, "`ferry fetch %s` fetches it; then it can be pinned", operand);
}

/* All that are pinned. */
static void list(struct pinning *p)
{
	static const struct cli_column columns[] = {
		{ "PINNED", "{repository}/{model}:{variant}", NULL },
		{ ">VERSION", "{version|-}", NULL },
	};
	const struct stock *s = &p->stock;
	for (size_t i = 0; i < s->all.count; i++) {
		const struct store_variant *v = &s->all.at[i];
		if (store_is_pinned(&s->store, v))
			json_push(p->pinned, pins_json(v, v->version));
	}
	cli_table(p->cli, p->pinned, columns, ARRAY_LEN(columns));
	if (!json_array_size(p->pinned))
		cli_note(p->cli, p->pinned, "nothing is pinned");
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(pinning_release) struct pinning p = {
		.cli = cli,
		.pinned = json_put_array(document, "pinned"),
	};
	CLEANUP(several_release) struct several operands;
	several_init(&operands, cli);
	int rc = stock_open(cli, &p.stock, false, e);
	if (rc == 0 && !cli->count)
		list(&p);
	else if (rc == 0)
		rc = several_each(&operands, pin_operand, &p, e);
	return rc < 0 ? rc : several_result(&operands, document, e);
}

const struct command cmd_pin = {
	.name = "pin",
	.asked = true,
	.summary = "keep models in the store at their version",
	.synopsis = (const char *const[]){ "[" STOCK_REFERENCE "…]", NULL },
	.description =
		"A pinned model keeps its version: `ferry update` leaves it, `fetch` and `run` "
		"give that version, and nothing removes it from the store. With @VERSION, "
		"an earlier version that is in the store becomes the model's version. "
		"Without operands, lists what is pinned.",
	.operand_hint = HINT_STORED,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
