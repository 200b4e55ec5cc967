/*
 * In which order the mirrors of a repository are asked, and which of them at all.
 *
 * Prefixes: source_list_, source_is_in_.
 */
#ifndef FERRY_FETCH_RANK_H
#define FERRY_FETCH_RANK_H

#include "fetch/source.h"
#include "util/opt.h"

/*
 * Sorts the sources:
 *   - those that sent wrong bytes lately (history.h) come last;
 *   - mirrors of the signed catalog come before URLs that only ferry.conf has;
 *   - those of `region` (NULL: none is preferred) come first: "eu" is the region eu, and those
 *     whose names begin with "eu-";
 *   - then by the priority of the catalog;
 *   - of those with the same priority, the ones that failed often lately come later; otherwise they
 *     stay in the order of ferry.conf, and those that are not in it in that of the catalog.
 * A detail of the report names each that comes last because of its past.
 */
void source_list_rank(struct source_list *l, const char *region);

/* Does a mirror of the catalog lie in this region? */
bool source_is_in_region(const struct source *s, const char *region);

/* Excludes mirrors of the catalog: all but those with the ids in `only` (unless that is empty), and
 * those in `without`. An endpoint of ferry.conf is then used for metadata and other small files
 * only, any other mirror for nothing. */
void source_list_select(struct source_list *l, const struct opt_list *only,
			const struct opt_list *without);

/* Writes to the history what each source did in this run. */
void source_list_remember(const struct source_list *l);

#endif
