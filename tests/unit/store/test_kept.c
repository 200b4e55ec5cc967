/* Versions that were replaced, and pins. */
#include "store/kept.h"
#include "store/pinned.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

struct fixture {
	char *dir;
	struct store store;
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	CLEANUP(mem_free_ptr) char *home = path_join(f->dir, "home");
	assert_ok(store_open(home, &f->store, &e), &e);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

/* "r/m:VARIANT" in this version; a file for each text, which becomes a blob. */
static struct store_variant make(struct fixture *f, const char *variant, uint64_t version,
				 const char *const *texts)
{
	struct err e = ERR_INIT;
	struct store_variant v = {
		.repository = mem_strdup("r"),
		.model = mem_strdup("m"),
		.variant = mem_strdup(variant),
		.version = version,
		.fetched_s = 1700000000,
		.files = mem_alloc(4 * sizeof *v.files),
	};
	for (size_t i = 0; texts[i]; i++) {
		struct store_file *file = &v.files[v.file_count++];
		file->name = mem_printf("%zu.gguf", i);
		file->size = strlen(texts[i]);
		sha256_of(texts[i], strlen(texts[i]), &file->sha256);
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &file->sha256);
		assert_ok(file_write_atomic(blob, texts[i], file->size, 0444, &e), &e);
	}
	return v;
}

/* The version that is kept; 0: none. */
static uint64_t link_version(struct fixture *f, const char *variant, uint64_t version,
			     const char *const *texts)
{
	struct err why = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v = make(f, variant, version, texts);
	struct store_linking l = { &v, &why, 0 };
	store_link_all(&f->store, &l, 1);
	assert_ok(-(int)why.class, &why);
	return l.kept;
}

#define ONE(text) ((const char *[]){ text, NULL })
#define TWO(a, b) ((const char *[]){ a, b, NULL })

/* "v v@1", with the versions' numbers: "v=2 v@1=1". */
static void assert_stored(struct fixture *f, const char *expected)
{
	struct err e = ERR_INIT;
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	assert_ok(store_list(&f->store, &all, &e), &e);
	for (size_t i = 0; i < all.count; i++) {
		assert_true(all.at[i].complete);
		assert_true(store_is_linked(&f->store, &all.at[i]));
		buf_addf(&text, "%s%s=%llu", i ? " " : "", all.at[i].variant,
			 (unsigned long long)all.at[i].version);
	}
	assert_string_equal(buf_str(&text), expected);
}

static void pin(struct fixture *f, const char *variant, uint64_t version, const char *const *texts)
{
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v = make(f, variant, version, texts);
	assert_ok(store_pin(&f->store, &v, &e), &e);
}

static void unpin(struct fixture *f)
{
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v = make(f, "v", 1, ONE("one"));
	assert_ok(store_unpin(&f->store, &v, &e), &e);
}

static uint64_t pinned_at(struct fixture *f)
{
	uint64_t version;
	return store_pin_of(&f->store, "r", "m", "v", &version) ? version : 0;
}

static void a_version_that_is_replaced_is_kept_under_its_number(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(link_version(f, "v", 1, ONE("one")), 0);
	assert_int_equal(link_version(f, "v", 2, ONE("two")), 1);
	assert_int_equal(link_version(f, "v", 3, ONE("three")), 2);
	assert_stored(f, "v=3 v@1=1 v@2=2");
}

static void the_same_version_linked_again_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	link_version(f, "v", 1, ONE("one"));
	assert_int_equal(link_version(f, "v", 1, ONE("one")), 0);
	assert_int_equal(link_version(f, "v@1", 1, ONE("one")), 0);
	assert_stored(f, "v=1 v@1=1");
}

static void a_version_of_which_a_file_is_gone_is_not_kept(void **state)
{
	struct fixture *f = *state;
	struct digest d;
	link_version(f, "v", 1, TWO("one", "more"));
	sha256_of("more", 4, &d);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(link_version(f, "v", 2, ONE("two")), 0);
	assert_stored(f, "v=2");
}

static void what_cannot_be_kept_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct err why = ERR_INIT;
	link_version(f, "v", 1, ONE("one"));
	CLEANUP(mem_free_ptr) char *in_the_way = path_join(f->store.home, "models/r/m/v@1");
	assert_ok(file_write_atomic(in_the_way, "x", 1, 0644, &why), &why);
	CLEANUP(store_variant_release) struct store_variant v = make(f, "v", 2, ONE("two"));
	assert_true(store_link(&f->store, &v, &why) < 0);
	assert_stored(f, "v=1");
}

static void what_a_kept_version_takes_is_what_no_other_has(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t bytes;
	link_version(f, "v", 1, TWO("shared", "one"));
	link_version(f, "v", 2, TWO("shared", "two"));
	CLEANUP(store_variant_release) struct store_variant kept = { 0 }, v = { 0 };
	v = make(f, "v", 2, ONE("two"));
	assert_ok(kept_load(&f->store, &v, 1, &kept, &e), &e);
	assert_true(kept.complete);
	assert_ok(kept_bytes(&f->store, &kept, &bytes, &e), &e);
	assert_int_equal(bytes, strlen("one"));
}

static void replaced_versions_are_removed_but_for_the_newest(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct kept_removed gone = { 0 };
	link_version(f, "v", 9, ONE("nine"));
	link_version(f, "v", 10, ONE("ten"));
	link_version(f, "v", 11, ONE("eleven"));
	link_version(f, "v2", 1, ONE("other"));
	link_version(f, "v2", 2, ONE("others"));
	CLEANUP(store_variant_release) struct store_variant v = make(f, "v", 11, ONE("eleven"));
	assert_ok(kept_remove(&f->store, &v, KEPT_ALL, &gone, &e), &e);
	assert_int_equal(gone.versions, 0);
	assert_ok(kept_remove(&f->store, &v, 1, &gone, &e), &e);
	assert_int_equal(gone.versions, 1);
	assert_int_equal(gone.bytes, strlen("nine"));
	assert_stored(f, "v=11 v2=2 v2@1=1 v@10=10");
}

static void a_version_that_was_fetched_by_its_number_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct kept_removed gone = { 0 };
	link_version(f, "v@1", 1, ONE("one"));
	link_version(f, "v", 1, ONE("one"));
	assert_int_equal(link_version(f, "v", 2, ONE("two")), 1);
	CLEANUP(store_variant_release) struct store_variant v = make(f, "v", 2, ONE("two"));
	assert_ok(kept_remove(&f->store, &v, 0, &gone, &e), &e);
	assert_int_equal(gone.versions, 0);
	assert_stored(f, "v=2 v@1=1");
}

/* ---- pins ---- */

static void a_pinned_variant_is_neither_replaced_nor_removed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t freed = 0;
	link_version(f, "v", 1, ONE("one"));
	pin(f, "v", 1, ONE("one"));
	assert_int_equal(pinned_at(f), 1);
	CLEANUP(store_variant_release) struct store_variant next = make(f, "v", 2, ONE("two"));
	assert_true(store_is_pinned(&f->store, &next));
	assert_int_equal(store_link(&f->store, &next, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "r/m:v is pinned at version 1"));
	err_clear(&e);
	assert_int_equal(store_remove(&f->store, "r", "m", "v", &freed, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.hint, "ferry unpin r/m:v"));
	err_clear(&e);
	link_version(f, "v@2", 2, ONE("two"));
	assert_stored(f, "v=1 v@2=2");
	unpin(f);
	assert_int_equal(pinned_at(f), 0);
	assert_int_equal(link_version(f, "v", 2, ONE("two")), 1);
	assert_ok(store_remove(&f->store, "r", "m", "v", &freed, &e), &e);
}

static void a_pin_on_an_earlier_version_gives_it_the_plain_name(void **state)
{
	struct fixture *f = *state;
	link_version(f, "v", 1, ONE("one"));
	link_version(f, "v", 2, ONE("two"));
	pin(f, "v@1", 1, ONE("one"));
	assert_stored(f, "v=1 v@1=1 v@2=2");
	assert_int_equal(pinned_at(f), 1);
	pin(f, "v@2", 2, ONE("two"));
	assert_stored(f, "v=2 v@1=1 v@2=2");
	assert_int_equal(pinned_at(f), 2);
}

static void a_damaged_pin_pins_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t version = 7;
	link_version(f, "v", 1, ONE("one"));
	CLEANUP(mem_free_ptr) char *path = path_join(f->store.home, "models/r/m/v/.pinned");
	assert_ok(file_write_atomic(path, "{", 1, 0644, &e), &e);
	assert_true(store_pin_of(&f->store, "r", "m", "v", &version));
	assert_int_equal(version, 0);
	CLEANUP(store_variant_release) struct store_variant next = make(f, "v", 2, ONE("two"));
	assert_int_equal(store_link(&f->store, &next, &e), -ERR_CONFLICT);
	link_version(f, "v", 1, ONE("one"));
	unpin(f);
	assert_int_equal(link_version(f, "v", 2, ONE("two")), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_version_that_is_replaced_is_kept_under_its_number),
		TEST(the_same_version_linked_again_keeps_nothing),
		TEST(a_version_of_which_a_file_is_gone_is_not_kept),
		TEST(what_cannot_be_kept_is_not_replaced),
		TEST(what_a_kept_version_takes_is_what_no_other_has),
		TEST(replaced_versions_are_removed_but_for_the_newest),
		TEST(a_version_that_was_fetched_by_its_number_is_not_removed),
		TEST(a_pinned_variant_is_neither_replaced_nor_removed),
		TEST(a_pin_on_an_earlier_version_gives_it_the_plain_name),
		TEST(a_damaged_pin_pins_what_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
