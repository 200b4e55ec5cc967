/*
 * Shared by the files of an upload to S3 alone: s3_open.c opens it, s3_upload.c puts pieces,
 * s3_commit.c completes the object, s3_headers.c makes the headers that are stored with it.
 *
 * A small object, or metadata, is one PUT request at the commit, because every server that supports
 * conditions supports them there. A large object, whose name contains its digest, is a multipart
 * upload whose parts are the pieces; an upload that an earlier run left is found by listing. A part
 * that the server lists without a SHA-256 is compared by its MD5 when its piece is put.
 */
#ifndef FERRY_MIRROR_S3_UPLOAD_H
#define FERRY_MIRROR_S3_UPLOAD_H

#include "mirror/s3.h"

struct mirror_s3_part {
	char *etag;    /* without quotes; NULL: not there */
	bool doubtful; /* listed by the server, not compared yet */
};

struct mirror_s3_upload {
	char *name;
	char *id;       /* NULL: one PUT */
	uint8_t *whole; /* of one PUT */
	struct mirror_s3_part *parts;
	uint32_t count;
};

#define MIRROR_S3_HEADERS 16

struct mirror_s3_headers {
	struct sigv4_pair at[MIRROR_S3_HEADERS];
	size_t count;
	char hex[DIGEST_HEX];
	char *disposition, *etag, *checksum;
};

void mirror_s3_headers_release(struct mirror_s3_headers *h);
/* Name and value are borrowed. */
void mirror_s3_add(struct mirror_s3_headers *h, const char *name, const char *value);
/* How the object is stored and served. */
void mirror_s3_describe(struct mirror_s3_headers *h, const struct mirror_upload *u);
void mirror_s3_add_conditions(struct mirror_s3_headers *h, const struct mirror_upload *u);
/* x-amz-checksum-sha256, where the server keeps it. */
void mirror_s3_add_checksum(struct mirror_s3_headers *h, const struct mirror_upload *u,
			    const struct digest *d);
/* ERR_INTEGRITY when the server answers with another checksum. */
WARN_UNUSED int mirror_s3_check_echo(const struct mirror_s3_headers *h,
				     const struct http_response *r, struct err *e);
/* The caller frees it. */
char *mirror_s3_base64(const struct digest *d);

/* Counts the bytes of a body as they are sent, so that they can be subtracted after a failure. */
struct mirror_s3_progress {
	struct mirror_upload *u;
	int64_t sent;
};
void mirror_s3_on_sent(void *ctx, int64_t bytes);

/* Does the upload's condition hold now? */
WARN_UNUSED int mirror_s3_check_condition(struct mirror_connection *c,
					  const struct mirror_upload *u, const char *name,
					  struct err *e);
/* ERR_NOT_FOUND while an upload is open becomes ERR_CONFLICT, with a hint. */
int mirror_s3_gone(struct err *e);

#endif
