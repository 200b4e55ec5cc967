#include "cli/stats/stats.h"
#include "cli/values.h"

extern const struct command cmd_stats;

const struct command cmd_stats = {
	.name = "stats",
	.summary = "count downloads from access logs",
	.description = "Reads the access logs of mirrors, and counts downloads by model, country "
		       "and day. Addresses and agents of clients are never stored.",
	.subs = (const struct command *const[]){ &cmd_stats_import, &cmd_stats_show,
						 &cmd_stats_counters, &cmd_stats_export, NULL },
	.values = values_publisher,
};
