#include "repository/allocate.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

#define MAX_OBJECTS 4000

/* The objects of a case: model and number, so that their keys are sorted. */
static struct allocate_object objects[MAX_OBJECTS];
static char keys[MAX_OBJECTS][64];
static size_t count;

static void none(void)
{
	count = 0;
}

static const char *add(const char *model, unsigned number, uint64_t size, bool old)
{
	snprintf(keys[count], sizeof keys[count], "targets/models/%s/%06u.x", model, number);
	objects[count] = (struct allocate_object){ keys[count], size, old };
	return keys[count++];
}

static void add_many(const char *model, unsigned first, unsigned n, bool old)
{
	for (unsigned i = 0; i < n; i++)
		add(model, first + i, 1, old);
}

static char *tag_of(void *ctx, const char *key, uint64_t release)
{
	const char *model = key + strlen("targets/models/");
	int len = (int)strcspn(model, "/");
	(void)ctx;
	return release == 1 ? mem_printf("t-%.*s", len, model)
			    : mem_printf("t-%.*s+%llu", len, model, (unsigned long long)release);
}

static struct allocate_rule rule = {
	.part_size = 100,
	.max_assets = 1000,
	.tag = tag_of,
};

static uint64_t release_of(const struct places *p, const char *model, unsigned number)
{
	char key[64];
	snprintf(key, sizeof key, "targets/models/%s/%06u.x", model, number);
	return places_release_of(p, key);
}

/* ---- the cases ---- */

static void a_release_is_filled_before_the_next_one_begins(void **state)
{
	(void)state;
	struct places out = { 0 };
	none();
	add_many("a", 0, 2001, false);
	add_many("b", 0, 1000, false);
	allocate(&rule, objects, count - 1, &out); /* b has 999 */
	assert_int_equal(out.count, 1001);
	assert_int_equal(release_of(&out, "a", 999), 1);
	assert_int_equal(release_of(&out, "a", 1000), 2);
	assert_int_equal(release_of(&out, "a", 1999), 2);
	assert_int_equal(release_of(&out, "a", 2000), 3);
	assert_int_equal(release_of(&out, "b", 998), 1);
	places_release(&out);
}

static void each_part_of_a_large_object_counts(void **state)
{
	(void)state;
	struct places out = { 0 };
	none();
	add("a", 1, 99800, false); /* 998 parts */
	add("a", 2, 101, false);   /* 2 */
	add("a", 3, 100, false);   /* 1 */
	add("a", 4, 200000, false);
	add("a", 5, 1, false);
	allocate(&rule, objects, count, &out);
	assert_int_equal(release_of(&out, "a", 2), 1);
	assert_int_equal(release_of(&out, "a", 3), 2);
	assert_int_equal(release_of(&out, "a", 4), 3); /* alone, although it does not fit */
	assert_int_equal(release_of(&out, "a", 5), 4);
	places_release(&out);
}

static void nothing_that_was_signed_moves(void **state)
{
	(void)state;
	struct places before = { 0 }, out = { 0 };
	struct allocate_rule r = rule;
	none();
	add("a", 1, 1, true);
	add("a", 3, 1, true);
	add("a", 5, 1, true);
	places_add_release(&before, keys[1], 4);
	places_sort(&before);
	/* New objects before, between and after them. */
	none();
	add("a", 0, 1, false);
	add("a", 1, 1, true);
	add("a", 2, 1, false);
	add("a", 3, 1, true);
	add("a", 5, 1, true);
	add("a", 6, 1, false);
	r.before = &before;
	allocate(&r, objects, count, &out);
	assert_int_equal(release_of(&out, "a", 1), 1);
	assert_int_equal(release_of(&out, "a", 3), 4);
	assert_int_equal(release_of(&out, "a", 5), 1);
	assert_int_equal(release_of(&out, "a", 0), 4);
	assert_int_equal(release_of(&out, "a", 2), 4);
	assert_int_equal(release_of(&out, "a", 6), 4);
	places_release(&out);
	places_release(&before);
}

static void the_same_again_gives_the_same(void **state)
{
	(void)state;
	struct places first = { 0 }, second = { 0 };
	struct allocate_rule r = rule;
	none();
	add_many("a", 0, 2500, false);
	allocate(&r, objects, count, &first);
	for (size_t i = 0; i < count; i++)
		objects[i].old = true;
	r.before = &first;
	for (int immutable = 0; immutable < 2; immutable++) {
		r.immutable = immutable;
		allocate(&r, objects, count, &second);
		assert_int_equal(second.count, first.count);
		for (size_t i = 0; i < first.count; i++) {
			assert_string_equal(second.at[i].key, first.at[i].key);
			assert_int_equal(second.at[i].release, first.at[i].release);
		}
		places_release(&second);
	}
	places_release(&first);
}

static void an_immutable_release_takes_nothing_more(void **state)
{
	(void)state;
	struct places first = { 0 }, second = { 0 };
	struct allocate_rule r = rule;
	r.immutable = true;
	none();
	add_many("a", 0, 3, false);
	add_many("b", 0, 1, true);
	allocate(&r, objects, count, &first);
	assert_int_equal(first.count, 0);
	none();
	add_many("a", 0, 3, true);
	add_many("a", 3, 2, false);
	add_many("b", 0, 1, true);
	r.before = &first;
	allocate(&r, objects, count, &second);
	assert_int_equal(second.count, 2);
	assert_int_equal(release_of(&second, "a", 3), 2);
	assert_int_equal(release_of(&second, "a", 4), 2);
	places_release(&first);
	/* The next signature opens one more. */
	none();
	add_many("a", 0, 5, true);
	add_many("a", 5, 1, false);
	r.before = &second;
	allocate(&r, objects, count, &first);
	assert_int_equal(release_of(&first, "a", 4), 2);
	assert_int_equal(release_of(&first, "a", 5), 3);
	places_release(&first);
	places_release(&second);
}

static void a_closed_release_is_passed_over(void **state)
{
	(void)state;
	struct closed closed = { 0 };
	struct places out = { 0 };
	struct allocate_rule r = rule;
	str_list_add(&closed.tags, "t-a");
	str_list_add(&closed.tags, "t-a+2");
	r.closed = &closed;
	none();
	add("a", 1, 1, true);
	add("a", 2, 1, false);
	add("b", 1, 1, false);
	allocate(&r, objects, count, &out);
	assert_int_equal(release_of(&out, "a", 1), 1);
	assert_int_equal(release_of(&out, "a", 2), 3);
	assert_int_equal(release_of(&out, "b", 1), 1);
	places_release(&out);
	/* Also for a model of which nothing was signed. */
	none();
	add("a", 2, 1, false);
	allocate(&r, objects, count, &out);
	assert_int_equal(release_of(&out, "a", 2), 3);
	places_release(&out);
	closed_release(&closed);
}

static void what_a_closed_release_refused_moves_on_once(void **state)
{
	(void)state;
	struct closed closed = { 0 };
	struct places first = { 0 }, second = { 0 };
	struct allocate_rule r = rule;
	none();
	add("a", 1, 1, true);
	const char *refused = add("a", 2, 1, true);
	str_list_add(&closed.tags, "t-a");
	places_add_release(&closed.missing, refused, 1);
	places_sort(&closed.missing);
	r.closed = &closed;
	allocate(&r, objects, count, &first);
	assert_int_equal(release_of(&first, "a", 1), 1);
	assert_int_equal(release_of(&first, "a", 2), 2);
	/* When the second one is full later, what is in it stays. */
	str_list_add(&closed.tags, "t-a+2");
	r.before = &first;
	allocate(&r, objects, count, &second);
	assert_int_equal(release_of(&second, "a", 2), 2);
	places_release(&first);
	places_release(&second);
	closed_release(&closed);
}

static void new_versions_go_on_where_there_is_room(void **state)
{
	(void)state;
	struct places before = { 0 }, out = { 0 };
	struct allocate_rule r = rule;
	none();
	add_many("a", 0, 999, true);
	add_many("a", 1000, 2, false);
	r.before = &before;
	allocate(&r, objects, count, &out);
	assert_int_equal(out.count, 1);
	assert_int_equal(release_of(&out, "a", 1001), 2);
	places_release(&out);
}

static void documents_stay_in_the_first_release(void **state)
{
	(void)state;
	struct places out = { 0 };
	struct allocate_rule r = rule;
	r.max_assets = 1;
	struct allocate_object documents[] = {
		{ "targets/aa.catalog.json", 1, false },
		{ "targets/bb.repository.json", 1, false },
		{ "targets/places/cc.gh.jsonl.zst", 1, false },
	};
	allocate(&r, documents, ARRAY_LEN(documents), &out);
	assert_int_equal(out.count, 0);
	allocate(&r, documents, 0, &out);
	places_release(&out);
}

/* ---- the record ---- */

static void a_push_notes_what_it_found_closed(void **state)
{
	(void)state;
	char *dir = scratch_new();
	struct err e = ERR_INIT;
	struct closed c = { 0 };
	struct str_list tags = { 0 }, missing = { 0 };
	struct places places = { 0 };
	assert_ok(closed_read(dir, "gh", &c, &e), &e);
	assert_int_equal(c.tags.count, 0);
	str_list_add(&tags, "t-a");
	str_list_add(&missing, "targets/models/a/x");
	str_list_add(&missing, "targets/models/a/y z");
	places_add_release(&places, "targets/models/a/y z", 7);
	places_sort(&places);
	assert_ok(closed_note(dir, "gh", &tags, &missing, &places, &e), &e);
	str_list_add(&tags, "t-b");
	assert_ok(closed_note(dir, "gh", &tags, &(struct str_list){ 0 }, NULL, &e), &e);
	assert_ok(closed_read(dir, "gh", &c, &e), &e);
	assert_int_equal(c.tags.count, 2);
	assert_true(closed_has(&c, "t-a") && closed_has(&c, "t-b"));
	assert_true(closed_lacks(&c, "targets/models/a/x", 1));
	assert_true(closed_lacks(&c, "targets/models/a/y z", 7));
	assert_false(closed_lacks(&c, "targets/models/a/y z", 1));
	closed_release(&c);
	assert_ok(closed_read(dir, "other", &c, &e), &e);
	assert_false(closed_has(&c, "t-a"));
	places_release(&places);
	str_list_release(&tags);
	str_list_release(&missing);
	scratch_free(dir);
}

static void a_damaged_record_says_what_to_do(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"tag x",  "tags x\n",           "missing 0 a\n", "missing a\n", "missing 2 ../a\n",
		"tag \n", "missing 9999999 a\n"
	};
	char *dir = scratch_new();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		struct closed c = { 0 };
		scratch_write(dir, ".ferry/closed/gh", texts[i], strlen(texts[i]));
		assert_int_equal(closed_read(dir, "gh", &c, &e), -ERR_INTEGRITY);
		assert_non_null(strstr(e.text, "closed/gh is damaged"));
		assert_non_null(strstr(e.hint, "remove it"));
	}
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_release_is_filled_before_the_next_one_begins),
		cmocka_unit_test(each_part_of_a_large_object_counts),
		cmocka_unit_test(nothing_that_was_signed_moves),
		cmocka_unit_test(the_same_again_gives_the_same),
		cmocka_unit_test(an_immutable_release_takes_nothing_more),
		cmocka_unit_test(a_closed_release_is_passed_over),
		cmocka_unit_test(what_a_closed_release_refused_moves_on_once),
		cmocka_unit_test(new_versions_go_on_where_there_is_room),
		cmocka_unit_test(documents_stay_in_the_first_release),
		cmocka_unit_test(a_push_notes_what_it_found_closed),
		cmocka_unit_test(a_damaged_record_says_what_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
