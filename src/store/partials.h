/*
 * The unfinished downloads of the store, below partial/:
 *
 *   <hex>.part <hex>.journal <hex>.lock             of the process that holds the lock
 *   <hex>.<id>.part <hex>.<id>.journal <hex>.<id>.lock
 *                                                   of one process alone, which has no lock:
 *                                                   16 random hexadecimal digits
 *   ….journal.bad, ….journal.bad.2                  journals that were set aside
 *
 * Only one process at a time writes to a .part. Where locks work, that is who holds the lock of
 * its name. Where they do not (some network file systems, some in user space), each process makes
 * names of its own, and a later one continues what an ended process left. The lock file
 * says whose it is: "<pid>\n<place> <start>\n", as os_process_place() and os_process_started()
 * tell, or "0\n" for nobody; the process writes that again every few seconds in which it receives
 * something.
 */
#ifndef FERRY_STORE_PARTIALS_H
#define FERRY_STORE_PARTIALS_H

#include "store/store.h"

#define STORE_PARTIAL_ID 17

struct store_partial {
	struct digest sha256;
	char id[STORE_PARTIAL_ID]; /* "": the name that the holder of the lock uses */
	char *part, *journal, *lock;
	/* Of store_partials_list(): */
	bool exists;       /* there is a .part, a regular file without a name that others gave it */
	uint64_t size;     /* bytes up to its end */
	uint64_t there;    /* bytes that the disk has of it */
	int64_t changed_s; /* since 1970, UTC */
};
/* id "" or that of an existing one; NULL: a new one. */
void store_partial_init(const struct store *s, const struct digest *d, const char *id,
			struct store_partial *out);
void store_partial_release(struct store_partial *p); /* safe twice; for CLEANUP */

/*
 * Takes the lock of the name: ERR_CONFLICT when another process has it. *works is false, and *fd
 * -1, where a lock says nothing: the file system has none, or it gives one to everybody. Closing
 * *fd gives it back.
 */
WARN_UNUSED int store_partial_lock(const struct store *s, const struct store_partial *p, int *fd,
				   bool *works, struct err *e);
/* Makes and opens the lock file of a name of one's own. Where locks work, it is locked. */
WARN_UNUSED int store_partial_own(const struct store *s, const struct store_partial *p, int *fd,
				  struct err *e);
/* Writes to the open lock file who owns it, and that the owner makes progress. Failures are
 * ignored. */
void store_partial_sign(int lock_fd);
/* Closes it, and says that it is nobody's any more. */
void store_partial_unlock(int *lock_fd);
/* Is a process working on it? Where locks do not work, the lock file tells: a process of this
 * machine that there is; one of another machine, or of an earlier release, that wrote in the
 * last hour. One that this user may not lock is held. */
bool store_partial_is_held(const struct store *s, const struct store_partial *p);
/* Who works on it, for messages: "process 4711". Caller frees. */
char *store_partial_holder(const struct store_partial *p);

/* A process that is killed while it commits leaves a second name of its .part, a temporary one
 * beside the blobs: removes that. */
void store_partial_disentangle(const struct store *s, const struct store_partial *p);

/* Gives the part and journal of one to the other, which must have none; the locks of both are the
 * caller's matter. False if another process was faster, or it cannot be done. */
bool store_partial_rename(const struct store_partial *from, const struct store_partial *to);
/* Removes its files, its lock last. ERR_CONFLICT, with the holder, when a process works on it. */
WARN_UNUSED int store_partial_remove(const struct store *s, const struct store_partial *p,
				     struct err *e);
/* Those of a file that the store has now, which nobody needs and nobody holds. Failures are
 * ignored: the leftovers do no harm. */
void store_partials_tidy(const struct store *s, const struct digest *d);

/* The name for a journal that is set aside, renamed so; *path is then it. ERR_SYSTEM. */
WARN_UNUSED int store_partial_set_aside(const char *journal, char **path, struct err *e);

struct store_partials {
	struct store_partial *at;
	size_t count, cap;
};
void store_partials_release(struct store_partials *p);
/* Sorted by digest, then id. d NULL: all. */
WARN_UNUSED int store_partials_list(const struct store *s, const struct digest *d,
				    struct store_partials *out, struct err *e);

#endif
