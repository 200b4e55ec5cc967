/*
 * front: configuration of servers and services that stand in front of a mirror.
 *
 * What always holds here:
 *  - what readers get is the same from all of them: only what a mirror has for readers is served
 *    (metadata/, targets/, site/, the plain catalog and what `ferry mirror probe` writes); what
 *    never changes is cached for a year, everything else is asked for again, and a "not found" is
 *    never cached, because the next version of a file of metadata is looked for under its name;
 *  - a client (an address, or an IPv6 network of 64 bits) that asks for too much gets a 429 with
 *    Retry-After;
 *  - each request is logged in a format that stats/log.h reads, with the range that was sent;
 *  - the texts of settings are quoted for the syntax they are put into. settings/front.h and
 *    http/url.h have refused what no quotes can hold.
 */
#ifndef FERRY_FRONT_FRONT_H
#define FERRY_FRONT_FRONT_H

#include "http/url.h"
#include "settings/front.h"
#include "settings/mirrors.h"
#include "util/buf.h"

#define FRONT_IMMUTABLE "public, max-age=31536000, immutable"
#define FRONT_FRESH "no-cache"
#define FRONT_NEVER "no-store"
/* Of pages, which have the same in a <meta> (site/page.c), where "frame-ancestors" is ignored:
 * https://www.w3.org/TR/CSP3/#directive-frame-ancestors */
#define FRONT_POLICY \
	"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " \
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
#define FRONT_EXPOSED "Content-Range, Content-Length, Accept-Ranges, ETag, Retry-After"
#define FRONT_ASKED "Range, If-Range, If-None-Match, If-Modified-Since"
#define FRONT_BURST 5 /* seconds whose requests may come at once */

/* Everything is borrowed. */
struct front {
	const char *id;        /* of the mirror */
	const struct url *url; /* for readers */
	const char *root;      /* the folder that is served; nginx needs it */
	const char *log;       /* a file, or what haproxy's `log` takes */
	const struct settings_front *set;
	unsigned faces; /* enum settings_face, of the mirror; for nginx */
};

/* The host, without the brackets of IPv6. ERR_USAGE if it cannot be written into a configuration.
 */
WARN_UNUSED int front_check_host(const struct front *f, struct err *e);
/* The path of the URL without '/' at its end: "", "/models". ERR_USAGE as above. The caller frees
 * it. */
WARN_UNUSED int front_prefix(const struct front *f, char **out, struct err *e);
/* The id of the mirror where only letters, digits and '_' may stand, different for every id. The
 * caller frees it. */
char *front_name(const struct front *f);
/* Is TLS ended by the server that is configured? */
bool front_has_tls(const struct front *f);
/* Only certain origins may read it, not "*". */
bool front_has_origins(const struct front *f);
/* Adds the text in double quotes, with a backslash before each quote and backslash in it. */
void front_quote(struct buf *out, const char *text);

/* Complete, for the http block. https://nginx.org/en/docs/ */
WARN_UNUSED int front_nginx(const struct front *f, struct buf *out, struct err *e);
/* A frontend and its backend. https://docs.haproxy.org/2.6/configuration.html */
WARN_UNUSED int front_haproxy(const struct front *f, struct buf *out, struct err *e);

#endif
