/*
 * The engine: brings the missing pieces of a partial file from the sources.
 *
 * This one asks one source at a time, on one connection: a run of missing pieces is one
 * ranged request, hashed while it arrives. When the source fails, the next best goes on at
 * the very byte; a piece whose bytes are wrong is fetched again from another source.
 * A piece that came from several sources and is wrong accuses nobody: it is fetched again from
 * one source alone.
 */
#ifndef FERRY_FETCH_ENGINE_H
#define FERRY_FETCH_ENGINE_H

#include "fetch/partial.h"
#include "fetch/source.h"
#include "util/rate.h"

struct engine_options {
	struct rate *rate;      /* shared with other files and mirrors; NULL: no limit */
	struct report *report;
};

struct engine_job {
	const char *key;        /* on every source */
	struct partial *partial;
};

/* Until no piece is missing. Good pieces stay whatever happens; what each source did is in
 * the list. ERR_SYSTEM when the disk fails; source_list_err() when no source is left. */
WARN_UNUSED int engine_run(struct source_list *sources, const struct engine_job *job,
			   const struct engine_options *options, struct err *e);

#endif
