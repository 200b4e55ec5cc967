#include "s3/s3.h"

#include "s3/xml.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE 512

/* What an <Error> document says. */
struct said {
	char code[S3_CODE], message[MESSAGE], region[S3_REGION];
};

static const char renew[] = "sign in again, or renew the credentials";

static const struct known {
	const char *code;
	enum err_class class;
	enum err_cause cause;
	const char *text, *hint;
} known[] = {
	{ "AccessDenied", ERR_AUTH, CAUSE_NONE, "access denied",
	  "the credentials do not allow this: check the policy of their user, and of the bucket" },
	{ "AllAccessDisabled", ERR_AUTH, CAUSE_NONE, "all access is disabled", NULL },
	{ "InvalidAccessKeyId", ERR_AUTH, CAUSE_NONE, "the server does not know the access key",
	  "check which credentials are used (man ferry-s3)" },
	{ "SignatureDoesNotMatch", ERR_AUTH, CAUSE_NONE, "the signature does not match",
	  "the secret key is wrong, or a proxy changes the requests" },
	{ "ExpiredToken", ERR_AUTH, CAUSE_NONE, "the session of the credentials has expired",
	  renew },
	{ "InvalidToken", ERR_AUTH, CAUSE_NONE, "the session token is not valid", renew },
	{ "TokenRefreshRequired", ERR_AUTH, CAUSE_NONE, "the session token must be renewed",
	  renew },
	{ "QuotaExceeded", ERR_AUTH, CAUSE_NONE, "the quota is used up",
	  "raise the quota, or remove what no reader needs: ferry push --prune, ferry mirror "
	  "cleanup" },
	{ "NoSuchBucket", ERR_USAGE, CAUSE_NONE, "the bucket does not exist",
	  "check bucket, endpoint and region in ferry.conf; `ferry mirror setup` creates it" },
	{ "InvalidBucketName", ERR_USAGE, CAUSE_NONE, "this is not a valid bucket name", NULL },
	{ "BucketAlreadyExists", ERR_CONFLICT, CAUSE_NONE, "the bucket belongs to somebody else",
	  "choose another name" },
	{ "BucketAlreadyOwnedByYou", ERR_CONFLICT, CAUSE_NONE, "the bucket exists", NULL },
	{ "NoSuchKey", ERR_NOT_FOUND, CAUSE_NONE, "not found", NULL },
	{ "NoSuchVersion", ERR_NOT_FOUND, CAUSE_NONE, "not found", NULL },
	{ "NoSuchUpload", ERR_NOT_FOUND, CAUSE_NONE, "the upload is gone", NULL },
	{ "PreconditionFailed", ERR_CONFLICT, CAUSE_NONE, "the precondition failed", NULL },
	{ "ConditionalRequestConflict", ERR_CONFLICT, CAUSE_NONE,
	  "another client is writing this object", NULL },
	{ "OperationAborted", ERR_NETWORK, CAUSE_SERVER,
	  "another operation on this bucket is in progress", NULL },
	{ "BadDigest", ERR_INTEGRITY, CAUSE_NONE, "the bytes arrived damaged", NULL },
	{ "InvalidDigest", ERR_INTEGRITY, CAUSE_NONE, "the server refused the digest", NULL },
	{ "XAmzContentSHA256Mismatch", ERR_INTEGRITY, CAUSE_NONE, "the bytes arrived damaged",
	  NULL },
	{ "InvalidPart", ERR_INTEGRITY, CAUSE_NONE, "the server lacks a part, or has another one",
	  NULL },
	{ "InvalidPartOrder", ERR_INTEGRITY, CAUSE_NONE, "the parts are not in order", NULL },
	{ "SlowDown", ERR_NETWORK, CAUSE_THROTTLED, "the server asks for fewer requests", NULL },
	{ "TooManyRequests", ERR_NETWORK, CAUSE_THROTTLED, "the server asks for fewer requests",
	  NULL },
	{ "Throttling", ERR_NETWORK, CAUSE_THROTTLED, "the server asks for fewer requests", NULL },
	{ "RequestLimitExceeded", ERR_NETWORK, CAUSE_THROTTLED,
	  "the server asks for fewer requests", NULL },
	{ "ServiceUnavailable", ERR_NETWORK, CAUSE_SERVER, "the service is not available", NULL },
	{ "InternalError", ERR_NETWORK, CAUSE_SERVER, "the server failed", NULL },
	{ "RequestTimeout", ERR_NETWORK, CAUSE_STALLED, "the request took too long", NULL },
	{ "IncompleteBody", ERR_NETWORK, CAUSE_DROPPED, "the request arrived incomplete", NULL },
	{ "EntityTooLarge", ERR_USAGE, CAUSE_NONE, "too large for this server", NULL },
	{ "NotImplemented", ERR_USAGE, CAUSE_NONE, "not implemented by this server", NULL },
	{ "MethodNotAllowed", ERR_USAGE, CAUSE_NONE, "not allowed by this server", NULL },
};

static void keep(char *out, size_t size, const char *text)
{
	if (!out[0])
		snprintf(out, size, "%s", text);
}

/* Some servers put <Error> into another element. */
static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct said *s = ctx;
	(void)e;
	if (str_ends(path, "Error/Code"))
		keep(s->code, sizeof s->code, text);
	else if (str_ends(path, "Error/Message"))
		keep(s->message, sizeof s->message, text);
	else if (str_ends(path, "Error/Region"))
		keep(s->region, sizeof s->region, text);
	return 0;
}

static void listen(const struct s3_failure *f, struct said *s)
{
	struct err ignored = ERR_INIT;
	*s = (struct said){ 0 };
	if (f->len)
		(void)!s3_xml_parse(f->body, f->len, on_element, s, &ignored);
}

void s3_fault_region(const struct s3_failure *f, char region[S3_REGION])
{
	struct said s;
	const char *header = http_response_header(f->answer, S3_REGION_HEADER);
	listen(f, &s);
	snprintf(region, S3_REGION, "%s", header ? header : s.region);
}

static int skewed(const struct s3_failure *f, struct err *e)
{
	const char *date = http_response_header(f->answer, "date");
	char by[DURATION_TEXT];
	int64_t theirs;
	if (!date || !header_date(date, &theirs))
		return err_set(e, ERR_AUTH, "the clock of this machine is wrong");
	int64_t off = f->now_s - theirs;
	format_duration(by, (uint64_t)(off < 0 ? -off : off));
	err_set(e, ERR_AUTH, "the clock of this machine is %s %s the server's", by,
		off < 0 ? "behind" : "ahead of");
	return err_hint(e, "set the clock; S3 accepts a difference of 15 minutes");
}

/* A code that is not in the table keeps the class of the status. */
static int unknown(const struct s3_failure *f, const struct said *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *code = text_escaped(s->code);
	CLEANUP(mem_free_ptr) char *message = text_escaped(s->message);
	err_set(e, f->http->class, "HTTP %ld %s%s%.300s", f->answer->status, code,
		*message ? ": " : "", message);
	return err_cause(e, f->http->cause, f->http->retry_after_s);
}

static int as_known(const struct s3_failure *f, const struct known *k, struct err *e)
{
	err_set(e, k->class, "%s (%s)", k->text, k->code);
	err_cause(e, k->cause, f->http->retry_after_s);
	return k->hint ? err_hint(e, "%s", k->hint) : -(int)e->class;
}

bool s3_fault_renews(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].code, code) == 0)
			return known[i].hint == renew;
	return false;
}

int s3_fault(const struct s3_failure *f, char code[S3_CODE], struct err *e)
{
	struct said s;
	listen(f, &s);
	snprintf(code, S3_CODE, "%s", s.code);
	if (!s.code[0]) {
		*e = *f->http;
		return -(int)e->class;
	}
	if (strcmp(s.code, "RequestTimeTooSkewed") == 0)
		return skewed(f, e);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].code, s.code) == 0)
			return as_known(f, &known[i], e);
	return unknown(f, &s, e);
}
