/* The keys of [mirror.NAME] for set-up. */
#include "mirror/s3_setup.h"

#include "util/mem.h"

#include <string.h>

#define DAY_S 86400
#define MAX_DAYS 36500
#define MAX_ORIGINS 100

void mirror_s3_setup_free(struct mirror_s3_setup *w)
{
	if (!w)
		return;
	str_list_release(&w->origins);
	free(w->log_bucket);
	free(w->log_prefix);
	free(w->replica);
	free(w->replica_bucket);
	free(w->role);
	free(w);
}

/* A section of ferry.conf, and what of it is read. */
struct reading {
	const struct conf *c;
	const struct conf_section *s;
	struct mirror_s3_setup *w;
};

/* The value; NULL if *want alone has the meaning (missing, yes or no). */
static const char *value_of(const struct reading *r, const char *key, enum mirror_s3_want *want)
{
	const char *value = conf_get(r->s, key);
	bool yes;
	if (!value)
		return NULL;
	*want = parse_bool(value, &yes) && !yes ? WANT_OFF : WANT_ON;
	return *want == WANT_ON ? value : NULL;
}

static int read_flag(const struct reading *r, const char *key, enum mirror_s3_want *want,
		     struct err *e)
{
	bool yes = false;
	int rc = conf_get_bool(r->c, r->s, key, &yes, e);
	if (rc == 0 && conf_get(r->s, key))
		*want = yes ? WANT_ON : WANT_OFF;
	return rc;
}

/* In days, because S3 counts days. */
static int read_days(const struct reading *r, const char *key, enum mirror_s3_want *want,
		     uint64_t *days, struct err *e)
{
	uint64_t s = 0;
	if (!value_of(r, key, want))
		return 0;
	int rc = conf_get_duration(r->c, r->s, key, &s, e);
	if (rc < 0)
		return rc;
	*days = s / DAY_S;
	if (*days < 1 || *days > MAX_DAYS || s % DAY_S)
		return conf_err(r->c, r->s, key, e, "%s: must be whole days, at least 1d, or no",
				key);
	return 0;
}

static int read_cors(const struct reading *r, struct err *e)
{
	struct mirror_s3_setup *w = r->w;
	if (!value_of(r, "cors", &w->cors))
		return 0;
	conf_get_words(r->s, "cors", &w->origins);
	bool right = w->origins.count && w->origins.count <= MAX_ORIGINS;
	for (size_t i = 0; i < w->origins.count; i++) {
		const char *o = w->origins.at[i];
		right = right && (strcmp(o, "*") == 0 || str_starts(o, "http://") ||
				  str_starts(o, "https://"));
	}
	return right ? 0
		     : conf_err(r->c, r->s, "cors", e,
				"cors: must be *, no, or origins like https://example.org");
}

static int read_logging(const struct reading *r, struct err *e)
{
	const char *value = value_of(r, "logging", &r->w->logging);
	if (!value)
		return 0;
	size_t bucket = strcspn(value, "/");
	if (!bucket)
		return conf_err(r->c, r->s, "logging", e, "logging: must be BUCKET/PREFIX, or no");
	r->w->log_bucket = mem_strndup(value, bucket);
	r->w->log_prefix = mem_strdup(value[bucket] ? value + bucket + 1 : "");
	return 0;
}

static int read_replication(const struct reading *r, struct err *e)
{
	const char *name = value_of(r, "replicate-to", &r->w->replication);
	const char *role = conf_get(r->s, "replication-role");
	if (!name)
		return 0;
	const struct conf_section *to = conf_find(r->c, "mirror", name);
	const char *bucket = to ? conf_get(to, "bucket") : NULL;
	if (!bucket || to == r->s)
		return conf_err(r->c, r->s, "replicate-to", e,
				"replicate-to: '%s' is not another mirror with a bucket", name);
	if (!role || !str_starts(role, "arn:"))
		return conf_err(r->c, r->s, role ? "replication-role" : "replicate-to", e,
				"replicate-to needs replication-role: the ARN of a role that may "
				"read here and write there");
	r->w->replica = mem_strdup(name);
	r->w->replica_bucket = mem_strdup(bucket);
	r->w->role = mem_strdup(role);
	return 0;
}

/* Old versions and replication exist only with versioning. */
static int imply_versioning(const struct reading *r, struct err *e)
{
	struct mirror_s3_setup *w = r->w;
	bool needed = w->versions == WANT_ON || w->replication == WANT_ON;
	if (needed && w->versioning == WANT_OFF)
		return conf_err(r->c, r->s, "versioning", e,
				"versioning: keep-versions and replicate-to need it");
	if (needed)
		w->versioning = WANT_ON;
	return 0;
}

int mirror_s3_setup_read(const struct conf *c, const struct conf_section *s,
			 struct mirror_s3_setup **out, struct err *e)
{
	CLEANUP_PTR(mirror_s3_setup_free) struct mirror_s3_setup *w = NEW(struct mirror_s3_setup);
	const struct reading r = { c, s, w };
	int rc = read_cors(&r, e);
	if (rc == 0)
		rc = read_flag(&r, "public", &w->public, e);
	if (rc == 0)
		rc = read_flag(&r, "versioning", &w->versioning, e);
	if (rc == 0)
		rc = read_flag(&r, "metrics", &w->metrics, e);
	if (rc == 0)
		rc = read_days(&r, "abort-uploads", &w->abort, &w->abort_days, e);
	if (rc == 0)
		rc = read_days(&r, "keep-versions", &w->versions, &w->version_days, e);
	if (rc == 0)
		rc = read_logging(&r, e);
	if (rc == 0)
		rc = read_replication(&r, e);
	if (rc == 0)
		rc = imply_versioning(&r, e);
	if (rc == 0)
		*out = STEAL(w);
	return rc;
}
