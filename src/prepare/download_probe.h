/*
 * What can be known about a URL without downloading: a name, and whether the file is still the
 * same.
 */
#ifndef FERRY_PREPARE_DOWNLOAD_PROBE_H
#define FERRY_PREPARE_DOWNLOAD_PROBE_H

#include "http/http.h"

bool download_probe_is_file(const char *url); /* file:… */

/* "https://host/a/b.gguf?x" → "b.gguf", percent-decoded; "download" when there is none or it is
 * unsafe. The caller frees. */
char *download_probe_name(const char *url);

/* For a card: without user and password, and without a query that looks like a signature. NULL if
 * it is not an http URL; the caller frees. */
char *download_probe_public_url(const char *url);

struct download_probe {
	char etag[HEADER_ETAG]; /* strong, or "" */
	int64_t modified_s;     /* 0: unknown */
	uint64_t size;          /* 0: unknown */
};
/* Asks the URLs in order; true if one answers. */
bool download_probe(const char *const *urls, size_t count, const struct cancel *cancel,
		    struct download_probe *out);

/*
 * Identifies the version of a file, to recognise finished work: ETag or modification time, and
 * size. False when no URL gives enough. The caller frees *out.
 */
bool download_probe_version(const char *const *urls, size_t count, const struct cancel *cancel,
			    char **out);

#endif
