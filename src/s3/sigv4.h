/*
 * sigv4: AWS Signature Version 4, as S3 uses it: the path is encoded once and not normalised
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
 * …/sigv4-query-string-auth.html).
 */
#ifndef FERRY_S3_SIGV4_H
#define FERRY_S3_SIGV4_H

#include "util/buf.h"

/* Payloads: of a request without a body, and of one whose body is not signed. */
#define SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"

#define SIGV4_DATE 17 /* "20150830T123600Z" and NUL */

struct sigv4_keys {
	const char *id, *secret;
	const char *token; /* of a session; NULL: none */
};

struct sigv4_pair {
	const char *name;  /* of a header: in lower case */
	const char *value; /* NULL: "" */
};

struct sigv4_request {
	const char *method;
	const char *path;               /* as it is sent: percent-encoded (sigv4_path()) */
	const struct sigv4_pair *query; /* not encoded; in any order */
	size_t query_count;
	const struct sigv4_pair *headers; /* those to sign; "host" must be there */
	size_t header_count;
	const char *payload; /* SHA-256 of the body in hex, or one of the above */
};

/* Where and when a signature is valid. */
struct sigv4_scope {
	const char *region, *service; /* "us-east-1", "s3" */
	int64_t now_s;
};

/* "20150830T123600Z". */
const char *sigv4_date(char out[SIGV4_DATE], int64_t now_s);
/* Appends the path of a key: everything but A-Z a-z 0-9 - . _ ~ and '/' is encoded. */
void sigv4_path(struct buf *out, const char *key);
/* Appends "a=1&b=2", sorted and encoded: as it is signed, and fit to be sent. */
void sigv4_query(struct buf *out, const struct sigv4_pair *query, size_t count);

/* Appends the value of the Authorization header. The request's headers hold x-amz-date (and
 * x-amz-security-token, where there is one) already. */
void sigv4_sign(struct buf *out, const struct sigv4_request *r, const struct sigv4_scope *scope,
		const struct sigv4_keys *keys);
/* Appends the query of a URL that is valid for expires_s: the request's own query and the
 * signature. The URL works only with the signed headers, usually "host" alone. The payload is
 * SIGV4_UNSIGNED, as S3 expects. */
void sigv4_presign(struct buf *out, const struct sigv4_request *r, const struct sigv4_scope *scope,
		   const struct sigv4_keys *keys, uint64_t expires_s);

#endif
