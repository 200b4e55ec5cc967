#include "mirror/bundle_index.h"

#include "mirror/mirror.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <unistd.h>

#define FAR (5 * GIB)

/* An index of one object with these members, as the text of a bundle. */
static char *index_text(const char *members)
{
	return mem_printf("{\"format\":\"model-ferry-bundle\",\"version\":1,\"release\":3,"
			  "\"objects\":[{%s,\"sha256\":\"%064d\"}]}",
			  members, 0);
}

static void parse_fails(const char *members, const char *why)
{
	struct err e = ERR_INIT;
	struct mirror_bundle_index x = { 0 };
	CLEANUP(mem_free_ptr) char *text = index_text(members);
	assert_int_equal(mirror_bundle_parse(text, strlen(text), &x, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, why))
		fail_msg("not '%s': %s", why, e.text);
}

static void an_index_with_a_key_that_leads_out_or_a_range_that_overflows_is_refused(void **state)
{
	(void)state;
	parse_fails("\"key\":\"../x\",\"offset\":0,\"size\":1", "is not the key");
	parse_fails("\"key\":\"/x\",\"offset\":0,\"size\":1", "is not the key");
	parse_fails("\"key\":\"x\",\"offset\":9223372036854775807,\"size\":1", "beyond the end");
	parse_fails("\"key\":\"x\",\"offset\":1,\"size\":9223372036854775807", "beyond the end");
	parse_fails("\"key\":\"x\",\"offset\":-1,\"size\":1", "offset");
	parse_fails("\"key\":\"x\",\"offset\":0", "size");
}

static void what_is_laid_out_is_what_is_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct digest zero = { 0 };
	CLEANUP(mirror_bundle_index_release) struct mirror_bundle_index x = { .release = 7 };
	CLEANUP(mirror_bundle_index_release) struct mirror_bundle_index read = { 0 };
	CLEANUP(buf_release) struct buf head = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *name = mem_printf("targets/models/m/%0150d", 0);
	size_t length;
	mirror_bundle_add(&x, name, 9 * GIB, &zero);
	mirror_bundle_add(&x, "b", 1, &zero);
	assert_ok(mirror_bundle_lay_out(&x, &head, &e), &e);
	assert_ok(mirror_bundle_head((uint8_t *)head.data, &length, &e), &e);
	assert_ok(mirror_bundle_parse(head.data + 512, length, &read, &e), &e);
	assert_int_equal(read.release, 7);
	assert_int_equal(read.count, 2);
	assert_int_equal(read.end, x.end);
	assert_int_equal(mirror_bundle_find(&read, name)->offset, x.at[0].offset);
	assert_int_equal(mirror_bundle_find(&read, "b")->offset, x.at[1].offset);
	/* A name and a size that a plain header has no room for: three blocks in front. */
	assert_int_equal(x.at[0].offset, head.len + 3 * 512);
	assert_int_equal(x.at[1].offset, x.at[0].offset + 9 * GIB + 512);
}

static void a_header_says_a_long_name_and_a_large_size_in_pax_records(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%0150d", 0);
	CLEANUP(mem_free_ptr) char *records = mem_printf("160 path=%s\n19 size=9663676416\n", name);
	mirror_bundle_header(name, 9 * GIB, &b);
	assert_int_equal(b.len, 3 * 512);
	assert_int_equal(b.data[156], 'x');
	assert_string_equal(b.data + 512, records);
	assert_int_equal(b.data[1024 + 156], '0');
}

static void a_first_block_that_is_not_ours_is_no_bundle(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	struct err e = ERR_INIT, why = ERR_INIT, large = ERR_INIT;
	size_t length;
	mirror_bundle_header("other.json", 10, &b);
	assert_int_equal(mirror_bundle_head((uint8_t *)b.data, &length, &e), -ERR_INTEGRITY);
	buf_clear(&b);
	mirror_bundle_header(MIRROR_BUNDLE_INDEX, 10, &b);
	b.data[130] ^= 1; /* within the size: the checksum no longer fits */
	assert_int_equal(mirror_bundle_head((uint8_t *)b.data, &length, &why), -ERR_INTEGRITY);
	buf_clear(&b);
	mirror_bundle_header(MIRROR_BUNDLE_INDEX, GIB, &b);
	assert_int_equal(mirror_bundle_head((uint8_t *)b.data, &length, &large), -ERR_INTEGRITY);
	assert_non_null(strstr(large.text, "larger than"));
}

/* ---- the mirror ---- */

/* A sparse bundle of two objects; the second begins beyond 4 GiB and is "far away". */
static char *large_bundle(const char *dir, uint64_t size)
{
	struct err e = ERR_INIT;
	struct digest zero = { 0 };
	CLEANUP(mirror_bundle_index_release) struct mirror_bundle_index x = { .release = 1 };
	CLEANUP(buf_release) struct buf head = BUF_INIT(MIB);
	mirror_bundle_add(&x, "a/first", FAR, &zero);
	mirror_bundle_add(&x, "a/second", size, &zero);
	assert_ok(mirror_bundle_lay_out(&x, &head, &e), &e);
	scratch_write(dir, "x" MIRROR_BUNDLE_SUFFIX, head.data, head.len);
	char *path = path_join(dir, "x" MIRROR_BUNDLE_SUFFIX);
	CLEANUP(file_close) int fd = open(path, O_RDWR);
	assert_ok(file_pwrite(fd, "far away", 8, x.at[1].offset, path, &e), &e);
	return path;
}

static struct mirror *opened(const char *path)
{
	struct err e = ERR_INIT;
	struct mirror *m = NULL;
	CLEANUP(mem_free_ptr) char *url = path_file_url(path);
	assert_ok(mirror_open_url(mirror_kinds_client, NULL, "x", url, &m, &e), &e);
	assert_string_equal(m->ops->kind, "bundle");
	return m;
}

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void objects_beyond_4_gib_are_read_by_ranges(void **state)
{
	(void)state;
	struct err e = ERR_INIT, beyond = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = large_bundle(dir, 8);
	CLEANUP_PTR(mirror_close) struct mirror *m = opened(path);
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	const struct mirror_sink sink = { .write = append, .ctx = &b };
	struct mirror_stat st;
	assert_ok(mirror_stat_key(m, "a/first", &st, &e), &e);
	assert_int_equal(st.size, FAR);
	assert_ok(mirror_get(m,
			     &(struct mirror_range){ .key = "a/second", .offset = 4, .length = 4 },
			     &sink, &e),
		  &e);
	assert_string_equal(buf_str(&b), "away");
	assert_int_equal(
		mirror_get(m, &(struct mirror_range){ .key = "a/second", .offset = 4, .length = 5 },
			   &sink, &beyond),
		-ERR_INTEGRITY);
	assert_int_equal(mirror_stat_key(m, "a/third", &st, &e), -ERR_NOT_FOUND);
	assert_false(mirror_can(m, MIRROR_CAN_WRITE));
	scratch_free(dir);
}

static void a_bundle_that_ends_early_is_incomplete(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct mirror_stat st;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = large_bundle(dir, 9);
	CLEANUP_PTR(mirror_close) struct mirror *m = opened(path);
	assert_int_equal(mirror_stat_key(m, "a/second", &st, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "incomplete"));
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_index_with_a_key_that_leads_out_or_a_range_that_overflows_is_refused),
		cmocka_unit_test(what_is_laid_out_is_what_is_read),
		cmocka_unit_test(a_header_says_a_long_name_and_a_large_size_in_pax_records),
		cmocka_unit_test(a_first_block_that_is_not_ours_is_no_bundle),
		cmocka_unit_test(objects_beyond_4_gib_are_read_by_ranges),
		cmocka_unit_test(a_bundle_that_ends_early_is_incomplete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
