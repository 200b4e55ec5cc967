#include "fetch/rank.h"

#include "fetch/history.h"
#include "util/mem.h"

#include <string.h>

/* Faults that are not forgotten yet, from which on a mirror counts as one that fails often. */
#define OFTEN_MILLI 2000

/* -- the order ------------------------------------------------------------------------------- */

bool source_is_in_region(const struct source *s, const char *region)
{
	const char *own = s->entry ? s->entry->region : NULL;
	size_t len = strlen(region);
	return own && strncasecmp(own, region, len) == 0 && (!own[len] || own[len] == '-');
}

/* What is compared, from the most significant to the least. */
struct rank {
	struct source *source;
	uint64_t by[6];
};

static int compare(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	for (size_t i = 0; i < ARRAY_LEN(x->by); i++)
		if (x->by[i] != y->by[i])
			return x->by[i] < y->by[i] ? -1 : 1;
	return 0;
}

static void tell_past(const struct source_list *l, const struct source *s, const struct history *h)
{
	char text[MAX(TIME_TEXT, SIZE_TEXT)];
	if (h->rate)
		report_detail(l->report, "mirror %s: %s/s in earlier runs", s->id,
			      format_size(text, h->rate));
	if (!h->wrong_s)
		return;
	CLEANUP(mem_free_ptr) char *path = history_path(l->history, s->url);
	format_time(text, h->wrong_s);
	report_detail(l->report,
		      "mirror %s sent wrong bytes at %s, so it is asked last (to forget this, "
		      "remove %s)",
		      s->id, text, path);
}

static struct rank rank_of(const struct source_list *l, struct source *s, const char *region)
{
	struct history h = { 0 };
	if (l->history)
		history_read(l->history, s->url, clock_wall_s(l->clock), &h);
	tell_past(l, s, &h);
	return (struct rank){
		.source = s,
		.by = {
			h.wrong_s != 0,
			s->entry == NULL,
			region && !source_is_in_region(s, region),
			s->entry ? s->entry->priority : 0,
			h.faults_milli >= OFTEN_MILLI,
			s->added,
		},
	};
}

void source_list_rank(struct source_list *l, const char *region)
{
	CLEANUP(mem_free_ptr) struct rank *all = mem_alloc((l->count + 1) * sizeof *all);
	for (size_t i = 0; i < l->count; i++)
		all[i] = rank_of(l, l->at[i], region);
	qsort(all, l->count, sizeof *all, compare);
	for (size_t i = 0; i < l->count; i++)
		l->at[i] = all[i].source;
}

/* -- the choice ------------------------------------------------------------------------------ */

static bool names(const struct opt_list *ids, const char *id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (strcmp(ids->at[i], id) == 0)
			return true;
	return false;
}

void source_list_select(struct source_list *l, const struct opt_list *only,
			const struct opt_list *without)
{
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		if ((!only->count || names(only, s->id)) && !names(without, s->id))
			continue;
		s->objects = false;
		s->excluded = !s->endpoint;
	}
}

/* -- the past -------------------------------------------------------------------------------- */

/* Those that say something about the mirror: not about a proxy, a login page, this machine, or what
 * the person may read. */
static unsigned faults_of(const struct source *s)
{
	static const enum source_fault own[] = {
		FAULT_WRONG_ANSWER, FAULT_METADATA,    FAULT_STALE, FAULT_DROPPED,
		FAULT_STALLED,      FAULT_UNREACHABLE, FAULT_TLS,
	};
	uint64_t sum = 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		sum += s->faults[own[i]];
	return (unsigned)MIN(sum, UINT32_MAX);
}

void source_list_remember(const struct source_list *l)
{
	for (size_t i = 0; l->history && i < l->count; i++) {
		const struct source *s = l->at[i];
		const struct history_run run = {
			.rate = s->rate > 0 ? (uint64_t)s->rate : 0,
			.faults = faults_of(s),
			.wrong = s->faults[FAULT_WRONG_BYTES] > 0,
		};
		if (s->bytes || run.faults || run.wrong)
			history_note(l->history, s->url, clock_wall_s(l->clock), &run);
	}
}
