#include "auth/header.h"

#include "unit.h"

#include <stdio.h>

#define ID "0123456789ab"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void token_is(const char *value, const char *token)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(AUTH_HEADER_MAX);
	assert_true(auth_header_parse(value, &out));
	assert_string_equal(buf_str(&out), token);
}

/* Clients of the Hub take no other. */
static void a_key_may_be_written_as_a_token_of_the_hub(void **state)
{
	(void)state;
	token_is("Bearer hf_" ID SECRET, "ferry_" ID "_" SECRET);
	token_is("Bearer ferry_" ID "_" SECRET, "ferry_" ID "_" SECRET);
}

static void what_only_begins_like_one_is_left_as_it_is(void **state)
{
	(void)state;
	static const char *const others[] = { "hf_" ID, "hf_" ID SECRET "0", "hf_" ID "G" SECRET,
					      "hf_" };
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		char value[256];
		snprintf(value, sizeof value, "Bearer %s", others[i]);
		token_is(value, others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_may_be_written_as_a_token_of_the_hub),
		cmocka_unit_test(what_only_begins_like_one_is_left_as_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
