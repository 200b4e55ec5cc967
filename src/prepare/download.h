/*
 * Downloads one file that several URLs may serve. It continues after any interruption,
 * kill -9 included: what arrived lies in "<path>.part", and "<path>.state" says of which
 * URL, with which ETag and size, so that a file that changed meanwhile is never mixed with
 * the old one.
 *
 * A URL that drops connections is asked again with growing pauses as long as it makes
 * progress, then the next URL has its turn; one that answers with something else than a
 * model, or with wrong bytes, is left at once. Each fault is a warning of the report.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_H
#define FERRY_PREPARE_DOWNLOAD_H

#include "hash/sha256.h"
#include "util/cancel.h"
#include "util/report.h"

struct download {
	const char *const *urls;        /* http, https, file; in order of preference */
	size_t url_count;
	const char *path;               /* where the complete file goes */
	const struct digest *sha256;    /* what it must be, or NULL */
	struct report *report;
	const struct cancel *cancel;    /* NULL: nothing stops it */
};

struct download_result {
	char *url;              /* it came from; without user, password or signature */
	char *path;             /* download.path, or the file itself of a file URL */
	bool ours;              /* path is download.path: may be moved */
	uint64_t received;      /* bytes that came over the wire in this run */
};
void download_result_release(struct download_result *r);

/* With one URL its error, with several one that names them all: ERR_NETWORK if trying later
 * may help, else the class of the first. */
WARN_UNUSED int download_run(const struct download *d, struct download_result *out,
			     struct err *e);

/* Removes the complete file, what arrived of it, and the state. */
void download_forget(const char *path);

#endif
