/* Requests to canned servers: what is sent, and what is made of the answer. */
#include "canned.h"
#include "unit.h"

#include "s3/s3.h"
#include "util/mem.h"

#include <stdio.h>

static char *answer(const char *status, const char *headers, const char *body)
{
	if (!*body)
		return mem_printf("HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n", status, headers);
	return mem_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
			  strlen(body), body);
}

struct world {
	struct http_client *client;
	struct s3_place place;
	struct buf into;
};

static void open_world(struct world *w, const char *endpoint)
{
	struct err e = ERR_INIT;
	struct s3_place_options o = { .endpoint = endpoint, .bucket = "models" };
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "very-secret", 1);
	*w = (struct world){ .into = BUF_INIT(S3_MAX_ANSWER) };
	assert_ok(http_client_new(NULL, &w->client, &e), &e);
	assert_ok(s3_place_open(&w->place, &o, &e), &e);
}

static void close_world(struct world *w)
{
	http_client_free(w->client);
	s3_place_release(&w->place);
	buf_release(&w->into);
}

static int list(struct world *w, char *code, struct err *e)
{
	struct sigv4_pair query[] = { { "prefix", "a b/" }, { "list-type", "2" } };
	struct s3_request q = { .method = "GET",
				.query = query,
				.query_count = 2,
				.root = "ListBucketResult",
				.into = &w->into,
				.code = code };
	return s3_call(w->client, &w->place, &q, NULL, e);
}

static void a_request_is_signed_and_sorted(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "", "<ListBucketResult/>");
	const struct canned script[] = {
		{ .want = "GET /models/?list-type=2&prefix=a%20b%2F HTTP/1.1", .reply = ok },
		{ .want = "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=",
		  .reply = ok },
		{ .want = "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
		  .forbid = "very-secret",
		  .reply = ok },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server));
	for (size_t i = 0; i < ARRAY_LEN(script); i++)
		assert_ok(list(&w, NULL, &e), &e);
	close_world(&w);
	canned_stop(server);
}

static void an_error_in_a_success_is_a_failure(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *bad =
		answer("200 OK", "",
		       "<Error><Code>InternalError</Code><Message>m</Message></Error>");
	CLEANUP(mem_free_ptr) char *other = answer("200 OK", "", "<html>welcome</html>");
	CLEANUP(mem_free_ptr) char *empty = answer("200 OK", "", "");
	const struct canned script[] = { { .reply = bad }, { .reply = other }, { .reply = empty } };
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	char code[S3_CODE];
	struct err e[3] = { ERR_INIT, ERR_INIT, ERR_INIT };
	open_world(&w, canned_url(server));
	assert_int_equal(list(&w, code, &e[0]), -ERR_NETWORK);
	assert_string_equal(code, "InternalError");
	assert_true(err_is_transient(&e[0]));
	assert_int_equal(list(&w, NULL, &e[1]), -ERR_INTEGRITY);
	assert_int_equal(list(&w, NULL, &e[2]), -ERR_INTEGRITY);
	assert_non_null(strstr(e[2].hint, "S3-compatible"));
	close_world(&w);
	canned_stop(server);
}

static void a_bucket_in_another_region_is_followed_once(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *moved = answer("301 Moved Permanently",
						   "x-amz-bucket-region: eu-west-1\r\n",
						   "<Error><Code>PermanentRedirect</Code></Error>");
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "", "<ListBucketResult/>");
	const struct canned script[] = {
		{ .want = "/us-east-1/s3/aws4_request", .reply = moved },
		{ .want = "/eu-west-1/s3/aws4_request", .reply = ok },
		{ .want = "/eu-west-1/s3/aws4_request", .reply = ok },
		/* It says the same again: then it is an error. */
		{ .reply = moved },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT, again = ERR_INIT;
	open_world(&w, canned_url(server));
	assert_ok(list(&w, NULL, &e), &e);
	assert_ok(list(&w, NULL, &e), &e);
	assert_true(list(&w, NULL, &again) < 0);
	close_world(&w);
	canned_stop(server);
}

/* A host in another region wants another signature: the request is signed anew, and not sent to
 * whatever Location names. */
static void a_redirect_to_another_region_is_signed_anew(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *moved = answer("307 Temporary Redirect",
						   "x-amz-bucket-region: eu-west-1\r\n"
						   "Location: /elsewhere\r\n",
						   "<Error><Code>TemporaryRedirect</Code></Error>");
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "", "<ListBucketResult/>");
	const struct canned script[] = {
		{ .want = "/us-east-1/s3/aws4_request", .reply = moved },
		{ .want = "/eu-west-1/s3/aws4_request", .forbid = "elsewhere", .reply = ok },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server));
	assert_ok(list(&w, NULL, &e), &e);
	close_world(&w);
	canned_stop(server);
}

static void count_sent(void *ctx, int64_t bytes)
{
	*(int64_t *)ctx += bytes;
}

static void a_body_that_is_sent_to_another_region_again_counts_once(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *moved = answer("301 Moved Permanently",
						   "x-amz-bucket-region: eu-west-1\r\n",
						   "<Error><Code>PermanentRedirect</Code></Error>");
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "ETag: \"abc\"\r\n", "");
	const struct canned script[] = { { .reply = moved }, { .reply = ok } };
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	int64_t sent = 0;
	struct s3_request q = { .method = "PUT",
				.key = "a",
				.body = "hello",
				.body_len = 5,
				.body_sent = count_sent,
				.body_ctx = &sent };
	open_world(&w, canned_url(server));
	assert_ok(s3_call(w.client, &w.place, &q, NULL, &e), &e);
	assert_int_equal(sent, 5);
	close_world(&w);
	canned_stop(server);
}

/* As a Kubernetes secret that was made with `echo` has one. */
static void a_line_break_in_a_key_or_a_header_is_refused(void **state)
{
	(void)state;
	struct canned_server *server = canned_start(NULL, 0);
	struct sigv4_pair header = { "if-match", "\"a\"\r\nx-amz-acl: public-read" };
	struct s3_request q = {
		.method = "PUT", .key = "a", .headers = &header, .header_count = 1
	};
	struct world w;
	struct err e = ERR_INIT, other = ERR_INIT;
	open_world(&w, canned_url(server));
	assert_int_equal(s3_call(w.client, &w.place, &q, NULL, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "if-match"));
	close_world(&w);
	open_world(&w, canned_url(server));
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE\n", 1);
	assert_int_equal(list(&w, NULL, &other), -ERR_USAGE);
	assert_non_null(strstr(other.text, "check the access keys"));
	assert_null(strstr(other.text, "AKID"));
	close_world(&w);
	assert_int_equal(canned_served(server), 0);
	canned_stop(server);
}

static void an_expired_session_is_renewed_once(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *expired = answer("400 Bad Request", "",
						     "<Error><Code>ExpiredToken</Code></Error>");
	const struct canned script[] = { { .reply = expired }, { .reply = expired } };
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server));
	assert_int_equal(list(&w, NULL, &e), -ERR_AUTH);
	close_world(&w);
	canned_stop(server);
}

static void a_put_has_its_digest_and_length(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "ETag: \"abc\"\r\n", "");
	const struct canned script[] = {
		{ .want = "x-amz-content-sha256: "
			  "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		  .reply = ok },
		{ .want = "Content-Length: 0", .forbid = "Expect", .reply = ok },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	struct s3_request q = { .method = "PUT", .key = "a/b", .body = "hello", .body_len = 5 };
	open_world(&w, canned_url(server));
	assert_ok(s3_call(w.client, &w.place, &q, NULL, &e), &e);
	q = (struct s3_request){ .method = "PUT", .key = "a/b" };
	assert_ok(s3_call(w.client, &w.place, &q, NULL, &e), &e);
	close_world(&w);
	canned_stop(server);
}

/* -- places ----------------------------------------------------------------------- */

static void check_url(const struct s3_place_options *o, const char *start)
{
	struct s3_place p = { 0 };
	struct err e = ERR_INIT;
	char *url = NULL;
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "very-secret", 1);
	assert_ok(s3_place_open(&p, o, &e), &e);
	assert_ok(s3_presign(&p, "a b/c+d", 60, &url, &e), &e);
	if (strncmp(url, start, strlen(start)) != 0)
		fail_msg("%s does not start with %s", url, start);
	assert_non_null(strstr(url, "&X-Amz-Signature="));
	assert_null(strstr(url, "very-secret"));
	free(url);
	s3_place_release(&p);
}

static void a_bucket_has_its_place(void **state)
{
	(void)state;
	static const struct {
		struct s3_place_options o;
		const char *url;
	} cases[] = {
		{ { .bucket = "models" },
		  "https://models.s3.us-east-1.amazonaws.com/a%20b/c%2Bd?" },
		{ { .bucket = "models", .region = "eu-west-1" },
		  "https://models.s3.eu-west-1.amazonaws.com/" },
		{ { .bucket = "models", .region = "cn-north-1" },
		  "https://models.s3.cn-north-1.amazonaws.com.cn/" },
		/* TLS does not verify a host name with a dot in the bucket. */
		{ { .bucket = "my.models", .region = "eu-west-1" },
		  "https://s3.eu-west-1.amazonaws.com/my.models/" },
		{ { .bucket = "models", .style = S3_STYLE_PATH },
		  "https://s3.us-east-1.amazonaws.com/models/" },
		{ { .bucket = "models", .endpoint = "http://127.0.0.1:7480/" },
		  "http://127.0.0.1:7480/models/a%20b/c%2Bd?" },
		{ { .bucket = "models", .endpoint = "https://s3.hf.co/name" },
		  "https://s3.hf.co/name/models/" },
		/* The host is sent as it is signed: in lower case. */
		{ { .bucket = "models", .endpoint = "https://S3.Example/Name/" },
		  "https://s3.example/Name/models/" },
		{ { .bucket = "models",
		    .endpoint = "https://s.example:8443",
		    .style = S3_STYLE_HOST },
		  "https://models.s.example:8443/" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_url(&cases[i].o, cases[i].url);
}

static void the_environment_names_an_endpoint(void **state)
{
	(void)state;
	struct s3_place_options o = { .bucket = "models" };
	setenv("AWS_ENDPOINT_URL", "https://all.example", 1);
	check_url(&o, "https://all.example/models/");
	setenv("AWS_ENDPOINT_URL_S3", "https://s3.example", 1);
	check_url(&o, "https://s3.example/models/");
	o.endpoint = "https://own.example";
	check_url(&o, "https://own.example/models/");
	unsetenv("AWS_ENDPOINT_URL");
	unsetenv("AWS_ENDPOINT_URL_S3");
}

static void a_place_that_is_none_is_refused(void **state)
{
	(void)state;
	static const struct s3_place_options cases[] = {
		{ .bucket = NULL },
		{ .bucket = "ab" },
		{ .bucket = "a/b" },
		{ .bucket = "a..b" },
		{ .bucket = "models", .region = "" },
		{ .bucket = "models", .region = "other.example/" },
		{ .bucket = "models", .region = "eu-west-1\n" },
		{ .bucket = "models", .endpoint = "ftp://h" },
		{ .bucket = "models", .endpoint = "https://u:p@h" },
		{ .bucket = "models", .endpoint = "https://h/?x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct s3_place p = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(s3_place_open(&p, &cases[i], &e), -ERR_USAGE);
		s3_place_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_signed_and_sorted),
		cmocka_unit_test(an_error_in_a_success_is_a_failure),
		cmocka_unit_test(a_bucket_in_another_region_is_followed_once),
		cmocka_unit_test(a_redirect_to_another_region_is_signed_anew),
		cmocka_unit_test(a_body_that_is_sent_to_another_region_again_counts_once),
		cmocka_unit_test(a_line_break_in_a_key_or_a_header_is_refused),
		cmocka_unit_test(an_expired_session_is_renewed_once),
		cmocka_unit_test(a_put_has_its_digest_and_length),
		cmocka_unit_test(a_bucket_has_its_place),
		cmocka_unit_test(the_environment_names_an_endpoint),
		cmocka_unit_test(a_place_that_is_none_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
