#include "cli/site/collect.h"

#include "cli/opsdb.h"
#include "health/history.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define DAY_S 86400

/* For everybody; the reasons in the history have addresses and messages of servers. */
static const char *const faults[HEALTH_CHECKS] = {
	[HEALTH_REACH] = "does not answer",
	[HEALTH_CERTIFICATE] = "its certificate is not valid, or about to expire",
	[HEALTH_RELEASE] = "does not show the newest release",
	[HEALTH_EXPIRY] = "the metadata are about to expire",
	[HEALTH_CATALOG] = "catalog.json is not the signed one",
	[HEALTH_OBJECTS] = "some files are missing",
	[HEALTH_RANGES] = "does not answer requests for parts of files",
	[HEALTH_HEADERS] = "some headers are not as they should be",
	[HEALTH_CLOCK] = "its clock is wrong",
	[HEALTH_QUOTA] = "few requests are left of its limit",
	[HEALTH_INTEGRITY] = "some files are damaged",
	[HEALTH_COVERAGE] = "its files have not been checked for a while",
};

static enum site_state state_of(enum health_state s)
{
	static const enum site_state states[] = {
		[HEALTH_OK] = SITE_OK,
		[HEALTH_WARNING] = SITE_WARNING,
		[HEALTH_CRITICAL] = SITE_CRITICAL,
		[HEALTH_UNKNOWN] = SITE_UNKNOWN,
	};
	return states[s];
}

/* The worst of what the last runs found. */
static void set_state(struct site_mirror *m, const struct health_known *known)
{
	enum health_state worst = HEALTH_OK;
	bool any = false;
	for (size_t i = 0; i < HEALTH_CHECKS; i++) {
		const struct health_seen *seen = &known->checks[i];
		any = any || seen->known;
		if (!seen->known || health_worse(worst, seen->state) == worst)
			continue;
		worst = seen->state;
		m->reason = seen->state == HEALTH_UNKNOWN ? "not everything could be checked"
							  : faults[i];
	}
	m->state = any ? state_of(worst) : SITE_UNKNOWN;
}

struct days {
	struct collect *c;
	uint64_t *sum_us, *sum_runs; /* of each mirror, for the mean */
};

static int add_day(void *ctx, const struct health_day *day, struct err *e)
{
	const struct days *d = ctx;
	const struct site *s = &d->c->site;
	int64_t ago = s->time_s / DAY_S - day->day_s / DAY_S;
	(void)e;
	for (size_t i = 0; i < s->mirror_count; i++) {
		struct site_mirror *m = &d->c->mirrors[i];
		if (strcmp(m->id, day->mirror) != 0 || ago < 0 || ago >= SITE_DAYS)
			continue;
		m->days[SITE_DAYS - 1 - ago] = (struct site_day){
			(uint32_t)MIN(day->runs, UINT32_MAX), (uint32_t)MIN(day->up, UINT32_MAX)
		};
		d->sum_us[i] += day->first_byte_us ? day->first_byte_us * day->runs : 0;
		d->sum_runs[i] += day->first_byte_us ? day->runs : 0;
	}
	return 0;
}

static int read_days(struct db *db, struct collect *c, const char *repository, struct err *e)
{
	size_t n = c->site.mirror_count;
	CLEANUP(mem_free_ptr) uint64_t *sums = mem_alloc((2 * n + 1) * sizeof *sums);
	struct days d = { c, sums, sums + n };
	int64_t since_s = (c->site.time_s / DAY_S - (SITE_DAYS - 1)) * DAY_S;
	int rc = health_history_days(db, repository, NULL, since_s, add_day, &d, e);
	for (size_t i = 0; i < n; i++)
		c->mirrors[i].first_byte_us = d.sum_runs[i] ? d.sum_us[i] / d.sum_runs[i] : 0;
	return rc;
}

/* Those of the catalog: readers are to know no others. */
static void add_mirrors(struct collect *c)
{
	const struct catalog *catalog = &c->catalog;
	c->mirrors = mem_alloc((catalog->mirror_count + 1) * sizeof *c->mirrors);
	for (size_t i = 0; i < catalog->mirror_count; i++)
		c->mirrors[i] = (struct site_mirror){
			.id = catalog->mirrors[i].id,
			.kind = catalog->mirrors[i].kind,
			.url = catalog->mirrors[i].url,
			.region = catalog->mirrors[i].region,
		};
	c->site.mirror_count = catalog->mirror_count;
}

static int read_history(struct db *db, struct collect *c, const char *repository, struct err *e)
{
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	int rc = health_history_load(db, repository, &h, e);
	if (rc < 0 || !h.run_s)
		return rc;
	add_mirrors(c);
	for (size_t i = 0; i < c->site.mirror_count; i++)
		set_state(&c->mirrors[i], health_history_of(&h, c->mirrors[i].id));
	rc = read_days(db, c, repository, e);
	if (rc < 0)
		return rc;
	c->site.mirrors = c->mirrors;
	c->site.health_s = h.run_s;
	return 0;
}

int collect_health(struct cli *cli, struct collect *c, const char *repository, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *db = NULL;
	CLEANUP(mem_free_ptr) char *path = NULL;
	int rc = opsdb_path(OPSDB_NAME, &path, e);
	if (rc < 0 || !file_exists(path))
		return rc;
	rc = health_history_open(path, cli->cancel, &db, e);
	if (rc == 0)
		rc = read_history(db, c, repository, e);
	if (rc < 0)
		c->site.mirror_count = 0;
	return rc;
}
