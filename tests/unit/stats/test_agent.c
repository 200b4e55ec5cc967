#include "unit.h"

#include "stats/agent.h"

static struct stats_agent read_text(const char *text)
{
	return stats_agent_read(text, strlen(text));
}

static void a_token_is_sixteen_digits_in_the_form_that_fetch_sends(void **state)
{
	(void)state;
	struct stats_agent a = read_text("ferry/1.2 (fetch; t=0123456789abcdef)");
	assert_true(a.has_token);
	assert_true(a.token == 0x0123456789abcdefu);
	assert_int_equal(a.class, STATS_AGENT_FERRY);
	static const char *const others[] = {
		"ferry/1.2 (fetch; t=0123456789ABCDEF)",
		"ferry/1.2 (fetch; t=0123456789abcde)",
		"ferry/1.2 (fetch; t=0123456789abcdeff)",
		"ferry/1.2 (fetch; t=0123456789abcdef) x",
		"ferry/1.2 (fetch; t=0123456789abcdeg)",
		"xerry/1.2 (fetch; t=0123456789abcdef)",
		" (fetch; t=0123456789abcdef)",
		"ferry/",
		"",
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(read_text(others[i]).has_token);
}

static void agents_have_one_of_a_few_names(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{ "ferry/1.2", "ferry" },
		{ "model-ferry/0.1.0", "ferry" },
		{ "ferry-verify/1.2", "own" },
		{ "ferry-health/1.2", "own" },
		{ "curl/8.5.0", "curl" },
		{ "Wget/1.21.4", "wget" },
		{ "aria2/1.36.0", "aria2" },
		{ "python-requests/2.31.0", "python" },
		{ "unknown/None; hf_hub/0.20.3; python/3.11", "huggingface" },
		{ "llama-cpp/b3000", "engine" },
		{ "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0", "browser" },
		{ "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		  "bot" },
		{ "Prometheus/2.42.0", "bot" },
		{ "Robotics-Lab/1.0", "other" },
		{ "-", "other" },
		{ "", "other" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(stats_agent_name(read_text(rows[i].text).class), rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_sixteen_digits_in_the_form_that_fetch_sends),
		cmocka_unit_test(agents_have_one_of_a_few_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
