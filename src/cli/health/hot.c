#include "cli/health/health.h"

#include "cli/opsdb.h"
#include "settings/stats.h"
#include "stats/report.h"
#include "stats/tables.h"
#include "util/file.h"
#include "util/mem.h"

#define DAY 86400
#define WINDOW_DAYS 30
#define MAX_HOT 1000

static int open_stats(struct cli *cli, const char *where, struct db **out, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *d = NULL;
	int rc = db_open(where, cli->cancel, &d, e);
	if (rc == 0)
		rc = stats_tables_upgrade(d, e);
	if (rc == 0)
		*out = STEAL(d);
	return rc;
}

static int read_hot(struct cli *cli, const char *where, int64_t now_s, struct rolling_hot **out,
		    size_t *count, struct err *e)
{
	CLEANUP_PTR(db_close) struct db *d = NULL;
	CLEANUP(mem_free_ptr) struct stats_hot *hot = mem_alloc(MAX_HOT * sizeof *hot);
	size_t found = 0;
	int rc = open_stats(cli, where, &d, e);
	if (rc == 0)
		rc = stats_hot(d, now_s / DAY - WINDOW_DAYS, MAX_HOT, hot, &found, e);
	if (rc < 0)
		return rc;
	*out = mem_alloc((found + 1) * sizeof **out);
	for (size_t i = 0; i < found; i++)
		(*out)[i] = (struct rolling_hot){ hot[i].sha256, hot[i].downloads };
	*count = found;
	return 0;
}

/* Only where `ferry stats` is used: with a section, or its database. The audit works without. */
void hot_read(struct cli *cli, const struct conf *conf, int64_t now_s, struct rolling_hot **out,
	      size_t *count)
{
	CLEANUP(settings_stats_release) struct settings_stats settings = { 0 };
	CLEANUP(mem_free_ptr) char *own = NULL;
	struct err why = ERR_INIT;
	if (!conf_find(conf, "stats", ""))
		return;
	int rc = settings_stats_read(conf, &settings, &why);
	if (rc == 0)
		rc = opsdb_path(OPSDB_NAME, &own, &why);
	if (rc == 0)
		rc = read_hot(cli, settings.database ? settings.database : own, now_s, out, count,
			      &why);
	if (rc < 0 && !err_is(&why, ERR_CANCELLED))
		report_warn(cli->report, "the audit does not know what people fetch most: %s",
			    why.text);
}
