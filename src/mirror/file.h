/* Shared by the file*.c, and bundle.c. */
#ifndef FERRY_MIRROR_FILE_H
#define FERRY_MIRROR_FILE_H

#include "mirror/folder.h"

/* Has partial files and the lock. */
#define FILE_MIRROR_PRIVATE FOLDER_PRIVATE

struct file_mirror {
	char *path;
	bool closed;     /* mode = private */
	bool configured; /* by [mirror.NAME], not just a URL */
	int root;        /* -1: not opened yet; guarded by the mirror's lock, as is: */
	bool noted;      /* it is recorded that the folder holds a release */

	pthread_mutex_t names; /* held together with the lock file, which threads would poll for */
	unsigned missed;       /* how often the lock file was not to be had */
};

/* In file_present.c. ERR_SYSTEM if the folder is gone or empty although a release was there, or its
 * disk is not mounted. Not if the mirror is new (struct mirror_env). */
WARN_UNUSED int mirror_file_check_present(struct mirror *m, struct err *e);
/* Records that a release is there, if it is. Under the mirror's lock. */
void mirror_file_note_held(struct mirror *m);
/* Forgets that a release was in a folder that is gone or empty; true if one was. */
bool mirror_file_begin_anew(struct mirror *m);

/* Opens the mirror's folder, once for all threads; with `make` it is created if missing. */
WARN_UNUSED int mirror_file_root(struct mirror *m, bool make, struct err *e);
/* Held during every change of a name. */
struct mirror_file_lock {
	struct file_mirror *of; /* NULL: it is not held */
	int fd;                 /* -1 where locks do not work */
};
#define MIRROR_FILE_LOCK_INIT BRACES(.fd = -1)
WARN_UNUSED int mirror_file_lock(struct mirror *m, struct mirror_file_lock *lock, struct err *e);
void mirror_file_unlock(struct mirror_file_lock *lock);
/* Locks an open file until it is closed; also 0 where there are no locks. ERR_CONFLICT when another
 * process holds it. */
WARN_UNUSED int mirror_file_take(int fd, struct err *e);

/* Opens an object for reading; what is in our private folder is not found. */
WARN_UNUSED int mirror_file_open_object(struct mirror *m, const char *key, int *fd,
					struct mirror_stat *st, struct err *e);
/* Sends a range of an open file. A read error is ERR_NETWORK: another mirror may succeed. */
WARN_UNUSED int mirror_file_send(const struct mirror *m, int fd, uint64_t offset, uint64_t len,
				 const struct mirror_sink *sink, struct err *e);
/* ERR_USAGE for a key in our private folder. */
WARN_UNUSED int mirror_file_refuse_private(const char *key, struct err *e);

WARN_UNUSED int mirror_file_upload_open(struct mirror_connection *c, struct mirror_upload *u,
					struct err *e);
WARN_UNUSED int mirror_file_upload_put(struct mirror_connection *c, struct mirror_upload *u,
				       uint32_t piece, const void *data, struct err *e);
WARN_UNUSED int mirror_file_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
					  struct mirror_stat *out, struct err *e);
void mirror_file_upload_close(struct mirror_upload *u);
WARN_UNUSED int mirror_file_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
					   struct err *e);
WARN_UNUSED int mirror_file_upload_copy(struct mirror_connection *c, struct mirror_upload *u,
					uint32_t piece, const struct mirror_source *from,
					struct err *e);
bool mirror_file_copies_from(const struct mirror *m, const struct mirror *from);
WARN_UNUSED int mirror_file_copy(struct mirror_connection *c, const char *from, const char *to,
				 struct err *e);
/* In file_readers.c: what other users cannot read, unless that is intended. */
WARN_UNUSED int mirror_file_readers(struct mirror_connection *c, struct mirror_findings *out,
				    struct err *e);
/* In file_preflight.c: can the folder be written, is there room, how large may a file be? */
WARN_UNUSED int mirror_file_preflight(struct mirror_connection *c, const struct mirror_need *need,
				      struct mirror_findings *out, struct err *e);

WARN_UNUSED int mirror_file_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn,
				      void *ctx, struct err *e);
/* ERR_CONFLICT when an upload is writing to it. */
WARN_UNUSED int mirror_file_leftover_remove(struct mirror_connection *c,
					    const struct mirror_leftover *left, struct err *e);

#endif
