/* What the file system of the store can do, found out by trying. */
#include "store/store.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void try(struct store_traits *t, const struct file_new *f, const char *other, int clone)
{
	struct stat st;
	t->symlinks = symlink("x", other) == 0;
	unlink(other);
	t->links = link(f->temporary, other) == 0;
	unlink(other);
	t->clones = clone >= 0 && os_clone(clone, f->fd);
	t->locks = flock(f->fd, LOCK_EX | LOCK_NB) == 0;
	file_make_read_only(f->fd);
	t->modes = fstat(f->fd, &st) == 0 && !(st.st_mode & 0222);
}

void store_traits(const struct store *s, struct store_traits *out)
{
	static const char block[4096] = "a block, since a file without one is cloned anywhere";
	CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/partial", s->home);
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/probe", dir);
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	CLEANUP(file_close) int clone = -1;
	struct err ignored = ERR_INIT;
	*out = (struct store_traits){ true, true, true, true, true };
	if (s->read_only || file_new_open(&f, path, FILE_MODE, &ignored) < 0 ||
	    file_write(f.fd, block, sizeof block, path, &ignored) < 0)
		return;
	/* Also a name of a temporary file, but one that is never chosen at random. */
	CLEANUP(mem_free_ptr) char *other = mem_strdup(f.temporary);
	other[strlen(other) - strlen("x.tmp")] = '0';
	clone = os_nameless_file(dir);
	try(out, &f, other, clone);
}

void store_traits_describe(const struct store_traits *t, struct buf *out)
{
	const struct {
		bool has;
		const char *what;
	} all[] = {
		{ t->symlinks, "symbolic links" },
		{ t->links, "hard links" },
		{ t->locks, "locks" },
		{ t->modes, "modes" },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (!all[i].has)
			buf_addf(out, "%s%s", out->len ? ", " : "", all[i].what);
}
