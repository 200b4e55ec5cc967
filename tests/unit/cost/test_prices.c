#include "cost/prices.h"

#include "unit.h"

#define GB ((uint64_t)1000000000)
#define CENT (SETTINGS_COST_UNIT / 100)

/* The examples of the page that the prices are from. */
static void the_price_of_r2_gives_the_bills_of_cloudflares_own_examples(void **state)
{
	(void)state;
	const struct settings_cost_price *r2 = cost_prices_builtin("r2");
	struct cost_bill b;
	assert_non_null(r2);
	/* "Standard storage example": 1,000 objects of 1 GB, each read 1,000 times: $14.85. */
	cost_bill(r2, &(struct cost_usage){ 1000 * GB, 1000, 1000000, 1000000 * GB }, &b);
	assert_int_equal(b.total, 1485 * CENT);
	/* "Asset hosting": 100,000 files of 100 KB, 10,000,000 reads a day: $104.40. */
	cost_bill(r2, &(struct cost_usage){ 10 * GB, 100000, 300000000, 30000 * GB }, &b);
	assert_int_equal(b.storage, 0);
	assert_int_equal(b.writes, 0);
	assert_int_equal(b.total, 10440 * CENT);
}

static void a_price_that_is_built_in_says_which_page_it_is_from_and_when_it_was_read(void **state)
{
	(void)state;
	static const char *const names[] = { "r2", "github" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct settings_cost_price *p = cost_prices_builtin(names[i]);
		assert_non_null(p);
		assert_true(str_starts(p->source, "https://"));
		assert_non_null(strstr(p->source, "(read 20"));
	}
	assert_null(cost_prices_builtin("s3"));
	assert_null(cost_prices_builtin("file"));
}

/* The price of the first mirror of a configuration: its name, or "" if none is known. */
static const char *found(const char *text, struct err *e)
{
	static char name[64];
	static const char *const keys[] = { "endpoint", "path", NULL };
	static const struct settings_kind kinds[] = {
		{ .name = "s3", .keys = keys },
		{ .name = "r2", .keys = keys },
		{ .name = "file", .keys = keys },
		{ .name = "github", .keys = keys },
		{ .name = NULL },
	};
	struct conf c;
	struct settings_cost cost;
	struct settings_mirrors mirrors;
	const struct settings_cost_price *p;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", &c, e), e);
	assert_ok(settings_cost_read(&c, &cost, e), e);
	assert_ok(settings_mirrors_read(&c, NULL, kinds, &mirrors, e), e);
	int rc = cost_prices_find(&cost, &mirrors.at[0], &p, e);
	snprintf(name, sizeof name, "%s", rc < 0 ? "fault" : p ? p->name : "");
	/* A price of ferry.conf comes first. */
	if (rc == 0 && p && cost.count && p == &cost.prices[0])
		snprintf(name, sizeof name, "own %s", p->name);
	settings_mirrors_release(&mirrors);
	settings_cost_release(&cost);
	conf_release(&c);
	return name;
}

static void a_mirror_has_the_price_that_it_names_or_that_of_its_kind(void **state)
{
	(void)state;
	static const struct {
		const char *text, *price;
	} all[] = {
		{ "[mirror.m]\nkind = r2\n", "r2" },
		{ "[mirror.m]\nkind = github\n", "github" },
		{ "[mirror.m]\nkind = s3\n", "" },
		{ "[mirror.m]\nkind = file\n", "" },
		{ "[mirror.m]\nkind = s3\nendpoint = https://0.r2.cloudflarestorage.com\n", "r2" },
		{ "[mirror.m]\nkind = file\nprice = r2\n", "r2" },
		{ "[price.x]\nstorage = 1\n[mirror.m]\nkind = r2\nprice = x\n", "own x" },
		{ "[price.r2]\nstorage = 1\n[mirror.m]\nkind = r2\n", "own r2" },
		{ "[price.s3]\nstorage = 1\n[mirror.m]\nkind = s3\n", "own s3" },
		{ "[cost]\ncurrency = EUR\n[mirror.m]\nkind = r2\n", "" },
		{ "[cost]\ncurrency = EUR\n[price.r2]\nstorage = 1\n[mirror.m]\nkind = r2\n",
		  "own r2" },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct err e = ERR_INIT;
		assert_string_equal(found(all[i].text, &e), all[i].price);
	}
}

static void a_price_that_there_is_not_is_a_fault(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_string_equal(found("[mirror.m]\nkind = file\nprice = x\n", &e), "fault");
	assert_int_equal(e.class, ERR_USAGE);
	assert_non_null(strstr(e.text, "ferry.conf:3: price: there is no [price.x]"));
	err_clear(&e);
	assert_string_equal(found("[cost]\ncurrency = EUR\n[mirror.m]\nkind = r2\nprice = r2\n",
				  &e),
			    "fault");
	assert_non_null(strstr(e.text, "in USD, not in EUR"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_of_r2_gives_the_bills_of_cloudflares_own_examples),
		cmocka_unit_test(
			a_price_that_is_built_in_says_which_page_it_is_from_and_when_it_was_read),
		cmocka_unit_test(a_mirror_has_the_price_that_it_names_or_that_of_its_kind),
		cmocka_unit_test(a_price_that_there_is_not_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
