/*
 * Requests become sessions: what counts as a download.
 *
 * A session is an object and a client, in a window of 24 hours from the first request. Its bytes
 * are the union of the ranges that were sent, and the sum of what was sent where the log does not
 * say which bytes, at most the size of the object. A session with 99 % of the bytes is complete;
 * one that is not, and whose last request failed, has failed; any other with a byte is partial.
 * Downloads are the complete sessions.
 *
 * So it makes no difference how many ranges, connections, mirrors and attempts a download took, or
 * in which order the logs were read.
 *
 * Prefix: stats_session.
 */
#ifndef FERRY_STATS_SESSION_H
#define FERRY_STATS_SESSION_H

#include "stats/group.h"

/* The values are in the database. */
enum stats_outcome { STATS_COMPLETE, STATS_PARTIAL, STATS_FAILURE, STATS_OUTCOMES };

#define STATS_WINDOW_S 86400
/* So many different addresses with one token are not one client. */
#define STATS_SHARED 8

struct stats_session {
	uint32_t second; /* of the day, of its first request */
	uint64_t bytes;
	enum stats_outcome outcome;
	uint64_t mirrors; /* a bit for each that sent bytes or failed */
	char country[2];
	uint8_t agent;
	bool shared; /* a token from more than STATS_SHARED addresses */
};
typedef int stats_session_fn(void *ctx, const struct stats_session *s, struct err *e);

/*
 * Calls fn for each session that begins on the day, in no particular order. next: the groups of the
 * day after it (NULL: none): what they have of these sessions is marked as taken. size: of the
 * object, bytes. A session of which no byte was sent, and that did not fail, is none.
 */
WARN_UNUSED int stats_sessions_each(const struct stats_groups *day, struct stats_groups *next,
				    uint64_t size, stats_session_fn *fn, void *ctx, struct err *e);

#endif
