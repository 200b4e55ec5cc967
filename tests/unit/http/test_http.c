#include "http/http.h"

#include "canned.h"
#include "fake_clock.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* One exchange with a fresh client, and what came of it. */
struct exchange {
	struct http_response r;
	struct err e;
	struct buf body, error_body;
	int rc;
};

static void perform(struct exchange *x, const struct canned_server *s, struct http_request q,
		    const struct http_options *options)
{
	CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
	*x = (struct exchange){ .body = BUF_INIT(MIB), .error_body = BUF_INIT(4096) };
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/x/model.gguf", canned_url(s));
	if (!q.url)
		q.url = url;
	if (!q.write)
		q.into = &x->body;
	q.error_body = &x->error_body;
	assert_ok(http_client_new(options, &c, &x->e), &x->e);
	x->rc = http_perform(c, &q, &x->r, &x->e);
}

static void exchange_release(struct exchange *x)
{
	http_response_release(&x->r);
	buf_release(&x->body);
	buf_release(&x->error_body);
}

#define EXCHANGE(name) CLEANUP(exchange_release) struct exchange name = { 0 }

static void assert_fails(const struct exchange *x, enum err_class class, const char *text)
{
	if (x->rc != -(int)class || x->e.class != class || !strstr(x->e.text, text))
		fail_msg("wanted %s '%s', got %d %s '%s'", err_class_name(class), text, x->rc,
			 err_class_name(x->e.class), x->e.text);
}

/* The usual case: one canned answer to one request. */
static void once(struct exchange *x, const struct canned *script, struct http_request q)
{
	struct canned_server *s = canned_start(script, 1);
	perform(x, s, q, NULL);
	canned_stop(s);
}

#define OK "HTTP/1.1 200 OK\r\n"
#define PART "HTTP/1.1 206 Partial Content\r\n"

static void a_get_fills_the_response(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x,
	     &(struct canned){
		     .want = "User-Agent: ferry/" FERRY_VERSION "\r\n",
		     .forbid = "Accept-Encoding",
		     .reply = OK
		     "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 5\r\n"
		     "ETag: \"abc\"\r\nLast-Modified: Thu, 01 Jan 1970 00:01:00 GMT\r\n"
		     "X-Odd:  two words \r\nContent-Disposition: attachment; "
		     "filename=\"m.gguf\"\r\n\r\n"
		     "hello" },
	     (struct http_request){ 0 });
	assert_ok(x.rc, &x.e);
	assert_string_equal(buf_str(&x.body), "hello");
	assert_int_equal(x.r.status, 200);
	assert_true(x.r.has_total && x.r.has_length);
	assert_int_equal(x.r.total, 5);
	assert_int_equal(x.r.received, 5);
	assert_string_equal(x.r.etag, "\"abc\"");
	assert_string_equal(x.r.type, "application/json");
	assert_string_equal(x.r.file_name, "m.gguf");
	assert_int_equal(x.r.modified_s, 60);
	assert_string_equal(http_response_header(&x.r, "x-odd"), "two words");
	assert_null(http_response_header(&x.r, "x-od"));
	assert_false(x.r.html);
}

static void a_head_has_no_body(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x,
	     &(struct canned){ .want = "HEAD /x/model.gguf HTTP/1.1\r\n",
			       .reply = OK "Content-Length: 123456789012\r\n\r\n" },
	     (struct http_request){ .method = "HEAD" });
	assert_ok(x.rc, &x.e);
	assert_int_equal(x.r.total, 123456789012);
	assert_int_equal(x.r.received, 0);
}

/* -- ranges ---------------------------------------------------------------------- */

static void a_range_is_asked_and_checked(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x,
	     &(struct canned){ .want = "Range: bytes=10-14\r\n",
			       .reply = PART
			       "Content-Range: bytes 10-14/100\r\nContent-Length: 5\r\n\r\nhello" },
	     (struct http_request){ .offset = 10, .length = 5, .expect_total = 100 });
	assert_ok(x.rc, &x.e);
	assert_string_equal(buf_str(&x.body), "hello");
	assert_int_equal(x.r.offset, 10);
	assert_int_equal(x.r.total, 100);
}

static void a_wrong_part_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *headers, *text;
	} cases[] = {
		{ "Content-Range: bytes 11-15/100\r\n", "answered with bytes 11-15, but 10-14" },
		{ "Content-Range: bytes 10-13/100\r\n", "answered with bytes 10-13, but 10-14" },
		{ "Content-Range: bytes 10-14/99\r\n", "has 99 bytes there, not 100" },
		{ "Content-Range: bytes 10-14/x\r\n", "without a usable Content-Range" },
		{ "Content-Range: bytes */100\r\n", "without a usable Content-Range" },
		{ "Content-Type: multipart/byteranges; boundary=x\r\n", "(multipart/byteranges)" },
		{ "Content-Range: bytes 10-14/100\r\nContent-Length: 6\r\n", "announced 6 bytes" },
		{ "Content-Range: bytes 10-14/100\r\nContent-Encoding: gzip\r\n", "'gzip'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		EXCHANGE(x);
		CLEANUP(mem_free_ptr) char *reply = mem_printf(PART "%s\r\nhello!",
							       cases[i].headers);
		once(&x, &(struct canned){ .reply = reply, .then = CANNED_CLOSE },
		     (struct http_request){ .offset = 10, .length = 5, .expect_total = 100 });
		assert_fails(&x, ERR_INTEGRITY, cases[i].text);
		assert_int_equal(x.body.len, 0);
	}
	EXCHANGE(y);
	once(&y, &(struct canned){ .reply = PART "Content-Range: bytes 10-13/14\r\n\r\nhell" },
	     (struct http_request){ .offset = 10, .length = 5 });
	assert_fails(&y, ERR_INTEGRITY, "has only 14 bytes there, but bytes 10-14 were");
}

static void a_part_nobody_asked_for_is_refused(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x,
	     &(struct canned){ .forbid = "Range:",
			       .reply = PART
			       "Content-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello" },
	     (struct http_request){ 0 });
	assert_fails(&x, ERR_INTEGRITY, "the whole file was requested");
}

static void more_bytes_than_announced_are_refused(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x,
	     &(struct canned){ .reply = PART
			       "Content-Range: bytes 0-4/100\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n" },
	     (struct http_request){ .length = 5 });
	assert_fails(&x, ERR_INTEGRITY, "sent more than the announced 5 bytes");
}

static const struct canned whole = {
	.reply = OK "Content-Length: 12\r\nETag: \"v1\"\r\n\r\n"
		    "abcdefghijkl",
};

static void an_ignored_range_is_skipped_to(void **state)
{
	(void)state;
	EXCHANGE(x);
	EXCHANGE(y);
	EXCHANGE(z);
	once(&x, &whole, (struct http_request){ .offset = 3, .length = 4 });
	assert_ok(x.rc, &x.e);
	assert_string_equal(buf_str(&x.body), "defg");
	assert_true(x.r.range_ignored);
	assert_int_equal(x.r.offset, 3);
	assert_int_equal(x.r.received, 4);
	assert_int_equal(x.r.total, 12);
	once(&y, &whole, (struct http_request){ .offset = 10 });
	assert_string_equal(buf_str(&y.body), "kl");
	once(&z, &whole, (struct http_request){ .offset = 10, .length = 3 });
	assert_fails(&z, ERR_INTEGRITY, "has only 12 bytes there");
}

/* Never more bytes than were asked for, whatever the status of the success. */
static void another_success_than_200_is_no_way_around_a_range(void **state)
{
	(void)state;
	EXCHANGE(x);
	const struct canned other = { .reply = "HTTP/1.1 203 Non-Authoritative "
					       "Information\r\n\r\n0123456789",
				      .then = CANNED_CLOSE };
	once(&x, &other, (struct http_request){ .offset = 3, .length = 4 });
	assert_ok(x.rc, &x.e);
	assert_true(x.r.range_ignored);
	assert_string_equal(buf_str(&x.body), "3456");
}

static void an_ignored_range_can_be_refused_or_restart(void **state)
{
	(void)state;
	EXCHANGE(x);
	EXCHANGE(y);
	once(&x, &whole,
	     (struct http_request){
		     .offset = 3, .length = 4, .ignored_range = HTTP_IGNORED_REFUSE });
	assert_fails(&x, ERR_USAGE, "does not support range requests");
	once(&y, &whole,
	     (struct http_request){ .offset = 3, .ignored_range = HTTP_IGNORED_RESTART });
	assert_ok(y.rc, &y.e);
	assert_int_equal(y.r.offset, 0);
	assert_string_equal(buf_str(&y.body), "abcdefghijkl");
}

static void a_changed_object_is_noticed(void **state)
{
	(void)state;
	EXCHANGE(x);
	EXCHANGE(y);
	struct canned changed = whole;
	changed.want = "If-Range: \"v0\"\r\n";
	once(&x, &changed, (struct http_request){ .offset = 3, .if_range = "\"v0\"" });
	assert_fails(&x, ERR_CONFLICT, "has changed");
	once(&y, &whole, (struct http_request){ .offset = 3, .if_range = "\"v1\"" });
	assert_ok(y.rc, &y.e);
	assert_string_equal(buf_str(&y.body), "defghijkl");
}

static void past_the_end_is_an_error_but_at_the_end_is_not(void **state)
{
	(void)state;
	EXCHANGE(x);
	EXCHANGE(y);
	const struct canned past = {
		.reply = "HTTP/1.1 416 No\r\nContent-Range: bytes */12\r\n"
			 "Content-Length: 3\r\n\r\nno!",
	};
	once(&x, &past, (struct http_request){ .offset = 13 });
	assert_fails(&x, ERR_INTEGRITY, "has only 12 bytes there, nothing at byte 13");
	once(&y, &past, (struct http_request){ .offset = 12 });
	assert_ok(y.rc, &y.e);
	assert_int_equal(y.r.total, 12);
	assert_int_equal(y.body.len, 0);
}

/* -- failures -------------------------------------------------------------------- */

static void each_status_has_its_class_and_cause(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum err_class class;
		enum err_cause cause;
	} cases[] = {
		{ 400, ERR_USAGE, CAUSE_NONE },        { 401, ERR_AUTH, CAUSE_NONE },
		{ 403, ERR_AUTH, CAUSE_NONE },         { 404, ERR_NOT_FOUND, CAUSE_NONE },
		{ 405, ERR_USAGE, CAUSE_NONE },        { 408, ERR_NETWORK, CAUSE_SERVER },
		{ 409, ERR_CONFLICT, CAUSE_NONE },     { 410, ERR_NOT_FOUND, CAUSE_NONE },
		{ 412, ERR_CONFLICT, CAUSE_NONE },     { 413, ERR_USAGE, CAUSE_NONE },
		{ 418, ERR_USAGE, CAUSE_NONE },        { 425, ERR_NETWORK, CAUSE_SERVER },
		{ 429, ERR_NETWORK, CAUSE_THROTTLED }, { 451, ERR_AUTH, CAUSE_NONE },
		{ 500, ERR_NETWORK, CAUSE_SERVER },    { 501, ERR_USAGE, CAUSE_NONE },
		{ 502, ERR_NETWORK, CAUSE_SERVER },    { 503, ERR_NETWORK, CAUSE_THROTTLED },
		{ 504, ERR_NETWORK, CAUSE_SERVER },    { 302, ERR_INTEGRITY, CAUSE_NONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		EXCHANGE(x);
		char number[16];
		CLEANUP(mem_free_ptr) char *reply = mem_printf(
			"HTTP/1.1 %d Whatever\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n"
			"<Error/>\n",
			cases[i].status);
		snprintf(number, sizeof number, "HTTP %d", cases[i].status);
		once(&x, &(struct canned){ .reply = reply }, (struct http_request){ 0 });
		assert_fails(&x, cases[i].class, number);
		assert_non_null(strstr(x.e.text, "/x/model.gguf: HTTP"));
		assert_string_equal(buf_str(&x.error_body), "<Error/>\n");
		assert_int_equal(x.body.len, 0);
		assert_int_equal(x.e.retry_after_s, cases[i].class == ERR_NETWORK ? 7 : 0);
		assert_int_equal(x.e.cause, cases[i].cause);
		assert_int_equal(x.r.status, cases[i].status);
	}
}

static void a_dropped_connection_is_named(void **state)
{
	(void)state;
	static const char *const replies[] = {
		OK "Content-Length: 100\r\n\r\nhello",
		PART "Content-Range: bytes 0-99/200\r\n\r\nhello",
	};
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		EXCHANGE(x);
		once(&x, &(struct canned){ .reply = replies[i], .then = CANNED_CLOSE },
		     (struct http_request){ .length = i ? 100 : 0 });
		assert_fails(&x, ERR_NETWORK, "connection dropped after 5 of 100 bytes");
		assert_int_equal(x.e.cause, CAUSE_DROPPED);
		assert_string_equal(buf_str(&x.body), "hello");
	}
	EXCHANGE(x);
	once(&x,
	     &(struct canned){ .reply = OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
			       .then = CANNED_CLOSE },
	     (struct http_request){ 0 });
	assert_fails(&x, ERR_NETWORK, "connection dropped after 5 bytes");
}

static void an_empty_answer_is_the_network(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x, &(struct canned){ .reply = "", .then = CANNED_CLOSE }, (struct http_request){ 0 });
	assert_fails(&x, ERR_NETWORK, "Empty reply");
}

static void a_refused_connection_is_the_network(void **state)
{
	(void)state;
	EXCHANGE(x);
	struct canned_server *s = canned_start(NULL, 0);
	CLEANUP(mem_free_ptr) char *url = mem_printf("http://127.0.0.1:%u/", canned_port(s));
	canned_stop(s);
	struct canned_server *other = canned_start(NULL, 0);
	perform(&x, other, (struct http_request){ .url = url }, NULL);
	canned_stop(other);
	assert_fails(&x, ERR_NETWORK, "Failed to connect");
	assert_int_equal(x.e.cause, CAUSE_UNREACHABLE);
	assert_non_null(strstr(x.e.hint, "check that the server runs"));
}

static void a_stall_ends_the_transfer(void **state)
{
	(void)state;
	static const struct canned cases[] = {
		{ .reply = OK "Content-Length: 100\r\n\r\nhello", .then = CANNED_STALL },
		{ .reply = OK "Content-Length: 10000\r\n\r\nhello", .then = CANNED_TRICKLE },
		{ .reply = "HTTP/1.1", .then = CANNED_STALL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		EXCHANGE(x);
		struct canned_server *s = canned_start(&cases[i], 1);
		perform(&x, s, (struct http_request){ 0 }, &(struct http_options){ .stall_s = 1 });
		canned_stop(s);
		assert_fails(&x, ERR_NETWORK, "stalled for 1 seconds");
		assert_int_equal(x.e.cause, CAUSE_STALLED);
	}
}

/* As S3 does it while it puts the parts of an object together. */
static void a_request_may_have_more_patience_than_its_client(void **state)
{
	(void)state;
	static const struct canned slow = { .reply = OK "Content-Length: 20\r\n\r\n",
					    .then = CANNED_TRICKLE };
	EXCHANGE(x);
	struct canned_server *s = canned_start(&slow, 1);
	perform(&x, s, (struct http_request){ .stall_s = 600 },
		&(struct http_options){ .stall_s = 1 });
	canned_stop(s);
	assert_ok(x.rc, &x.e);
	assert_int_equal(x.r.received, 20);
}

/* Asks to stop once the server has sent all it has. */
struct stopper {
	struct canned_server *server;
	struct cancel stop;
};

static void *stop_it(void *ctx)
{
	struct stopper *s = ctx;
	while (canned_served(s->server) == 0)
		usleep(1000);
	usleep(50000); /* long enough, mostly, for it to wait for the rest */
	cancel_ask(&s->stop, SIGTERM);
	return NULL;
}

static void cancelling_ends_the_transfer(void **state)
{
	(void)state;
	struct canned c = { .reply = OK "Content-Length: 100\r\n\r\nhello", .then = CANNED_STALL };
	struct stopper s = { .server = canned_start(&c, 1) };
	pthread_t thread;
	EXCHANGE(x);
	assert_int_equal(pthread_create(&thread, NULL, stop_it, &s), 0);
	perform(&x, s.server, (struct http_request){ 0 },
		&(struct http_options){ .cancel = &s.stop, .stall_s = 100000 });
	pthread_join(thread, NULL);
	assert_fails(&x, ERR_CANCELLED, "signal 15");
	canned_stop(s.server);
}

static int refuse_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx, (void)data, (void)len;
	return err_set(e, ERR_SYSTEM, "no room for it");
}

static void a_sink_s_error_comes_back(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x, &whole, (struct http_request){ .write = refuse_bytes });
	assert_fails(&x, ERR_SYSTEM, "no room for it");
}

static void a_buffer_s_ceiling_holds(void **state)
{
	(void)state;
	struct exchange x = { .body = BUF_INIT(11) };
	struct canned_server *s = canned_start(&whole, 1);
	CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
	assert_ok(http_client_new(NULL, &c, &x.e), &x.e);
	x.rc = http_perform(c,
			    &(struct http_request){
				    .url = canned_url(s), .what = "catalog.json", .into = &x.body },
			    NULL, &x.e);
	canned_stop(s);
	assert_fails(&x, ERR_INTEGRITY, "catalog.json: the answer is larger than 11 bytes");
	exchange_release(&x);
}

static void endless_headers_are_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf reply = BUF_INIT(MIB);
	buf_adds(&reply, OK);
	for (int i = 0; i < 2000; i++)
		buf_addf(&reply, "X-%d: %099d\r\n", i, 0);
	buf_adds(&reply, "\r\n");
	EXCHANGE(x);
	once(&x, &(struct canned){ .reply = reply.data, .then = CANNED_CLOSE },
	     (struct http_request){ 0 });
	assert_fails(&x, ERR_INTEGRITY, "headers of more than");
}

static void what_is_no_http_is_named(void **state)
{
	(void)state;
	EXCHANGE(x);
	once(&x, &(struct canned){ .reply = "SSH-2.0-OpenSSH_9.2\r\n", .then = CANNED_CLOSE },
	     (struct http_request){ 0 });
	assert_true(x.rc < 0);
	assert_int_equal(x.body.len, 0);
}

/* -- redirects ------------------------------------------------------------------- */

#define TO(where) "HTTP/1.1 302 Found\r\nLocation: " where "\r\nContent-Length: 4\r\n\r\nmove"

static void redirects_are_followed(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ .want = "GET /x/model.gguf ", .reply = TO("/y") },
		{ .want = "Authorization: Basic dTpw\r\n", .reply = TO("z?q=1#frag") },
		{ .want = "GET /z?q=1 ", .reply = OK "Content-Length: 2\r\n\r\nhi" },
	};
	EXCHANGE(x);
	struct canned_server *s = canned_start(script, 3);
	CLEANUP(mem_free_ptr) char *url = mem_printf("http://u:p@127.0.0.1:%u/x/model.gguf",
						     canned_port(s));
	CLEANUP(mem_free_ptr) char *last = mem_printf("http://127.0.0.1:%u/z?q=1", canned_port(s));
	perform(&x, s, (struct http_request){ .url = url }, NULL);
	canned_stop(s);
	assert_ok(x.rc, &x.e);
	assert_string_equal(buf_str(&x.body), "hi");
	assert_string_equal(x.r.url, last);
	assert_null(http_response_header(&x.r, "location"));
}

static void credentials_stay_with_their_origin(void **state)
{
	(void)state;
	struct canned script[] = {
		{ .want = "Authorization: Bearer secret\r\n" },
		{
			.want = "GET /there ",
			.forbid = "secret",
			.reply = OK "Content-Length: 0\r\n\r\n",
		},
	};
	static const char *const headers[] = { "Authorization: Bearer secret", "Cookie: a=secret",
					       "X-Plain: yes", NULL };
	struct canned_server *other = canned_start(script + 1, 1);
	CLEANUP(mem_free_ptr) char *reply =
		mem_printf("HTTP/1.1 307 Go\r\nLocation: "
			   "http://localhost:%u/there\r\nContent-Length: 0\r\n\r\n",
			   canned_port(other));
	script[0].reply = reply;
	EXCHANGE(x);
	struct canned_server *s = canned_start(script, 1);
	perform(&x, s, (struct http_request){ .headers = headers }, NULL);
	canned_stop(s);
	canned_stop(other);
	assert_ok(x.rc, &x.e);
}

static void netrc_is_for_the_origin_alone(void **state)
{
	(void)state;
	char *home = scratch_new();
	static const char machines[] = "machine 127.0.0.1 login reader password first\n"
				       "machine localhost login reader password second\n";
	struct canned script[] = {
		{ .want = "Authorization: Basic cmVhZGVyOmZpcnN0\r\n" },
		{
			.want = "GET /there ",
			.forbid = "Authorization",
			.reply = OK "Content-Length: 0\r\n\r\n",
		},
	};
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *netrc = mem_printf("%s/.netrc", home);
	assert_ok(file_write_atomic(netrc, machines, strlen(machines), 0600, &e), &e);
	CLEANUP(mem_free_ptr) char *before = mem_strdup(getenv("HOME") ? getenv("HOME") : "/");
	setenv("HOME", home, 1);
	struct canned_server *other = canned_start(script + 1, 1);
	CLEANUP(mem_free_ptr) char *reply =
		mem_printf("HTTP/1.1 307 Go\r\nLocation: "
			   "http://localhost:%u/there\r\nContent-Length: 0\r\n\r\n",
			   canned_port(other));
	script[0].reply = reply;
	EXCHANGE(x);
	struct canned_server *s = canned_start(script, 1);
	perform(&x, s, (struct http_request){ 0 }, &(struct http_options){ .netrc = true });
	canned_stop(s);
	canned_stop(other);
	setenv("HOME", before, 1);
	scratch_free(home);
	assert_ok(x.rc, &x.e);
}

static void the_url_of_a_proxy_is_redacted(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://user:se cret@127.0.0.1:port",
					    "http://user:se/cret@127.0.0.1",
					    "secret://user:secret@127.0.0.1:9",
					    "user:secret@127.0.0.1:port" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		EXCHANGE(x);
		CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
		setenv("http_proxy", urls[i], 1);
		assert_ok(http_client_new(NULL, &c, &x.e), &x.e);
		x.rc = http_perform(c, &(struct http_request){ .url = "http://h.invalid/" }, NULL,
				    &x.e);
		unsetenv("http_proxy");
		assert_int_not_equal(x.rc, 0);
		if (strstr(x.e.text, "cret@") || strstr(x.e.text, "user:"))
			fail_msg("shows the password: %s", x.e.text);
	}
}

/* Leaves no descriptor for a socket, and gives back the limit as it was. */
static struct rlimit no_more_files(void)
{
	struct rlimit before, now;
	int lowest = dup(0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = before;
	now.rlim_cur = (rlim_t)lowest;
	close(lowest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

static void too_many_open_files_are_no_fault_of_the_network(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://127.0.0.1:9/", "http://models.invalid/" };
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		EXCHANGE(x);
		CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
		assert_ok(http_client_new(NULL, &c, &x.e), &x.e);
		struct rlimit before = no_more_files();
		x.rc = http_perform(c, &(struct http_request){ .url = urls[i] }, NULL, &x.e);
		setrlimit(RLIMIT_NOFILE, &before);
		assert_fails(&x, ERR_SYSTEM, "cannot open a connection: Too many open files");
		assert_int_equal(x.e.sys, EMFILE);
		assert_non_null(strstr(x.e.hint, "ulimit -n"));
	}
}

static void redirects_end_somewhere(void **state)
{
	(void)state;
	struct canned loop[9];
	for (size_t i = 0; i < ARRAY_LEN(loop); i++)
		loop[i] = (struct canned){ .reply = TO("/again?token=secret") };
	EXCHANGE(x);
	EXCHANGE(y);
	EXCHANGE(z);
	struct canned_server *s = canned_start(loop, 9);
	perform(&x, s, (struct http_request){ 0 }, NULL);
	canned_stop(s);
	assert_fails(&x, ERR_INTEGRITY, "more than 8 redirects");
	assert_null(strstr(x.e.text, "secret"));
	once(&y, &(struct canned){ .reply = TO("ftp://127.0.0.1/x") }, (struct http_request){ 0 });
	assert_fails(&y, ERR_INTEGRITY, "not an http or https URL");
	once(&z, &(struct canned){ .reply = TO("file:///etc/passwd") }, (struct http_request){ 0 });
	assert_fails(&z, ERR_INTEGRITY, "not an http or https URL");
}

/* -- sending --------------------------------------------------------------------- */

static int64_t told;

struct memory {
	const void *data;
	size_t len;
};

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct memory *m = ctx;
	if (offset > m->len || len > m->len - offset)
		return err_set(e, ERR_BUG, "a read past the end of a body");
	memcpy(data, (const char *)m->data + offset, len);
	return 0;
}

static void tell_sent(void *ctx, int64_t bytes)
{
	(void)ctx;
	told += bytes;
}

static void a_body_is_sent(void **state)
{
	(void)state;
	struct memory data = { "hello", 5 };
	EXCHANGE(x);
	EXCHANGE(y);
	told = 0;
	once(&x,
	     &(struct canned){ .want = "Content-Length: 5\r\n",
			       .forbid = "Expect",
			       .reply = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n" },
	     (struct http_request){ .method = "PUT",
				    .read_at = read_memory,
				    .body_ctx = &data,
				    .body_size = 5,
				    .body_sent = tell_sent });
	assert_ok(x.rc, &x.e);
	assert_int_equal(x.r.status, 201);
	assert_int_equal(told, 5);
	once(&y,
	     &(struct canned){ .want = "\r\n\r\nhello", .reply = OK "Content-Length: 0\r\n\r\n" },
	     (struct http_request){
		     .method = "POST", .read_at = read_memory, .body_ctx = &data, .body_size = 5 });
	assert_ok(y.rc, &y.e);
}

static void a_posted_body_is_not_posted_again(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ .want = "POST /x", .reply = TO("/done") },
		{
			.want = "GET /done ",
			.forbid = "hello",
			.reply = OK "Content-Length: 0\r\n\r\n",
		},
	};
	struct memory data = { "hello", 5 };
	EXCHANGE(x);
	struct canned_server *s = canned_start(script, 2);
	perform(&x, s,
		(struct http_request){ .method = "POST",
				       .read_at = read_memory,
				       .body_ctx = &data,
				       .body_size = 5 },
		NULL);
	canned_stop(s);
	assert_ok(x.rc, &x.e);
}

/* -- pages and limits ------------------------------------------------------------ */

static void an_html_page_is_recognised(void **state)
{
	(void)state;
	EXCHANGE(x);
	EXCHANGE(y);
	once(&x,
	     &(struct canned){ .reply = OK
			       "Content-Type: text/html\r\nContent-Length: 2\r\n\r\nhi" },
	     (struct http_request){ 0 });
	assert_true(x.r.html);
	once(&y,
	     &(struct canned){ .reply = OK "Content-Length: 23\r\n\r\n\r\n <!DOCTYPE HTML><html>" },
	     (struct http_request){ 0 });
	assert_ok(y.rc, &y.e);
	assert_true(y.r.html);
}

static void a_rate_limit_holds(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf reply = BUF_INIT(MIB);
	buf_adds(&reply, OK "Content-Length: 200000\r\n\r\n");
	memset(buf_reserve(&reply, 200000), 'x', 200000);
	buf_commit(&reply, 200000);
	struct canned c = { .reply = reply.data, .len = reply.len };
	EXCHANGE(x);
	struct canned_server *s = canned_start(&c, 1);
	struct fake_clock f;
	fake_clock_init(&f);
	struct rate rate = { .bytes_per_s = 100000, .clock = &f.clock };
	perform(&x, s, (struct http_request){ 0 }, &(struct http_options){ .rate = &rate });
	canned_stop(s);
	assert_ok(x.rc, &x.e);
	assert_in_range(f.slept_ms, 1980, 2000);
}

static void texts_show_no_credentials(void **state)
{
	(void)state;
	EXCHANGE(x);
	struct canned c = { .reply = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" };
	struct canned_server *s = canned_start(&c, 1);
	CLEANUP(mem_free_ptr) char *url =
		mem_printf("http://user:hunter2@127.0.0.1:%u/a?X-Amz-Signature=hunter2",
			   canned_port(s));
	perform(&x, s, (struct http_request){ .url = url }, NULL);
	canned_stop(s);
	assert_fails(&x, ERR_AUTH, "/a?X-Amz-Signature=***: HTTP 403");
	assert_null(strstr(x.e.text, "hunter2"));
	assert_null(strstr(x.r.url, "user"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_fills_the_response),
		cmocka_unit_test(a_head_has_no_body),
		cmocka_unit_test(a_range_is_asked_and_checked),
		cmocka_unit_test(a_wrong_part_is_refused),
		cmocka_unit_test(a_part_nobody_asked_for_is_refused),
		cmocka_unit_test(more_bytes_than_announced_are_refused),
		cmocka_unit_test(an_ignored_range_is_skipped_to),
		cmocka_unit_test(another_success_than_200_is_no_way_around_a_range),
		cmocka_unit_test(an_ignored_range_can_be_refused_or_restart),
		cmocka_unit_test(a_changed_object_is_noticed),
		cmocka_unit_test(past_the_end_is_an_error_but_at_the_end_is_not),
		cmocka_unit_test(each_status_has_its_class_and_cause),
		cmocka_unit_test(a_dropped_connection_is_named),
		cmocka_unit_test(an_empty_answer_is_the_network),
		cmocka_unit_test(a_refused_connection_is_the_network),
		cmocka_unit_test(a_stall_ends_the_transfer),
		cmocka_unit_test(a_request_may_have_more_patience_than_its_client),
		cmocka_unit_test(cancelling_ends_the_transfer),
		cmocka_unit_test(a_sink_s_error_comes_back),
		cmocka_unit_test(a_buffer_s_ceiling_holds),
		cmocka_unit_test(endless_headers_are_refused),
		cmocka_unit_test(what_is_no_http_is_named),
		cmocka_unit_test(redirects_are_followed),
		cmocka_unit_test(credentials_stay_with_their_origin),
		cmocka_unit_test(netrc_is_for_the_origin_alone),
		cmocka_unit_test(the_url_of_a_proxy_is_redacted),
		cmocka_unit_test(too_many_open_files_are_no_fault_of_the_network),
		cmocka_unit_test(redirects_end_somewhere),
		cmocka_unit_test(a_body_is_sent),
		cmocka_unit_test(a_posted_body_is_not_posted_again),
		cmocka_unit_test(an_html_page_is_recognised),
		cmocka_unit_test(a_rate_limit_holds),
		cmocka_unit_test(texts_show_no_credentials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
