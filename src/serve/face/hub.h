/*
 * hub: the API of the Hugging Face Hub, read only: api/hub.h has the documents, and the clients
 * that they were read from.
 *
 *   /api/models?author=&search=&limit=&cursor=        the models that the caller may pull
 *   /api/models/NAME/MODEL[/revision/REVISION]
 *   /api/models/NAME/MODEL/refs
 *   /api/models/NAME/MODEL/tree/REVISION[/FOLDER]?recursive=
 *   /api/models/NAME/MODEL/paths-info/REVISION        POST: the entries of some paths
 *   /NAME/MODEL/resolve/REVISION/FILE
 *
 * A client finds a file's digest, size and commit in the headers X-Linked-Etag, X-Linked-Size and
 * X-Repo-Commit (huggingface_hub, file_download.py, get_hf_file_metadata), and why there is none in
 * X-Error-Code (huggingface_hub, utils/_http.py, hf_raise_for_status).
 */
#ifndef FERRY_SERVE_FACE_HUB_H
#define FERRY_SERVE_FACE_HUB_H

#include "serve/face/face.h"

/* Is the path one that clients POST to, with a question in the body? */
bool face_hub_is_post(const char *path);

/* Is the path one of the Hub? Then it answers, else it leaves *out as it is. */
bool face_hub(const struct face_views *v, const struct face_request *r, struct face_answer *out);

#endif
