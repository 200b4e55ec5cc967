#include "s3/bucket.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define ABORT_ID S3_BUCKET_ID "-uploads"
#define VERSIONS_ID S3_BUCKET_ID "-old-versions"
#define CORS_MAX_AGE_S "3600"

/* -- rules --------------------------------------------------------------------------- */

static bool has_id(const struct s3_tree *rule, const char *id)
{
	const char *theirs = s3_tree_text(rule, "ID");
	return theirs && strcmp(theirs, id) == 0;
}

static struct s3_tree *rule_of(const struct s3_tree *document, const char *id)
{
	for (size_t i = 0; i < document->count; i++)
		if (has_id(document->children[i], id))
			return document->children[i];
	return NULL;
}

/* How many have this id? More than one should not be possible. */
static size_t count_rules(const struct s3_tree *document, const char *id)
{
	size_t n = 0;
	for (size_t i = 0; i < document->count; i++)
		n += has_id(document->children[i], id);
	return n;
}

/* Takes `wanted`; NULL: the rule with this id is removed. */
static bool settle(struct s3_tree *document, const char *id, struct s3_tree *wanted)
{
	size_t present = count_rules(document, id);
	if (wanted ? present == 1 && s3_tree_equal(rule_of(document, id), wanted) : !present) {
		s3_tree_free(wanted);
		return false;
	}
	for (size_t i = document->count; i-- > 0;)
		if (has_id(document->children[i], id))
			s3_tree_remove(document, i);
	if (wanted)
		s3_tree_take(document, wanted);
	return true;
}

static struct s3_tree *new_rule(const char *element, const char *id)
{
	struct s3_tree *rule = s3_tree_new(element, NULL);
	s3_tree_add(rule, "ID", id);
	return rule;
}

/* Sets the text of a child, and adds the child if it is missing. */
static bool set_text(struct s3_tree *t, const char *name, const char *text)
{
	struct s3_tree *child = s3_tree_child(t, name);
	if (child && strcmp(child->text, text) == 0)
		return false;
	if (!child)
		child = s3_tree_add(t, name, NULL);
	free(child->text);
	child->text = mem_strdup(text);
	return true;
}

bool s3_bucket_is_empty(const struct s3_tree *document)
{
	for (size_t i = 0; i < document->count; i++)
		if (strcmp(document->children[i]->name, "Role") != 0)
			return false;
	return true;
}

/* -- documents ----------------------------------------------------------------------- */

struct s3_tree *s3_bucket_location(const char *region)
{
	struct s3_tree *t = s3_tree_new("CreateBucketConfiguration", NULL);
	s3_tree_add(t, "LocationConstraint", region);
	return t;
}

bool s3_bucket_cors(struct s3_tree *cors, const struct str_list *origins)
{
	static const char *const methods[] = { "GET", "HEAD" };
	/* What a page needs to download in ranges, and to resume. */
	static const char *const exposed[] = { "ETag", "Content-Length", "Content-Range",
					       "Accept-Ranges" };
	if (!origins->count)
		return settle(cors, S3_BUCKET_ID, NULL);
	struct s3_tree *rule = new_rule("CORSRule", S3_BUCKET_ID);
	for (size_t i = 0; i < origins->count; i++)
		s3_tree_add(rule, "AllowedOrigin", origins->at[i]);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		s3_tree_add(rule, "AllowedMethod", methods[i]);
	s3_tree_add(rule, "AllowedHeader", "*");
	for (size_t i = 0; i < ARRAY_LEN(exposed); i++)
		s3_tree_add(rule, "ExposeHeader", exposed[i]);
	s3_tree_add(rule, "MaxAgeSeconds", CORS_MAX_AGE_S);
	return settle(cors, S3_BUCKET_ID, rule);
}

static struct s3_tree *lifecycle_rule(const char *id, const char *prefix)
{
	struct s3_tree *rule = new_rule("Rule", id);
	s3_tree_add(s3_tree_add(rule, "Filter", NULL), "Prefix", prefix);
	s3_tree_add(rule, "Status", "Enabled");
	return rule;
}

static struct s3_tree *days_rule(const char *id, const char *prefix, const char *action,
				 const char *element, uint64_t days)
{
	char text[24];
	if (!days)
		return NULL;
	snprintf(text, sizeof text, "%llu", (unsigned long long)days);
	struct s3_tree *rule = lifecycle_rule(id, prefix);
	s3_tree_add(s3_tree_add(rule, action, NULL), element, text);
	return rule;
}

bool s3_bucket_abort_uploads(struct s3_tree *lifecycle, const char *prefix, uint64_t days)
{
	return settle(lifecycle, ABORT_ID,
		      days_rule(ABORT_ID, prefix, "AbortIncompleteMultipartUpload",
				"DaysAfterInitiation", days));
}

bool s3_bucket_expire_versions(struct s3_tree *lifecycle, const char *prefix, uint64_t days)
{
	return settle(lifecycle, VERSIONS_ID,
		      days_rule(VERSIONS_ID, prefix, "NoncurrentVersionExpiration",
				"NoncurrentDays", days));
}

static uint64_t days_of(const struct s3_tree *lifecycle, const char *id, const char *action,
			const char *element)
{
	const struct s3_tree *rule = rule_of(lifecycle, id);
	const char *text = s3_tree_text(s3_tree_child(rule, action), element);
	uint64_t days = 0;
	return text && parse_u64(text, &days) ? days : 0;
}

uint64_t s3_bucket_abort_days(const struct s3_tree *lifecycle)
{
	return days_of(lifecycle, ABORT_ID, "AbortIncompleteMultipartUpload",
		       "DaysAfterInitiation");
}

uint64_t s3_bucket_version_days(const struct s3_tree *lifecycle)
{
	return days_of(lifecycle, VERSIONS_ID, "NoncurrentVersionExpiration", "NoncurrentDays");
}

bool s3_bucket_versioning(struct s3_tree *versioning, bool on)
{
	const char *status = s3_tree_text(versioning, "Status");
	bool is_on = status && strcmp(status, "Enabled") == 0;
	return is_on != on && set_text(versioning, "Status", on ? "Enabled" : "Suspended");
}

static bool is_text(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

bool s3_bucket_logging(struct s3_tree *logging, const char *bucket, const char *prefix)
{
	const struct s3_tree *enabled = s3_tree_child(logging, "LoggingEnabled");
	if (!bucket && !enabled)
		return false;
	if (bucket && is_text(s3_tree_text(enabled, "TargetBucket"), bucket) &&
	    is_text(s3_tree_text(enabled, "TargetPrefix"), prefix))
		return false;
	/* Written anew: grants have attributes, which a tree does not keep. */
	while (logging->count)
		s3_tree_remove(logging, 0);
	if (bucket) {
		struct s3_tree *fresh = s3_tree_add(logging, "LoggingEnabled", NULL);
		s3_tree_add(fresh, "TargetBucket", bucket);
		s3_tree_add(fresh, "TargetPrefix", prefix);
	}
	return true;
}

const char *s3_bucket_metrics_id(const char *prefix)
{
	return *prefix ? S3_BUCKET_ID : "EntireBucket";
}

bool s3_bucket_metrics(struct s3_tree *metrics, const char *prefix)
{
	bool changed = set_text(metrics, "Id", s3_bucket_metrics_id(prefix));
	struct s3_tree *filter = s3_tree_child(metrics, "Filter");
	if (!*prefix)
		return changed;
	if (!filter)
		filter = s3_tree_add(metrics, "Filter", NULL);
	return set_text(filter, "Prefix", prefix) || changed;
}

bool s3_bucket_allow_public_policy(struct s3_tree *block)
{
	static const char *const names[] = { "BlockPublicPolicy", "RestrictPublicBuckets" };
	bool changed = false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *text = s3_tree_text(block, names[i]);
		if (text && str_eq_nocase(text, "true"))
			changed = set_text(block, names[i], "false") || changed;
	}
	return changed;
}

/* -- replication --------------------------------------------------------------------- */

/* Priorities must differ: ours is kept, or made the highest number. */
static void add_priority(const struct s3_tree *document, struct s3_tree *rule)
{
	uint64_t largest = 0, n;
	char text[24];
	const char *mine = s3_tree_text(rule_of(document, S3_BUCKET_ID), "Priority");
	for (size_t i = 0; i < document->count; i++) {
		const char *theirs = s3_tree_text(document->children[i], "Priority");
		if (theirs && parse_u64(theirs, &n) && n > largest && n < INT32_MAX)
			largest = n;
	}
	snprintf(text, sizeof text, "%llu", (unsigned long long)largest + 1);
	s3_tree_add(rule, "Priority", mine ? mine : text);
}

bool s3_bucket_role_conflict(const struct s3_tree *replication, const char *role)
{
	const char *theirs = s3_tree_text(replication, "Role");
	size_t rules = 0;
	for (size_t i = 0; i < replication->count; i++)
		rules += strcmp(replication->children[i]->name, "Rule") == 0;
	rules -= count_rules(replication, S3_BUCKET_ID);
	return rules && theirs && strcmp(theirs, role) != 0;
}

bool s3_bucket_replicate(struct s3_tree *replication, const struct s3_bucket_replication *r)
{
	if (!r->to)
		return settle(replication, S3_BUCKET_ID, NULL);
	struct s3_tree *rule = lifecycle_rule(S3_BUCKET_ID, r->prefix);
	add_priority(replication, rule);
	s3_tree_add(s3_tree_add(rule, "DeleteMarkerReplication", NULL), "Status", "Disabled");
	s3_tree_add(s3_tree_add(rule, "Destination", NULL), "Bucket", r->to);
	bool changed = set_text(replication, "Role", r->role);
	return settle(replication, S3_BUCKET_ID, rule) || changed;
}

/* -- the policy ---------------------------------------------------------------------- */

char *s3_bucket_arn(const char *region, const char *bucket, const char *prefix)
{
	const char *partition = str_starts(region, "cn-")       ? "aws-cn"
				: str_starts(region, "us-gov-") ? "aws-us-gov"
								: "aws";
	return mem_printf("arn:%s:s3:::%s/%s*", partition, bucket, prefix);
}

/* Does a pattern with '*' match everything that `wanted`, which may end with '*', matches? */
static bool covers(const char *pattern, const char *wanted)
{
	const char *star = NULL, *from = NULL;
	while (*wanted) {
		if (*pattern == '*') {
			star = pattern++;
			from = wanted;
		} else if (*pattern == *wanted) {
			pattern++;
			wanted++;
		} else if (star) {
			pattern = star + 1;
			wanted = ++from;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

/* A string, or one of an array. */
static bool any_covers(const json_t *value, const char *wanted)
{
	size_t i;
	const json_t *one;
	if (json_is_string(value))
		return covers(json_string_value(value), wanted);
	json_array_foreach (value, i, one)
		if (json_is_string(one) && covers(json_string_value(one), wanted))
			return true;
	return false;
}

static bool is_everybody(const json_t *principal)
{
	const json_t *aws = json_object_get(principal, "AWS");
	return any_covers(aws ? aws : principal, "*");
}

static bool opens(const json_t *statement, const char *resource)
{
	const char *effect = json_text(statement, "Effect");
	return effect && strcmp(effect, "Allow") == 0 && !json_object_get(statement, "Condition") &&
	       is_everybody(json_object_get(statement, "Principal")) &&
	       any_covers(json_object_get(statement, "Action"), "s3:GetObject") &&
	       any_covers(json_object_get(statement, "Resource"), resource);
}

bool s3_bucket_policy_is_public(const json_t *policy, const char *resource)
{
	const json_t *statements = json_object_get(policy, "Statement"), *one;
	size_t i;
	if (json_is_object(statements))
		return opens(statements, resource);
	json_array_foreach (statements, i, one)
		if (opens(one, resource))
			return true;
	return false;
}

static bool is_ours(const json_t *statement)
{
	const char *sid = json_text(statement, "Sid");
	return sid && strcmp(sid, S3_BUCKET_SID) == 0;
}

bool s3_bucket_policy_close(json_t *policy)
{
	json_t *statements = json_object_get(policy, "Statement");
	size_t before = json_array_size(statements);
	if (json_is_object(statements) && is_ours(statements)) {
		json_put_array(policy, "Statement");
		return true;
	}
	for (size_t i = before; i-- > 0;)
		if (is_ours(json_array_get(statements, i)))
			json_array_remove(statements, i);
	return json_array_size(statements) != before;
}

void s3_bucket_policy_open(json_t **policy, const char *resource)
{
	if (!*policy) {
		*policy = json_object();
		json_put_string(*policy, "Version", "2012-10-17");
	}
	(void)s3_bucket_policy_close(*policy);
	json_t *statements = json_object_get(*policy, "Statement");
	if (json_is_object(statements)) {
		json_t *single = json_incref(statements);
		statements = json_put_array(*policy, "Statement");
		json_push(statements, single);
	} else if (!json_is_array(statements)) {
		statements = json_put_array(*policy, "Statement");
	}
	json_t *ours = json_push_object(statements);
	json_put_string(ours, "Sid", S3_BUCKET_SID);
	json_put_string(ours, "Effect", "Allow");
	json_put_string(ours, "Principal", "*");
	json_put_string(ours, "Action", "s3:GetObject");
	json_put_string(ours, "Resource", resource);
}
