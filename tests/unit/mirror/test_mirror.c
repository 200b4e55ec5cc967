#include "mirror/kinds.h"
#include "mirror_mem.h"

#include "canned.h"
#include "unit.h"
#include "util/mem.h"

#include <limits.h>
#include <stdio.h>

static struct mirror *open_url(const char *url)
{
	struct err e = ERR_INIT;
	struct mirror *m = NULL;
	assert_ok(mirror_open_url(mirror_kinds_client, NULL, "eu", url, &m, &e), &e);
	return m;
}

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

static void only_readable_urls_open(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "s3://bucket", "ftp://h/", "/srv", "httpx://h" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct mirror *m = NULL;
		assert_int_equal(mirror_open_url(mirror_kinds_client, NULL, "eu", bad[i], &m, &e),
				 -ERR_USAGE);
		assert_null(m);
		assert_non_null(strstr(e.text, "mirror eu"));
	}
}

static void a_server_s_wish_is_kept_for_the_caller(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.want = "HEAD /base/a ",
			.reply = "HTTP/1.1 503 Busy\r\nRetry-After: 17\r\n"
				 "Content-Length: 0\r\n\r\n",
		},
		{
			.want = "HEAD /base/a ",
			.reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		},
	};
	struct err e = ERR_INIT;
	struct canned_server *s = canned_start(script, 2);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/base", canned_url(s));
	struct mirror *m = open_url(url);
	assert_int_equal(mirror_stat_key(m, "a", NULL, &e), -ERR_NETWORK);
	assert_string_equal(e.text, "mirror eu: a: HTTP 503: server error");
	assert_int_equal(e.retry_after_s, 17);
	err_clear(&e);
	assert_ok(mirror_stat_key(m, "a", NULL, &e), &e);
	assert_int_equal(e.retry_after_s, 0);
	mirror_close(m);
	canned_stop(s);
}

static void a_server_without_ranges_is_found_out(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.want = "Range: bytes=2-4\r\n",
			.reply = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcdefgh",
		},
	};
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	struct canned_server *s = canned_start(script, 1);
	struct mirror *m = open_url(canned_url(s));
	assert_true(mirror_can(m, MIRROR_CAN_RANGE));
	assert_ok(mirror_get(m, &(struct mirror_range){ .key = "a", .offset = 2, .length = 3 },
			     &(struct mirror_sink){ take, &got }, &e),
		  &e);
	assert_string_equal(buf_str(&got), "cde");
	assert_false(mirror_can(m, MIRROR_CAN_RANGE));
	mirror_close(m);
	canned_stop(s);
}

static void a_page_instead_of_a_model_gives_no_bytes(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.reply = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: "
				 "2\r\n\r\nhi",
		},
		{ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<!DOCTYPE html>" },
		{ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<!DOCTYPE html>" },
	};
	struct canned_server *s = canned_start(script, 3);
	struct mirror *m = open_url(canned_url(s));
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;
		assert_int_equal(mirror_get_small(m, "a.gguf", 0, &got, &e), -ERR_INTEGRITY);
		assert_non_null(strstr(e.text, "HTML page"));
		assert_int_equal(got.len, 0);
	}
	struct err e = ERR_INIT;
	assert_ok(mirror_get_small(m, "index.html", 0, &got, &e), &e);
	assert_int_equal(got.len, 15);
	mirror_close(m);
	canned_stop(s);
}

static void a_page_that_is_shorter_than_the_range_is_called_a_page(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.want = "Range: bytes=100-199\r\n",
			.reply = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: "
				 "2\r\n\r\nhi",
		},
	};
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	struct canned_server *s = canned_start(script, 1);
	struct mirror *m = open_url(canned_url(s));
	struct mirror_range range = { .key = "a.gguf", .offset = 100, .length = 100 };
	assert_int_equal(mirror_get(m, &range, &(struct mirror_sink){ take, &got }, &e),
			 -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "answered with an HTML page"));
	assert_int_equal(got.len, 0);
	assert_true(mirror_can(m, MIRROR_CAN_RANGE));
	mirror_close(m);
	canned_stop(s);
}

static void settings_reach_the_client(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{
			.reply = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc",
			.then = CANNED_STALL,
		},
	};
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	struct canned_server *s = canned_start(script, 1);
	struct mirror_env env = { .stall_s = 1 };
	struct mirror *m;
	assert_ok(mirror_open_url(mirror_kinds_client, &env, "eu", canned_url(s), &m, &e), &e);
	assert_int_equal(mirror_get_small(m, "a", 0, &got, &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "stalled for 1 seconds after 3 bytes"));
	mirror_close(m);
	canned_stop(s);
}

/* -- faults in memory ------------------------------------------------------------ */

static void faults_strike_where_they_are_set(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP_PTR(mirror_mem_free) struct mirror_mem *s = mirror_mem_new();
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_mem_open(s, "mem");
	CLEANUP(buf_release) struct buf got = BUF_INIT(100);
	mirror_mem_set(s, "a", "hello", 5);
	mirror_mem_fault(s, &(struct mem_fault){ .call = MEM_GET,
						 .key = "a",
						 .skip = 1,
						 .harm = MEM_FAIL,
						 .class = ERR_AUTH });
	assert_ok(mirror_get_small(m, "a", 0, &got, &e), &e);
	assert_int_equal(mirror_get_small(m, "a", 0, &got, &e), -ERR_AUTH);
	err_clear(&e);
	assert_ok(mirror_get_small(m, "a", 0, &got, &e), &e);

	mirror_mem_fault(s, &(struct mem_fault){ .call = MEM_GET, .harm = MEM_CUT, .at = 2 });
	buf_clear(&got);
	assert_int_equal(mirror_get_small(m, "a", 0, &got, &e), -ERR_NETWORK);
	assert_string_equal(buf_str(&got), "he");
	err_clear(&e);

	mirror_mem_fault(s,
			 &(struct mem_fault){
				 .call = MEM_GET, .harm = MEM_FLIP, .at = 4, .times = UINT_MAX });
	assert_ok(mirror_get_small(m, "a", 0, &got, &e), &e);
	assert_string_equal(buf_str(&got), "helln");
	mirror_mem_mend(s);

	mirror_mem_fault(s, &(struct mem_fault){ .call = MEM_PUT, .harm = MEM_AFTER });
	assert_ok(mirror_put_small(m, "b", "x", 1, NULL, NULL, &e), &e);
	assert_non_null(mirror_mem_object(s, "b"));
	err_clear(&e);
	mirror_mem_fault(s, &(struct mem_fault){ .call = MEM_PUT, .harm = MEM_CUT });
	assert_int_equal(mirror_put_small(m, "c", "x", 1, NULL, NULL, &e), -ERR_NETWORK);
	assert_null(mirror_mem_object(s, "c"));
	assert_string_equal(mirror_mem_calls(s)->at[0], "get a 0 -1");
	assert_true(str_list_has(mirror_mem_calls(s), "put c"));
}

static bool url_has_credentials(const char *url)
{
	CLEANUP_PTR(mirror_close) struct mirror *m = open_url(url);
	return mirror_has_credentials(m);
}

static bool github_has_credentials(void)
{
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	struct err e = ERR_INIT;
	json_t *json = json_pack("{s:s}", "tag", "models");
	struct catalog_mirror entry = {
		.id = "gh",
		.kind = "github",
		.url = "https://github.com/a/b/releases/download",
		.holds = MIRROR_HOLDS_OBJECTS,
		.json = json,
	};
	assert_ok(mirror_open_entry(mirror_kinds_client, NULL, &entry, &m, &e), &e);
	json_decref(json);
	return mirror_has_credentials(m);
}

/* An edge serves what was read with them to callers with credentials alone. */
static void credentials_of_every_source_are_known_before_a_request(void **state)
{
	static const char *const variables[] = { "GH_TOKEN", "GITHUB_TOKEN", "FERRY_OCI_USERNAME",
						 "FERRY_OCI_PASSWORD" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	setenv("HOME", "/dev/null", 1);
	setenv("DOCKER_CONFIG", "/dev/null", 1);
	assert_false(url_has_credentials("https://models.example/"));
	assert_true(url_has_credentials("https://me:secret@models.example/"));
	assert_false(url_has_credentials("oci://ghcr.io/a/b"));
	assert_false(github_has_credentials());
	setenv("GH_TOKEN", "t", 1);
	assert_true(github_has_credentials());
	assert_true(url_has_credentials("oci://ghcr.io/a/b"));
	assert_false(url_has_credentials("https://models.example/"));
	unsetenv("GH_TOKEN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_readable_urls_open),
		cmocka_unit_test(a_server_s_wish_is_kept_for_the_caller),
		cmocka_unit_test(a_server_without_ranges_is_found_out),
		cmocka_unit_test(a_page_instead_of_a_model_gives_no_bytes),
		cmocka_unit_test(a_page_that_is_shorter_than_the_range_is_called_a_page),
		cmocka_unit_test(settings_reach_the_client),
		cmocka_unit_test(credentials_of_every_source_are_known_before_a_request),
		cmocka_unit_test(faults_strike_where_they_are_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
