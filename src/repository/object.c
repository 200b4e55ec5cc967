#include "repository/object.h"

#include "hash/onepass.h"
#include "repository/internal.h"
#include "util/file.h"
#include "util/mem.h"

#include <sys/stat.h>

static int hash(struct object_look *l, const char *path, struct digest *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct onepass p = { .cancel = l->cancel };
	uint64_t size;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc == 0)
		rc = grid_for(size, &p.grid, e);
	if (rc == 0)
		rc = onepass_run(&p, fd, path, l->report, e);
	if (rc == 0)
		*out = p.whole;
	return rc;
}

int object_state(struct object_look *l, const char *path, uint64_t size,
		 const struct digest *sha256, enum object_state *out, struct err *e)
{
	struct mark m;
	struct digest have;
	*out = file_exists(path) ? OBJECT_WRONG : OBJECT_MISSING;
	if (!mark_of(path, false, &m) || m.size != size)
		return 0;
	bool right = seen_knows(&l->seen, sha256, &m);
	if (!right) {
		int rc = hash(l, path, &have, e);
		if (rc < 0)
			return rc;
		right = digest_equal(&have, sha256);
		if (right && l->remember)
			seen_add(&l->seen, sha256, &m);
	}
	*out = right ? OBJECT_RIGHT : OBJECT_WRONG;
	return 0;
}

int object_check(struct object_look *l, const char *dir, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, f->path, &f->sha256);
	enum object_state state;
	int rc = object_state(l, path, f->size, &f->sha256, &state, e);
	if (rc < 0 || state == OBJECT_RIGHT)
		return rc;
	if (state == OBJECT_MISSING)
		err_set(e, ERR_NOT_FOUND, "%s is not in the tree: %s is missing", f->name, path);
	else
		err_set(e, ERR_INTEGRITY, "%s does not have the size and SHA-256 in the card",
			path);
	return err_hint(e, "run `ferry catalog add` for this model again: it puts the right file "
			   "there");
}

/* One that was verified here, and is not as it was then. */
static bool has_moved(const struct seen *seen, const char *path, const struct card_file *f)
{
	struct mark m;
	return seen_any(seen, &f->sha256) &&
	       !(mark_of(path, false, &m) && seen_knows(seen, &f->sha256, &m));
}

static void add_moved(const struct seen *seen, const char *dir, const struct card *c,
		      struct str_list *out)
{
	struct card_walk w = { .card = c };
	while (card_next_file(&w)) {
		CLEANUP(mem_free_ptr) char *path = repository_object_path(dir, w.file->path,
									  &w.file->sha256);
		if (has_moved(seen, path, w.file))
			str_list_take(out, STEAL(path));
	}
}

int repository_moved(const char *dir, struct str_list *out, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	struct seen seen;
	int rc = repository_cards_load(dir, &cards, e);
	if (rc < 0)
		return rc;
	seen_open(&seen, dir);
	for (size_t i = 0; i < cards.count; i++)
		add_moved(&seen, dir, &cards.at[i], out);
	seen_close(&seen);
	return 0;
}
