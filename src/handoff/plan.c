#include "handoff/internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

const char *handoff_action_name(enum handoff_action action)
{
	static const char *const names[] = {
		[HANDOFF_MAKE] = "make",
		[HANDOFF_REPLACE] = "replace",
		[HANDOFF_KEEP] = "keep",
		[HANDOFF_USE] = "use",
	};
	return names[action];
}

void handoff_release(struct handoff *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->items[i].path);
		free(h->items[i].blob);
		free(h->items[i].target);
		free(h->items[i].text);
	}
	free(h->items);
	store_layout_release(&h->layout);
	str_list_release(&h->notes);
	free(h->open);
	free(h->use);
	*h = (struct handoff){ 0 };
}

static int find_folder(const struct handoff_options *o, char **out, struct err *e)
{
	if (!o->to)
		return handoff_root(o->engine, out, e);
	*out = path_absolute(o->to);
	return 0;
}

static int begin(const struct store *s, const struct store_variant *v,
		 const struct handoff_options *o, struct handoff *h, struct err *e)
{
	h->engine = o->engine;
	h->copy = o->copy;
	h->shared = o->shared || o->engine == HANDOFF_OLLAMA;
	int rc = find_folder(o, &h->layout.root, e);
	if (rc < 0)
		return rc;
	if (!utf8_valid(h->layout.root, strlen(h->layout.root)))
		return err_set(e, ERR_USAGE, "the name of the folder is not UTF-8");
	h->layout.engine = mem_strdup(handoff_engine_name(o->engine));
	h->layout.repository = mem_strdup(v->repository);
	h->layout.model = mem_strdup(v->model);
	h->layout.variant = mem_strdup(v->variant);
	h->layout.version = v->version;
	h->layout.made_s = clock_wall_s(s->clock);
	return 0;
}

int handoff_plan(const struct store *s, const struct store_variant *v,
		 const struct handoff_options *o, struct handoff *out, struct err *e)
{
	CLEANUP(handoff_release) struct handoff h = { 0 };
	CLEANUP(store_layout_release) struct store_layout before = { 0 };
	struct handoff_draft d = {
		.store = s,
		.variant = v,
		.options = o,
		.title = handoff_engine_title(o->engine),
		.out = &h,
	};
	int rc = store_variant_check_complete(v, e);
	if (rc == 0)
		rc = begin(s, v, o, &h, e);
	if (rc == 0)
		rc = handoff_draft_of(o->engine)(&d, e);
	if (rc < 0)
		return rc;
	store_layout_identify(&h.layout);
	if (v->engine)
		str_list_take(&h.notes, mem_printf("only %s can load it", v->engine));
	rc = handoff_classify(s, &h, &before, e);
	if (rc < 0)
		return rc;
	*out = h;
	h = (struct handoff){ 0 };
	return 0;
}

uint64_t handoff_copied(const struct handoff *h)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < h->count; i++)
		if (h->items[i].how == STORE_LINKS_COPY)
			bytes += h->items[i].size;
	return bytes;
}
