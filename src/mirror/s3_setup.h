/*
 * How `ferry mirror setup` configures a bucket, by the keys of [mirror.NAME]: cors, public,
 * abort-uploads, versioning, keep-versions, logging, metrics, replicate-to and replication-role. A
 * missing key leaves that setting of the bucket as it is; `no` removes what set-up has added.
 */
#ifndef FERRY_MIRROR_S3_SETUP_H
#define FERRY_MIRROR_S3_SETUP_H

#include "mirror/mirror.h"

/* In a kind's list of keys. */
#define MIRROR_S3_SETUP_KEYS \
	"cors", "public", "abort-uploads", "versioning", "keep-versions", "logging", "metrics", \
		"replicate-to", "replication-role"

enum mirror_s3_want { WANT_AS_IS, WANT_OFF, WANT_ON };

struct mirror_s3_setup {
	enum mirror_s3_want cors, public, abort, versioning, versions, logging, metrics,
		replication;
	struct str_list origins;               /* of cors */
	uint64_t abort_days, version_days;     /* of abort, versions */
	char *log_bucket, *log_prefix;         /* of logging */
	char *replica, *replica_bucket, *role; /* of replication: the mirror's name, … */
};

/* ERR_USAGE for a faulty value. The caller frees *out. */
WARN_UNUSED int mirror_s3_setup_read(const struct conf *c, const struct conf_section *s,
				     struct mirror_s3_setup **out, struct err *e);
void mirror_s3_setup_free(struct mirror_s3_setup *w);
DEFINE_CLEANUP(struct mirror_s3_setup, mirror_s3_setup_free);

WARN_UNUSED int mirror_s3_setup(struct mirror_connection *c, bool dry_run,
				struct mirror_findings *out, struct err *e);

#endif
