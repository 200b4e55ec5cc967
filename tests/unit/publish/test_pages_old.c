#include "publish/pages_old.h"

#include "unit.h"

#include <string.h>

#define INDEX_S 900

static int64_t since(const struct pages_left *all, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].key, key) == 0)
			return all[i].since_s;
	fail();
	return 0;
}

static struct pages_left left(const char *key, int64_t modified_s, bool current)
{
	return (struct pages_left){ .key = (char *)(uintptr_t)key,
				    .modified_s = modified_s,
				    .current = current };
}

static void an_asset_is_of_use_until_the_next_one_was_sent(void **state)
{
	struct pages_left all[] = {
		left("site/assets/site.cc.css", 500, true),
		left("site/assets/site.aa.css", 100, false),
		left("site/assets/site.bb.css", 300, false),
		left("site/assets/site.ab.js", 50, true),
		left("site/assets/site.dd.css", 300, false),
		left("site/assets/search.bb.json", 200, false),
		left("site/assets/search.aa.json", 200, true),
	};
	(void)state;
	pages_old_find(all, ARRAY_LEN(all), INDEX_S);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/site.aa.css"), 300);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/site.bb.css"), 500);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/site.dd.css"), 500);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/search.bb.json"), 200);
}

/* The site went back to an asset that was there; or it has none of the kind any more. */
static void an_asset_that_none_replaced_is_of_use_until_the_first_page_was_sent(void **state)
{
	struct pages_left all[] = {
		left("site/assets/site.aa.css", 100, true),
		left("site/assets/site.bb.css", 300, false),
		left("site/assets/other.js", 20, false),
		left("site/assets/new.bb.css", 950, false),
	};
	(void)state;
	pages_old_find(all, ARRAY_LEN(all), INDEX_S);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/site.bb.css"), INDEX_S);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/other.js"), INDEX_S);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/assets/new.bb.css"), 950);
}

static void a_page_that_is_gone_is_of_no_use(void **state)
{
	struct pages_left all[] = {
		left("site/models/a.b.html", 100, false),
		left("site/models/a.c.html", 300, true),
	};
	(void)state;
	pages_old_find(all, ARRAY_LEN(all), INDEX_S);
	assert_int_equal(since(all, ARRAY_LEN(all), "site/models/a.b.html"), 100);
	pages_old_find(all, 0, INDEX_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_asset_is_of_use_until_the_next_one_was_sent),
		cmocka_unit_test(
			an_asset_that_none_replaced_is_of_use_until_the_first_page_was_sent),
		cmocka_unit_test(a_page_that_is_gone_is_of_no_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
