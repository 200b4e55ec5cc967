/*
 * serve/face: what readers ask for, as pure functions over the views: the paths of a plain mirror
 * (plain.h), of a registry (registry.h) and of the Hugging Face Hub (hub.h). A face knows neither
 * the server nor the disk: it says which file of which view a path means, or makes a document from
 * the cards.
 *
 *   /NAME/metadata/…, /NAME/targets/…       a mirror of the repository NAME
 *   /metadata/…, /targets/…                 the same, if there is one repository
 *   /v2/NAME/MODEL/manifests|blobs|tags/…   OCI distribution-spec 1.1, read only
 *   /api/models…, /NAME/MODEL/resolve/REV/FILE   the Hub's API
 */
#ifndef FERRY_SERVE_FACE_FACE_H
#define FERRY_SERVE_FACE_FACE_H

#include "auth/auth.h"
#include "serve/cache/view.h"

/* The repositories that are served. Borrowed for one request. */
struct face_views {
	struct view *const *at;
	size_t count;
};

struct face_request {
	const char *method;         /* "GET", "HEAD" */
	const char *path;           /* decoded, without the query; begins with '/' */
	const char *query;          /* as it was sent, without '?'; or NULL */
	const char *accept;         /* the header's value, or NULL */
	const char *base;           /* "https://edge.example.org": for absolute URLs in documents */
	const struct auth_who *who; /* what they may not pull is not there */
	const char *body;           /* of POST, with a NUL behind it; or NULL */
	size_t body_len;
	bool may_work; /* it is a worker that asks, so that the answer may take long */
};

#define FACE_HEADERS 12
struct face_answer {
	unsigned status;    /* 200, 307, 404, …; a file that is sent in part becomes 206 later. 0:
			       this is for a worker, which is to ask again */
	const char *face;   /* "plain", "oci", "hub": for the log; NULL: none */
	const char *type;   /* Content-Type */
	const char *cache;  /* Cache-Control */
	char *etag;         /* with its quotes; owned; NULL: none */
	int64_t modified_s; /* Last-Modified, since 1970; 0: none. The same on every edge */
	struct {
		const char *name;
		char *value; /* owned */
	} headers[FACE_HEADERS];
	size_t header_count;
	/* One of: */
	struct buf body;       /* a document */
	struct view *view;     /* a file: owned reference, and */
	struct view_file file; /* what it is in the view */
	bool is_file;
};
/* Cache-Control of what never changes, but is for this caller only. */
#define FACE_PRIVATE "private, max-age=31536000, immutable"
void face_answer_release(struct face_answer *a);

/* The methods of a path, with spaces between them. */
const char *face_methods(const char *path);

/*
 * 404 in the form of the face, for what does not exist and for what the caller may not have. Where
 * the cost grows with the number of models or of versions, a worker has to ask: lists, and the
 * first answer about a model. With may_work, it always answers.
 */
void face_answer(const struct face_views *v, const struct face_request *r, struct face_answer *out);

#endif
