#include "cli/stats/stats.h"
#include "stats/counters.h"
#include "stats/tables.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void cmd_stats_place_release(struct cmd_stats_place *p)
{
	db_close(p->db);
	settings_stats_release(&p->settings);
	*p = (struct cmd_stats_place){ 0 };
}

static int find_database(const char *given, const struct settings_stats *settings, char **out,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *state = NULL;
	const char *named = given ? given : settings->database;
	if (named) {
		*out = mem_strdup(named);
		return 0;
	}
	int rc = path_xdg("XDG_STATE_HOME", ".local/state", &state, e);
	if (rc == 0)
		*out = path_join(state, "ferry/ops.db");
	return rc;
}

int cmd_stats_open(struct cli *cli, const char *database, struct cmd_stats_place *out,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) char *where = NULL;
	CLEANUP(cmd_stats_place_release) struct cmd_stats_place p = { 0 };
	int rc = cli_conf(cli, &p.conf, e);
	if (rc == 0)
		rc = settings_stats_read(p.conf, &p.settings, e);
	if (rc == 0)
		rc = find_database(database, &p.settings, &where, e);
	if (rc < 0)
		return rc;
	rc = db_open(where, cli->cancel, &p.db, e);
	if (rc == 0)
		rc = stats_tables_upgrade(p.db, e);
	if (rc == 0)
		rc = stats_counters_upgrade(p.db, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct cmd_stats_place){ 0 };
	return 0;
}

int cmd_stats_open_there(struct cli *cli, const char *database, struct cmd_stats_place *out,
			 struct err *e)
{
	if (database && !strstr(database, "://") && !file_exists(database)) {
		err_set(e, ERR_NOT_FOUND, "%s: there is no such database", database);
		return err_hint(e, "`ferry stats import --database` creates one");
	}
	return cmd_stats_open(cli, database, out, e);
}
