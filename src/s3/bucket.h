/*
 * bucket: the documents that configure a bucket. Each function gets a document as the server has it
 * and changes it as wanted. Only our own rules are changed: those whose <ID> starts with
 * S3_BUCKET_ID, and the policy statement with the Sid S3_BUCKET_SID.
 *
 * Each returns whether the document changed and must be sent. A document without rules must be
 * deleted instead (s3_bucket_is_empty()).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
#ifndef FERRY_S3_BUCKET_H
#define FERRY_S3_BUCKET_H

#include "json/json.h"
#include "s3/tree.h"

#define S3_BUCKET_ID "model-ferry"
#define S3_BUCKET_SID "ModelFerryPublicRead"

/* The body of the request that creates a bucket. */
struct s3_tree *s3_bucket_location(const char *region);

/* Web pages of these origins may read ("*": all origins). None: our rule is removed. */
bool s3_bucket_cors(struct s3_tree *cors, const struct str_list *origins);

/* The server removes uploads below prefix that are not completed within this number of days, and
 * old versions after it. 0: our rule is removed. */
bool s3_bucket_abort_uploads(struct s3_tree *lifecycle, const char *prefix, uint64_t days);
bool s3_bucket_expire_versions(struct s3_tree *lifecycle, const char *prefix, uint64_t days);
/* The days of these rules now; 0: there is none. */
uint64_t s3_bucket_abort_days(const struct s3_tree *lifecycle);
uint64_t s3_bucket_version_days(const struct s3_tree *lifecycle);

bool s3_bucket_versioning(struct s3_tree *versioning, bool on);

/* Requests are logged to objects of `bucket` whose names begin with prefix; this replaces the
 * previous setting. NULL: requests are not logged. */
bool s3_bucket_logging(struct s3_tree *logging, const char *bucket, const char *prefix);

/* Request metrics of the keys that start with prefix. The id is "EntireBucket" if prefix is "". */
const char *s3_bucket_metrics_id(const char *prefix);
bool s3_bucket_metrics(struct s3_tree *metrics, const char *prefix);

/* The server copies objects below prefix to the bucket `to`, with this role (both are ARNs). to
 * NULL: our rule is removed. All rules of a document have the same role: see
 * s3_bucket_role_conflict(). */
struct s3_bucket_replication {
	const char *prefix, *to, *role;
};
bool s3_bucket_replicate(struct s3_tree *replication, const struct s3_bucket_replication *r);
/* Does the document have rules of others, with another role? */
bool s3_bucket_role_conflict(const struct s3_tree *replication, const char *role);

/* Lifts the block of public bucket policies; what the document says about ACLs stays. */
bool s3_bucket_allow_public_policy(struct s3_tree *block);

/* Does it have no rules? */
bool s3_bucket_is_empty(const struct s3_tree *document);

/* "arn:aws:s3:::bucket/prefix*", with the partition of the region. The caller frees it. */
char *s3_bucket_arn(const char *region, const char *bucket, const char *prefix);

/* Policies are JSON
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html).
 * Does it let everybody read all objects of this resource (an ARN that ends with '*')? */
bool s3_bucket_policy_is_public(const json_t *policy, const char *resource);
/* Adds our statement, or replaces it; *policy NULL: a new one. */
void s3_bucket_policy_open(json_t **policy, const char *resource);
/* Removes our statement. */
bool s3_bucket_policy_close(json_t *policy);

#endif
