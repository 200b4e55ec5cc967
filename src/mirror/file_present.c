/* Is the folder the mirror's, or what stands in its place while its disk is not mounted? */
#include "mirror/file.h"

#include "mirror/record.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>
#include <sys/stat.h>

static bool has_tree(const struct file_mirror *f)
{
	CLEANUP(mem_free_ptr) char *metadata = path_join(f->path, "metadata");
	CLEANUP(mem_free_ptr) char *targets = path_join(f->path, "targets");
	return file_is_dir(metadata) || file_is_dir(targets);
}

/* Where file systems are mounted, below the root's own (hier(7)). */
static bool awaits_mount(const char *path)
{
	static const char *const places[] = { "/mnt/", "/media/", "/run/media/", "/Volumes/" };
	CLEANUP(mem_free_ptr) char *absolute = path_absolute(path);
	CLEANUP(mem_free_ptr) char *top = file_nearest(path);
	struct stat here, root;
	bool below = false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		below |= str_starts(absolute, places[i]);
	return below && stat(top, &here) == 0 && stat("/", &root) == 0 &&
	       here.st_dev == root.st_dev;
}

static int refuse(const struct mirror *m, const char *why, struct err *e)
{
	const struct file_mirror *f = m->state;
	err_set(e, ERR_SYSTEM, "the mirror's folder %s %s", f->path, why);
	return err_hint(e,
			"is its disk mounted? To start over with an empty mirror, run `ferry "
			"mirror "
			"setup --mirror %s`, or push or sync with --new-mirror",
			m->id);
}

int mirror_file_check_present(struct mirror *m, struct err *e)
{
	const struct file_mirror *f = m->state;
	bool there = file_exists(f->path);
	if (!f->configured || m->env.new_mirror || (there && has_tree(f)))
		return 0;
	if (mirror_record_is_held(m))
		return refuse(m,
			      there ? "held a release before, and has no metadata/ and "
				      "targets/ any more"
				    : "held a release before, and is gone",
			      e);
	return there || !awaits_mount(f->path)
		       ? 0
		       : refuse(m, "does not exist, and no disk is mounted there", e);
}

void mirror_file_note_held(struct mirror *m)
{
	struct file_mirror *f = m->state;
	if (!f->configured || f->noted || !has_tree(f))
		return;
	f->noted = true;
	if (!mirror_record_is_held(m))
		mirror_record_set_held(m, true);
}

bool mirror_file_begin_anew(struct mirror *m)
{
	const struct file_mirror *f = m->state;
	bool anew = !has_tree(f) && mirror_record_is_held(m);
	if (anew)
		mirror_record_set_held(m, false);
	return anew;
}
