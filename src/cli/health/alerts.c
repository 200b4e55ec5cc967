/* From what was found to the alerts of ferry.conf. */
#include "cli/health/health.h"

#include "settings/access.h"
#include "util/mem.h"

#include <string.h>

struct list {
	struct alert_finding *at;
	size_t count, cap;
};

/* All that counts, also what this run could not look at again. */
static void add_known(struct list *l, const char *repository, const char *mirror,
		      const struct health_known *k, bool silenced)
{
	for (int c = 0; k && c < HEALTH_CHECKS; c++) {
		const struct health_seen *s = &k->checks[c];
		if (!s->known)
			continue;
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count++] = (struct alert_finding){
			.repository = repository,
			.mirror = mirror,
			.check = (enum health_check)c,
			.state = s->state,
			.since_s = s->since_s,
			.reason = s->reason,
			.silenced = silenced,
		};
	}
}

static void add_report(struct list *l, const struct health_report *r)
{
	const char *name = r->repository->name;
	add_known(l, name, NULL, r->known, false);
	for (size_t i = 0; i < r->count; i++) {
		const struct health_mirror *m = &r->mirrors[i];
		if (!m->left_out)
			add_known(l, name, m->id, m->known, m->silence != NULL);
	}
}

static int read_access(const struct checkup *c, struct http_access_list *access,
		       struct alert_env *env, struct http_options *http, struct err *e)
{
	http->access = access;
	*env = (struct alert_env){
		.place = c->place,
		.interval_s = c->o->watch_s,
		.dir = c->conf->dir,
		.http = http,
		.cancel = c->cli->cancel,
		.report = c->cli->report,
	};
	return settings_access_read(c->conf, access, e);
}

/* A receiver that cannot be reached is tried again by the next run. */
static void say_failures(const struct checkup *c, const struct alert_results *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->at[i].outcome == ALERT_FAILED)
			cli_tell(c->cli, &r->at[i].error);
	if (r->forgets)
		report_warn(c->cli->report, "without the history, alerts are repeated by the "
					    "next run, and recoveries are not sent");
}

/* ---- `mirrors` of an alert: names of mirrors that there are ---- */

static void add_mirrors(const struct checkup *c, struct str_list *known)
{
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c->conf, "mirror", i)); i++)
		str_list_add(known, s->name);
	for (size_t i = 0; i < c->count; i++)
		for (size_t j = 0; j < c->reports[i].count; j++)
			str_list_add(known, c->reports[i].mirrors[j].id);
}

/* Are all repositories known that this alert may be of? */
static bool is_covered(const struct checkup *c, const struct settings_alert *a)
{
	bool chosen = false;
	for (size_t i = 0; a->repository && i < c->count; i++)
		chosen |= !strcmp(a->repository, c->chosen[i]->name);
	return chosen || (!a->repository && c->count == c->repositories.count);
}

static void say_unknown(const struct checkup *c, const struct settings_alert *a,
			const struct str_list *known)
{
	for (size_t i = 0; i < a->mirrors.count; i++) {
		const char *name = a->mirrors.at[i];
		if (str_list_has(known, name))
			continue;
		const char *near = text_nearest(name, (const char *const *)known->at, known->count);
		CLEANUP(mem_free_ptr) char *meant = near ? mem_printf(" (did you mean '%s'?)", near)
							 : NULL;
		report_warn(c->cli->report, "[alert.%s]: mirrors: no mirror is called '%s'%s",
			    a->name, name, meant ? meant : "");
	}
}

static void check_mirrors(const struct checkup *c)
{
	CLEANUP(str_list_release) struct str_list known = { 0 };
	add_mirrors(c, &known);
	for (size_t i = 0; i < c->alerts.count; i++)
		if (is_covered(c, &c->alerts.at[i]))
			say_unknown(c, &c->alerts.at[i], &known);
}

int alerts_send(struct checkup *c, struct err *e)
{
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	CLEANUP(mem_free_ptr) const char **covered = mem_alloc((c->count + 1) * sizeof *covered);
	struct http_options http = { 0 };
	struct alert_env env;
	struct list l = { 0 };
	struct err why = ERR_INIT;
	alert_results_release(&c->told);
	if (!c->alerts.count)
		return 0;
	int rc = read_access(c, &access, &env, &http, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < c->count; i++) {
		covered[i] = c->chosen[i]->name;
		add_report(&l, &c->reports[i]);
	}
	check_mirrors(c);
	env.covered = c->o->mirrors.count ? NULL : covered;
	env.memory = c->o->watch_s ? &c->memory : NULL;
	rc = alert_send(c->db, &c->alerts, l.at, l.count, &env, &c->told, &why);
	free(l.at);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc < 0)
		report_warn(c->cli->report, "%s", why.text);
	say_failures(c, &c->told);
	return 0;
}

int alerts_test(struct checkup *c, struct err *e)
{
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	struct http_options http = { 0 };
	struct alert_env env;
	const char *name = c->cli->count ? c->cli->operands[0] : NULL;
	int rc = read_access(c, &access, &env, &http, e);
	if (rc == 0)
		rc = alert_test(&c->alerts, name, &env, &c->told, e);
	if (rc == 0)
		say_failures(c, &c->told);
	return rc;
}

json_t *alerts_json(const struct checkup *c)
{
	json_t *list = json_array();
	for (size_t i = 0; i < c->told.count; i++) {
		const struct alert_result *r = &c->told.at[i];
		json_t *o = json_push_object(list);
		json_put_string(o, "name", r->name);
		json_put_string(o, "kind", settings_alert_kind_name(r->kind));
		json_put_string(o, "outcome", alert_outcome_name(r->outcome));
		json_put_u64(o, "changes", r->changes);
		json_put_u64(o, "active", r->active);
		json_put_u64(o, "failures", r->failures_total);
		if (r->outcome == ALERT_FAILED)
			json_put(o, "error", cli_error_json(&r->error));
	}
	return list;
}
