/* Shared by view.c, view_release.c, view_mirrors.c, view_candidates.c and views.c; not for others.
 */
#ifndef FERRY_SERVE_CACHE_VIEW_INTERNAL_H
#define FERRY_SERVE_CACHE_VIEW_INTERNAL_H

#include "publish/newest.h"
#include "serve/cache/view.h"

#include <stdatomic.h>

/* What is known of a file of a release, beside what the list says. */
struct view_entry {
	const struct repository_file *file;
	const char *model; /* of the catalog, or NULL */
	bool withdrawn;    /* each version that has it is */
	struct buf bytes;  /* of a small object; data NULL: they are not kept */
};

/* One release, shared by the views that have it. Never changes, but for what is kept of it. */
struct view_release {
	atomic_uint refs;
	struct tree tree;           /* its small files; nothing is read from a mirror any more */
	struct catalog catalog;     /* with the cards */
	struct view_entry *entries; /* one for each file of the tree */
	const struct view_entry **by_digest; /* the same, sorted by digest, then key */
	_Atomic(struct view_kept *) *kept;   /* one for each model, or NULL */
	int64_t expires_s;                   /* the first of its roles */
};

/* Where the files of a release are read that are not on the disk yet. */
struct view_from {
	const struct views_options *o;
	const struct settings_repository *repository;
	const char *other; /* the folder of an earlier copy, whose files are used again, or NULL */
	uint64_t ms;       /* how long the mirrors may take */
	const struct cancel *cancel;
};

/* From a tree that was just opened, which it always takes. The objects that are needed come from
 * tree->source; those that it does not have, from the other mirrors of the release. from is NULL:
 * all of it is in the tree's folder. */
WARN_UNUSED int view_release_new(struct tree *t, const struct view_from *from,
				 struct view_release **out, struct err *e);
struct view_release *view_release_ref(struct view_release *r);
void view_release_unref(struct view_release *r);
DEFINE_CLEANUP(struct view_release, view_release_unref);

const struct view_entry *view_release_find(const struct view_release *r, const char *key);
/* Of the files with this digest, from 0; or NULL. */
const struct view_entry *view_release_find_digest(const struct view_release *r,
						  const struct digest *d, size_t nth);

/* -- view_candidates.c --------------------------------------------------------------------- */
#define VIEW_CANDIDATES 80
/* The mirrors that a release can be read from. The struct must not be moved. */
struct view_candidates {
	const struct views_options *o; /* set before, borrowed, like: */
	const struct cancel *cancel;
	struct newest_candidate at[VIEW_CANDIDATES];
	struct deadline deadlines[VIEW_CANDIDATES];
	size_t count;
	struct err why; /* of the first that could not be opened; class 0: all could */
};
/* Opens the endpoints of the repository and, unless it says catalog-mirrors = no, the mirrors with
 * metadata that its last release names (v NULL: there is none). Each URL once. */
void view_candidates_find(struct view_candidates *c, const struct settings_repository *set,
			  const struct view *v);
void view_candidates_release(struct view_candidates *c); /* for CLEANUP */
/* Has the edge credentials for an endpoint of the repository, or for a mirror of the catalog? */
bool view_candidates_are_private(const struct views_options *o, const struct cancel *cancel,
				 const struct settings_repository *set, const struct catalog *c);

/* -- view_mirrors.c ------------------------------------------------------------------------ */
/* As view_read_places(); ctx is the release. */
WARN_UNUSED int view_mirrors_places(void *ctx, const struct source *s, struct mirror *m,
				    struct err *e);
/* Reads small objects from the release's mirrors: those of the entries that are marked, into their
 * bytes and the tree's folder. Waits for the network. */
WARN_UNUSED int view_mirrors_read(struct view_release *r, const struct view_from *from,
				  const bool *marked, struct err *e);

struct view {
	atomic_uint refs;
	char *repository;
	bool is_private;
	struct view_release *now;
	struct view_release *before[VIEW_BEFORE]; /* the latest first */
	size_t before_count;
};
/* Takes the reference to the release. `last` is the view before it, or NULL. */
struct view *view_new(const char *repository, bool is_private, struct view_release *now,
		      const struct view *last);

#endif
