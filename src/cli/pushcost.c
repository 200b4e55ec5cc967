#include "cli/pushcost.h"

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

void pushcost_describe(const struct settings_cost *c, const struct pushcost *p, struct buf *out)
{
	char after[COST_TEXT], change[COST_TEXT], upload[COST_TEXT];
	bool more = p->after >= p->before;
	if (!p->price)
		return;
	buf_addf(out, "%sstorage %s %s a month (%s %s), upload %s", out->len ? "; " : "",
		 cost_rounded(after, p->after), c->currency,
		 cost_rounded(change, more ? p->after - p->before : p->before - p->after),
		 more ? "more" : "less", cost_rounded(upload, p->upload));
}
