#include "cli/site/collect.h"

#include "repository/repository.h"
#include "settings/join.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

void collect_release(struct collect *c)
{
	struct site_counts *counts[] = { &c->statistics.days, &c->statistics.models,
					 &c->statistics.countries, &c->statistics.clients,
					 &c->statistics.mirrors };
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		free(counts[i]->at);
	for (size_t i = 0; i < ARRAY_LEN(c->reports); i++)
		stats_report_release(&c->reports[i]);
	free(c->mirrors);
	free(c->invite);
	buf_release(&c->intro);
	catalog_release(&c->catalog);
	*c = (struct collect)COLLECT_INIT;
}

/* Whoever reads the site can read this mirror, too, and has the root from the site. The catalog's
 * mirrors are in the order of their priority. */
static const char *public_base(const struct catalog *c)
{
	static const char *const schemes[] = { "https://", "http://" };
	for (size_t k = 0; k < ARRAY_LEN(schemes); k++)
		for (size_t i = 0; i < c->mirror_count; i++)
			if (c->mirrors[i].url &&
			    catalog_mirror_has(&c->mirrors[i], MIRROR_HOLDS_METADATA) &&
			    str_starts(c->mirrors[i].url, schemes[k]))
				return c->mirrors[i].url;
	return NULL;
}

static int read_root(const struct publisher *p, struct collect *c, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(p->dir, "metadata/1.root.json");
	const char *base = public_base(&c->catalog);
	struct digest root;
	uint64_t size;
	int rc = sha256_of_file(path, NULL, &root, &size, e);
	if (rc < 0)
		return rc;
	digest_hex(c->root_sha256, &root);
	c->invite = base ? join_url(base, &root) : NULL;
	return 0;
}

static int read_intro(const struct settings_site *settings, struct collect *c, struct err *e)
{
	if (!settings->intro)
		return 0;
	int rc = file_read_all(settings->intro, &c->intro, e);
	if (rc == 0)
		return 0;
	err_context(e, "intro of [site]");
	return err_hint(e, "correct intro in [site] of ferry.conf");
}

/* Of what only operators have: without a history or statistics there is still a site. But what
 * cannot be read now does not vanish from the pages. */
static int read_extras(struct cli *cli, const struct publisher *p,
		       const struct settings_site *settings, struct collect *c, struct err *e)
{
	int rc = collect_health(cli, c, p->name ? p->name : c->catalog.name, e);
	if (rc < 0 && !err_is(e, ERR_CANCELLED))
		return err_context(e, "the history of the mirrors");
	if (rc < 0 || !settings->statistics)
		return rc;
	rc = collect_statistics(cli, c, e);
	if (rc < 0 && !err_is(e, ERR_CANCELLED)) {
		err_context(e, "the statistics");
		return err_hint(e, "statistics = no in [site] of ferry.conf leaves them out");
	}
	if (rc == 0 && !c->site.statistics && conf_find(p->conf, "stats", ""))
		report_note(cli->report, "the site has no statistics: no log was imported yet "
					 "(`ferry stats import`)");
	return rc;
}

int collect_all(struct cli *cli, const struct publisher *p, const struct settings_site *settings,
		struct collect *out, struct err *e)
{
	struct site *s = &out->site;
	int rc = repository_catalog(p->dir, &out->catalog, e);
	if (rc == 0)
		rc = read_root(p, out, e);
	if (rc == 0)
		rc = read_intro(settings, out, e);
	if (rc < 0)
		return rc;
	s->time_s = (int64_t)time(NULL);
	rc = read_extras(cli, p, settings, out, e);
	s->catalog = &out->catalog;
	s->name = out->catalog.name;
	s->title = settings->title ? settings->title : out->catalog.title;
	s->title = s->title ? s->title : s->name;
	s->intro = out->intro.len ? buf_str(&out->intro) : NULL;
	s->url = settings->url;
	s->invite = out->invite;
	s->root_sha256 = out->root_sha256;
	return rc;
}
