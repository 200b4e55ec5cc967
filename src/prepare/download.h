/*
 * Downloads a file that several URLs may serve. It continues after any interruption, including
 * kill -9: received bytes are in "<path>.part", and "<path>.state" has their URL, ETag and size,
 * so that a file that has changed is never mixed with the old one.
 *
 * If connections drop, the same URL is tried again with increasing pauses as long as there is
 * progress, then the next URL. A URL that answers with something other than a model, or with
 * wrong bytes, is given up at once. Each fault is reported as a warning.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_H
#define FERRY_PREPARE_DOWNLOAD_H

#include "hash/git_blob.h"
#include "hash/sha256.h"
#include "http/http.h"
#include "util/cancel.h"
#include "util/report.h"

#define DOWNLOAD_UNSIZED_MAX (4096 * GIB)

struct download {
	const char *const *urls; /* http, https, file; in order of preference */
	size_t url_count;
	const char *path;            /* where the complete file goes */
	const struct digest *sha256; /* the expected one, or NULL */
	/* What else is known of the file, or 0 and NULL: */
	uint64_t size;
	const uint8_t *git_blob; /* GIT_BLOB_SIZE bytes */
	bool any_kind;           /* it need not be a model or an archive */
	/* Sent to the hosts of the URLs alone (http/http.h); NULL-ended, or NULL. */
	const char *const *headers;
	/* Replaces the error, which is set, of an answer that is one; NULL: it stays. */
	int (*explain)(const void *ctx, const struct http_response *r, struct err *e);
	const void *explain_ctx;
	/* Bytes of a file whose length the server does not tell, else ERR_INTEGRITY; 0:
	 * DOWNLOAD_UNSIZED_MAX, and at most nine tenths of the free space. */
	uint64_t unsized_max;
	struct report *report;
	const struct cancel *cancel; /* NULL: nothing stops it */
};

struct download_result {
	char *url;         /* the source, without user, password or signature */
	char *path;        /* download.path, or the file itself of a file URL */
	bool ours;         /* path is download.path, so it may be moved */
	uint64_t received; /* bytes transferred in this run */
};
void download_result_release(struct download_result *r);

/* With one URL, its error; with several, one that names them all: ERR_NETWORK if trying later may
 * help, else the class of the first. */
WARN_UNUSED int download_run(const struct download *d, struct download_result *out, struct err *e);

/* Removes the complete file, the part and the state. */
void download_forget(const char *path);

#endif
