#include "cli/publisher.h"

#include "settings/fetch.h"
#include "settings/publish.h"
#include "settings/repository.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void publisher_release(struct publisher *p)
{
	mirrors_release(&p->places);
	http_access_list_release(&p->access);
	settings_mirrors_release(&p->settings);
	free(p->state_dir);
	free(p->name);
	free(p->dir);
	*p = (struct publisher){ 0 };
}

static int no_conf(struct err *e)
{
	err_set(e, ERR_USAGE, "there is no ferry.conf here, in ~/.config/ferry or in /etc/ferry");
	return err_hint(e, "run this in the folder of your ferry.conf, give it with --config, or "
			   "write one (man ferry.conf)");
}

static int find_tree(const struct publisher_opts *o, struct publisher *p, bool want_tree,
		     struct err *e)
{
	CLEANUP(settings_repository_release) struct settings_repository r = { 0 };
	bool several = conf_nth(p->conf, "repository", 0) != NULL;
	if (o->name || several) {
		int rc = settings_repository_published(p->conf, o->name, &r, e);
		if (rc < 0)
			return rc;
		p->name = STEAL(r.name);
		p->dir = STEAL(r.dir);
	}
	if (o->dir) {
		free(p->dir);
		p->dir = mem_strdup(o->dir);
	}
	if (p->dir && want_tree && !file_is_dir(p->dir)) {
		err_set(e, ERR_NOT_FOUND, "%s: there is no repository", p->dir);
		return err_hint(e, "`ferry catalog init` creates one");
	}
	if (p->dir || !want_tree)
		return 0;
	if (!p->conf->path)
		return no_conf(e);
	err_set(e, ERR_USAGE, "%s has no path for the repository's tree", p->conf->path);
	return err_hint(e, "set path in [repository.NAME], or use --repository DIR");
}

static int no_mirror(const struct publisher *p, struct err *e)
{
	err_set(e, ERR_USAGE, "%s has no mirror%s%s", p->conf->path,
		p->name ? " of repository " : "", p->name ? p->name : "");
	return err_hint(e, "`ferry mirror add NAME` adds a section [mirror.NAME] (man ferry.conf)");
}

/* --limit-rate, else that of [publish], else that of [fetch]. */
static int set_rate(const struct publisher_opts *o, struct publisher *p, struct err *e)
{
	struct settings_fetch fetch;
	struct settings_publish publish;
	int rc = settings_fetch_read(p->conf, &fetch, e);
	if (rc == 0)
		rc = settings_publish_read(p->conf, &publish, e);
	if (rc < 0)
		return rc;
	p->rate.table = publish.limit_rate.count ? publish.limit_rate : fetch.limit_rate;
	if (!o->limit_rate || rate_table_parse(o->limit_rate, &p->rate.table))
		return 0;
	return err_set(e, ERR_USAGE,
		       "--limit-rate: '%s' is not a size such as 20MiB, nor a timetable such as "
		       "'08:00,20MiB 19:00,off'",
		       o->limit_rate);
}

/* NULL when there is no home folder: what probing finds out is then not kept. */
static char *find_state_dir(void)
{
	CLEANUP(mem_free_ptr) char *state = NULL;
	struct err ignored = ERR_INIT;
	return path_xdg("XDG_STATE_HOME", ".local/state", &state, &ignored) < 0
		       ? NULL
		       : path_join(state, "ferry/mirrors");
}

static int open_mirrors(struct cli *cli, const struct publisher_opts *o, struct publisher *p,
			struct err *e)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	struct settings_fetch fetch;
	if (!p->conf->path)
		return no_conf(e);
	int rc = settings_fetch_read(p->conf, &fetch, e);
	if (rc == 0)
		rc = settings_mirrors_read(p->conf, p->name, kinds, &p->settings, e);
	if (rc == 0 && !p->settings.count)
		rc = no_mirror(p, e);
	if (rc < 0)
		return rc;
	p->state_dir = o->keeps_nothing ? NULL : find_state_dir();
	const struct mirror_env env = {
		.rate = &p->rate,
		.cancel = cli->cancel,
		.stall_s = fetch.stall_s,
		.new_mirror = o->new_mirror,
		.as_reader = o->as_reader,
		.state_dir = p->state_dir,
		.access = &p->access,
	};
	return mirrors_open(&p->settings, o->mirrors.at, o->mirrors.count, mirror_kinds_all, &env,
			    &p->places, e);
}

/* Statistics of downloads leave publishers and operators out. */
static void call_program(const struct cli *cli, struct http_access_list *access)
{
	CLEANUP(mem_free_ptr) char *name = mem_strndup(cli->name, strcspn(cli->name, " "));
	http_access_program(access, name);
}

int publisher_open(struct cli *cli, const struct publisher_opts *o, bool want_tree,
		   bool want_mirrors, struct publisher *out, struct err *e)
{
	/* Initialised in its final place, because the mirrors keep the address of the rate. */
	*out = (struct publisher){ 0 };
	int rc = cli_conf(cli, &out->conf, e);
	if (rc == 0)
		rc = settings_access_read(out->conf, &out->access, e);
	call_program(cli, &out->access);
	if (rc == 0)
		rc = set_rate(o, out, e);
	if (rc == 0 && (want_tree || o->name))
		rc = find_tree(o, out, want_tree, e);
	if (rc == 0 && want_mirrors)
		rc = open_mirrors(cli, o, out, e);
	if (rc < 0)
		publisher_release(out);
	return rc;
}

const char *publisher_kind(const struct mirrors_entry *p)
{
	return p->settings->kind ? p->settings->kind : "";
}
