/*
 * probe: all checks of one mirror that need no audit of its bytes, under one deadline.
 *
 * A mirror is asked in two ways. What has a plain URL is asked over HTTP at that URL, as a reader
 * without credentials would; the rest through the mirror's own kind. Nothing is written to it.
 *
 * Findings (health.h):
 *  - reach: the name resolves, a connection opens, an answer begins. A web page in place of a file,
 *    a network's login page and throttling are named as such;
 *  - certificate: its days to expiry; or why it does not verify: expired, not valid yet, another
 *    name, self-signed, an unknown authority, an intermediate certificate that is missing. Only for
 *    https;
 *  - release: what timestamp.json claims, compared with the newest release;
 *  - catalog: the plain files are those of the newest release. Unknown while another is shown;
 *  - objects: are there with the right size: all of them where one listing tells it, otherwise a
 *    budget of requests, first for those that were never found here, then in a random order that
 *    goes on with the next run (struct probe_state);
 *  - ranges, headers, clock: of what has a plain URL;
 *  - quota: of GitHub's API.
 * A check that applies to the mirror but could not be made has the state unknown.
 */
#ifndef FERRY_HEALTH_PROBE_H
#define FERRY_HEALTH_PROBE_H

#include "health/health.h"
#include "http/http.h"
#include "util/deadline.h"

/* For `enum probe_choice cache_control`: by default, only where push sets the headers (s3, r2). */
enum probe_choice { PROBE_DEFAULT, PROBE_YES, PROBE_NO };

/* Thresholds, in the units of their names. 0 in a threshold: the default of PROBE_OPTIONS. */
struct probe_options {
	const struct clock *clock; /* NULL: the real one */
	uint64_t objects;          /* requests for them in a run; 0: none */
	uint64_t certificate_warning_s, certificate_critical_s;
	uint64_t lag_critical;           /* releases behind; any lag is a warning */
	uint64_t clock_skew_s;           /* more is a warning */
	uint64_t quota_percent;          /* less that is left is a warning; nothing left is, too */
	bool cors;                       /* pages of other web sites shall be able to read it */
	enum probe_choice cache_control; /* Content-Type and Cache-Control */
};
#define PROBE_OPTIONS \
	BRACES(.objects = 100, .certificate_warning_s = 14 * 86400, \
	       .certificate_critical_s = 3 * 86400, .lag_critical = 10, .clock_skew_s = 60, \
	       .quota_percent = 10)

/* Which objects have been found on a mirror: kept between runs, by the caller. {0}: none yet. */
struct probe_state {
	uint64_t key;      /* of the order; 0: it is chosen by the next probe */
	uint64_t position; /* in the order: the last one that was asked for */
	uint64_t *found;   /* sorted hashes of the keys that were there with the right size */
	size_t found_count;
};
void probe_state_release(struct probe_state *s);
/* As bytes, at most 1 MiB: beyond 131,000 objects the order alone is kept. */
void probe_state_encode(const struct probe_state *s, struct buf *out);
/* ERR_INTEGRITY when they are damaged: begin with {0}. */
WARN_UNUSED int probe_state_parse(const void *data, size_t len, struct probe_state *out,
				  struct err *e);

struct probe_subject {
	const struct tree *release; /* the newest one, verified; NULL: not known */
	bool metadata_only;         /* an endpoint that is no mirror of the catalog */
	struct probe_state *state;  /* changed; NULL: none is kept */
	/* The same that is in m->env.cancel (its `cancel`): ends the calls of the mirror. */
	const struct deadline *deadline;
};

enum probe_shows {
	PROBE_SHOWS_UNKNOWN, /* not read, or nothing to compare with */
	PROBE_SHOWS_SAME,
	PROBE_SHOWS_OLDER,
	PROBE_SHOWS_NEWER,
	PROBE_SHOWS_OTHER, /* the same version, but other bytes */
};

struct probe {
	struct health_findings findings;
	bool up;          /* it answers, and what was read first could be read */
	uint64_t version; /* that timestamp.json claims; 0: it was not read */
	int64_t expires_s;
	enum probe_shows shows;
	uint64_t lag; /* releases behind, of OLDER */
	bool has_times;
	struct http_times times;       /* of the first request */
	uint64_t total_us;             /* of the whole probe */
	int64_t certificate_expires_s; /* 0: not known, or no https */
	bool has_clock;
	int64_t clock_skew_s; /* positive: the server's clock is ahead */
	bool has_quota;
	uint64_t quota_limit, quota_left; /* requests; until: */
	int64_t quota_reset_s;
	uint64_t objects;         /* that the mirror is meant to hold */
	uint64_t objects_checked; /* in this run */
	uint64_t objects_missing; /* of these: not there, or with another size */
};
void probe_release(struct probe *p);

/* Fills *out, which the caller initialises with {0} and releases. Faults are findings; negative
 * only when it was cancelled: not by the deadline, which is a finding, too. */
WARN_UNUSED int probe_mirror(const struct probe_subject *s, struct mirror *m,
			     const struct probe_options *o, struct probe *out, struct err *e);

/* -- of the repository ------------------------------------------------------------------- */

/* The roles of a release, and when they expire. */
struct probe_role {
	char *name; /* "root", "targets", …, or that of a delegated role; hash bins are one, named
		       by their prefix, with the expiry of the first of them */
	uint64_t version;
	int64_t expires_s;
};
struct probe_roles {
	struct probe_role *at; /* root, targets, snapshot, timestamp, then others by name */
	size_t count, cap;
};
void probe_roles_release(struct probe_roles *r);
WARN_UNUSED int probe_roles_read(const struct tree *t, struct probe_roles *out, struct err *e);

/* How long before its metadata expires a role is a warning, and critical. 0: 30 days and 7 days for
 * roles that people sign; for timestamp 1 day and 6 hours, for snapshot 2 days and 12 hours. */
struct probe_margins {
	uint64_t warning_s, critical_s;               /* root, targets and delegated roles */
	uint64_t online_warning_s, online_critical_s; /* snapshot and timestamp */
};
/* Adds the finding HEALTH_EXPIRY. */
void probe_expiry(const struct probe_roles *r, const struct probe_margins *margins, int64_t now_s,
		  struct health_findings *out);

#endif
