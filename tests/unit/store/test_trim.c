#include "store/trim.h"

#include "stocked.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <unistd.h>

#define DAY_S 86400

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

/* Adds the model with its own file and one that all have, as if it was used so long ago. */
static void add(struct stocked *s, const char *model, int64_t days)
{
	const char *const texts[] = { "common", model, NULL };
	s->now_s -= days * DAY_S;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, model, "v", texts);
	store_use(&s->store, &v);
	s->now_s += days * DAY_S;
}

static struct store_trim trim(struct stocked *s, uint64_t max_size, uint64_t days, bool dry_run)
{
	struct err e = ERR_INIT;
	struct store_trim out = { 0 };
	struct store_trim_options how = {
		.max_size = max_size,
		.unused_s = days == UINT64_MAX ? days : days * DAY_S,
		.dry_run = dry_run,
	};
	assert_ok(store_trim(&s->store, &how, &out, &e), &e);
	return out;
}

static uint64_t size_of(struct stocked *s)
{
	CLEANUP(store_trim_release) struct store_trim t = trim(s, UINT64_MAX, UINT64_MAX, true);
	assert_int_equal(t.count, 0);
	return t.size;
}

static const char *model_at(const struct store_trim *t, size_t i)
{
	return t->at[i].variant->model;
}

static void the_least_recently_used_goes_first(void **state)
{
	struct stocked *s = *state;
	add(s, "old", 10);
	add(s, "older", 20);
	add(s, "new", 1);
	uint64_t size = size_of(s);
	CLEANUP(store_trim_release) struct store_trim t = trim(s, size - 1, UINT64_MAX, false);
	assert_int_equal(t.count, 1);
	assert_string_equal(model_at(&t, 0), "older");
	assert_int_equal(t.at[0].keep, STORE_KEEP_NOT);
	assert_int_equal(t.at[0].bytes, t.bytes);
	assert_true(t.bytes > 0);
	assert_int_equal(t.size, size_of(s));
	assert_false(stocked_has(s, "older"));
	assert_true(stocked_has(s, "old") && stocked_has(s, "common"));
}

static void all_goes_if_it_must_and_the_common_file_with_the_last(void **state)
{
	struct stocked *s = *state;
	add(s, "a", 1);
	add(s, "b", 2);
	CLEANUP(store_trim_release) struct store_trim dry = trim(s, 0, UINT64_MAX, true);
	assert_true(stocked_has(s, "a") && stocked_has(s, "b"));
	CLEANUP(store_trim_release) struct store_trim t = trim(s, 0, UINT64_MAX, false);
	assert_int_equal(t.count, 2);
	assert_string_equal(model_at(&t, 0), "b");
	assert_true(t.at[1].bytes > t.at[0].bytes);
	assert_false(stocked_has(s, "common"));
	assert_int_equal(dry.count, t.count);
	assert_int_equal(dry.bytes, t.bytes);
	/* The folders that are empty now are gone, too. */
	assert_in_range(t.size, 0, dry.size);
	assert_int_equal(t.size, size_of(s));
}

static void what_was_not_used_for_the_time_goes(void **state)
{
	struct stocked *s = *state;
	add(s, "old", 10);
	add(s, "older", 20);
	add(s, "new", 1);
	CLEANUP(store_trim_release) struct store_trim t = trim(s, UINT64_MAX, 10, false);
	assert_int_equal(t.count, 2);
	assert_string_equal(model_at(&t, 0), "older");
	assert_string_equal(model_at(&t, 1), "old");
	assert_true(stocked_has(s, "new"));
}

static void what_would_have_been_removed_before_a_dry_run_counts_as_gone(void **state)
{
	struct stocked *s = *state;
	struct err e = ERR_INIT;
	add(s, "a", 1);
	uint64_t size = size_of(s);
	struct store_trim_options how = {
		.max_size = size - 100,
		.unused_s = UINT64_MAX,
		.freed = 100,
		.dry_run = true,
	};
	CLEANUP(store_trim_release) struct store_trim t = { 0 };
	assert_ok(store_trim(&s->store, &how, &t, &e), &e);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.size, size - 100);
}

static void expect(struct stocked *s, const char *model)
{
	struct err e = ERR_INIT;
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	assert_ok(store_list_model(&s->store, "r", model, &all, &e), &e);
	assert_ok(store_expect(&s->store, &all.at[0], &e), &e);
}

static void damage(struct stocked *s, const char *model)
{
	CLEANUP(mem_free_ptr) char *record = mem_printf("models/r/%s/v/.variant.json", model);
	stocked_put(s, record, "{");
}

static void link_out(struct stocked *s, const char *model)
{
	struct err e = ERR_INIT;
	CLEANUP(store_layout_release) struct store_layout l = {
		.engine = mem_strdup("directory"),
		.root = path_join(s->dir, "engine"),
		.name = mem_strdup(model),
		.repository = mem_strdup("r"),
		.model = mem_strdup(model),
		.variant = mem_strdup("v"),
		.version = 1,
		.made_s = s->now_s,
	};
	CLEANUP(mem_free_ptr) char *path = path_join(l.root, "model.gguf");
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, model);
	struct digest d;
	sha256_of(model, strlen(model), &d);
	store_layout_add(&l, mem_strdup(path), STORE_LINKS_SYMLINK, &d, strlen(model),
			 mem_strdup(blob));
	store_layout_identify(&l);
	assert_ok(file_mkdirs_for(path, FILE_DIR_MODE, &e), &e);
	assert_int_equal(symlink(blob, path), 0);
	assert_ok(store_links_save(&s->store, &l, &e), &e);
}

static void what_must_stay_stays_and_is_named(void **state)
{
	struct stocked *s = *state;
	static const char *const models[] = { "pinned", "linked", "waiting", "held", "damaged" };
	static const enum store_keep reasons[] = { STORE_KEEP_PINNED, STORE_KEEP_LINKED,
						   STORE_KEEP_WAITING, STORE_KEEP_IN_USE,
						   STORE_KEEP_DAMAGED };
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		add(s, models[i], 40 - (int64_t)i);
	add(s, "free", 1);
	stocked_put(s, "models/r/pinned/v/.pinned", "it cannot be read");
	link_out(s, "linked");
	expect(s, "waiting");
	damage(s, "damaged");
	struct store_file held = { .name = (char *)"held", .size = 4 };
	sha256_of("held", 4, &held.sha256);
	CLEANUP(store_use_release) struct store_use_hold h = { 0 };
	assert_ok(store_use_hold(&s->store, &held, 1, &h, &e), &e);
	CLEANUP(store_trim_release) struct store_trim t = trim(s, 0, UINT64_MAX, false);
	assert_int_equal(t.count, 6);
	for (size_t i = 0; i < ARRAY_LEN(models); i++) {
		assert_string_equal(model_at(&t, i), models[i]);
		assert_int_equal(t.at[i].keep, reasons[i]);
		assert_true(stocked_has(s, models[i]));
	}
	assert_string_equal(model_at(&t, 5), "free");
	assert_false(stocked_has(s, "free"));
	assert_true(t.size > 0);
}

static struct store_variant add_file(struct stocked *s, const char *model, const char *variant,
				     const char *text)
{
	const char *const texts[] = { text, NULL };
	return stocked_add(s, model, variant, texts);
}

static void of_two_with_a_linked_file_only_the_one_it_was_made_of_stays(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant a = add_file(s, "a", "v", "a");
	CLEANUP(store_variant_release) struct store_variant b = add_file(s, "b", "v", "a");
	link_out(s, "a");
	CLEANUP(store_trim_release) struct store_trim t = trim(s, 0, UINT64_MAX, false);
	assert_int_equal(t.count, 2);
	assert_string_equal(model_at(&t, 0), "a");
	assert_int_equal(t.at[0].keep, STORE_KEEP_LINKED);
	assert_int_equal(t.at[1].keep, STORE_KEEP_NOT);
	assert_true(stocked_has(s, "a"));
}

/* Its files are another version's now. */
static void a_linked_file_stays_when_its_variant_has_another_version(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant new = add_file(s, "a", "v", "new");
	CLEANUP(store_variant_release) struct store_variant old = add_file(s, "a", "v@1", "a");
	link_out(s, "a");
	CLEANUP(store_trim_release) struct store_trim t = trim(s, 0, UINT64_MAX, false);
	assert_int_equal(t.count, 2);
	assert_int_equal(t.at[0].keep, STORE_KEEP_NOT);
	assert_string_equal(t.at[1].variant->variant, "v@1");
	assert_int_equal(t.at[1].keep, STORE_KEEP_LINKED);
	assert_true(stocked_has(s, "a"));
	assert_false(stocked_has(s, "new"));
}

static void it_can_be_cancelled(void **state)
{
	struct stocked *s = *state;
	struct err e = ERR_INIT;
	struct cancel cancel = CANCEL_INIT;
	struct store_trim t = { 0 };
	struct store_trim_options how = { .unused_s = UINT64_MAX };
	add(s, "a", 1);
	cancel_ask(&cancel, 15);
	s->store.by_size = true;
	s->store.cancel = &cancel;
	assert_int_equal(store_trim(&s->store, &how, &t, &e), -ERR_CANCELLED);
	assert_true(stocked_has(s, "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(the_least_recently_used_goes_first),
		TEST(all_goes_if_it_must_and_the_common_file_with_the_last),
		TEST(what_was_not_used_for_the_time_goes),
		TEST(what_would_have_been_removed_before_a_dry_run_counts_as_gone),
		TEST(what_must_stay_stays_and_is_named),
		TEST(of_two_with_a_linked_file_only_the_one_it_was_made_of_stays),
		TEST(a_linked_file_stays_when_its_variant_has_another_version),
		TEST(it_can_be_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
