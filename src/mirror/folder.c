#include "mirror/folder.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int read_failed(int sys, struct err *e)
{
	if (sys == ENOENT || sys == ENOTDIR || sys == EISDIR)
		return err_set(e, ERR_NOT_FOUND, "not found");
	err_sys(e, sys, "cannot be read");
	return err_class_set(e, sys == EACCES || sys == EPERM ? ERR_AUTH : ERR_NETWORK);
}

static int is_link(struct err *e)
{
	err_set(e, ERR_INTEGRITY, "is behind a symbolic link, and links are not followed");
	return err_hint(e, "put the files themselves into the mirror's folder instead of links");
}

static bool names_link(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* One step down; *dir is replaced. */
static int step(int *dir, const char *name, enum folder_make make, struct err *e)
{
	mode_t mode = make == FOLDER_MAKE_CLOSED ? FILE_DIR_MODE & 0770 : FILE_DIR_MODE;
	int next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool missing = next < 0 && errno == ENOENT;
	bool made = make && missing && mkdirat(*dir, name, mode) == 0;
	int refused = make && missing && !made ? errno : 0;
	if (make && missing)
		next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Report why it could not be created, not that it is missing. */
	int sys = refused && refused != EEXIST ? refused : errno;
	if (next < 0 && names_link(*dir, name))
		return is_link(e);
	if (next < 0 && make) {
		err_sys(e, sys, "cannot create the folder %s", name);
		return err_class_set(e, ERR_SYSTEM);
	}
	if (next < 0)
		return read_failed(sys, e);
	if (made && make == FOLDER_MAKE_PUBLIC)
		file_make_public(next);
	int rc = made ? file_sync(*dir, name, e) : 0;
	file_close(dir);
	*dir = next;
	return rc;
}

int folder_open_dir(int root, const char *key, enum folder_make make, int *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_strdup(key);
	CLEANUP(file_close) int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (at < 0)
		return err_sys(e, errno, "cannot open the folder");
	char *part = path;
	for (char *slash; (slash = strchr(part, '/')); part = slash + 1) {
		*slash = '\0';
		int rc = step(&at, part, make, e);
		if (rc < 0)
			return rc;
	}
	*dir = at;
	at = -1;
	return 0;
}

static void describe(uint64_t size, struct timespec modified, uint64_t inode,
		     struct mirror_stat *out)
{
	*out = (struct mirror_stat){ .size = size, .modified_s = modified.tv_sec };
	snprintf(out->etag, sizeof out->etag, "\"%llx-%llx.%lx-%llx\"", (unsigned long long)size,
		 (unsigned long long)modified.tv_sec, (unsigned long)modified.tv_nsec,
		 (unsigned long long)inode);
}

void folder_stat(const struct stat *st, struct mirror_stat *out)
{
	describe((uint64_t)st->st_size, os_modified(st), st->st_ino, out);
}

int folder_open_file(int root, const char *key, int *fd, struct mirror_stat *out, struct err *e)
{
	CLEANUP(file_close) int dir = -1;
	struct stat st;
	int rc = folder_open_dir(root, key, FOLDER_FIND, &dir, e);
	if (rc < 0)
		return rc;
	/* O_NONBLOCK: opening a pipe must not block before it is refused. */
	int got = openat(dir, path_base(key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (got < 0)
		return errno == ELOOP ? is_link(e) : read_failed(errno, e);
	if (fstat(got, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(got);
		return err_set(e, ERR_NOT_FOUND, "not found (this name is not a regular file)");
	}
	if (out)
		folder_stat(&st, out);
	*fd = got;
	return 0;
}

static void prune(int root, char *path)
{
	for (char *slash; (slash = strrchr(path, '/'));) {
		struct err ignored = ERR_INIT;
		CLEANUP(file_close) int dir = -1;
		*slash = '\0';
		if (folder_open_dir(root, path, FOLDER_FIND, &dir, &ignored) < 0 ||
		    unlinkat(dir, path_base(path), AT_REMOVEDIR) < 0)
			return;
	}
}

int folder_remove(int root, const char *key, struct err *e)
{
	CLEANUP(file_close) int dir = -1;
	CLEANUP(mem_free_ptr) char *path = mem_strdup(key);
	struct err local = ERR_INIT;
	int rc = folder_open_dir(root, key, FOLDER_FIND, &dir, &local);
	if (rc < 0 && err_is(&local, ERR_NOT_FOUND))
		return 0;
	if (rc < 0) {
		*e = local;
		return rc;
	}
	if (unlinkat(dir, path_base(key), 0) < 0 && errno != ENOENT && errno != EISDIR)
		return err_sys(e, errno, "cannot be removed");
	rc = file_sync(dir, key, e);
	prune(root, path);
	return rc;
}

/* -- listing --------------------------------------------------------------------- */

struct found {
	char *key;
	uint64_t size, inode;
	struct timespec modified;
};

struct listing {
	const char *prefix;
	struct found *at;
	size_t count, cap;
	struct err *e;
};

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].key);
	free(l->at);
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	return strcmp(x->key, y->key);
}

/* Takes the key. */
static void add_found(struct listing *l, char *key, const struct stat *st)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct found){ .key = key,
					    .size = (uint64_t)st->st_size,
					    .inode = st->st_ino,
					    .modified = os_modified(st) };
}

static int collect(struct listing *l, int dir, const char *below);

static int collect_entry(struct listing *l, int dir, const char *below, const char *name)
{
	struct stat st;
	CLEANUP(mem_free_ptr) char *key = path_join(below, name);
	size_t common = MIN(strlen(key), strlen(l->prefix));
	bool ours = below[0] == '\0' && strcmp(name, FOLDER_PRIVATE) == 0;
	if (ours || strncmp(key, l->prefix, common) != 0 || !path_is_key(key) ||
	    file_is_temporary(name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode) && str_starts(key, l->prefix))
		add_found(l, STEAL(key), &st);
	if (!S_ISDIR(st.st_mode))
		return 0;
	int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0 && errno == ENOENT)
		return 0;
	if (sub < 0)
		return read_failed(errno, l->e);
	return collect(l, sub, key);
}

/* Takes dir. */
static int collect(struct listing *l, int dir, const char *below)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		close(dir);
		return err_set(l->e, ERR_SYSTEM, "out of memory for a folder");
	}
	int rc = 0;
	struct dirent *entry;
	while (rc == 0 && (errno = 0, entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = collect_entry(l, dir, below, entry->d_name);
	if (rc == 0 && errno)
		rc = read_failed(errno, l->e);
	closedir(d);
	return rc < 0 ? err_context(l->e, "%s", below[0] ? below : "the folder") : 0;
}

int folder_list(int root, const char *prefix, mirror_entry_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(listing_release) struct listing l = { .prefix = prefix, .e = e };
	/* A new descriptor: a duplicate would share the reading position. */
	int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = dir < 0 ? read_failed(errno, e) : collect(&l, dir, "");
	/* Sort by whole keys: the order of folders differs if names contain '-' or '.'. */
	if (l.count)
		qsort(l.at, l.count, sizeof *l.at, compare_found);
	for (size_t i = 0; i < l.count && rc == 0; i++) {
		const struct found *f = &l.at[i];
		struct mirror_entry entry = { .key = f->key };
		describe(f->size, f->modified, f->inode, &entry.stat);
		rc = fn(ctx, &entry, e);
	}
	return rc;
}
