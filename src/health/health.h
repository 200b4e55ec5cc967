/*
 * health: what operators want to know of mirrors: whether readers get what is signed, in time.
 *
 * What always holds here:
 *  - a mirror is seen as a reader sees it; nothing is written to it;
 *  - each mirror has a deadline of its own, and a silent one does not delay the others;
 *  - a check that could not be made is "unknown", never "ok";
 *  - reasons may contain text of servers: they are one line, cut, and escaped by what shows them;
 *  - nothing here prints.
 */
#ifndef FERRY_HEALTH_HEALTH_H
#define FERRY_HEALTH_HEALTH_H

#include "mirror/mirror.h"
#include "publish/tree.h"

/* In the order of gravity; the values are those of Nagios plug-ins. */
enum health_state { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL, HEALTH_UNKNOWN };
const char *health_state_name(enum health_state s); /* "ok", "warning", "critical", "unknown" */
bool health_state_parse(const char *name, enum health_state *out);
/* The worse of the two: critical, then warning, then unknown, then ok. */
enum health_state health_worse(enum health_state a, enum health_state b);

/* What is checked of a mirror or of the repository. A mirror has one finding of each that applies
 * to its kind; the others are left out. */
enum health_check {
	HEALTH_REACH,       /* name resolution, connection, first byte: it can be read at all */
	HEALTH_CERTIFICATE, /* TLS: chain, name, days to expiry */
	HEALTH_RELEASE,     /* shows the newest release; if not, how far behind */
	HEALTH_EXPIRY,      /* of the repository: the roles of the newest release */
	HEALTH_CATALOG,     /* plain catalog.json and its .minisig are those that are signed */
	HEALTH_OBJECTS,     /* objects of the release are there, with the right size */
	HEALTH_RANGES,      /* ranges are answered with 206 and the right bytes */
	HEALTH_HEADERS,     /* CORS, Content-Type, Cache-Control are as configured */
	HEALTH_CLOCK,       /* the server's clock, compared with ours */
	HEALTH_QUOTA,       /* GitHub's API: what is left of the limit */
	HEALTH_INTEGRITY,   /* the rolling audit has found no wrong byte that is still there */
	HEALTH_COVERAGE,    /* and has read enough of the mirror, lately */
	HEALTH_CHECKS
};
const char *health_check_name(enum health_check c); /* "reach", …: stable, part of the output */
bool health_check_parse(const char *name, enum health_check *out);

struct health_finding {
	enum health_check check;
	enum health_state state;
	char *reason; /* owned; for people: "certificate expires in 6 days"; never NULL */
};

struct health_findings {
	struct health_finding *at;
	size_t count, cap;
};
void health_findings_release(struct health_findings *f);
/* At most one finding of each check: a worse one replaces, an equal or better one is dropped. */
void health_find(struct health_findings *f, enum health_check check, enum health_state state,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
