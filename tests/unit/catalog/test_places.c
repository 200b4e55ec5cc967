#include "catalog/jsonl.h"
#include "catalog/places.h"
#include "util/mem.h"

#include "unit.h"

#define S "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define T "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY "targets/models/phi-2/" S ".phi-2-q4_0.gguf"
#define OTHER "targets/models/phi-2/" T ".phi-2-q8_0.gguf"
#define HEADER(count) "{\"format\":\"model-ferry-places\",\"version\":1,\"places\":" count "}\n"
#define AT_URL(key, url) "{\"key\":\"" key "\",\"url\":\"" url "\"}\n"
#define IN_RELEASE(key, n) "{\"key\":\"" key "\",\"release\":" n "}\n"

static void compress(const char *text, struct buf *out)
{
	struct buf plain = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	buf_adds(&plain, text);
	buf_init(out, 0);
	assert_ok(jsonl_pack(&plain, out, &e), &e);
	buf_release(&plain);
}

static void refused(const char *text, const char *message)
{
	struct places p = { 0 };
	struct err e = ERR_INIT;
	struct buf packed;
	compress(text, &packed);
	assert_int_equal(places_read(packed.data, packed.len, "places", &p, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, message))
		fail_msg("\"%s\" does not say \"%s\"", e.text, message);
	assert_null(p.at);
	buf_release(&packed);
}

static void read_text(const char *text, struct places *out)
{
	struct err e = ERR_INIT;
	struct buf packed;
	compress(text, &packed);
	assert_ok(places_read(packed.data, packed.len, "places", out, &e), &e);
	buf_release(&packed);
}

static void assert_url(const struct places *p, const char *key, const char *expected)
{
	char *url = places_url(p, key);
	assert_int_equal(places_has(p, key), expected != NULL);
	if (!expected)
		assert_null(url);
	else
		assert_string_equal(url, expected);
	free(url);
}

/* ---- lists ---- */

static void a_list_says_where_objects_are(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_text(HEADER("2") IN_RELEASE(KEY, "3") AT_URL(OTHER, "https://a.example/f?x=1"), &p);
	assert_int_equal(places_release_of(&p, KEY), 3);
	assert_int_equal(places_release_of(&p, OTHER), 1);
	assert_int_equal(places_release_of(&p, "targets/models/x/" S ".x"), 1);
	assert_url(&p, KEY, NULL);
	assert_url(&p, OTHER, "https://a.example/f?x=1");
	assert_string_equal(places_find(&p, OTHER)->key, OTHER);
	assert_null(places_find(&p, "targets/other"));
	places_release(&p);
	places_release(&p);
}

static void without_places_everything_is_in_the_first_release(void **state)
{
	(void)state;
	assert_int_equal(places_release_of(NULL, KEY), 1);
	assert_null(places_find(NULL, KEY));
	assert_url(NULL, KEY, NULL);
	places_free(NULL);
	places_free(NEW(struct places));
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	struct places p = { 0 }, again = { 0 };
	struct buf first = BUF_INIT(0), second = BUF_INIT(0);
	struct err e = ERR_INIT;
	places_add_url(&p, OTHER, "https://a.example/q8");
	places_add_release(&p, KEY, 2);
	places_sort(&p);
	assert_ok(places_pack(&p, &first, &e), &e);
	assert_ok(places_read(first.data, first.len, "places", &again, &e), &e);
	assert_int_equal(again.count, 2);
	assert_int_equal(places_release_of(&again, KEY), 2);
	assert_url(&again, OTHER, "https://a.example/q8");
	assert_ok(places_pack(&again, &second, &e), &e);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	places_release(&p);
	places_release(&again);
	buf_release(&first);
	buf_release(&second);
}

static void the_place_that_was_added_last_stays(void **state)
{
	(void)state;
	struct places p = { 0 };
	places_add_url(&p, OTHER, "https://a.example/1");
	for (int i = 0; i < 100; i++) {
		char url[40];
		snprintf(url, sizeof url, "https://a.example/%d", i);
		places_add_url(&p, KEY, url);
	}
	places_sort(&p);
	assert_int_equal(p.count, 2);
	assert_url(&p, KEY, "https://a.example/99");
	assert_url(&p, OTHER, "https://a.example/1");
	places_release(&p);
}

static void a_list_that_is_read_last_goes_before(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_text(HEADER("1") AT_URL(KEY, "https://a.example/old"), &p);
	read_text(HEADER("1") AT_URL(KEY, "https://a.example/new"), &p);
	assert_int_equal(p.count, 1);
	assert_url(&p, KEY, "https://a.example/new");
	places_release(&p);
}

static void unknown_members_mean_nothing(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_text(HEADER("1") "{\"key\":\"" KEY "\",\"release\":2,\"colour\":\"red\"}\n", &p);
	assert_int_equal(places_release_of(&p, KEY), 2);
	places_release(&p);
}

static void wrong_lines_are_refused(void **state)
{
	(void)state;
	refused("", "has 0 places, but its header says 0");
	refused(HEADER("2") IN_RELEASE(KEY, "2"), "has 1 places, but its header says 2");
	refused(HEADER("0") IN_RELEASE(KEY, "2"), "line 2: the header says");
	refused(HEADER("2") IN_RELEASE(OTHER, "2") IN_RELEASE(KEY, "2"), "line 3: 'targets");
	refused(HEADER("2") IN_RELEASE(KEY, "2") IN_RELEASE(KEY, "3"), "is not after");
	refused(HEADER("1") IN_RELEASE(KEY, "1"), "release: must be 2 to 1000000");
	refused(HEADER("1") IN_RELEASE(KEY, "1000001"), "release: must be 2 to 1000000");
	refused(HEADER("1") "{\"key\":\"" KEY "\"}\n", "release: must be 2");
	refused(HEADER("1") IN_RELEASE("targets/../x", "2"), "not the key of an object");
	refused(HEADER("1") "{\"release\":2}\n", "key");
	refused(HEADER("1") "[]\n", "expected an object");
	refused(HEADER("1048577"), "places: more than 1048576");
	refused("{\"format\":\"model-ferry-index\",\"version\":1,\"places\":0}\n",
		"is not that of places");
}

static void urls_that_cannot_be_published_are_refused(void **state)
{
	(void)state;
	refused(HEADER("1") AT_URL(KEY, "file:///etc/passwd"), "does not start with https://");
	refused(HEADER("1") AT_URL(KEY, "https://me:secret@a.example/"), "user name or password");
	refused(HEADER("1") AT_URL(KEY, "ftp://a.example/x"), "cannot be published");
}

static void metadata_cards_and_manifests_have_no_url(void **state)
{
	(void)state;
	static const char *const keys[] = {
		"metadata/timestamp.json",
		"targets/" S ".catalog.json",
		"targets/places/" S ".x.jsonl.zst",
		"targets/models/phi-2/" S ".phi-2.card.json",
		"targets/models/phi-2/" S ".phi-2-q4_0.gguf.manifest.json",
		"/etc/passwd",
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char *text = mem_printf(HEADER("1") AT_URL("%s", "https://a.example/f"), keys[i]);
		assert_non_null(places_key_fault(keys[i]));
		refused(text, "key: ");
		free(text);
	}
	assert_null(places_key_fault(KEY));
}

static void a_newer_version_says_what_to_do(void **state)
{
	(void)state;
	struct places p = { 0 };
	struct err e = ERR_INIT;
	struct buf packed;
	compress("{\"format\":\"model-ferry-places\",\"version\":2,\"places\":0}\n", &packed);
	assert_int_equal(places_read(packed.data, packed.len, "p", &p, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "p: line 1: version: version 2 is not supported, only 1");
	assert_string_equal(e.hint, "use a newer version of Model Ferry");
	buf_release(&packed);
}

static void long_lines_are_refused(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(MIB);
	buf_adds(&text, HEADER("1"));
	for (int i = 0; i < 20000; i++)
		buf_addc(&text, ' ');
	refused(buf_str(&text), "a line is longer than 16 KiB");
	buf_release(&text);
}

static void a_mirror_names_its_target(void **state)
{
	(void)state;
	char *target = places_target("hf-acme");
	assert_string_equal(target, "places/hf-acme.jsonl.zst");
	assert_true(places_is_target(target));
	assert_false(places_is_target("places/.jsonl.zst"));
	assert_false(places_is_target("places/A b.jsonl.zst"));
	assert_false(places_is_target("places/a/b.jsonl.zst"));
	assert_false(places_is_target("places/a.json"));
	assert_false(places_is_target("models/a.jsonl.zst"));
	free(target);
}

/* ---- templates ---- */

static void read_entry(const char *text, struct places *out)
{
	struct err e = ERR_INIT;
	json_t *entry;
	static const struct json_limits limits = { .max_bytes = 4 * KIB };
	assert_ok(json_parse(text, strlen(text), &limits, "entry", &entry, &e), &e);
	assert_ok(places_read_entry(entry, "mirrors[0]", out, &e), &e);
	json_decref(entry);
}

static void a_template_gives_the_url_of_each_file(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_entry("{\"template\":\"https://h.example/{model}/r/{name}?d={sha256}\"}", &p);
	assert_url(&p, KEY, "https://h.example/phi-2/r/phi-2-q4_0.gguf?d=" S);
	assert_url(&p, "targets/models/m/" S ".a b%.gguf",
		   "https://h.example/m/r/a%20b%25.gguf?d=" S);
	assert_url(&p, "targets/models/phi-2/" S ".phi-2.card.json", NULL);
	assert_url(&p, "targets/" S ".catalog.json", NULL);
	assert_url(&p, "metadata/1.root.json", NULL);
	assert_url(&p, "targets/models/m/abc.a.gguf", NULL);
	assert_url(&p, "targets/models/m/" S, NULL);
	assert_url(&p, "targets/models/m/x/" S ".a", NULL);
	places_release(&p);
}

static void a_template_can_be_for_some_models_only(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_entry("{\"template\":\"https://h.example/{name}\",\"models\":[\"phi\",\"phi-2\"]}",
		   &p);
	assert_url(&p, KEY, "https://h.example/phi-2-q4_0.gguf");
	assert_url(&p, "targets/models/phi-3/" S ".x.gguf", NULL);
	places_release(&p);
}

static void the_list_goes_before_the_template(void **state)
{
	(void)state;
	struct places p = { 0 };
	read_entry("{\"template\":\"https://h.example/{name}\"}", &p);
	read_text(HEADER("1") AT_URL(KEY, "https://a.example/other-name"), &p);
	assert_url(&p, KEY, "https://a.example/other-name");
	assert_url(&p, OTHER, "https://h.example/phi-2-q8_0.gguf");
	places_release(&p);
}

static void a_template_that_gives_no_usable_url_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *template, *fault;
	} cases[] = {
		{ "https://h.example/x", "lacks {name}" },
		{ "https://h.example/{name}/{path}", "no other braces" },
		{ "https://h.example/{name}}", "no other braces" },
		{ "https://{model}.example/{name}", "host is not fixed" },
		{ "{name}", "does not start with" },
		{ "ftp://h.example/{name}", "does not start with" },
		{ "https://u:p@h.example/{name}", "user name or password" },
		{ "https://h.example/{name}#x", "fragment" },
		{ "https://h.example/ {name}", "not allowed in a URL" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *fault = places_template_fault(cases[i].template);
		if (!fault || !strstr(fault, cases[i].fault))
			fail_msg("%s: %s", cases[i].template, fault ? fault : "no fault");
	}
	assert_null(places_template_fault("https://h.example/{model}/{name}?d={sha256}"));
}

static void a_wrong_entry_is_refused(void **state)
{
	(void)state;
	struct places p = { 0 };
	struct err e = ERR_INIT;
	json_t *entry = json_pack("{s:s}", "template", "https://h.example/x");
	assert_int_equal(places_read_entry(entry, "mirrors[0]", &p, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "mirrors[0].template: cannot be used: it lacks {name}"));
	json_decref(entry);
	err_clear(&e);
	entry = json_pack("{s:s, s:[s]}", "template", "https://h.example/{name}", "models", "A b");
	assert_int_equal(places_read_entry(entry, "mirrors[0]", &p, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "mirrors[0].models[0]"));
	json_decref(entry);
	places_release(&p);
}

static void an_url_of_a_template_has_a_limit(void **state)
{
	(void)state;
	struct buf template = BUF_INIT(4 * KIB);
	buf_adds(&template, "https://h.example/{name}?");
	while (template.len < 2040)
		buf_addc(&template, 'x');
	assert_null(places_template_fault(buf_str(&template)));
	assert_null(places_template_url(buf_str(&template), KEY));
	for (int i = 0; i < 20; i++)
		buf_addc(&template, 'x');
	assert_string_equal(places_template_fault(buf_str(&template)), "longer than 2048 bytes");
	buf_release(&template);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_says_where_objects_are),
		cmocka_unit_test(without_places_everything_is_in_the_first_release),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(the_place_that_was_added_last_stays),
		cmocka_unit_test(a_list_that_is_read_last_goes_before),
		cmocka_unit_test(unknown_members_mean_nothing),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(urls_that_cannot_be_published_are_refused),
		cmocka_unit_test(metadata_cards_and_manifests_have_no_url),
		cmocka_unit_test(a_newer_version_says_what_to_do),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(a_mirror_names_its_target),
		cmocka_unit_test(a_template_gives_the_url_of_each_file),
		cmocka_unit_test(a_template_can_be_for_some_models_only),
		cmocka_unit_test(the_list_goes_before_the_template),
		cmocka_unit_test(a_template_that_gives_no_usable_url_is_refused),
		cmocka_unit_test(a_wrong_entry_is_refused),
		cmocka_unit_test(an_url_of_a_template_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
