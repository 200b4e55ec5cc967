#include "repository/object.h"

#include "hash/onepass.h"
#include "repository/internal.h"
#include "repository/staged.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>
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

/* ---- what has moved ---- */

struct moving {
	const char *dir;
	struct seen seen;
	struct staged known; /* the files of cards that have not changed need not be read */
	struct str_list *out;
};

static void moving_release(struct moving *m)
{
	seen_close(&m->seen);
	staged_release(&m->known);
}

/* One that was verified here, and is not as it was then. */
static bool has_moved(const struct seen *seen, const char *path, const struct digest *sha256)
{
	struct mark m;
	return seen_any(seen, sha256) &&
	       !(mark_of(path, false, &m) && seen_knows(seen, sha256, &m));
}

static void note_moved(const struct moving *m, const char *target, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *path = repository_object_path(m->dir, target, sha256);
	if (has_moved(&m->seen, path, sha256))
		str_list_take(m->out, STEAL(path));
}

static int note_card(struct moving *m, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) char *id = mem_strndup(name, strlen(name) - strlen(CARD_SUFFIX));
	CLEANUP(repository_cards_release) struct repository_cards one = { 0 };
	const struct staged_model *known = staged_find(&m->known, id);
	if (!known || !staged_has_card(known, m->dir)) {
		int rc = repository_card_append(m->dir, name, &one, e);
		struct card_walk w = { .card = one.at };
		while (rc == 0 && card_next_file(&w))
			note_moved(m, w.file->path, &w.file->sha256);
		return rc;
	}
	for (size_t i = 0; i < known->file_count; i++)
		note_moved(m, known->files[i].path, &known->files[i].sha256);
	return 0;
}

int repository_moved(const char *dir, struct str_list *out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(moving_release) struct moving m = { .dir = dir, .out = out };
	int rc = repository_card_names(dir, &names, e);
	seen_open(&m.seen, dir);
	staged_open(&m.known, dir);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = note_card(&m, names.at[i], e);
	return rc;
}
