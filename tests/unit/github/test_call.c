/* Requests to canned servers: what is sent, and what is made of the answer. */
#include "canned.h"
#include "fake_clock.h"
#include "unit.h"

#include "github/github.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>

static char *answer(const char *status, const char *headers, const char *body)
{
	return mem_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
			  strlen(body), body);
}

struct world {
	struct http_client *client;
	struct github_place place;
};

static void no_tokens(void)
{
	static const char *const names[] = { "GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN",
					     "GITHUB_ENTERPRISE_TOKEN", "GH_HOST" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	setenv("NETRC", "no-such-netrc", 1);
}

static void open_world(struct world *w, const char *api, const char *token)
{
	struct err e = ERR_INIT;
	struct github_place_options o = {
		.api = api, .own = true, .owner = "ai", .repo = "models"
	};
	no_tokens();
	if (token)
		setenv("GH_TOKEN", token, 1);
	assert_ok(http_client_new(NULL, &w->client, &e), &e);
	assert_ok(github_place_open(&w->place, &o, &e), &e);
}

static void close_world(struct world *w)
{
	http_client_free(w->client);
	github_place_release(&w->place);
}

static int get(struct world *w, const char *path, char *code, struct err *e)
{
	CLEANUP(json_release) json_t *got = NULL;
	struct github_request q = { .path = path, .answer = &got, .code = code };
	return github_call(w->client, &w->place, &q, NULL, e);
}

static void a_request_has_token_and_version(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *ok = answer("200 OK", "", "{}");
	const struct canned script[] = {
		{ .want = "GET /repos/ai/models/releases?per_page=1 HTTP/1.1", .reply = ok },
		{ .want = "Authorization: Bearer ghp_secret\r\n", .reply = ok },
		{ .want = "X-GitHub-Api-Version: 2022-11-28\r\n", .reply = ok },
		{ .want = "Accept: application/vnd.github+json\r\n", .reply = ok },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server), "ghp_secret");
	for (size_t i = 0; i < ARRAY_LEN(script); i++)
		assert_ok(get(&w, "/releases?per_page=1", NULL, &e), &e);
	close_world(&w);
	canned_stop(server);
}

static void a_document_is_sent_as_json(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *made = answer("201 Created", "Location: /elsewhere\r\n",
						  "{\"id\": 5}");
	const struct canned script[] = { { .want = "Content-Type: application/json\r\n",
					   .forbid = "Expect: 100",
					   .reply = made },
					 { .want = "\r\n\r\n{\"draft\":true}", .reply = made } };
	struct canned_server *server = canned_start(script, 2);
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server), "t");
	CLEANUP(json_release) json_t *draft = json_pack("{s:b}", "draft", 1);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(json_release) json_t *got = NULL;
		struct github_request q = {
			.method = "POST", .path = "/releases", .json = draft, .answer = &got
		};
		assert_ok(github_call(w.client, &w.place, &q, NULL, &e), &e);
		assert_int_equal(json_number(got, "id"), 5);
	}
	close_world(&w);
	canned_stop(server);
}

static void without_a_token_nothing_is_claimed(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *no = answer("404 Not Found", "", "{\"message\":\"Not Found\"}");
	const struct canned script[] = { { .forbid = "Authorization", .reply = no } };
	struct canned_server *server = canned_start(script, 1);
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server), NULL);
	assert_int_equal(get(&w, "", NULL, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "HTTP 404 Not Found"));
	assert_non_null(strstr(e.hint, "GH_TOKEN"));
	close_world(&w);
	canned_stop(server);
}

/* -- faults ----------------------------------------------------------------------- */

static const struct fault {
	const char *status, *headers, *body;
	enum err_class class;
	const char *text, *hint, *code;
} faults[] = {
	{ "401 Unauthorized", "", "{\"message\":\"Bad credentials\"}", ERR_AUTH,
	  "HTTP 401 Bad credentials, with the token from GH_TOKEN", "was revoked", "" },
	{ "403 Forbidden", "x-accepted-github-permissions: contents=write\r\n",
	  "{\"message\":\"Resource not accessible by personal access token\"}", ERR_AUTH,
	  "not accessible by personal access token", "permission contents=write", "" },
	{ "403 Forbidden", "x-github-sso: required; url=https://x\r\n", "{\"message\":\"no\"}",
	  ERR_AUTH, "HTTP 403", "single sign-on", "" },
	{ "404 Not Found", "", "{\"message\":\"Not Found\"}", ERR_NOT_FOUND, "HTTP 404 Not Found",
	  "", "" },
	{ "422 Unprocessable Entity", "",
	  "{\"message\":\"Validation Failed\",\"errors\":[{\"resource\":\"ReleaseAsset\","
	  "\"code\":\"already_exists\",\"field\":\"name\"}]}",
	  ERR_CONFLICT, "Validation Failed: name: already_exists", "", "already_exists" },
	{ "422 Unprocessable Entity", "",
	  "{\"message\":\"Validation Failed\",\"errors\":[{\"code\":\"custom\","
	  "\"message\":\"tag_name was used by an immutable release\"}]}",
	  ERR_USAGE, "tag_name was used by an immutable release", "", "custom" },
	{ "422 Unprocessable Entity", "",
	  "{\"message\":\"Validation Failed\",\"errors\":[{\"code\":\"custom\","
	  "\"field\":\"file_count\",\"message\":\"file_count limited to 1000 assets\"}]}",
	  ERR_USAGE, "file_count limited to 1000 assets", "", "file_count" },
	{ "422 Unprocessable Entity", "",
	  "{\"message\":\"Validation Failed\",\"errors\":[\"a \\u001b[2Jword\"]}", ERR_USAGE,
	  "a \\x1b[2Jword", "", "" },
	{ "502 Bad Gateway", "", "{\"message\":\"Server Error\"}", ERR_NETWORK, "Server Error", "",
	  "" },
	{ "503 Service Unavailable", "", "<html>", ERR_NETWORK, "HTTP 503: server error", "", "" },
};

static void a_failure_is_told_in_the_words_of_github(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		const struct fault *f = &faults[i];
		CLEANUP(mem_free_ptr) char *reply = answer(f->status, f->headers, f->body);
		const struct canned script[] = { { .reply = reply } };
		struct canned_server *server = canned_start(script, 1);
		struct world w;
		struct err e = ERR_INIT;
		char code[GITHUB_CODE];
		open_world(&w, canned_url(server), "ghp_secret");
		assert_int_equal(get(&w, "", code, &e), -(int)f->class);
		if (!strstr(e.text, f->text) || !strstr(e.hint, f->hint))
			fail_msg("case %zu: %s (%s)", i, e.text, e.hint);
		assert_string_equal(code, f->code);
		assert_null(strstr(e.text, "ghp_secret"));
		close_world(&w);
		canned_stop(server);
	}
}

static void expect_pause(const char *status, const char *headers, const char *page,
			 uint64_t pause_s)
{
	struct fake_clock clock;
	fake_clock_init(&clock);
	CLEANUP(mem_free_ptr)
	char *body = mem_printf("{\"message\":\"slow down\",\"documentation_url\":\"%s\"}", page);
	CLEANUP(mem_free_ptr) char *reply = answer(status, headers, body);
	const struct canned script[] = { { .reply = reply } };
	struct canned_server *server = canned_start(script, 1);
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server), "t");
	w.place.clock = &clock.clock;
	assert_int_equal(get(&w, "", NULL, &e), -ERR_NETWORK);
	assert_int_equal(e.cause, CAUSE_THROTTLED);
	assert_int_equal(e.retry_after_s, pause_s);
	close_world(&w);
	canned_stop(server);
}

static void a_limit_of_requests_says_how_long_to_wait(void **state)
{
	(void)state;
	struct fake_clock clock;
	fake_clock_init(&clock);
	CLEANUP(mem_free_ptr)
	char *reset = mem_printf("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: %lld\r\n",
				 (long long)clock_wall_s(&clock.clock) + 100);
	CLEANUP(mem_free_ptr) char *both = mem_printf("retry-after: 7\r\n%s", reset);
	expect_pause("403 Forbidden", "retry-after: 7\r\n", "", 7);
	expect_pause("403 Forbidden", both, "", 7);
	expect_pause("403 Forbidden", reset, "", 101);
	expect_pause("429 Too Many Requests", reset, "", 101);
	expect_pause("429 Too Many Requests", "", "", 60);
	expect_pause("403 Forbidden", "x-ratelimit-remaining: 12\r\n",
		     "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about",
		     60);
	/* A reset in the past, by another clock. */
	expect_pause("403 Forbidden", "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n", "",
		     1);
}

static void limits_and_the_end_of_the_token_are_noted(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr)
	char *ok = answer("200 OK",
			  "x-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 4321\r\n"
			  "x-ratelimit-reset: 1700000000\r\n"
			  "github-authentication-token-expiration: 2026-01-02 03:04:05 UTC\r\n",
			  "{}");
	const struct canned script[] = { { .reply = ok } };
	struct canned_server *server = canned_start(script, 1);
	struct world w;
	struct err e = ERR_INIT;
	open_world(&w, canned_url(server), "t");
	assert_false(github_place_limits(&w.place).known);
	assert_ok(get(&w, "", NULL, &e), &e);
	struct github_limits limits = github_place_limits(&w.place);
	assert_true(limits.known);
	assert_int_equal(limits.limit, 5000);
	assert_int_equal(limits.remaining, 4321);
	assert_int_equal(limits.reset_s, 1700000000);
	assert_int_equal(limits.token_expires_s, 1767323045);
	close_world(&w);
	canned_stop(server);
}

static void a_renamed_repository_is_named(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	/* The Location needs the port of the server, which is known only later. */
	CLEANUP(mem_free_ptr) char *name = answer("200 OK", "", "{\"full_name\":\"ai/gguf\"}");
	struct canned script[] = { { .want = "POST /repos/ai/models/releases" },
				   { .want = "GET /repositories/77 HTTP/1.1", .reply = name } };
	struct canned_server *server = canned_start(script, 2);
	CLEANUP(mem_free_ptr)
	char *headers = mem_printf("Location: %s/repositories/77/releases\r\n", canned_url(server));
	CLEANUP(mem_free_ptr)
	char *moved = answer("307 Temporary Redirect", headers,
			     "{\"message\":\"Moved Permanently\"}");
	script[0].reply = moved;
	CLEANUP(json_release) json_t *body = json_object();
	struct github_request q = { .method = "POST", .path = "/releases", .json = body };
	open_world(&w, canned_url(server), "t");
	assert_int_equal(github_call(w.client, &w.place, &q, NULL, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "the repository ai/models is now ai/gguf"));
	close_world(&w);
	canned_stop(server);
}

static void a_token_stays_with_its_server(void **state)
{
	(void)state;
	struct canned_server *server = canned_start(NULL, 0);
	struct world w;
	struct err e = ERR_INIT;
	struct github_request q = { .url = "https://evil.example/repositories/1" };
	open_world(&w, canned_url(server), "t");
	assert_int_equal(github_call(w.client, &w.place, &q, NULL, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "evil.example"));
	assert_int_equal(canned_served(server), 0);
	close_world(&w);
	canned_stop(server);
}

/* -- pages ------------------------------------------------------------------------ */

static int count_item(void *ctx, const json_t *item, struct err *e)
{
	(void)e;
	*(int64_t *)ctx += json_integer_value(item);
	return 0;
}

static void a_list_is_read_to_its_last_page(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	int64_t sum = 0;
	struct canned script[] = { { .want = "GET /repos/ai/models/releases?per_page=2" },
				   { .want = "GET /repositories/7/releases?page=2" } };
	struct canned_server *server = canned_start(script, 2);
	CLEANUP(mem_free_ptr)
	char *link = mem_printf("Link: <%s/x?page=9>; rel=\"last\", "
				"<%s/repositories/7/releases?page=2>; rel=\"next\"\r\n",
				canned_url(server), canned_url(server));
	CLEANUP(mem_free_ptr) char *first = answer("200 OK", link, "[1,2]");
	CLEANUP(mem_free_ptr) char *last = answer("200 OK", "", "[4]");
	script[0].reply = first;
	script[1].reply = last;
	open_world(&w, canned_url(server), "t");
	assert_ok(github_pages(w.client, &w.place, "/releases?per_page=2", count_item, &sum, &e),
		  &e);
	assert_int_equal(sum, 7);
	close_world(&w);
	canned_stop(server);
}

static void the_link_header_names_the_next_page(void **state)
{
	(void)state;
	static const struct {
		const char *link, *next;
	} cases[] = {
		{ "<https://a/?page=2>; rel=\"next\", <https://a/?page=5>; rel=\"last\"",
		  "https://a/?page=2" },
		{ "<https://a/?page=1>; rel=\"prev\", <https://a/?page=3>; rel=\"next\"",
		  "https://a/?page=3" },
		{ "<https://a/?page=1>; rel=\"prev\"", NULL },
		{ "<https://a/?page=1", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *next = github_next_page(cases[i].link);
		if (cases[i].next)
			assert_string_equal(next, cases[i].next);
		else
			assert_null(next);
	}
}

/* -- tokens and places --------------------------------------------------------------- */

static void expect_token(const char *host, bool com, const char *token, const char *from)
{
	CLEANUP(mem_free_ptr) char *got = NULL;
	CLEANUP(mem_free_ptr) char *where = NULL;
	struct err e = ERR_INIT;
	assert_ok(github_token_find("FERRY_HUB_TOKEN", host, com, &got, &where, &e), &e);
	if (!token)
		assert_null(got);
	else
		assert_string_equal(got, token);
	if (token)
		assert_string_equal(where, from);
}

static void a_token_is_found_where_gh_finds_it(void **state)
{
	(void)state;
	no_tokens();
	expect_token("api.github.com", true, NULL, NULL);
	setenv("GITHUB_TOKEN", "two", 1);
	expect_token("api.github.com", true, "two", "GITHUB_TOKEN");
	setenv("GH_TOKEN", "one", 1);
	setenv("GH_ENTERPRISE_TOKEN", "three", 1);
	expect_token("api.github.com", true, "one", "GH_TOKEN");
	expect_token("git.example", false, "three", "GH_ENTERPRISE_TOKEN");
	setenv("FERRY_HUB_TOKEN", "own", 1);
	expect_token("api.github.com", true, "own", "FERRY_HUB_TOKEN");
	unsetenv("FERRY_HUB_TOKEN");
	no_tokens();
}

static void a_token_with_a_line_break_is_refused_and_not_shown(void **state)
{
	(void)state;
	char *got = NULL, *where = NULL;
	struct err e = ERR_INIT;
	no_tokens();
	setenv("GH_TOKEN", "ghp_x\n", 1);
	assert_int_equal(github_token_find(NULL, "api.github.com", true, &got, &where, &e),
			 -ERR_USAGE);
	assert_non_null(strstr(e.text, "GH_TOKEN"));
	assert_null(strstr(e.text, "ghp_x"));
	no_tokens();
}

static void netrc_gives_the_password_of_the_host(void **state)
{
	(void)state;
	static const char text[] = "machine other login a password wrong\n"
				   "macdef init\nmachine api.github.com password no\n\n"
				   "machine API.github.com\n\tlogin me\n\tpassword \"a \\\"b\"\n"
				   "default login x password y\n";
	CLEANUP(mem_free_ptr) char *ours = github_token_netrc(text, "api.github.com");
	CLEANUP(mem_free_ptr) char *none = github_token_netrc(text, "git.example");
	CLEANUP(mem_free_ptr) char *cut = github_token_netrc("machine h password", "h");
	CLEANUP(mem_free_ptr) char *blanks = github_token_netrc("machine h\vpassword\fx\v", "h");
	assert_string_equal(blanks, "x");
	assert_string_equal(ours, "a \"b");
	assert_null(none);
	assert_null(cut);
}

/* A signed catalog names the server: only where the user's token may go, it goes. */
static void a_server_that_a_catalog_names_gets_no_token(void **state)
{
	(void)state;
	static const struct {
		const char *api, *gh_host;
		bool own, gets;
	} cases[] = {
		{ NULL, NULL, false, true },
		{ "https://api.octo.ghe.com", NULL, false, true },
		{ "https://evil.example", NULL, false, false },
		{ "https://evil.example", "git.example", false, false },
		{ "https://git.example/api/v3", "git.example", false, true },
		{ "https://git.example/api/v3", NULL, true, true },
		{ "http://127.0.0.1:8080", NULL, false, false },
		{ "http://127.0.0.1:8080", "127.0.0.1", false, true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct github_place p;
		struct err e = ERR_INIT;
		struct github_place_options o = {
			.api = cases[i].api, .owner = "a", .repo = "b", .own = cases[i].own
		};
		no_tokens();
		setenv("GH_TOKEN", "t", 1);
		if (cases[i].gh_host)
			setenv("GH_HOST", cases[i].gh_host, 1);
		assert_ok(github_place_open(&p, &o, &e), &e);
		if ((p.token != NULL) != cases[i].gets)
			fail_msg("case %zu", i);
		github_place_release(&p);
	}
	no_tokens();
}

static void a_place_that_is_none_is_refused(void **state)
{
	(void)state;
	static const struct github_place_options cases[] = {
		{ .repo = "b" },
		{ .owner = "a" },
		{ .owner = "a/b", .repo = "c" },
		{ .owner = "..", .repo = "c" },
		{ .owner = "a", .repo = "b?c" },
		{ .owner = "a", .repo = "b", .api = "ftp://h" },
		{ .owner = "a", .repo = "b", .api = "http://git.example", .own = true },
		{ .owner = "a", .repo = "b", .api = "https://u:p@h" },
		{ .owner = "a", .repo = "b", .api = "https://h/?x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct github_place p = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(github_place_open(&p, &cases[i], &e), -ERR_USAGE);
		github_place_release(&p);
	}
}

static void a_public_url_leads_to_its_api(void **state)
{
	(void)state;
	static const struct {
		const char *url, *api;
	} cases[] = {
		{ "https://github.com/a/b/releases/download", GITHUB_API },
		{ "https://github.com/a/b/releases/download/", GITHUB_API },
		{ "https://octo.ghe.com/a/b/releases/download", "https://api.octo.ghe.com" },
		{ "https://git.example:8443/a/b/releases/download",
		  "https://git.example:8443/api/v3" },
		{ "https://cdn.example/models", NULL },
		{ "https://github.com/releases/download", NULL },
		{ "https://github.com/a/b/releases/download?x", NULL },
		{ "nothing", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *api = NULL;
		CLEANUP(mem_free_ptr) char *owner = NULL;
		CLEANUP(mem_free_ptr) char *repo = NULL;
		bool is = github_place_of_url(cases[i].url, &api, &owner, &repo);
		assert_int_equal(is, cases[i].api != NULL);
		if (!is)
			continue;
		assert_string_equal(api, cases[i].api);
		assert_string_equal(owner, "a");
		assert_string_equal(repo, "b");
		CLEANUP(mem_free_ptr) char *downloads = github_place_downloads(api, owner, repo);
		assert_int_equal(strncmp(downloads, cases[i].url, strlen(downloads)), 0);
	}
}

static void the_end_of_a_token_is_read(void **state)
{
	(void)state;
	int64_t s;
	assert_true(github_parse_expiry("2026-01-02 03:04:05 UTC", &s));
	assert_int_equal(s, 1767323045);
	assert_true(github_parse_expiry("2026-01-02 03:04:05 +0200", &s));
	assert_int_equal(s, 1767323045 - 7200);
	assert_true(github_parse_expiry("2026-01-02 03:04:05 -0130", &s));
	assert_int_equal(s, 1767323045 + 5400);
	assert_false(github_parse_expiry("2026-01-02", &s));
	assert_false(github_parse_expiry("2026-01-02 03:04:05 CET", &s));
	assert_false(github_parse_expiry("", &s));
}

/* -- pace -------------------------------------------------------------------------- */

static void new_content_keeps_the_pace_of_github(void **state)
{
	(void)state;
	struct github_pace p = { 0 };
	uint64_t now = 1000;
	for (int i = 0; i < GITHUB_PACE_MINUTE; i++)
		assert_int_equal(github_pace_take(&p, now++), 0);
	assert_int_equal(github_pace_take(&p, now), 60000 - GITHUB_PACE_MINUTE);
	assert_int_equal(github_pace_take(&p, now + 60000 - GITHUB_PACE_MINUTE), 0);
	now += 60000;
	for (int i = GITHUB_PACE_MINUTE + 1; i < GITHUB_PACE_HOUR; i++) {
		now += 1000;
		assert_int_equal(github_pace_take(&p, now), 0);
	}
	assert_int_equal(github_pace_take(&p, now + 60000), 1000 + 3600000 - now - 60000);
	assert_int_equal(github_pace_take(&p, 1000 + 3600000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_token_and_version),
		cmocka_unit_test(a_document_is_sent_as_json),
		cmocka_unit_test(without_a_token_nothing_is_claimed),
		cmocka_unit_test(a_failure_is_told_in_the_words_of_github),
		cmocka_unit_test(a_limit_of_requests_says_how_long_to_wait),
		cmocka_unit_test(limits_and_the_end_of_the_token_are_noted),
		cmocka_unit_test(a_renamed_repository_is_named),
		cmocka_unit_test(a_token_stays_with_its_server),
		cmocka_unit_test(a_list_is_read_to_its_last_page),
		cmocka_unit_test(the_link_header_names_the_next_page),
		cmocka_unit_test(a_token_is_found_where_gh_finds_it),
		cmocka_unit_test(a_token_with_a_line_break_is_refused_and_not_shown),
		cmocka_unit_test(netrc_gives_the_password_of_the_host),
		cmocka_unit_test(a_server_that_a_catalog_names_gets_no_token),
		cmocka_unit_test(a_place_that_is_none_is_refused),
		cmocka_unit_test(a_public_url_leads_to_its_api),
		cmocka_unit_test(the_end_of_a_token_is_read),
		cmocka_unit_test(new_content_keeps_the_pace_of_github),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
