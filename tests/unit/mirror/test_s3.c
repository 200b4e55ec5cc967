/* Kind s3 with canned servers: what only a server that misbehaves shows. */
#include "canned.h"
#include "mirror_conf.h"
#include "unit.h"

#include "util/mem.h"

#include <stdlib.h>

struct world {
	struct canned_server *server;
	struct mirror *m;
};

static void open_world(struct world *w, const struct canned *script, size_t count)
{
	w->server = canned_start(script, count);
	CLEANUP(mem_free_ptr) char *conf =
		mem_printf("[mirror.s3]\nkind = s3\nbucket = models\nregion = us-east-1\n"
			   "endpoint = %s\n",
			   canned_url(w->server));
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "very-secret", 1);
	w->m = mirror_conf_open(conf);
}

static void close_world(struct world *w)
{
	mirror_close(w->m);
	canned_stop(w->server);
}

/* The caller frees it. */
static char *answer(const char *status, const char *body)
{
	return mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
			  body);
}

static int count_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)entry, (void)e;
	++*(size_t *)ctx;
	return 0;
}

/* What it has sent is not the whole list: nobody may take it for that. */
static void a_list_that_starts_again_for_ever_is_an_error(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *page =
		answer("200 OK", "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a"
				 "</Key><Size>1</Size></Contents><NextContinuationToken>x"
				 "</NextContinuationToken></ListBucketResult>");
	const struct canned script[] = { { .reply = page },
					 { .want = "continuation-token=x", .reply = page } };
	struct world w;
	struct err e = ERR_INIT;
	size_t count = 0;
	open_world(&w, script, ARRAY_LEN(script));
	assert_int_equal(mirror_list(w.m, "", count_entry, &count, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "the same page"));
	assert_int_equal(count, 1);
	close_world(&w);
}

/* Its refusal of a HEAD has no document that would say so. */
static void a_head_is_sent_again_after_an_expired_session_was_renewed(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *refused = answer("400 Bad Request", "");
	CLEANUP(mem_free_ptr) char *expired = answer("400 Bad Request",
						     "<Error><Code>ExpiredToken</Code></Error>");
	CLEANUP(mem_free_ptr) char *list = answer("200 OK", "<ListBucketResult/>");
	const struct canned script[] = {
		{ .want = "HEAD /models/a ", .reply = refused },
		{ .want = "GET /models/?", .reply = expired },
		{ .want = "GET /models/?", .reply = list },
		{ .want = "HEAD /models/a ",
		  .reply = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" },
	};
	struct world w;
	struct mirror_stat st;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(mirror_stat_key(w.m, "a", &st, &e), &e);
	assert_int_equal(st.size, 7);
	close_world(&w);
}

/* Of a damaged object, the server may still report what was once written beside it. */
static void a_lost_answer_proves_nothing_where_wrong_bytes_were(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *lost = answer("500 Internal Server Error",
						  "<Error><Code>InternalError</Code></Error>");
	const char *there =
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nx-amz-meta-sha256: "
		"734194ede5b063e654d63cb95a682ca1551b45e3cc86e88f1a85c1286eedd4ac\r\n\r\n";
	const struct canned script[] = {
		{ .want = "PUT /models/a ", .reply = lost },
		{ .want = "HEAD /models/a ", .reply = there },
		{ .want = "PUT /models/a ", .reply = lost },
	};
	struct mirror_put how = { 0 };
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	assert_ok(mirror_put_small(w.m, "a", "a text", 6, &how, NULL, &e), &e);
	how.was_wrong = true;
	assert_int_equal(mirror_put_small(w.m, "a", "a text", 6, &how, NULL, &e), -ERR_NETWORK);
	close_world(&w);
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

/* As buckets of Hugging Face send readers to a CDN. */
static void another_host_that_reads_lead_to_gets_no_signature(void **state)
{
	(void)state;
	const struct canned far[] = {
		{ .want = "Range: bytes=1-3",
		  .forbid = "AWS4",
		  .reply = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-3/6\r\n"
			   "Content-Length: 3\r\n\r\nbcd" },
		{ .want = "GET /far ",
		  .forbid = "x-amz-",
		  .reply = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef" },
	};
	struct canned_server *cdn = canned_start(far, ARRAY_LEN(far));
	CLEANUP(mem_free_ptr) char *found =
		mem_printf("HTTP/1.1 302 Found\r\nLocation: %s/far\r\nContent-Length: 0\r\n\r\n",
			   canned_url(cdn));
	const struct canned script[] = { { .want = "AWS4", .reply = found }, { .reply = found } };
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	const struct mirror_sink sink = { .write = take, .ctx = &got };
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, script, ARRAY_LEN(script));
	struct mirror_range r = { .key = "a", .offset = 1, .length = 3 };
	assert_ok(mirror_get(w.m, &r, &sink, &e), &e);
	r = (struct mirror_range){ .key = "a", .length = UINT64_MAX };
	assert_ok(mirror_get(w.m, &r, &sink, &e), &e);
	assert_string_equal(buf_str(&got), "bcdabcdef");
	close_world(&w);
	canned_stop(cdn);
}

/* -- a poor server ---------------------------------------------------------------- */

#define LACKS \
	"HTTP/1.1 501 Not Implemented\r\nContent-Length: 43\r\n\r\n" \
	"<Error><Code>NotImplemented</Code></Error> "
#define STORED "HTTP/1.1 200 OK\r\nETag: \"0\"\r\nContent-Length: 0\r\n\r\n"
#define LIST "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<ListBucketResult/>"
#define GONE "HTTP/1.1 204 No Content\r\n\r\n"

/* What probing asks; the server stores objects and lists folders, and that is all. */
#define PROBE \
	{ .want = "GET /models/?", .reply = LIST }, { .want = "PUT ", .reply = LACKS }, \
		{ .want = "x-amz-checksum-sha256", .reply = LACKS }, \
		{ .want = "x-amz-checksum-sha256", .reply = LACKS }, \
		{ .want = "x-amz-meta-sha256", .reply = STORED }, \
		{ .want = "HEAD ", .reply = STORED }, \
		{ .want = "if-none-match: *", .reply = LACKS }, \
		{ .want = "if-match: ", .reply = LACKS }, \
		{ .want = "GET /models/?", \
		  .forbid = "delimiter", \
		  .reply = LACKS }, /* an upload is opened on a new connection */ \
		{ .want = "GET /models/?delimiter=", .reply = LIST, .then = CANNED_CLOSE }, \
		{ .want = "?uploads=", .reply = LACKS }, { .want = "PUT ", .reply = STORED }, \
		{ .want = "x-amz-copy-source", .reply = LACKS }, \
		{ .want = "DELETE ", .reply = GONE }, { .want = "DELETE ", .reply = GONE }, \
		{ .want = "DELETE ", .reply = GONE }, { .want = "DELETE ", .reply = GONE }, \
		{ .want = "DELETE ", .reply = GONE }, { .want = "DELETE ", .reply = GONE }, \
	{ \
		.want = "DELETE ", .reply = GONE \
	}

static void probe(struct world *w)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	struct err e = ERR_INIT;
	assert_ok(mirror_probe(w->m, &found, &e), &e);
}

/* "Not implemented" is no answer to the condition: it would be the answer to every new file. */
static void a_server_that_refuses_conditions_has_none(void **state)
{
	(void)state;
	const struct canned script[] = { PROBE };
	struct world w;
	open_world(&w, script, ARRAY_LEN(script));
	probe(&w);
	assert_false(mirror_can(w.m, MIRROR_CAN_CREATE_ONLY));
	assert_false(mirror_can(w.m, MIRROR_CAN_REPLACE_IF));
	close_world(&w);
}

static void a_folder_that_holds_itself_is_listed_once(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *first =
		answer("200 OK", "<ListBucketResult><CommonPrefixes><Prefix>d/</Prefix>"
				 "</CommonPrefixes></ListBucketResult>");
	CLEANUP(mem_free_ptr) char *second =
		answer("200 OK",
		       "<ListBucketResult><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"
		       "<CommonPrefixes><Prefix>other/</Prefix></CommonPrefixes><Contents><Key>"
		       "d/a</Key><Size>1</Size></Contents></ListBucketResult>");
	const struct canned script[] = { PROBE,
					 { .want = "prefix= ", .reply = first },
					 { .want = "prefix=d%2F ", .reply = second } };
	struct world w;
	struct err e = ERR_INIT;
	size_t count = 0;
	open_world(&w, script, ARRAY_LEN(script));
	probe(&w);
	assert_ok(mirror_list(w.m, "", count_entry, &count, &e), &e);
	assert_int_equal(count, 1);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_host_that_reads_lead_to_gets_no_signature),
		cmocka_unit_test(a_lost_answer_proves_nothing_where_wrong_bytes_were),
		cmocka_unit_test(a_server_that_refuses_conditions_has_none),
		cmocka_unit_test(a_folder_that_holds_itself_is_listed_once),
		cmocka_unit_test(a_list_that_starts_again_for_ever_is_an_error),
		cmocka_unit_test(a_head_is_sent_again_after_an_expired_session_was_renewed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
