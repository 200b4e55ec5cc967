/*
 * Shared by the files of kinds s3 and r2 alone: s3.c has the settings and reads; s3_open.c,
 * s3_upload.c, s3_commit.c and s3_headers.c write (s3_upload.h); s3_leftover.c removes what uploads
 * left; s3_probe.c tests what a server supports, and s3_traits.c records it; s3_preflight.c checks
 * a run before it starts; s3_setup*.c configure the bucket; all use s3_request.c.
 *
 * Nothing depends on who made a server. What it supports is a set of traits, which are unknown
 * until the server was probed, and then recorded.
 */
#ifndef FERRY_MIRROR_S3_H
#define FERRY_MIRROR_S3_H

#include "mirror/folder.h"
#include "mirror/mirror.h"
#include "mirror/s3_setup.h"
#include "s3/page.h"
#include "s3/s3.h"

enum mirror_s3_trait {
	S3_PROBED = 1 << 0,
	S3_CHECKS_SHA256 = 1 << 1, /* refuses a body that does not match x-amz-content-sha256 */
	S3_CHECKSUMS = 1 << 2,     /* compares, keeps and reports x-amz-checksum-sha256 */
	S3_KEEPS_META = 1 << 3,    /* x-amz-meta- headers */
	S3_KEEPS_HEADERS = 1 << 4, /* Cache-Control and Content-Disposition */
	S3_LISTS_PARTS = 1 << 5,   /* ListMultipartUploads and ListParts */
	S3_COPIES_PARTS = 1 << 6,  /* UploadPartCopy with a range */
	S3_PLAIN_ETAG = 1 << 7,    /* If-Match wants the ETag without quotes */
	S3_LISTS_FOLDERS = 1 << 8, /* ListObjectsV2 only with delimiter "/" */
};

struct mirror_s3 {
	struct s3_place place;
	struct http_options http;
	char *prefix;                  /* of all keys: "" or ends with '/' */
	char *storage_class;           /* or NULL */
	char *profile;                 /* or NULL */
	char *metrics;                 /* the id of CloudWatch's request metrics, or NULL */
	atomic_uint traits;            /* enum mirror_s3_trait */
	atomic_bool reached;           /* the bucket is known to be there */
	struct mirror_s3_setup *setup; /* how set-up configures the bucket */
};

bool mirror_s3_has(const struct mirror *m, unsigned traits);
/* Sets the traits, and what the mirror can do by them. */
void mirror_s3_set_traits(struct mirror *m, unsigned traits, unsigned can);
/* Read from the record (record.h), and written to it. */
void mirror_s3_load_traits(struct mirror *m);
void mirror_s3_save_traits(const struct mirror *m);

/* ---- s3_traffic.c ---- */
WARN_UNUSED int mirror_s3_traffic(struct mirror_connection *c, int64_t from_s, int64_t to_s,
				  mirror_traffic_fn *fn, void *ctx, struct err *e);

/* The name of an object in the bucket. The caller frees it. */
char *mirror_s3_name(const struct mirror *m, const char *key);
/* Performs the request on the connection. */
WARN_UNUSED int mirror_s3_call(struct mirror_connection *c, const struct s3_request *q,
			       struct http_response *r, struct err *e);
/* "\"abc\"" → "abc", cut at the size of mirror_stat.etag. */
void mirror_s3_etag(char out[256], const char *etag);
/* After a 404, `why`: sets e to it, or to "no such bucket" or "not an S3 server" if that is the
 * cause. The server is asked only once. */
WARN_UNUSED int mirror_s3_absent(struct mirror_connection *c, const struct err *why, struct err *e);
/* HEAD of the object under this name. */
WARN_UNUSED int mirror_s3_head(struct mirror_connection *c, const char *name,
			       struct mirror_stat *out, struct http_response *r, struct err *e);
/* All pages of a list. A negative return of fn stops it. */
struct mirror_s3_list {
	enum { MIRROR_S3_OBJECTS, MIRROR_S3_UPLOADS, MIRROR_S3_PARTS, MIRROR_S3_VERSIONS } list;
	const char *prefix; /* of names; not for parts */
	bool folders;       /* only what is in the folder, and the folders in it */
	const char *name;   /* of the object, for parts */
	const char *id;     /* of the upload, for parts */
};
typedef int mirror_s3_item_fn(void *ctx, const struct s3_item *item, struct err *e);
WARN_UNUSED int mirror_s3_list(struct mirror_connection *c, const struct mirror_s3_list *l,
			       mirror_s3_item_fn *fn, void *ctx, struct err *e);
/* "bucket/name", encoded: for x-amz-copy-source. The caller frees it. */
char *mirror_s3_source(const struct mirror *m, const char *name);
/* For s3_xml_parse(): *(char **)ctx becomes the id of an upload that was opened. */
int mirror_s3_on_upload_id(void *ctx, const char *path, const char *text, struct err *e);

WARN_UNUSED int mirror_s3_upload_open(struct mirror_connection *c, struct mirror_upload *u,
				      struct err *e);
WARN_UNUSED int mirror_s3_upload_put(struct mirror_connection *c, struct mirror_upload *u,
				     uint32_t piece, const void *data, struct err *e);
WARN_UNUSED int mirror_s3_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
					struct mirror_stat *out, struct err *e);
void mirror_s3_upload_close(struct mirror_upload *u);
WARN_UNUSED int mirror_s3_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
					 struct err *e);
WARN_UNUSED int mirror_s3_upload_copy(struct mirror_connection *c, struct mirror_upload *u,
				      uint32_t piece, const struct mirror_source *from,
				      struct err *e);

/* Aborts the upload. Repeats the request until no part is left: one request may leave some. */
WARN_UNUSED int mirror_s3_abort(struct mirror_connection *c, const char *name, const char *id,
				struct err *e);

WARN_UNUSED int mirror_s3_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
				    struct err *e);
WARN_UNUSED int mirror_s3_leftover_remove(struct mirror_connection *c,
					  const struct mirror_leftover *left, struct err *e);

WARN_UNUSED int mirror_s3_probe(struct mirror_connection *c, struct mirror_findings *out,
				struct err *e);
/* Does the server answer as S3 does, and accept the credentials? */
WARN_UNUSED int mirror_s3_reach(struct mirror_connection *c, struct http_response *r,
				struct err *e);
/* Adjusts the error of a listing: without an S3 error code, it was not an S3 server. */
void mirror_s3_foreign(const char *code, struct err *why);
#define MIRROR_S3_META_SHA256 "x-amz-meta-sha256" /* of an object, in hex */
/* The name for a test object below MIRROR_S3_SCRATCH, where readers never look; the caller frees
 * it. */
#define MIRROR_S3_SCRATCH FOLDER_PRIVATE "/"
char *mirror_s3_scratch(struct mirror_connection *c, const char *what);
WARN_UNUSED int mirror_s3_remove_scratch(struct mirror_connection *c, const char *name,
					 struct err *e);
/* Tests the traits, sets and records them. */
WARN_UNUSED int mirror_s3_probe_traits(struct mirror_connection *c, struct mirror_findings *out,
				       struct err *e);
WARN_UNUSED int mirror_s3_preflight(struct mirror_connection *c, const struct mirror_need *need,
				    struct mirror_findings *out, struct err *e);

#endif
