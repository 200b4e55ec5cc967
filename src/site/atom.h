/*
 * atom: what happened last, as Atom (RFC 4287): new versions, and what was withdrawn.
 *
 * An entry has what was added to one model at one time. Its id is made of the trust root, the
 * model, and the time, so it stays the same when the site moves, or other entries come or go:
 * urn:uuid with a UUID of version 8 (RFC 9562, 5.8) from a SHA-256.
 */
#ifndef FERRY_SITE_ATOM_H
#define FERRY_SITE_ATOM_H

#include "site/site.h"

#define ATOM_PATH "feed.xml"
#define ATOM_ENTRIES 50

/* Appends to out. The site has a URL. */
void atom_write(const struct site *s, struct buf *out);

#endif
