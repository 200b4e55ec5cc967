#include "auth/auth.h"
#include "auth/scope.h"
#include "util/mem.h"

#include "unit.h"

static bool allows(const char *text, enum auth_action action, const char *repository,
		   const char *model)
{
	struct err e = ERR_INIT;
	struct auth_scope s;
	assert_ok(auth_scope_parse(text, &s, &e), &e);
	bool does = auth_scope_allows(&s, action, repository, model);
	auth_scope_release(&s);
	return does;
}

static void a_scope_allows_what_it_names_and_nothing_else(void **state)
{
	(void)state;
	assert_true(allows("pull", AUTH_PULL, "main", "phi-2"));
	assert_true(allows("pull", AUTH_PULL, "main", NULL));
	assert_true(allows("pull:main", AUTH_PULL, "main", NULL));
	assert_true(allows("pull:main/*", AUTH_PULL, "main", NULL));
	assert_true(allows("pull:*/phi-*", AUTH_PULL, "other", "phi-2"));
	assert_true(allows("pull:main/phi-*", AUTH_PULL, "main", "phi-2"));
	assert_true(allows("admin", AUTH_ADMIN, NULL, NULL));

	assert_false(allows("pull:main/phi-*", AUTH_PULL, "main", NULL));
	assert_false(allows("pull:main/phi-*", AUTH_PULL, "main", "llama"));
	assert_false(allows("pull:main/phi-*", AUTH_PULL, "other", "phi-2"));
	assert_false(allows("pull:main", AUTH_PULL, "mainz", "phi-2"));
	assert_false(allows("pull:main", AUTH_PULL, NULL, NULL));
	assert_false(allows("pull", AUTH_PRELOAD, "main", "phi-2"));
	assert_false(allows("preload", AUTH_PULL, "main", "phi-2"));
	assert_false(allows("admin", AUTH_PULL, "main", "phi-2"));
	assert_false(allows("metrics", AUTH_ADMIN, NULL, NULL));
}

static void a_pattern_is_that_of_fnmatch(void **state)
{
	(void)state;
	static const struct {
		const char *scope, *model;
		bool match;
	} of[] = {
		{ "pull:r/a?c", "abc", true },      { "pull:r/a?c", "ac", false },
		{ "pull:r/*b*b", "abab", true },    { "pull:r/*b*b", "aba", false },
		{ "pull:r/a**", "a", true },        { "pull:r/abc", "abcd", false },
		{ "pull:r/*-q4*", "x-q4_k", true }, { "pull:r/?", "", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(of); i++)
		if (allows(of[i].scope, AUTH_PULL, "r", of[i].model) != of[i].match)
			fail_msg("%s and %s", of[i].scope, of[i].model);
}

/* A pattern that takes an exponential number of steps elsewhere. */
static void no_pattern_takes_long(void **state)
{
	(void)state;
	char scope[AUTH_SCOPE_MAX] = "pull:r/", model[65];
	while (strlen(scope) < sizeof scope - 3)
		memcpy(scope + strlen(scope), "a*", 3);
	scope[strlen(scope)] = 'b';
	memset(model, 'a', sizeof model - 1);
	model[sizeof model - 1] = '\0';
	assert_false(allows(scope, AUTH_PULL, "r", model));
}

static void what_is_no_scope_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",        "pul",        "PULL",        "pull:",    "pull:/x",
		"pull:a/", "pull:a/b/c", "pull:a/[bc]", "pull:A/x", "pull:a b",
		"admin:a", "metrics:",   "pull: a"
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct auth_scope s;
		if (auth_scope_parse(bad[i], &s, &e) == 0)
			fail_msg("accepted '%s'", bad[i]);
		assert_int_equal(e.class, ERR_USAGE);
	}
}

static void a_scope_is_written_as_it_is_read(void **state)
{
	(void)state;
	static const char *const same[] = { "pull",        "pull:main", "pull:main/phi-*",
					    "preload:*/x", "admin",     "metrics" };
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct err e = ERR_INIT;
		struct auth_scope s;
		CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
		assert_ok(auth_scope_parse(same[i], &s, &e), &e);
		auth_scope_text(&s, &text);
		assert_string_equal(buf_str(&text), same[i]);
		auth_scope_release(&s);
	}
}

static void a_caller_on_the_socket_may_do_everything(void **state)
{
	(void)state;
	struct auth_who who;
	auth_who_trust(&who);
	for (unsigned i = 0; i < AUTH_ACTIONS; i++)
		assert_true(auth_may(&who, (enum auth_action)i, "any", NULL));
	auth_who_release(&who);
	assert_false(auth_may(&who, AUTH_PULL, "any", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scope_allows_what_it_names_and_nothing_else),
		cmocka_unit_test(a_pattern_is_that_of_fnmatch),
		cmocka_unit_test(no_pattern_takes_long),
		cmocka_unit_test(what_is_no_scope_is_refused),
		cmocka_unit_test(a_scope_is_written_as_it_is_read),
		cmocka_unit_test(a_caller_on_the_socket_may_do_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
