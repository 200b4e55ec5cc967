#include "mirror/record.h"

#include "mirror_conf.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

/* A mirror whose records are kept in a scratch folder. */
struct fixture {
	char *dir;
	struct mirror *m;
	struct mirror_record r;
	struct err e;
};

static struct mirror *open_at(struct fixture *f, const char *path)
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.disk]\nkind=file\npath=%s\n", path);
	struct mirror *m = mirror_conf_open(text);
	m->env.state_dir = f->dir;
	return m;
}

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	f->m = open_at(f, "/srv/models");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mirror_record_release(&f->r);
	mirror_close(f->m);
	scratch_free(f->dir);
	free(f);
	return 0;
}

static char *file_path(struct fixture *f)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	assert_ok(file_list_dir(f->dir, &names, &f->e), &f->e);
	assert_int_equal(names.count, 1);
	assert_true(str_starts(names.at[0], "disk-"));
	return path_join(f->dir, names.at[0]);
}

static void save_one(struct fixture *f)
{
	mirror_record_set_can(&f->r, "replace-if", true);
	mirror_record_set_can(&f->r, MIRROR_RECORD_PUBLIC, false);
	mirror_record_set_measured(&f->r, MIRROR_RECORD_UPLOAD, 41000000);
	assert_ok(mirror_record_save(f->m, &f->r, &f->e), &f->e);
	mirror_record_release(&f->r);
}

static void what_was_saved_is_loaded(void **state)
{
	struct fixture *f = *state;
	bool can = false, public = true;
	uint64_t speed = 0;
	save_one(f);
	mirror_record_load(f->m, &f->r);
	assert_true(f->r.probed_s > 0);
	assert_true(mirror_record_can(&f->r, "replace-if", &can) && can);
	assert_true(mirror_record_can(&f->r, MIRROR_RECORD_PUBLIC, &public) && !public);
	assert_true(mirror_record_measured(&f->r, MIRROR_RECORD_UPLOAD, &speed));
	assert_int_equal(speed, 41000000);
}

static void what_is_not_recorded_is_not_known(void **state)
{
	struct fixture *f = *state;
	bool can = true;
	uint64_t speed = 7;
	mirror_record_load(f->m, &f->r);
	assert_int_equal(f->r.probed_s, 0);
	assert_false(mirror_record_can(&f->r, "replace-if", &can));
	assert_false(mirror_record_measured(&f->r, MIRROR_RECORD_UPLOAD, &speed));
	assert_true(can && speed == 7);
	save_one(f);
	mirror_record_load(f->m, &f->r);
	mirror_record_forget(&f->r, "replace-if");
	mirror_record_forget(&f->r, MIRROR_RECORD_UPLOAD);
	assert_false(mirror_record_can(&f->r, "replace-if", &can));
	assert_false(mirror_record_measured(&f->r, MIRROR_RECORD_UPLOAD, &speed));
}

static void another_place_has_another_record(void **state)
{
	struct fixture *f = *state;
	bool can;
	save_one(f);
	CLEANUP_PTR(mirror_close) struct mirror *moved = open_at(f, "/srv/other");
	mirror_record_load(moved, &f->r);
	assert_false(mirror_record_can(&f->r, "replace-if", &can));
}

static void it_is_a_file_that_everybody_may_read(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	save_one(f);
	CLEANUP(mem_free_ptr) char *path = file_path(f);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void a_damaged_one_is_an_empty_one(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	save_one(f);
	CLEANUP(mem_free_ptr) char *path = file_path(f);
	assert_ok(file_read_all(path, &text, &f->e), &f->e);
	for (size_t cut = 0; cut + 1 < text.len; cut += 7) {
		assert_ok(file_write_atomic(path, text.data, cut, 0644, &f->e), &f->e);
		mirror_record_load(f->m, &f->r);
		assert_int_equal(f->r.probed_s, 0);
		assert_null(f->r.can);
	}
	assert_ok(mirror_record_save(f->m, &f->r, &f->e), &f->e);
	mirror_record_release(&f->r);
	mirror_record_load(f->m, &f->r);
	assert_true(f->r.probed_s > 0);
}

static void foreign_values_are_refused(void **state)
{
	static const char *const bodies[] = {
		"\"can\":{\"a\":1},\"measured\":{}",  "\"can\":{\"A b\":true},\"measured\":{}",
		"\"can\":{},\"measured\":{\"a\":-1}", "\"can\":{},\"measured\":{\"a\":true}",
		"\"can\":{},\"measured\":[]",         "\"can\":{}",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		CLEANUP(mem_free_ptr) char *text = mem_printf(
			"{\"format\":\"model-ferry-mirror-record\",\"version\":1,\"place\":\"p\","
			"\"probed\":\"2026-01-02T03:04:05Z\",%s}",
			bodies[i]);
		err_clear(&f->e);
		assert_int_equal(mirror_record_parse(text, strlen(text), "p", &f->r, &f->e),
				 -ERR_INTEGRITY);
	}
}

static void without_a_folder_nothing_is_kept(void **state)
{
	struct fixture *f = *state;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	f->m->env.state_dir = NULL;
	save_one(f);
	mirror_record_load(f->m, &f->r);
	assert_int_equal(f->r.probed_s, 0);
	assert_ok(file_list_dir(f->dir, &names, &f->e), &f->e);
	assert_int_equal(names.count, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_saved_is_loaded),         TEST(what_is_not_recorded_is_not_known),
		TEST(another_place_has_another_record), TEST(it_is_a_file_that_everybody_may_read),
		TEST(a_damaged_one_is_an_empty_one),    TEST(foreign_values_are_refused),
		TEST(without_a_folder_nothing_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
