#include "handoff/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void handoff_removed_release(struct handoff_removed *r)
{
	str_list_release(&r->kept);
	*r = (struct handoff_removed){ 0 };
}

int handoff_remove_file(const struct store *s, const struct store_layouts *all, const char *id,
			const struct store_links_file *f, struct handoff_removed *out,
			struct err *e)
{
	enum store_links_state state = store_links_state(s, f);
	if (state == STORE_LINKS_GONE) {
		out->gone++;
		return 0;
	}
	if (state == STORE_LINKS_CHANGED) {
		str_list_add(&out->kept, f->path);
		return 0;
	}
	if (handoff_is_shared(all, id, f->path))
		return 0;
	int rc = file_remove(f->path, e);
	out->removed += rc == 0;
	return rc;
}

void handoff_remove_folders(const char *root, const char *path)
{
	size_t len = strlen(root);
	char *dir = path_dir(path);
	while (strlen(dir) > len && strncmp(dir, root, len) == 0) {
		file_remove_dir_if_empty(dir);
		char *above = path_dir(dir);
		free(dir);
		dir = above;
	}
	free(dir);
}

/* Also of a temporary name of a temporary file, as a copy has it. */
static bool is_of(const char *name, const char *base)
{
	size_t len = strlen(base) > 200 ? 200 : strlen(base);
	const char *at = name + (name[1] == '.' && base[0] != '.' ? 2 : 1);
	return file_is_temporary(name) && strncmp(at, base, len) == 0 && at[len] == '.';
}

void handoff_remove_temporaries(const struct store_layout *l)
{
	for (size_t i = 0; !l->complete && i < l->count; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_dir(l->files[i].path);
		CLEANUP(str_list_release) struct str_list names = { 0 };
		struct err ignored = ERR_INIT;
		(void)!file_list_dir(dir, &names, &ignored);
		for (size_t k = 0; k < names.count; k++) {
			CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[k]);
			if (is_of(names.at[k], path_base(l->files[i].path)))
				unlink(path);
		}
	}
}

/* The file by which the engine finds the model was made last, and goes first. */
static int remove_files(const struct store *s, const struct store_layouts *all,
			const struct store_layout *l, struct handoff_removed *out, struct err *e)
{
	int rc = 0;
	for (size_t i = l->count; rc == 0 && i-- > 0;)
		rc = handoff_remove_file(s, all, l->id, &l->files[i], out, e);
	for (size_t i = 0; rc == 0 && i < l->count; i++)
		handoff_remove_folders(l->root, l->files[i].path);
	if (rc == 0 || (e->sys != EACCES && e->sys != EPERM && e->sys != EROFS))
		return rc;
	err_class_set(e, ERR_SYSTEM);
	return err_hint(e, "run it as a user who can write in %s", l->root);
}

int handoff_remove(const struct store *s, const struct store_layout *l, struct handoff_removed *out,
		   struct err *e)
{
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	CLEANUP(file_close) int lock = -1;
	if (s->read_only)
		return err_set(e, ERR_SYSTEM, "the store %s cannot be written to", s->home);
	int rc = store_links_lock(s, &lock, e);
	if (rc == 0)
		rc = store_links_check_owner(s, l->id, e);
	if (rc == 0)
		rc = store_links_list(s, &all, e);
	if (rc == 0)
		handoff_remove_temporaries(l);
	if (rc == 0)
		rc = remove_files(s, &all, l, out, e);
	return rc < 0 ? rc : store_links_forget(s, l->id, e);
}
