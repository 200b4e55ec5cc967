/* The commands of `ferry stats`. */
#ifndef FERRY_CLI_STATS_STATS_H
#define FERRY_CLI_STATS_STATS_H

#include "cli/frame/cli.h"
#include "db/db.h"
#include "settings/stats.h"

extern const struct command cmd_stats_counters;
extern const struct command cmd_stats_export;
extern const struct command cmd_stats_import;
extern const struct command cmd_stats_show;

/* [stats], and the database that it names, opened; released by the caller. */
struct cmd_stats_place {
	const struct conf *conf; /* borrowed; may be empty */
	struct settings_stats settings;
	struct db *db;
};
void cmd_stats_place_release(struct cmd_stats_place *p);
/* database: instead of the setting; NULL: none. Without either it is ops.db below
 * $XDG_STATE_HOME. */
WARN_UNUSED int cmd_stats_open(struct cli *cli, const char *database, struct cmd_stats_place *out,
			       struct err *e);
/* The same for reading: a file that --database names has to be there, so that a mistyped name does
 * not look like statistics without downloads. ERR_NOT_FOUND. */
WARN_UNUSED int cmd_stats_open_there(struct cli *cli, const char *database,
				     struct cmd_stats_place *out, struct err *e);
/* Writes all metrics to the file, and returns their number. */
WARN_UNUSED int cmd_stats_export_to(struct db *db, const char *path, uint64_t *lines,
				    struct err *e);

#define CMD_STATS_DATABASE(s) \
	OPT_HINTED(OPT_STRING, s, database, 0, "database", "FILE|URL", HINT_FILE, \
		   "the database, instead of that in ferry.conf: a file, or postgresql://…")
#define CMD_STATS_PROMETHEUS(s) \
	OPT_HINTED(OPT_STRING, s, prometheus, 0, "prometheus", "FILE", HINT_FILE, \
		   "write the metrics to this file, for the textfile collector of " \
		   "node_exporter; its name has to end in .prom there")

#endif
