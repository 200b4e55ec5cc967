/*
 * s3: requests to S3-compatible servers. Nothing here knows of mirrors or models.
 *
 * What always holds here:
 *  - every request is signed (sigv4.h), with keys from credentials.h; if a server says that they
 *    have expired, new ones are fetched, and the request is sent once more;
 *  - a bucket in another region is found: one redirect is followed, and the region is kept for
 *    later requests;
 *  - an answer with status 200 is a failure if its body is an <Error> or not the expected
 *    document;
 *  - nothing else is retried: callers do that.
 *
 * Error classes, by the <Code> of the answer, else by its status (http/http.h): wrong or missing
 * keys, a clock that differs, a full quota and whatever is not allowed ERR_AUTH · a missing bucket
 * and what the server cannot do ERR_USAGE · a missing object or upload ERR_NOT_FOUND · a
 * condition that does not hold ERR_CONFLICT · bytes that do not match their digest ERR_INTEGRITY ·
 * SlowDown and failures of the server ERR_NETWORK.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
#ifndef FERRY_S3_S3_H
#define FERRY_S3_S3_H

#include "http/http.h"
#include "hash/sha256.h"
#include "s3/credentials.h"
#include "s3/sigv4.h"

#include <pthread.h>

/* The largest document that is read: a listing of 1000 keys of 1024 bytes, encoded. */
#define S3_MAX_ANSWER (16 * MIB)

/* Where requests go: shared by all threads. */
struct s3_place {
	char *endpoint; /* "https://s3.eu-west-1.amazonaws.com", without '/' at its end */
	char *bucket;
	bool path_style;                    /* the bucket is part of the path, not of the host */
	bool aws;                           /* endpoints are named after their region */
	struct s3_credentials *credentials; /* owned */
	const struct clock *clock;          /* borrowed; NULL: the real one */
	pthread_mutex_t lock;               /* of what follows */
	char *region;
};

struct s3_place_options {
	const char *endpoint; /* NULL: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS */
	const char *region;   /* NULL: that of the profile, or "us-east-1" */
	const char *bucket;
	enum s3_style { S3_STYLE_AUTO, S3_STYLE_PATH, S3_STYLE_HOST } style;
	struct s3_credentials_options credentials;
};
/* ERR_USAGE for an invalid endpoint, bucket or region. Sends no request. */
WARN_UNUSED int s3_place_open(struct s3_place *p, const struct s3_place_options *o, struct err *e);
void s3_place_release(struct s3_place *p);

#define S3_CODE 64
#define S3_WORK_S 600

struct s3_request {
	const char *method;
	const char *key;                /* NULL: the bucket itself */
	const struct sigv4_pair *query; /* not encoded */
	size_t query_count;
	const struct sigv4_pair *headers; /* further ones, in lower case: signed */
	size_t header_count;

	bool once; /* as in struct http_request */

	/* The body, in memory; NULL: none. sha256 is that of the body; NULL: it is computed. */
	const void *body;
	size_t body_len;
	const struct digest *sha256;
	void (*body_sent)(void *ctx, int64_t bytes);
	void *body_ctx;

	/* out: the <Code> of a failure, or "": for decisions that need more than the error class.
	 * S3_CODE bytes; may be NULL. */
	char *code;

	/* The answer: an XML document with this root, into `into`; or NULL, and as in struct
	 * http_request. */
	const char *root;
	struct buf *into;
	uint64_t offset, length, deadline_ms;
	const struct cancel *cancel; /* ends this request; or NULL */
	/* The server may need long before it answers: it may be silent for S3_WORK_S. */
	bool works;
	int (*begin)(void *ctx, const struct http_response *r, struct err *e);
	int (*write)(void *ctx, const void *data, size_t len, struct err *e);
	void *ctx;
};

/* Performs it. *out as in http_perform(), or NULL. */
WARN_UNUSED int s3_call(struct http_client *c, struct s3_place *p, const struct s3_request *q,
			struct http_response *out, struct err *e);

/* A URL with which anyone can read the object for this time. The caller frees it. */
WARN_UNUSED int s3_presign(struct s3_place *p, const char *key, uint64_t expires_s, char **out,
			   struct err *e);

/* Sets e from a failed answer and http, its error as http_perform() set it; body is XML or not.
 * For s3_call() and tests. */
struct s3_failure {
	const struct http_response *answer;
	const char *body;
	size_t len;
	int64_t now_s; /* of this machine */
	const struct err *http;
};
int s3_fault(const struct s3_failure *f, char code[S3_CODE], struct err *e);
/* Does the <Code> say that the keys were valid once, and new ones are needed? */
bool s3_fault_renews(const char *code);
/* The region that the answer says the bucket is in, or "". */
#define S3_REGION_HEADER "x-amz-bucket-region"
#define S3_REGION 64
void s3_fault_region(const struct s3_failure *f, char region[S3_REGION]);

#endif
