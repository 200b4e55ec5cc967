#include "site/assets.h"

#include "hash/sha256.h"
#include "unit.h"
#include "util/mem.h"

static void every_asset_is_embedded_with_its_bytes(void **state)
{
	(void)state;
	const char *const names[] = { "site.css", "site.js", "icon.svg" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct asset *a = assets_named(names[i]);
		assert_non_null(a);
		CLEANUP(mem_free_ptr) char *path = mem_printf("src/site/assets/%s", names[i]);
		struct digest want, got;
		uint64_t size = 0;
		assert_int_equal(sha256_of_file(path, NULL, &want, &size, NULL), 0);
		assert_int_equal(size, a->len);
		sha256_of(a->data, a->len, &got);
		assert_true(digest_equal(&want, &got));
	}
	assert_null(assets_named("site.txt"));
}

/* printf 'abc' | sha256sum */
static void a_file_is_named_by_its_content(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *path = assets_path("search.json", "abc", 3);
	assert_string_equal(path, "assets/search.ba7816bf8f01cfea.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_asset_is_embedded_with_its_bytes),
		cmocka_unit_test(a_file_is_named_by_its_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
