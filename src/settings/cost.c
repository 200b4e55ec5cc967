#include "settings/cost.h"

#include "util/mem.h"

#include <string.h>

#define DIGITS 9
/* More is a slip of the decimal point. */
#define MAX_PRICE (1000000 * SETTINGS_COST_UNIT)
#define MAX_MINIMUM_S ((uint64_t)3650 * 86400)

static const char *const cost_keys[] = { "currency", "budget", NULL };
static const char *const price_keys[] = { "storage",  "write",   "read",   "egress", "unit",
					  "round-up", "minimum", "source", NULL };

void settings_cost_release(struct settings_cost *c)
{
	free(c->prices);
	*c = (struct settings_cost){ 0 };
}

const struct settings_cost_price *settings_cost_price(const struct settings_cost *c,
						      const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->prices[i].name, name) == 0)
			return &c->prices[i];
	return NULL;
}

/* ---- money ---- */

/* The digits behind the point, as billionths. */
static bool parse_fraction(const char *text, uint64_t *nano)
{
	char padded[DIGITS + 1] = "000000000";
	size_t len = strlen(text);
	if (!len || len > DIGITS)
		return false;
	memcpy(padded, text, len);
	return parse_u64(padded, nano);
}

bool settings_cost_parse(const char *text, uint64_t *nano)
{
	const char *point = strchr(text, '.');
	CLEANUP(mem_free_ptr)
	char *whole = mem_strndup(text, point ? (size_t)(point - text) : strlen(text));
	uint64_t units, part = 0;
	if (!parse_u64(whole, &units) || units >= SETTINGS_COST_UNIT ||
	    (point && !parse_fraction(point + 1, &part)))
		return false;
	*nano = units * SETTINGS_COST_UNIT + part;
	return true;
}

/* ---- scales: "0 to 10GB, 0.09 to 10TB, 0.085" ---- */

struct reading {
	const struct conf *c;
	const struct conf_section *s;
	struct err *e;
};

typedef bool amount_fn(const char *text, uint64_t *out);

/* "0.09 to 10TB", or "0.085": the last one. */
static bool parse_step(const char *text, amount_fn *amount, struct settings_cost_step *out)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	str_list_split(&words, text, " \t\r\n");
	out->until = UINT64_MAX;
	if (words.count != 1 && words.count != 3)
		return false;
	if (!settings_cost_parse(words.at[0], &out->nano) || out->nano > MAX_PRICE)
		return false;
	return words.count == 1 ||
	       (strcmp(words.at[1], "to") == 0 && amount(words.at[2], &out->until) && out->until);
}

static bool parse_scale(const char *text, amount_fn *amount, struct settings_cost_scale *out)
{
	CLEANUP(str_list_release) struct str_list steps = { 0 };
	uint64_t before = 0;
	str_list_split(&steps, text, ",");
	if (!steps.count || steps.count > SETTINGS_COST_MAX_STEPS)
		return false;
	for (size_t i = 0; i < steps.count; i++) {
		struct settings_cost_step *step = &out->at[i];
		if (!parse_step(steps.at[i], amount, step) || step->until <= before ||
		    (step->until == UINT64_MAX) != (i + 1 == steps.count))
			return false;
		before = step->until;
	}
	out->count = steps.count;
	return true;
}

static int read_scale(const struct reading *r, const char *key, amount_fn *amount,
		      struct settings_cost_scale *out)
{
	const char *value = conf_get(r->s, key);
	if (!value || parse_scale(value, amount, out))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(value);
	conf_err(r->c, r->s, key, r->e, "%s: '%s' is neither a price nor a list of steps", key,
		 shown);
	return err_hint(r->e, amount == parse_size
				      ? "such as 0.015, or '0 to 100GB, 0.09 to 10TB, 0.085'"
				      : "such as 0.36, or '0 to 10000000, 0.36'");
}

/* ---- [price.NAME] ---- */

static int read_gigabyte(const struct reading *r, struct settings_cost_price *p)
{
	const char *value = conf_get(r->s, "unit");
	p->gigabyte = 1000000000;
	if (!value || strcmp(value, "GB") == 0)
		return 0;
	p->gigabyte = GIB;
	return strcmp(value, "GiB") == 0
		       ? 0
		       : conf_err(r->c, r->s, "unit", r->e, "unit: must be GB or GiB");
}

static int read_rest(const struct reading *r, struct settings_cost_price *p)
{
	int rc = read_gigabyte(r, p);
	if (rc == 0)
		rc = conf_get_bool(r->c, r->s, "round-up", &p->round_up, r->e);
	if (rc == 0)
		rc = conf_get_duration(r->c, r->s, "minimum", &p->minimum_s, r->e);
	if (rc == 0 && p->minimum_s > MAX_MINIMUM_S)
		rc = conf_err(r->c, r->s, "minimum", r->e, "minimum: at most ten years");
	return rc;
}

static int read_price(const struct reading *r, struct settings_cost_price *p)
{
	if (!*r->s->name)
		return conf_err(r->c, r->s, NULL, r->e, "the section needs a name: [price.NAME]");
	p->name = r->s->name;
	p->source = conf_get(r->s, "source");
	int rc = conf_check_keys(r->c, r->s, price_keys, r->e);
	if (rc == 0)
		rc = read_scale(r, "storage", parse_size, &p->storage);
	if (rc == 0)
		rc = read_scale(r, "egress", parse_size, &p->egress);
	if (rc == 0)
		rc = read_scale(r, "write", parse_u64, &p->write);
	if (rc == 0)
		rc = read_scale(r, "read", parse_u64, &p->read);
	return rc < 0 ? rc : read_rest(r, p);
}

/* ---- [cost] ---- */

static int read_currency(const struct reading *r, struct settings_cost *out)
{
	const char *value = conf_get(r->s, "currency");
	value = value ? value : "USD";
	if (strlen(value) != 3 || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
		return conf_err(r->c, r->s, "currency", r->e,
				"currency: three capital letters, such as USD or EUR");
	memcpy(out->currency, value, SETTINGS_COST_CURRENCY);
	return 0;
}

static int read_budget(const struct reading *r, struct settings_cost *out)
{
	const char *value = conf_get(r->s, "budget");
	out->has_budget = value != NULL;
	if (!value || settings_cost_parse(value, &out->budget))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(value);
	return conf_err(r->c, r->s, "budget", r->e, "budget: '%s' is not an amount such as 120.50",
			shown);
}

int settings_cost_read(const struct conf *c, struct settings_cost *out, struct err *e)
{
	CLEANUP(settings_cost_release) struct settings_cost all = { 0 };
	struct reading r = { c, conf_find(c, "cost", ""), e };
	int rc = conf_check_keys(c, r.s, cost_keys, e);
	if (rc == 0)
		rc = read_currency(&r, &all);
	if (rc == 0)
		rc = read_budget(&r, &all);
	for (size_t i = 0; rc == 0 && (r.s = conf_nth(c, "price", i)); i++) {
		struct settings_cost_price price = { 0 };
		rc = read_price(&r, &price);
		all.prices = mem_grow(all.prices, all.count, &all.cap, sizeof *all.prices);
		all.prices[all.count++] = price;
	}
	if (rc < 0)
		return rc;
	*out = all;
	all = (struct settings_cost){ 0 };
	return 0;
}
