#include "cli/frame/cli.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

/* NULL when there is none. */
static const char *system_conf(void)
{
	const char *named = getenv("FERRY_SYSTEM_CONF");
	const char *path = named ? named : "/etc/ferry/ferry.conf";
	return *path && file_exists(path) ? path : NULL;
}

int cli_conf_path(struct cli *cli, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	const char *path = cli->conf_path ? cli->conf_path : "ferry.conf";
	if (cli->conf_path || file_exists(path)) {
		*out = mem_strdup(path);
		return 0;
	}
	struct err why = ERR_INIT;
	CLEANUP(mem_free_ptr) char *own = NULL;
	if (path_xdg("XDG_CONFIG_HOME", ".config", &home, &why) == 0)
		own = path_join(home, "ferry/ferry.conf");
	const char *shared = own && file_exists(own) ? NULL : system_conf();
	if (shared) {
		*out = mem_strdup(shared);
		return 0;
	}
	if (!own) {
		*e = why;
		return -(int)e->class;
	}
	*out = STEAL(own);
	return 0;
}

int cli_conf(struct cli *cli, const struct conf **out, struct err *e)
{
	int rc = 0;
	if (!cli->conf->path) {
		CLEANUP(mem_free_ptr) char *path = NULL;
		struct err ignored = ERR_INIT;
		if (cli_conf_path(cli, &path, &ignored) < 0 ||
		    (!cli->conf_path && !file_exists(path))) {
			*out = cli->conf;
			return 0;
		}
		rc = conf_load(path, cli->conf_path != NULL, cli->conf, e);
		if (rc == 0)
			rc = conf_check_kinds(cli->conf, e);
	}
	if (rc == 0)
		*out = cli->conf;
	return rc;
}
