/* Kind oci with canned registries: what only one that misbehaves shows. */
#include "mirror/kinds.h"

#include "canned.h"
#include "unit.h"
#include "util/mem.h"

#include <stdlib.h>

#define SHA "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define OBJECT "targets/models/a/" SHA ".a.gguf"

struct world {
	struct canned_server *server;
	struct mirror *m;
};

static void open_world(struct world *w, const struct canned *script, size_t count)
{
	struct err e = ERR_INIT;
	w->server = canned_start(script, count);
	CLEANUP(mem_free_ptr) char *url = mem_printf("oci://127.0.0.1:%u/a/b",
						     canned_port(w->server));
	assert_ok(mirror_open_url(mirror_kinds_client, NULL, "hub", url, &w->m, &e), &e);
}

static void close_world(struct world *w)
{
	mirror_close(w->m);
	canned_stop(w->server);
}

/* The caller frees it. */
static char *answer(const char *status, const char *headers, const char *body)
{
	return mem_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
			  strlen(body), body);
}

/* `ferry-metadata` with one file. */
static char *index_of_one(void)
{
	static const char manifest[] =
		"{\"schemaVersion\": 2, \"config\": {\"mediaType\": \"c\", \"size\": 2, "
		"\"digest\": \"sha256:" SHA "\"}, \"layers\": [{\"mediaType\": \"l\", \"size\": 5, "
		"\"digest\": \"sha256:" SHA "\", \"annotations\": "
		"{\"org.opencontainers.image.title\": \"metadata/timestamp.json\"}}]}";
	return answer("200 OK", "", manifest);
}

static void a_registry_that_ignores_ranges_is_named_when_it_is_probed(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *index = index_of_one();
	CLEANUP(mem_free_ptr) char *whole = answer("200 OK", "", "hello");
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	const struct canned script[] = {
		{ .want = "GET /v2/a/b/manifests/ferry-metadata", .reply = index },
		{ .want = "Range: bytes=1-1", .reply = whole },
	};
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(mirror_probe(w.m, &found, &e), &e);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.at[1].what, "ranges");
	assert_int_equal(found.at[1].state, MIRROR_FINDING_LACKS);
	assert_non_null(strstr(found.at[1].text, "the registry sends only whole files"));
	assert_false(mirror_can(w.m, MIRROR_CAN_RANGE));
	close_world(&w);
}

static int ignore(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx, (void)data, (void)len, (void)e;
	return 0;
}

static void another_range_than_was_asked_for_is_refused(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *other = answer("206 Partial", "Content-Range: bytes 0-1/9\r\n",
						   "he");
	const struct canned script[] = { { .want = "Range: bytes=3-4", .reply = other } };
	const struct mirror_sink sink = { .write = ignore };
	const struct mirror_range r = { .key = OBJECT, .offset = 3, .length = 2 };
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	assert_int_equal(mirror_get(w.m, &r, &sink, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "answered with bytes 0-1, but 3-4 were requested"));
	close_world(&w);
}

/* Its storage signs addresses for GET only. */
static void a_head_that_the_storage_refuses_is_asked_as_a_range(void **state)
{
	(void)state;
	static const char there[] = "HTTP/1.1 307 There\r\nLocation: /storage?sig=1\r\n"
				    "Content-Length: 0\r\n\r\n";
	static const char refused[] = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
	CLEANUP(mem_free_ptr) char *first = answer("206 Partial",
						   "Content-Range: bytes 0-0/4711\r\n", "x");
	const struct canned script[] = {
		{ .want = "HEAD /v2/a/b/blobs/sha256:" SHA, .reply = there },
		{ .want = "HEAD /storage", .reply = refused },
		{ .want = "HEAD /v2/a/b/blobs/sha256:" SHA, .reply = there },
		{ .want = "HEAD /storage", .reply = refused },
		{ .want = "HEAD /v2/a/b/blobs/sha256:" SHA, .reply = there },
		{ .want = "HEAD /storage", .reply = refused },
		{ .want = "GET /v2/a/b/blobs/sha256:" SHA, .reply = there },
		{ .want = "Range: bytes=0-0", .reply = first },
	};
	struct world w;
	struct mirror_stat st;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(mirror_stat_key(w.m, OBJECT, &st, &e), &e);
	assert_int_equal(st.size, 4711);
	assert_true(st.has_sha256);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_registry_that_ignores_ranges_is_named_when_it_is_probed),
		cmocka_unit_test(another_range_than_was_asked_for_is_refused),
		cmocka_unit_test(a_head_that_the_storage_refuses_is_asked_as_a_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
