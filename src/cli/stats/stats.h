/* The commands of `ferry stats`. */
#ifndef FERRY_CLI_STATS_STATS_H
#define FERRY_CLI_STATS_STATS_H

#include "cli/statsdb.h"

extern const struct command cmd_stats_counters;
extern const struct command cmd_stats_export;
extern const struct command cmd_stats_import;
extern const struct command cmd_stats_show;

/* Writes all metrics to the file, and returns their number. */
WARN_UNUSED int cmd_stats_export_to(struct db *db, const char *path, uint64_t *lines,
				    struct err *e);

#define CMD_STATS_PROMETHEUS(s) \
	OPT_HINTED(OPT_STRING, s, prometheus, 0, "prometheus", "FILE", HINT_FILE, \
		   "write the metrics to this file, for the textfile collector of " \
		   "node_exporter; its name has to end in .prom there")

#endif
