#include "front/cloudflare.h"

#include "unit.h"
#include "util/mem.h"

#include <string.h>

/* A mirror with this URL and these settings; everything is kept until the next call. */
static struct front made(const char *id, const char *url_text, const char *const *set, size_t count)
{
	static struct url url;
	static struct settings_front settings;
	static const struct conf none;
	struct err e = ERR_INIT;
	url_release(&url);
	settings_front_release(&settings);
	assert_ok(url_parse(url_text, &url, &e), &e);
	assert_ok(settings_front_read(&none, id, set, count, &settings, &e), &e);
	return (struct front){
		.id = id, .url = &url, .root = "/srv/m", .log = "/srv/m.log", .set = &settings
	};
}

static void release_made(void)
{
	struct front f = made("a", "https://x", NULL, 0);
	settings_front_release((struct settings_front *)(uintptr_t)f.set);
	url_release((struct url *)(uintptr_t)f.url);
}

static void the_names_of_two_mirrors_are_never_the_same(void **state)
{
	(void)state;
	static const char *const ids[] = { "a", "a-b", "a_b", "a.b", "a_2db", "a-2db" };
	char *names[ARRAY_LEN(ids)];
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct front f = { .id = ids[i] };
		names[i] = front_name(&f);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(names[i], names[k]);
	}
	assert_string_equal(names[0], "ferry_a");
	assert_string_equal(names[1], "ferry_a_2db");
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		free(names[i]);
}

static void a_prefix_is_the_path_without_a_slash_at_its_end(void **state)
{
	(void)state;
	static const struct {
		const char *url, *prefix; /* NULL: refused */
	} cases[] = {
		{ "https://x", "" },           { "https://x/", "" },
		{ "https://x/a/b//", "/a/b" }, { "https://x/a;b", NULL },
		{ "https://x/a%20b", NULL },   { "https://x/a//b", NULL },
		{ "https://x/$a", NULL },      { "https://x/a\"b", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(mem_free_ptr) char *prefix = NULL;
		struct front f = made("a", cases[i].url, NULL, 0);
		int rc = front_prefix(&f, &prefix, &e);
		assert_int_equal(rc, cases[i].prefix ? 0 : -ERR_USAGE);
		if (cases[i].prefix)
			assert_string_equal(prefix, cases[i].prefix);
	}
	release_made();
}

static void limits_of_0_leave_their_lines_out(void **state)
{
	(void)state;
	static const char *const none[] = { "requests=0", "connections=0" };
	static const char *const both[] = { "requests=7", "connections=9", "limit-rate=2M",
					    "servers=a:80" };
	for (int on = 0; on < 2; on++) {
		struct err e = ERR_INIT;
		CLEANUP(buf_release) struct buf nginx = BUF_INIT(MIB);
		CLEANUP(buf_release) struct buf haproxy = BUF_INIT(MIB);
		struct front f = on ? made("a", "http://x", both, 4)
				    : made("a", "http://x", none, 2);
		assert_ok(front_nginx(&f, &nginx, &e), &e);
		assert_int_equal(!!strstr(buf_str(&nginx), "rate=7r/s"), on);
		assert_int_equal(!!strstr(buf_str(&nginx), "burst=35 "), on);
		assert_int_equal(!!strstr(buf_str(&nginx), "limit_conn ferry_a_connections 9;"),
				 on);
		assert_int_equal(!!strstr(buf_str(&nginx), "limit_rate 2097152;"), on);
		assert_int_equal(!!strstr(buf_str(&nginx), "limit_"), on);
		if (!on)
			continue;
		assert_ok(front_haproxy(&f, &haproxy, &e), &e);
		assert_non_null(strstr(buf_str(&haproxy), "sc_http_req_rate(0) gt 35"));
		assert_non_null(strstr(buf_str(&haproxy), "sc_conn_cur(0) gt 9"));
	}
	release_made();
}

static void tls_is_by_the_url_unless_another_server_ends_it(void **state)
{
	(void)state;
	static const char *const elsewhere[] = { "certificate=no" };
	for (int no = 0; no < 2; no++) {
		struct err e = ERR_INIT;
		CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
		struct front f = made("a", "https://x.example", elsewhere, no ? 1 : 0);
		assert_ok(front_nginx(&f, &text, &e), &e);
		assert_int_equal(!!strstr(buf_str(&text), "listen 443 ssl http2;"), !no);
		assert_int_equal(!!strstr(buf_str(&text), "listen 443;"), no);
		assert_int_equal(!!strstr(buf_str(&text), "return 301"), !no);
	}
	release_made();
}

static void a_rule_of_cloudflare_has_the_limit_for_ten_seconds(void **state)
{
	(void)state;
	static const char *const set[] = { "requests=3" };
	struct err e = ERR_INIT;
	CLEANUP(json_release) json_t *wanted = NULL;
	struct front f = made("a", "https://x.example", set, 1);
	assert_ok(front_cloudflare(&f, &wanted, &e), &e);
	const json_t *phase = json_array_get(json_object_get(wanted, "phases"), 0);
	const json_t *rule = json_array_get(json_object_get(phase, "rules"), 0);
	assert_int_equal(json_number(json_object_get(rule, "ratelimit"), "requests_per_period"),
			 30);
	assert_null(json_object_get(wanted, "worker"));
	release_made();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_of_two_mirrors_are_never_the_same),
		cmocka_unit_test(a_prefix_is_the_path_without_a_slash_at_its_end),
		cmocka_unit_test(limits_of_0_leave_their_lines_out),
		cmocka_unit_test(tls_is_by_the_url_unless_another_server_ends_it),
		cmocka_unit_test(a_rule_of_cloudflare_has_the_limit_for_ten_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
