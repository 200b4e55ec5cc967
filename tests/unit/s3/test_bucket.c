#include "s3/bucket.h"

#include "unit.h"
#include "util/mem.h"

#define ARN "arn:aws:s3:::b/*"

static struct s3_tree *parse(const char *text)
{
	struct err e = ERR_INIT;
	struct s3_tree *t = NULL;
	assert_ok(s3_tree_parse(text, strlen(text), &t, &e), &e);
	return t;
}

/* Without the namespace. */
static char *written(const struct s3_tree *t)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(64 * KIB);
	s3_tree_write(&out, t);
	const char *rest = strchr(buf_str(&out), '>');
	return mem_printf("<%s%s", t->name, rest);
}

static void assert_written(const struct s3_tree *t, const char *want)
{
	CLEANUP(mem_free_ptr) char *text = written(t);
	assert_string_equal(text, want);
}

static void a_rule_is_added_once_and_those_of_others_stay(void **state)
{
	(void)state;
	CLEANUP(str_list_release) struct str_list all = { 0 };
	const struct str_list none = { 0 };
	str_list_add(&all, "*");
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = parse(
		"<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin>"
		"<AllowedMethod>PUT</AllowedMethod><New>x</New></CORSRule></CORSConfiguration>");
	CLEANUP(mem_free_ptr) char *before = written(t);
	assert_true(s3_bucket_cors(t, &all));
	assert_int_equal(t->count, 2);
	assert_string_equal(s3_tree_text(t->children[0], "New"), "x");
	assert_string_equal(s3_tree_text(t->children[1], "AllowedOrigin"), "*");
	assert_false(s3_bucket_cors(t, &all));
	assert_true(s3_bucket_cors(t, &none));
	assert_written(t, before);
	assert_false(s3_bucket_cors(t, &none));
}

static void two_rules_of_ours_become_one(void **state)
{
	(void)state;
	CLEANUP(str_list_release) struct str_list all = { 0 };
	str_list_add(&all, "*");
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<C><CORSRule><ID>model-ferry</ID></CORSRule><CORSRule><ID>x</ID></CORSRule>"
		      "<CORSRule><ID>model-ferry</ID></CORSRule></C>");
	assert_true(s3_bucket_cors(t, &all));
	assert_int_equal(t->count, 2);
	assert_false(s3_bucket_cors(t, &all));
}

static void other_origins_replace_the_rule(void **state)
{
	(void)state;
	CLEANUP(str_list_release) struct str_list one = { 0 };
	CLEANUP(str_list_release) struct str_list two = { 0 };
	str_list_add(&one, "*");
	str_list_split(&two, "https://a.example https://b.example", " ");
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_tree_new("CORSConfiguration", NULL);
	assert_true(s3_bucket_is_empty(t));
	assert_true(s3_bucket_cors(t, &one));
	assert_true(s3_bucket_cors(t, &two));
	assert_int_equal(t->count, 1);
	assert_string_equal(s3_tree_text(t->children[0], "AllowedOrigin"), "https://a.example");
	assert_false(s3_bucket_is_empty(t));
}

static void lifecycle_rules_have_their_days(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<LifecycleConfiguration><Rule><ID>theirs</ID><Prefix>x/</Prefix></Rule>"
		      "</LifecycleConfiguration>");
	assert_int_equal(s3_bucket_abort_days(t), 0);
	assert_true(s3_bucket_abort_uploads(t, "m/", 7));
	assert_true(s3_bucket_expire_versions(t, "m/", 30));
	assert_int_equal(s3_bucket_abort_days(t), 7);
	assert_int_equal(s3_bucket_version_days(t), 30);
	assert_int_equal(t->count, 3);
	assert_false(s3_bucket_abort_uploads(t, "m/", 7));
	assert_true(s3_bucket_abort_uploads(t, "m/", 8));
	assert_int_equal(s3_bucket_abort_days(t), 8);
	assert_true(s3_bucket_abort_uploads(t, "m/", 0));
	assert_true(s3_bucket_expire_versions(t, "m/", 0));
	assert_written(t, "<LifecycleConfiguration><Rule><ID>theirs</ID><Prefix>x/</Prefix></Rule>"
			  "</LifecycleConfiguration>");
}

static void versioning_that_was_never_on_is_off(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_tree_new("VersioningConfiguration", NULL);
	assert_false(s3_bucket_versioning(t, false));
	assert_true(s3_bucket_versioning(t, true));
	assert_false(s3_bucket_versioning(t, true));
	assert_true(s3_bucket_versioning(t, false));
	assert_string_equal(s3_tree_text(t, "Status"), "Suspended");
}

static void logging_goes_to_one_place(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_tree_new("BucketLoggingStatus", NULL);
	assert_false(s3_bucket_logging(t, NULL, NULL));
	assert_true(s3_bucket_logging(t, "logs", "eu/"));
	assert_false(s3_bucket_logging(t, "logs", "eu/"));
	s3_tree_add(s3_tree_child(t, "LoggingEnabled"), "TargetGrants", "x");
	assert_false(s3_bucket_logging(t, "logs", "eu/"));
	assert_true(s3_bucket_logging(t, "logs", "us/"));
	assert_written(t,
		       "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>"
		       "<TargetPrefix>us/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>");
	assert_true(s3_bucket_logging(t, NULL, NULL));
	assert_written(t, "<BucketLoggingStatus></BucketLoggingStatus>");
}

static void metrics_are_of_the_bucket_or_of_the_prefix(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_tree_new("MetricsConfiguration", NULL);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *part = s3_tree_new("MetricsConfiguration", NULL);
	assert_true(s3_bucket_metrics(t, ""));
	assert_false(s3_bucket_metrics(t, ""));
	assert_written(t, "<MetricsConfiguration><Id>EntireBucket</Id></MetricsConfiguration>");
	assert_true(s3_bucket_metrics(part, "m/"));
	assert_false(s3_bucket_metrics(part, "m/"));
	assert_written(part, "<MetricsConfiguration><Id>model-ferry</Id><Filter><Prefix>m/</Prefix>"
			     "</Filter></MetricsConfiguration>");
}

static void replication_keeps_the_rules_and_the_priorities_of_others(void **state)
{
	(void)state;
	const struct s3_bucket_replication to = { "m/", "arn:aws:s3:::eu",
						  "arn:aws:iam::1:role/r" };
	const struct s3_bucket_replication none = { 0 };
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role><Rule><ID>theirs"
		      "</ID><Priority>4</Priority></Rule></ReplicationConfiguration>");
	assert_true(s3_bucket_replicate(t, &to));
	assert_string_equal(s3_tree_text(t->children[2], "Priority"), "5");
	assert_string_equal(s3_tree_text(s3_tree_child(t->children[2], "Destination"), "Bucket"),
			    "arn:aws:s3:::eu");
	assert_false(s3_bucket_replicate(t, &to));
	assert_false(s3_bucket_role_conflict(t, to.role));
	assert_true(s3_bucket_role_conflict(t, "arn:aws:iam::1:role/other"));
	assert_true(s3_bucket_replicate(t, &none));
	assert_int_equal(t->count, 2);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *own = s3_tree_new("ReplicationConfiguration",
								    NULL);
	assert_true(s3_bucket_replicate(own, &to));
	assert_false(s3_bucket_role_conflict(own, "arn:aws:iam::1:role/other"));
	assert_true(s3_bucket_replicate(own, &none));
	assert_true(s3_bucket_is_empty(own)); /* a role alone is no configuration */
}

static void only_what_blocks_policies_is_unblocked(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<P><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true"
		      "</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>"
		      "<RestrictPublicBuckets>TRUE</RestrictPublicBuckets></P>");
	assert_true(s3_bucket_allow_public_policy(t));
	assert_false(s3_bucket_allow_public_policy(t));
	assert_written(t, "<P><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true"
			  "</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy>"
			  "<RestrictPublicBuckets>false</RestrictPublicBuckets></P>");
}

static json_t *policy_of(const char *statement)
{
	struct err e = ERR_INIT;
	json_t *out = NULL;
	static const struct json_limits limits = { .max_bytes = 64 * KIB };
	CLEANUP(mem_free_ptr) char *text =
		mem_printf("{\"Version\":\"2012-10-17\",\"Statement\":%s}", statement);
	assert_ok(json_parse(text, strlen(text), &limits, "policy", &out, &e), &e);
	return out;
}

static bool is_public(const char *statement)
{
	CLEANUP(json_release) json_t *policy = policy_of(statement);
	return s3_bucket_policy_is_public(policy, ARN);
}

static void a_policy_is_understood_however_it_is_written(void **state)
{
	(void)state;
	assert_true(is_public("[{\"Sid\":\"PublicReadGetObject\",\"Effect\":\"Allow\","
			      "\"Principal\":\"*\","
			      "\"Action\":\"s3:GetObject\",\"Resource\":\"" ARN "\"}]"));
	assert_true(is_public("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"*\"]},"
			      "\"Action\":[\"s3:List*\",\"s3:Get*\"],\"Resource\":[\"arn:aws:s3:::*"
			      "\"]}"));
	assert_false(is_public("[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\","
			       "\"Resource\":\"" ARN "\"}]"));
	assert_false(is_public("[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"123\"},"
			       "\"Action\":\"s3:*\",\"Resource\":\"" ARN "\"}]"));
	assert_false(is_public("[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
			       "\"Resource\":\"arn:aws:s3:::b/part/*\"}]"));
	assert_false(is_public("[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:"
			       "PutObject\","
			       "\"Resource\":\"" ARN "\"}]"));
	assert_false(is_public("[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
			       "\"Condition\":{},\"Resource\":\"" ARN "\"}]"));
	assert_false(is_public("[]"));
}

static void a_policy_is_opened_and_closed_without_touching_others(void **state)
{
	static const char *const statements[] = {
		"[{\"Sid\":\"x\",\"Effect\":\"Deny\"}]",
		"{\"Sid\":\"x\",\"Effect\":\"Deny\"}",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		CLEANUP(json_release) json_t *policy = policy_of(statements[i]);
		CLEANUP(json_release) json_t *before = policy_of(statements[0]);
		s3_bucket_policy_open(&policy, ARN);
		s3_bucket_policy_open(&policy, ARN);
		assert_true(s3_bucket_policy_is_public(policy, ARN));
		assert_int_equal(json_array_size(json_object_get(policy, "Statement")), 2);
		assert_true(s3_bucket_policy_close(policy));
		assert_true(json_equal(policy, before));
		assert_false(s3_bucket_policy_close(policy));
	}
	CLEANUP(json_release) json_t *fresh = NULL;
	s3_bucket_policy_open(&fresh, ARN);
	assert_true(s3_bucket_policy_is_public(fresh, ARN));
}

static void resources_have_the_partition_of_their_region(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *usual = s3_bucket_arn("eu-west-1", "b", "m/");
	CLEANUP(mem_free_ptr) char *china = s3_bucket_arn("cn-north-1", "b", "");
	assert_string_equal(usual, "arn:aws:s3:::b/m/*");
	assert_string_equal(china, "arn:aws-cn:s3:::b/*");
}

static void a_region_is_named_when_a_bucket_is_made(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_bucket_location("eu-west-1");
	assert_written(t, "<CreateBucketConfiguration><LocationConstraint>eu-west-1"
			  "</LocationConstraint></CreateBucketConfiguration>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_added_once_and_those_of_others_stay),
		cmocka_unit_test(two_rules_of_ours_become_one),
		cmocka_unit_test(other_origins_replace_the_rule),
		cmocka_unit_test(lifecycle_rules_have_their_days),
		cmocka_unit_test(versioning_that_was_never_on_is_off),
		cmocka_unit_test(logging_goes_to_one_place),
		cmocka_unit_test(metrics_are_of_the_bucket_or_of_the_prefix),
		cmocka_unit_test(replication_keeps_the_rules_and_the_priorities_of_others),
		cmocka_unit_test(only_what_blocks_policies_is_unblocked),
		cmocka_unit_test(a_policy_is_understood_however_it_is_written),
		cmocka_unit_test(a_policy_is_opened_and_closed_without_touching_others),
		cmocka_unit_test(resources_have_the_partition_of_their_region),
		cmocka_unit_test(a_region_is_named_when_a_bucket_is_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
