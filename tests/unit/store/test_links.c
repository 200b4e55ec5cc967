#include "store/links.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <unistd.h>

struct fixture {
	char *dir;
	struct store store;
	char *outside; /* where an engine looks */
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	CLEANUP(mem_free_ptr) char *home = path_join(f->dir, "home");
	assert_ok(store_open(home, &f->store, &e), &e);
	f->outside = path_join(f->dir, "engine");
	assert_ok(file_mkdirs(f->outside, FILE_DIR_MODE, &e), &e);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(&f->store);
	scratch_free(f->dir);
	free(f->outside);
	free(f);
	return 0;
}

static struct digest add_blob(struct fixture *f, const char *text)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&f->store, &d);
	scratch_write(f->dir, path + strlen(f->dir) + 1, text, strlen(text));
	return d;
}

static void begin(struct fixture *f, struct store_layout *l, const char *name)
{
	*l = (struct store_layout){
		.engine = mem_strdup("directory"),
		.root = mem_strdup(f->outside),
		.name = mem_strdup(name),
		.repository = mem_strdup("main"),
		.model = mem_strdup("phi-2"),
		.variant = mem_strdup("q4"),
		.version = 3,
		.made_s = 1700000000,
		.complete = true,
	};
	store_layout_identify(l);
}

static struct store_links_file *add(struct fixture *f, struct store_layout *l, const char *name,
				    enum store_links_how how, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, d);
	char *path = path_join(f->outside, name);
	uint64_t size;
	struct err e = ERR_INIT;
	bool done = true;
	assert_ok(file_size(blob, &size, &e), &e);
	if (how == STORE_LINKS_SYMLINK)
		assert_ok(file_symlink_atomic(blob, path, &e), &e);
	else if (how == STORE_LINKS_HARDLINK)
		assert_ok(file_link(blob, path, &done, &e), &e);
	else
		assert_ok(file_copy(blob, path, FILE_READ_ONLY, NULL, &e), &e);
	assert_true(done);
	struct store_links_file *to = store_layout_add(l, path, how, d, size,
						       how == STORE_LINKS_SYMLINK ? mem_strdup(blob)
										  : NULL);
	to->made = how == STORE_LINKS_SYMLINK || mark_of(path, false, &to->mark);
	return to;
}

static void a_layout_is_saved_and_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = add_blob(f, "model");
	CLEANUP(store_layout_release) struct store_layout l = { 0 }, back = { 0 };
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	begin(f, &l, "phi-2");
	add(f, &l, "m.gguf", STORE_LINKS_SYMLINK, &d);
	add(f, &l, "n.gguf", STORE_LINKS_COPY, &d);
	assert_ok(store_links_save(&f->store, &l, &e), &e);
	assert_ok(store_links_load(&f->store, l.id, &back, &e), &e);
	assert_string_equal(back.name, "phi-2");
	assert_int_equal(back.version, 3);
	assert_int_equal(back.made_s, 1700000000);
	assert_int_equal(back.count, 2);
	assert_string_equal(back.files[0].target, l.files[0].target);
	assert_true(back.complete && back.files[0].made);
	assert_memory_equal(&back.files[1].mark, &l.files[1].mark, sizeof back.files[1].mark);
	assert_ptr_equal(store_layout_find(&back, l.files[1].path), &back.files[1]);
	assert_ok(store_links_list(&f->store, &all, &e), &e);
	assert_int_equal(all.count, 1);
	assert_int_equal(store_layout_state(&f->store, &all.at[0]), STORE_LINKS_OK);
	assert_ok(store_links_forget(&f->store, l.id, &e), &e);
	assert_int_equal(store_links_load(&f->store, l.id, &back, &e), -ERR_NOT_FOUND);
}

static void a_blob_is_needed_while_a_link_leads_to_it(void **state)
{
	struct fixture *f = *state;
	struct digest soft = add_blob(f, "soft"), hard = add_blob(f, "hard"),
		      copy = add_blob(f, "copy");
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	all.at = mem_grow(NULL, 0, &all.cap, sizeof *all.at);
	all.count = 1;
	struct store_layout *l = &all.at[0];
	begin(f, l, "phi-2");
	add(f, l, "soft", STORE_LINKS_SYMLINK, &soft);
	add(f, l, "hard", STORE_LINKS_HARDLINK, &hard);
	add(f, l, "copy", STORE_LINKS_COPY, &copy);
	assert_true(store_links_need(&f->store, &all, &soft));
	assert_true(store_links_need(&f->store, &all, &hard));
	assert_false(store_links_need(&f->store, &all, &copy));
	unlink(l->files[0].path);
	assert_false(store_links_need(&f->store, &all, &soft));
	unlink(l->files[1].path);
	scratch_write(f->outside, "hard", "hard", 4);
	assert_false(store_links_need(&f->store, &all, &hard));
}

static void what_is_at_a_path_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct digest d = add_blob(f, "model");
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	begin(f, &l, "phi-2");
	add(f, &l, "link", STORE_LINKS_SYMLINK, &d);
	add(f, &l, "copy", STORE_LINKS_COPY, &d);
	add(f, &l, "written", STORE_LINKS_WRITTEN, &d);
	for (size_t i = 0; i < l.count; i++)
		assert_int_equal(store_links_state(&f->store, &l.files[i]), STORE_LINKS_OK);
	/* The same bytes, written again by another program. */
	for (size_t i = 1; i < l.count; i++) {
		unlink(l.files[i].path);
		scratch_write(f->outside, path_base(l.files[i].path), "model", 5);
	}
	assert_int_equal(store_links_state(&f->store, &l.files[1]), STORE_LINKS_CHANGED);
	assert_int_equal(store_links_state(&f->store, &l.files[2]), STORE_LINKS_OK);
	l.files[1].made = false; /* whoever made it was killed before it could say so */
	assert_int_equal(store_links_state(&f->store, &l.files[1]), STORE_LINKS_OK);
	scratch_write(f->outside, "written", "other", 5);
	assert_int_equal(store_links_state(&f->store, &l.files[2]), STORE_LINKS_CHANGED);
	unlink(blob);
	assert_int_equal(store_links_state(&f->store, &l.files[0]), STORE_LINKS_BROKEN);
	unlink(l.files[0].path);
	assert_int_equal(store_links_state(&f->store, &l.files[0]), STORE_LINKS_GONE);
	assert_int_equal(store_layout_state(&f->store, &l), STORE_LINKS_GONE);
}

static void while_a_record_is_damaged_every_blob_is_needed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = add_blob(f, "model");
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	scratch_write(f->store.home, "links/0123456789abcdef.json", "{}", 2);
	scratch_write(f->store.home, "links/note.json", "{}", 2);
	assert_ok(store_links_list(&f->store, &all, &e), &e);
	assert_int_equal(all.count, 0);
	assert_int_equal(all.damaged, 1);
	assert_true(store_links_need(&f->store, &all, &d));
	assert_int_equal(store_links_load(&f->store, "0123456789abcdef", &l, &e), -ERR_INTEGRITY);
}

static void a_record_must_describe_its_files(void **state)
{
	(void)state;
#define HEAD \
	"{\"format\":\"model-ferry-layout\",\"version\":1,\"engine\":\"e\",\"root\":\"/\"," \
	"\"name\":\"n\",\"repository\":\"r\",\"model\":\"m\",\"variant\":\"v\"," \
	"\"variant_version\":1,\"made\":\"2026-01-02T03:04:05Z\",\"complete\":true,\"files\":[{"
#define ZEROS "\"0000000000000000000000000000000000000000000000000000000000000000\""
#define FILE_OF(path, rest) HEAD "\"path\":\"" path "\",\"sha256\":" ZEROS ",\"size\":1," rest "}]}"
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ FILE_OF("/a", "\"how\":\"copy\",\"mark\":\"1 2 3\""), true },
		{ FILE_OF("/a", "\"how\":\"copy\""), false },
		{ FILE_OF("/a", "\"how\":\"symlink\",\"target\":\"/b\""), true },
		{ FILE_OF("a", "\"how\":\"copy\",\"mark\":\"1 2 3\""), false },
		{ FILE_OF("/a", "\"how\":\"symlink\""), false },
		{ FILE_OF("/a", "\"how\":\"symlink\",\"target\":\"/b\",\"mark\":\"1 2 3\""),
		  false },
		{ FILE_OF("/a", "\"how\":\"magic\""), false },
		{ FILE_OF("/a", "\"how\":\"copy\",\"mark\":\"1 2\""), false },
		{ "{\"format\":\"model-ferry-variant\"}", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(store_layout_release) struct store_layout l = { 0 };
		struct err e = ERR_INIT;
		int rc = store_links_parse(cases[i].text, strlen(cases[i].text), "record", &l, &e);
		assert_int_equal(rc, cases[i].good ? 0 : -ERR_INTEGRITY);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_layout_is_saved_and_found),
		TEST(a_blob_is_needed_while_a_link_leads_to_it),
		TEST(what_is_at_a_path_is_told_apart),
		TEST(while_a_record_is_damaged_every_blob_is_needed),
		TEST(a_record_must_describe_its_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
