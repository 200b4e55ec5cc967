/*
 * Links: the URLs that cards, catalogs and ferry.conf show to readers. They are only
 * looked at here, never opened.
 */
#ifndef FERRY_CATALOG_LINK_H
#define FERRY_CATALOG_LINK_H

#include "util/base.h"

#define LINK_MAX 2048

/* Why the text is no URL that may be published, or NULL when it is one: http or https with
 * a host, or (with file_too) file with an absolute path; no user or password in it, no
 * blank, control or non-ASCII byte, no fragment, at most LINK_MAX bytes (RFC 3986). */
const char *link_fault(const char *url, bool file_too);

/* "http:" rather than "https:" to a host that is not this machine. */
bool link_is_plain_http(const char *url);

#endif
