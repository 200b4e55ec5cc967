#include "s3/bucket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever policy a bucket has: it can be opened, and closed again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct json_limits limits = { .max_bytes = 64 * KIB, .allow_real = true };
	const char *arn = "arn:aws:s3:::b/*";
	CLEANUP(json_release) json_t *policy = NULL;
	struct err e = ERR_INIT;
	if (json_parse(data, size, &limits, "policy", &policy, &e) < 0 || !json_is_object(policy))
		return 0;
	(void)s3_bucket_policy_is_public(policy, arn);
	s3_bucket_policy_open(&policy, arn);
	if (!s3_bucket_policy_is_public(policy, arn) || !s3_bucket_policy_close(policy) ||
	    s3_bucket_policy_close(policy))
		__builtin_trap();
	return 0;
}
