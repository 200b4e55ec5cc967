#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <string.h>

static char *root;

static int setup(void **state)
{
	(void)state;
	root = scratch_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_free(root);
	return 0;
}

static void put(const char *name, const char *text)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(root, name);
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	assert_ok(file_mkdirs(dir, FILE_DIR_MODE, &e), &e);
	assert_ok(file_write_unsynced(path, text, strlen(text), 0644, &e), &e);
}

static void put_meminfo(void)
{
	put("proc/meminfo", "MemTotal:       16303428 kB\nMemFree:          500000 kB\n"
			    "MemAvailable:    4000000 kB\n");
}

static struct os_machine seen(void)
{
	struct os_machine m;
	os_machine(root, &m);
	return m;
}

static void ram_is_what_meminfo_says(void **state)
{
	(void)state;
	put_meminfo();
	struct os_machine m = seen();
	assert_int_equal(m.total, 16303428 * KIB);
	assert_int_equal(m.available, 4000000 * KIB);
	assert_int_equal(m.limit, 0);
	assert_int_equal(m.gpu, 0);
}

static void without_meminfo_the_system_is_asked(void **state)
{
	(void)state;
	assert_true(seen().total >= 16 * MIB);
	put("proc/meminfo", "MemTotal: much\nMemAvailable: 99999999999999999999999999 kB\n");
	assert_true(seen().total >= 16 * MIB);
	assert_int_equal(seen().available, 0);
}

static void the_lowest_limit_of_nested_control_groups_counts(void **state)
{
	(void)state;
	put_meminfo();
	put("proc/self/cgroup", "0::/user.slice/app.scope\n");
	put("sys/fs/cgroup/user.slice/app.scope/memory.max", "max\n");
	assert_int_equal(seen().limit, 0);
	put("sys/fs/cgroup/user.slice/memory.max", "4294967296\n");
	assert_int_equal(seen().limit, 4 * GIB);
	put("sys/fs/cgroup/user.slice/app.scope/memory.high", "2147483648\n");
	assert_int_equal(seen().limit, 2 * GIB);
	put("sys/fs/cgroup/memory.max", "1073741824\n");
	assert_int_equal(seen().limit, GIB);
}

static void control_groups_of_version_1_limit_as_well(void **state)
{
	(void)state;
	put_meminfo();
	put("proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/docker/1f2e\n0::/\n");
	put("sys/fs/cgroup/memory/docker/1f2e/memory.limit_in_bytes", "3221225472\n");
	put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n");
	assert_int_equal(seen().limit, 3 * GIB);
}

/* In a container the path may be one of the host, which is not there. */
static void the_root_of_what_is_mounted_counts_in_a_container(void **state)
{
	(void)state;
	put_meminfo();
	put("proc/self/cgroup", "0::/../../kubepods/pod7\n");
	put("sys/fs/cgroup/memory.max", "536870912\n");
	assert_int_equal(seen().limit, 512 * MIB);
}

static void the_memory_of_amd_cards_is_added_up(void **state)
{
	(void)state;
	put_meminfo();
	put("sys/class/drm/card0/device/mem_info_vram_total", "8573157376\n");
	put("sys/class/drm/card1/device/mem_info_vram_total", "17163091968\n");
	put("sys/class/drm/card0-DP-1/device/mem_info_vram_total", "1\n");
	put("sys/class/drm/renderD128/device/mem_info_vram_total", "1\n");
	assert_int_equal(seen().gpu, UINT64_C(8573157376) + UINT64_C(17163091968));
}

static void this_machine_has_memory(void **state)
{
	(void)state;
	struct os_machine m;
	os_machine("", &m);
	assert_true(m.total >= 16 * MIB);
	assert_true(m.available <= m.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ram_is_what_meminfo_says, setup, teardown),
		cmocka_unit_test_setup_teardown(without_meminfo_the_system_is_asked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_lowest_limit_of_nested_control_groups_counts,
						setup, teardown),
		cmocka_unit_test_setup_teardown(control_groups_of_version_1_limit_as_well, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_root_of_what_is_mounted_counts_in_a_container,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_memory_of_amd_cards_is_added_up, setup,
						teardown),
		cmocka_unit_test(this_machine_has_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
