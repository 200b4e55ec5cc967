#include "s3/credentials.h"

#include "fake_clock.h"
#include "unit.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>

extern char **environ;

struct room {
	char *dir;
	struct fake_clock clock;
	struct s3_credentials *c;
	struct s3_keys keys;
	struct err e;
};

/* Without any variable of AWS, and with an empty home. */
static int setup(void **state)
{
	struct room *r = NEW(struct room);
	r->dir = scratch_new();
	fake_clock_init(&r->clock);
	for (size_t i = 0; environ[i];)
		if (str_starts(environ[i], "AWS_")) {
			char *name = mem_strndup(environ[i], strcspn(environ[i], "="));
			unsetenv(name);
			free(name);
		} else {
			i++;
		}
	setenv("HOME", r->dir, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;
	s3_keys_release(&r->keys);
	s3_credentials_free(r->c);
	scratch_free(r->dir);
	free(r);
	return 0;
}

static void write_file(struct room *r, const char *name, const char *text)
{
	scratch_write(r->dir, name, text, strlen(text));
}

static int get(struct room *r, const char *profile)
{
	err_clear(&r->e);
	s3_keys_release(&r->keys);
	if (!r->c)
		r->c = s3_credentials_new(&(struct s3_credentials_options){
			.profile = profile, .clock = &r->clock.clock });
	return s3_credentials_get(r->c, &r->keys, &r->e);
}

static void expect_keys(struct room *r, const char *profile, const char *id, const char *secret,
			const char *token)
{
	assert_ok(get(r, profile), &r->e);
	assert_string_equal(r->keys.id, id);
	assert_string_equal(r->keys.secret, secret);
	if (token)
		assert_string_equal(r->keys.token, token);
	else
		assert_null(r->keys.token);
}

static void expect_failure(struct room *r, const char *profile, enum err_class class,
			   const char *text)
{
	assert_int_equal(get(r, profile), -(int)class);
	if (!strstr(r->e.text, text))
		fail_msg("'%s' does not hold '%s'", r->e.text, text);
}

static void environment_goes_before_the_files(void **state)
{
	struct room *r = *state;
	write_file(r, ".aws/credentials",
		   "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
	setenv("AWS_SESSION_TOKEN", "t", 1);
	expect_keys(r, NULL, "E", "e", "t");
	assert_string_equal(s3_credentials_source(r->c), "the environment");
}

static void profile_of_the_configuration_goes_before_the_environment(void **state)
{
	struct room *r = *state;
	write_file(r, ".aws/credentials",
		   "[eu]\naws_access_key_id = F\naws_secret_access_key = f\n");
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
	expect_keys(r, "eu", "F", "f", NULL);
	assert_true(str_starts(s3_credentials_source(r->c), "profile eu of "));
}

static void half_of_the_keys_is_refused(void **state)
{
	struct room *r = *state;
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	expect_failure(r, NULL, ERR_USAGE, "AWS_SECRET_ACCESS_KEY is not");
	unsetenv("AWS_ACCESS_KEY_ID");
	write_file(r, ".aws/credentials", "[default]\naws_access_key_id = F\n");
	expect_failure(r, NULL, ERR_USAGE,
		       "credentials:1: profile default lacks aws_secret_access_key");
}

static void a_long_session_token_is_read_whole(void **state)
{
	struct room *r = *state;
	char token[2001], text[4096];
	for (size_t i = 0; i < 2000; i++)
		token[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ+/="[i * i % 29];
	token[2000] = '\0';
	snprintf(text, sizeof text,
		 "[my.name@example]\naws_access_key_id=F\naws_secret_access_key=f\n"
		 "aws_session_token=%s\n",
		 token);
	write_file(r, ".aws/credentials", text);
	expect_keys(r, "my.name@example", "F", "f", token);
}

static void variables_name_the_files_and_the_profile(void **state)
{
	struct room *r = *state;
	write_file(r, "c",
		   "[profile eu]\nAWS_ACCESS_KEY_ID = C\naws_secret_access_key = c\n"
		   "s3 =\n    addressing_style = path\nregion = eu-west-1\n");
	char *path = path_join(r->dir, "c");
	setenv("AWS_CONFIG_FILE", path, 1);
	setenv("AWS_PROFILE", "eu", 1);
	expect_keys(r, NULL, "C", "c", NULL);
	char *region = NULL;
	assert_ok(s3_credentials_region(r->c, &region, &r->e), &r->e);
	assert_string_equal(region, "eu-west-1");
	free(region);
	setenv("AWS_REGION", "us-west-2", 1);
	assert_ok(s3_credentials_region(r->c, &region, &r->e), &r->e);
	assert_string_equal(region, "us-west-2");
	free(region);
	free(path);
}

static void the_file_of_credentials_goes_before_that_of_the_configuration(void **state)
{
	struct room *r = *state;
	write_file(r, ".aws/config",
		   "[default]\naws_access_key_id = C\naws_secret_access_key = c\n");
	expect_keys(r, NULL, "C", "c", NULL);
	s3_credentials_refuse(r->c, &r->keys);
	write_file(r, ".aws/credentials",
		   "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
	expect_keys(r, NULL, "F", "f", NULL);
}

static void a_profile_that_does_not_exist_is_an_error(void **state)
{
	struct room *r = *state;
	expect_failure(r, "nowhere", ERR_USAGE, "profile 'nowhere' is neither in ");
}

static void a_malformed_file_is_named_with_its_line_but_not_shown(void **state)
{
	struct room *r = *state;
	write_file(r, ".aws/credentials", "[default]\nwJalrXUtnFEMI\n");
	expect_failure(r, NULL, ERR_USAGE, "credentials:2: ");
	assert_null(strstr(r->e.text, "wJalr"));
}

static void without_keys_the_hint_says_what_was_tried(void **state)
{
	struct room *r = *state;
	expect_failure(r, NULL, ERR_AUTH, "no access keys");
	assert_non_null(strstr(r->e.hint, "the environment, profile default of the AWS files"));
}

static void expired_keys_of_the_environment_are_refused(void **state)
{
	struct room *r = *state;
	setenv("AWS_ACCESS_KEY_ID", "E", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "e", 1);
	setenv("AWS_CREDENTIAL_EXPIRATION", "2026-01-02T00:00:00+00:00", 1);
	expect_keys(r, NULL, "E", "e", NULL);
	assert_int_equal(r->keys.expires_s, 1767312000);
	r->clock.now_us += 100000 * 1000000ULL;
	expect_failure(r, NULL, ERR_AUTH,
		       "the access keys of the environment have expired at 2026-01-02T00:00:00Z");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(environment_goes_before_the_files),
		TEST(profile_of_the_configuration_goes_before_the_environment),
		TEST(half_of_the_keys_is_refused),
		TEST(a_long_session_token_is_read_whole),
		TEST(variables_name_the_files_and_the_profile),
		TEST(the_file_of_credentials_goes_before_that_of_the_configuration),
		TEST(a_profile_that_does_not_exist_is_an_error),
		TEST(a_malformed_file_is_named_with_its_line_but_not_shown),
		TEST(without_keys_the_hint_says_what_was_tried),
		TEST(expired_keys_of_the_environment_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
