/*
 * registry: a read-only registry: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/
 * spec.md, "Pull" and "Content Discovery".
 *
 *   /v2/                                    what it is
 *   /v2/_catalog?n=&last=                   NAME/MODEL of all models that the caller may pull
 *   /v2/NAME/MODEL/tags/list?n=&last=
 *   /v2/NAME/MODEL/manifests/TAG|DIGEST     api/registry.h
 *   /v2/NAME/MODEL/blobs/DIGEST
 *   /v2/NAME/MODEL/referrers/DIGEST         none
 *
 * A reader whose Accept names Docker's manifest and neither OCI's nor any type gets Ollama's
 * manifest for a tag: Ollama asks so (ollama/ollama, server/images.go, pullModelManifest; commit
 * 5dbb81b). A blob is had only through a model that contains it.
 */
#ifndef FERRY_SERVE_FACE_REGISTRY_H
#define FERRY_SERVE_FACE_REGISTRY_H

#include "serve/face/face.h"

/* Is the path one of a registry? Then it answers, else it leaves *out as it is. */
bool face_registry(const struct face_views *v, const struct face_request *r,
		   struct face_answer *out);

/*
 * GET /v2/token, to which a Bearer challenge sends readers: {"token": …}. authorization: the
 * header's value, or NULL. The password of Basic credentials, which is a key or a token of ours, is
 * handed back, so that it comes as Bearer. Without credentials, and with others, the token is
 * AUTH_ANONYMOUS (auth/auth.h), which stands for none.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
#define FACE_REGISTRY_TOKEN "/v2/token"
void face_registry_token(const char *authorization, struct face_answer *out);

#endif
