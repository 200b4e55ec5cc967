/* Which settings are for which URL, and which requests get a token. */
#include "http/http.h"

#include "canned.h"
#include "unit.h"
#include "util/mem.h"

static struct http_access *entry(struct http_access_list *l, const char *name, const char *url)
{
	struct err e = ERR_INIT;
	struct http_access *a = http_access_add(l);
	a->name = mem_strdup(name);
	assert_ok(url_parse(url, &a->url, &e), &e);
	return a;
}

static void assert_found(const struct http_access_list *l, const char *url, const char *want)
{
	const struct http_access *a = http_access_find_text(l, url);
	if (want ? !a || strcmp(a->name, want) != 0 : a != NULL)
		fail_msg("%s: %s, not %s", url, a ? a->name : "none", want ? want : "none");
}

static void an_entry_is_for_urls_below_its_own(void **state)
{
	(void)state;
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	entry(&l, "top", "https://a.example");
	entry(&l, "models", "https://a.example/models/");
	entry(&l, "deep", "https://a.example/models/x/y");
	entry(&l, "port", "https://a.example:8443/");
	assert_found(&l, "https://a.example/", "top");
	assert_found(&l, "https://A.Example:443/other", "top");
	assert_found(&l, "https://a.example/models", "models");
	assert_found(&l, "https://a.example/models/x?y", "models");
	assert_found(&l, "https://a.example/models/x/y/z", "deep");
	assert_found(&l, "https://a.example/models-2", "top");
	assert_found(&l, "https://a.example:8443/models", "port");
	assert_found(&l, "http://a.example/models", NULL);
	assert_found(&l, "https://b.example/models", NULL);
	assert_found(&l, "https://a.example.org/", NULL);
	assert_found(&l, "file:///models", NULL);
	assert_found(&l, "nothing", NULL);
	assert_found(NULL, "https://a.example/", NULL);
}

static void a_path_that_leads_out_is_below_no_other(void **state)
{
	(void)state;
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	entry(&l, "models", "https://a.example/models/");
	assert_found(&l, "https://a.example/models/../private", NULL);
	assert_found(&l, "https://a.example/models/%2e%2E/private", NULL);
	assert_found(&l, "https://a.example/models/..%2Fprivate", NULL);
	assert_found(&l, "https://a.example/models/a..b", "models");
}

/* A request to a server whose settings are in the list. */
static void ask(const struct canned_server *s, struct http_access_list *l,
		const char *const *headers)
{
	CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
	CLEANUP(buf_release) struct buf body = BUF_INIT(KIB);
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/x", canned_url(s));
	struct err e = ERR_INIT;
	const struct http_options options = { .access = l };
	const struct http_request q = { .url = url, .headers = headers, .into = &body };
	assert_ok(http_client_new(&options, &c, &e), &e);
	assert_ok(http_perform(c, &q, NULL, &e), &e);
}

#define YES "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
static const struct canned yes[] = { { .reply = YES } };

static void a_token_is_sent_unless_the_request_has_another(void **state)
{
	(void)state;
	static const char *const own[] = { "authorization: Basic abc", NULL };
	static const struct canned with[] = {
		{ .want = "Authorization: Bearer hush", .reply = YES },
	};
	static const struct canned without[] = {
		{ .want = "Basic abc", .forbid = "Bearer", .reply = YES },
	};
	for (int i = 0; i < 2; i++) {
		struct canned_server *s = canned_start(i ? without : with, 1);
		CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
		entry(&l, "a", canned_url(s))->token = mem_strdup("hush");
		ask(s, &l, i ? own : NULL);
		canned_stop(s);
	}
}

static void the_limit_of_a_server_counts_its_bytes(void **state)
{
	(void)state;
	struct canned_server *s = canned_start(yes, 1);
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	struct http_access *a = entry(&l, "a", canned_url(s));
	a->rate.bytes_per_s = MIB;
	ask(s, &l, NULL);
	assert_true(a->rate.due_us > 0);
	canned_stop(s);
}

static void a_faulty_entry_fails_before_the_server_is_asked(void **state)
{
	(void)state;
	CLEANUP_PTR(http_client_free) struct http_client *c = NULL;
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	struct err e = ERR_INIT;
	err_set(&entry(&l, "a", "http://127.0.0.1:1/")->fault, ERR_USAGE, "no such file");
	const struct http_options options = { .access = &l };
	const struct http_request q = { .url = "http://127.0.0.1:1/x" };
	assert_ok(http_client_new(&options, &c, &e), &e);
	assert_int_equal(http_perform(c, &q, NULL, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "no such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_for_urls_below_its_own),
		cmocka_unit_test(a_path_that_leads_out_is_below_no_other),
		cmocka_unit_test(a_token_is_sent_unless_the_request_has_another),
		cmocka_unit_test(the_limit_of_a_server_counts_its_bytes),
		cmocka_unit_test(a_faulty_entry_fails_before_the_server_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
