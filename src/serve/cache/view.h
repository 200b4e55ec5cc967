/*
 * view: the verified release of a repository, as an edge shows it: all files that a mirror of it
 * has, by key, and the cards of its models.
 *
 * A view never changes. A refresh makes a new one and puts it in the place of the old one; whoever
 * answers a request keeps the one that the request began with.
 */
#ifndef FERRY_SERVE_CACHE_VIEW_H
#define FERRY_SERVE_CACHE_VIEW_H

#include "catalog/catalog.h"
#include "fetch/source.h"
#include "publish/tree.h"
#include "settings/repository.h"

struct view;

/* From any thread. The view of a repository holds its own list of sources: nothing is shared. */
struct view *view_ref(struct view *v);
void view_unref(struct view *v); /* NULL is ignored */
DEFINE_CLEANUP(struct view, view_unref);

const char *view_repository(const struct view *v); /* NAME of [repository.NAME] */
uint64_t view_version(const struct view *v);       /* of timestamp.json */
int64_t view_expires_s(const struct view *v);      /* the first of its roles */
/* A mirror of the release needs credentials: what comes from it is for callers with credentials,
 * unless [serve] public = yes. */
bool view_is_private(const struct view *v);
/* The mirrors that its objects can be read from, by priority. Borrowed. */
const struct catalog *view_catalog(const struct view *v);

/* A file of the release. Borrowed from the view. */
struct view_file {
	const struct repository_file *file; /* key, class, size, digest, manifest_key */
	const struct buf *bytes; /* of metadata and other small files that a view always has; NULL:
				    an object, which cache_open() opens */
	const char *model;       /* the id of the model that it belongs to; NULL: none */
	bool withdrawn;          /* by the publisher: it is not served */
};
bool view_find(const struct view *v, const char *key, struct view_file *out);
bool view_find_digest(const struct view *v, const struct digest *sha256, struct view_file *out);

/* The cards of all models, sorted by id; read and verified when the view was made. */
const struct card *view_models(const struct view *v, size_t *count);
const struct card *view_model(const struct view *v, const char *id); /* or NULL */
/* The file of a variant; ERR_INTEGRITY when the release does not list it. */
WARN_UNUSED int view_card_file(const struct view *v, const struct card_file *f,
			       struct view_file *out, struct err *e);

#endif
