/*
 * mirrors: the mirrors that a command uses.
 */
#ifndef FERRY_PUBLISH_MIRRORS_H
#define FERRY_PUBLISH_MIRRORS_H

#include "mirror/mirror.h"

struct mirrors_entry {
	const struct settings_mirror *settings; /* borrowed */
	bool chosen;                            /* named, or no names were given */
	struct mirror *mirror;                  /* NULL: it could not be opened */
	struct err error;                       /* then: why */
	struct rate rate;                       /* its own limit-rate, within the one of all */
};

struct mirrors {
	struct mirrors_entry *at; /* in the order of the settings */
	size_t count;
};
void mirrors_release(struct mirrors *p);
/* NULL: none has this id. */
const struct mirrors_entry *mirrors_find(const struct mirrors *p, const char *id);

/*
 * Opens them. A mirror that cannot be opened is in the list with its error, so that it does not
 * stop the others. names: the mirrors to choose; none: all. ERR_USAGE for an unknown name (with the
 * nearest one). settings are
 * borrowed, and so is env->rate.
 */
WARN_UNUSED int mirrors_open(const struct settings_mirrors *settings, const char *const *names,
			     size_t name_count, const struct mirror_ops *const *kinds,
			     const struct mirror_env *env, struct mirrors *out, struct err *e);

#endif
