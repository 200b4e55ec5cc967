/* Set-up: reads the state of the bucket, and changes what differs from ferry.conf. */
#include "mirror/s3_setup.h"

#include "mirror/record.h"
#include "mirror/s3.h"
#include "s3/bucket.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/retry.h"

#include <string.h>

#define MAX_DOCUMENT MIB
#define MAX_POLICY (64 * KIB)

/* One document of a bucket. */
struct document {
	const char *what;    /* in findings */
	const char *query;   /* "?cors" */
	const char *root;    /* element; NULL: it is JSON */
	const char *by_hand; /* what to do where the server does not have it */
	bool deleted;        /* an empty one is deleted, not put */
};

static const struct document cors_document = {
	.what = "CORS",
	.query = "cors",
	.root = "CORSConfiguration",
	.by_hand = "this server keeps no CORS rules: set the headers where the bucket is served",
	.deleted = true,
};
static const struct document block_document = {
	.what = "public access block",
	.query = "publicAccessBlock",
	.root = "PublicAccessBlockConfiguration",
};
static const struct document policy_document = {
	.what = "public read",
	.query = "policy",
	.by_hand = "this server has no bucket policies: make the bucket public in the provider's "
		   "own console (Cloudflare R2: Settings, Custom Domains), then run `ferry mirror "
		   "probe`",
	.deleted = true,
};
static const struct document versioning_document = {
	.what = "versioning",
	.query = "versioning",
	.root = "VersioningConfiguration",
	.by_hand = "this server keeps no old versions: leave out versioning, keep-versions and "
		   "replicate-to",
};
static const struct document lifecycle_document = {
	.what = "lifecycle",
	.query = "lifecycle",
	.root = "LifecycleConfiguration",
	.by_hand = "this server has no lifecycle rules: run `ferry mirror cleanup` from time to "
		   "time",
	.deleted = true,
};
static const struct document logging_document = {
	.what = "logging",
	.query = "logging",
	.root = "BucketLoggingStatus",
	.by_hand = "this server does not log to buckets: use what its provider offers instead "
		   "(Cloudflare: Logpush)",
};
static const struct document metrics_document = {
	.what = "metrics",
	.query = "metrics",
	.root = "MetricsConfiguration",
	.by_hand = "this server has no request metrics: use what its provider shows",
	.deleted = true,
};
static const struct document replication_document = {
	.what = "replication",
	.query = "replication",
	.root = "ReplicationConfiguration",
	.by_hand = "this server does not replicate buckets: `ferry sync` copies from one to the "
		   "other",
	.deleted = true,
};

/* A run over one bucket. */
struct setup {
	struct mirror_connection *c;
	struct mirror_s3 *s;
	const struct mirror_s3_setup *w;
	struct mirror_findings *out;
	bool dry_run;
	bool absent;      /* the bucket is not there yet: only with dry_run */
	bool no_versions; /* the server keeps none */
	struct err *e;    /* set when it was cancelled; then nothing more is done */
};

/* -- requests ----------------------------------------------------------------------- */

enum outcome {
	GOT_IT,
	GOT_NOTHING, /* there is none */
	GOT_LACK,    /* the server does not know such a document */
	GOT_FAULT,   /* it has become a finding, or the run was cancelled */
};

static bool is_lack(int rc, long status, const char *code)
{
	return status == 405 || status == 501 || strcmp(code, "NotImplemented") == 0 ||
	       strcmp(code, "MethodNotAllowed") == 0 ||
	       /* Some answer with the listing of the bucket. */
	       (rc == -ERR_INTEGRITY && status == 200);
}

static bool is_nothing(long status, const char *code)
{
	if (strcmp(code, "NoSuchBucket") == 0)
		return false;
	return str_starts(code, "NoSuch") || str_ends(code, "NotFoundError") ||
	       str_ends(code, "NotFound") || (status == 404 && !*code);
}

static enum outcome judge(struct setup *x, const char *what, int rc, long status, const char *code,
			  const struct err *why)
{
	if (rc == 0)
		return GOT_IT;
	if (is_lack(rc, status, code))
		return GOT_LACK;
	if (is_nothing(status, code))
		return GOT_NOTHING;
	if (rc == -ERR_CANCELLED)
		*x->e = *why;
	else
		mirror_findings_fault(x->out, what, why);
	return GOT_FAULT;
}

static int call(struct setup *x, struct s3_request *q, char code[S3_CODE], long *status,
		struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	int rc;
	retry.clock = x->c->mirror->env.clock;
	retry.cancel = x->c->mirror->env.cancel;
	q->code = code;
	do {
		CLEANUP(http_response_release) struct http_response r = { 0 };
		code[0] = '\0';
		rc = mirror_s3_call(x->c, q, &r, e);
		*status = r.status;
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

/* The query of a document: "?metrics&id=…" has two parts. */
static size_t query_of(const struct setup *x, const struct document *d, struct sigv4_pair query[2])
{
	query[0] = (struct sigv4_pair){ d->query, NULL };
	query[1] = (struct sigv4_pair){ "id", s3_bucket_metrics_id(x->s->prefix) };
	return d == &metrics_document ? 2 : 1;
}

static enum outcome fetch(struct setup *x, const struct document *d, struct buf *answer)
{
	struct sigv4_pair query[2];
	char code[S3_CODE];
	long status = 0;
	struct err why = ERR_INIT;
	struct s3_request q = {
		.method = "GET",
		.query = query,
		.query_count = query_of(x, d, query),
		.root = d->root,
		.into = answer,
	};
	if (x->absent)
		return GOT_NOTHING;
	int rc = call(x, &q, code, &status, &why);
	return judge(x, d->what, rc, status, code, &why);
}

/* AWS wants a checksum of such a body. */
static enum outcome send(struct setup *x, const struct document *d, const char *what,
			 const struct buf *body)
{
	CLEANUP(buf_release) struct buf sum = BUF_INIT(64);
	struct digest digest;
	struct sigv4_pair query[2], headers[2];
	char code[S3_CODE];
	long status = 0;
	struct err why = ERR_INIT;
	sha256_of(buf_str(body), body->len, &digest);
	base64_add(&sum, digest.bytes, sizeof digest.bytes);
	headers[0] = (struct sigv4_pair){ "x-amz-sdk-checksum-algorithm", "SHA256" };
	headers[1] = (struct sigv4_pair){ "x-amz-checksum-sha256", buf_str(&sum) };
	struct s3_request q = {
		.method = body->len ? "PUT" : "DELETE",
		.query = query,
		.query_count = query_of(x, d, query),
		.headers = headers,
		.header_count = body->len ? 2 : 0,
		.body = buf_str(body),
		.body_len = body->len,
	};
	int rc = call(x, &q, code, &status, &why);
	enum outcome o = judge(x, what, rc, status, code, &why);
	/* What is not there is removed. */
	return o == GOT_NOTHING && !body->len ? GOT_IT : o;
}

/* -- from the present to the wanted state --------------------------------------------- */

static bool stopped(const struct setup *x)
{
	return x->e->class != ERR_NONE;
}

static void lacks(struct setup *x, const struct document *d, enum mirror_s3_want want)
{
	if (want == WANT_ON)
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_BY_HAND, "%s", d->by_hand);
	else
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_OK, "none");
}

/* Sends the document if it changed. text: what is then the case. */
static void settle(struct setup *x, const struct document *d, bool changed, const struct buf *body,
		   const char *text)
{
	enum mirror_finding_state state = MIRROR_FINDING_OK;
	if (changed && x->dry_run) {
		state = MIRROR_FINDING_WOULD;
	} else if (changed) {
		enum outcome o = send(x, d, d->what, body);
		if (o == GOT_LACK)
			lacks(x, d, WANT_ON);
		if (o != GOT_IT)
			return;
		state = MIRROR_FINDING_CHANGED;
	}
	mirror_findings_add(x->out, d->what, state, "%s", text);
}

static void settle_tree(struct setup *x, const struct document *d, bool changed,
			const struct s3_tree *t, const char *text)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(MAX_DOCUMENT);
	struct err why = ERR_INIT;
	if (!d->deleted || !s3_bucket_is_empty(t))
		s3_tree_write(&body, t);
	if (buf_ok(&body, d->what, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	else
		settle(x, d, changed, &body, text);
}

/* The present document, an empty one if there is none; NULL: a finding says why not. */
static struct s3_tree *load(struct setup *x, const struct document *d, enum mirror_s3_want want)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MAX_DOCUMENT);
	struct s3_tree *t = NULL;
	struct err why = ERR_INIT;
	enum outcome o = fetch(x, d, &answer);
	if (o == GOT_NOTHING)
		return s3_tree_new(d->root, NULL);
	if (o == GOT_LACK)
		lacks(x, d, want);
	if (o != GOT_IT)
		return NULL;
	if (s3_tree_parse(buf_str(&answer), answer.len, &t, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	return t;
}

/* -- the bucket itself ---------------------------------------------------------------- */

static int create(struct setup *x, bool with_region, char code[S3_CODE], struct err *e)
{
	struct s3_place *p = &x->s->place;
	CLEANUP(buf_release) struct buf body = BUF_INIT(KIB);
	long status;
	pthread_mutex_lock(&p->lock);
	CLEANUP(mem_free_ptr) char *region = mem_strdup(p->region);
	pthread_mutex_unlock(&p->lock);
	/* us-east-1 is the place that is not named; R2 chooses by itself. */
	if (with_region && strcmp(region, "us-east-1") != 0 && strcmp(region, "auto") != 0) {
		CLEANUP_PTR(s3_tree_free) struct s3_tree *t = s3_bucket_location(region);
		s3_tree_write(&body, t);
	}
	struct s3_request q = { .method = "PUT", .body = buf_str(&body), .body_len = body.len };
	int rc = call(x, &q, code, &status, e);
	bool place = strstr(code, "LocationConstraint") || strcmp(code, "InvalidRegionName") == 0;
	/* Other servers than AWS have no such regions. */
	if (rc < 0 && body.len && place && !p->aws) {
		err_clear(e);
		return create(x, false, code, e);
	}
	return rc;
}

static bool make_bucket(struct setup *x)
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
		return judge(x, "bucket", rc, 0, "", &why) == GOT_IT;
	mirror_findings_add(x->out, "bucket", MIRROR_FINDING_CHANGED, "create %s", name);
	return true;
}

/* False: it is not there, and cannot be made. */
static bool settle_bucket(struct setup *x)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[] = { { "list-type", "2" }, { "max-keys", "1" } };
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
	int rc = call(x, &q, code, &status, &why);
	if (rc < 0 && strcmp(code, "NoSuchBucket") == 0)
		return make_bucket(x);
	if (rc == -ERR_AUTH && strcmp(code, "AccessDenied") == 0)
		err_context(&why, "the bucket %s exists, but is not open to these credentials",
			    x->s->place.bucket);
	if (rc < 0)
		return judge(x, "bucket", rc, 0, "", &why) == GOT_IT;
	mirror_findings_add(x->out, "bucket", MIRROR_FINDING_OK, "%s", x->s->place.bucket);
	return true;
}

/* -- public reading ------------------------------------------------------------------- */

/* AWS blocks public policies of new buckets. */
static void settle_block(struct setup *x)
{
	const struct document *d = &block_document;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MAX_DOCUMENT);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = NULL;
	struct err why = ERR_INIT;
	if (fetch(x, d, &answer) != GOT_IT)
		return;
	if (s3_tree_parse(buf_str(&answer), answer.len, &t, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	else if (s3_bucket_allow_public_policy(t))
		settle_tree(x, d, true, t, "allow policies that make the bucket public");
}

/* What a person did by hand is seen by probing. */
static bool known_as_public(const struct mirror *m)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	bool public = false;
	mirror_record_load(m, &r);
	return mirror_record_can(&r, MIRROR_RECORD_PUBLIC, &public) && public;
}

static void policy_lacks(struct setup *x)
{
	if (x->w->public == WANT_ON && known_as_public(x->c->mirror))
		mirror_findings_add(x->out, "public read", MIRROR_FINDING_OK,
				    "through the url, as the last probe found");
	else
		lacks(x, &policy_document, x->w->public);
}

/* The present policy, *out NULL if there is none. False: a finding says why not. */
static bool load_policy(struct setup *x, json_t **out)
{
	static const struct json_limits limits = { .max_bytes = MAX_POLICY, .allow_real = true };
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MAX_POLICY);
	struct err why = ERR_INIT;
	enum outcome o = fetch(x, &policy_document, &answer);
	bool parsed = o == GOT_IT && json_parse(buf_str(&answer), answer.len, &limits, "the policy",
						out, &why) == 0;
	if (o == GOT_LACK || (o == GOT_IT && !(parsed && json_is_object(*out)))) {
		policy_lacks(x);
		return false;
	}
	return o != GOT_FAULT;
}

static void settle_policy(struct setup *x)
{
	const struct s3_place *p = &x->s->place;
	CLEANUP(mem_free_ptr) char *arn = s3_bucket_arn(p->region, p->bucket, x->s->prefix);
	CLEANUP(json_release) json_t *policy = NULL;
	CLEANUP(buf_release) struct buf body = BUF_INIT(MAX_POLICY);
	struct err why = ERR_INIT;
	bool changed = false;
	if (!load_policy(x, &policy))
		return;
	if (x->w->public == WANT_OFF) {
		changed = s3_bucket_policy_close(policy);
	} else if (!s3_bucket_policy_is_public(policy, arn)) {
		s3_bucket_policy_open(&policy, arn);
		changed = true;
	}
	bool empty = !json_array_size(json_object_get(policy, "Statement"));
	if (changed && !empty && json_compact(policy, &body, &why) < 0)
		mirror_findings_fault(x->out, "public read", &why);
	else if (x->w->public == WANT_ON)
		settle(x, &policy_document, changed, &body, "everybody may read all objects");
	else
		settle(x, &policy_document, changed, &body, "not by a policy of ours");
}

static void settle_public(struct setup *x)
{
	if (x->w->public == WANT_ON)
		settle_block(x);
	if (!stopped(x))
		settle_policy(x);
}

/* -- the other documents -------------------------------------------------------------- */

static char *words(const struct str_list *list)
{
	struct buf out = BUF_INIT(64 * KIB);
	for (size_t i = 0; i < list->count; i++)
		buf_addf(&out, "%s%s", i ? " " : "", list->at[i]);
	return buf_steal(&out);
}

static void settle_cors(struct setup *x)
{
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, &cors_document, x->w->cors);
	if (!t)
		return;
	CLEANUP(mem_free_ptr) char *origins = words(&x->w->origins);
	CLEANUP(mem_free_ptr) char *text = mem_printf("web pages of %s may read", origins);
	bool changed = s3_bucket_cors(t, &x->w->origins);
	settle_tree(x, &cors_document, changed, t,
		    x->w->cors == WANT_ON ? text : "no rule of ours");
}

static void settle_versioning(struct setup *x)
{
	bool on = x->w->versioning == WANT_ON;
	const struct document *d = &versioning_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, d, x->w->versioning);
	x->no_versions = !t;
	if (t)
		settle_tree(x, d, s3_bucket_versioning(t, on), t,
			    on ? "old versions are kept" : "old versions are not kept");
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

static void settle_lifecycle(struct setup *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct document *d = &lifecycle_document;
	bool versions = w->versions != WANT_AS_IS && !x->no_versions, changed = false;
	bool on = w->abort == WANT_ON || w->versions == WANT_ON;
	if (!versions && w->abort == WANT_AS_IS)
		return;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, d, on ? WANT_ON : WANT_OFF);
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
	settle_tree(x, d, changed, t, buf_str(&text));
}

static void settle_logging(struct setup *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct document *d = &logging_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, d, w->logging);
	if (!t)
		return;
	CLEANUP(mem_free_ptr) char *text = mem_printf("requests are logged to %s/%s", w->log_bucket,
						      w->log_prefix);
	bool changed = s3_bucket_logging(t, w->log_bucket, w->log_prefix);
	settle_tree(x, d, changed, t, w->log_bucket ? text : "requests are not logged");
}

static void settle_metrics(struct setup *x)
{
	const struct document *d = &metrics_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, d, x->w->metrics);
	if (!t)
		return;
	bool on = x->w->metrics == WANT_ON, changed = !on && t->count;
	if (on)
		changed = s3_bucket_metrics(t, x->s->prefix);
	while (!on && t->count)
		s3_tree_remove(t, 0);
	settle_tree(x, d, changed, t, on ? "requests are counted" : "requests are not counted");
}

static void settle_replication(struct setup *x)
{
	const struct mirror_s3_setup *w = x->w;
	const struct document *d = &replication_document;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = load(x, d, w->replication);
	if (!t)
		return;
	if (w->role && s3_bucket_role_conflict(t, w->role)) {
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_BY_HAND,
				    "the bucket has rules with the role %s, and may have only one "
				    "role: use it as replication-role",
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
	settle_tree(x, d, changed, t, to ? text : "no rule of ours");
}

int mirror_s3_setup(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
		    struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	const struct mirror_s3_setup *w = s->setup;
	struct setup x = { .c = c, .s = s, .w = w, .out = out, .dry_run = dry_run, .e = e };
	const struct {
		bool wanted;
		void (*run)(struct setup *x);
	} steps[] = {
		{ w->versioning != WANT_AS_IS, settle_versioning },
		{ w->public != WANT_AS_IS, settle_public },
		{ w->cors != WANT_AS_IS, settle_cors },
		{ w->abort != WANT_AS_IS || w->versions != WANT_AS_IS, settle_lifecycle },
		{ w->logging != WANT_AS_IS, settle_logging },
		{ w->metrics != WANT_AS_IS, settle_metrics },
		{ w->replication != WANT_AS_IS, settle_replication },
	};
	bool there = settle_bucket(&x);
	for (size_t i = 0; i < ARRAY_LEN(steps) && there && !stopped(&x); i++)
		if (steps[i].wanted)
			steps[i].run(&x);
	return -(int)e->class;
}
