/* Whether ferry.conf can be used: every section, not only those that one command reads. */
#include "cli/doctor/doctor.h"

#include "settings/access.h"
#include "settings/alert.h"
#include "settings/announce.h"
#include "settings/cost.h"
#include "settings/front.h"
#include "settings/health.h"
#include "settings/prepare.h"
#include "settings/publish.h"
#include "settings/site.h"
#include "settings/stats.h"
#include "util/mem.h"

static int read_operator(const struct conf *c, struct err *e)
{
	CLEANUP(settings_health_release) struct settings_health health = { 0 };
	CLEANUP(settings_alerts_release) struct settings_alerts alerts = { 0 };
	CLEANUP(settings_stats_release) struct settings_stats stats = { 0 };
	int rc = settings_health_read(c, &health, e);
	if (rc == 0)
		rc = settings_alerts_read(c, &alerts, e);
	return rc < 0 ? rc : settings_stats_read(c, &stats, e);
}

static int read_publisher(const struct conf *c, struct err *e)
{
	CLEANUP(settings_prepare_release) struct settings_prepare prepare = { 0 };
	CLEANUP(settings_announce_release) struct settings_announce announce = { 0 };
	CLEANUP(settings_site_release) struct settings_site site = { 0 };
	CLEANUP(settings_cost_release) struct settings_cost cost = { 0 };
	int rc = settings_prepare_read(c, &prepare, e);
	if (rc == 0)
		rc = settings_announce_read(c, NULL, &announce, e);
	if (rc == 0)
		rc = settings_site_read(c, &site, e);
	return rc < 0 ? rc : settings_cost_read(c, &cost, e);
}

/* What stands in front of it. Whether there is such a mirror is looked at, too: a section with a
 * mistyped name would set nothing. */
static int read_fronts(const struct conf *c, struct err *e)
{
	const struct conf_section *s;
	int rc = 0;
	for (size_t i = 0; rc == 0 && (s = conf_nth(c, "front", i)); i++) {
		CLEANUP(settings_front_release) struct settings_front front = { 0 };
		if (*s->name && !conf_find(c, "mirror", s->name))
			return conf_err(c, s, NULL, e, "[front.%s]: there is no [mirror.%s]",
					s->name, s->name);
		rc = settings_front_read(c, *s->name ? s->name : "any", NULL, 0, &front, e);
	}
	return rc;
}

static int read_mirrors(const struct conf *c, struct doctor_result *r, struct err *e)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(settings_mirrors_release) struct settings_mirrors mirrors = { 0 };
	struct settings_publish publish;
	int rc = settings_publish_read(c, &publish, e);
	if (rc == 0)
		rc = settings_mirrors_read(c, NULL, kinds, &mirrors, e);
	for (size_t i = 0; rc == 0 && i < mirrors.count; i++)
		if (mirrors.at[i].fault.class)
			doctor_detail(r, "%s", mirrors.at[i].fault.text);
	return rc;
}

int doctor_check_settings(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			  struct err *e)
{
	(void)subject;
	if (!d->conf->path) {
		doctor_skip(r, "there is no ferry.conf");
		doctor_next(r, "ferry repository add 'https://HOST/PATH/#sha256=DIGEST'");
		doctor_hint(r, "the publisher of the models gives you this line");
		return 0;
	}
	int rc = conf_check_kinds(d->conf, e);
	if (rc == 0)
		rc = read_mirrors(d->conf, r, e);
	if (rc == 0)
		rc = read_fronts(d->conf, e);
	if (rc == 0)
		rc = read_operator(d->conf, e);
	if (rc == 0)
		rc = read_publisher(d->conf, e);
	if (rc < 0)
		return rc;
	if (r->details.count)
		doctor_fail(r, "%s: %zu of its mirrors cannot be used", d->conf->path,
			    r->details.count);
	else
		doctor_pass(r, "%s can be used", d->conf->path);
	return 0;
}
