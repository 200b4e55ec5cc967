/* The memory of the machine. Where a system has none of the files, nothing is found in them. */
#include "util/os.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#define CGROUPS "sys/fs/cgroup"

/* The start of a small file; "" if it cannot be read. */
static void read_start(const char *root, const char *name, char *out, size_t size)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s", root, name);
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
	out[n < 0 ? 0 : n] = '\0';
}

/* A number alone in a file ("max" is none); 0 if there is none. */
static uint64_t number_in(const char *root, const char *name)
{
	char text[32];
	uint64_t value;
	read_start(root, name, text, sizeof text);
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &value) ? value : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : MIN(a, b);
}

/* ---- RAM ---- */

/* "MemTotal:       16303428 kB" */
static uint64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char digits[24];
	uint64_t kib;
	if (!at)
		return 0;
	at += strlen(key);
	at += strspn(at, " ");
	size_t len = strspn(at, "0123456789");
	if (len == 0 || len >= sizeof digits)
		return 0;
	memcpy(digits, at, len);
	digits[len] = '\0';
	return parse_u64(digits, &kib) && kib <= UINT64_MAX / KIB ? kib * KIB : 0;
}

/* Of the control group and of all that it is in, because each of them limits it. `dir` is
 * changed. */
static uint64_t limit_of(const char *root, const char *top, char *dir, const char *const *files)
{
	uint64_t limit = 0;
	for (;;) {
		for (size_t i = 0; files[i]; i++) {
			CLEANUP(mem_free_ptr)
			char *name = mem_printf("%s%s/%s", top, dir, files[i]);
			limit = least(limit, number_in(root, name));
		}
		char *slash = strrchr(dir, '/');
		if (!slash)
			return limit;
		*slash = '\0';
	}
}

/* A line is "0::/user.slice" (version 2) or "9:cpu,memory:/docker/1f2e" (version 1). In a container
 * the path may be one of the host: then only the root of what is mounted counts. */
static uint64_t limit_of_line(const char *root, char *line)
{
	static const char *const v2[] = { "memory.max", "memory.high", NULL };
	static const char *const v1[] = { "memory.limit_in_bytes", NULL };
	char *controllers = strchr(line, ':');
	char *dir = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!dir)
		return 0;
	*dir++ = '\0';
	controllers++;
	if (strstr(dir, ".."))
		*dir = '\0';
	if (!*controllers)
		return limit_of(root, CGROUPS, dir, v2);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	str_list_split(&names, controllers, ",");
	return str_list_has(&names, "memory") ? limit_of(root, CGROUPS "/memory", dir, v1) : 0;
}

static uint64_t cgroup_limit(const char *root)
{
	char text[4096], none[] = "0::", none_v1[] = "0:memory:";
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	read_start(root, "proc/self/cgroup", text, sizeof text);
	str_list_split(&lines, text, "\n");
	/* Of a container whose /proc does not say which. */
	uint64_t limit = least(limit_of_line(root, none), limit_of_line(root, none_v1));
	for (size_t i = 0; i < lines.count; i++)
		limit = least(limit, limit_of_line(root, lines.at[i]));
	return limit;
}

/* `ulimit -v`: the weights of a model are mapped into the address space. */
static uint64_t process_limit(void)
{
	struct rlimit r;
	return getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY ? (uint64_t)r.rlim_cur
									    : 0;
}

/* ---- graphics cards ---- */

static bool is_card(const char *name)
{
	return str_starts(name, "card") && name[4] &&
	       strspn(name + 4, "0123456789") == strlen(name + 4);
}

/* The kernel's driver amdgpu says it (Documentation/gpu/amdgpu/driver-misc.rst). */
static uint64_t amd_memory(const char *root)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/sys/class/drm", root);
	DIR *dir = opendir(path);
	uint64_t sum = 0;
	for (struct dirent *d; dir && (d = readdir(dir));) {
		CLEANUP(mem_free_ptr)
		char *file = mem_printf("sys/class/drm/%s/device/mem_info_vram_total", d->d_name);
		if (is_card(d->d_name) && !add_u64(sum, number_in(root, file), &sum))
			sum = UINT64_MAX;
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* Of the memory that processor and GPU share, the GPU gets at most so many MiB; 0 is the system's
 * own choice, of which at least two thirds are known. */
static uint64_t apple_memory(uint64_t total)
{
#ifdef __APPLE__
	unsigned mib = 0;
	size_t size = sizeof mib;
	if (sysctlbyname("iogpu.wired_limit_mb", &mib, &size, NULL, 0) < 0)
		return 0;
	return mib ? (uint64_t)mib * MIB : total / 3 * 2;
#else
	(void)total;
	return 0;
#endif
}

/* ---- all ---- */

void os_machine(const char *root, struct os_machine *out)
{
	char text[4096];
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	read_start(root, "proc/meminfo", text, sizeof text);
	*out = (struct os_machine){
		.total = meminfo(text, "MemTotal:"),
		.available = meminfo(text, "MemAvailable:"),
		.limit = cgroup_limit(root),
	};
	if (!out->total && pages > 0 && page > 0)
		out->total = (uint64_t)pages * (uint64_t)page;
	if (!*root)
		out->limit = least(out->limit, process_limit());
	out->gpu = amd_memory(root);
	out->shared = apple_memory(out->total);
}
