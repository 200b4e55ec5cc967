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
/* `to` gets what is reported, too; NULL: nobody. Both are borrowed. */
struct events *events_new(const struct clock *clock, struct report *to);
void events_free(struct events *ev); /* without readers; NULL is ignored */

/* Takes the data. Numbers grow, also from one process to the next. */
void events_tell(struct events *ev, const char *kind, json_t *data);
/* For those who do the work of an edge: what they report becomes events "pull", with "state" begun,
 * progress (at most once a second), done or failed, and "warning". */
struct report *events_report(struct events *ev);

/* What comes from now on; `after`: what came after this number, or NULL. NULL: too many read. */
struct route_stream *events_read(struct events *ev, const char *after);
/* To be called about once a second. */
void events_tick(struct events *ev);
/* Nothing comes any more: readers are told so. */
void events_end(struct events *ev);

#endif
