/*
 * Files. A file gets its final name only when it is complete, verified and on
 * disk: temporary name, write, fsync, rename, fsync of the folder.
 */
#ifndef FERRY_UTIL_FILE_H
#define FERRY_UTIL_FILE_H

#include "util/base.h"
#include "util/buf.h"
#include "util/cancel.h"
#include "util/err.h"

#include <sys/stat.h>

/* For CLEANUP(file_close): closes *fd if it is not negative; preserves errno. */
void file_close(int *fd);

/* Opening a FIFO waits until a process opens it for writing. */
WARN_UNUSED int file_open_read(const char *path, int *fd, struct err *e);
/* A FIFO opens at once, too. Reading it may wait: poll() tells when it does not. */
WARN_UNUSED int file_open_at_once(const char *path, int *fd, struct err *e);
/* Refuses anything but a regular file. size in bytes. */
WARN_UNUSED int file_open_regular(const char *path, int *fd, uint64_t *size, struct err *e);

/* Replaces what is in out. ERR_INTEGRITY when the file is over out->max, and for a pipe or a
 * device, which could be waited for in vain. */
WARN_UNUSED int file_read_all(const char *path, struct buf *out, struct err *e);
/* The same for a file that a person named: it may be a pipe, as in --root <(program). */
WARN_UNUSED int file_read_named(const char *path, struct buf *out, struct err *e);
/* The same from where fd is. */
WARN_UNUSED int file_read_rest(int fd, const char *what, struct buf *out, struct err *e);

/* All of len bytes, or an error; a short file is ERR_INTEGRITY "ends early". `what`
 * names the file in messages. */
WARN_UNUSED int file_pread(int fd, void *data, size_t len, uint64_t offset, const char *what,
			   struct err *e);
WARN_UNUSED int file_pwrite(int fd, const void *data, size_t len, uint64_t offset, const char *what,
			    struct err *e);
WARN_UNUSED int file_write(int fd, const void *data, size_t len, const char *what, struct err *e);

bool file_exists(const char *path); /* any kind, not following links */
bool file_is_dir(const char *path); /* following links */
WARN_UNUSED int file_size(const char *path, uint64_t *size, struct err *e);

/*
 * Modes are those of open(2): the umask takes from them, and what is not read-only is made with
 * FILE_MODE, a folder with FILE_DIR_MODE: whatever the umask, others cannot write it. With
 * FILE_FOR_ALL, everybody may read it (and search the folder) whatever the umask says: what is
 * published has to be served by programs of other users.
 *
 * A mode that the file system does not have, or refuses to set (FAT, exFAT, CIFS, 9p), is no error:
 * only file_make_private() insists.
 */
#define FILE_MODE 0664
#define FILE_READ_ONLY 0444
#define FILE_DIR_MODE 0775
#define FILE_FOR_ALL 0100000
#define FILE_PUBLIC_MODE (FILE_FOR_ALL | FILE_MODE)
#define FILE_PUBLIC_DIR_MODE (FILE_FOR_ALL | FILE_DIR_MODE)

/* Takes the right to write from everybody. */
void file_make_read_only(int fd);
/* As FILE_FOR_ALL, for an open file or folder. */
void file_make_public(int fd);
/* Nobody outside of the owner and the group can use it. */
void file_close_to_others(int fd);
/* Nobody but the owner can read or write the file; ERR_SYSTEM where that cannot be had. */
WARN_UNUSED int file_make_private(int fd, const char *what, struct err *e);

/* mkdir -p; all folders that it makes have the mode. */
WARN_UNUSED int file_mkdirs(const char *dir, mode_t mode, struct err *e);
/* mkdir -p of the folder that contains path. */
WARN_UNUSED int file_mkdirs_for(const char *path, mode_t mode, struct err *e);
/* Succeeds where the file system cannot sync such a file or folder. */
WARN_UNUSED int file_sync(int fd, const char *what, struct err *e);
WARN_UNUSED int file_sync_dir(const char *dir, struct err *e);
/* Brings everything that was written to the file system of this folder to the disk: for many small
 * files, faster than one by one. */
WARN_UNUSED int file_sync_all(const char *dir, struct err *e);
/* fsync must have been called on the file; then rename, then fsync of the folder. ERR_USAGE when
 * `to` is a device, a pipe or the like: these are never replaced by a file. */
WARN_UNUSED int file_rename(const char *from, const char *to, struct err *e);

/* Bytes an unprivileged user may still write where path is (or will be); UINT64_MAX when the file
 * system does not say. */
WARN_UNUSED int file_space(const char *path, uint64_t *bytes, struct err *e);
/* ERR_SYSTEM with a helpful text when fewer than need bytes are free there. */
WARN_UNUSED int file_need_space(const char *path, uint64_t need, struct err *e);

/* For what another member of a group made. */
#define FILE_GROUP_HINT \
	"it is another user's: the folders that a group shares must be writable for the group " \
	"and set-group-ID (chmod g+rwxs), and its members need umask 002"

/* The path, or what is above it as far as it exists. Caller frees. */
char *file_nearest(const char *path);
/* May this process make files in the folder, which need not exist yet? */
bool file_can_write_in(const char *dir);
/* The largest file that can be written there, in bytes; 0: no limit is known. *whose limit it is,
 * for messages. FAT32 has one of 4 GiB. */
uint64_t file_max_size(const char *path, const char **whose);
/* ERR_SYSTEM with what helps when a file of this size cannot be written there. */
WARN_UNUSED int file_need_size(const char *path, uint64_t size, struct err *e);

/*
 * A new file that is being written: write to fd, then commit or abort. Its temporary name is
 * ".<name>.<random>.tmp" beside the final one; file_is_temporary() knows them, so that leftovers
 * of a killed process can be collected.
 */
struct file_new {
	int fd;
	char *path;
	char *temporary;
};
#define FILE_NEW_INIT BRACES(.fd = -1)
WARN_UNUSED int file_new_open(struct file_new *f, const char *path, mode_t mode, struct err *e);
WARN_UNUSED int file_new_commit(struct file_new *f, struct err *e);
/* The same, but ERR_CONFLICT when path exists already (never replaced). */
WARN_UNUSED int file_new_commit_exclusive(struct file_new *f, struct err *e);
/* The same as file_new_commit() for a caller that has synced fd, and is going to sync the folder:
 * for many files, in fewer steps. */
WARN_UNUSED int file_new_commit_unsynced(struct file_new *f, struct err *e);
void file_new_abort(struct file_new *f); /* safe after commit; for CLEANUP */
bool file_is_temporary(const char *name);

WARN_UNUSED int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode,
				  struct err *e);
/* The same without fsync: complete on the disk only after file_sync_all(). After a power failure in
 * between there may be a file with other bytes under the name. */
WARN_UNUSED int file_write_unsynced(const char *path, const void *data, size_t len, mode_t mode,
				    struct err *e);
/* The same in a folder that only we write, where a pipe, a device or a link to one is in the
 * place of our file: it is removed. */
WARN_UNUSED int file_write_own(const char *path, const void *data, size_t len, mode_t mode,
			       struct err *e);
/* Only removes it. */
WARN_UNUSED int file_make_way(const char *path, struct err *e);
/* For a result that the user asked for: a new or regular file is written as above, with
 * FILE_MODE; anything else that exists (a link, a pipe, a device) is opened and written to.
 * ERR_USAGE for a folder. */
WARN_UNUSED int file_write_output(const char *path, const void *data, size_t len, struct err *e);

/* Makes `to` a reflink of `from`; *done is false where the file system has none. Atomic, mode
 * given. */
WARN_UNUSED int file_reflink(const char *from, const char *to, mode_t mode, bool *done,
			     struct err *e);
/* Makes `to` a hard link to the file `from`, or to the file that a symbolic link `from` leads to;
 * *done is false where that cannot be done. Atomic. */
WARN_UNUSED int file_link(const char *from, const char *to, bool *done, struct err *e);
/* Makes `to` the same bytes as `from`: reflink, else a copy, after a check of the space that it
 * needs; atomic, mode given.
 * file_link_or_copy tries a reflink, then a hard link, then a copy. */
WARN_UNUSED int file_copy(const char *from, const char *to, mode_t mode,
			  const struct cancel *cancel, struct err *e);
WARN_UNUSED int file_link_or_copy(const char *from, const char *to, mode_t mode,
				  const struct cancel *cancel, struct err *e);

/* Makes `path` a symbolic link to `target`, replacing atomically what is there. */
WARN_UNUSED int file_symlink_atomic(const char *target, const char *path, struct err *e);
/* The same; the caller syncs the folder. */
WARN_UNUSED int file_symlink_unsynced(const char *target, const char *path, struct err *e);

/* Names in a folder, sorted, without "." and ".."; a missing folder is empty. */
struct str_list;
WARN_UNUSED int file_list_dir(const char *dir, struct str_list *names, struct err *e);

/* Removes a file; missing is fine. */
WARN_UNUSED int file_remove(const char *path, struct err *e);
/* Removes a folder and its contents, as far as possible; links are not followed. */
void file_remove_tree(const char *dir);
/* Removes an empty folder; missing or not empty is fine. */
void file_remove_dir_if_empty(const char *dir);

/*
 * Advisory lock (flock) on the file `path`, created if missing, held until the process ends or
 * *fd is closed. Another process that holds it is waited for at most wait_ms, then ERR_CONFLICT
 * names it. If the file system has no locks, *fd is -1 and the call succeeds, so nothing may
 * depend on a lock alone.
 *
 * The file is for its owner only, because whoever can open it can lock it; in a folder for a
 * group (set-group-id and writable for the group) it is for the group, too. It contains the id of
 * the process that took the lock last.
 */
WARN_UNUSED int file_lock(const char *path, uint64_t wait_ms, const struct cancel *cancel, int *fd,
			  struct err *e);
/* The same for a name in the open folder `dir`. */
WARN_UNUSED int file_lock_at(int dir, const char *path, uint64_t wait_ms,
			     const struct cancel *cancel, int *fd, struct err *e);
/* Who holds the lock file, for messages: "process 4711", or "another process". Caller frees. */
char *file_lock_holder(const char *path);

/* For readers: waits up to this long until no writer holds the lock file. The file is not created
 * and may be on a read-only medium. -1 when there is none, or after the time. */
int file_lock_shared(const char *path, unsigned wait_ms);

#endif
