/*
 * view: the verified release of a repository, as an edge shows it: all files that a mirror of it
 * has, by key, and the cards of its models.
 *
 * A view never changes. A refresh makes a new one and puts it in the place of the old one; whoever
 * answers a request keeps the one that the request began with.
 *
 * A client that began with an earlier release still finds its files: a view also has those of the
 * VIEW_BEFORE releases before its own that this process has seen, unless they are withdrawn.
 */
#ifndef FERRY_SERVE_CACHE_VIEW_H
#define FERRY_SERVE_CACHE_VIEW_H

#include "catalog/catalog.h"
#include "fetch/source.h"
#include "publish/tree.h"
#include "settings/repository.h"

#define VIEW_BEFORE 3

struct view;

/* From any thread. */
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
/* Several files may have the same bytes: nth counts from 0, to the first that is not there. */
bool view_find_digest(const struct view *v, const struct digest *sha256, size_t nth,
		      struct view_file *out);

/* The piece digests of an object, from its manifest. If the view does not have the bytes of the
 * manifest `f`, read() appends them to `out`. ERR_INTEGRITY: the release has no manifest of the
 * object, or it is damaged. */
struct view_read {
	int (*read)(void *ctx, struct view *v, const struct view_file *f, struct buf *out,
		    struct err *e);
	void *ctx;
};
WARN_UNUSED int view_pieces(struct view *v, const struct view_file *f, const struct view_read *how,
			    struct tree_pieces *out, struct err *e);

/* Appends a source for each endpoint of the repository (set NULL: it has none), and for each mirror
 * of the catalog that has objects, unless the repository says catalog-mirrors = no. */
void view_mirrors_add(struct source_list *l, const struct settings_repository *set,
		      const struct catalog *c);
/* For source_list.read_places: ctx is the view. */
WARN_UNUSED int view_read_places(void *ctx, const struct source *s, struct mirror *m,
				 struct err *e);

/* The cards of all models, sorted by id; read and verified when the view was made. */
const struct card *view_models(const struct view *v, size_t *count);
const struct card *view_model(const struct view *v, const char *id); /* or NULL */
/* What a reader of the view has made from a card, and which is freed with the release. */
struct view_kept {
	void (*free)(struct view_kept *k);
};
/* What is kept of a model of view_models(); NULL: nothing. From any thread, like the next one. */
const struct view_kept *view_kept(const struct view *v, const struct card *c);
/* Takes it. Returns what is kept, which another thread may have made before. */
const struct view_kept *view_keep(const struct view *v, const struct card *c, struct view_kept *k);
/* The file of a variant; ERR_INTEGRITY when the release does not list it. */
WARN_UNUSED int view_card_file(const struct view *v, const struct card_file *f,
			       struct view_file *out, struct err *e);

/*
 * The views of all repositories that are served. The newest verified release of each is copied from
 * its endpoints and mirrors (publish/newest.h):
 *
 *   edge/NAME/0, edge/NAME/1   copies below the store's home; the other one is written to
 *   edge/NAME/current          which of them is complete: an edge starts with it, without a network
 *   edge/NAME/trust            what was trusted: an older release is never shown again
 */
struct views_options {
	const char *home; /* of the store */
	/* Borrowed, like the others, as long as the views. */
	const struct settings_repository *const *repositories;
	size_t count;
	struct http_access_list *access; /* or NULL */
	const struct mirror_ops *const *kinds;
	uint64_t stall_s;   /* 0: the mirrors' default */
	uint64_t refresh_s; /* how often the mirrors are asked; 0: only by views_refresh() */
	const struct clock *clock;
	const struct cancel *cancel;
	struct report *report;
	/* Of each new view, also of the last copy: takes the reference. From the caller of
	 * views_new() and from the thread that refreshes. NULL: nobody is told. */
	void (*shown)(void *ctx, struct view *v);
	void *ctx;
};
struct views;
/* Reads the last copies, which needs no network, and starts to ask the mirrors: a repository has no
 * view before one of the two succeeded. */
WARN_UNUSED int views_new(const struct views_options *o, struct views **out, struct err *e);
/* Ends its thread. References to views stay valid. */
void views_free(struct views *vs);
DEFINE_CLEANUP(struct views, views_free);

/* Asks the mirrors of a repository (NULL: of all) now. For workers: it waits for the network. The
 * error is the first one; the last view stays. ERR_NOT_FOUND: there is no such repository. */
WARN_UNUSED int views_refresh(struct views *vs, const char *repository, struct err *e);

/* Of a repository, for /healthz and /metrics. */
struct views_state {
	const char *repository; /* borrowed from the views */
	bool there;             /* it has a view */
	uint64_t version;
	int64_t expires_s;
	int64_t asked_s; /* when mirrors were asked last and one of them answered; 0: never */
	uint64_t refreshed, failed; /* how often */
	char why[256];              /* the last failure, unescaped; "": the last time was none */
};
void views_state(struct views *vs, size_t index, struct views_state *out);

#endif
