/*
 * page: one page of a listing of S3: objects, uploads, parts or versions. All four have the same
 * shape, so one parser reads them:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 *
 * A missing element is "" or 0. Names are decoded if the document says that they are encoded; a
 * malformed name or number is ERR_INTEGRITY.
 */
#ifndef FERRY_S3_PAGE_H
#define FERRY_S3_PAGE_H

#include "util/err.h"

#include <stddef.h>

/* Servers send at most 1000; a little more does no harm. */
#define S3_PAGE_ITEMS 10000

struct s3_item {
	enum s3_item_kind {
		S3_ITEM_OBJECT, /* <Contents> */
		S3_ITEM_FOLDER, /* <CommonPrefixes>; name is the prefix */
		S3_ITEM_UPLOAD,
		S3_ITEM_PART,
		S3_ITEM_VERSION, /* <Version> and <DeleteMarker> */
	} kind;
	char *name;            /* the key */
	char *id;              /* of the upload, or of the version */
	char *etag;            /* without quotes */
	char *checksum_sha256; /* of a part, base64 */
	char *algorithm;       /* of an upload's checksums: "SHA256" */
	uint64_t size;
	uint64_t number; /* of a part, from 1 */
	int64_t time_s;  /* when it was written, or the upload was opened */
	bool latest;     /* a version: the one that readers see */
};

struct s3_page {
	struct s3_item *at;
	size_t count, cap;
	bool more;
	char *next;    /* where the next page starts: the token, or the marker; NULL: none */
	char *next_id; /* with a marker of uploads and versions; or NULL */
};
void s3_page_release(struct s3_page *p);

WARN_UNUSED int s3_page_parse(const char *text, size_t len, struct s3_page *out, struct err *e);

#endif
