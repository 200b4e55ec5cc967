/*
 * Targets of a repository, verified, in a folder: what a plain TUF client does. Model
 * files do not go this way (fetch/): an artifact is held in memory while it is verified.
 */
#ifndef FERRY_TUF_ARTIFACT_H
#define FERRY_TUF_ARTIFACT_H

#include "tuf/client.h"

#define TUF_ARTIFACT_MAX GIB

/* Fetches by the name below the repository's targets folder, as it is to be requested;
 * at most out->max bytes. */
typedef int (*tuf_artifact_get)(void *ctx, const char *name, struct buf *out, struct err *e);

/*
 * Looks the path up and puts the file into dir, whose name there is the percent-encoded
 * path, so that no path leaves the folder. A file that is there with the signed length
 * and hashes is not fetched again; one that does not fit is replaced, but only by one that
 * does.
 *
 * ERR_NOT_FOUND: nobody lists the path. ERR_INTEGRITY: longer than signed or other
 * bytes; over TUF_ARTIFACT_MAX; no hash of a known algorithm.
 */
WARN_UNUSED int tuf_artifact_fetch(struct tuf_client *c, const char *path,
				   tuf_artifact_get get, void *ctx, const char *dir,
				   struct err *e);

#endif
