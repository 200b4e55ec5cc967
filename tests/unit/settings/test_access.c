/* [access.NAME] and what [fetch] says for all servers. */
#include "settings/access.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <sys/stat.h>

static int set_up(void **state)
{
	unsetenv("FERRY_MY_LAB_TOKEN");
	*state = scratch_new();
	return 0;
}

static int tear_down(void **state)
{
	unsetenv("FERRY_MY_LAB_TOKEN");
	scratch_free(*state);
	return 0;
}

static int read_access(const char *dir, const char *text, struct http_access_list *out,
		       struct err *e)
{
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ferry.conf");
	int rc = conf_parse(text, strlen(text), path, &c, e);
	return rc < 0 ? rc : settings_access_read(&c, out, e);
}

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	assert_ok(file_write_atomic(path, text, strlen(text), FILE_MODE, &e), &e);
	assert_int_equal(chmod(path, mode), 0);
}

#define LAB "[access.my-lab]\nurl = https://models.example.org/lab\n"

static void all_keys_are_read(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	put(*state, "token", "abc\nmore\n", 0600);
	put(*state, "phrase", "hush hush\r\n", 0600);
	put(*state, "x.pem", "x", 0644);
	assert_ok(read_access(*state,
			      "[fetch]\nca = all.pem\nip = 6\n" LAB
			      "token-file = token\nnetrc = yes\nca = x.pem\nclient-cert = x.pem\n"
			      "client-key = x.pem\nclient-key-passphrase-file = phrase\nip = 4\n"
			      "connections = 3\nlimit-rate = 1M\n",
			      &l, &e),
		  &e);
	assert_int_equal(l.count, 1);
	const struct http_access *a = &l.at[0];
	assert_int_equal(a->fault.class, ERR_NONE);
	assert_string_equal(a->name, "my-lab");
	assert_string_equal(a->url.path, "/lab");
	assert_string_equal(a->token, "abc");
	assert_string_equal(a->key_phrase, "hush hush");
	assert_true(a->netrc && a->ca && a->cert && a->key);
	assert_true(a->ip == 4 && a->connections == 3 && rate_limit(&a->rate) == MIB);
	assert_int_equal(l.ip, 6);
	assert_non_null(strstr(l.ca, "/all.pem"));
}

static void the_variable_of_the_environment_comes_before_the_file(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
	setenv("FERRY_MY_LAB_TOKEN", "set", 1);
	assert_ok(read_access(*state, LAB "token-file = missing\n", &l, &e), &e);
	assert_string_equal(l.at[0].token, "set");
	assert_string_equal(l.at[0].token_from, "FERRY_MY_LAB_TOKEN");
}

static void a_secret_that_cannot_be_used_is_the_fault_of_its_entry_alone(void **state)
{
	static const char *const bad[] = { "token-file = open",
					   "token-file = empty",
					   "token-file = missing",
					   "token-file = control",
					   "client-key-passphrase-file = open",
					   "ca = missing",
					   "client-cert = missing",
					   "client-key = missing" };
	put(*state, "open", "abc", 0644);
	put(*state, "empty", "\nabc", 0600);
	put(*state, "control", "a\tb", 0600);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		CLEANUP(http_access_list_release) struct http_access_list l = { 0 };
		CLEANUP(mem_free_ptr) char *text =
			mem_printf(LAB "%s\n[access.other]\nurl = https://other/\n", bad[i]);
		assert_ok(read_access(*state, text, &l, &e), &e);
		assert_int_equal(l.count, 2);
		assert_int_equal(l.at[0].fault.class, ERR_USAGE);
		assert_int_equal(l.at[0].fault.cause, CAUSE_SETTINGS);
		assert_true(l.at[0].fault.hint[0] && !l.at[0].token);
		assert_int_equal(l.at[1].fault.class, ERR_NONE);
	}
}

static void names_of_variables_are_in_capitals(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *name = settings_variable_name("eu-hub.2", "FERRY_", "_TOKEN");
	assert_string_equal(name, "FERRY_EU_HUB_2_TOKEN");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(all_keys_are_read),
		IN_FOLDER(the_variable_of_the_environment_comes_before_the_file),
		IN_FOLDER(a_secret_that_cannot_be_used_is_the_fault_of_its_entry_alone),
		cmocka_unit_test(names_of_variables_are_in_capitals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
