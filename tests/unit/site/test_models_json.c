#include "site/models_json.h"

#include "built_site.h"
#include "unit.h"

#define MODEL \
	BUILT_MODEL("\"id\":\"m\",\"title\":\"M\",\"tags\":[\"chat\"],\"parameters\":7," \
		    "\"deprecated\":{\"reason\":\"Old.\"},\"variants\":[" \
		    "{\"id\":\"q4\",\"default\":true,\"quantization\":\"Q4\",\"version\":3," \
		    "\"ram\":{\"context\":4096,\"bytes\":9},\"files\":[" BUILT_FILE( \
			    "models/m/m-q4.gguf") "],\"superseded\":[{\"version\":2,\"files\":" \
						  "[" BUILT_FILE("models/m/m-q4-1.gguf") "]}]}]")

static json_t *document(struct built_site *b)
{
	struct err e = ERR_INIT;
	json_t *root = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct json_limits limits = { .max_bytes = MIB };
	assert_ok(models_json_write(&b->site, &text, &e), &e);
	assert_ok(json_parse(text.data, text.len, &limits, "models.json", &root, &e), &e);
	return root;
}

static void an_app_finds_what_it_lists_and_downloads(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, MODEL);
	CLEANUP(json_release) json_t *root = document(&b);
	assert_string_equal(json_text(root, "repository"), "lab");
	assert_int_equal(json_number(root, "release"), 7);
	json_t *model = json_array_get(json_object_get(root, "models"), 0);
	assert_string_equal(json_text(model, "title"), "M");
	assert_int_equal(json_number(model, "parameters"), 7);
	assert_string_equal(json_text(json_object_get(model, "deprecated"), "reason"), "Old.");
	json_t *variants = json_object_get(model, "variants");
	assert_int_equal(json_array_size(variants), 1);
	json_t *q4 = json_array_get(variants, 0);
	assert_int_equal(json_number(q4, "version"), 3);
	assert_true(json_flag(q4, "default"));
	assert_int_equal(json_number(json_object_get(q4, "ram"), "bytes"), 9);
	json_t *file = json_array_get(json_object_get(q4, "files"), 0);
	assert_string_equal(json_text(file, "name"), "m-q4.gguf");
	assert_string_equal(json_text(file, "key"),
			    "targets/models/m/00000000000000000000000000000000000000000000000000000"
			    "000000000ab.m-q4.gguf");
	assert_null(json_object_get(root, "url"));
}

static void only_mirrors_that_have_files_below_their_url_are_named(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	static struct catalog_mirror mirrors[] = {
		{ .id = "eu", .kind = "http", .url = "https://m.example.org/lab" },
		{ .id = "gh", .kind = "github", .url = "https://github.com/a/b" },
		{ .id = "meta",
		  .kind = "git",
		  .url = "https://g.example.org",
		  .holds = MIRROR_HOLDS_METADATA },
		{ .id = "disk", .kind = "file", .url = "file:///srv/lab" },
	};
	built_site_init(&b, "");
	struct catalog c = b.catalog;
	c.mirrors = mirrors;
	c.mirror_count = ARRAY_LEN(mirrors);
	b.site.catalog = &c;
	CLEANUP(json_release) json_t *root = document(&b);
	json_t *named = json_object_get(root, "mirrors");
	assert_int_equal(json_array_size(named), 1);
	assert_string_equal(json_text(json_array_get(named, 0), "id"), "eu");
}

static void a_document_that_is_too_large_is_refused(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	built_site_init(&b, MODEL);
	assert_int_equal(models_json_write(&b.site, &text, &e), -ERR_INTEGRITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_app_finds_what_it_lists_and_downloads),
		cmocka_unit_test(only_mirrors_that_have_files_below_their_url_are_named),
		cmocka_unit_test(a_document_that_is_too_large_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
