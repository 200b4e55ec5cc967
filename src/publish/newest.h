/*
 * newest: the newest release of a repository, verified, from whichever of its mirrors has it.
 *
 * All mirrors are asked for their timestamp.json at once. The small files of the one that claims
 * the newest version are copied into a folder and verified from the repository's root, as by a
 * client; if that fails, those of the next one. What was trusted once is kept beside the copy: an
 * older release is never trusted again.
 */
#ifndef FERRY_PUBLISH_NEWEST_H
#define FERRY_PUBLISH_NEWEST_H

#include "publish/tree.h"
#include "settings/repository.h"
#include "util/deadline.h"

struct newest_candidate {
	struct mirror *mirror;
	struct deadline *deadline; /* its token ends the mirror's calls; it is started anew */
};

struct newest_from {
	const struct settings_repository *repository;
	const char *dir;   /* of the copy; created */
	const char *trust; /* of what was trusted before; NULL: DIR/trust */
	const struct newest_candidate *candidates;
	size_t count;
	uint64_t above; /* only a release is copied whose version is higher; 0: any */
	int64_t now_s;
	uint64_t ms;      /* that it may take */
	uint64_t last_ms; /* that the tree may be read from a mirror, from then on; 0: for ever */
	const struct cancel *cancel;
};

struct newest_result {
	bool found; /* false: no mirror claims a version above that */
	struct tree tree;
	struct mirror *mirror; /* that it was read from; borrowed */
	struct retry retry;    /* of the tree, so that this struct must not be moved */
};
/* Releases the tree. */
void newest_release(struct newest_result *n);

/* The error is that of the mirror that claims the newest release; ERR_CANCELLED after a signal. */
WARN_UNUSED int newest_copy(const struct newest_from *from, struct newest_result *out,
			    struct err *e);

#endif
