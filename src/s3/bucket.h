/*
 * bucket: the documents that configure a bucket. Each function brings a document from what a server
 * has to what is wanted, and changes only what is ours: rules whose <ID> starts with
 * S3_BUCKET_ID, and the statement of the policy with S3_BUCKET_SID.
 *
 * Each returns whether the document changed, which is then to be sent. A document without a rule
 * is to be deleted instead (s3_bucket_is_empty()).
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

/* Web pages of these origins may read ("*": of all). None: our rule is removed. */
bool s3_bucket_cors(struct s3_tree *cors, const struct str_list *origins);

/* Uploads below prefix that were begun and not completed in so many days are removed, and old
 * versions after so many days. 0: our rule is removed. */
bool s3_bucket_abort_uploads(struct s3_tree *lifecycle, const char *prefix, uint64_t days);
bool s3_bucket_expire_versions(struct s3_tree *lifecycle, const char *prefix, uint64_t days);
/* The days of these rules now; 0: there is none. */
uint64_t s3_bucket_abort_days(const struct s3_tree *lifecycle);
uint64_t s3_bucket_version_days(const struct s3_tree *lifecycle);

bool s3_bucket_versioning(struct s3_tree *versioning, bool on);

/* Requests are logged to objects of `bucket` that begin with prefix, instead of what was set. NULL:
 * they are not logged. */
bool s3_bucket_logging(struct s3_tree *logging, const char *bucket, const char *prefix);

/* Request metrics of the keys that start with prefix, under the id "EntireBucket" if it is "". */
const char *s3_bucket_metrics_id(const char *prefix);
bool s3_bucket_metrics(struct s3_tree *metrics, const char *prefix);

/* Objects below prefix are copied to the bucket `to`, an ARN, by the role, another. to NULL: our
 * rule is removed. The role belongs to all rules of a document: see s3_bucket_role_conflict(). */
struct s3_bucket_replication {
	const char *prefix, *to, *role;
};
bool s3_bucket_replicate(struct s3_tree *replication, const struct s3_bucket_replication *r);
/* Do rules of others use another role? */
bool s3_bucket_role_conflict(const struct s3_tree *replication, const char *role);

/* No longer blocks policies that make a bucket public; what it says of ACLs stays. */
bool s3_bucket_allow_public_policy(struct s3_tree *block);

/* Is there nothing in it that is worth being sent? */
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
