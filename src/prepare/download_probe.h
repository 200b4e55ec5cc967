/*
 * What a URL tells without a download: a name, and whether the file is still the same.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_PROBE_H
#define FERRY_PREPARE_DOWNLOAD_PROBE_H

#include "http/http.h"

bool download_probe_is_file(const char *url);   /* file:… */

/* "https://host/a/b.gguf?x" → "b.gguf", percent-decoded; "download" when there is none or it
 * would do harm. The caller frees. */
char *download_probe_name(const char *url);

/* For a card: without user and password, and without a query that looks like a signature.
 * NULL for what is no http URL; the caller frees. */
char *download_probe_public_url(const char *url);

struct download_probe {
	char etag[HEADER_ETAG];         /* strong, or "" */
	int64_t modified_s;             /* 0: it does not say */
	uint64_t size;                  /* 0: it does not say */
};
/* Asks the URLs in order; true for the first that answers. */
bool download_probe(const char *const *urls, size_t count, const struct cancel *cancel,
		    struct download_probe *out);

/*
 * What tells one version of a file from another, for "was this done already?": ETag or
 * modification time, and size. False when no URL says enough. The caller frees *out.
 */
bool download_probe_version(const char *const *urls, size_t count,
			    const struct cancel *cancel, char **out);

#endif
