/*
 * Calls that not every system has. No other file uses a call, a flag or a folder (/proc) that
 * exists only on Linux; macOS and FreeBSD have everything that the rest of the project uses.
 *
 * Each function first tries the system that it was built for (the first part of os.c) and falls
 * back to what every system has. The fall-back also runs on Linux where a file system or an old
 * kernel lacks the call. "Fall-back" says what is lost. `make PORTABLE=1` builds as for a system
 * that has none of these calls.
 */
#ifndef FERRY_UTIL_OS_H
#define FERRY_UTIL_OS_H

#include "util/base.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

/* -- files ----------------------------------------------------------------------- */

/* Can this value of errno mean that the file system has no such thing (modes, links, locks)? */
bool os_lacks(int sys);

/* Creates an empty file without a name in the folder, which disappears when it is closed; mode
 * 0600, for reading and writing. -1 and errno. Fall-back: the file has a temporary name
 * (file_is_temporary()) for a moment; a process killed then leaves an empty file. */
WARN_UNUSED int os_nameless_file(const char *dir);

/* The same for os_link_open_file(), with this mode, from which the umask takes.
 * Fall-back: always -1: there is no such file. */
WARN_UNUSED int os_linkable_file(const char *dir, mode_t mode);

/* The same without a folder: in memory where the system can.
 * Fall-back: a nameless file in $TMPDIR, or in /tmp: its bytes may reach a disk. */
WARN_UNUSED int os_memory_file(void);

/* Allocates the bytes [0, size) of an empty file, which then reads as zeros. 0, or a value of
 * errno. Fall-back: writes the zeros. */
WARN_UNUSED int os_reserve(int fd, uint64_t size);

/* Brings everything that was written to the file system of fd to the disk. 0, or errno.
 * Fall-back: all file systems. */
int os_sync_all(int fd);

/* Makes the empty file `to` share all bytes of `from` until one of them is written to. False where
 * that cannot be done: `to` is still empty, and the bytes must be copied.
 * Fall-back: always false. */
bool os_clone(int to, int from);

/* Copies bytes from one file into another, by sharing them where the file system can. Returns how
 * many, perhaps fewer than len: the caller copies the rest.
 * Fall-back: always 0. */
WARN_UNUSED uint64_t os_copy_range(int to, uint64_t to_offset, int from, uint64_t from_offset,
				   uint64_t len);

/* Renames without ever replacing a file; names are relative to the open folders, or to the
 * current one with AT_FDCWD. 0, or a value of errno: EEXIST when `to` exists.
 * Fall-back: a hard link, then the old name is removed; a process killed in between leaves both
 * names. Without hard links, a file of another process that takes the name at the same
 * moment is replaced. */
WARN_UNUSED int os_rename_exclusive(int from_dir, const char *from, int to_dir, const char *to);

/* Exchanges the names of two folders, or files, of one file system, so that at every moment there
 * is something under both. 0, or a value of errno. Fall-back: always ENOSYS: the caller renames
 * twice. */
WARN_UNUSED int os_exchange(const char *a, const char *b);

/* Gives an open file another name, which must not exist. 0, or a value of errno. Fall-back:
 * always ENOSYS: the caller renames by the name that it knows. */
WARN_UNUSED int os_link_open_file(int fd, const char *path);

/* Does the path name one of this process's open files (/dev/stdout, /dev/fd/3, /proc/self/fd/3),
 * or is it a link to such a name? */
bool os_is_open_file(const char *path);

/* The largest file that the file system of this folder can hold, in bytes; 0: no limit is known.
 * Fall-back: always 0. */
uint64_t os_max_file(const char *dir);

/* Does a file here have the same inode number after the file system was mounted again? FAT, exFAT
 * and some others make numbers up. Fall-back: always true. */
bool os_keeps_inodes(const char *path);

/* Has the disk bytes of the file between offset and end, as far as the file system tells? A part
 * that was never written to need not be read. Asks with SEEK_DATA, which is of POSIX.1-2024; macOS
 * and FreeBSD have it, too. Fall-back: true wherever the file has a length. */
bool os_has_data(int fd, uint64_t offset, uint64_t end);

/* Can files here have holes? Where they cannot, making a file longer writes zeros.
 * Fall-back: always true. */
bool os_has_holes(const char *path);

/* Lets the system read the file from the disk again, where it has its bytes in memory. Fall-back:
 * does nothing. */
void os_forget_cached(int fd);

/* When the content of the file was changed. */
struct timespec os_modified(const struct stat *st);
/* The same in nanoseconds. */
uint64_t os_modified_ns(const struct stat *st);
/* From now on, the kernel checks what it reads of the file, which nobody can write to any more
 * (fs-verity: https://docs.kernel.org/filesystems/fsverity.html). The file must not be open for
 * writing. *never: the file system, or this system, has no such thing. Fall-back: it has not. */
bool os_verity_enable(int fd, bool *never);
/* A lease of a file that is open for reading (fcntl(2), F_SETLEASE): whoever opens it for writing,
 * or cuts it, waits until it is given back, for at most /proc/sys/fs/lease-break-time. The thread
 * gets SIGIO then, which it has to have blocked. False: somebody has it open for writing, it is
 * another user's, or the file system has no leases. Fall-back: false. */
bool os_lease_take(int fd, long thread);
/* Does somebody wait for it? */
bool os_lease_is_wanted(int fd);
void os_lease_give(int fd);
/* Of the calling thread. */
long os_thread_id(void);
/* When anything of it was changed, the times included: nobody can set that. */
uint64_t os_changed_ns(const struct stat *st);

/* Advises the system that the file will be read once, from start to end. Fall-back: does
 * nothing. */
void os_will_read_all(int fd);
/* The system begins to read these bytes now, because they will be needed soon. Fall-back: does
 * nothing. */
void os_will_read(int fd, uint64_t offset, uint64_t len);

/* Another descriptor of an open file, to write around the page cache, or -1.
 * Fall-back: always -1. */
WARN_UNUSED int os_open_direct(int fd);
/* Writes around the page cache: that needs memory, which is slow to get where it was not in use
 * for a while, above all in a virtual machine, and it takes it from other programs. False if not
 * all of it was written: write it in the usual way then, which also tells why. fd, of
 * os_open_direct(), may be -1; length, offset and memory must be multiples of OS_DIRECT_UNIT. */
#define OS_DIRECT_UNIT 4096
WARN_UNUSED bool os_write_direct(int fd, const void *data, size_t len, uint64_t offset);

/* -- processes ------------------------------------------------------------------- */

/* The absolute path of the running program, or NULL; the caller frees it. Fall-back: always NULL;
 * the caller uses argv[0] and $PATH. */
char *os_own_path(void);

/* pipe(), both ends closed by exec.
 * Fall-back: a program that another thread starts at the same moment inherits them. */
WARN_UNUSED int os_pipe(int ends[2]);
/* The same of a connected pair of local stream sockets. */
WARN_UNUSED int os_sockets(int ends[2]);
/* accept(), closed by exec and non-blocking. Same fall-back. */
struct sockaddr_storage;
WARN_UNUSED int os_accept(int fd, struct sockaddr_storage *address, unsigned *len);

/* In a child between fork and exec: it is killed when its parent dies. Async-signal-safe.
 * Fall-back: does nothing; a child of a killed program runs on to its end. */
void os_die_with_parent(void);

#define OS_PLACE 160

/* A text without white space for this machine since it was started, and the space of process
 * numbers in it (a container has its own): processes with the same text know each other's numbers.
 * Fall-back: containers are not told apart by more than the name of the host; the text may
 * change after the clock was set. */
void os_process_place(char out[OS_PLACE]);
/* When the process was started, in a unit of the system's own: tells it from a later one with the
 * same number. 0: unknown. Fall-back: always 0. */
uint64_t os_process_started(long pid);
/* Does the process run that was started then (0: whenever)? One that has ended, and that its parent
 * has not asked about, does not. Fall-back: it does, and so does a later one with its number. */
bool os_process_runs(long pid, uint64_t started);

/* Processors that this process may use, at least 1.
 * Fall-back: those of the machine. */
unsigned os_processors(void);

/* -- threads --------------------------------------------------------------------- */

/* A condition that os_cond_wait() waits for, at most so long, whatever happens to the clock of the
 * machine. Fall-back: a clock that is set back makes a wait longer. */
void os_cond_init(pthread_cond_t *c);
void os_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, unsigned ms);

/* The kernel begins to write the bytes of the file to the disk.
 * Fall-back: does nothing; the next sync takes longer. */
void os_write_back(int fd, uint64_t offset, uint64_t len);

/* -- the machine ----------------------------------------------------------------- */

/* Bytes of memory; 0: not known, or there is none. */
struct os_machine {
	uint64_t total;     /* RAM */
	uint64_t limit;     /* the lowest limit of this process: of its control groups (version 1 or
			       2) and of `ulimit -v`; 0: none */
	uint64_t available; /* RAM that is free now or can be freed */
	uint64_t gpu;       /* of all graphics cards whose driver is amdgpu */
	uint64_t shared;    /* macOS: of the RAM, what the GPU may use at most */
};
/* root is put before the path of each file that is read: "" on this machine; other values are for
 * tests, which get no limit of `ulimit`. Fall-back: total only. */
void os_machine(const char *root, struct os_machine *out);

#define OS_BOOT_ID 64

/* A text that identifies this boot of the machine, to be stored in a file; and whether a text is
 * of this boot or an earlier one ("" is). Fall-back: the time of the boot. It may seem to change
 * after the clock was set or the machine slept; a reboot within two seconds is not noticed. */
void os_boot_id(char out[OS_BOOT_ID]);
bool os_is_this_boot(const char *id);

/* Does this processor have the SHA-256 instructions of Armv8? Fall-back: false, unless the
 * compiler was told so (always on macOS). */
bool os_has_arm_sha256(void);

/* Fills data with random bytes of the kernel. False when there are none. */
WARN_UNUSED bool os_random(void *data, size_t len);

/* -- the C library --------------------------------------------------------------- */

/* For programs whose many threads mostly wait: their memory comes from few pools, so that what one
 * has freed is there for the others. Before there are threads. Fall-back: does nothing. */
void os_pool_memory(void);

/* qsort() with a context for the comparison. */
void os_sort(void *base, size_t count, size_t size,
	     int (*compare)(const void *a, const void *b, void *ctx), void *ctx);

#endif
