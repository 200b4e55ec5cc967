#include "site/facets.h"

#include "built_site.h"
#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#define FILES "\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE("models/m/m.gguf") "]}]"
#define MODEL(id, family) BUILT_MODEL("\"id\":\"" id "\",\"family\":\"" family "\"," FILES)

#define SIZED(id, members, size) \
	BUILT_MODEL("\"id\":\"" id "\",\"variants\":[{\"id\":\"q4\"," members \
		    "\"files\":[{\"path\":\"models/m/m.gguf\",\"size\":" size ",\"sha256\":" \
		    "\"00000000000000000000000000000000000000000000000000000000000000ab\"}]}]")

static const struct facet_value *family(const struct facets *f, const char *text)
{
	const struct facet_value *v = facets_find(&f->at[FACETS_FAMILY], text);
	assert_non_null(v);
	return v;
}

static void models_are_grouped_by_value(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(facets_release) struct facets f;
	built_site_init(&b, MODEL("a", "phi") "," MODEL("b", "gemma") "," MODEL("c", "phi"));
	facets_make(&b.catalog, &f);
	const struct facet *k = &f.at[FACETS_FAMILY];
	assert_int_equal(k->count, 2);
	assert_string_equal(k->values[0].text, "gemma");
	assert_string_equal(k->values[1].folder, "by/family/phi");
	assert_int_equal(k->values[1].count, 2);
	assert_string_equal(k->models[k->values[1].first + 1]->id, "c");
	assert_null(facets_find(k, "llama"));
}

/* clang-format off */
static const char names[] =
	MODEL("a", "Phi") "," MODEL("b", "phi") "," MODEL("c", "..") "," MODEL("d", "a/../../b") ","
	MODEL("e", "page_2") "," MODEL("f", "页") "," MODEL("g", "index.html") ","
	MODEL("h", "phi.") "," MODEL("i", ".phi") "," MODEL("j", "phi-0123456789abcdef");
/* clang-format on */

static void folders_of_values_never_collide_and_stay_in_theirs(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(facets_release) struct facets f;
	CLEANUP(str_list_release) struct str_list seen = { 0 };
	built_site_init(&b, names);
	facets_make(&b.catalog, &f);
	for (size_t i = 0; i < f.at[FACETS_FAMILY].count; i++) {
		const char *folder = f.at[FACETS_FAMILY].values[i].folder;
		assert_true(path_is_key(folder) && str_starts(folder, "by/family/"));
		assert_null(strchr(folder + strlen("by/family/"), '/'));
		assert_null(strchr(folder, '_'));
		assert_false(str_list_has(&seen, folder));
		str_list_add(&seen, folder);
	}
	assert_int_equal(seen.count, 10);
	/* What looks like a mark gets one of its own. */
	assert_string_not_equal(family(&f, "phi-0123456789abcdef")->folder,
				"by/family/phi-0123456789abcdef");
}

static void sizes_are_in_order_and_a_kind_is_known(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(facets_release) struct facets f;
	built_site_init(&b, SIZED("a", "", "17179869185") "," SIZED("b", "", "2") "," SIZED(
				    "c", "\"kind\":\"adapter\",", "2147483648"));
	facets_make(&b.catalog, &f);
	const struct facet *k = &f.at[FACETS_SIZE];
	assert_int_equal(k->count, 3);
	assert_int_equal(k->values[0].count, 1);
	assert_string_equal(k->values[0].folder, "by/size/up-to-1-gib");
	assert_string_equal(k->values[1].text, "1 to 2 GiB");
	assert_string_equal(k->values[2].text, "16 to 32 GiB");
	assert_string_equal(f.at[FACETS_KIND].values[0].text, "adapter");
	assert_int_equal(f.at[FACETS_KIND].values[1].count, 2);
}

static void what_all_models_share_is_no_choice(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, MODEL("a", "phi") "," MODEL("b", "phi") "," SIZED("c", "", "1"));
	built_site_make(&b);
	assert_null(built_site_find(&b, "by/kind/index.html"));
	built_site_lacks(&b, "index.html", "Kind");
	built_site_has(&b, "by/family/index.html", "phi");
}

static void lists_of_facets_have_pages(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init_many(&b, 202, ",\"family\":\"f%zu\",\"license\":{\"id\":\"MIT\"}");
	b.catalog.models[201].license = NULL;
	built_site_make(&b);
	built_site_has(&b, "by/license/mit/index.html", "href=\"../../../models/m0000.html\"");
	built_site_has(&b, "by/license/mit/page_5/index.html", "m0200");
	built_site_has(&b, "by/license/mit/page_5/index.html",
		       "href=\"../../../../by/license/mit/page_4/index.html\"");
	built_site_has(&b, "by/family/index.html", "href=\"../../by/family/f0/index.html\"");
	built_site_has(&b, "by/family/index.html", "by/family/page_2/index.html");
	built_site_has(&b, "by/family/page_2/index.html", "Page 2 of 2");
	built_site_has(&b, "by/family/f7/index.html", "models/m0007.html");
}

/* With texts as long as a card may have them, and the assets that the page loads. */
static void lists_are_light_whatever_the_number_of_models(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct buf members = BUF_INIT(16 * KIB);
	buf_adds(&members, ",\"family\":\"%zu");
	for (int i = 0; i < 50; i++)
		buf_addc(&members, '&');
	buf_adds(&members, "\",\"summary\":\"");
	for (int i = 0; i < 500; i++)
		buf_addc(&members, 'w');
	buf_adds(&members, "\",\"title\":\"");
	for (int i = 0; i < 200; i++)
		buf_addc(&members, 'w');
	buf_adds(&members, "\",\"license\":{\"id\":\"LicenseRef-");
	for (int i = 0; i < 300; i++)
		buf_addc(&members, 'x');
	buf_adds(&members, "\"}");
	built_site_init_many(&b, 300, buf_str(&members));
	buf_release(&members);
	built_site_make(&b);
	size_t assets = 0;
	for (size_t i = 0; i < b.paths.count; i++)
		if (str_starts(b.paths.at[i], "assets/site."))
			assets += strlen(b.files.at[i]);
	assert_true(assets > 0);
	for (size_t i = 0; i < b.paths.count; i++)
		if (str_ends(b.paths.at[i], ".html") && strlen(b.files.at[i]) + assets > 100 * 1000)
			fail_msg("%s: %zu bytes", b.paths.at[i], strlen(b.files.at[i]) + assets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_are_grouped_by_value),
		cmocka_unit_test(folders_of_values_never_collide_and_stay_in_theirs),
		cmocka_unit_test(sizes_are_in_order_and_a_kind_is_known),
		cmocka_unit_test(what_all_models_share_is_no_choice),
		cmocka_unit_test(lists_of_facets_have_pages),
		cmocka_unit_test(lists_are_light_whatever_the_number_of_models),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
