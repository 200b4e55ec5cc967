#include "cli/costs.h"

#include "cli/statsdb.h"
#include "hash/grid.h"
#include "mirror/kinds.h"
#include "publish/push_plan.h"
#include "settings/health.h"
#include "stats/report.h"
#include "util/mem.h"

#include <string.h>

#define DAY_S 86400

void costs_release(struct costs *c)
{
	settings_cost_release(&c->settings);
	settings_mirrors_release(&c->mirrors);
	str_list_release(&c->unknown);
	free(c->at);
	free(c->order);
	*c = (struct costs){ 0 };
}

/* ---- model files ---- */

struct model_file {
	struct digest sha256;
	uint64_t size;
	int64_t released_s; /* 0: not known */
	bool superseded;
};

/* The model files of the release, each once. */
struct model_files {
	struct model_file *at;
	size_t count, cap;
	uint64_t variants, variant_bytes, variant_pieces; /* current ones, for the estimate */
};

static void model_files_release(struct model_files *m)
{
	free(m->at);
	*m = (struct model_files){ 0 };
}

static uint64_t pieces_of(uint64_t size)
{
	struct err ignored = ERR_INIT;
	struct grid g;
	return grid_for(size, &g, &ignored) < 0 ? 1 : MAX(g.count, 1);
}

static void add_version(struct model_files *m, const struct card_variant *v, bool superseded)
{
	int64_t released_s = 0;
	if (v->released && !parse_time(v->released, &released_s))
		released_s = 0;
	for (size_t i = 0; i < v->file_count; i++) {
		m->at = mem_grow(m->at, m->count, &m->cap, sizeof *m->at);
		m->at[m->count++] = (struct model_file){ v->files[i].sha256, v->files[i].size,
							 released_s, superseded };
		m->variant_pieces += superseded ? 0 : pieces_of(v->files[i].size);
	}
	m->variants += !superseded && v->file_count;
	m->variant_bytes = cost_add(m->variant_bytes, superseded ? 0 : v->size);
}

static void add_card(struct model_files *m, const struct card *card)
{
	for (size_t i = 0; i < card->variant_count; i++) {
		const struct card_variant *v = &card->variants[i];
		add_version(m, v, false);
		for (size_t k = 0; k < v->superseded_count; k++)
			add_version(m, &v->superseded[k], true);
	}
}

static int compare_files(const void *x, const void *y)
{
	const struct model_file *a = x, *b = y;
	return memcmp(&a->sha256, &b->sha256, sizeof a->sha256);
}

/* One that several versions have was uploaded with the first, and stays with the last. */
static void join(struct model_files *m)
{
	size_t kept = 0;
	if (m->count)
		qsort(m->at, m->count, sizeof *m->at, compare_files);
	for (size_t i = 0; i < m->count; i++) {
		struct model_file *last = kept ? &m->at[kept - 1] : NULL;
		if (!last || compare_files(last, &m->at[i]) != 0) {
			m->at[kept++] = m->at[i];
			continue;
		}
		last->superseded &= m->at[i].superseded;
		last->released_s = MIN(last->released_s, m->at[i].released_s);
	}
	m->count = kept;
}

static int read_models(const char *dir, struct model_files *out, struct err *e)
{
	CLEANUP(catalog_release) struct catalog catalog = { 0 };
	int rc = repository_catalog(dir, &catalog, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < catalog.model_count; i++)
		add_card(out, &catalog.models[i]);
	join(out);
	return 0;
}

/* ---- what is stored ---- */

static const struct mirror_ops *ops_of(const struct settings_mirror *m)
{
	for (size_t i = 0; m->kind && mirror_kinds_all[i]; i++)
		if (strcmp(mirror_kinds_all[i]->kind, m->kind) == 0)
			return mirror_kinds_all[i];
	return NULL;
}

/* Files of others are stored by others. */
static bool stores(const struct costs_mirror *m)
{
	const struct mirror_ops *ops = ops_of(m->settings);
	return ops && !ops->others_files;
}

static bool has_models(const struct costs_mirror *m)
{
	return m->settings->holds != MIRROR_HOLDS_METADATA;
}

static void add_stored(struct costs_mirror *m, const struct tree *t)
{
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (!inventory_wants(m->settings->holds, false, f))
			continue;
		m->usage.stored = cost_add(m->usage.stored, f->size);
		m->files++;
	}
}

static int add_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct cost_usage *found = ctx;
	(void)e;
	found->stored = cost_add(found->stored, entry->stat.size);
	found->reads++;
	return 0;
}

static int try_to_list(const struct mirrors_entry *at, struct cost_usage *found, struct err *e)
{
	if (at && !at->mirror)
		*e = at->error;
	else if (!at || !mirror_can(at->mirror, MIRROR_CAN_LIST))
		err_set(e, ERR_USAGE, "it cannot be listed");
	else
		return mirror_list(at->mirror, "", add_entry, found, e);
	return -(int)e->class;
}

static int list(struct cli *cli, const struct publisher *p, struct costs_mirror *m, struct err *e)
{
	struct cost_usage found = { 0 };
	struct err why = ERR_INIT;
	if (try_to_list(mirrors_find(&p->places, m->settings->id), &found, &why) == 0) {
		m->listed = true;
		m->other_bytes = cost_less(found.stored, m->usage.stored);
		m->usage.stored = found.stored;
		m->files = found.reads;
		return 0;
	}
	if (err_is(&why, ERR_CANCELLED)) {
		*e = why;
		return -ERR_CANCELLED;
	}
	report_warn(cli->report,
		    "mirror %s cannot be listed, so only the release's files are counted: %s",
		    m->settings->id, why.text);
	return 0;
}

static int list_all(struct cli *cli, const struct publisher *p, struct costs *c, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->count; i++)
		if (stores(&c->at[i]) && c->at[i].price)
			rc = list(cli, p, &c->at[i], e);
	return rc;
}

static bool is_in(const struct costs_period *p, int64_t time_s)
{
	return time_s >= p->from * DAY_S && time_s < p->until * DAY_S;
}

/* Uploads are those of versions that came out in the period. */
static void add_models(struct costs_mirror *m, const struct model_files *all,
		       const struct costs_how *how)
{
	uint64_t minimum_s = m->price ? m->price->minimum_s : 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct model_file *f = &all->at[i];
		if (is_in(&how->period, f->released_s))
			m->usage.writes += push_plan_requests_to_put(f->size);
		if (!f->superseded)
			continue;
		m->old_bytes = cost_add(m->old_bytes, f->size);
		if (f->released_s + (int64_t)minimum_s > how->now_s)
			m->bound_bytes = cost_add(m->bound_bytes, f->size);
	}
}

/* A folder is read on this machine. */
static bool is_audited_from_afar(const struct costs_mirror *m)
{
	return has_models(m) && ops_of(m->settings) != &mirror_file;
}

static void add_audits(struct costs_mirror *m, const struct settings_health *h)
{
	uint64_t bytes = cost_share(h->audit, COSTS_DAYS, 1);
	m->audit_bytes = bytes;
	m->usage.egress = cost_add(m->usage.egress, bytes);
	m->usage.reads = cost_add(m->usage.reads, bytes / GRID_MIN_PIECE);
}

static void read_stored(struct costs *c, const struct tree *t, const struct model_files *models,
			const struct settings_health *h, const struct costs_how *how)
{
	for (size_t i = 0; i < c->count; i++) {
		struct costs_mirror *m = &c->at[i];
		if (stores(m))
			add_stored(m, t);
		if (stores(m) && has_models(m))
			add_models(m, models, how);
		if (h && is_audited_from_afar(m))
			add_audits(m, h);
	}
}

/* ---- what readers take ---- */

/* Of which readers learn by the catalog. */
static bool is_for_readers(const struct costs_mirror *m)
{
	return has_models(m) && !m->settings->stage;
}

static bool comes_first(const struct costs_mirror *a, const struct costs_mirror *b)
{
	if (a->settings->priority != b->settings->priority)
		return a->settings->priority < b->settings->priority;
	return strcmp(a->settings->id, b->settings->id) < 0;
}

static void find_order(struct costs *c)
{
	c->order = mem_alloc((c->count + 1) * sizeof *c->order);
	for (size_t i = 0; i < c->count; i++) {
		if (!is_for_readers(&c->at[i]))
			continue;
		size_t k = c->order_count++;
		for (; k && comes_first(&c->at[i], &c->at[c->order[k - 1]]); k--)
			c->order[k] = c->order[k - 1];
		c->order[k] = i;
	}
}

/* All from the first mirror, which answers unless it is down; a request for each piece, the most
 * that it takes. */
static void estimate(struct costs *c, const struct model_files *models)
{
	uint64_t variants = MAX(models->variants, 1);
	c->basis = COSTS_ESTIMATE;
	c->download_bytes = cost_share(models->variant_bytes, 1, variants);
	if (!c->order_count)
		return;
	struct cost_usage *u = &c->at[c->order[0]].usage;
	u->egress = cost_add(u->egress, cost_share(c->downloads, models->variant_bytes, variants));
	u->reads = cost_add(u->reads, cost_share(c->downloads, models->variant_pieces, variants));
}

static struct costs_mirror *find(struct costs *c, const char *id)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->at[i].settings->id, id) == 0)
			return &c->at[i];
	return NULL;
}

/* The first day of the statistics, unless it was folded. */
static int read_begin(struct db *db, struct costs *c, struct err *e)
{
	CLEANUP(stats_report_release) struct stats_report days = { 0 };
	int64_t time_s;
	int rc = stats_report_read(db, STATS_BY_DAY, 0, INT32_MAX, &days, e);
	if (rc < 0 || !days.count)
		return rc;
	CLEANUP(mem_free_ptr) char *midnight = mem_printf("%sT00:00:00Z", days.at[0].name);
	if (parse_time(midnight, &time_s))
		c->begin = time_s / DAY_S;
	return 0;
}

static int read_statistics(struct cli *cli, const char *database, struct costs *c, struct err *e)
{
	CLEANUP(statsdb_release) struct statsdb stats = { 0 };
	CLEANUP(stats_report_release) struct stats_report report = { 0 };
	int rc = statsdb_open_any(cli, database, &stats, e);
	if (rc < 0 || !stats.db)
		return rc;
	rc = stats_report_read(stats.db, STATS_BY_MIRROR, c->period.from, c->period.until, &report,
			       e);
	if (rc == 0)
		rc = read_begin(stats.db, c, e);
	for (size_t i = 0; i < report.count; i++) {
		const struct stats_report_row *row = &report.at[i];
		struct costs_mirror *m = find(c, row->name);
		c->basis = COSTS_STATISTICS;
		if (!m) {
			str_list_add(&c->unknown, row->name);
			continue;
		}
		m->usage.egress = cost_add(m->usage.egress, row->bytes);
		m->usage.reads = cost_add(m->usage.reads, row->requests);
	}
	return rc;
}

/* ---- bills ---- */

/* What the bill has less with less usage. */
static uint64_t difference(const struct costs_mirror *m, uint64_t stored, uint64_t reads,
			   uint64_t egress)
{
	struct cost_usage less = m->usage;
	struct cost_bill other;
	less.stored = cost_less(less.stored, stored);
	less.reads = cost_less(less.reads, reads);
	less.egress = cost_less(less.egress, egress);
	cost_bill(m->price, &less, &other);
	return cost_less(m->bill.total, other.total);
}

static void make_bill(struct costs_mirror *m)
{
	cost_bill(m->price, &m->usage, &m->bill);
	m->old_versions = difference(m, m->old_bytes, 0, 0);
	m->others = difference(m, m->other_bytes, 0, 0);
	m->audits = difference(m, 0, m->audit_bytes / GRID_MIN_PIECE, m->audit_bytes);
}

static void make_bills(struct costs *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct costs_mirror *m = &c->at[i];
		if (!m->price) {
			c->unpriced++;
			continue;
		}
		make_bill(m);
		cost_bill_add(&c->sum, &m->bill);
		c->old_versions = cost_add(c->old_versions, m->old_versions);
		c->others = cost_add(c->others, m->others);
		c->audits = cost_add(c->audits, m->audits);
	}
}

static int read_mirrors(const struct publisher *p, struct costs *c, struct err *e)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	int rc = settings_mirrors_read(p->conf, p->name, kinds, &c->mirrors, e);
	if (rc < 0)
		return rc;
	c->at = mem_alloc((c->mirrors.count + 1) * sizeof *c->at);
	for (size_t i = 0; rc == 0 && i < c->mirrors.count; i++) {
		struct costs_mirror *m = &c->at[c->count++];
		m->settings = &c->mirrors.at[i];
		rc = cost_prices_find(&c->settings, m->settings, &m->price, e);
	}
	return rc;
}

/* Audits only count where ferry.conf has a section about them. */
static int read_health(const struct conf *conf, struct settings_health *out, bool *given,
		       struct err *e)
{
	*given = conf_find(conf, "health", "") != NULL;
	return settings_health_read(conf, out, e);
}

int costs_read(struct cli *cli, const struct publisher *p, const struct costs_how *how,
	       struct costs *out, struct err *e)
{
	CLEANUP(tree_release) struct tree tree = { 0 };
	CLEANUP(model_files_release) struct model_files models = { 0 };
	CLEANUP(settings_health_release) struct settings_health health = { 0 };
	bool audits = false;
	out->period = how->period;
	out->downloads = how->downloads;
	int rc = settings_cost_read(p->conf, &out->settings, e);
	if (rc == 0)
		rc = read_health(p->conf, &health, &audits, e);
	if (rc == 0)
		rc = read_mirrors(p, out, e);
	if (rc == 0)
		rc = tree_open(p->dir, &tree, e);
	if (rc == 0)
		rc = read_models(p->dir, &models, e);
	if (rc < 0)
		return rc;
	find_order(out);
	read_stored(out, &tree, &models, audits ? &health : NULL, how);
	if (how->list)
		rc = list_all(cli, p, out, e);
	if (rc == 0 && how->estimate)
		estimate(out, &models);
	else if (rc == 0)
		rc = read_statistics(cli, how->database, out, e);
	if (rc == 0)
		make_bills(out);
	return rc;
}

/* ---- another order ---- */

static int unknown_mirror(const struct costs *c, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr)
	const char **names = mem_alloc((c->order_count + 1) * sizeof *names);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	for (size_t i = 0; i < c->order_count; i++)
		names[i] = c->at[c->order[i]].settings->id;
	err_set(e, ERR_USAGE, "--order: readers use no mirror '%s'", shown);
	return text_hint_nearest(name, names, c->order_count, NULL, e);
}

static bool has_index(const size_t *order, size_t count, size_t index)
{
	for (size_t i = 0; i < count; i++)
		if (order[i] == index)
			return true;
	return false;
}

static int add_named(const struct costs *c, const char *name, size_t *to, size_t *count,
		     struct err *e)
{
	for (size_t i = 0; i < c->order_count; i++) {
		if (strcmp(c->at[c->order[i]].settings->id, name) != 0)
			continue;
		if (has_index(to, *count, c->order[i]))
			return err_set(e, ERR_USAGE, "--order: %s is named twice", name);
		to[(*count)++] = c->order[i];
		return 0;
	}
	return unknown_mirror(c, name, e);
}

/* The named ones, then the others. */
static int parse_order(const struct costs *c, const char *text, size_t *to, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	size_t count = 0;
	int rc = 0;
	str_list_split(&names, text, ", ");
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = add_named(c, names.at[i], to, &count, e);
	for (size_t i = 0; rc == 0 && i < c->order_count; i++)
		if (!has_index(to, count, c->order[i]))
			to[count++] = c->order[i];
	return rc;
}

int costs_reordered(const struct costs *c, const char *names, struct cost_bill *sum,
		    struct str_list *order, struct err *e)
{
	CLEANUP(mem_free_ptr) size_t *to = mem_alloc((c->count + 1) * sizeof *to);
	CLEANUP(mem_free_ptr)
	struct cost_usage *usage = mem_alloc(2 * (c->count + 1) * sizeof *usage);
	struct cost_usage *after = usage + c->count + 1;
	int rc = parse_order(c, names, to, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->count; i++)
		usage[i] = after[i] = c->at[i].usage;
	cost_reorder(usage, c->order, to, c->order_count, after);
	*sum = (struct cost_bill){ 0 };
	for (size_t i = 0; i < c->count; i++) {
		struct cost_bill bill = { 0 };
		if (c->at[i].price)
			cost_bill(c->at[i].price, &after[i], &bill);
		cost_bill_add(sum, &bill);
	}
	for (size_t i = 0; i < c->order_count; i++)
		str_list_add(order, c->at[to[i]].settings->id);
	return 0;
}
