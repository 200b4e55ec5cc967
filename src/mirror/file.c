#include "http/url.h"
#include "mirror/file.h"
#include "mirror/kinds.h"
#include "mirror/folder.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>
#include <sys/file.h>

#define CHUNK MIB

static const char *const keys[] = { "path", "mode", NULL };
static const char *const schemes[] = { "file:", NULL };

static int read_mode(const struct conf *c, const struct conf_section *s, bool *closed,
		     struct err *e)
{
	const char *mode = s ? conf_get(s, "mode") : NULL;
	*closed = mode && strcmp(mode, "private") == 0;
	return !mode || *closed || strcmp(mode, "public") == 0
		       ? 0
		       : conf_err(c, s, "mode", e, "mode: must be public or private, not '%s'",
				  mode);
}

static int file_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	const char *given = s ? conf_get(s, "path") : NULL;
	/* An empty one would be the folder of ferry.conf itself. */
	if (given && !*given)
		return conf_err(c, s, "path", e, "path is empty: name the mirror's own folder");
	if (given && strstr(given, "://"))
		return conf_err(c, s, "path", e,
				"path is a URL: name the folder, and give readers' URL in 'url'");
	bool closed;
	int rc = read_mode(c, s, &closed, e);
	if (rc < 0)
		return rc;
	char *path = given ? conf_get_path(c, s, "path") : NULL;
	if (!path && !m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind file needs 'path'");
	if (!path && url_file_path(m->url, &path, e) < 0)
		return -(int)e->class;
	struct file_mirror *f = NEW(struct file_mirror);
	*f = (struct file_mirror){ .path = path, .closed = closed, .configured = s, .root = -1 };
	pthread_mutex_init(&f->names, NULL);
	m->state = f;
	if (!m->url)
		m->url = path_file_url(path);
	m->place = path_file_url(path);
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_COPY |
		 MIRROR_CAN_CREATE_ONLY | MIRROR_CAN_REPLACE_IF | MIRROR_CAN_COPY_PIECES;
	return 0;
}

static void file_close_mirror(struct mirror *m)
{
	struct file_mirror *f = m->state;
	file_close(&f->root);
	pthread_mutex_destroy(&f->names);
	free(f->path);
	free(f);
	m->state = NULL;
}

static int file_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		     struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	return mirror_file_open_object(c->mirror, key, &fd, out, e);
}

int mirror_file_send(const struct mirror *m, int fd, uint64_t offset, uint64_t len,
		     const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(CHUNK);
	while (len) {
		size_t n = (size_t)MIN(len, CHUNK);
		int rc = cancel_check(m->env.cancel, e);
		if (rc == 0)
			rc = rate_take(m->env.rate, n, m->env.cancel, e);
		if (rc == 0 && (rc = file_pread(fd, data, n, offset, "the file", e)) < 0 &&
		    err_is(e, ERR_SYSTEM))
			rc = err_class_set(e, ERR_NETWORK); /* another mirror may succeed */
		if (rc == 0)
			rc = sink->write(sink->ctx, data, n, e);
		if (rc < 0)
			return rc;
		offset += n;
		len -= n;
	}
	return 0;
}

static int file_get(struct mirror_connection *c, const struct mirror_range *r,
		    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct mirror_stat st;
	bool all = r->length == UINT64_MAX;
	int rc = mirror_file_open_object(c->mirror, r->key, &fd, &st, e);
	if (rc < 0)
		return rc;
	if (r->offset > st.size || (!all && r->length > st.size - r->offset))
		return err_set(e, ERR_INTEGRITY,
			       "has only %llu bytes there, but bytes %llu-%llu were requested",
			       (unsigned long long)st.size, (unsigned long long)r->offset,
			       (unsigned long long)(all ? r->offset : r->offset + r->length - 1));
	return mirror_file_send(c->mirror, fd, r->offset, all ? st.size - r->offset : r->length,
				sink, e);
}

/* A missing folder of the mirror is not an error; *there is then false. */
static int look_for_root(struct mirror *m, bool *there, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = mirror_file_root(m, false, &why);
	*there = rc == 0;
	if (rc == 0 || err_is(&why, ERR_NOT_FOUND))
		return 0;
	*e = why;
	return rc;
}

static int file_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn,
		     void *ctx, struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	bool there;
	int rc = look_for_root(c->mirror, &there, e);
	return rc < 0 || !there ? rc : folder_list(f->root, prefix, fn, ctx, e);
}

static int file_remove_object(struct mirror_connection *c, const char *key, struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	CLEANUP(mirror_file_unlock) struct mirror_file_lock lock = MIRROR_FILE_LOCK_INIT;
	bool there = false;
	int rc = mirror_file_refuse_private(key, e);
	if (rc == 0)
		rc = look_for_root(c->mirror, &there, e);
	if (rc < 0 || !there)
		return rc;
	rc = mirror_file_lock(c->mirror, &lock, e);
	return rc < 0 ? rc : folder_remove(f->root, key, e);
}

/* -- probing and setting up ------------------------------------------------------- */

static bool folder_is_there(struct mirror *m, struct mirror_findings *out)
{
	const struct file_mirror *f = m->state;
	struct err why = ERR_INIT;
	if (mirror_file_root(m, false, &why) < 0) {
		mirror_findings_fault(out, "folder", &why);
		return false;
	}
	mirror_findings_add(out, "folder", MIRROR_FINDING_OK, "%s", f->path);
	return true;
}

static void probe_writing(struct mirror *m, struct mirror_findings *out)
{
	const struct file_mirror *f = m->state;
	struct err why = ERR_INIT;
	CLEANUP(mirror_file_unlock) struct mirror_file_lock lock = MIRROR_FILE_LOCK_INIT;
	if (mirror_file_lock(m, &lock, &why) < 0) {
		mirror_findings_fault(out, "write", &why);
		return;
	}
	mirror_findings_add(out, "write", MIRROR_FINDING_OK, "yes");
	if (flock(lock.fd, LOCK_EX | LOCK_NB) == 0)
		mirror_findings_add(out, "locks", MIRROR_FINDING_OK, "yes");
	else
		mirror_findings_add(out, "locks", MIRROR_FINDING_LACKS,
				    "this file system has none: only one publisher at a time may "
				    "push here");
	uint64_t space;
	char text[SIZE_TEXT];
	if (file_space(f->path, &space, &why) == 0 && space < UINT64_MAX)
		mirror_findings_add(out, "space", MIRROR_FINDING_OK, "%s free",
				    format_size(text, space));
}

static int file_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	if (!folder_is_there(c->mirror, out))
		return 0;
	probe_writing(c->mirror, out);
	return mirror_file_readers(c, out, e);
}

static int file_setup(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
		      struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	bool anew = !dry_run && mirror_file_begin_anew(c->mirror);
	if (file_is_dir(f->path)) {
		if (anew)
			mirror_findings_add(out, "record", MIRROR_FINDING_CHANGED,
					    "the mirror starts over");
		mirror_findings_add(out, "folder", MIRROR_FINDING_OK, "%s", f->path);
		return 0;
	}
	int rc = dry_run ? 0 : mirror_file_root(c->mirror, true, e);
	if (rc == 0)
		mirror_findings_add(out, "folder",
				    dry_run ? MIRROR_FINDING_WOULD : MIRROR_FINDING_CHANGED,
				    "make %s", f->path);
	return rc;
}

const struct mirror_ops mirror_file = {
	.kind = "file",
	/* A disk is not faster with several writers, but syncs several small files in the time
	 * of one. */
	.connections = 1,
	.small_connections = 8,
	.keys = keys,
	.schemes = schemes,
	.open = file_open,
	.close = file_close_mirror,
	.stat = file_stat,
	.get = file_get,
	.list = file_list,
	.copy = mirror_file_copy,
	.remove = file_remove_object,
	.upload_open = mirror_file_upload_open,
	.upload_put = mirror_file_upload_put,
	.upload_commit = mirror_file_upload_commit,
	.upload_close = mirror_file_upload_close,
	.upload_abandon = mirror_file_upload_abandon,
	.upload_copy = mirror_file_upload_copy,
	.copies_from = mirror_file_copies_from,
	.leftovers = mirror_file_leftovers,
	.leftover_remove = mirror_file_leftover_remove,
	.preflight = mirror_file_preflight,
	.readers = mirror_file_readers,
	.probe = file_probe,
	.setup = file_setup,
};
