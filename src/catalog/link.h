/*
 * Checks of the URLs that cards, catalogs and ferry.conf publish to readers. They are not opened
 * here.
 */
#ifndef FERRY_CATALOG_LINK_H
#define FERRY_CATALOG_LINK_H

#include "util/base.h"

#define LINK_MAX 2048

/* The reason why the text cannot be published as a URL, or NULL if it can: http or https with a
 * host, or (with file_too) file with an absolute path; no user or password, no blank, control or
 * non-ASCII byte, no fragment, at most LINK_MAX bytes (RFC 3986). */
const char *link_fault(const char *url, bool file_too);

/* The URL for a message: not one that may contain a password, however it is written. */
const char *link_shown(const char *url);

/* Is it "http:" to a host other than this machine? */
bool link_is_plain_http(const char *url);

#endif
