#include "site/search.h"

#include "built_site.h"
#include "json/json.h"
#include "unit.h"

#define CARD \
	BUILT_MODEL("\"id\":\"phi-2\",\"title\":\"Phi 2\",\"summary\":\"A small model.\"," \
		    "\"family\":\"phi\",\"license\":{\"id\":\"MIT\"},\"tags\":[\"chat\"]," \
		    "\"deprecated\":{},\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE( \
			    "models/phi-2/a.gguf") "]}]")

static void search_data_have_what_people_look_for(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	built_site_init(&b, CARD);
	assert_true(search_data(&b.catalog, &out));
	assert_string_equal(buf_str(&out),
			    "{\"format\":\"model-ferry-search\",\"version\":1,\"models\":["
			    "{\"id\":\"phi-2\",\"title\":\"Phi 2\",\"summary\":\"A small model.\","
			    "\"family\":\"phi\",\"license\":\"MIT\",\"kind\":\"model\","
			    "\"state\":\"deprecated\",\"tags\":[\"chat\"],\"sizes\":[2147483648]}"
			    "]}");
}

static void texts_are_cut_between_characters(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB), members = BUF_INIT(MIB);
	buf_adds(&members, ",\"summary\":\"x");
	for (int i = 0; i < 200; i++)
		buf_adds(&members, "é");
	buf_adds(&members, "\"");
	built_site_init_many(&b, 1, buf_str(&members));
	assert_true(search_data(&b.catalog, &out));
	assert_true(utf8_valid(out.data, out.len));
	assert_non_null(strstr(buf_str(&out), "é…\""));
	assert_true(out.len < 400);
}

static void a_catalog_that_is_too_large_is_searched_by_less_or_not_at_all(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf less = BUF_INIT(200), none = BUF_INIT(100);
	built_site_init(&b, CARD);
	assert_true(search_data(&b.catalog, &less));
	assert_null(strstr(buf_str(&less), "small"));
	assert_non_null(strstr(buf_str(&less), "Phi 2"));
	assert_false(search_data(&b.catalog, &none));
	assert_int_equal(none.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_data_have_what_people_look_for),
		cmocka_unit_test(texts_are_cut_between_characters),
		cmocka_unit_test(a_catalog_that_is_too_large_is_searched_by_less_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
