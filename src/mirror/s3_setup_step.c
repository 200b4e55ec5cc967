#include "mirror/s3_setup_step.h"

#include "s3/bucket.h"
#include "util/base64.h"
#include "util/retry.h"

#include <string.h>

/* -- requests ----------------------------------------------------------------------- */

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

void mirror_s3_run_failed(struct mirror_s3_run *x, const char *what, const struct err *why)
{
	if (err_is(why, ERR_CANCELLED))
		*x->e = *why;
	else
		mirror_findings_fault(x->out, what, why);
}

static enum mirror_s3_outcome judge(struct mirror_s3_run *x, const char *what, int rc, long status,
				    const char *code, const struct err *why)
{
	if (rc == 0)
		return GOT_IT;
	if (is_lack(rc, status, code))
		return GOT_LACK;
	if (is_nothing(status, code))
		return GOT_NOTHING;
	mirror_s3_run_failed(x, what, why);
	return GOT_FAULT;
}

int mirror_s3_run_call(struct mirror_s3_run *x, struct s3_request *q, char code[S3_CODE],
		       long *status, struct err *e)
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
static size_t query_of(const struct mirror_s3_run *x, const struct mirror_s3_document *d,
		       struct sigv4_pair query[2])
{
	query[0] = (struct sigv4_pair){ d->query, NULL };
	query[1] = (struct sigv4_pair){ "id", s3_bucket_metrics_id(x->s->prefix) };
	return d->named ? 2 : 1;
}

enum mirror_s3_outcome mirror_s3_run_fetch(struct mirror_s3_run *x,
					   const struct mirror_s3_document *d, struct buf *answer)
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
	int rc = mirror_s3_run_call(x, &q, code, &status, &why);
	return judge(x, d->what, rc, status, code, &why);
}

/* AWS requires a checksum of such a body. */
static enum mirror_s3_outcome send(struct mirror_s3_run *x, const struct mirror_s3_document *d,
				   const char *what, const struct buf *body)
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
	int rc = mirror_s3_run_call(x, &q, code, &status, &why);
	enum mirror_s3_outcome o = judge(x, what, rc, status, code, &why);
	/* What is missing counts as removed. */
	return o == GOT_NOTHING && !body->len ? GOT_IT : o;
}

/* -- from the present to the wanted state --------------------------------------------- */

bool mirror_s3_run_stopped(const struct mirror_s3_run *x)
{
	return x->e->class != ERR_NONE;
}

void mirror_s3_run_lacks(struct mirror_s3_run *x, const struct mirror_s3_document *d,
			 enum mirror_s3_want want)
{
	if (want == WANT_ON)
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_BY_HAND, "%s", d->by_hand);
	else
		mirror_findings_add(x->out, d->what, MIRROR_FINDING_OK, "none");
}

/* Sends the document if it changed. text: the resulting state. */
void mirror_s3_run_settle(struct mirror_s3_run *x, const struct mirror_s3_document *d, bool changed,
			  const struct buf *body, const char *text)
{
	enum mirror_finding_state state = MIRROR_FINDING_OK;
	if (changed && x->dry_run) {
		state = MIRROR_FINDING_WOULD;
	} else if (changed) {
		enum mirror_s3_outcome o = send(x, d, d->what, body);
		if (o == GOT_LACK)
			mirror_s3_run_lacks(x, d, WANT_ON);
		if (o != GOT_IT)
			return;
		state = MIRROR_FINDING_CHANGED;
	}
	mirror_findings_add(x->out, d->what, state, "%s", text);
}

void mirror_s3_run_settle_tree(struct mirror_s3_run *x, const struct mirror_s3_document *d,
			       bool changed, const struct s3_tree *t, const char *text)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(MIRROR_S3_DOCUMENT_MAX);
	struct err why = ERR_INIT;
	if (!d->deleted || !s3_bucket_is_empty(t))
		s3_tree_write(&body, t);
	if (buf_ok(&body, d->what, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	else
		mirror_s3_run_settle(x, d, changed, &body, text);
}

struct s3_tree *mirror_s3_run_load(struct mirror_s3_run *x, const struct mirror_s3_document *d,
				   enum mirror_s3_want want)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MIRROR_S3_DOCUMENT_MAX);
	struct s3_tree *t = NULL;
	struct err why = ERR_INIT;
	enum mirror_s3_outcome o = mirror_s3_run_fetch(x, d, &answer);
	if (o == GOT_NOTHING)
		return s3_tree_new(d->root, NULL);
	if (o == GOT_LACK)
		mirror_s3_run_lacks(x, d, want);
	if (o != GOT_IT)
		return NULL;
	if (s3_tree_parse(buf_str(&answer), answer.len, &t, &why) < 0)
		mirror_findings_fault(x->out, d->what, &why);
	return t;
}
