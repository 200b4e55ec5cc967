#include "node/placing.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <unistd.h>

int node_place_plan(const struct store *s, const struct node_wanted *w,
		    const struct store_variant *v, const char *source, struct handoff *out,
		    struct err *e)
{
	const struct handoff_options options = {
		.engine = w->engine,
		.to = w->root,
		.name = w->set->as,
		.source = source,
		.copy = w->set->copy,
		.shared = w->other,
	};
	return handoff_plan(s, v, &options, out, e);
}

bool node_place_is_made(const struct handoff *h)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->items[i].action < HANDOFF_KEEP)
			return false;
	return true;
}

/* Made with the owner's rights: a symbolic link of the owner's cannot lead this process to a place
 * that only root may write to. */
static int mkdirs_as_owner(const struct node_wanted *w, struct err *e)
{
	gid_t group = getegid();
	if (setegid(w->gid) < 0 || seteuid(w->uid) < 0) {
		int sys = errno;
		(void)!setegid(group);
		return err_sys(e, sys, "cannot become %s", w->set->owner);
	}
	int rc = file_mkdirs(w->root, FILE_DIR_MODE, e);
	if (seteuid(0) < 0 || setegid(group) < 0)
		return err_sys(e, errno, "cannot become root again");
	return rc;
}

/* The owner may not write to the folder above it: this process makes it, and gives it to the owner.
 */
static int mkdirs_for_owner(const struct node_wanted *w, struct err *e)
{
	int rc = file_mkdirs(w->root, FILE_PUBLIC_DIR_MODE, e);
	if (rc == 0 && lchown(w->root, w->uid, w->gid) < 0)
		rc = err_sys(e, errno, "cannot give %s to %s", w->root, w->set->owner);
	return rc;
}

static int make_root(const struct node_wanted *w, struct err *e)
{
	struct err why = ERR_INIT;
	if (!w->other || file_is_dir(w->root))
		return 0;
	int rc = mkdirs_as_owner(w, &why);
	if (rc < 0 && why.sys == EACCES)
		return mkdirs_for_owner(w, e);
	if (rc < 0)
		*e = why;
	return rc;
}

int node_place_make(const struct store *s, const struct node_wanted *w, struct handoff *h,
		    struct err *e)
{
	int rc = make_root(w, e);
	return rc < 0 ? rc : handoff_make(s, h, e);
}

int node_place_remove(const struct store *s, const char *id, size_t *left, struct err *e)
{
	CLEANUP(store_layout_release) struct store_layout layout = { 0 };
	CLEANUP(handoff_removed_release) struct handoff_removed removed = { 0 };
	struct err why = ERR_INIT;
	int rc = store_links_load(s, id, &layout, &why);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*e = why;
		return rc;
	}
	rc = handoff_remove(s, &layout, &removed, e);
	*left += removed.kept.count;
	return rc;
}
