/*
 * mirrors: those of ferry.conf that a command works on.
 */
#ifndef FERRY_PUBLISH_MIRRORS_H
#define FERRY_PUBLISH_MIRRORS_H

#include "mirror/mirror.h"

struct mirrors_entry {
	const struct conf_section *section;     /* borrowed from the configuration */
	const char *id, *kind;                  /* borrowed; kind NULL if not given */
	enum mirror_holds holds;
	bool stage;
	uint64_t priority;
	bool chosen;                    /* named, or nothing was named */
	struct mirror *mirror;          /* NULL: it did not open */
	struct err error;               /* then: why */
};

struct mirrors {
	struct mirrors_entry *at;               /* in the order of the file */
	size_t count, cap;
	struct rate *rate;                      /* [fetch] limit-rate, for all of them together */
};
void mirrors_release(struct mirrors *p);

/*
 * Opens the mirrors of [mirror.…] that belong to the repository (all of them when NULL).
 * A mirror that does not open is in the list, with its error: it must not stop the others.
 * names: the ones to choose; none: all. ERR_USAGE for a name that is not there (with the
 * nearest), for no mirror at all, and for a mirror that does not say to which of several
 * repositories it belongs.
 */
WARN_UNUSED int mirrors_open(const struct conf *c, const char *repository,
			    const char *const *names, size_t name_count,
			    const struct mirror_ops *const *kinds,
			    const struct cancel *cancel, struct mirrors *out,
			    struct err *e);

/* [publish]: checks its keys. *quorum 0: not set. */
WARN_UNUSED int settings_quorum(const struct conf *c, uint64_t *quorum, struct err *e);

#endif
