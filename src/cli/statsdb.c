#include "cli/statsdb.h"

#include "cli/opsdb.h"
#include "stats/counters.h"
#include "stats/tables.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

void statsdb_release(struct statsdb *p)
{
	db_close(p->db);
	settings_stats_release(&p->settings);
	*p = (struct statsdb){ 0 };
}

static int find_database(const char *given, const struct settings_stats *settings, char **out,
			 struct err *e)
{
	const char *named = given ? given : settings->database;
	if (!named)
		return opsdb_path(OPSDB_NAME, out, e);
	*out = mem_strdup(named);
	return 0;
}

/* The settings, and where the database is. */
static int find(struct cli *cli, const char *database, struct statsdb *p, char **where,
		struct err *e)
{
	int rc = cli_conf(cli, &p->conf, e);
	if (rc == 0)
		rc = settings_stats_read(p->conf, &p->settings, e);
	return rc < 0 ? rc : find_database(database, &p->settings, where, e);
}

/* Unless `make`, one that only others use stays as it is. */
static int open_database(struct cli *cli, const char *where, bool make, struct statsdb *p,
			 struct err *e)
{
	int rc = db_open(where, cli->cancel, &p->db, e);
	if (rc == 0 && !make && !db_has(p->db, "stats")) {
		db_close(STEAL(p->db));
		return 0;
	}
	if (rc == 0)
		rc = stats_tables_upgrade(p->db, e);
	return rc < 0 ? rc : stats_counters_upgrade(p->db, e);
}

static bool is_there(const char *where)
{
	return strstr(where, "://") || file_exists(where);
}

static int open_it(struct cli *cli, const char *database, bool make, struct statsdb *out,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) char *where = NULL;
	CLEANUP(statsdb_release) struct statsdb p = { 0 };
	int rc = find(cli, database, &p, &where, e);
	if (rc == 0 && (make || is_there(where)))
		rc = open_database(cli, where, make, &p, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct statsdb){ 0 };
	return 0;
}

int statsdb_open(struct cli *cli, const char *database, struct statsdb *out, struct err *e)
{
	return open_it(cli, database, true, out, e);
}

static int check_given(const char *database, struct err *e)
{
	if (!database || is_there(database))
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s: there is no such database", database);
	return err_hint(e, "`ferry stats import --database` creates one");
}

int statsdb_open_there(struct cli *cli, const char *database, struct statsdb *out, struct err *e)
{
	int rc = check_given(database, e);
	return rc < 0 ? rc : open_it(cli, database, true, out, e);
}

int statsdb_open_any(struct cli *cli, const char *database, struct statsdb *out, struct err *e)
{
	int rc = check_given(database, e);
	return rc < 0 ? rc : open_it(cli, database, false, out, e);
}
