#include "cli/costs.h"
#include "cli/statsdb.h"
#include "cli/values.h"
#include "util/mem.h"
#include "util/metrics.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define DATE_TEXT 11

struct cost_opts {
	const char *name, *dir;
	const char *month, *budget, *order, *database, *prometheus;
	uint64_t downloads; /* UINT64_MAX: not given */
	bool list;
};

static const struct cost_opts defaults = { .downloads = UINT64_MAX };

static const struct opt options[] = {
	OPT_ENTRY(OPT_STRING, cost_opts, month, 0, "month", "YYYY-MM",
		  "what readers took in this month; without it, in the last 30 days"),
	OPT_ENTRY(OPT_U64, cost_opts, downloads, 0, "downloads", "N",
		  "estimate what readers take from this number of downloads in a month, instead of "
		  "the statistics"),
	OPT_ENTRY(OPT_FLAG, cost_opts, list, 0, "list", NULL,
		  "ask the mirrors what they hold, so that files of older releases count, too"),
	OPT_ENTRY(OPT_STRING, cost_opts, order, 0, "order", "MIRRORS",
		  "also say what it would cost if readers tried the mirrors in this order, "
		  "separated by commas"),
	OPT_ENTRY(OPT_STRING, cost_opts, budget, 0, "budget", "AMOUNT",
		  "what a month may cost, instead of budget in ferry.conf: more is a fault, and "
		  "exit status 1"),
	OPT_HINTED(OPT_STRING, cost_opts, prometheus, 0, "prometheus", "FILE", HINT_FILE,
		   "write the metrics to this file, for the textfile collector of node_exporter; "
		   "its name has to end in .prom there"),
	STATSDB_OPTION(cost_opts),
	OPT_HINTED(OPT_STRING, cost_opts, name, 0, "name", "NAME", HINT_REPOSITORY,
		   "the repository, if ferry.conf has several"),
	OPT_HINTED(OPT_STRING, cost_opts, dir, 0, "repository", "DIR", HINT_DIR,
		   "the repository's tree (its path in ferry.conf)"),
	OPT_LAST,
};

/* ---- the period ---- */

static bool day_of(int year, int month, int64_t *day)
{
	char text[TIME_TEXT + 16];
	int64_t time_s;
	snprintf(text, sizeof text, "%04d-%02d-01T00:00:00Z", year, month);
	if (!parse_time(text, &time_s))
		return false;
	*day = time_s / DAY_S;
	return true;
}

static bool parse_month(const char *text, struct costs_period *out)
{
	CLEANUP(mem_free_ptr) char *first = mem_printf("%s-01T00:00:00Z", text);
	int64_t time_s;
	if (strlen(text) != strlen("2026-11") || !parse_time(first, &time_s) || time_s < 0)
		return false;
	int year = (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 +
		   (text[3] - '0');
	int month = (text[5] - '0') * 10 + (text[6] - '0');
	out->from = time_s / DAY_S;
	return day_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, &out->until);
}

/* A month that goes on ends with today. */
static int find_period(const struct cost_opts *o, int64_t now_s, struct costs_period *out,
		       struct err *e)
{
	int64_t today = now_s / DAY_S;
	*out = (struct costs_period){ today - COSTS_DAYS, today };
	if (!o->month)
		return 0;
	if (!parse_month(o->month, out))
		return err_set(e, ERR_USAGE, "--month: '%s' is not a month such as 2026-11",
			       o->month);
	if (out->from > today)
		return err_set(e, ERR_USAGE, "--month: %s has not begun yet", o->month);
	out->until = MIN(out->until, today + 1);
	return 0;
}

/* ---- the document ---- */

static void put_money(json_t *o, const char *key, uint64_t nano)
{
	char text[COST_TEXT];
	json_put_string(o, key, cost_exact(text, nano));
}

/* JSON of ours has no larger numbers. */
static void put_count(json_t *o, const char *key, uint64_t count)
{
	json_put_u64(o, key, MIN(count, INT64_MAX));
}

static void put_bill(json_t *o, const struct cost_bill *b)
{
	put_money(o, "storage", b->storage);
	put_money(o, "writes", b->writes);
	put_money(o, "reads", b->reads);
	put_money(o, "egress", b->egress);
	put_money(o, "total", b->total);
}

static void put_mirror(json_t *o, const struct costs_mirror *m)
{
	json_put_string(o, "id", m->settings->id);
	json_put_string(o, "kind", m->settings->kind);
	json_put_string(o, "price", m->price ? m->price->name : NULL);
	json_put_string(o, "source", m->price ? m->price->source : NULL);
	put_count(o, "files", m->files);
	put_count(o, "stored_bytes", m->usage.stored);
	json_put_bool(o, "listed", m->listed);
	if (m->listed)
		put_count(o, "other_bytes", m->other_bytes);
	put_count(o, "old_bytes", m->old_bytes);
	put_count(o, "bound_bytes", m->bound_bytes);
	put_count(o, "write_requests", m->usage.writes);
	put_count(o, "read_requests", m->usage.reads);
	put_count(o, "egress_bytes", m->usage.egress);
	put_count(o, "audit_bytes", m->audit_bytes);
	if (!m->price)
		return;
	put_bill(json_put_object(o, "cost"), &m->bill);
	put_money(o, "old_versions", m->old_versions);
	put_money(o, "others", m->others);
	put_money(o, "audits", m->audits);
}

static const char *date(char out[TIME_TEXT], int64_t day)
{
	format_time(out, day * DAY_S);
	out[DATE_TEXT - 1] = '\0';
	return out;
}

static void put_period(json_t *document, const struct costs *c)
{
	static const char *const names[] = { "none", "statistics", "estimate" };
	char text[TIME_TEXT];
	json_put_string(document, "basis", names[c->basis]);
	if (c->basis == COSTS_ESTIMATE) {
		put_count(document, "downloads", c->downloads);
		put_count(document, "download_bytes", c->download_bytes);
		return;
	}
	json_put_string(document, "from", date(text, c->period.from));
	json_put_string(document, "to", date(text, c->period.until - 1));
	if (c->begin > c->period.from)
		json_put_string(document, "begin", date(text, c->begin));
}

/* The same for all: what is not counted without a price is counted nowhere. */
static void put_lists(json_t *document, const struct costs *c)
{
	json_t *mirrors = json_put_array(document, "mirrors");
	json_t *unpriced = json_put_array(document, "unpriced");
	for (size_t i = 0; i < c->count; i++) {
		put_mirror(json_push_object(mirrors), &c->at[i]);
		if (!c->at[i].price)
			json_push_string(unpriced, c->at[i].settings->id);
	}
	json_put(document, "unknown", json_strings(&c->unknown));
}

struct budget {
	bool given;
	uint64_t nano;
};

static bool is_over(const struct costs *c, const struct budget *b)
{
	return b->given && c->sum.total > b->nano;
}

static json_t *make_document(struct cli *cli, const struct publisher *p, const struct costs *c,
			     const struct budget *b)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "repository", p->name);
	json_put_string(document, "currency", c->settings.currency);
	put_period(document, c);
	put_lists(document, c);
	put_bill(json_put_object(document, "cost"), &c->sum);
	put_money(document, "old_versions", c->old_versions);
	put_money(document, "others", c->others);
	put_money(document, "audits", c->audits);
	if (b->given) {
		put_money(document, "budget", b->nano);
		json_put_bool(document, "over", is_over(c, b));
	}
	return document;
}

static int put_order(json_t *document, const struct costs *c, const char *names, struct err *e)
{
	CLEANUP(str_list_release) struct str_list order = { 0 };
	struct cost_bill sum;
	int rc = costs_reordered(c, names, &sum, &order, e);
	if (rc < 0)
		return rc;
	json_t *other = json_put_object(document, "reordered");
	json_put(other, "order", json_strings(&order));
	put_bill(json_put_object(other, "cost"), &sum);
	put_money(other, "saved", cost_less(c->sum.total, sum.total));
	put_money(other, "added", cost_less(sum.total, c->sum.total));
	return 0;
}

/* ---- for people ---- */

static void put_rounded(json_t *row, const char *key, uint64_t nano)
{
	char text[COST_TEXT];
	json_put_string(row, key, cost_rounded(text, nano));
}

static void put_row(json_t *row, const struct cost_bill *b)
{
	put_rounded(row, "storage", b->storage);
	put_rounded(row, "requests", cost_add(b->writes, b->reads));
	put_rounded(row, "egress", b->egress);
	put_rounded(row, "total", b->total);
}

static void print_table(struct cli *cli, const struct costs *c)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{id}", NULL },           { "PRICE", "{price|-}", NULL },
		{ ">STORED", "{stored:size}", NULL }, { ">READ", "{read:size}", NULL },
		{ ">STORAGE", "{storage|-}", NULL },  { ">REQUESTS", "{requests|-}", NULL },
		{ ">EGRESS", "{egress|-}", NULL },    { ">TOTAL", "{total|-}", NULL },
	};
	CLEANUP(json_release) json_t *rows = json_array();
	for (size_t i = 0; i < c->count; i++) {
		const struct costs_mirror *m = &c->at[i];
		json_t *row = json_push_object(rows);
		json_put_string(row, "id", m->settings->id);
		json_put_string(row, "price", m->price ? m->price->name : NULL);
		json_put_u64(row, "stored", m->usage.stored);
		json_put_u64(row, "read", m->usage.egress);
		if (m->price)
			put_row(row, &m->bill);
	}
	cli_table(cli, rows, columns, ARRAY_LEN(columns));
}

/* On the first day of the statistics, the days before it have none. */
static void print_no_readers(struct cli *cli, const struct costs *c)
{
	char begin[TIME_TEXT];
	if (c->begin < c->period.until)
		cli_prose(cli, 0,
			  "Readers: not counted, because there are no statistics of that time "
			  "(`ferry stats import`); --downloads N estimates.");
	else
		cli_prose(cli, 0,
			  "Readers: not counted, because the statistics begin on %s; --month %.7s "
			  "counts that month.",
			  date(begin, c->begin), begin);
}

static void print_basis(struct cli *cli, const json_t *document, const struct costs *c)
{
	if (c->basis == COSTS_ESTIMATE)
		cli_say(cli, document,
			"Estimate: {downloads} downloads of {download_bytes:size}, all from the "
			"first mirror.");
	else if (c->basis == COSTS_STATISTICS)
		cli_say(cli, document,
			"Readers: by the statistics of {from} to {to}{begin?, which begin on :}"
			"{begin}.");
	else
		print_no_readers(cli, c);
}

static void print_sum(struct cli *cli, const struct costs *c)
{
	const struct cost_bill *b = &c->sum;
	char total[COST_TEXT], storage[COST_TEXT], requests[COST_TEXT], egress[COST_TEXT];
	if (c->unpriced == c->count)
		return;
	cli_prose(cli, 0, "A month costs %s %s: storage %s, requests %s, egress %s.",
		  cost_rounded(total, b->total), c->settings.currency,
		  cost_rounded(storage, b->storage),
		  cost_rounded(requests, cost_add(b->writes, b->reads)),
		  cost_rounded(egress, b->egress));
}

static void print_part(struct cli *cli, const struct costs *c, const char *what, uint64_t nano)
{
	char text[COST_TEXT];
	if (nano)
		cli_line(cli, "Of this, %s: %s %s.", what, cost_rounded(text, nano),
			 c->settings.currency);
}

static void print_parts(struct cli *cli, const struct costs *c)
{
	print_part(cli, c, "old versions of models", c->old_versions);
	print_part(cli, c, "files that are not of this release", c->others);
	print_part(cli, c, "audits", c->audits);
}

static void print_order(struct cli *cli, const json_t *document, const struct costs *c,
			const char *names)
{
	CLEANUP(mem_free_ptr) char *order = NULL;
	CLEANUP(str_list_release) struct str_list ignored = { 0 };
	struct err none = ERR_INIT;
	struct cost_bill sum;
	char total[COST_TEXT], change[COST_TEXT];
	if (!names || costs_reordered(c, names, &sum, &ignored, &none) < 0)
		return;
	uint64_t less = cost_less(c->sum.total, sum.total);
	uint64_t more = cost_less(sum.total, c->sum.total);
	order = cli_join(json_object_get(json_object_get(document, "reordered"), "order"), "{}",
			 ", ");
	cost_rounded(total, sum.total);
	cost_rounded(change, less ? less : more);
	if (less || more)
		cli_prose(cli, 0, "In the order %s: %s %s, %s %s.", order, total,
			  c->settings.currency, change, less ? "less" : "more");
	else
		cli_prose(cli, 0, "In the order %s: %s %s, the same.", order, total,
			  c->settings.currency);
}

static void print_budget(struct cli *cli, const struct costs *c, const struct budget *b)
{
	char budget[COST_TEXT], by[COST_TEXT];
	if (!b->given || c->unpriced == c->count)
		return;
	bool over = is_over(c, b);
	uint64_t gap = over ? c->sum.total - b->nano : b->nano - c->sum.total;
	cost_rounded(budget, b->nano);
	cost_rounded(by, gap);
	cli_line(cli,
		 over ? "The budget of %s %s is exceeded by %s."
		      : "Of the budget of %s %s, %s is left.",
		 budget, c->settings.currency, by);
}

/* Each price once. */
static void print_sources(struct cli *cli, const struct costs *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct settings_cost_price *p = c->at[i].price;
		bool told = !p || !p->source;
		for (size_t k = 0; k < i && !told; k++)
			told = c->at[k].price == p;
		if (!told)
			cli_line(cli, "Price %s: %s", p->name, p->source);
	}
}

static void print_gaps(struct cli *cli, const json_t *document)
{
	if (json_array_size(json_object_get(document, "unpriced"))) {
		CLEANUP(mem_free_ptr)
		char *names = cli_join(json_object_get(document, "unpriced"), "{}", ", ");
		cli_prose(cli, 0,
			  "Not counted, because no price is known: %s. Write a [price.NAME] and "
			  "name it with price = NAME in the section of the mirror.",
			  names);
	}
	if (json_array_size(json_object_get(document, "unknown"))) {
		CLEANUP(mem_free_ptr)
		char *names = cli_join(json_object_get(document, "unknown"), "{}", ", ");
		cli_prose(cli, 0, "In the statistics, but not in ferry.conf: %s.", names);
	}
}

static void print_costs(struct cli *cli, const json_t *document, const struct costs *c,
			const struct budget *b, const char *order)
{
	cli_aloud(cli, is_over(c, b));
	print_table(cli, c);
	print_sum(cli, c);
	print_parts(cli, c);
	print_basis(cli, document, c);
	print_order(cli, document, c, order);
	print_budget(cli, c, b);
	print_sources(cli, c);
	print_gaps(cli, document);
	cli_aloud(cli, false);
}

/* ---- metrics ---- */

static const struct metric of_month = {
	.name = "ferry_cost_month",
	.type = METRICS_GAUGE,
	.help = "What a mirror costs in a month, in the currency of ferry.conf",
};
static const struct metric of_budget = {
	.name = "ferry_cost_budget",
	.type = METRICS_GAUGE,
	.help = "What a month may cost, all mirrors together",
};
static const struct metric of_time = {
	.name = "ferry_cost_timestamp_seconds",
	.type = METRICS_GAUGE,
	.help = "When ferry cost was run last",
};

static double units(uint64_t nano)
{
	return (double)nano / (double)SETTINGS_COST_UNIT;
}

static int write_metrics(const char *path, const char *repository, const struct costs *c,
			 const struct budget *b, int64_t now_s, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METRICS_MAX_BYTES);
	const char *const labels[] = { "repository", repository, NULL };
	metrics_begin(&text, &of_month);
	for (size_t i = 0; i < c->count; i++) {
		const char *const both[] = { "repository", repository, "mirror",
					     c->at[i].settings->id, NULL };
		if (c->at[i].price)
			metrics_add(&text, &of_month, both, units(c->at[i].bill.total));
	}
	metrics_begin(&text, &of_budget);
	if (b->given)
		metrics_add(&text, &of_budget, labels, units(b->nano));
	metrics_begin(&text, &of_time);
	metrics_add(&text, &of_time, labels, (double)now_s);
	return metrics_write(path, &text, e);
}

/* ---- the command ---- */

static int read_budget(const struct cost_opts *o, const struct costs *c, struct budget *out,
		       struct err *e)
{
	*out = (struct budget){ c->settings.has_budget, c->settings.budget };
	if (!o->budget)
		return 0;
	out->given = true;
	return settings_cost_parse(o->budget, &out->nano)
		       ? 0
		       : err_set(e, ERR_USAGE, "--budget: '%s' is not an amount such as 120.50",
				 o->budget);
}

static int open_all(struct cli *cli, const struct cost_opts *o, int64_t now_s, struct publisher *p,
		    struct costs *c, struct err *e)
{
	const struct publisher_opts who = { .name = o->name, .dir = o->dir };
	struct costs_how how = {
		.estimate = o->downloads != UINT64_MAX,
		.downloads = o->downloads,
		.database = o->database,
		.now_s = now_s,
		.list = o->list,
	};
	if (how.estimate && (o->month || o->database))
		return err_set(e, ERR_USAGE,
			       "--downloads is an estimate instead of statistics: it cannot be "
			       "combined with --month or --database");
	int rc = find_period(o, now_s, &how.period, e);
	if (rc == 0)
		rc = publisher_open(cli, &who, true, o->list, p, e);
	return rc < 0 ? rc : costs_read(cli, p, &how, c, e);
}

static int run(struct cli *cli, struct err *e)
{
	const struct cost_opts *o = cli->opts;
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(costs_release) struct costs c = { 0 };
	struct budget b;
	int64_t now_s = (int64_t)time(NULL);
	int rc = open_all(cli, o, now_s, &p, &c, e);
	if (rc == 0)
		rc = read_budget(o, &c, &b, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = make_document(cli, &p, &c, &b);
	if (o->order)
		rc = put_order(document, &c, o->order, e);
	if (rc == 0 && o->prometheus)
		rc = write_metrics(o->prometheus, p.name ? p.name : "", &c, &b, now_s, e);
	if (rc < 0)
		return rc;
	print_costs(cli, document, &c, &b, o->order);
	rc = cli_result(cli, document, e);
	return rc == 0 && is_over(&c, &b) ? -ERR_FAULT : rc;
}

const struct command cmd_cost = {
	.name = "cost",
	.summary = "estimate what the mirrors cost in a month",
	.description =
		"Computes from the size of the release, the statistics of readers and prices what "
		"storage, requests and egress cost on each mirror, what old versions and audits "
		"add, and whether that is within the budget. Without --list, the mirrors are not "
		"contacted. Prices are in ferry.conf; those of R2 and of GitHub's releases are "
		"built in, with the page that they are from.",
	.opts = options,
	.opts_size = sizeof(struct cost_opts),
	.defaults = &defaults,
	.operand_hint = HINT_NONE,
	.run = run,
	.values = values_publisher,
};
