#include "cli/pruning.h"

#include "util/mem.h"

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
	return any ? prune_run(t, p->mirrors, p->count, &p->o, e) : 0;
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
