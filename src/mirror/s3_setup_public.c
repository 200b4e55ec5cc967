/* Public access: the bucket policy, and AWS's block of such policies. */
#include "mirror/s3_setup_step.h"

#include "mirror/record.h"
#include "s3/bucket.h"
#include "util/mem.h"

#define MAX_POLICY (64 * KIB)

static const struct mirror_s3_document block_document = {
	.what = "public access block",
	.query = "publicAccessBlock",
	.root = "PublicAccessBlockConfiguration",
};

static const struct mirror_s3_document policy_document = {
	.what = "public read",
	.query = "policy",
	.by_hand = "this server has no bucket policies: make the bucket public in the provider's "
		   "own console (Cloudflare R2: Settings, Custom Domains), then run `ferry mirror "
		   "probe`",
	.deleted = true,
};

/* AWS blocks public policies of new buckets. */
static void settle_block(struct mirror_s3_run *x)
{
	const struct mirror_s3_document *d = &block_document;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MIRROR_S3_DOCUMENT_MAX);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = NULL;
	struct err why = ERR_INIT;
	if (mirror_s3_run_fetch(x, d, &answer) != GOT_IT)
		return;
	if (s3_tree_parse(buf_str(&answer), answer.len, &t, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	else if (s3_bucket_allow_public_policy(t))
		mirror_s3_run_settle_tree(x, d, true, t,
					  "allow policies that make the bucket public");
}

/* Has the last probe shown that the bucket is public already? */
static bool known_as_public(const struct mirror *m)
{
	CLEANUP(mirror_record_release) struct mirror_record r = { 0 };
	bool public = false;
	mirror_record_load(m, &r);
	return mirror_record_can(&r, MIRROR_RECORD_PUBLIC, &public) && public;
}

static void policy_lacks(struct mirror_s3_run *x)
{
	if (x->w->public == WANT_ON && known_as_public(x->c->mirror))
		mirror_findings_add(x->out, "public read", MIRROR_FINDING_OK,
				    "through the url, as the last probe has shown");
	else
		mirror_s3_run_lacks(x, &policy_document, x->w->public);
}

/* The present policy, *out NULL if there is none. False: a finding says why not. */
static bool load_policy(struct mirror_s3_run *x, json_t **out)
{
	static const struct json_limits limits = { .max_bytes = MAX_POLICY, .allow_real = true };
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MAX_POLICY);
	struct err why = ERR_INIT;
	enum mirror_s3_outcome o = mirror_s3_run_fetch(x, &policy_document, &answer);
	bool parsed = o == GOT_IT && json_parse(buf_str(&answer), answer.len, &limits, "the policy",
						out, &why) == 0;
	if (o == GOT_LACK || (o == GOT_IT && !(parsed && json_is_object(*out)))) {
		policy_lacks(x);
		return false;
	}
	return o != GOT_FAULT;
}

static void settle_policy(struct mirror_s3_run *x)
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
		mirror_s3_run_settle(x, &policy_document, changed, &body,
				     "everybody may read all objects");
	else
		mirror_s3_run_settle(x, &policy_document, changed, &body,
				     "no statement of ferry in the policy");
}

void mirror_s3_run_public(struct mirror_s3_run *x)
{
	if (x->w->public == WANT_ON)
		settle_block(x);
	if (!mirror_s3_run_stopped(x))
		settle_policy(x);
}
