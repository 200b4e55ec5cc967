/* What is taken from the API's documents. */
#include "github/release.h"

#include "unit.h"

#include <string.h>

#define D "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static json_t *parse(const char *text)
{
	json_t *o = NULL;
	struct err e = ERR_INIT;
	assert_ok(json_lenient(text, strlen(text), MIB, "a test", &o, &e), &e);
	return o;
}

static void an_asset_has_name_size_state_and_digest(void **state)
{
	(void)state;
	CLEANUP(json_release)
	json_t *o = parse("{\"id\":1,\"name\":\"a.gguf\",\"label\":\"targets/a\",\"size\":12,"
			  "\"state\":\"uploaded\",\"digest\":\"sha256:" D "\","
			  "\"download_count\":7,\"created_at\":\"2026-01-02T03:04:05Z\",\"updated_"
			  "at\":null}");
	struct github_asset a;
	struct err e = ERR_INIT;
	struct digest d;
	assert_ok(github_asset_parse(o, &a, &e), &e);
	assert_int_equal(a.id, 1);
	assert_string_equal(a.name, "a.gguf");
	assert_string_equal(a.label, "targets/a");
	assert_int_equal(a.size, 12);
	assert_int_equal(a.downloads, 7);
	assert_true(a.uploaded && a.has_sha256 && digest_parse(&d, D));
	assert_true(digest_equal(&a.sha256, &d));
	assert_int_equal(a.created_s, 1767323045);
	github_asset_release(&a);
}

static void an_old_asset_has_no_digest_and_a_failed_one_is_not_uploaded(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"id\":1,\"name\":\"a\",\"label\":null,\"size\":0,\"state\":\"starter\","
		"\"digest\":null}",
		"{\"id\":1,\"name\":\"a\",\"label\":\"\",\"size\":0,\"digest\":\"md5:00\"}",
		"{\"id\":1,\"name\":\"a\",\"label\":5,\"size\":0,\"digest\":\"sha256:00\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(json_release) json_t *o = parse(texts[i]);
		struct github_asset a;
		struct err e = ERR_INIT;
		assert_ok(github_asset_parse(o, &a, &e), &e);
		assert_false(a.uploaded || a.has_sha256);
		assert_null(a.label);
		github_asset_release(&a);
	}
}

static void a_release_has_tag_state_and_upload_url(void **state)
{
	(void)state;
	CLEANUP(json_release)
	json_t *o = parse("{\"id\":7,\"tag_name\":\"models\",\"draft\":true,\"immutable\":true,"
			  "\"body\":\"notes\",\"upload_url\":\"https://u/assets{?name,label}\"}");
	CLEANUP(json_release)
	json_t *old = parse("{\"id\":7,\"tag_name\":\"m\",\"upload_url\":\"https://u\"}");
	struct github_release r;
	struct err e = ERR_INIT;
	assert_ok(github_release_parse(o, &r, &e), &e);
	assert_true(r.draft && r.immutable);
	assert_string_equal(r.upload_url, "https://u/assets");
	assert_string_equal(r.notes, "notes");
	github_release_release(&r);
	assert_ok(github_release_parse(old, &r, &e), &e);
	assert_false(r.draft || r.immutable);
	github_release_release(&r);
}

static void what_is_neither_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"[]",
		"{}",
		"{\"id\":-1,\"name\":\"a\",\"size\":1,\"tag_name\":\"a\",\"upload_url\":\"u\"}",
		"{\"id\":1,\"name\":\"\",\"size\":1,\"tag_name\":\"\",\"upload_url\":\"u\"}",
		"{\"id\":1,\"name\":5,\"size\":1,\"tag_name\":[],\"upload_url\":\"u\"}",
		"{\"id\":1,\"name\":\"a\",\"size\":\"1\",\"tag_name\":\"a\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(json_release) json_t *o = parse(texts[i]);
		struct github_asset a;
		struct github_release r;
		struct err e = ERR_INIT, f = ERR_INIT;
		assert_int_equal(github_asset_parse(o, &a, &e), -ERR_INTEGRITY);
		assert_int_equal(github_release_parse(o, &r, &f), -ERR_INTEGRITY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_asset_has_name_size_state_and_digest),
		cmocka_unit_test(an_old_asset_has_no_digest_and_a_failed_one_is_not_uploaded),
		cmocka_unit_test(a_release_has_tag_state_and_upload_url),
		cmocka_unit_test(what_is_neither_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
