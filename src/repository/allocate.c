#include "repository/allocate.h"

#include "util/mem.h"

#include <string.h>

#define MODELS "targets/models/"

/* The objects of one model. */
struct group {
	const struct allocate_rule *rule;
	const struct allocate_object *at;
	size_t count;
	uint64_t release; /* that new objects get */
	uint64_t used;    /* its assets */
};

static uint64_t assets_of(const struct allocate_rule *r, uint64_t size)
{
	return !r->part_size || size <= r->part_size ? 1 : (size - 1) / r->part_size + 1;
}

static bool is_closed(const struct group *g, uint64_t release)
{
	CLEANUP(mem_free_ptr) char *tag = g->rule->tag(g->rule->ctx, g->at[0].key, release);
	return closed_has(g->rule->closed, tag);
}

/* The release in which it stays; 0: it needs one. */
static uint64_t stays_in(const struct group *g, const struct allocate_object *o)
{
	uint64_t release = o->old ? places_release_of(g->rule->before, o->key) : 0;
	bool refused = release && closed_lacks(g->rule->closed, o->key, release) &&
		       is_closed(g, release);
	return refused ? 0 : release;
}

/* The release after it, or the first of those that is open. */
static void open_next(struct group *g)
{
	g->used = 0;
	do
		g->release++;
	while (is_closed(g, g->release));
}

/* The last release that has objects, and how full it is. */
static void find_last(struct group *g)
{
	for (size_t i = 0; i < g->count; i++)
		g->release = MAX(g->release, stays_in(g, &g->at[i]));
	for (size_t i = 0; i < g->count; i++)
		if (g->release && stays_in(g, &g->at[i]) == g->release)
			g->used += assets_of(g->rule, g->at[i].size);
}

static uint64_t place_new(struct group *g, const struct allocate_object *o)
{
	uint64_t assets = assets_of(g->rule, o->size);
	if (g->used && g->used + assets > g->rule->max_assets)
		open_next(g);
	g->used += assets;
	return g->release;
}

static void allocate_group(struct group *g, struct places *out)
{
	bool began = false;
	find_last(g);
	for (size_t i = 0; i < g->count; i++) {
		uint64_t release = stays_in(g, &g->at[i]);
		if (!release) {
			if (!began &&
			    (!g->release || g->rule->immutable || is_closed(g, g->release)))
				open_next(g);
			began = true;
			release = place_new(g, &g->at[i]);
		}
		if (release > 1)
			places_add_release(out, g->at[i].key, release);
	}
}

/* How many bytes of the key name the model: "targets/models/phi-2/"; 0: it is of no model. */
static size_t model_part(const char *key)
{
	const char *slash = str_starts(key, MODELS) ? strchr(key + strlen(MODELS), '/') : NULL;
	return slash ? (size_t)(slash - key) + 1 : 0;
}

void allocate(const struct allocate_rule *rule, const struct allocate_object *objects, size_t count,
	      struct places *out)
{
	for (size_t i = 0, end; i < count; i = end) {
		size_t len = model_part(objects[i].key);
		for (end = i + 1; len && end < count; end++)
			if (strncmp(objects[i].key, objects[end].key, len) != 0)
				break;
		struct group g = { .rule = rule, .at = &objects[i], .count = end - i };
		if (len)
			allocate_group(&g, out);
	}
	places_sort(out);
}
