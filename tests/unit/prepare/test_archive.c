#include "prepare/archive.h"

#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <stdio.h>

/* ---- a small tar writer: anything may be in an archive ------------------------------- */

static void tar_header(struct buf *b, const char *name, char type, const char *link, uint64_t size)
{
	char h[512] = { 0 };
	unsigned sum = 0;
	snprintf(h, 100, "%s", name);
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
	memcpy(h + 136, "00000000000", 12);
	h[156] = type;
	snprintf(h + 157, 100, "%s", link);
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_add(b, h, 512);
}

static void tar_add(struct buf *b, const char *name, char type, const char *link, const char *data,
		    size_t len)
{
	static const char zeroes[512];
	tar_header(b, name, type, link, len);
	buf_add(b, data, len);
	buf_add(b, zeroes, (512 - len % 512) % 512);
}

static void tar_file(struct buf *b, const char *name, const char *data)
{
	tar_add(b, name, '0', "", data, strlen(data));
}

static void tar_end(struct buf *b)
{
	static const char zeroes[1024];
	buf_add(b, zeroes, sizeof zeroes);
}

/* ---- the fixture -------------------------------------------------------------------- */

struct world {
	char *dir, *out, *path;
	struct buf tar;
	struct archive_limits limits;
	struct str_list files;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	struct err e = ERR_INIT;
	w->dir = scratch_new();
	w->out = path_join(w->dir, "out");
	w->path = path_join(w->dir, "model.tar");
	assert_ok(file_mkdirs(w->out, 0700, &e), &e);
	buf_init(&w->tar, 64 * MIB);
	w->limits = (struct archive_limits)ARCHIVE_LIMITS_INIT;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	scratch_free(w->dir);
	buf_release(&w->tar);
	str_list_release(&w->files);
	free(w->out);
	free(w->path);
	free(w);
	return 0;
}

static int extract(struct world *w)
{
	scratch_write(w->dir, "model.tar", w->tar.data, w->tar.len);
	return archive_extract(w->path, w->path, w->out, &w->limits, NULL, NULL, &w->files, &w->e);
}

/* The archive is refused with these words, and nothing of it stays. */
static void refused(struct world *w, const char *words)
{
	struct err e = ERR_INIT;
	struct str_list left = { 0 };
	tar_end(&w->tar);
	assert_int_equal(extract(w), -ERR_INTEGRITY);
	if (!strstr(w->e.text, words))
		fail_msg("\"%s\" is not in: %s", words, w->e.text);
	assert_true(w->e.hint[0]);
	assert_int_equal(w->files.count, 0);
	assert_ok(file_list_dir(w->out, &left, &e), &e);
	assert_int_equal(left.count, 0);
	CLEANUP(mem_free_ptr) char *outside = path_join(w->dir, "outside");
	assert_false(file_exists(outside));
	str_list_release(&left);
}

/* ---- tests -------------------------------------------------------------------------- */

static void files_come_out_in_order_below_the_folder(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "./m/", '5', "", "", 0);
	tar_file(&w->tar, "./m/b.gguf", "second");
	tar_file(&w->tar, "m//a.txt", "first");
	tar_end(&w->tar);
	assert_ok(extract(w), &w->e);
	assert_int_equal(w->files.count, 2);
	assert_string_equal(w->files.at[0], "m/b.gguf");
	assert_string_equal(w->files.at[1], "m/a.txt");
	struct buf b = BUF_INIT(100);
	CLEANUP(mem_free_ptr) char *path = path_join(w->out, "m/b.gguf");
	assert_ok(file_read_all(path, &b, &w->e), &w->e);
	assert_string_equal(buf_str(&b), "second");
	buf_release(&b);
}

static void names_that_leave_the_folder_are_refused(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "good", "x");
	tar_file(&w->tar, "a/../../outside", "x");
	refused(w, "\"a/../../outside\" leads out of the archive's folder");
}

static void absolute_names_are_refused(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) char *name = path_join(w->dir, "outside");
	/* The header has room for so much of it. */
	CLEANUP(mem_free_ptr) char *why = mem_printf("\"%.99s\" has an absolute name", name);
	tar_file(&w->tar, name, "x");
	refused(w, why);
}

static void backslashes_and_control_characters_are_refused(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "..\\outside", "x");
	refused(w, "name that is too long or not allowed");
}

static void a_foreign_name_is_escaped_in_the_message(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "a\033[2Jb", "x");
	refused(w, "a\\x1b[2Jb");
}

static void deep_names_are_refused(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "x");
	refused(w, "in too many nested folders");
}

static void symbolic_links_are_refused(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "link", '2', "..", "", 0);
	tar_file(&w->tar, "link/outside", "x");
	refused(w, "\"link\" is a symbolic link");
}

static void hard_links_are_refused(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "passwd", '1', "/etc/passwd", "", 0);
	refused(w, "\"passwd\" is a hard link");
}

static void devices_are_refused(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "null", '3', "", "", 0);
	refused(w, "\"null\" is a device");
}

static void fifos_are_refused(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "pipe", '6', "", "", 0);
	refused(w, "\"pipe\" is a FIFO");
}

static void a_name_given_twice_is_refused(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "m.gguf", "x");
	tar_file(&w->tar, "./m.gguf", "y");
	refused(w, "\"m.gguf\" appears twice");
}

static void a_file_where_a_folder_must_be_is_refused(void **state)
{
	struct world *w = *state;
	tar_file(&w->tar, "m", "x");
	tar_file(&w->tar, "m/x", "y");
	tar_end(&w->tar);
	assert_int_equal(extract(w), -ERR_INTEGRITY);
}

static void too_many_entries_are_refused(void **state)
{
	struct world *w = *state;
	w->limits.max_entries = 10;
	for (int i = 0; i < 11; i++) {
		char name[8];
		snprintf(name, sizeof name, "%d", i);
		tar_file(&w->tar, name, "x");
	}
	refused(w, "more than 10 entries");
}

static void too_many_bytes_are_refused(void **state)
{
	struct world *w = *state;
	w->limits.max_bytes = 9;
	tar_file(&w->tar, "a", "12345");
	tar_file(&w->tar, "b", "12345");
	refused(w, "unpacks to more than");
}

static void a_declared_size_is_no_licence_to_allocate(void **state)
{
	struct world *w = *state;
	tar_header(&w->tar, "a", '0', "", 077777777777ull);
	refused(w, "it is an archive bomb");
}

static void a_truncated_archive_is_named_as_such(void **state)
{
	struct world *w = *state;
	tar_header(&w->tar, "a", '0', "", 5000);
	buf_adds(&w->tar, "only this");
	assert_int_equal(extract(w), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "ends early"));
}

static void what_is_not_an_archive_is_refused(void **state)
{
	struct world *w = *state;
	buf_adds(&w->tar, "hello, world");
	assert_int_equal(extract(w), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "is not an archive"));
}

static void an_archive_without_files_is_refused(void **state)
{
	struct world *w = *state;
	tar_add(&w->tar, "m/", '5', "", "", 0);
	refused(w, "contains no files");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_come_out_in_order_below_the_folder),
		TEST(names_that_leave_the_folder_are_refused),
		TEST(absolute_names_are_refused),
		TEST(backslashes_and_control_characters_are_refused),
		TEST(a_foreign_name_is_escaped_in_the_message),
		TEST(deep_names_are_refused),
		TEST(symbolic_links_are_refused),
		TEST(hard_links_are_refused),
		TEST(devices_are_refused),
		TEST(fifos_are_refused),
		TEST(a_name_given_twice_is_refused),
		TEST(a_file_where_a_folder_must_be_is_refused),
		TEST(too_many_entries_are_refused),
		TEST(too_many_bytes_are_refused),
		TEST(a_declared_size_is_no_licence_to_allocate),
		TEST(a_truncated_archive_is_named_as_such),
		TEST(what_is_not_an_archive_is_refused),
		TEST(an_archive_without_files_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
