#include "store/disk.h"

#include "stocked.h"
#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **state)
{
	*state = stocked_new();
	return 0;
}

static int tear_down(void **state)
{
	stocked_free(*state);
	return 0;
}

struct measured {
	struct store_variants all;
	struct store_disk disk;
};

static void measured_release(struct measured *m)
{
	store_disk_release(&m->disk);
	store_variants_release(&m->all);
}

static struct measured measure(struct stocked *s)
{
	struct err e = ERR_INIT;
	struct measured m = { 0 };
	assert_ok(store_list(&s->store, &m.all, &e), &e);
	assert_ok(store_disk_measure(&s->store, &m.all, &m.disk, &e), &e);
	uint64_t sum = 0;
	for (size_t i = 0; i < STORE_DISK_PARTS; i++)
		sum += m.disk.parts[i];
	assert_int_equal(sum, m.disk.total);
	return m;
}

/* As du(1) has it. */
static uint64_t by_du(const struct stocked *s)
{
	CLEANUP(mem_free_ptr) char *command = mem_printf("du -s -B1 %s", s->store.home);
	unsigned long long bytes = 0;
	FILE *out = popen(command, "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%llu", &bytes), 1);
	assert_int_equal(pclose(out), 0);
	return bytes;
}

static uint64_t blocks(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t blob_blocks(const struct stocked *s, const char *text)
{
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, text);
	return blocks(blob);
}

static const char *const one[] = { "common", "one", NULL };
static const char *const two[] = { "common", "two", "two", NULL };

static void the_total_is_that_of_du(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant a = stocked_add(s, "a", "v", one);
	CLEANUP(store_variant_release) struct store_variant b = stocked_add(s, "b", "v", two);
	stocked_put(s, "trust/r/root.json", "{}");
	stocked_put(s, "trust/r/cache/x", "cached");
	stocked_put(s, "links/0123456789abcdef.json", "not a layout");
	stocked_put(s, "partial/x.part", "unfinished");
	stocked_put(s, "models/r/other/notes", "somebody's");
	stocked_put(s, "blobs/other/file", "somebody's");
	stocked_put(s, "blobs/sha256/x.damaged", "damaged");
	stocked_put(s, "blobs/sha256/README", "somebody's");
	stocked_put(s, "deep/er/and/deeper/file", "somebody's");
	CLEANUP(measured_release) struct measured m = measure(s);
	assert_int_equal(m.disk.total, by_du(s));
	assert_true(m.disk.parts[STORE_DISK_TRUST] > 0);
	assert_true(m.disk.parts[STORE_DISK_LINKS] > 0);
	assert_true(m.disk.parts[STORE_DISK_UNFINISHED] > 0);
	assert_int_equal(m.disk.parts[STORE_DISK_UNUSED], 0);
	CLEANUP(mem_free_ptr) char *damaged = path_join(s->store.home, "blobs/sha256/x.damaged");
	assert_int_equal(m.disk.parts[STORE_DISK_DAMAGED], blocks(damaged));
}

static void what_others_have_too_is_not_ones_own(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant a = stocked_add(s, "a", "v", one);
	CLEANUP(store_variant_release) struct store_variant b = stocked_add(s, "b", "v", two);
	CLEANUP(measured_release) struct measured m = measure(s);
	bool first[] = { true, false }, both[] = { true, true }, none[] = { false, false };
	struct store_disk_sum sum = store_disk_sum(&m.disk, &m.all, first);
	assert_int_equal(sum.own, blob_blocks(s, "one") + m.disk.folders[0]);
	assert_int_equal(sum.bytes, sum.own + blob_blocks(s, "common"));
	sum = store_disk_sum(&m.disk, &m.all, both);
	assert_int_equal(sum.own, m.disk.parts[STORE_DISK_MODELS]);
	assert_int_equal(sum.bytes, sum.own);
	sum = store_disk_sum(&m.disk, &m.all, none);
	assert_int_equal(sum.own + sum.bytes, 0);
}

static void what_a_fetch_waits_for_is_not_ones_own(void **state)
{
	struct stocked *s = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant a = stocked_add(s, "a", "v", one);
	CLEANUP(store_variant_release) struct store_variant b = stocked_add(s, "b", "v", two);
	bool both[] = { true };
	uint64_t freed = 0;
	assert_ok(store_expect(&s->store, &b, &e), &e);
	assert_ok(store_remove(&s->store, "r", "b", "v", &freed, &e), &e);
	CLEANUP(measured_release) struct measured m = measure(s);
	assert_int_equal(m.all.count, 1);
	assert_int_equal(store_disk_sum(&m.disk, &m.all, both).own,
			 blob_blocks(s, "one") + m.disk.folders[0]);
	assert_int_equal(m.disk.parts[STORE_DISK_UNUSED], 0);
	assert_int_equal(m.disk.total, by_du(s));
}

/* As on a file system without symbolic links. */
static void a_hard_link_counts_once(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant a = stocked_add(s, "a", "v", one);
	CLEANUP(mem_free_ptr) char *name = path_join(a.dir, a.files[1].name);
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, "one");
	uint64_t before;
	{
		CLEANUP(measured_release) struct measured m = measure(s);
		before = m.disk.total;
	}
	assert_int_equal(unlink(name), 0);
	assert_int_equal(link(blob, name), 0);
	CLEANUP(measured_release) struct measured m = measure(s);
	assert_int_equal(m.disk.total, by_du(s));
	assert_in_range(m.disk.total, before - 4096, before);
}

static void a_file_that_no_model_uses_is_said_so(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant a = stocked_add(s, "a", "v", one);
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of("orphan", 6, &d);
	CLEANUP(mem_free_ptr) char *name = mem_printf("blobs/sha256/%s", digest_hex(hex, &d));
	stocked_put(s, name, "orphan");
	CLEANUP(measured_release) struct measured m = measure(s);
	assert_int_equal(m.disk.parts[STORE_DISK_UNUSED], blob_blocks(s, "orphan"));
	assert_int_equal(m.disk.blob_count, 2);
	assert_int_equal(m.disk.total, by_du(s));
}

static void in_the_store_of_an_edge_it_is_the_edges(void **state)
{
	struct stocked *s = *state;
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of("orphan", 6, &d);
	CLEANUP(mem_free_ptr) char *name = mem_printf("blobs/sha256/%s", digest_hex(hex, &d));
	stocked_put(s, name, "orphan");
	stocked_put(s, "edge/objects", "what it remembers");
	CLEANUP(measured_release) struct measured m = measure(s);
	assert_int_equal(m.disk.parts[STORE_DISK_UNUSED], 0);
	assert_true(m.disk.parts[STORE_DISK_EDGE] > blob_blocks(s, "orphan"));
	assert_int_equal(m.disk.total, by_du(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(the_total_is_that_of_du),
		TEST(what_others_have_too_is_not_ones_own),
		TEST(what_a_fetch_waits_for_is_not_ones_own),
		TEST(a_hard_link_counts_once),
		TEST(a_file_that_no_model_uses_is_said_so),
		TEST(in_the_store_of_an_edge_it_is_the_edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
