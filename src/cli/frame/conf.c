#include "cli/frame/cli.h"

#include "settings/security.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* NULL when there is none. */
static const char *system_conf(void)
{
	const char *named = getenv("FERRY_SYSTEM_CONF");
	const char *path = named ? named : "/etc/ferry/ferry.conf";
	return *path && file_exists(path) ? path : NULL;
}

/* The person's own. */
static int own_conf(char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	int rc = path_xdg("XDG_CONFIG_HOME", ".config", &home, e);
	if (rc == 0)
		*out = path_join(home, "ferry/ferry.conf");
	return rc;
}

/* ---- other users' files ---- */

static void add_safe_dirs(const char *path, struct owner_trust *trust)
{
	CLEANUP(conf_release) struct conf conf = { 0 };
	CLEANUP(settings_security_release) struct settings_security s = { 0 };
	struct err ignored = ERR_INIT;
	if (!path || !file_exists(path) || conf_load(path, false, &conf, &ignored) < 0 ||
	    settings_security_read(&conf, &s, &ignored) < 0)
		return;
	for (size_t i = 0; i < s.safe_dirs.count; i++)
		str_list_add(&trust->dirs, s.safe_dirs.at[i]);
}

const struct owner_trust *cli_trust(struct cli *cli)
{
	CLEANUP(mem_free_ptr) char *own = NULL;
	struct err ignored = ERR_INIT;
	struct stat st;
	if (cli->trust_read)
		return cli->trust;
	cli->trust_read = true;
	if (own_conf(&own, &ignored) == 0)
		add_safe_dirs(own, cli->trust);
	add_safe_dirs(system_conf(), cli->trust);
	cli->trust->has_user = cli->conf_path && stat(cli->conf_path, &st) == 0;
	if (cli->trust->has_user)
		cli->trust->user = st.st_uid;
	return cli->trust;
}

static int hint_trust(struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_absolute(".");
	return err_hint(e,
			"it is not used, because it decides which programs run; if you trust it, "
			"give it with --config ferry.conf, or write \"safe-directory = %s\" "
			"under [security] in your own configuration, see ferry.conf(5)",
			dir);
}

static bool is_regular(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int load_own(const char *path, struct cli *cli, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CONF_MAX_BYTES);
	int rc = owner_read(path, cli_trust(cli), &text, e);
	if (rc == 0)
		return conf_parse(buf_str(&text), text.len, path, cli->conf, e);
	if (err_is(e, ERR_USAGE) && !is_regular(path))
		return err_hint(e, "it would be read as the configuration: move it away, or name "
				   "the right file with --config");
	if (err_is(e, ERR_USAGE))
		return hint_trust(e);
	err_context(e, "cannot read the configuration");
	return err_class_set(e, ERR_USAGE);
}

/* ---- which one ---- */

#define HERE "ferry.conf"

/* Is it the one that was found in the current folder, which nobody named? */
static bool is_found_here(const struct cli *cli, const char *path)
{
	return !cli->conf_path && strcmp(path, HERE) == 0;
}

static int choose(const struct cli *cli, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *own = NULL;
	struct err why = ERR_INIT;
	if (cli->conf_path || file_exists(HERE)) {
		*out = mem_strdup(cli->conf_path ? cli->conf_path : HERE);
		return 0;
	}
	int rc = own_conf(&own, &why);
	const char *shared = own && file_exists(own) ? NULL : system_conf();
	if (shared) {
		*out = mem_strdup(shared);
		return 0;
	}
	if (rc < 0)
		*e = why;
	else
		*out = STEAL(own);
	return rc;
}

int cli_conf_path(struct cli *cli, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	int rc = choose(cli, &path, e);
	if (rc == 0 && is_found_here(cli, path) && owner_check(path, cli_trust(cli), e) < 0)
		rc = hint_trust(e);
	if (rc == 0)
		*out = STEAL(path);
	return rc;
}

static int load(struct cli *cli, const char *path, struct err *e)
{
	int rc = is_found_here(cli, path) ? load_own(path, cli, e)
					  : conf_load(path, cli->conf_path != NULL, cli->conf, e);
	return rc < 0 ? rc : conf_check_kinds(cli->conf, e);
}

int cli_conf(struct cli *cli, const struct conf **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	struct err ignored = ERR_INIT;
	bool known = cli->conf->path || choose(cli, &path, &ignored) < 0 ||
		     (!cli->conf_path && !file_exists(path));
	int rc = known ? 0 : load(cli, path, e);
	if (rc == 0)
		*out = cli->conf;
	return rc;
}

/* ---- the one that it hides ---- */

/* NULL when there is none. */
static char *own_path(void)
{
	CLEANUP(mem_free_ptr) char *own = NULL;
	struct err ignored = ERR_INIT;
	if (own_conf(&own, &ignored) == 0 && file_exists(own))
		return STEAL(own);
	const char *shared = system_conf();
	return shared ? mem_strdup(shared) : NULL;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int cli_conf_own(struct cli *cli, const struct conf **out, struct err *e)
{
	const struct conf *near;
	int rc = cli_conf(cli, &near, e);
	*out = NULL;
	if (rc < 0 || !near->path || !is_found_here(cli, near->path))
		return rc;
	CLEANUP(mem_free_ptr) char *path = own_path();
	if (!path || same_file(path, near->path))
		return 0;
	if (!cli->own->path)
		rc = conf_load(path, false, cli->own, e);
	if (rc == 0)
		rc = conf_check_kinds(cli->own, e);
	if (rc == 0)
		*out = cli->own;
	return rc;
}
