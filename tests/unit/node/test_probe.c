#include "node/probe.h"

#include "unit.h"

static void assert_parsed(const char *text, unsigned status, const char *path, bool head)
{
	struct node_probe_request q;
	assert_int_equal(node_probe_parse(text, strlen(text), &q), status);
	assert_string_equal(q.path, path);
	if (!status)
		assert_int_equal(q.head, head);
}

static void a_request_has_a_method_a_path_and_a_version(void **state)
{
	(void)state;
	assert_parsed("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/healthz", false);
	assert_parsed("HEAD /metrics?x=/y HTTP/1.0\r\n\r\n", 0, "/metrics", true);
	assert_parsed("POST /healthz HTTP/1.1\r\n\r\n", 405, "", false);
	assert_parsed("GETT /healthz HTTP/1.1\r\n\r\n", 405, "", false);
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"\r\n",
		"GET\r\n",
		"GET /\r\n",
		"GET  / HTTP/1.1\r\n",
		" GET / HTTP/1.1\r\n",
		"GET / HTTP/1.1",
		"GET / HTTP/2\r\n",
		"GET / HTTP/1.1 \r\n",
		"GET http://h/healthz HTTP/1.1\r\n",
		"GET / x HTTP/1.1\r\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_parsed(bad[i], 400, "", false);
}

static void a_path_that_is_too_long_is_not_found(void **state)
{
	(void)state;
	char text[NODE_PROBE_PATH + 64] = "GET /";
	size_t len = 4;
	while (len < 4 + NODE_PROBE_PATH + 1)
		text[len++] = '/';
	strcpy(text + len, " HTTP/1.1\r\n");
	assert_parsed(text, 404, "", false);
	strcpy(text + len - 1, " HTTP/1.1\r\n");
	struct node_probe_request q;
	assert_int_equal(node_probe_parse(text, strlen(text), &q), 0);
	assert_int_equal(strlen(q.path), NODE_PROBE_PATH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_a_method_a_path_and_a_version),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_path_that_is_too_long_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
