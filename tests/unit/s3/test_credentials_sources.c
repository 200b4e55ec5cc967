/* The servers of AWS are simulated here: canned answers, and the requests that they expect. */
#include "s3/credentials_internal.h"

#include "aws_room.h"
#include "canned.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define FAULT(status, body) "HTTP/1.1 " status " x\r\nConnection: close\r\n\r\n" body

#define KEYS(id) \
	"{\"Code\": \"Success\", \"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"s\", " \
	"\"Token\": \"t\", \"Expiration\": \"2026-01-01T02:00:00Z\"}"
#define EXPIRES 1767232800

#define STS_KEYS(action, id) \
	"<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action \
	"Result><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Credentials><AccessKeyId>" id \
	"</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>" \
	"<Expiration>2026-01-01T02:00:00Z</Expiration></Credentials></" action "Result></" action \
	"Response>"

/* Each answer ends its connection. */
static struct canned_server *start(const struct canned *script, size_t count)
{
	static struct canned closing[4];
	assert_in_range(count, 1, ARRAY_LEN(closing));
	for (size_t i = 0; i < count; i++) {
		closing[i] = script[i];
		closing[i].then = CANNED_CLOSE;
	}
	return canned_start(closing, count);
}

/* Expects these keys from a server that answers so, with the variable as its URL. */
static void expect_from(struct aws_room *r, const char *variable, const char *path,
			const struct canned *script, size_t count, const char *profile,
			const char *id)
{
	struct canned_server *server = start(script, count);
	char *url = mem_printf("%s%s", canned_url(server), path);
	aws_set(variable, url);
	aws_expect(r, profile, id, "s", "t");
	assert_int_equal(r->keys.expires_s, EXPIRES);
	free(url);
	canned_stop(server);
}

static void expect_refusal(struct aws_room *r, const char *variable, const struct canned *answer,
			   const char *profile, enum err_class class, const char *text)
{
	struct canned_server *server = start(answer, 1);
	aws_set(variable, canned_url(server));
	aws_expect_failure(r, profile, class, text);
	canned_stop(server);
}

/* -- credential_process ---------------------------------------------------------------- */

static void expect_words(const char *command, const char *joined)
{
	struct err e = ERR_INIT;
	struct str_list words = { 0 };
	struct buf got = BUF_INIT(KIB);
	assert_ok(credentials_process_split(command, &words, &e), &e);
	for (size_t i = 0; i < words.count; i++)
		buf_addf(&got, "[%s]", words.at[i]);
	assert_string_equal(buf_str(&got), joined);
	buf_release(&got);
	str_list_release(&words);
}

static void a_command_line_is_split_at_blanks_outside_of_quotes(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct str_list words = { 0 };
	expect_words("  /opt/a b\t--c=d ", "[/opt/a][b][--c=d]");
	expect_words("\"/opt/my tools/a\" 'x \"y\\' z\\ 1 \"\"",
		     "[/opt/my tools/a][x \"y\\][z 1][]");
	expect_words("a \"b \\\" \\\\ \\n\" $HOME;ls|x", "[a][b \" \\ \\n][$HOME;ls|x]");
	assert_int_equal(credentials_process_split("a 'b", &words, &e), -ERR_USAGE);
	str_list_release(&words);
	err_clear(&e);
	assert_int_equal(credentials_process_split("  ", &words, &e), -ERR_USAGE);
}

static void a_process_gives_keys_and_keeps_the_environment(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config", "[profile p]\ncredential_process = sh \"%s/give\" ' 2'\n");
	aws_write(r, "give",
		  "cat <<E\n{\"Version\": 1, \"AccessKeyId\": \"$AWS_MINE_TOKEN$1\", "
		  "\"SecretAccessKey\": \"s\"}\nE\n");
	aws_set("AWS_MINE_TOKEN", "A");
	aws_expect(r, "p", "A 2", "s", NULL);
	assert_int_equal(r->keys.expires_s, 0);
	assert_string_equal(s3_credentials_source(r->c), "credential_process of profile p");
}

static void a_process_that_fails_is_quoted_but_never_its_output(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config", "[default]\ncredential_process = sh %s/give\n");
	aws_write(r, "give", "echo secret-output; echo 'please log in' >&2; exit 3\n");
	aws_expect_failure(r, NULL, ERR_AUTH, "ended with status 3: please log in");
	assert_null(strstr(r->e.text, "secret-output"));
	aws_write(r, "give", "echo '{\"Version\": 1, \"AccessKeyId\": \"secret-output'\n");
	aws_expect_failure(r, NULL, ERR_AUTH, "is not a valid JSON object");
	assert_null(strstr(r->e.text, "secret-output"));
	aws_write(r, "give", "echo '{\"AccessKeyId\": \"a\", \"SecretAccessKey\": \"b\"}'\n");
	aws_expect_failure(r, NULL, ERR_AUTH, "does not have \"Version\": 1");
	aws_write(r, "give", "head -c 70000 /dev/zero\n");
	aws_expect_failure(r, NULL, ERR_AUTH, "credential_process");
}

static void a_program_that_does_not_exist_is_a_fault_of_the_configuration(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config", "[default]\ncredential_process = no-such-program-here x\n");
	aws_expect_failure(r, NULL, ERR_USAGE, "no program 'no-such-program-here' in PATH");
}

/* -- containers -------------------------------------------------------------------------- */

static void simulated_container_gives_keys_for_the_token_of_its_file(void **state)
{
	struct aws_room *r = *state;
	const struct canned answer = { .want = "GET /v1/credentials HTTP/1.1\r\n",
				       .forbid = "unused",
				       .reply = OK(KEYS("K")) };
	const struct canned renewed = { .want = "Authorization: second\r\n",
					.reply = OK(KEYS("L")) };
	aws_write(r, "token", "first\n");
	char *file = mem_printf("%s/token", r->dir);
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file);
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "unused");
	expect_from(r, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/v1/credentials", &answer, 1, NULL,
		    "K");
	assert_string_equal(s3_credentials_source(r->c), "the container");
	aws_write(r, "token", "second");
	s3_credentials_refuse(r->c, &r->keys);
	expect_from(r, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/", &renewed, 1, NULL, "L");
	free(file);
}

static void simulated_container_is_asked_without_the_proxy(void **state)
{
	struct aws_room *r = *state;
	const struct canned answer = { .reply = OK(KEYS("K")) };
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	expect_from(r, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/", &answer, 1, NULL, "K");
	unsetenv("http_proxy");
}

static void a_container_over_plain_http_is_of_this_machine(void **state)
{
	struct aws_room *r = *state;
	static const char *const refused[] = { "http://example.com/", "http://169.254.169.254/",
					       "http://127.evil.example/", "http://10.0.0.1/" };
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", refused[i]);
		aws_expect_failure(r, NULL, ERR_USAGE, "is neither this machine nor");
	}
}

static void simulated_container_that_refuses_is_an_error(void **state)
{
	struct aws_room *r = *state;
	const struct canned answer = { .reply = FAULT("400", "{\"message\": \"no\"}") };
	expect_refusal(r, "AWS_CONTAINER_CREDENTIALS_FULL_URI", &answer, NULL, ERR_AUTH,
		       "the container's credentials server");
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX-Other: b");
	aws_expect_failure(r, NULL, ERR_USAGE, "has more than one line");
}

/* -- instances --------------------------------------------------------------------------- */

static void simulated_instance_gives_keys_of_its_role_for_a_session_token(void **state)
{
	struct aws_room *r = *state;
	static const struct canned script[] = {
		{ .want = "PUT /latest/api/token HTTP/1.1\r\n", .reply = OK("TOKEN") },
		{ .want = "X-aws-ec2-metadata-token: TOKEN\r\n", .reply = OK("my role") },
		{ .want = "GET /latest/meta-data/iam/security-credentials/my%20role HTTP/1.1\r\n",
		  .reply = OK(KEYS("I")) },
	};
	unsetenv("AWS_EC2_METADATA_DISABLED");
	expect_from(r, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "/", script, 3, NULL, "I");
	assert_string_equal(s3_credentials_source(r->c), "the instance's role my role");
}

static void simulated_instance_without_a_role_is_no_source(void **state)
{
	struct aws_room *r = *state;
	static const struct canned script[] = {
		{ .want = "X-aws-ec2-metadata-token-ttl-seconds: ", .reply = OK("TOKEN") },
		{ .reply = FAULT("404", "") },
	};
	unsetenv("AWS_EC2_METADATA_DISABLED");
	struct canned_server *server = start(script, 2);
	aws_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", canned_url(server));
	aws_expect_failure(r, NULL, ERR_AUTH, "no access keys");
	assert_non_null(strstr(r->e.hint, "the instance (it has no role)"));
	canned_stop(server);
	aws_expect_failure(r, NULL, ERR_AUTH, "no access keys");
	assert_non_null(strstr(r->e.hint, "the instance (no answer)"));
}

/* -- roles ----------------------------------------------------------------------------------- */

static void simulated_sts_gives_keys_for_a_role_signed_with_those_of_its_source(void **state)
{
	struct aws_room *r = *state;
	static const struct canned script[] = {
		{ .want = "Authorization: AWS4-HMAC-SHA256 Credential=B/20260101/eu-west-1/sts/"
			  "aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=",
		  .reply = OK(STS_KEYS("AssumeRole", "MIDDLE")) },
		{ .want = "x-amz-security-token: t\r\n",
		  .forbid = "Credential=B",
		  .reply = OK(STS_KEYS("AssumeRole", "R")) },
	};
	aws_write(r, ".aws/credentials",
		  "[base]\naws_access_key_id = B\naws_secret_access_key = b\n");
	aws_write(r, ".aws/config",
		  "[profile top]\nrole_arn = arn:aws:iam::1:role/top\nsource_profile = middle\n"
		  "region = eu-west-1\n"
		  "[profile middle]\nrole_arn = arn:aws:iam::1:role/m\nsource_profile = base\n");
	expect_from(r, "AWS_ENDPOINT_URL_STS", "/", script, 2, "top", "R");
	assert_string_equal(s3_credentials_source(r->c), "the role arn:aws:iam::1:role/top");
}

static void simulated_sts_gets_the_parameters_of_the_role(void **state)
{
	struct aws_room *r = *state;
	static const struct canned answer = {
		.want = "\r\n\r\nAction=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%"
			"3A1%3Arole%2Fr&RoleSessionName=me&ExternalId=a%20b%2B&DurationSeconds=900",
		.reply = OK(STS_KEYS("AssumeRole", "R"))
	};
	aws_set("AWS_ACCESS_KEY_ID", "E");
	aws_set("AWS_SECRET_ACCESS_KEY", "e");
	aws_write(r, ".aws/config",
		  "[profile x]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n"
		  "role_session_name = me\nexternal_id = a b+\nduration_seconds = 900\n");
	expect_from(r, "AWS_ENDPOINT_URL", "", &answer, 1, "x", "R");
}

static void simulated_sts_gives_keys_for_a_web_identity_of_the_environment(void **state)
{
	struct aws_room *r = *state;
	static const struct canned answer = {
		.want = "RoleSessionName=pod&WebIdentityToken=header.payload.signature",
		.forbid = "uthorization",
		.reply = OK(STS_KEYS("AssumeRoleWithWebIdentity", "W"))
	};
	aws_write(r, "jwt", "header.payload.signature\n");
	char *file = mem_printf("%s/jwt", r->dir);
	aws_set("AWS_WEB_IDENTITY_TOKEN_FILE", file);
	aws_expect_failure(r, NULL, ERR_USAGE, "AWS_ROLE_ARN is not");
	aws_set("AWS_ROLE_ARN", "arn:aws:iam::1:role/w");
	aws_set("AWS_ROLE_SESSION_NAME", "pod");
	expect_from(r, "AWS_ENDPOINT_URL_STS", "/", &answer, 1, NULL, "W");
	free(file);
}

static void simulated_sts_gives_keys_for_a_web_identity_of_a_profile(void **state)
{
	struct aws_room *r = *state;
	static const struct canned answer = { .want = "Action=AssumeRoleWithWebIdentity&",
					      .reply = OK(STS_KEYS("AssumeRoleWithWebIdentity",
								   "W")) };
	aws_write(r, "jwt", "x.y.z");
	aws_write(r, ".aws/config",
		  "[profile w]\nrole_arn = arn:aws:iam::1:role/w\n"
		  "web_identity_token_file = %s/jwt\n");
	expect_from(r, "AWS_ENDPOINT_URL_STS", "/", &answer, 1, "w", "W");
}

#define STS_FAULT(status, code) \
	FAULT(status, "<ErrorResponse><Error><Type>Sender</Type><Code>" code \
		      "</Code><Message>what it says</Message></Error></ErrorResponse>")

static void simulated_sts_says_why_it_refuses(void **state)
{
	struct aws_room *r = *state;
	static const struct canned denied = { .reply = STS_FAULT("403", "AccessDenied") };
	static const struct canned busy = { .reply = STS_FAULT("400", "Throttling") };
	static const struct canned down = { .reply = FAULT("503", "") };
	static const struct canned odd = { .reply = OK("<a><b/></a>") };
	aws_write(r, ".aws/config",
		  "[default]\nrole_arn = arn:x\nsource_profile = default\n"
		  "aws_access_key_id = C\naws_secret_access_key = secret-text\n");
	expect_refusal(r, "AWS_ENDPOINT_URL_STS", &denied, NULL, ERR_AUTH,
		       "gives no keys for the role arn:x: AccessDenied: what it says");
	assert_null(strstr(r->e.text, "secret-text"));
	expect_refusal(r, "AWS_ENDPOINT_URL_STS", &busy, NULL, ERR_NETWORK, "Throttling");
	expect_refusal(r, "AWS_ENDPOINT_URL_STS", &down, NULL, ERR_NETWORK, "the STS server");
	expect_refusal(r, "AWS_ENDPOINT_URL_STS", &odd, NULL, ERR_AUTH, "answered without keys");
}

static void source_profiles_in_a_circle_are_refused(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config",
		  "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
		  "[profile b]\nrole_arn = arn:b\nsource_profile = a\n");
	aws_expect_failure(r, "a", ERR_USAGE, "form a cycle");
}

static void a_role_needs_one_source(void **state)
{
	struct aws_room *r = *state;
	aws_write(r, ".aws/config", "[profile a]\nrole_arn = arn:a\n");
	aws_expect_failure(r, "a", ERR_USAGE, "role_arn needs one of");
	aws_write(r, ".aws/config", "[profile a]\nrole_arn = arn:a\nsource_profile = gone\n");
	aws_expect_failure(r, "a", ERR_USAGE, "its source_profile gone does not exist");
	aws_write(r, ".aws/config", "[profile a]\nrole_arn = arn:a\ncredential_source = Moon\n");
	aws_expect_failure(r, "a", ERR_USAGE, "credential_source is neither");
	aws_write(r, ".aws/config",
		  "[profile a]\nrole_arn = arn:a\ncredential_source = Environment\n");
	aws_expect_failure(r, "a", ERR_AUTH, "credential_source Environment has no keys");
	aws_write(r, ".aws/config",
		  "[profile a]\nrole_arn = arn:a\nsource_profile = a\n"
		  "mfa_serial = arn:mfa\n");
	aws_expect_failure(r, "a", ERR_USAGE, "needs an MFA code");
}

/* -- single sign-on ---------------------------------------------------------------------------- */

#define SSO_KEYS \
	"{\"roleCredentials\": {\"accessKeyId\": \"O\", \"secretAccessKey\": \"s\", " \
	"\"sessionToken\": \"t\", \"expiration\": 1767232800000}}"
#define SSO_TOKEN(expires) \
	"{\"accessToken\": \"BEARER\", \"expiresAt\": \"" expires "\", \"region\": \"eu-west-1\"}"
/* SHA-1 of "work" and of "https://work.awsapps.com/start". */
#define OF_SESSION ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json"
#define OF_URL ".aws/sso/cache/19aabcacc95f752e6b4e0978c9b2a1691b58f5e0.json"

static void write_sso_config(struct aws_room *r)
{
	aws_write(r, ".aws/config",
		  "[profile s]\nsso_session = work\nsso_account_id = 123\nsso_role_name = Push er\n"
		  "[sso-session work]\nsso_region = eu-west-1\n"
		  "sso_start_url = https://work.awsapps.com/start\n"
		  "[profile old]\nsso_start_url = https://work.awsapps.com/start\n"
		  "sso_region = eu-west-1\nsso_account_id = 123\nsso_role_name = Push er\n");
}

static const struct canned sso_answer = {
	.want = "GET /federation/credentials?role_name=Push%20er&account_id=123 HTTP/1.1\r\n",
	.reply = OK(SSO_KEYS)
};

static void simulated_sso_gives_keys_for_the_token_of_a_session(void **state)
{
	struct aws_room *r = *state;
	const struct canned token = { .want = "x-amz-sso_bearer_token: BEARER\r\n",
				      .reply = OK(SSO_KEYS) };
	write_sso_config(r);
	aws_write(r, OF_SESSION, SSO_TOKEN("2026-01-01T02:00:00Z"));
	expect_from(r, "AWS_ENDPOINT_URL_SSO", "", &sso_answer, 1, "s", "O");
	s3_credentials_refuse(r->c, &r->keys);
	expect_from(r, "AWS_ENDPOINT_URL_SSO", "", &token, 1, "s", "O");
}

static void simulated_sso_gives_keys_for_the_token_of_a_start_url(void **state)
{
	struct aws_room *r = *state;
	write_sso_config(r);
	aws_write(r, OF_URL, SSO_TOKEN("2026-01-01T02:00:00UTC"));
	expect_from(r, "AWS_ENDPOINT_URL_SSO", "", &sso_answer, 1, "old", "O");
}

static void without_a_login_the_hint_is_the_command_to_log_in(void **state)
{
	struct aws_room *r = *state;
	write_sso_config(r);
	aws_expect_failure(r, "s", ERR_AUTH, "nobody has logged in");
	assert_string_equal(r->e.hint, "aws sso login --profile s");
	aws_write(r, OF_SESSION, SSO_TOKEN("2026-01-01T00:00:00Z"));
	aws_expect_failure(r, "s", ERR_AUTH, "the login to IAM Identity Center has expired");
	assert_string_equal(r->e.hint, "aws sso login --profile s");
}

static void simulated_sso_refuses_the_login_or_the_role(void **state)
{
	struct aws_room *r = *state;
	static const struct canned login = { .reply = FAULT("401", "{}") };
	static const struct canned role = { .reply = FAULT("403", "{}") };
	write_sso_config(r);
	aws_write(r, OF_SESSION, SSO_TOKEN("2026-01-01T02:00:00Z"));
	expect_refusal(r, "AWS_ENDPOINT_URL_SSO", &login, "s", ERR_AUTH,
		       "does not accept the login");
	assert_string_equal(r->e.hint, "aws sso login --profile s");
	expect_refusal(r, "AWS_ENDPOINT_URL_SSO", &role, "s", ERR_AUTH,
		       "gives no keys for the role Push er in the account 123");
	assert_null(strstr(r->e.text, "BEARER"));
}

/* -- times ------------------------------------------------------------------------------------- */

static void times_are_read_in_every_form_of_aws(void **state)
{
	(void)state;
	static const char *const same[] = {
		"2026-01-01T02:00:00Z",      "2026-01-01T02:00:00.123Z",
		"2026-01-01T02:00:00UTC",    "2026-01-01T02:00:00+00:00",
		"2026-01-01T03:30:00+01:30", "2026-01-01T01:00:00.5-0100",
	};
	static const char *const wrong[] = { "",
					     "2026-01-01",
					     "2026-01-01T02:00:00",
					     "2026-01-01T02:00:00+1",
					     "2026-01-01T02:00:00Zx",
					     "2026-13-01T02:00:00Z" };
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		int64_t s = 0;
		assert_true(credentials_time(same[i], &s));
		assert_int_equal(s, EXPIRES);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(credentials_time(wrong[i], &(int64_t){ 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_TEST(a_command_line_is_split_at_blanks_outside_of_quotes),
		AWS_TEST(a_process_gives_keys_and_keeps_the_environment),
		AWS_TEST(a_process_that_fails_is_quoted_but_never_its_output),
		AWS_TEST(a_program_that_does_not_exist_is_a_fault_of_the_configuration),
		AWS_TEST(simulated_container_gives_keys_for_the_token_of_its_file),
		AWS_TEST(simulated_container_is_asked_without_the_proxy),
		AWS_TEST(a_container_over_plain_http_is_of_this_machine),
		AWS_TEST(simulated_container_that_refuses_is_an_error),
		AWS_TEST(simulated_instance_gives_keys_of_its_role_for_a_session_token),
		AWS_TEST(simulated_instance_without_a_role_is_no_source),
		AWS_TEST(simulated_sts_gives_keys_for_a_role_signed_with_those_of_its_source),
		AWS_TEST(simulated_sts_gets_the_parameters_of_the_role),
		AWS_TEST(simulated_sts_gives_keys_for_a_web_identity_of_the_environment),
		AWS_TEST(simulated_sts_gives_keys_for_a_web_identity_of_a_profile),
		AWS_TEST(simulated_sts_says_why_it_refuses),
		AWS_TEST(source_profiles_in_a_circle_are_refused),
		AWS_TEST(a_role_needs_one_source),
		AWS_TEST(simulated_sso_gives_keys_for_the_token_of_a_session),
		AWS_TEST(simulated_sso_gives_keys_for_the_token_of_a_start_url),
		AWS_TEST(without_a_login_the_hint_is_the_command_to_log_in),
		AWS_TEST(simulated_sso_refuses_the_login_or_the_role),
		AWS_TEST(times_are_read_in_every_form_of_aws),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
