/* Credentials for a registry: docker's config.json, its helpers, and the environment. */
#include "oci/credentials.h"

#include "unit.h"
#include "util/buf.h"
#include "util/mem.h"

#include <stdlib.h>
#include <sys/stat.h>

static const char *const variables[] = {
	"FERRY_OCI_USERNAME", "FERRY_OCI_PASSWORD", "GH_TOKEN",
	"GITHUB_TOKEN",       "GITHUB_ACTOR",       "DOCKER_CONFIG"
};

static int setup(void **state)
{
	char *dir = scratch_new();
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	setenv("DOCKER_CONFIG", dir, 1);
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	scratch_free(*state);
	return 0;
}

static void write_config(void **state, const char *text)
{
	scratch_write(*state, "config.json", text, strlen(text));
}

static void expect(const char *host, const char *user, const char *password, const char *source)
{
	CLEANUP(oci_credentials_release) struct oci_credentials c = { 0 };
	struct err e = ERR_INIT;
	assert_ok(oci_credentials_find(host, true, NULL, &c, &e), &e);
	if (user) {
		assert_string_equal(c.user, user);
		assert_string_equal(c.password, password);
	} else {
		assert_false(oci_credentials_any(&c));
	}
	assert_non_null(strstr(c.source, source));
}

static void expect_failure(const char *host, enum err_class class, const char *text)
{
	struct oci_credentials c = { 0 };
	struct err e = ERR_INIT;
	assert_int_equal(oci_credentials_find(host, true, NULL, &c, &e), -(int)class);
	if (!strstr(e.text, text))
		fail_msg("'%s' lacks '%s'", e.text, text);
	assert_null(strstr(e.text, "secret"));
}

static void config_json_is_read_for_its_registry_only(void **state)
{
	write_config(state, "{\"auths\": {\"ghcr.io\": {\"auth\": \"bWU6c2VjcmV0OjE=\"},"
			    "\"https://index.docker.io/v1/\": {\"username\": \"hub\","
			    "\"password\": \"p\"}, \"empty.example\": {}}}");
	expect("ghcr.io", "me", "secret:1", "config.json");
	expect("registry-1.docker.io", "hub", "p", "config.json");
	expect("empty.example", NULL, NULL, "FERRY_OCI_USERNAME");
	expect("other.example", NULL, NULL, "docker's config.json");
	expect("ghcr.io.example", NULL, NULL, "docker's config.json");
}

/* ECR's passwords have thousands of bytes. */
static void a_long_password_is_read(void **state)
{
	struct buf text = BUF_INIT(64 * KIB);
	buf_adds(&text, "{\"auths\": {\"h\": {\"auth\": \"QVdTOnh4");
	for (int i = 0; i < 2000; i++)
		buf_adds(&text, "eHh4eHh4");
	buf_adds(&text, "eA==\"}}}");
	write_config(state, buf_str(&text));
	CLEANUP(oci_credentials_release) struct oci_credentials c = { 0 };
	struct err e = ERR_INIT;
	assert_ok(oci_credentials_find("h", true, NULL, &c, &e), &e);
	assert_string_equal(c.user, "AWS");
	assert_true(strlen(c.password) > 8000);
	buf_release(&text);
}

static void malformed_files_are_named_without_their_secrets(void **state)
{
	write_config(state, "{\"auths\": {\"h\": {\"auth\": \"secret\"}}}");
	expect_failure("h", ERR_USAGE, "config.json: \"auth\" is not base64");
	write_config(state, "{\"auths\": {\"h\": {\"auth\": \"c2VjcmV0\"}}}");
	expect_failure("h", ERR_USAGE, "USER:PASSWORD");
	write_config(state, "[]");
	expect_failure("h", ERR_USAGE, "not a JSON object");
	write_config(state, "{\"auths\": ");
	expect_failure("h", ERR_USAGE, "config.json");
	write_config(state, "{\"credsStore\": \"../evil\"}");
	expect_failure("h", ERR_USAGE, "not valid");
}

static void write_helper(void **state, const char *script)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/docker-credential-test", (char *)*state);
	CLEANUP(mem_free_ptr) char *where = mem_printf("%s:/usr/bin:/bin", (char *)*state);
	scratch_write(*state, "docker-credential-test", script, strlen(script));
	assert_int_equal(chmod(path, 0700), 0);
	setenv("PATH", where, 1);
}

static void a_helper_is_asked_for_the_server(void **state)
{
	write_config(state, "{\"credHelpers\": {\"h:5000\": \"test\"}, \"credsStore\": \"none\"}");
	write_helper(state, "#!/bin/sh\n[ \"$1\" = get ] || exit 9\nread -r server\n"
			    "printf '{\"ServerURL\": \"%s\", \"Username\": \"u@%s\", \"Secret\": "
			    "\"s\"}' \"$server\" \"$server\"\n");
	expect("h:5000", "u@h:5000", "s", "docker-credential-test");
	expect_failure("other", ERR_USAGE, "no program 'docker-credential-none'");
}

static void a_helper_that_knows_no_credentials_is_no_error(void **state)
{
	write_config(state, "{\"credsStore\": \"test\"}");
	write_helper(state, "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n");
	expect("h", NULL, NULL, "docker's config.json");
	write_helper(state, "#!/bin/sh\necho secret\nexit 3\n");
	expect_failure("h", ERR_AUTH, "docker-credential-test: it ended with status 3");
	write_helper(state, "#!/bin/sh\necho '{\"Username\": \"secret\"}'\n");
	expect_failure("h", ERR_AUTH, "no Username and Secret");
}

static void an_identity_token_is_no_password(void **state)
{
	CLEANUP(oci_credentials_release) struct oci_credentials c = { 0 };
	struct err e = ERR_INIT;
	write_config(state, "{\"credsStore\": \"test\"}");
	write_helper(state, "#!/bin/sh\necho '{\"Username\": \"<token>\", \"Secret\": \"t\"}'\n");
	assert_ok(oci_credentials_find("h", false, NULL, &c, &e), &e);
	assert_null(c.user);
	assert_string_equal(c.identity, "t");
}

static void the_environment_comes_first_and_is_whole(void **state)
{
	write_config(state, "{\"auths\": {\"ghcr.io\": {\"auth\": \"bWU6c2VjcmV0\"}}}");
	setenv("GITHUB_TOKEN", "t2", 1);
	expect("ghcr.io", "token", "t2", "GITHUB_TOKEN");
	setenv("GH_TOKEN", "t1", 1);
	expect("ghcr.io", "token", "t1", "GH_TOKEN");
	expect("quay.io", NULL, NULL, "docker's config.json");
	setenv("FERRY_OCI_USERNAME", "me", 1);
	expect_failure("ghcr.io", ERR_USAGE, "belong together");
	setenv("FERRY_OCI_PASSWORD", "p", 1);
	expect("ghcr.io", "me", "p", "FERRY_OCI_USERNAME");
	CLEANUP(oci_credentials_release) struct oci_credentials c = { 0 };
	struct err e = ERR_INIT;
	assert_ok(oci_credentials_find("quay.io", false, NULL, &c, &e), &e);
	assert_false(oci_credentials_any(&c));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(config_json_is_read_for_its_registry_only),
		TEST(a_long_password_is_read),
		TEST(malformed_files_are_named_without_their_secrets),
		TEST(a_helper_is_asked_for_the_server),
		TEST(a_helper_that_knows_no_credentials_is_no_error),
		TEST(an_identity_token_is_no_password),
		TEST(the_environment_comes_first_and_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
