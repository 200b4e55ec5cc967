/* One step of set-up: reads a document of the bucket, and sends it when it has changed. Shared by
 * the s3_setup*.c alone. */
#ifndef FERRY_MIRROR_S3_SETUP_STEP_H
#define FERRY_MIRROR_S3_SETUP_STEP_H

#include "mirror/s3.h"
#include "s3/tree.h"

#define MIRROR_S3_DOCUMENT_MAX MIB

/* One document of a bucket. */
struct mirror_s3_document {
	const char *what;    /* in findings */
	const char *query;   /* "?cors" */
	const char *root;    /* element; NULL: it is JSON */
	const char *by_hand; /* what to do where the server does not have it */
	bool deleted;        /* an empty one is deleted, not put */
	bool named;          /* the query also has the id of the metrics */
};

/* A run over one bucket. */
struct mirror_s3_run {
	struct mirror_connection *c;
	struct mirror_s3 *s;
	const struct mirror_s3_setup *w;
	struct mirror_findings *out;
	bool dry_run;
	bool absent;      /* the bucket is not there yet: only with dry_run */
	bool no_versions; /* the server keeps none */
	struct err *e;    /* set when it was cancelled; then nothing more is done */
};

enum mirror_s3_outcome {
	GOT_IT,
	GOT_NOTHING, /* there is none */
	GOT_LACK,    /* the server does not support such a document */
	GOT_FAULT,   /* it has become a finding, or the run was cancelled */
};

/* Was it cancelled? */
bool mirror_s3_run_stopped(const struct mirror_s3_run *x);
/* Performs the request, with retries. */
WARN_UNUSED int mirror_s3_run_call(struct mirror_s3_run *x, struct s3_request *q,
				   char code[S3_CODE], long *status, struct err *e);
/* Adds a finding about a failed request; if it was cancelled, ends the run instead. */
void mirror_s3_run_failed(struct mirror_s3_run *x, const char *what, const struct err *why);

/* Gets the present document, not parsed. */
enum mirror_s3_outcome mirror_s3_run_fetch(struct mirror_s3_run *x,
					   const struct mirror_s3_document *d, struct buf *answer);
/* The present document as a tree, an empty one if there is none; NULL: a finding says why. */
struct s3_tree *mirror_s3_run_load(struct mirror_s3_run *x, const struct mirror_s3_document *d,
				   enum mirror_s3_want want);
/* Sends the document if it changed (deletes it if body is empty), and adds the finding. text: the
 * resulting state, for people. */
void mirror_s3_run_settle(struct mirror_s3_run *x, const struct mirror_s3_document *d, bool changed,
			  const struct buf *body, const char *text);
void mirror_s3_run_settle_tree(struct mirror_s3_run *x, const struct mirror_s3_document *d,
			       bool changed, const struct s3_tree *t, const char *text);
/* Adds the finding about a kind of document that the server does not support. */
void mirror_s3_run_lacks(struct mirror_s3_run *x, const struct mirror_s3_document *d,
			 enum mirror_s3_want want);

/* Public access: the bucket policy, and the block of such policies (s3_setup_public.c). */
void mirror_s3_run_public(struct mirror_s3_run *x);

#endif
