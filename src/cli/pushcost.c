#include "cli/pushcost.h"

#include <stdio.h>

/* What is there, what will be, and what that takes. Files of older releases, which prune removes,
 * are not known here. */
static void add_step(const struct push_step *s, uint64_t *stored, struct cost_usage *after)
{
	bool put = s->action == STEP_PUT || s->action == STEP_REPLACE;
	if (s->action == STEP_NONE)
		return;
	if (s->action == STEP_REPLACE)
		*stored = cost_add(*stored, s->stat.size);
	else if (!put)
		*stored = cost_add(*stored, s->file->size);
	after->stored = cost_add(after->stored, s->file->size);
	after->writes += put ? push_plan_requests_to_put(s->file->size) : 0;
	if (s->action != STEP_CHECK)
		return;
	after->reads++;
	after->egress = cost_add(after->egress, s->file->size);
}

int pushcost_find(const struct settings_cost *c, const struct push_mirror *m, struct pushcost *out,
		  struct err *e)
{
	struct cost_usage after = { 0 }, before = { 0 };
	struct cost_bill bill;
	*out = (struct pushcost){ 0 };
	int rc = m->settings ? cost_prices_find(c, m->settings, &out->price, e) : 0;
	if (rc < 0 || !out->price)
		return rc;
	for (size_t i = 0; i < m->plan.count; i++)
		add_step(&m->plan.steps[i], &before.stored, &after);
	cost_bill(out->price, &before, &bill);
	out->before = bill.storage;
	cost_bill(out->price, &after, &bill);
	out->after = bill.storage;
	out->upload = cost_less(bill.total, bill.storage);
	return 0;
}

json_t *pushcost_json(const struct settings_cost *c, const struct pushcost *p)
{
	char text[COST_TEXT];
	if (!p->price)
		return NULL;
	json_t *o = json_object();
	json_put_string(o, "price", p->price->name);
	json_put_string(o, "currency", c->currency);
	json_put_string(o, "storage_before", cost_exact(text, p->before));
	json_put_string(o, "storage", cost_exact(text, p->after));
	json_put_string(o, "upload", cost_exact(text, p->upload));
	return o;
}

static void put_rounded(json_t *row, const char *key, const char *sign, uint64_t nano)
{
	char text[COST_TEXT], signed_text[COST_TEXT + 1];
	snprintf(signed_text, sizeof signed_text, "%s%s", sign, cost_rounded(text, nano));
	json_put_string(row, key, signed_text);
}

static void add_row(json_t *rows, const char *id, const struct pushcost *p)
{
	bool less = p->after < p->before;
	json_t *row = json_push_object(rows);
	json_put_string(row, "id", id);
	put_rounded(row, "storage", "", p->after);
	put_rounded(row, "more", less ? "-" : "",
		    less ? p->before - p->after : p->after - p->before);
	put_rounded(row, "upload", "", p->upload);
}

void pushcost_print(struct cli *cli, const struct settings_cost *c,
		    const struct push_mirror *mirrors, size_t count)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },           { ">STORAGE/MONTH", "{storage}", NULL },
		{ ">MORE THAN NOW", "{more}", NULL }, { ">UPLOAD", "{upload}", NULL },
		{ "CURRENCY", "{currency}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < count; i++) {
		struct err ignored = ERR_INIT;
		struct pushcost p;
		if (pushcost_find(c, &mirrors[i], &p, &ignored) < 0 || !p.price)
			continue;
		add_row(rows, mirrors[i].id, &p);
		json_put_string(json_array_get(rows, json_array_size(rows) - 1), "currency",
				c->currency);
	}
	if (json_array_size(rows))
		cli_table(cli, rows, columns, ARRAY_LEN(columns));
}
