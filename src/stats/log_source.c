#include "stats/log_source_internal.h"

#include "stats/log_follow.h"
#include "util/file.h"
#include "util/mark.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders in folders. */
#define MAX_DEPTH 8
#define MAX_FILES 1000000

/* ---- one log ----------------------------------------------------------------------- */

static void add_counts(struct log_counts *to, const struct log_counts *c)
{
	to->lines += c->lines;
	to->requests += c->requests;
	to->malformed += c->malformed;
	to->nothing += c->nothing;
	to->bytes += c->bytes;
}

int log_source_failed(struct log_import *i, const char *name, int rc, struct err *e)
{
	struct err stopped = ERR_INIT, why = *e;
	if (cancel_check(i->o->cancel, &stopped) < 0) {
		*e = stopped;
		return -(int)e->class;
	}
	i->t->failed++;
	if (!i->s->failed)
		return rc;
	err_clear(e);
	return i->s->failed(i->s->ctx, name, &why, e);
}

struct watched {
	const struct log_import *i;
	int fd;
	char *task; /* NULL: its length is not known */
	uint64_t size, shown;
};

static void begin_task(struct watched *w, const struct log_import *i, int fd, const char *name)
{
	struct stat st;
	*w = (struct watched){ .i = i, .fd = fd };
	if (!i->o->report || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	w->size = (uint64_t)st.st_size;
	w->task = mem_printf("import %s", name);
	report_begin(i->o->report, w->task, w->size, 0);
}

static void show_progress(void *ctx)
{
	struct watched *w = ctx;
	off_t at = w->task ? lseek(w->fd, 0, SEEK_CUR) : 0;
	uint64_t now = at < 0 ? 0 : MIN((uint64_t)at, w->size);
	if (now <= w->shown)
		return;
	report_advance(w->i->o->report, w->task, (int64_t)(now - w->shown));
	w->shown = now;
}

static void end_task(struct watched *w, bool ok)
{
	if (w->task)
		report_end(w->i->o->report, w->task, ok);
	free(w->task);
}

int log_source_one(struct log_import *i, const struct log_one *one, struct err *e)
{
	CLEANUP_PTR(log_stream_free) struct log_stream *stream = NULL;
	struct log_followed found = { 0 };
	bool fatal = false;
	struct watched watched;
	begin_task(&watched, i, one->fd, one->name);
	int rc = log_stream_open(one->fd, one->name, i->o->cancel, &stream, e);
	if (rc == 0) {
		struct log_follow f = {
			.stream = stream,
			.name = one->name,
			.whole = one->whole || log_stream_is_compressed(stream),
			.format = i->o->format,
			.sink = i->s,
			.cancel = i->o->cancel,
			.progress = show_progress,
			.progress_ctx = &watched,
		};
		rc = log_follow(&f, &found, &fatal, e);
	}
	end_task(&watched, rc == 0);
	add_counts(&i->t->counts, &found.counts);
	i->t->logs++;
	i->t->torn += found.torn;
	if (rc < 0 && found.is_error_log && i->in_folder) {
		i->t->skipped++;
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return fatal ? rc : log_source_failed(i, one->name, rc, e);
	i->t->unchanged += !found.changed;
	if (!*one->done || (!one->whole && !log_stream_is_compressed(stream)))
		return 0;
	struct log_counts none = { 0 };
	rc = i->s->mark_put(i->s->ctx, one->done, "read", e);
	return rc == 0 ? i->s->settled(i->s->ctx, one->name, &none, e) : rc;
}

int log_source_was_read(struct log_import *i, const char *mark, struct err *e)
{
	char value[LOG_MARK_VALUE];
	if (!*mark)
		return 0;
	int rc = i->s->mark_get(i->s->ctx, mark, value, e);
	if (rc == 1) {
		i->t->logs++;
		i->t->unchanged++;
	}
	return rc;
}

static int read_file(struct log_import *i, const char *path, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	char done[LOG_MARK_NAME] = "", text[MARK_TEXT];
	struct mark m;
	/* The inode stays when logrotate renames a compressed log. */
	if (mark_of(path, true, &m) && m.inode)
		snprintf(done, sizeof done, "file:%s", mark_text(text, &m));
	int rc = log_source_was_read(i, done, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = file_open_at_once(path, &fd, e);
	if (rc < 0)
		return log_source_failed(i, path, rc, e);
	struct stat st;
	bool grows = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	struct log_one one = { .fd = fd, .name = path, .whole = !grows, .done = done };
	return log_source_one(i, &one, e);
}

/* ---- folders ----------------------------------------------------------------------- */

struct found_file {
	char *path;
	int64_t modified_s;
};

struct found_files {
	struct found_file *at;
	size_t count, cap;
};

static void found_release(struct found_files *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].path);
	free(l->at);
}

/* The oldest first; of the same second, access.log.2 before access.log.1. */
static int compare_files(const void *a, const void *b)
{
	const struct found_file *x = a, *y = b;
	if (x->modified_s != y->modified_s)
		return x->modified_s < y->modified_s ? -1 : 1;
	return strcmp(y->path, x->path);
}

static int find_files(const char *dir, unsigned depth, struct found_files *l, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct stat st;
		if (names.at[i][0] == '.' || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode)) {
			if (depth < MAX_DEPTH)
				rc = find_files(path, depth + 1, l, e);
			continue;
		}
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (l->count >= MAX_FILES)
			return err_set(e, ERR_USAGE, "%s has more than %d files", dir, MAX_FILES);
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count++] = (struct found_file){ STEAL(path), st.st_mtime };
	}
	return rc;
}

static int read_folder(struct log_import *i, const char *dir, struct err *e)
{
	CLEANUP(found_release) struct found_files l = { 0 };
	int rc = find_files(dir, 0, &l, e);
	if (rc < 0)
		rc = log_source_failed(i, dir, rc, e);
	if (l.count)
		qsort(l.at, l.count, sizeof *l.at, compare_files);
	i->in_folder = true;
	for (size_t k = 0; rc == 0 && k < l.count; k++) {
		rc = cancel_check(i->o->cancel, e);
		if (rc == 0)
			rc = read_file(i, l.at[k].path, e);
	}
	return rc;
}

int log_source_read(const char *where, const struct log_source_options *o, const struct log_sink *s,
		    struct log_totals *t, struct err *e)
{
	struct log_import i = { .o = o, .s = s, .t = t };
	struct log_one input = { STDIN_FILENO, "standard input", true, "" };
	struct stat st;
	if (strcmp(where, "-") == 0)
		return log_source_one(&i, &input, e);
	if (stat(where, &st) < 0)
		return err_sys(e, errno, "%s", where);
	return S_ISDIR(st.st_mode) ? read_folder(&i, where, e) : read_file(&i, where, e);
}
