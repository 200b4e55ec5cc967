#include "publish/tree_places.h"

#include "util/mem.h"

#include <string.h>

/* NULL: there is none. */
static const struct repository_file *find(const struct tree *t, const char *target)
{
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (!str_starts(f->key, "targets/" PLACES_FOLDER))
			continue;
		CLEANUP(mem_free_ptr) char *path = tree_target_path(f);
		if (path && strcmp(path, target) == 0)
			return f;
	}
	return NULL;
}

int tree_places_for(const struct tree *t, struct mirror *m, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(PLACES_MAX_BYTES);
	if (!m)
		return 0;
	CLEANUP(mem_free_ptr) char *target = places_target(m->id);
	const struct repository_file *f = find(t, target);
	int rc = f ? tree_read_small(t, f, &bytes, e) : 0;
	return rc < 0 || !f ? rc : mirror_read_places(m, buf_str(&bytes), bytes.len, target, e);
}
