#include "s3/credentials.h"

#include "aws_room.h"
#include "util/file.h"
#include "util/path.h"
#include "util/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void environment_goes_before_the_files(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/credentials",
		  "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
	aws_set("AWS_ACCESS_KEY_ID", "E");
	aws_set("AWS_SECRET_ACCESS_KEY", "e");
	aws_set("AWS_SESSION_TOKEN", "t");
	aws_expect(r, NULL, "E", "e", "t");
	assert_string_equal(s3_credentials_source(r->c), "the environment");
}

static void profile_of_the_configuration_goes_before_the_environment(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/credentials",
		  "[eu]\naws_access_key_id = F\naws_secret_access_key = f\n");
	aws_set("AWS_ACCESS_KEY_ID", "E");
	aws_set("AWS_SECRET_ACCESS_KEY", "e");
	aws_expect(r, "eu", "F", "f", NULL);
	assert_true(str_starts(s3_credentials_source(r->c), "profile eu of "));
}

static void half_of_the_keys_is_refused(void **state)
{
	struct aws_room *r = *state;
	aws_set("AWS_ACCESS_KEY_ID", "E");
	aws_expect_failure(r, NULL, ERR_USAGE, "AWS_SECRET_ACCESS_KEY is not");
	unsetenv("AWS_ACCESS_KEY_ID");
	aws_write(r, ".aws/credentials", "[default]\naws_access_key_id = F\n");
	aws_expect_failure(r, NULL, ERR_USAGE,
			   "credentials:1: profile default lacks aws_secret_access_key");
}

static void a_long_session_token_is_read_whole(void **state)
{
	struct aws_room *r = *state;
	char token[2001], text[4096];
	for (size_t i = 0; i < 2000; i++)
		token[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ+/="[i * i % 29];
	token[2000] = '\0';
	snprintf(text, sizeof text,
		 "[my.name@example]\naws_access_key_id=F\naws_secret_access_key=f\n"
		 "aws_session_token=%s\n",
		 token);
	aws_write(r, ".aws/credentials", text);
	aws_expect(r, "my.name@example", "F", "f", token);
}

static void variables_name_the_files_and_the_profile(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, "c",
		  "[profile eu]\nAWS_ACCESS_KEY_ID = C\naws_secret_access_key = c\n"
		  "s3 =\n    addressing_style = path\nregion = eu-west-1\n");
	char *path = path_join(r->dir, "c");
	aws_set("AWS_CONFIG_FILE", path);
	aws_set("AWS_PROFILE", "eu");
	aws_expect(r, NULL, "C", "c", NULL);
	char *region = NULL;
	assert_ok(s3_credentials_region(r->c, &region, &r->e), &r->e);
	assert_string_equal(region, "eu-west-1");
	free(region);
	aws_set("AWS_REGION", "us-west-2");
	assert_ok(s3_credentials_region(r->c, &region, &r->e), &r->e);
	assert_string_equal(region, "us-west-2");
	free(region);
	free(path);
}

static void the_file_of_credentials_goes_before_that_of_the_configuration(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config",
		  "[default]\naws_access_key_id = C\naws_secret_access_key = c\n");
	aws_expect(r, NULL, "C", "c", NULL);
	s3_credentials_refuse(r->c, &r->keys);
	aws_write(r, ".aws/credentials",
		  "[default]\naws_access_key_id = F\naws_secret_access_key = f\n");
	aws_expect(r, NULL, "F", "f", NULL);
}

static void a_profile_that_does_not_exist_is_an_error(void **state)
{
	struct aws_room *r = *state;
	aws_expect_failure(r, "nowhere", ERR_USAGE, "profile 'nowhere' is neither in ");
}

static void a_malformed_file_is_named_with_its_line_but_not_shown(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/credentials", "[default]\nwJalrXUtnFEMI\n");
	aws_expect_failure(r, NULL, ERR_USAGE, "credentials:2: ");
	assert_null(strstr(r->e.text, "wJalr"));
}

static void without_keys_the_hint_says_what_was_tried(void **state)
{
	struct aws_room *r = *state;
	aws_expect_failure(r, NULL, ERR_AUTH, "no access keys");
	assert_non_null(strstr(r->e.hint, "the environment, profile default of the AWS files"));
}

static void expired_keys_of_the_environment_are_refused(void **state)
{
	struct aws_room *r = *state;
	aws_set("AWS_ACCESS_KEY_ID", "E");
	aws_set("AWS_SECRET_ACCESS_KEY", "e");
	aws_set("AWS_CREDENTIAL_EXPIRATION", "2026-01-02T00:00:00+00:00");
	aws_expect(r, NULL, "E", "e", NULL);
	assert_int_equal(r->keys.expires_s, 1767312000);
	r->clock.now_us += 100000 * 1000000ULL;
	aws_expect_failure(r, NULL, ERR_AUTH,
			   "the access keys from the environment expired at "
			   "2026-01-02T00:00:00Z");
}

/* -- refreshing --------------------------------------------------------------------- */

/* A process that counts its calls and prints a file. */
static void set_up_process(struct aws_room *r)
{
	aws_write(r, "give", "echo >>%s/calls; cat %s/answer\n");
	aws_write(r, ".aws/config", "[default]\ncredential_process = /bin/sh %s/give\n");
}

/* Keys that are valid for so long. */
static void answer_with(struct aws_room *r, const char *id, int64_t seconds)
{
	char expires[TIME_TEXT], text[256];
	format_time(expires, clock_wall_s(&r->clock.clock) + seconds);
	snprintf(text, sizeof text,
		 "{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"p\", "
		 "\"SessionToken\": \"t\", \"Expiration\": \"%s\"}",
		 id, expires);
	aws_write(r, "answer", text);
}

static void pass(struct aws_room *r, uint64_t seconds)
{
	r->clock.now_us += seconds * 1000000;
}

static uint64_t calls(struct aws_room *r)
{
	char *path = path_join(r->dir, "calls");
	uint64_t size = 0;
	assert_ok(file_size(path, &size, &r->e), &r->e);
	free(path);
	return size;
}

static void keys_are_refreshed_five_minutes_before_they_expire(void **state)
{
	struct aws_room *r = *state;
	set_up_process(r);
	answer_with(r, "A", 3600);
	aws_expect(r, NULL, "A", "p", "t");
	answer_with(r, "B", 7200);
	pass(r, 3299);
	aws_expect(r, NULL, "A", "p", "t");
	assert_int_equal(calls(r), 1);
	pass(r, 1);
	aws_expect(r, NULL, "B", "p", "t");
	assert_int_equal(calls(r), 2);
}

static void short_lived_keys_are_refreshed_at_half_of_their_life(void **state)
{
	struct aws_room *r = *state;
	set_up_process(r);
	answer_with(r, "A", 400);
	aws_expect(r, NULL, "A", "p", "t");
	pass(r, 199);
	answer_with(r, "B", 400);
	aws_expect(r, NULL, "A", "p", "t");
	pass(r, 1);
	aws_expect(r, NULL, "B", "p", "t");
}

static void a_failed_refresh_is_no_error_while_the_keys_are_valid(void **state)
{
	struct aws_room *r = *state;
	set_up_process(r);
	answer_with(r, "A", 3600);
	aws_expect(r, NULL, "A", "p", "t");
	aws_write(r, "answer", "broken");
	pass(r, 3400);
	aws_expect(r, NULL, "A", "p", "t");
	aws_expect(r, NULL, "A", "p", "t");
	assert_int_equal(calls(r), 2);
	pass(r, 10);
	aws_expect(r, NULL, "A", "p", "t");
	assert_int_equal(calls(r), 3);
	pass(r, 190);
	aws_expect_failure(r, NULL, ERR_AUTH, "is not a valid JSON object");
	assert_null(strstr(r->e.text, "broken"));
}

static void refused_keys_are_asked_for_again_once(void **state)
{
	struct aws_room *r = *state;
	struct s3_keys old = { 0 };
	set_up_process(r);
	answer_with(r, "A", 3600);
	aws_expect(r, NULL, "A", "p", "t");
	assert_ok(s3_credentials_get(r->c, &old, &r->e), &r->e);
	answer_with(r, "B", 3600);
	s3_credentials_refuse(r->c, &old);
	aws_expect(r, NULL, "B", "p", "t");
	s3_credentials_refuse(r->c, &old);
	aws_expect(r, NULL, "B", "p", "t");
	assert_int_equal(calls(r), 2);
	s3_keys_release(&old);
}

static void *get_in_a_thread(void *ctx)
{
	struct aws_room *r = ctx;
	struct s3_keys keys = { 0 };
	struct err e = ERR_INIT;
	int rc = s3_credentials_get(r->c, &keys, &e);
	s3_keys_release(&keys);
	return rc < 0 ? ctx : NULL;
}

#define THREADS 8

/* How many of the threads failed. */
static size_t get_in_threads(struct aws_room *r)
{
	pthread_t threads[THREADS];
	size_t failed = 0;
	r->c = s3_credentials_new(&(struct s3_credentials_options){ .clock = &r->clock.clock });
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_in_a_thread, r), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		failed += result != NULL;
	}
	return failed;
}

static void many_threads_ask_the_source_once(void **state)
{
	struct aws_room *r = *state;
	set_up_process(r);
	answer_with(r, "A", 3600);
	assert_int_equal(get_in_threads(r), 0);
	assert_int_equal(calls(r), 1);
}

static void a_failure_is_that_of_all_waiting_threads(void **state)
{
	struct aws_room *r = *state;
	set_up_process(r);
	aws_write(r, "answer", "{}");
	assert_int_equal(get_in_threads(r), THREADS);
}

/* Opening a pipe waits for the other end: the process says that it runs, and waits to go on. Should
 * this thread wait for the other one, an alarm ends the test. */
static void others_use_the_old_keys_while_one_thread_refreshes(void **state)
{
	struct aws_room *r = *state;
	pthread_t thread;
	void *failed;
	set_up_process(r);
	answer_with(r, "A", 3600);
	aws_expect(r, NULL, "A", "p", "t");
	char *runs = path_join(r->dir, "runs"), *go = path_join(r->dir, "go");
	assert_int_equal(mkfifo(runs, 0600) | mkfifo(go, 0600), 0);
	aws_write(r, "give", "echo >%s/runs; cat %s/go >/dev/null; cat %s/answer\n");
	pass(r, 3400);
	answer_with(r, "B", 3600);
	alarm(600);
	assert_int_equal(pthread_create(&thread, NULL, get_in_a_thread, r), 0);
	char byte;
	int fd = open(runs, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &byte, 1), 1);
	aws_expect(r, NULL, "A", "p", "t");
	close(fd);
	fd = open(go, O_WRONLY | O_CLOEXEC);
	close(fd);
	pthread_join(thread, &failed);
	assert_null(failed);
	alarm(0);
	aws_expect(r, NULL, "B", "p", "t");
	free(runs);
	free(go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_TEST(environment_goes_before_the_files),
		AWS_TEST(profile_of_the_configuration_goes_before_the_environment),
		AWS_TEST(half_of_the_keys_is_refused),
		AWS_TEST(a_long_session_token_is_read_whole),
		AWS_TEST(variables_name_the_files_and_the_profile),
		AWS_TEST(the_file_of_credentials_goes_before_that_of_the_configuration),
		AWS_TEST(a_profile_that_does_not_exist_is_an_error),
		AWS_TEST(a_malformed_file_is_named_with_its_line_but_not_shown),
		AWS_TEST(without_keys_the_hint_says_what_was_tried),
		AWS_TEST(expired_keys_of_the_environment_are_refused),
		AWS_TEST(keys_are_refreshed_five_minutes_before_they_expire),
		AWS_TEST(short_lived_keys_are_refreshed_at_half_of_their_life),
		AWS_TEST(a_failed_refresh_is_no_error_while_the_keys_are_valid),
		AWS_TEST(refused_keys_are_asked_for_again_once),
		AWS_TEST(many_threads_ask_the_source_once),
		AWS_TEST(a_failure_is_that_of_all_waiting_threads),
		AWS_TEST(others_use_the_old_keys_while_one_thread_refreshes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
