/* statsdb: the statistics, for commands that write them or show what is in them. */
#ifndef FERRY_CLI_STATSDB_H
#define FERRY_CLI_STATSDB_H

#include "cli/frame/cli.h"
#include "db/db.h"
#include "settings/stats.h"

/* [stats], and the database that it names, opened; released by the caller. */
struct statsdb {
	const struct conf *conf; /* borrowed; may be empty */
	struct settings_stats settings;
	struct db *db;
};
void statsdb_release(struct statsdb *p);

/* database: instead of the setting; NULL: none. Without either it is ops.db below
 * $XDG_STATE_HOME. */
WARN_UNUSED int statsdb_open(struct cli *cli, const char *database, struct statsdb *out,
			     struct err *e);
/* The same for reading: a file that --database names has to be there, so that a mistyped name does
 * not look like statistics without downloads. ERR_NOT_FOUND. */
WARN_UNUSED int statsdb_open_there(struct cli *cli, const char *database, struct statsdb *out,
				   struct err *e);
/* For commands to which statistics are only a part: a database that is not there yet, or its
 * tables, are not made, and out->db is NULL. */
WARN_UNUSED int statsdb_open_any(struct cli *cli, const char *database, struct statsdb *out,
				 struct err *e);

#define STATSDB_OPTION(s) \
	OPT_HINTED(OPT_STRING, s, database, 0, "database", "FILE|URL", HINT_FILE, \
		   "the database, instead of that in ferry.conf: a file, or postgresql://…")

#endif
