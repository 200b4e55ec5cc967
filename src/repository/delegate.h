/*
 * Delegations of a repository: named roles that list the models below their own paths, signed
 * with keys of their own, or hash bins for very many files.
 *
 * What always holds here:
 *  - nothing is signed: changes are drafts until a sign;
 *  - a path belongs to one: its bin, or the first role whose patterns cover it, or
 *    targets. Nobody else's list is written with it;
 *  - catalog.json is always in targets: a delegated model is in it when its role has signed
 *    the files, and as the publisher of targets has its card.
 */
#ifndef FERRY_REPOSITORY_DELEGATE_H
#define FERRY_REPOSITORY_DELEGATE_H

#include "repository/repository.h"

#define REPOSITORY_MAX_BINS 4096

struct repository_delegation {
	const char *name;               /* of the role, or the prefix of bins */
	const char *const *paths;       /* patterns of target paths; none for bins */
	size_t path_count;
	const char *const *key_files;   /* public keys, PEM; of bins none: those of targets */
	size_t key_count;
	unsigned threshold;
	bool terminating;
	uint64_t bins;                  /* a power of two; 0: a role with a name */
};

/* ERR_USAGE: a pattern that covers no model file, or files that are targets' own; keys fewer
 * than the threshold; named roles besides bins; a name that is taken. */
WARN_UNUSED int repository_delegate(struct repository *r, const struct repository_delegation *d,
				    struct err *e);

/*
 * Takes it back. The models of a named role leave the cards, or (adopt) stay, to be signed by the
 * publisher of targets from now on; appends their names. Files in bins go back to targets.
 * ERR_NOT_FOUND when there is no such role.
 */
WARN_UNUSED int repository_undelegate(struct repository *r, const char *name, bool adopt,
				      struct str_list *models, struct err *e);

#endif
