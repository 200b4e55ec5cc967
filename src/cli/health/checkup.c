#include "cli/health/health.h"

#include "cli/opsdb.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static void release_reports(struct checkup *c)
{
	for (size_t i = 0; c->reports && i < c->count; i++)
		health_report_release(&c->reports[i]);
}

void checkup_release(struct checkup *c)
{
	release_reports(c);
	for (size_t i = 0; c->history && i < c->count; i++)
		health_history_release(&c->history[i]);
	free(c->reports);
	free(c->hot);
	free(c->history);
	free(c->chosen);
	health_silences_release(&c->silences);
	db_close(c->db);
	file_close(&c->lock);
	free(c->place);
	free(c->state_dir);
	free(c->records_dir);
	settings_repositories_release(&c->repositories);
	settings_health_release(&c->settings);
	settings_alerts_release(&c->alerts);
	alert_results_release(&c->told);
	alert_memory_release(&c->memory);
}

/* ---- settings ---- */

/* A name that is safe in labels and file names. */
static char *host_name(void)
{
	char name[65] = "";
	if (gethostname(name, sizeof name - 1) < 0)
		return mem_strdup("here");
	for (char *c = name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return mem_strdup(path_is_id(name) ? name : "here");
}

static bool is_chosen(const struct checkup *c, const char *name)
{
	for (size_t i = 0; i < c->o->names.count; i++)
		if (strcmp(c->o->names.at[i], name) == 0)
			return true;
	return !c->o->names.count;
}

static int check_names(const struct checkup *c, struct err *e)
{
	const struct settings_repositories *all = &c->repositories;
	for (size_t i = 0; i < c->o->names.count; i++)
		if (!settings_repositories_find(all, c->o->names.at[i]))
			return settings_repositories_unknown(all, c->o->names.at[i], ERR_NOT_FOUND,
							     e);
	if (all->count)
		return 0;
	err_set(e, ERR_USAGE, "no configuration has a [repository.NAME]");
	return err_hint(e, "run this in the folder of your ferry.conf, or give it with --config");
}

int checkup_settings(struct checkup *c, struct err *e)
{
	int rc = cli_conf(c->cli, &c->conf, e);
	if (rc == 0)
		rc = settings_health_read(c->conf, &c->settings, e);
	if (rc == 0)
		rc = settings_alerts_read(c->conf, &c->alerts, e);
	if (rc == 0)
		rc = settings_repositories_read(c->conf, &c->repositories, e);
	if (rc == 0)
		rc = check_names(c, e);
	if (rc < 0)
		return rc;
	c->chosen = mem_alloc(c->repositories.count * sizeof(struct settings_repository *));
	for (size_t i = 0; i < c->repositories.count; i++)
		if (is_chosen(c, c->repositories.at[i].name))
			c->chosen[c->count++] = &c->repositories.at[i];
	c->history = mem_alloc(c->count * sizeof *c->history);
	c->reports = mem_alloc(c->count * sizeof *c->reports);
	c->place = c->settings.place ? mem_strdup(c->settings.place) : host_name();
	return 0;
}

/* ---- what is kept ---- */

static int take_lock(struct checkup *c, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	int rc = opsdb_path("health.lock", &path, e);
	if (rc == 0)
		rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_lock(path, 0, NULL, &c->lock, e);
	if (err_is(e, ERR_CONFLICT))
		err_hint(e, "another `ferry health` is running: this one ends, so that they do "
			    "not pile up");
	return rc;
}

/* The checks are worth more than their history. */
static void without_history(struct checkup *c, struct err *why)
{
	report_warn(c->cli->report, "the history cannot be kept: %s%s%s", why->text,
		    *why->hint ? "; " : "", why->hint);
	err_clear(why);
	db_close(STEAL(c->db));
}

static int open_history(struct checkup *c, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	struct err why = ERR_INIT;
	int rc = opsdb_path(OPSDB_NAME, &path, e);
	if (rc < 0)
		return rc;
	if (health_history_open(path, c->cli->cancel, &c->db, &why) < 0) {
		if (err_is(&why, ERR_CANCELLED)) {
			*e = why;
			return -ERR_CANCELLED;
		}
		without_history(c, &why);
	}
	return 0;
}

int checkup_open(struct checkup *c, struct err *e)
{
	os_pool_memory();
	int rc = checkup_settings(c, e);
	if (rc == 0)
		rc = take_lock(c, e);
	if (rc == 0)
		rc = opsdb_path(OPSDB_COPIES, &c->state_dir, e);
	if (rc == 0)
		rc = opsdb_path("mirrors", &c->records_dir, e);
	return rc < 0 ? rc : open_history(c, e);
}

/* ---- a round ---- */

/* Without a database, what a run before in this process has found is still known. */
static void load(struct checkup *c, size_t i)
{
	struct health_history loaded = HEALTH_HISTORY_INIT;
	struct err why = ERR_INIT;
	if (!c->db)
		return;
	if (health_history_load(c->db, c->chosen[i]->name, &loaded, &why) < 0) {
		without_history(c, &why);
		return;
	}
	health_history_release(&c->history[i]);
	c->history[i] = loaded;
}

static void load_silences(struct checkup *c)
{
	struct health_silences loaded = { 0 };
	struct err why = ERR_INIT;
	if (!c->db)
		return;
	if (health_history_silences(c->db, c->now_s, &loaded, &why) < 0) {
		without_history(c, &why);
		return;
	}
	health_silences_release(&c->silences);
	c->silences = loaded;
}

static void save(struct checkup *c, size_t i)
{
	CLEANUP(mem_free_ptr) struct health_result *results = NULL;
	struct health_record record;
	struct err why = ERR_INIT;
	if (!c->db)
		return;
	health_report_record(&c->reports[i], c->settings.keep_s, &results, &record);
	if (health_history_save(c->db, c->chosen[i]->name, &c->history[i], &record, &why) < 0)
		without_history(c, &why);
}

static int look(struct checkup *c, size_t i, struct err *e)
{
	const struct health_run_options o = {
		.conf = c->conf,
		.repository = c->chosen[i],
		.settings = &c->settings,
		.only = c->o->mirrors.at,
		.only_count = c->o->mirrors.count,
		.silences = &c->silences,
		.no_audit = c->o->no_audit,
		.hot = c->hot,
		.hot_count = c->hot_count,
		.state_dir = c->state_dir,
		.records_dir = c->records_dir,
		.now_s = c->now_s,
		.cancel = c->cli->cancel,
		.report = c->cli->report,
	};
	load(c, i);
	int rc = health_run(&o, &c->history[i], &c->reports[i], e);
	if (rc == 0)
		save(c, i);
	return rc;
}

/* Each name of --mirror is one of a mirror of some repository. */
static int check_mirror(const struct checkup *c, const char *name, struct err *e)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	for (size_t i = 0; i < c->count; i++)
		for (size_t k = 0; k < c->reports[i].count; k++)
			str_list_add(&known, c->reports[i].mirrors[k].id);
	if (str_list_has(&known, name))
		return 0;
	err_set(e, ERR_USAGE, "there is no mirror '%s'", name);
	return text_hint_nearest(name, (const char *const *)known.at, known.count,
				 "`ferry health` without --mirror shows all of them", e);
}

int checkup_round(struct checkup *c, struct err *e)
{
	int rc = 0;
	release_reports(c);
	c->now_s = (int64_t)time(NULL);
	load_silences(c);
	free(STEAL(c->hot));
	c->hot_count = 0;
	if (!c->o->no_audit && c->settings.audit)
		hot_read(c->cli, c->conf, c->now_s, &c->hot, &c->hot_count);
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		rc = look(c, i, e);
		if (rc < 0 && c->count > 1)
			err_context(e, "repository %s", c->chosen[i]->name);
	}
	for (size_t i = 0; rc == 0 && i < c->o->mirrors.count; i++)
		rc = check_mirror(c, c->o->mirrors.at[i], e);
	return rc < 0 ? rc : alerts_send(c, e);
}

enum health_state checkup_state(const struct checkup *c)
{
	enum health_state worst = HEALTH_OK;
	for (size_t i = 0; i < c->count; i++)
		worst = health_worse(worst, c->reports[i].state);
	return worst;
}
