#include "hub/answer.h"
#include "util/mem.h"

#include "unit.h"

#include <string.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA256 "abababababababababababababababababababababababababababababababab"

static int model(const char *text, struct hub_model *out)
{
	struct err e = ERR_INIT;
	return hub_answer_model(text, strlen(text), "answer", out, &e);
}

static int files(const char *text, struct hub_files *out)
{
	struct err e = ERR_INIT;
	return hub_answer_files(text, strlen(text), "answer", out, &e);
}

static void a_model_is_read(void **state)
{
	(void)state;
	struct hub_model m = { 0 };
	assert_int_equal(model("{\"id\":\"o/r\",\"sha\":\"" COMMIT "\",\"x\":1e400,"
			       "\"cardData\":{\"license\":\"mit\"}}",
			       &m),
			 0);
	assert_string_equal(m.repo, "o/r");
	assert_string_equal(m.commit, COMMIT);
	assert_string_equal(json_text(m.card, "license"), "mit");
	hub_model_release(&m);
	assert_int_equal(model("{\"id\":\"o/r\",\"sha\":\"" COMMIT "\",\"cardData\":[]}", &m), 0);
	assert_null(m.card);
	hub_model_release(&m);
}

static void an_answer_that_is_no_model_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{\"id\":\"o/r\"}",
		"{\"id\":\"o/r\",\"sha\":\"main\"}",
		"{\"id\":\"o/../r\",\"sha\":\"" COMMIT "\"}",
		"{\"id\":7,\"sha\":\"" COMMIT "\"}",
	};
	struct hub_model m = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(model(bad[i], &m), -ERR_INTEGRITY);
}

static void pages_of_files_are_joined(void **state)
{
	(void)state;
	struct hub_files f = { 0 };
	assert_int_equal(files("[{\"type\":\"directory\",\"path\":\"d\",\"oid\":\"" OID "\"},"
			       "{\"type\":\"file\",\"path\":\"d/c.json\",\"size\":3,\"oid\":\"" OID
			       "\"}]",
			       &f),
			 0);
	assert_int_equal(files("[{\"type\":\"file\",\"path\":\"m.gguf\",\"size\":9,\"oid\":\"" OID
			       "\",\"lfs\":{\"oid\":\"" SHA256
			       "\",\"size\":9,\"pointerSize\":130}}]",
			       &f),
			 0);
	assert_int_equal(f.count, 2);
	assert_false(f.at[0].lfs);
	assert_int_equal(f.at[0].blob[19], 0xaa);
	assert_true(f.at[1].lfs && f.at[1].size == 9);
	assert_int_equal(f.at[1].sha256.bytes[31], 0xab);
	hub_files_release(&f);
}

static void names_that_could_do_harm_are_left_out(void **state)
{
	(void)state;
	struct hub_files f = { 0 };
	assert_int_equal(files("[{\"type\":\"file\",\"path\":\"../x\",\"size\":1,\"oid\":\"" OID
			       "\"},{\"type\":\"file\",\"path\":\"/x\",\"size\":1,\"oid\":\"" OID
			       "\"},{\"type\":\"link\",\"path\":\"x\"}]",
			       &f),
			 0);
	assert_int_equal(f.count, 0);
	hub_files_release(&f);
}

static void a_list_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{}",
		"[{\"type\":\"file\",\"path\":\"a\"}]",
		"[{\"type\":\"file\",\"path\":\"a\",\"size\":-1,\"oid\":\"" OID "\"}]",
		"[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"x\"}]",
		"[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"lfs\":{\"oid\":\"" OID
		"\",\"size\":1}}]",
		"[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"lfs\":{\"oid\":\"" SHA256
		"\",\"size\":2}}]",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hub_files f = { 0 };
		assert_int_equal(files(bad[i], &f), -ERR_INTEGRITY);
		hub_files_release(&f);
	}
}

static void the_next_page_is_a_query_only(void **state)
{
	(void)state;
	static const struct {
		const char *link, *query;
	} cases[] = {
		{ "<https://h/api?recursive=true&cursor=x>; rel=\"next\"",
		  "recursive=true&cursor=x" },
		{ "<https://h/a?p=1>; rel=\"prev\", <https://evil/b?p=3>; rel=\"next\"", "p=3" },
		{ "<https://h/a?p=1>; rel=\"prev\"", NULL },
		{ "<https://h/a>; rel=\"next\"", NULL },
		{ "https://h/a?p=1", NULL },
		{ "<https://h/a?p=1", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *next = hub_answer_next(cases[i].link);
		if (cases[i].query)
			assert_string_equal(next, cases[i].query);
		else
			assert_null(next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_read),
		cmocka_unit_test(an_answer_that_is_no_model_is_refused),
		cmocka_unit_test(pages_of_files_are_joined),
		cmocka_unit_test(names_that_could_do_harm_are_left_out),
		cmocka_unit_test(a_list_that_makes_no_sense_is_refused),
		cmocka_unit_test(the_next_page_is_a_query_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
