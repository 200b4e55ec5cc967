#include "settings/cost.h"

#include "unit.h"

static void assert_reads(const char *text, struct conf *c, struct settings_cost *out)
{
	struct err e = ERR_INIT;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", c, &e), &e);
	assert_ok(settings_cost_read(c, out, &e), &e);
}

static void without_sections_there_is_a_currency_and_nothing_else(void **state)
{
	(void)state;
	struct conf c;
	struct settings_cost cost;
	assert_reads("", &c, &cost);
	assert_string_equal(cost.currency, "USD");
	assert_false(cost.has_budget);
	assert_int_equal(cost.count, 0);
	settings_cost_release(&cost);
	conf_release(&c);
}

static void a_price_has_steps_up_to_amounts_in_a_month(void **state)
{
	(void)state;
	struct conf c;
	struct settings_cost cost;
	assert_reads("[cost]\ncurrency = EUR\nbudget = 120.50\n"
		     "[price.s3]\nstorage = 0.023\nwrite = 5\nread = 0 to 1000, 0.4\n"
		     "egress = 0 to 100GB, 0.09 to 10TiB,\n  0.085\nunit = GiB\nround-up = yes\n"
		     "minimum = 30d\nsource = by hand\n",
		     &c, &cost);
	const struct settings_cost_price *p = settings_cost_price(&cost, "s3");
	assert_string_equal(cost.currency, "EUR");
	assert_int_equal(cost.budget, 120500000000);
	assert_non_null(p);
	assert_null(settings_cost_price(&cost, "s4"));
	assert_string_equal(p->source, "by hand");
	assert_int_equal(p->gigabyte, 1 << 30);
	assert_true(p->round_up);
	assert_int_equal(p->minimum_s, 30 * 86400);
	assert_int_equal(p->storage.count, 1);
	assert_int_equal(p->storage.at[0].nano, 23000000);
	assert_int_equal(p->storage.at[0].until, UINT64_MAX);
	assert_int_equal(p->write.at[0].nano, 5000000000);
	assert_int_equal(p->read.at[0].until, 1000);
	assert_int_equal(p->egress.count, 3);
	assert_int_equal(p->egress.at[0].nano, 0);
	assert_int_equal(p->egress.at[0].until, 100000000000);
	assert_int_equal(p->egress.at[1].until, (uint64_t)10 << 40);
	assert_int_equal(p->egress.at[2].nano, 85000000);
	settings_cost_release(&cost);
	conf_release(&c);
}

static void money_has_at_most_nine_digits_behind_the_point(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t nano;
	} good[] = {
		{ "0", 0 },
		{ "12", 12000000000 },
		{ "0.015", 15000000 },
		{ "0.000000001", 1 },
		{ "999999999.999999999", 999999999999999999 },
	};
	static const char *const bad[] = { "",    ".",  ".5",  "5.", "-1",           "1,5",
					   "1e3", " 1", "1.x", "$1", "0.0000000001", "1000000000" };
	uint64_t nano;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(settings_cost_parse(good[i].text, &nano));
		assert_int_equal(nano, good[i].nano);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (settings_cost_parse(bad[i], &nano))
			fail_msg("'%s' was taken for an amount", bad[i]);
}

static void what_is_wrong_is_said_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[cost]\ncurrency = dollars\n", "ferry.conf:2: currency" },
		{ "[cost]\nbudget = ten\n", "ferry.conf:2: budget: 'ten'" },
		{ "[cost]\nbudgte = 1\n", "did you mean 'budget'" },
		{ "[price]\nstorage = 1\n", "ferry.conf:1: the section needs a name" },
		{ "[price.a]\nstorage = 1 to 10GB\n", "ferry.conf:2: storage" },
		{ "[price.a]\nstorage = 1, 2\n", "storage" },
		{ "[price.a]\nstorage = 1 to 2GB, 2 to 1GB, 3\n", "storage" },
		{ "[price.a]\nstorage = 1 to 0, 2\n", "storage" },
		{ "[price.a]\nstorage = 1 upto 2GB, 2\n", "storage" },
		{ "[price.a]\nstorage =\n", "storage" },
		{ "[price.a]\nstorage = 1000001\n", "storage" },
		{ "[price.a]\nread = 1 to 1GB, 2\n", "read" },
		{ "[price.a]\negress = 1\x1b[0m\n", "\\x1b" },
		{ "[price.a]\nunit = gb\n", "unit: must be GB or GiB" },
		{ "[price.a]\nround-up = up\n", "round-up" },
		{ "[price.a]\nminimum = 20y\n", "minimum: at most ten years" },
		{ "[price.a]\nstorage = 1 to 1, 1 to 2, 1 to 3, 1 to 4, 1 to 5, 1 to 6, 1 to 7, "
		  "1 to 8, 1 to 9, 1 to 10, 1 to 11, 1 to 12, 1 to 13, 1 to 14, 1 to 15, 1 to 16, "
		  "1\n",
		  "storage" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct conf c;
		struct settings_cost cost;
		assert_ok(conf_parse(bad[i].text, strlen(bad[i].text), "/etc/ferry.conf", &c, &e),
			  &e);
		assert_int_equal(settings_cost_read(&c, &cost, &e), -ERR_USAGE);
		if (!strstr(e.text, bad[i].message) && !strstr(e.hint, bad[i].message))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
		conf_release(&c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_sections_there_is_a_currency_and_nothing_else),
		cmocka_unit_test(a_price_has_steps_up_to_amounts_in_a_month),
		cmocka_unit_test(money_has_at_most_nine_digits_behind_the_point),
		cmocka_unit_test(what_is_wrong_is_said_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
