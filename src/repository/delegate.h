/*
 * Delegations of a repository: named roles, which list the models below their own paths and have
 * their own keys, or hash bins for many files.
 *
 * What always holds here:
 *  - nothing is signed here: changes are drafts until the next sign;
 *  - a path belongs to exactly one role: its bin, or the first role whose patterns match it, or
 *    targets. No other role lists it;
 *  - catalog.json is always in targets: it contains a delegated model when its role has signed
 *    the files, with the card of the publisher.
 */
#ifndef FERRY_REPOSITORY_DELEGATE_H
#define FERRY_REPOSITORY_DELEGATE_H

#include "repository/repository.h"

#define REPOSITORY_MAX_BINS 4096

struct repository_delegation {
	const char *name;         /* of the role, or the prefix of bins */
	const char *const *paths; /* patterns of target paths; none for bins */
	size_t path_count;
	const char *const *key_files; /* public keys, PEM; for bins, none means those of
					 targets */
	size_t key_count;
	unsigned threshold;
	bool terminating;
	uint64_t bins; /* a power of two; 0: a role with a name */
};

/* ERR_USAGE: a pattern that cannot match a model file, or matches files of targets; fewer keys
 * than the threshold; named roles together with bins; a name that is taken. */
WARN_UNUSED int repository_delegate(struct repository *r, const struct repository_delegation *d,
				    struct err *e);

/*
 * Removes a delegation. The models of a named role are removed from the cards, or (adopt) kept
 * and signed by the publisher of targets from now on; appends their names. Files in bins move
 * back to targets. ERR_NOT_FOUND when there is no such role.
 */
WARN_UNUSED int repository_undelegate(struct repository *r, const char *name, bool adopt,
				      struct str_list *models, struct err *e);

#endif
