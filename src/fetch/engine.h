/*
 * The engine: downloads the missing pieces of a partial file from the sources.
 *
 * It uses one source at a time, on one connection: a run of missing pieces is one ranged request,
 * hashed while it arrives. If the source fails, the next best continues at the same byte; a wrong
 * piece is fetched again from another source. If a wrong piece came from several sources, none of
 * them is blamed: it is fetched again from a single source.
 */
#ifndef FERRY_FETCH_ENGINE_H
#define FERRY_FETCH_ENGINE_H

#include "fetch/partial.h"
#include "fetch/source.h"
#include "util/rate.h"

struct engine_options {
	struct rate *rate; /* shared with other files and mirrors; NULL: no limit */
	struct report *report;
};

struct engine_job {
	const char *key; /* on every source */
	struct partial *partial;
};

/* Returns when no piece is missing. Verified pieces are kept in any case; the list records what
 * each source did. ERR_SYSTEM when the disk fails; source_list_err() when no source is left. */
WARN_UNUSED int engine_run(struct source_list *sources, const struct engine_job *job,
			   const struct engine_options *options, struct err *e);

#endif
