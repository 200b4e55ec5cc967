#include "tuf/search.h"

#include "tuf/match.h"
#include "util/mem.h"
#include "util/text.h"

struct visit {
	char *name;
	const struct tuf_metadata *parent;
	const char *signer;
};

struct walk {
	struct visit *stack; /* the next one is last */
	size_t count, cap;
	struct str_list visited;
};

static void walk_drop(struct walk *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->stack[i].name);
	w->count = 0;
}

static void walk_release(struct walk *w)
{
	walk_drop(w);
	free(w->stack);
	str_list_release(&w->visited);
}

static void push(struct walk *w, char *name, const struct tuf_metadata *parent, const char *signer)
{
	w->stack = mem_grow(w->stack, w->count, &w->cap, sizeof *w->stack);
	w->stack[w->count++] = (struct visit){ name, parent, signer };
}

/* Pushes the roles to which m delegates the path, the first one on top. */
static void push_children(struct walk *w, const struct tuf_metadata *m, const char *signer,
			  const char *path)
{
	if (m->bins.bit_length) {
		walk_drop(w);
		push(w, tuf_match_bin(&m->bins, path), m, signer);
		return;
	}
	CLEANUP(mem_free_ptr) size_t *matching =
		mem_alloc((m->delegated_count + 1) * sizeof *matching);
	size_t count = 0;
	for (size_t i = 0; i < m->delegated_count; i++) {
		if (!tuf_match_delegated(&m->delegated[i], path))
			continue;
		matching[count++] = i;
		if (m->delegated[i].terminating) {
			walk_drop(w);
			break;
		}
	}
	while (count--) {
		const char *name = m->delegated[matching[count]].name;
		push(w, mem_strdup(name), m, name);
	}
}

static int unlisted(const char *path, struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "no signed metadata lists %.300s", path);
	return err_cause(e, CAUSE_UNLISTED, 0);
}

int tuf_search(const struct tuf_metadata *top, const char *path, unsigned max_roles,
	       tuf_search_load load, void *ctx, const json_t **target, const char **signer,
	       struct err *e)
{
	CLEANUP(walk_release) struct walk w = { 0 };
	CLEANUP(mem_free_ptr) char *shown = text_escaped(path);
	const struct tuf_metadata *m = top;
	*signer = tuf_type_name(TUF_TARGETS);
	for (;;) {
		const json_t *found = json_object_get(m->targets, path);
		if (found) {
			*target = found;
			return 0;
		}
		push_children(&w, m, *signer, path);
		CLEANUP(mem_free_ptr) char *name = NULL;
		const struct tuf_metadata *parent = NULL;
		do {
			mem_free_ptr(&name);
			if (w.count == 0)
				return unlisted(shown, e);
			struct visit next = w.stack[--w.count];
			name = next.name;
			parent = next.parent;
			*signer = next.signer;
		} while (str_list_has(&w.visited, name));
		if (w.visited.count == max_roles)
			return err_set(e, ERR_INTEGRITY,
				       "the search for %.300s would visit more than %u delegated "
				       "roles",
				       shown, max_roles);
		str_list_add(&w.visited, name);
		int rc = load(ctx, name, parent, &m, e);
		if (rc < 0)
			return err_context(e, "the search for %.300s", shown);
	}
}
