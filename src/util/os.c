#include "util/os.h"

#include "util/mem.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- what one system can ---------------------------------------------------------- */

/* A new system needs a new branch here. It may leave out any call, as the last branch does. What
 * other systems have: macOS has renameatx_np() with RENAME_EXCL, F_PREALLOCATE,
 * _NSGetExecutablePath() and kern.bootsessionuuid; FreeBSD has posix_fallocate(), pipe2(),
 * memfd_create(), cpuset_getaffinity(), PROC_PDEATHSIG_CTL and kern.proc.pathname. */
#if defined __linux__ && !defined FERRY_PORTABLE

#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/magic.h>
#include <malloc.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/vfs.h>

static int native_linkable_file(const char *dir, mode_t mode)
{
	return open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

static int native_nameless_file(const char *dir)
{
	return native_linkable_file(dir, 0600);
}

/* Where the system has pthread_condattr_setclock(), which macOS lacks. */
static clockid_t native_cond_clock(pthread_condattr_t *a)
{
	return pthread_condattr_setclock(a, CLOCK_MONOTONIC) == 0 ? CLOCK_MONOTONIC
								  : CLOCK_REALTIME;
}

static void native_pool_memory(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, 2);
#endif
}

static void native_write_back(int fd, uint64_t offset, uint64_t len)
{
	int ignored = sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
	(void)ignored;
}

static int native_memory_file(void)
{
	return memfd_create("memory", MFD_CLOEXEC);
}

static int native_reserve(int fd, uint64_t size)
{
	return posix_fallocate(fd, 0, (off_t)size);
}

static int native_clone(int to, int from)
{
	return ioctl(to, FICLONE, from);
}

static ssize_t native_copy_range(int to, off_t to_offset, int from, off_t from_offset, size_t len)
{
	return copy_file_range(from, &from_offset, to, &to_offset, len, 0);
}

static int native_sync_all(int fd)
{
	return syncfs(fd);
}

static int native_rename_exclusive(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE);
}

static int native_exchange(const char *a, const char *b)
{
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

static int native_link_open_file(int fd, const char *path)
{
	char open_file[32];
	snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, open_file, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

/* FAT32 stores sizes in 32 bits. */
static uint64_t native_max_file(const char *dir)
{
	struct statfs st;
	return statfs(dir, &st) == 0 && st.f_type == MSDOS_SUPER_MAGIC ? UINT32_MAX : 0;
}

#define EXFAT_MAGIC 0x2011BAB0 /* not yet in the headers of all distributions */
#define FUSE_MAGIC 0x65735546

static bool is_of_type(const char *path, const uint32_t *types, size_t count)
{
	struct statfs st;
	if (statfs(path, &st) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((uint32_t)st.f_type == types[i])
			return true;
	return false;
}

static bool native_keeps_inodes(const char *path)
{
	static const uint32_t types[] = { MSDOS_SUPER_MAGIC, EXFAT_MAGIC, FUSE_MAGIC, V9FS_MAGIC };
	return !is_of_type(path, types, ARRAY_LEN(types));
}

static bool native_has_holes(const char *path)
{
	static const uint32_t types[] = { MSDOS_SUPER_MAGIC, EXFAT_MAGIC, FUSE_MAGIC };
	return !is_of_type(path, types, ARRAY_LEN(types));
}

static void native_will_read_all(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

static void native_will_read(int fd, uint64_t offset, uint64_t len)
{
	posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_WILLNEED);
}

static void native_forget_cached(int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static bool native_verity_enable(int fd, bool *never)
{
	struct fsverity_enable_arg how = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};
	bool done = ioctl(fd, FS_IOC_ENABLE_VERITY, &how) == 0 || errno == EEXIST;
	*never = !done && (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS ||
			   errno == EROFS || errno == EPERM);
	return done;
}

/* The owner of the signal comes first: a lease makes the process the owner of those that have none.
 */
static bool native_lease_take(int fd, long thread)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = (pid_t)thread };
	return fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

static bool native_lease_is_wanted(int fd)
{
	return fcntl(fd, F_GETLEASE) != F_RDLCK;
}

static void native_lease_give(int fd)
{
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

static long native_thread_id(void)
{
	return gettid();
}

/* By the number, since the file may have another name by now, or none. */
static int native_open_direct(int fd)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
}

static char *native_own_path(void)
{
	return realpath("/proc/self/exe", NULL);
}

static int native_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC);
}

static int native_sockets(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int native_accept(int fd, struct sockaddr *address, socklen_t *len)
{
	return accept4(fd, address, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void native_die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static unsigned native_processors(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 0;
}

/* The first line of a small file; "" if it cannot be read. */
static void first_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static void native_boot_id(char out[OS_BOOT_ID])
{
	first_line("/proc/sys/kernel/random/boot_id", out, OS_BOOT_ID);
}

static uint64_t native_process_space(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* What stands behind the name of the program, which may hold anything: " Z 1 …"; "" if unknown. */
static const char *native_process_state(long pid, char *line, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	first_line(path, line, size);
	const char *at = strrchr(line, ')');
	return at ? at + 1 : "";
}

static bool native_has_arm_sha256(void)
{
#ifdef HWCAP_SHA2
	return getauxval(AT_HWCAP) & HWCAP_SHA2;
#else
	return false;
#endif
}

#else

static int cannot(void)
{
	errno = ENOSYS;
	return -1;
}

#define native_cond_clock(a) ((void)(a), CLOCK_REALTIME)
#define native_write_back(fd, offset, len) ((void)(fd), (void)(offset), (void)(len))
#define native_pool_memory() ((void)0)
#define native_nameless_file(dir) ((void)(dir), cannot())
#define native_linkable_file(dir, mode) ((void)(dir), (void)(mode), cannot())
#define native_memory_file() cannot()
#define native_reserve(fd, size) ((void)(fd), (void)(size), ENOSYS)
#define native_clone(to, from) ((void)(to), (void)(from), cannot())
#define native_copy_range(to, to_offset, from, from_offset, len) \
	((void)(to), (void)(to_offset), (void)(from), (void)(from_offset), cannot())
#define native_sync_all(fd) ((void)(fd), sync(), 0)
#define native_rename_exclusive(from_dir, from, to_dir, to) cannot()
#define native_exchange(a, b) ((void)(a), (void)(b), cannot())
#define native_link_open_file(fd, path) ((void)(fd), (void)(path), cannot())
#define native_max_file(dir) ((void)(dir), (uint64_t)0)
#define native_keeps_inodes(path) ((void)(path), true)
#define native_has_holes(path) ((void)(path), true)
#define native_will_read_all(fd) ((void)(fd))
#define native_will_read(fd, offset, len) ((void)(fd), (void)(offset), (void)(len))
#define native_forget_cached(fd) ((void)(fd))
#define native_verity_enable(fd, never) ((void)(fd), *(never) = true, false)
#define native_lease_take(fd, thread) ((void)(fd), (void)(thread), false)
#define native_lease_is_wanted(fd) ((void)(fd), true)
#define native_lease_give(fd) ((void)(fd))
#define native_thread_id() 0L
#define native_open_direct(fd) ((void)(fd), cannot())
#define native_own_path() ((char *)NULL)
#define native_pipe(ends) cannot()
#define native_sockets(ends) cannot()
#define native_accept(fd, address, len) cannot()
#define native_die_with_parent() ((void)0)
#define native_processors() 0u
#define native_boot_id(out) ((void)(out))
#define native_process_space() UINT64_C(0)
#define native_process_state(pid, line, size) ((void)(pid), (void)(line), (void)(size), "")
#define native_has_arm_sha256() false

#endif

/* -- files ----------------------------------------------------------------------- */

/* ENOTSUP is another value on some systems. */
bool os_lacks(int sys)
{
	return sys == EPERM || sys == EACCES || sys == EINVAL || sys == ENOSYS ||
	       sys == EOPNOTSUPP || sys == ENOTSUP;
}

int os_nameless_file(const char *dir)
{
	int fd = native_nameless_file(dir);
	if (fd >= 0)
		return fd;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/.nameless.XXXXXX.tmp", dir);
	fd = mkostemps(path, 4, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int os_linkable_file(const char *dir, mode_t mode)
{
	return native_linkable_file(dir, mode);
}

int os_memory_file(void)
{
	int fd = native_memory_file();
	const char *dir = getenv("TMPDIR");
	return fd >= 0 ? fd : os_nameless_file(dir && *dir ? dir : "/tmp");
}

static int write_zeros(int fd, uint64_t size)
{
	static const char zeros[64 * 1024];
	for (uint64_t at = 0; at < size;) {
		ssize_t n = pwrite(fd, zeros, (size_t)MIN(sizeof zeros, size - at), (off_t)at);
		if (n < 0 && errno != EINTR)
			return errno;
		at += n < 0 ? 0 : (uint64_t)n;
	}
	return 0;
}

int os_reserve(int fd, uint64_t size)
{
	int why = native_reserve(fd, size);
	return os_lacks(why) ? write_zeros(fd, size) : why;
}

int os_sync_all(int fd)
{
	return native_sync_all(fd) == 0 || os_lacks(errno) ? 0 : errno;
}

bool os_clone(int to, int from)
{
	return native_clone(to, from) == 0;
}

uint64_t os_copy_range(int to, uint64_t to_offset, int from, uint64_t from_offset, uint64_t len)
{
	uint64_t done = 0;
	while (done < len) {
		ssize_t n = native_copy_range(to, (off_t)(to_offset + done), from,
					      (off_t)(from_offset + done), (size_t)(len - done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

/* Not every file system has hard links, and some report EEXIST before they report that. */
static int rename_by_link(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;
	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return unlinkat(from_dir, from, 0) < 0 ? errno : 0;
	if (!os_lacks(errno) && errno != EMLINK && errno != EXDEV)
		return errno;
	if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return EEXIST;
	return renameat(from_dir, from, to_dir, to) < 0 ? errno : 0;
}

int os_rename_exclusive(int from_dir, const char *from, int to_dir, const char *to)
{
	if (native_rename_exclusive(from_dir, from, to_dir, to) == 0)
		return 0;
	if (!os_lacks(errno))
		return errno;
	return rename_by_link(from_dir, from, to_dir, to);
}

int os_exchange(const char *a, const char *b)
{
	return native_exchange(a, b) < 0 ? errno : 0;
}

int os_link_open_file(int fd, const char *path)
{
	return native_link_open_file(fd, path) < 0 ? errno : 0;
}

static bool names_open_file(const char *path)
{
	static const char *const standard[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	for (size_t i = 0; i < ARRAY_LEN(standard); i++)
		if (strcmp(path, standard[i]) == 0)
			return true;
	return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

bool os_is_open_file(const char *path)
{
	char target[16];
	ssize_t n = readlink(path, target, sizeof target - 1);
	target[n < 0 ? 0 : n] = '\0';
	return names_open_file(path) || names_open_file(target);
}

uint64_t os_max_file(const char *dir)
{
	return native_max_file(dir);
}

bool os_keeps_inodes(const char *path)
{
	return native_keeps_inodes(path);
}

bool os_has_holes(const char *path)
{
	return native_has_holes(path);
}

/* Where the system has no SEEK_DATA, there is data everywhere. */
static off_t next_data(int fd, off_t offset)
{
#ifdef SEEK_DATA
	return lseek(fd, offset, SEEK_DATA);
#else
	(void)fd;
	return offset;
#endif
}

bool os_has_data(int fd, uint64_t offset, uint64_t end)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size <= offset)
		return false;
	off_t at = next_data(fd, (off_t)offset);
	if (at < 0)
		return errno != ENXIO;
	return (uint64_t)at < end;
}

struct timespec os_modified(const struct stat *st)
{
#ifdef __APPLE__
	return st->st_mtimespec;
#else
	return st->st_mtim;
#endif
}

uint64_t os_modified_ns(const struct stat *st)
{
	struct timespec t = os_modified(st);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool os_verity_enable(int fd, bool *never)
{
	return native_verity_enable(fd, never);
}

bool os_lease_take(int fd, long thread)
{
	return native_lease_take(fd, thread);
}

bool os_lease_is_wanted(int fd)
{
	return native_lease_is_wanted(fd);
}

void os_lease_give(int fd)
{
	native_lease_give(fd);
}

long os_thread_id(void)
{
	return native_thread_id();
}

uint64_t os_changed_ns(const struct stat *st)
{
#ifdef __APPLE__
	struct timespec t = st->st_ctimespec;
#else
	struct timespec t = st->st_ctim;
#endif
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void os_will_read_all(int fd)
{
	native_will_read_all(fd);
}

void os_will_read(int fd, uint64_t offset, uint64_t len)
{
	native_will_read(fd, offset, len);
}

void os_forget_cached(int fd)
{
	native_forget_cached(fd);
}

int os_open_direct(int fd)
{
	return native_open_direct(fd);
}

bool os_write_direct(int fd, const void *data, size_t len, uint64_t offset)
{
	const uint64_t all = (uintptr_t)data | len | offset;
	if (fd < 0 || all % OS_DIRECT_UNIT)
		return false;
	return pwrite(fd, data, len, (off_t)offset) == (ssize_t)len;
}

/* -- processes ------------------------------------------------------------------- */

char *os_own_path(void)
{
	return native_own_path();
}

static int close_on_exec(int ends[2])
{
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return 0;
}

int os_pipe(int ends[2])
{
	if (native_pipe(ends) == 0)
		return 0;
	return errno != ENOSYS || pipe(ends) < 0 ? -1 : close_on_exec(ends);
}

int os_sockets(int ends[2])
{
	if (native_sockets(ends) == 0)
		return 0;
	if (errno != ENOSYS || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return -1;
	return close_on_exec(ends);
}

int os_accept(int fd, struct sockaddr_storage *address, unsigned *len)
{
	socklen_t size = sizeof *address;
	int taken = native_accept(fd, (struct sockaddr *)address, &size);
	if (taken < 0 && errno == ENOSYS) {
		taken = accept(fd, (struct sockaddr *)address, &size);
		if (taken >= 0) {
			fcntl(taken, F_SETFD, FD_CLOEXEC);
			fcntl(taken, F_SETFL, O_NONBLOCK);
		}
	}
	*len = (unsigned)size;
	return taken;
}

void os_die_with_parent(void)
{
	native_die_with_parent();
}

void os_process_place(char out[OS_PLACE])
{
	char host[64] = "", boot[OS_BOOT_ID];
	int ignored = gethostname(host, sizeof host - 1);
	(void)ignored;
	os_boot_id(boot);
	snprintf(out, OS_PLACE, "%s/%s/%llu", host, boot,
		 (unsigned long long)native_process_space());
	for (char *c = out; *c; c++)
		if (*c <= ' ' || *c == 127)
			*c = '_';
}

/* The 20th field from the state on: proc(5). */
static uint64_t started_of(const char *state)
{
	for (int field = 0; *state && field < 20; field++) {
		state += strspn(state, " ");
		state += field < 19 ? strcspn(state, " ") : 0;
	}
	return strtoull(state, NULL, 10);
}

uint64_t os_process_started(long pid)
{
	char line[1024];
	return pid > 0 ? started_of(native_process_state(pid, line, sizeof line)) : 0;
}

bool os_process_runs(long pid, uint64_t started)
{
	char line[1024];
	if (pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno != EPERM))
		return false;
	const char *state = native_process_state(pid, line, sizeof line);
	uint64_t is = started_of(state);
	return !str_starts(state, " Z") && !str_starts(state, " X") &&
	       (!is || !started || is == started);
}

unsigned os_processors(void)
{
	unsigned usable = native_processors();
	long all = usable ? (long)usable : sysconf(_SC_NPROCESSORS_ONLN);
	return all > 0 ? (unsigned)all : 1;
}

/* -- threads --------------------------------------------------------------------- */

void os_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;
	pthread_condattr_init(&a);
	(void)native_cond_clock(&a);
	pthread_cond_init(c, &a);
	pthread_condattr_destroy(&a);
}

void os_cond_wait(pthread_cond_t *c, pthread_mutex_t *lock, unsigned ms)
{
	pthread_condattr_t a;
	struct timespec t;
	pthread_condattr_init(&a);
	clock_gettime(native_cond_clock(&a), &t);
	pthread_condattr_destroy(&a);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(c, lock, &t);
}

void os_write_back(int fd, uint64_t offset, uint64_t len)
{
	native_write_back(fd, offset, len);
}

/* -- the machine ----------------------------------------------------------------- */

#define STARTED "started "

/* The difference of two clocks, rounded down: of their seconds alone it would be a second more or
 * less each time. */
static long long started_s(void)
{
	struct timespec now, since;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_MONOTONIC, &since);
	return (long long)now.tv_sec - since.tv_sec - (now.tv_nsec < since.tv_nsec);
}

void os_boot_id(char out[OS_BOOT_ID])
{
	out[0] = '\0';
	native_boot_id(out);
	if (!out[0])
		snprintf(out, OS_BOOT_ID, STARTED "%lld", started_s());
}

bool os_is_this_boot(const char *id)
{
	char now[OS_BOOT_ID];
	os_boot_id(now);
	if (strncmp(now, STARTED, strlen(STARTED)) != 0 ||
	    strncmp(id, STARTED, strlen(STARTED)) != 0)
		return strcmp(id, now) == 0;
	return llabs(strtoll(id + strlen(STARTED), NULL, 10) - started_s()) <= 2;
}

bool os_has_arm_sha256(void)
{
#ifdef __ARM_FEATURE_SHA2
	return true;
#else
	return native_has_arm_sha256();
#endif
}

bool os_random(void *data, size_t len)
{
	for (char *p = data; len;) {
		size_t n = MIN(len, 256); /* getentropy() gives no more at once */
		if (getentropy(p, n) < 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* -- the C library --------------------------------------------------------------- */

/* qsort_r() has its arguments in another order on macOS and on FreeBSD before 14. */
static _Thread_local struct {
	int (*compare)(const void *a, const void *b, void *ctx);
	void *ctx;
} sorting;

static int compare_with_context(const void *a, const void *b)
{
	return sorting.compare(a, b, sorting.ctx);
}

void os_pool_memory(void)
{
	native_pool_memory();
}

void os_sort(void *base, size_t count, size_t size,
	     int (*compare)(const void *a, const void *b, void *ctx), void *ctx)
{
	sorting.compare = compare;
	sorting.ctx = ctx;
	qsort(base, count, size, compare_with_context);
}
