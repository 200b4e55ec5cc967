#include "cli/site/collect.h"

#include "cli/statsdb.h"
#include "stats/tables.h"
#include "util/mem.h"

#include <string.h>

#define DAY_S 86400

/* "other" takes what readers of this site are not to know: of another repository. */
static bool is_known(const struct collect *c, enum stats_report_by by, const char *name)
{
	if (by == STATS_BY_MODEL)
		return catalog_model(&c->catalog, name) != NULL;
	if (by != STATS_BY_MIRROR)
		return true;
	for (size_t i = 0; i < c->catalog.mirror_count; i++)
		if (strcmp(c->catalog.mirrors[i].id, name) == 0)
			return true;
	return false;
}

static void add_count(struct site_counts *out, const char *name, uint64_t downloads, uint64_t bytes)
{
	out->at[out->count++] = (struct site_count){ name, downloads, bytes };
}

/* Rows of few sessions are one row by now, "other"; it has no place among days. */
static void take_rows(const struct collect *c, enum stats_report_by by,
		      const struct stats_report *r, struct site_counts *out)
{
	uint64_t downloads = 0, bytes = 0;
	out->at = mem_alloc((r->count + 1) * sizeof *out->at);
	for (size_t i = 0; i < r->count; i++) {
		const struct stats_report_row *row = &r->at[i];
		bool other = strcmp(row->name, "other") == 0 || !is_known(c, by, row->name);
		if (!other)
			add_count(out, row->name, row->complete, row->bytes);
		downloads += other ? row->complete : 0;
		bytes += other ? row->bytes : 0;
	}
	if (by != STATS_BY_DAY && (downloads || bytes))
		add_count(out, "other", downloads, bytes);
}

static int compare_names(const void *a, const void *b)
{
	const struct site_count *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int read_reports(struct db *db, struct collect *c, struct err *e)
{
	struct site_statistics *s = &c->statistics;
	static const enum stats_report_by by[COLLECT_REPORTS] = { STATS_BY_DAY, STATS_BY_MODEL,
								  STATS_BY_COUNTRY, STATS_BY_CLIENT,
								  STATS_BY_MIRROR };
	struct site_counts *to[] = { &s->days, &s->models, &s->countries, &s->clients,
				     &s->mirrors };
	int64_t since = c->site.time_s / DAY_S - (SITE_DAYS - 1);
	for (size_t i = 0; i < COLLECT_REPORTS; i++) {
		struct stats_report *r = &c->reports[i];
		int rc = stats_report_read(db, by[i], since, INT32_MAX, r, e);
		if (rc < 0)
			return rc;
		for (size_t k = 0; i == 0 && k < r->count; k++) {
			s->downloads += r->at[k].complete;
			s->bytes += r->at[k].bytes;
		}
		stats_report_fold(r);
		take_rows(c, by[i], r, to[i]);
	}
	qsort(s->days.at, s->days.count, sizeof *s->days.at, compare_names);
	return 0;
}

int collect_statistics(struct cli *cli, struct collect *c, struct err *e)
{
	CLEANUP(statsdb_release) struct statsdb p = { 0 };
	int64_t last_import = 0;
	int rc = statsdb_open_any(cli, NULL, &p, e);
	if (rc == 0 && p.db)
		rc = stats_tables_get(p.db, "last_import", &last_import, e);
	if (rc == 0 && last_import)
		rc = read_reports(p.db, c, e);
	if (rc == 0 && last_import)
		c->site.statistics = &c->statistics;
	return rc;
}
