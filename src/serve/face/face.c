#include "serve/face/face.h"

#include "front/front.h"
#include "serve/face/documents.h"
#include "serve/face/hub.h"
#include "serve/face/plain.h"
#include "serve/face/registry.h"

#include <stdlib.h>
#include <string.h>

void face_answer_release(struct face_answer *a)
{
	free(a->etag);
	for (size_t i = 0; i < a->header_count; i++)
		free(a->headers[i].value);
	buf_release(&a->body);
	view_unref(a->view);
	*a = (struct face_answer){ 0 };
}

/* Each answers if the path is one of its own. The plain one is first: its paths are the most
 * frequent, and no other has them. */
static const struct {
	const char *name;
	bool (*answer)(const struct face_views *v, const struct face_request *r,
		       struct face_answer *out);
} faces[] = {
	{ "plain", face_plain },
	{ "oci", face_registry },
	{ "hub", face_hub },
};

/* A cache that others share must not have what was answered to credentials (RFC 9111, 3.5: "public"
 * would allow it). */
static void keep_private(const struct face_request *r, struct face_answer *out)
{
	if (r->who && r->who->known && out->cache && strcmp(out->cache, FRONT_IMMUTABLE) == 0)
		out->cache = FACE_PRIVATE;
}

const char *face_methods(const char *path)
{
	return face_hub_is_post(path) ? "POST" : "GET HEAD";
}

static void finish(const struct face_request *r, const char *face, struct face_answer *out)
{
	if (!out->status) {
		face_answer_release(out);
		return;
	}
	out->face = face;
	keep_private(r, out);
}

void face_answer(const struct face_views *v, const struct face_request *r, struct face_answer *out)
{
	for (size_t i = 0; i < ARRAY_LEN(faces); i++)
		if (faces[i].answer(v, r, out)) {
			finish(r, faces[i].name, out);
			return;
		}
	face_document_text(out, 404, "not found");
}
