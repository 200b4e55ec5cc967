#include "cli/pruning.h"

#include "publish/pages_send.h"
#include "settings/site.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void pruning_release(struct pruning *p)
{
	for (size_t i = 0; i < p->count; i++)
		prune_mirror_release(&p->mirrors[i]);
	free(p->mirrors);
	p->mirrors = NULL;
	p->count = 0;
}

static bool shows(const struct push_mirror *pushed, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pushed[i].id, id) == 0)
			return pushed[i].outcome == PUSH_DONE ||
			       pushed[i].outcome == PUSH_UP_TO_DATE ||
			       pushed[i].outcome == PUSH_PLANNED;
	return false;
}

/* ---- the site -------------------------------------------------------------------- */

static void take_old(struct prune_mirror *m, const struct pages_mirror *from)
{
	for (size_t i = 0; i < from->old_count; i++) {
		const struct pages_old *old = &from->old[i];
		m->items = mem_grow(m->items, m->count, &m->cap, sizeof *m->items);
		m->items[m->count++] = (struct prune_item){ mem_strdup(old->key), old->size,
							    old->removed };
	}
	m->bytes += from->old_bytes;
	m->removed += from->removed;
	m->removed_bytes += from->removed_bytes;
}

/* Of the mirrors that were pruned and have the site that was made last. */
static int prune_pages(struct pruning *p, const struct pages *pages, const struct tree *t,
		       struct err *e)
{
	CLEANUP(mem_free_ptr)
	struct pages_mirror *mirrors = mem_alloc((p->count + 1) * sizeof *mirrors);
	const struct pages_send_options o = {
		.dry_run = p->o.dry_run,
		.prune_only = true,
		.time = p->o.time,
		.threads = p->o.threads,
		.record_dir = t->dir,
		.retry = p->o.retry,
		.cancel = p->o.cancel,
		.report = p->o.report,
	};
	size_t count = 0;
	for (size_t i = 0; i < p->count; i++)
		if (p->mirrors[i].chosen && p->mirrors[i].mirror && !p->mirrors[i].error.class)
			mirrors[count++] = (struct pages_mirror){ .id = p->mirrors[i].id,
								  .mirror = p->mirrors[i].mirror,
								  .holds = p->mirrors[i].holds };
	int rc = pages_send(pages, t, mirrors, count, &o, e);
	for (size_t i = 0, k = 0; k < count; i++) {
		if (p->mirrors[i].id != mirrors[k].id)
			continue;
		if (mirrors[k].outcome != PAGES_BEHIND)
			take_old(&p->mirrors[i], &mirrors[k]);
		p->mirrors[i].error = mirrors[k].error;
		pages_mirror_release(&mirrors[k++]);
	}
	return rc;
}

static int prune_site(struct pruning *p, const struct publisher *publisher, const struct tree *t,
		      struct err *e)
{
	CLEANUP(settings_site_release) struct settings_site site = { 0 };
	CLEANUP(pages_release) struct pages pages = { 0 };
	struct err none = ERR_INIT;
	int rc = settings_site_read(publisher->conf, &site, e);
	if (rc < 0)
		return rc;
	if (site.repository && publisher->name && strcmp(site.repository, publisher->name) != 0)
		return 0;
	CLEANUP(mem_free_ptr)
	char *dir = site.output ? mem_strdup(site.output) : path_join(publisher->dir, "site");
	if (pages_read(dir, &pages, &none) == 0)
		return prune_pages(p, &pages, t, e);
	if (!err_is(&none, ERR_NOT_FOUND))
		report_warn(p->o.report, "nothing of the site was removed: %s", none.text);
	return 0;
}

int pruning_run(struct pruning *p, const struct publisher *publisher, const struct tree *t,
		const struct push_mirror *pushed, size_t count, const struct push_options *o,
		struct err *e)
{
	const struct mirrors *places = &publisher->places;
	bool any = false;
	pruning_release(p);
	p->mirrors = mem_alloc((places->count + 1) * sizeof *p->mirrors);
	p->count = places->count;
	p->o.dry_run = o->dry_run;
	p->o.threads = o->threads;
	p->o.retry = o->retry;
	p->o.cancel = o->cancel;
	p->o.report = o->report;
	for (size_t i = 0; i < places->count; i++) {
		const struct mirrors_entry *place = &places->at[i];
		p->mirrors[i] = (struct prune_mirror){
			.id = place->settings->id,
			.mirror = place->mirror,
			.holds = place->settings->holds,
			.chosen = place->chosen && shows(pushed, count, place->settings->id),
			.error = place->error,
		};
		any = any || p->mirrors[i].chosen;
	}
	int rc = any ? prune_run(t, p->mirrors, p->count, &p->o, e) : 0;
	return rc < 0 || !any ? rc : prune_site(p, publisher, t, e);
}

/* ---- the result ------------------------------------------------------------------ */

static void put_mirror(json_t *o, const struct prune_mirror *m)
{
	json_put_string(o, "mirror", m->id);
	json_put_u64(o, "files", m->count);
	json_put_u64(o, "bytes", m->bytes);
	json_put_u64(o, "removed", m->removed);
	json_put_u64(o, "removed_bytes", m->removed_bytes);
	json_t *items = json_put_array(o, "items");
	for (size_t i = 0; i < m->count; i++) {
		json_t *item = json_push_object(items);
		json_put_string(item, "key", m->items[i].key);
		json_put_u64(item, "size", m->items[i].size);
		json_put_bool(item, "removed", m->items[i].removed);
	}
	if (m->error.class)
		json_put(o, "error", cli_error_json(&m->error));
}

json_t *pruning_json(const struct pruning *p)
{
	if (!p->mirrors)
		return NULL;
	json_t *rows = json_array();
	for (size_t i = 0; i < p->count; i++)
		if (p->mirrors[i].chosen)
			put_mirror(json_push_object(rows), &p->mirrors[i]);
	return rows;
}

void pruning_print(struct cli *cli, const json_t *pruning, bool dry_run)
{
	static const struct cli_column columns[] = {
		{ "MIRROR", "{mirror}", NULL },
		{ "ACTION", "{removed?removed:remove}", NULL },
		{ ">SIZE", "{size:size}", NULL },
		{ "FILE", "{key}", NULL },
	};
	const json_t *mirror;
	size_t i;
	if (!pruning)
		return;
	if (dry_run || cli->verbose) {
		CLEANUP(json_release) json_t *rows = cli_rows(pruning, "items", "mirror", "mirror");
		cli_table(cli, rows, columns, ARRAY_LEN(columns));
	}
	json_array_foreach ((json_t *)pruning, i, mirror)
		if (dry_run && json_number(mirror, "files"))
			cli_say(cli, mirror,
				"{mirror}: {files} old files would be removed, {bytes:size}");
		else if (json_number(mirror, "removed"))
			cli_say(cli, mirror,
				"{mirror}: {removed} old files removed, {removed_bytes:size}");
}
