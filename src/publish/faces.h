/*
 * faces: a mirror with "faces" in ferry.conf gets what programs read that were made for a registry
 * or for the Hugging Face Hub, as files: the documents of room api, each with its media type, and
 * its model files once more under the names that these programs ask for.
 *
 *   oci   v2/_catalog, v2/NAME/MODEL/tags/list, …/manifests/TAG|DIGEST, …/blobs/DIGEST
 *   hub   api/models, api/models/NAME/MODEL, …/refs, …/revision/REVISION, …/tree/REVISION,
 *         NAME/MODEL/resolve/COMMIT/FILE
 *
 * NAME is that of the repository. In a folder, where a file cannot have the name of a folder and a
 * server takes the media type from the name, documents of the Hub end in ".json", and Docker's
 * manifests are in "manifests-docker": front/nginx.c has what serves them. A file is a copy made by
 * the mirror itself: in a folder, a second name of the same bytes.
 *
 * What is there is written to faces.json at the mirror. What no release needs any more is removed
 * FACES_GRACE_S after that began: who pulls an old manifest meanwhile still gets its blobs.
 */
#ifndef FERRY_PUBLISH_FACES_H
#define FERRY_PUBLISH_FACES_H

#include "publish/publication.h"

#define FACES_RECORD "faces.json"
#define FACES_GRACE_S (7 * 86400)

struct faces_options {
	unsigned faces; /* enum settings_face */
	int64_t now_s;
	const struct retry *retry;
};

/* The mirror shows the release of the tree. *written: how many files were put, copied or removed.
 * ERR_USAGE: the mirror cannot copy. */
WARN_UNUSED int faces_send(const struct tree *t, const struct publication *p, struct mirror *m,
			   const struct faces_options *o, size_t *written, struct err *e);

#endif
