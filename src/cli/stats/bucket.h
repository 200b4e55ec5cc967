/* A place with logs: a section [logs.NAME], or a mirror. */
#ifndef FERRY_CLI_STATS_BUCKET_H
#define FERRY_CLI_STATS_BUCKET_H

#include "cli/publisher.h"

struct cmd_stats_bucket {
	struct mirror *mirror;      /* borrowed from what follows */
	struct publisher publisher; /* has the mirrors of ferry.conf */
	struct settings_mirrors settings;
	struct mirror *own; /* of [logs.NAME] */
};
void cmd_stats_bucket_release(struct cmd_stats_bucket *b);

/* Has the configuration a section of this name? */
bool cmd_stats_bucket_is(const struct conf *c, const char *name);
/* Fills *out, which must be zeroed and not be moved; released by the caller, also on failure. */
WARN_UNUSED int cmd_stats_bucket_open(struct cli *cli, const char *name,
				      struct cmd_stats_bucket *out, struct err *e);

#endif
