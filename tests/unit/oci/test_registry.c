/* Requests to a registry with canned answers: tokens, redirects, uploads, errors. */
#include "oci/registry.h"

#include "canned.h"
#include "unit.h"
#include "util/mem.h"

#include <stdlib.h>

#define TOKEN(text) \
	"HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n{\"token\": \"" text \
	"\", \"expires_in\": 300}"
struct world {
	struct canned_server *server, *other;
	struct oci_registry r;
	struct http_client *c;
};

static const struct digest blob = { { 0xab } };

static void open_world(struct world *w, const struct canned *script, size_t count)
{
	struct err e = ERR_INIT;
	struct oci_reference place = { 0 };
	*w = (struct world){ 0 };
	unsetenv("DOCKER_CONFIG");
	setenv("FERRY_OCI_USERNAME", "me", 1);
	setenv("FERRY_OCI_PASSWORD", "very-secret", 1);
	w->server = canned_start(script, count);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/v2/a/b", canned_url(w->server));
	assert_ok(oci_reference_parse(url, &place, &e), &e);
	struct oci_auth_options o = { .push = true, .environment = true };
	oci_registry_open(&w->r, &place, &o, NULL);
	assert_ok(http_client_new(NULL, &w->c, &e), &e);
}

static void close_world(struct world *w)
{
	http_client_free(w->c);
	oci_registry_close(&w->r);
	canned_stop(w->server);
	if (w->other)
		canned_stop(w->other);
	unsetenv("FERRY_OCI_USERNAME");
	unsetenv("FERRY_OCI_PASSWORD");
}

/* The realm of a Bearer challenge is the server itself, whose port is not known before it runs: so
 * the scripts are filled in by this. */
static char *bearer(const struct canned_server *s)
{
	return mem_printf("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer "
			  "realm=\"%s/token\","
			  "service=\"it\",scope=\"repository:a/b:pull\"\r\n"
			  "Content-Length: 0\r\n\r\n",
			  canned_url(s));
}

static int stat_blob(struct world *w, struct err *e)
{
	uint64_t size = 0;
	int rc = oci_blob_stat(&w->r, w->c, &blob, &size, e);
	if (rc == 0)
		assert_int_equal(size, 7);
	return rc;
}

#define HEAD7 "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"

static void a_token_is_fetched_when_it_is_asked_for_and_kept(void **state)
{
	struct canned script[] = {
		{ .want = "HEAD /v2/a/b/blobs/sha256:ab", .forbid = "Authorization" },
		{ .want = "GET /token?service=it&scope=repository:a/b:pull,push&scope=repository:"
			  "a/b:pull ",
		  .reply = TOKEN("tok1") },
		{ .want = "Authorization: Bearer tok1\r\n", .reply = HEAD7 },
		{ .want = "Authorization: Bearer tok1\r\n", .reply = HEAD7 },
	};
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	CLEANUP(mem_free_ptr) char *asks = bearer(w.server);
	script[0].reply = asks;
	assert_ok(stat_blob(&w, &e), &e);
	assert_ok(stat_blob(&w, &e), &e);
	close_world(&w);
}

static void a_revoked_token_is_replaced_once(void **state)
{
	struct canned script[] = {
		{ 0 },
		{ .want = "GET /token?", .reply = TOKEN("tok1") },
		{ .want = "Bearer tok1", .reply = HEAD7 },
		{ .want = "Bearer tok1" },
		{ .want = "Authorization: Basic bWU6dmVyeS1zZWNyZXQ=", .reply = TOKEN("tok2") },
		{ .want = "Bearer tok2", .reply = HEAD7 },
		{ .want = "Bearer tok2" },
		{ .want = "GET /token?", .reply = TOKEN("tok3") },
		{ .want = "Bearer tok3" },
	};
	struct world w;
	struct err e = ERR_INIT, why = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	CLEANUP(mem_free_ptr) char *asks = bearer(w.server);
	script[0].reply = script[3].reply = script[6].reply = script[8].reply = asks;
	assert_ok(stat_blob(&w, &e), &e);
	assert_ok(stat_blob(&w, &e), &e);
	assert_int_equal(stat_blob(&w, &why), -ERR_AUTH);
	assert_non_null(strstr(why.hint, "FERRY_OCI_USERNAME"));
	assert_null(strstr(why.text, "secret"));
	close_world(&w);
}

static void basic_is_sent_where_the_registry_wants_it(void **state)
{
	static const struct canned script[] = {
		{ .reply = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
			   "Content-Length: 0\r\n\r\n" },
		{ .want = "Authorization: Basic bWU6dmVyeS1zZWNyZXQ=", .reply = HEAD7 },
	};
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(stat_blob(&w, &e), &e);
	close_world(&w);
}

static void a_refusal_of_the_token_server_names_the_source(void **state)
{
	struct canned script[] = {
		{ 0 },
		{ .want = "GET /token?", .reply = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n" },
	};
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	CLEANUP(mem_free_ptr) char *asks = bearer(w.server);
	script[0].reply = asks;
	assert_int_equal(stat_blob(&w, &e), -ERR_AUTH);
	assert_non_null(strstr(e.text, "the token server refused FERRY_OCI_USERNAME"));
	close_world(&w);
}

/* A token of GitHub that is for other things must not keep its owner from what is public. */
static void a_reader_whose_credentials_are_refused_reads_without(void **state)
{
	struct canned script[] = {
		{ 0 },
		{ .want = "Authorization: Basic",
		  .reply = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" },
		{ .want = "GET /token?", .forbid = "Authorization", .reply = TOKEN("tok1") },
		{ .want = "Bearer tok1", .reply = HEAD7 },
	};
	struct world w;
	struct err e = ERR_INIT;
	struct oci_reference place = { 0 };
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	CLEANUP(mem_free_ptr) char *asks = bearer(w.server);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/v2/a/b", canned_url(w.server));
	script[0].reply = asks;
	oci_registry_close(&w.r);
	assert_ok(oci_reference_parse(url, &place, &e), &e);
	struct oci_auth_options o = { .environment = true };
	oci_registry_open(&w.r, &place, &o, NULL);
	assert_ok(stat_blob(&w, &e), &e);
	close_world(&w);
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

/* Signed addresses expire: the second answer of the registry leads to a fresh one. */
static void a_redirect_gets_no_credentials_and_is_asked_for_again(void **state)
{
	static const struct canned storage[] = {
		{ .want = "GET /old?sig=1",
		  .forbid = "Authorization",
		  .reply = "HTTP/1.1 403 Expired\r\nContent-Length: 0\r\n\r\n" },
		{ .want = "GET /new?sig=2",
		  .forbid = "Authorization",
		  .reply = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 2-4/9\r\n"
			   "Content-Length: 3\r\n\r\nabc" },
	};
	struct canned script[] = {
		{ .reply = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
			   "Content-Length: 0\r\n\r\n" },
		{ .want = "Authorization: Basic" },
		{ .want = "Range: bytes=2-4" },
	};
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	CLEANUP(http_response_release) struct http_response out = { 0 };
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	w.other = canned_start(storage, ARRAY_LEN(storage));
	CLEANUP(mem_free_ptr) char *old = mem_printf("HTTP/1.1 307 There\r\nLocation: %s/old?sig=1"
						     "\r\nContent-Length: 0\r\n\r\n",
						     canned_url(w.other));
	CLEANUP(mem_free_ptr) char *new = mem_printf("HTTP/1.1 307 There\r\nLocation: %s/new?sig=2"
						     "\r\nContent-Length: 0\r\n\r\n",
						     canned_url(w.other));
	script[1].reply = old;
	script[2].reply = new;
	struct http_request q = { .offset = 2, .length = 3, .write = take, .ctx = &got };
	assert_ok(oci_blob_get(&w.r, w.c, &blob, &q, &out, &e), &e);
	assert_string_equal(buf_str(&got), "abc");
	close_world(&w);
}

static void errors_say_what_the_registry_said(void **state)
{
	static const struct canned script[] = {
		{ .reply = "HTTP/1.1 404 No\r\nContent-Length: 69\r\n\r\n{\"errors\": [{\"code\": "
			   "\"NAME_UNKNOWN\", \"message\": \"no such\\u001b[1m\"}]}" },
		{ .reply = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" },
		{ .reply = "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 41\r\n\r\n"
			   "{\"errors\": [{\"code\": \"TOOMANYREQUESTS\"}]}" },
	};
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(1000);
	struct digest d;
	struct world w;
	struct err a = ERR_INIT, b = ERR_INIT, c = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	assert_int_equal(oci_manifest_get(&w.r, w.c, "t", &bytes, &d, &a), -ERR_NOT_FOUND);
	assert_non_null(strstr(a.text, "(NAME_UNKNOWN)"));
	assert_null(strchr(a.text, '\033'));
	assert_int_equal(oci_manifest_get(&w.r, w.c, "t", &bytes, &d, &b), -ERR_AUTH);
	assert_int_equal(oci_manifest_get(&w.r, w.c, "t", &bytes, &d, &c), -ERR_NETWORK);
	assert_int_equal(c.retry_after_s, 7);
	close_world(&w);
}

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)e;
	memcpy(data, (const char *)ctx + offset, len);
	return 0;
}

/* Version 2.8 of distribution appends a chunk wherever it says it belongs. */
static void a_chunk_is_compared_with_what_the_registry_has(void **state)
{
	/* Chunks have connections of their own. */
	static const struct canned script[] = {
		{ .want = "POST /v2/a/b/blobs/uploads/ ",
		  .reply = "HTTP/1.1 202 Go\r\nLocation: /up/1?state=x\r\nContent-Length: "
			   "0\r\n\r\n",
		  .then = CANNED_CLOSE },
		{ .want = "Content-Range: 0-3\r\n",
		  .reply = "HTTP/1.1 202 Go\r\nLocation: 2?state=y\r\nRange: 0-3\r\n"
			   "Content-Length: 0\r\n\r\n",
		  .then = CANNED_CLOSE },
		{ .want = "PATCH /up/2?state=y",
		  .reply = "HTTP/1.1 202 Go\r\nLocation: /up/3\r\nRange: 0-9\r\n"
			   "Content-Length: 0\r\n\r\n",
		  .then = CANNED_CLOSE },
		{ .want = "PUT /up/3?digest=sha256:ab",
		  .reply = "HTTP/1.1 201 Done\r\nContent-Length: 0\r\n\r\n",
		  .then = CANNED_CLOSE },
	};
	struct world w;
	struct err e = ERR_INIT, why = ERR_INIT;
	CLEANUP(mem_free_ptr) char *location = NULL;
	struct http_request none = { 0 };
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(oci_upload_begin(&w.r, w.c, &location, &e), &e);
	struct buf four = BUF_INIT(10);
	buf_adds(&four, "abcd");
	struct http_request q = { .read_at = NULL };
	q.read_at = read_memory;
	q.body_ctx = four.data;
	q.body_size = 4;
	assert_ok(oci_upload_chunk(&w.r, w.c, &location, 0, &q, &e), &e);
	assert_int_equal(oci_upload_chunk(&w.r, w.c, &location, 4, &q, &why), -ERR_INTEGRITY);
	assert_non_null(strstr(why.text, "after 8 bytes, the registry has '0-9'"));
	assert_ok(oci_upload_end(&w.r, w.c, location, &blob, &none, &e), &e);
	buf_release(&four);
	close_world(&w);
}

static void locations_are_resolved(void **state)
{
	static const struct {
		const char *base, *value, *url;
	} good[] = {
		{ "https://h/v2/a/blobs/uploads/", "/x?a=b", "https://h/x?a=b" },
		{ "https://h/v2/a/", "u1", "https://h/v2/a/u1" },
		{ "http://h/v2/", "https://other/x", "https://other/x" },
	};
	static const char *const bad[] = { "http://h/x", "ftp://h/x", "https://" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(mem_free_ptr) char *url = NULL;
		struct err e = ERR_INIT;
		assert_ok(oci_location(good[i].base, good[i].value, &url, &e), &e);
		assert_string_equal(url, good[i].url);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *url = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(oci_location("https://h/", bad[i], &url, &e), -ERR_INTEGRITY);
		assert_null(url);
	}
}

static void ranges_of_uploads_are_read(void **state)
{
	uint64_t size = 5;
	(void)state;
	assert_true(oci_upload_range("0-999", &size) && size == 1000);
	assert_true(oci_upload_range("bytes=0-0", &size) && size == 1);
	assert_false(oci_upload_range("1-5", &size));
	assert_false(oci_upload_range("0-", &size));
	assert_false(oci_upload_range("0-18446744073709551615", &size));
	assert_int_equal(size, 1);
}

static void pages_of_tags_are_followed(void **state)
{
	static const struct canned script[] = {
		{ .want = "GET /v2/a/b/tags/list?n=1000",
		  .reply = "HTTP/1.1 200 OK\r\nLink: </v2/a/b/tags/list?n=2&last=y>; "
			   "rel=\"next\"\r\n"
			   "Content-Length: 20\r\n\r\n{\"tags\": [\"x\", \"y\"]}" },
		{ .want = "last=y",
		  .reply = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"tags\": [\"z\"]}" },
	};
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(oci_tags(&w.r, w.c, &tags, &e), &e);
	assert_int_equal(tags.count, 3);
	assert_string_equal(tags.at[2], "z");
	close_world(&w);
}

static void what_is_no_registry_is_named(void **state)
{
	static const struct canned script[] = {
		{ .want = "GET /v2/ ", .reply = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n" },
	};
	CLEANUP(http_response_release) struct http_response out = { 0 };
	struct world w;
	struct err e = ERR_INIT;
	(void)state;
	open_world(&w, script, ARRAY_LEN(script));
	assert_int_equal(oci_ping(&w.r, w.c, &out, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "is not a registry"));
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_fetched_when_it_is_asked_for_and_kept),
		cmocka_unit_test(a_revoked_token_is_replaced_once),
		cmocka_unit_test(basic_is_sent_where_the_registry_wants_it),
		cmocka_unit_test(a_refusal_of_the_token_server_names_the_source),
		cmocka_unit_test(a_reader_whose_credentials_are_refused_reads_without),
		cmocka_unit_test(a_redirect_gets_no_credentials_and_is_asked_for_again),
		cmocka_unit_test(errors_say_what_the_registry_said),
		cmocka_unit_test(a_chunk_is_compared_with_what_the_registry_has),
		cmocka_unit_test(locations_are_resolved),
		cmocka_unit_test(ranges_of_uploads_are_read),
		cmocka_unit_test(pages_of_tags_are_followed),
		cmocka_unit_test(what_is_no_registry_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
