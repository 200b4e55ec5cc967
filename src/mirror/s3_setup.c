/* Set-up: reads the state of the bucket, and changes what differs from ferry.conf. */
#include "mirror/s3_setup.h"

#include "mirror/s3_setup_step.h"
#include "s3/region.h"
#include "s3/bucket.h"
#include "util/mem.h"

#include <string.h>

static const struct mirror_s3_document cors_document = {
	.what = "CORS",
	.query = "cors",
	.root = "CORSConfiguration",
	.by_hand = "this server has no CORS rules: set the headers on the web server or CDN in "
		   "front of it",
	.deleted = true,
};

static const struct mirror_s3_document versioning_document = {
	.what = "versioning",
	.query = "versioning",
	.root = "VersioningConfiguration",
	.by_hand = "this server keeps no old versions: leave out versioning, keep-versions and "
		   "replicate-to",
};

static const struct mirror_s3_document lifecycle_document = {
	.what = "lifecycle",
	.query = "lifecycle",
	.root = "LifecycleConfiguration",
	.by_hand = "this server has no lifecycle rules: run `ferry mirror cleanup` from time to "
		   "time",
	.deleted = true,
};

static const struct mirror_s3_document logging_document = {
	.what = "logging",
	.query = "logging",
	.root = "BucketLoggingStatus",
	.by_hand = "this server does not log to buckets: use what its provider offers instead "
		   "(Cloudflare: Logpush)",
};

static const struct mirror_s3_document metrics_document = {
	.what = "metrics",
	.query = "metrics",
	.root = "MetricsConfiguration",
	.by_hand = "this server has no request metrics: use what its provider shows",
	.deleted = true,
	.named = true,
};

static const struct mirror_s3_document replication_document = {
	.what = "replication",
	.query = "replication",
	.root = "ReplicationConfiguration",
	.by_hand = "this server does not replicate buckets: `ferry sync` copies from one to the "
		   "other",
	.deleted = true,
};

/* -- the bucket itself ---------------------------------------------------------------- */

static int create(struct mirror_s3_run *x, bool with_region, char code[S3_CODE], struct err *e)
{
	struct s3_place *p = &x->s->place;
	CLEANUP(buf_release) struct buf body = BUF_INIT(KIB);
	long status;
	pthread_mutex_lock(&p->lock);
	CLEANUP(mem_free_ptr) char *region = mem_strdup(p->region);
	pthread_mutex_unlock(&p->lock);
	/* us-east-1 must not be named; R2 chooses a location itself. */
	if (with_region && strcmp(region, REGION_DEFAULT) != 0 && strcmp(region, "auto") != 0) {
		CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_bucket_location(region);
		s3_tree_write(&body, t);
	}
	struct s3_request q = { .method = "PUT", .body = buf_str(&body), .body_len = body.len };
	int rc = mirror_s3_run_call(x, &q, code, &status, e);
	bool place = strstr(code, "LocationConstraint") || strcmp(code, "InvalidRegionName") == 0;
	/* Other servers than AWS have no such regions. */
	if (rc < 0 && body.len && place && !p->aws) {
		err_clear(e);
		return create(x, false, code, e);
	}
	return rc;
}

/* Without the bucket nothing else can be done. */
static bool give_up(struct mirror_s3_run *x, const struct err *why)
{
	mirror_s3_run_failed(x, "bucket", why);
	return false;
}

static bool make_bucket(struct mirror_s3_run *x)
{
	char code[S3_CODE] = "";
	struct err why = ERR_INIT;
	const char *name = x->s->place.bucket;
	if (x->dry_run) {
		x->absent = true;
		mirror_findings_add(x->out, "bucket", MIRROR_FINDING_WOULD, "create %s", name);
		return true;
	}
	int rc = create(x, true, code, &why);
	if (rc < 0 && strcmp(code, "BucketAlreadyOwnedByYou") != 0)
		return give_up(x, &why);
	mirror_findings_add(x->out, "bucket", MIRROR_FINDING_CHANGED, "create %s", name);
	return true;
}

/* False: it does not exist and cannot be created. */
static bool settle_bucket(struct mirror_s3_run *x)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[] = { { "list-type", "2" },
				      { "max-keys", "1" },
				      { "delimiter", "/" } };
	char code[S3_CODE] = "";
	long status = 0;
	struct err why = ERR_INIT;
	struct s3_request q = {
		.method = "GET",
		.query = query,
		.query_count = ARRAY_LEN(query),
		.root = "ListBucketResult",
		.into = &answer,
	};
	int rc = mirror_s3_run_call(x, &q, code, &status, &why);
	if (rc < 0 && strcmp(code, "NoSuchBucket") == 0)
		return make_bucket(x);
	if (rc == -ERR_AUTH && strcmp(code, "AccessDenied") == 0)
		err_context(&why, "the bucket %s exists, but is not open to these credentials",
			    x->s->place.bucket);
	if (rc < 0) {
		mirror_s3_foreign(code, &why);
		return give_up(x, &why);
	}
	mirror_findings_add(x->out, "bucket", MIRROR_FINDING_OK, "%s", x->s->place.bucket);
	return true;
}

/* -- its documents -------------------------------------------------------------- */

static char *words(const struct str_list *list)
{
	struct buf out = BUF_INIT(64 * KIB);
	for (size_t i = 0; i < list->count; i++)
		buf_addf(&out, "%s%s", i ? " " : "", list->at[i]);
	return buf_steal(&out);
}

static void settle_cors(struct mirror_s3_run *x)
{
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, &cors_document,
									 x->w->cors);
	if (!t)
		return;
	CLEANUP(mem_free_ptr) char *origins = words(&x->w->origins);
	CLEANUP(mem_free_ptr) char *text = mem_printf("web pages of %s may read", origins);
	bool changed = s3_bucket_cors(t, &x->w->origins);
	mirror_s3_run_settle_tree(x, &cors_document, changed, t,
				  x->w->cors == WANT_ON ? text : "no rule of ferry");
}

static void settle_versioning(struct mirror_s3_run *x)
{
	bool on = x->w->versioning == WANT_ON;
	const struct mirror_s3_document *d = &versioning_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, d, x->w->versioning);
	x->no_versions = !t;
	if (t)
		mirror_s3_run_settle_tree(x, d, s3_bucket_versioning(t, on), t,
					  on ? "old versions are kept"
					     : "old versions are not kept");
}

static void add_days(struct buf *out, const char *what, uint64_t days, uint64_t before)
{
	buf_addf(out, "%s%s ", out->len ? ", " : "", what);
	if (days)
		buf_addf(out, "after %llu days", (unsigned long long)days);
	else
		buf_adds(out, "never");
	if (before != days && before)
		buf_addf(out, " (now after %llu)", (unsigned long long)before);
}

static void settle_lifecycle(struct mirror_s3_run *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct mirror_s3_document *d = &lifecycle_document;
	bool versions = w->versions != WANT_AS_IS && !x->no_versions, changed = false;
	bool on = w->abort == WANT_ON || w->versions == WANT_ON;
	if (!versions && w->abort == WANT_AS_IS)
		return;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, d,
									 on ? WANT_ON : WANT_OFF);
	if (!t)
		return;
	if (w->abort != WANT_AS_IS) {
		add_days(&text, "uploads that were not completed are removed", w->abort_days,
			 s3_bucket_abort_days(t));
		changed = s3_bucket_abort_uploads(t, x->s->prefix, w->abort_days);
	}
	if (versions) {
		add_days(&text, "old versions are removed", w->version_days,
			 s3_bucket_version_days(t));
		changed = s3_bucket_expire_versions(t, x->s->prefix, w->version_days) || changed;
	}
	mirror_s3_run_settle_tree(x, d, changed, t, buf_str(&text));
}

static void settle_logging(struct mirror_s3_run *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct mirror_s3_document *d = &logging_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, d, w->logging);
	if (!t)
		return;
	CLEANUP(mem_free_ptr) char *text = mem_printf("requests are logged to %s/%s", w->log_bucket,
						      w->log_prefix);
	bool changed = s3_bucket_logging(t, w->log_bucket, w->log_prefix);
	mirror_s3_run_settle_tree(x, d, changed, t,
				  w->log_bucket ? text : "requests are not logged");
}

static void settle_metrics(struct mirror_s3_run *x)
{
	const struct mirror_s3_document *d = &metrics_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, d, x->w->metrics);
	if (!t)
		return;
	bool on = x->w->metrics == WANT_ON, changed = !on && t->count;
	if (on)
		changed = s3_bucket_metrics(t, x->s->prefix);
	while (!on && t->count)
		s3_tree_remove(t, 0);
	mirror_s3_run_settle_tree(x, d, changed, t,
				  on ? "requests are counted" : "requests are not counted");
}

static void settle_replication(struct mirror_s3_run *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct mirror_s3_document *d = &replication_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = mirror_s3_run_load(x, d, w->replication);
	if (!t)
		return;
	if (w->role && s3_bucket_role_conflict(t, w->role)) {
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_BY_HAND,
				    "the bucket has rules with the role %s, and a bucket can have "
				    "only one role: use it as replication-role",
				    s3_tree_text(t, "Role"));
		return;
	}
	CLEANUP(mem_free_ptr) char *to =
		w->replica_bucket ? s3_bucket_arn(x->s->place.region, w->replica_bucket, "") : NULL;
	if (to)
		to[strlen(to) - strlen("/*")] = '\0';
	const struct s3_bucket_replication r = { x->s->prefix, to, w->role };
	CLEANUP(mem_free_ptr) char *text = mem_printf("objects are copied to %s (mirror %s)",
						      w->replica_bucket, w->replica);
	bool changed = s3_bucket_replicate(t, &r);
	mirror_s3_run_settle_tree(x, d, changed, t, to ? text : "no rule of ferry");
}

int mirror_s3_setup(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
		    struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	const struct mirror_s3_setup *w = s->setup;
	struct mirror_s3_run x = { .c = c, .s = s, .w = w, .out = out, .dry_run = dry_run, .e = e };
	const struct {
		bool wanted;
		void (*run)(struct mirror_s3_run *x);
	} steps[] = {
		{ w->versioning != WANT_AS_IS, settle_versioning },
		{ w->public != WANT_AS_IS, mirror_s3_run_public },
		{ w->cors != WANT_AS_IS, settle_cors },
		{ w->abort != WANT_AS_IS || w->versions != WANT_AS_IS, settle_lifecycle },
		{ w->logging != WANT_AS_IS, settle_logging },
		{ w->metrics != WANT_AS_IS, settle_metrics },
		{ w->replication != WANT_AS_IS, settle_replication },
	};
	bool there = settle_bucket(&x);
	for (size_t i = 0; i < ARRAY_LEN(steps) && there && !mirror_s3_run_stopped(&x); i++)
		if (steps[i].wanted)
			steps[i].run(&x);
	return -(int)e->class;
}
