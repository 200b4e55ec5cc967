/* Who works on an unfinished download: by a lock, and where locks do not work, by what the lock
 * file says. */
#include "store/partials.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SILENCE_S 3600
#define RECENT_S 15
#define WATCH_MS 10000
#define STEP_MS 500
#define DYING_MS 200
#define DYING_STEP_MS 20
#define TEXT 256
#define NOBODY "0\n"

struct owner {
	char text[TEXT]; /* all of the lock file */
	long pid;        /* 0: unknown */
	char place[OS_PLACE];
	unsigned long long started;
};

/* -- what the lock file says --------------------------------------------------------------- */

static void write_text(int fd, const char *text)
{
	size_t len = strlen(text);
	if (pwrite(fd, text, len, 0) < 0 || ftruncate(fd, (off_t)len) < 0)
		return; /* then others wait less than they could */
}

static void own_text(char text[TEXT])
{
	char place[OS_PLACE];
	os_process_place(place);
	snprintf(text, TEXT, "%ld\n%s %llu\n", (long)getpid(), place,
		 (unsigned long long)os_process_started((long)getpid()));
}

void store_partial_sign(int lock_fd)
{
	char text[TEXT];
	own_text(text);
	write_text(lock_fd, text);
	/* Where the bytes are the same as before, a file system may leave the time. */
	int ignored = futimens(lock_fd, NULL);
	(void)ignored;
}

void store_partial_unlock(int *lock_fd)
{
	if (*lock_fd >= 0)
		write_text(*lock_fd, NOBODY);
	file_close(lock_fd);
}

static void read_owner(const char *lock, struct owner *out)
{
	CLEANUP(file_close) int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	*out = (struct owner){ 0 };
	ssize_t len = fd < 0 ? -1 : pread(fd, out->text, sizeof out->text - 1, 0);
	out->text[MAX(len, 0)] = '\0';
	if (sscanf(out->text, "%ld\n%159s %llu", &out->pid, out->place, &out->started) < 1 ||
	    out->pid < 0)
		out->pid = 0;
}

static bool is_of_here(const struct owner *o)
{
	char place[OS_PLACE];
	os_process_place(place);
	return o->pid && strcmp(o->place, place) == 0;
}

/* Of a process of this machine. */
static bool is_alive(const struct owner *o)
{
	return os_process_runs(o->pid, o->started);
}

static bool was_changed(const struct store *s, const char *path, int64_t within_s)
{
	struct stat st;
	return lstat(path, &st) == 0 && clock_wall_s(s->clock) - st.st_mtime < within_s;
}

/* Where locks say nothing. */
static bool lives(const struct store *s, const struct store_partial *p)
{
	struct owner o;
	read_owner(p->lock, &o);
	if (strcmp(o.text, NOBODY) == 0)
		return false;
	if (is_of_here(&o))
		return is_alive(&o);
	return (o.place[0] && was_changed(s, p->lock, SILENCE_S)) ||
	       was_changed(s, p->part, SILENCE_S);
}

/* -- the lock ------------------------------------------------------------------------------ */

/* Another process may remove the file before this one has its lock. */
static bool is_named(const char *path, int fd)
{
	struct stat a, b;
	return lstat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Does the other one, of another machine, write to the file that is locked here? */
static bool is_shared(const struct store *s, const struct store_partial *p)
{
	struct owner now;
	struct err ignored = ERR_INIT;
	for (unsigned waited = 0; waited < WATCH_MS; waited += STEP_MS) {
		read_owner(p->lock, &now);
		if (now.place[0] && !is_of_here(&now))
			return true;
		if (clock_sleep_ms(s->clock, STEP_MS, s->cancel, &ignored) < 0)
			return false;
	}
	return false;
}

/* A process that is killed gives its locks back a moment before it is gone. */
static bool stays_alive(const struct store *s, const struct owner *o)
{
	struct err ignored = ERR_INIT;
	for (unsigned waited = 0; waited < DYING_MS && is_alive(o); waited += DYING_STEP_MS)
		if (clock_sleep_ms(s->clock, DYING_STEP_MS, s->cancel, &ignored) < 0)
			break;
	return is_alive(o);
}

/* The lock was had while another process works: everybody gets it. */
static bool says_nothing(const struct store *s, const struct store_partial *p,
			 const struct owner *before, bool recent)
{
	if (is_of_here(before))
		return stays_alive(s, before);
	return before->place[0] && recent && is_shared(s, p);
}

static int drop_foreign(const char *lock, struct err *e)
{
	struct stat st;
	return lstat(lock, &st) < 0 || (S_ISREG(st.st_mode) && st.st_nlink <= 1)
		       ? 0
		       : file_remove(lock, e);
}

int store_partial_lock(const struct store *s, const struct store_partial *p, int *fd, bool *works,
		       struct err *e)
{
	CLEANUP(file_close) int got = -1;
	struct owner before;
	bool recent;
	*works = true;
	do {
		file_close(&got);
		int rc = drop_foreign(p->lock, e);
		read_owner(p->lock, &before);
		recent = was_changed(s, p->lock, RECENT_S);
		if (rc == 0)
			rc = file_lock(p->lock, 0, s->cancel, &got, e);
		if (rc < 0)
			return rc;
	} while (got >= 0 && !is_named(p->lock, got));
	*works = got >= 0 && !says_nothing(s, p, &before, recent);
	if (got >= 0 && !*works)
		write_text(got, before.text);
	else if (got >= 0)
		store_partial_sign(got);
	*fd = *works ? got : -1;
	if (*works)
		got = -1;
	return 0;
}

/* As that of file_lock(). */
static mode_t lock_mode(const struct store *s)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "partial");
	struct stat st;
	bool group = stat(dir, &st) == 0 && (st.st_mode & S_ISGID) && (st.st_mode & S_IWGRP);
	return group ? 0660 : 0600;
}

/* The file appears with its text: without one, another process would take it for a leftover. */
int store_partial_own(const struct store *s, const struct store_partial *p, int *fd, struct err *e)
{
	char text[TEXT];
	own_text(text);
	int rc = file_write_unsynced(p->lock, text, strlen(text), lock_mode(s), e);
	if (rc < 0)
		return rc;
	*fd = open(p->lock, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(e, errno, "cannot open the lock file %s", p->lock);
	/* Where that cannot be had, the text tells. */
	int ignored = flock(*fd, LOCK_EX | LOCK_NB);
	(void)ignored;
	return 0;
}

bool store_partial_is_held(const struct store *s, const struct store_partial *p)
{
	CLEANUP(file_close) int fd = -1;
	struct err ignored = ERR_INIT;
	bool works;
	if (!file_exists(p->lock))
		return false;
	if (store_partial_lock(s, p, &fd, &works, &ignored) < 0)
		return true;
	store_partial_unlock(&fd);
	return !works && lives(s, p);
}

char *store_partial_holder(const struct store_partial *p)
{
	return file_lock_holder(p->lock);
}
