#include "http/url.h"
#include "mirror/file.h"
#include "mirror/kinds.h"
#include "mirror/folder.h"
#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK MIB

static int file_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	char *path = s ? conf_get_path(c, s, "path") : NULL;
	if (!path && !m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind file needs 'path'");
	if (!path && url_file_path(m->url, &path, e) < 0)
		return -(int)e->class;
	struct file_mirror *f = NEW(struct file_mirror);
	*f = (struct file_mirror){ .path = path, .root = -1 };
	m->state = f;
	if (!m->url)
		m->url = path_file_url(path);
	m->caps.can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_COPY |
		      MIRROR_CAN_CREATE_ONLY | MIRROR_CAN_REPLACE_IF;
	return 0;
}

static void file_close_mirror(struct mirror *m)
{
	struct file_mirror *f = m->state;
	file_close(&f->root);
	free(f->path);
	free(f);
	m->state = NULL;
}

int file_mirror_root(struct file_mirror *f, bool make, struct err *e)
{
	if (f->root >= 0)
		return 0;
	if (make && file_mkdirs(f->path, 0755, e) < 0)
		return err_class_set(e, ERR_SYSTEM);
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root >= 0)
		return 0;
	int sys = errno;
	err_sys(e, sys, "the mirror's folder %s", f->path);
	if (!make && (sys == EACCES || sys == EPERM))
		return err_class_set(e, ERR_AUTH);
	return make || sys == ENOENT || sys == ENOTDIR ? -(int)e->class :
							 err_class_set(e, ERR_NETWORK);
}

static int open_object(struct mirror *m, const char *key, int *fd, struct mirror_stat *st,
		       struct err *e)
{
	struct file_mirror *f = m->state;
	if (str_starts(key, FILE_MIRROR_PRIVATE "/"))
		return err_set(e, ERR_NOT_FOUND, "not found");
	int rc = file_mirror_root(f, false, e);
	return rc < 0 ? rc : folder_open_file(f->root, key, fd, st, e);
}

static int file_stat(struct mirror *m, const char *key, struct mirror_stat *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	return open_object(m, key, &fd, out, e);
}

static int send(int fd, uint64_t offset, uint64_t len, const struct mirror_sink *sink,
		struct err *e)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(CHUNK);
	while (len) {
		size_t n = (size_t)MIN(len, CHUNK);
		int rc = cancel_check(e);
		if (rc == 0 && (rc = file_pread(fd, data, n, offset, "the file", e)) < 0 &&
		    err_is(e, ERR_SYSTEM))
			rc = err_class_set(e, ERR_NETWORK);     /* another mirror may do better */
		if (rc == 0)
			rc = sink->write(sink->ctx, data, n, e);
		if (rc < 0)
			return rc;
		offset += n;
		len -= n;
	}
	return 0;
}

static int file_get(struct mirror *m, const char *key, uint64_t offset, uint64_t len,
		    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct mirror_stat st;
	int rc = open_object(m, key, &fd, &st, e);
	if (rc < 0)
		return rc;
	if (offset > st.size || (len != UINT64_MAX && len > st.size - offset))
		return err_set(e, ERR_INTEGRITY, "is only %llu bytes there: no range %llu-%llu",
			       (unsigned long long)st.size, (unsigned long long)offset,
			       (unsigned long long)(len == UINT64_MAX ? offset : offset + len - 1));
	return send(fd, offset, len == UINT64_MAX ? st.size - offset : len, sink, e);
}

static int file_list(struct mirror *m, const char *prefix, mirror_entry_fn *fn, void *ctx,
		     struct err *e)
{
	struct file_mirror *f = m->state;
	struct err local = ERR_INIT;
	int rc = file_mirror_root(f, false, &local);
	if (rc == 0)
		return folder_list(f->root, prefix, fn, ctx, e);
	if (err_is(&local, ERR_NOT_FOUND))
		return 0;
	*e = local;
	return rc;
}

static int file_remove_object(struct mirror *m, const char *key, struct err *e)
{
	struct file_mirror *f = m->state;
	CLEANUP(file_close) int lock = -1;
	struct err local = ERR_INIT;
	int rc = file_mirror_root(f, false, &local);
	if (rc < 0 && err_is(&local, ERR_NOT_FOUND))
		return 0;
	if (rc < 0) {
		*e = local;
		return rc;
	}
	rc = file_mirror_lock(f, &lock, e);
	return rc < 0 ? rc : folder_remove(f->root, key, e);
}

const struct mirror_ops mirror_file = {
	.kind = "file",
	.open = file_open,
	.close = file_close_mirror,
	.stat = file_stat,
	.get = file_get,
	.put = file_mirror_put,
	.copy = file_mirror_copy,
	.list = file_list,
	.remove = file_remove_object,
};
