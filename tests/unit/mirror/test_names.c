#include "catalog/jsonl.h"
#include "mirror/kinds.h"

#include "canned.h"
#include "unit.h"
#include "util/mem.h"

#define S "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY "targets/models/phi-2/" S ".phi-2-q4_0.gguf"
#define CARD "targets/models/phi-2/" S ".phi-2.card.json"

/* A mirror by its entry, with the template BASE/files/{name}; base NULL: without one. */
static struct mirror *open_entry(const char *base)
{
	struct err e = ERR_INIT;
	struct mirror *m = NULL;
	CLEANUP(mem_free_ptr) char *template = base ? mem_printf("%s/files/{name}", base) : NULL;
	json_t *json = json_object();
	json_put_string(json, "template", template);
	struct catalog_mirror entry = {
		.id = "hub",
		.kind = "names",
		.url = "https://h.example",
		.holds = MIRROR_HOLDS_OBJECTS,
		.json = json,
	};
	assert_true(mirror_reads_entry(mirror_kinds_client, &entry, MIRROR_HOLDS_OBJECTS));
	assert_false(mirror_reads_entry(mirror_kinds_client, &entry, MIRROR_HOLDS_METADATA));
	assert_ok(mirror_open_entry(mirror_kinds_client, NULL, &entry, &m, &e), &e);
	json_decref(json);
	return m;
}

static void list_one(struct mirror *m, const char *key, const char *url)
{
	struct err e = ERR_INIT;
	struct places p = { 0 };
	struct buf packed = BUF_INIT(0);
	places_add_url(&p, key, url);
	places_sort(&p);
	assert_ok(places_pack(&p, &packed, &e), &e);
	assert_ok(mirror_read_places(m, packed.data, packed.len, "places", &e), &e);
	places_release(&p);
	buf_release(&packed);
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void the_template_and_the_list_say_where_files_are(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.want = "HEAD /files/phi-2-q4_0.gguf ",
			.reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		},
		{
			.want = "GET /elsewhere/x%20y?a=1 ",
			.reply = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		},
	};
	struct err e = ERR_INIT;
	struct canned_server *s = canned_start(script, 2);
	struct mirror *m = open_entry(canned_url(s));
	struct mirror_stat st;
	struct buf got = BUF_INIT(KIB);
	assert_ok(mirror_stat_key(m, KEY, &st, &e), &e);
	assert_int_equal(st.size, 9);
	assert_false(st.has_sha256);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/elsewhere/x%%20y?a=1", canned_url(s));
	list_one(m, KEY, url);
	struct mirror_range r = { .key = KEY, .length = UINT64_MAX };
	struct mirror_sink sink = { .write = take, .ctx = &got };
	assert_ok(mirror_get(m, &r, &sink, &e), &e);
	assert_string_equal(buf_str(&got), "abc");
	buf_release(&got);
	mirror_close(m);
	canned_stop(s);
}

static void metadata_cards_and_unknown_files_are_never_asked_for(void **state)
{
	(void)state;
	struct mirror *m = open_entry("http://127.0.0.1:1");
	static const char *const keys[] = { "metadata/timestamp.json", CARD, "catalog.json",
					    "targets/" S ".repository.json" };
	assert_true(mirror_has(m, KEY));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct err e = ERR_INIT;
		assert_false(mirror_has(m, keys[i]));
		assert_int_equal(mirror_stat_key(m, keys[i], NULL, &e), -ERR_NOT_FOUND);
	}
	mirror_close(m);
	m = open_entry(NULL);
	struct err e = ERR_INIT;
	assert_false(mirror_has(m, KEY));
	assert_int_equal(mirror_stat_key(m, KEY, NULL, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "the publisher names no place for it there"));
	mirror_close(m);
}

static void stat_of(const char *headers, int rc, struct mirror_stat *out)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *reply =
		mem_printf("HTTP/1.1 302 Found\r\n%sContent-Length: 0\r\n\r\n", headers);
	struct canned script[] = { { .want = "HEAD /files/", .reply = reply } };
	struct canned_server *s = canned_start(script, 1);
	struct mirror *m = open_entry(canned_url(s));
	*out = (struct mirror_stat){ 0 };
	assert_int_equal(mirror_stat_key(m, KEY, out, &e), rc);
	mirror_close(m);
	canned_stop(s);
}

/* Its redirect leads to a host that the test does not have. */
#define LOCATION "Location: https://cdn.invalid/x\r\n"

static void the_hub_tells_size_and_digest_without_the_file(void **state)
{
	(void)state;
	struct mirror_stat st;
	stat_of(LOCATION "X-Linked-Size: 12\r\nX-Linked-ETag: \"" S "\"\r\n", 0, &st);
	assert_int_equal(st.size, 12);
	assert_true(st.has_sha256);
	assert_int_equal(st.sha256.bytes[0], 0xaa);
	stat_of(LOCATION "X-Linked-Size: 12\r\nX-Linked-ETag: \"abc\"\r\n", 0, &st);
	assert_int_equal(st.size, 12);
	assert_false(st.has_sha256);
}

static void a_file_that_became_shorter_is_another_version(void **state)
{
	(void)state;
	static const struct canned script[] = { {
		.want = "GET /files/",
		.reply = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */5\r\n"
			 "Content-Length: 0\r\n\r\n",
	} };
	struct err e = ERR_INIT;
	struct canned_server *s = canned_start(script, 1);
	struct mirror *m = open_entry(canned_url(s));
	struct buf got = BUF_INIT(KIB);
	struct mirror_range r = { .key = KEY, .offset = 8, .length = 8 };
	struct mirror_sink sink = { .write = take, .ctx = &got };
	assert_int_equal(mirror_get(m, &r, &sink, &e), -ERR_INTEGRITY);
	assert_int_equal(e.cause, CAUSE_CHANGED);
	assert_non_null(strstr(e.text, "no longer this version"));
	buf_release(&got);
	mirror_close(m);
	canned_stop(s);
}

static void a_damaged_list_or_template_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct mirror *m = open_entry(NULL);
	assert_int_equal(mirror_read_places(m, "x", 1, "places", &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "mirror hub: places: "));
	mirror_close(m);
	json_t *json = json_pack("{s:s}", "template", "https://h.example/x");
	struct catalog_mirror entry = {
		.id = "hub", .kind = "names", .url = "https://h.example", .json = json
	};
	err_clear(&e);
	assert_int_equal(mirror_open_entry(mirror_kinds_client, NULL, &entry, &m, &e),
			 -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "lacks {name}"));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_template_and_the_list_say_where_files_are),
		cmocka_unit_test(metadata_cards_and_unknown_files_are_never_asked_for),
		cmocka_unit_test(the_hub_tells_size_and_digest_without_the_file),
		cmocka_unit_test(a_file_that_became_shorter_is_another_version),
		cmocka_unit_test(a_damaged_list_or_template_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
