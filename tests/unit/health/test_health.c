#include "health/health.h"
#include "util/text.h"

#include "unit.h"

#include <string.h>

static void every_state_and_check_has_a_name_of_its_own(void **s)
{
	(void)s;
	for (int a = HEALTH_OK; a <= HEALTH_UNKNOWN; a++)
		for (int b = HEALTH_OK; b < a; b++)
			assert_string_not_equal(health_state_name(a), health_state_name(b));
	for (int a = 0; a < HEALTH_CHECKS; a++) {
		assert_true(text_is_name(health_check_name(a), strlen(health_check_name(a))));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(health_check_name(a), health_check_name(b));
	}
}

static void critical_is_worse_than_a_warning_and_that_than_unknown(void **s)
{
	static const enum health_state order[] = { HEALTH_OK, HEALTH_UNKNOWN, HEALTH_WARNING,
						   HEALTH_CRITICAL };
	(void)s;
	for (size_t a = 0; a < 4; a++)
		for (size_t b = 0; b < 4; b++)
			assert_int_equal(health_worse(order[a], order[b]), order[MAX(a, b)]);
}

static void a_check_has_one_finding_the_worst(void **s)
{
	(void)s;
	CLEANUP(health_findings_release) struct health_findings f = { 0 };
	health_find(&f, HEALTH_REACH, HEALTH_OK, "in %d ms", 5);
	health_find(&f, HEALTH_OBJECTS, HEALTH_WARNING, "first");
	health_find(&f, HEALTH_OBJECTS, HEALTH_WARNING, "second");
	health_find(&f, HEALTH_OBJECTS, HEALTH_UNKNOWN, "third");
	assert_int_equal(f.count, 2);
	assert_string_equal(f.at[0].reason, "in 5 ms");
	assert_string_equal(f.at[1].reason, "first");
	assert_int_equal(f.at[1].state, HEALTH_WARNING);
	health_find(&f, HEALTH_OBJECTS, HEALTH_CRITICAL, "worse");
	assert_int_equal(f.count, 2);
	assert_string_equal(f.at[1].reason, "worse");
	assert_int_equal(f.at[1].state, HEALTH_CRITICAL);
}

static void the_reason_is_one_line_of_limited_length(void **s)
{
	char text[1500] = "a\nb\r\n";
	(void)s;
	CLEANUP(health_findings_release) struct health_findings f = { 0 };
	health_find(&f, HEALTH_REACH, HEALTH_WARNING, "%s", text);
	assert_string_equal(f.at[0].reason, "a b");
	for (size_t i = 0; i + 3 < sizeof text; i += 2)
		memcpy(text + i, "ä", 2);
	health_find(&f, HEALTH_REACH, HEALTH_CRITICAL, "x%s", text);
	size_t len = strlen(f.at[0].reason);
	assert_true(len < 510);
	assert_true(utf8_valid(f.at[0].reason, len));
	assert_true(str_ends(f.at[0].reason, "…"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_and_check_has_a_name_of_its_own),
		cmocka_unit_test(critical_is_worse_than_a_warning_and_that_than_unknown),
		cmocka_unit_test(a_check_has_one_finding_the_worst),
		cmocka_unit_test(the_reason_is_one_line_of_limited_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
