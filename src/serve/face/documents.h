/* documents: what the faces share: making their answers, the parts of a path and of a query. */
#ifndef FERRY_SERVE_FACE_DOCUMENTS_H
#define FERRY_SERVE_FACE_DOCUMENTS_H

#include "api/registry.h"
#include "json/json.h"
#include "serve/face/face.h"

/* How long an answer may be kept: it is asked for again each time; for ever, because its URL names
 * its content; not at all. */
enum face_keep { FACE_FRESH, FACE_IMMUTABLE, FACE_NEVER };

/* All of these make *out, which is empty before. v NULL: nobody's. */
void face_document_bytes(struct face_answer *out, const struct view *v, const char *type,
			 enum face_keep keep, const void *data, size_t len);
/* Takes the value. */
void face_document_json(struct face_answer *out, const struct view *v, enum face_keep keep,
			json_t *value);
void face_document_file(struct face_answer *out, struct view *v, const struct view_file *f,
			enum face_keep keep);
/* A JSON document with another status than 200; takes the value. */
void face_document_error(struct face_answer *out, unsigned status, json_t *value);
/* A short text, with a newline behind it, which nobody keeps. */
void face_document_text(struct face_answer *out, unsigned status, const char *text);
/* Without effect when there are FACE_HEADERS of them. */
void face_document_header(struct face_answer *out, const char *name, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* "/a/b/c/d" with max 3: "a", "b" and "c/d". False: a part is empty, or there is none. */
bool face_document_split(const char *path, struct str_list *out, size_t max);
/* The value of a member of the query, decoded; NULL: there is none, or it is malformed. The caller
 * frees it. */
char *face_document_query(const char *query, const char *name);

/* The model NAME/MODEL that the caller may pull; false: there is none. */
struct face_model {
	struct view *view; /* borrowed from the request's views */
	const struct card *card;
	/* What is made of it for the faces; NULL: a worker has to make it, or it was not asked for.
	 */
	const struct api_registry *api;
};
bool face_document_model(const struct face_views *views, const struct face_request *r,
			 const char *repository, const char *model, struct face_model *out);
/* The models that the caller may pull, sorted by repository and id: at most `max` of those behind
 * `after` ("NAME/MODEL"; NULL: from the first). */
struct face_models {
	struct face_model *at;
	size_t count, cap;
	bool more; /* there are others behind them */
};
void face_document_models(const struct face_views *views, const struct face_request *r,
			  const char *after, size_t max, struct face_models *out);
void face_document_models_release(struct face_models *m);

#endif
