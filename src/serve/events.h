/*
 * events: what happens in an edge, as it happens, for those who watch it: server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 * The last EVENTS_KEPT events are kept, once for all readers: one that is too slow is told that it
 * has missed some, and costs no memory. Nobody who tells something waits for a reader.
 *
 * Prefixes: events_.
 */
#ifndef FERRY_SERVE_EVENTS_H
#define FERRY_SERVE_EVENTS_H

#include "json/json.h"
#include "serve/route.h"
#include "util/report.h"

#define EVENTS_KEPT 256
#define EVENTS_READERS 64
#define EVENTS_BEAT_S 15 /* a comment is sent then, so that readers who have left are noticed */

struct clock;
struct events;
/* What is reported to events_report() is passed on to `to`; NULL: to nobody. Both are borrowed. */
struct events *events_new(const struct clock *clock, struct report *to);
void events_free(struct events *ev); /* without readers; NULL is ignored */

/* Takes the data. The numbers of events grow, also from one process to the next. */
void events_tell(struct events *ev, const char *kind, json_t *data);
/* For those who do the work of an edge: what they report becomes events "pull", with "state" begun,
 * progress (at most once a second), done or failed, and "warning". */
struct report *events_report(struct events *ev);

/* A stream of the events after the one with this number; `after` NULL: of those from now on. NULL:
 * there are EVENTS_READERS already. */
struct route_stream *events_read(struct events *ev, const char *after);
/* To be called about once a second. */
void events_tick(struct events *ev);
/* No event comes any more: ends the streams of all readers. */
void events_end(struct events *ev);

#endif
