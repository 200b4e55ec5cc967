/*
 * Taking a repository into the configuration, and out of it.
 *
 * What always holds here:
 *  - nothing is written before the trust was begun and everything verified, from the pinned
 *    root to the catalog; the configuration is written last, and atomically;
 *  - of the configuration everything else stays byte for byte;
 *  - the pinned root is kept beside the configuration, as NAME.root.json: it survives the
 *    file that it was given in, and the store.
 */
#ifndef FERRY_FETCH_REMOTE_ADD_H
#define FERRY_FETCH_REMOTE_ADD_H

#include "fetch/remote.h"

struct remote_add {
	const char *conf_path;          /* need not be there yet */
	const char *name;
	char *const *urls;              /* a folder may stand for its file:// URL */
	size_t url_count;
	const char *root;               /* the pinned root's file; or */
	const char *root_sha256;        /* its SHA-256 in hex */
};

/*
 * Adds [repository.NAME]. *out is the verified remote: its catalog, and what its endpoints
 * turned out to be, to be looked at and freed. *pin is the file that the root was copied to, or
 * NULL; caller frees.
 *
 * ERR_USAGE for a bad name, URL, hash or root file; ERR_CONFLICT when the name is taken, in
 * the configuration or by another repository's trust; else what remote_open() returns.
 */
WARN_UNUSED int remote_add(const struct remote_add *what, const struct store *s,
			  const struct remote_options *options, struct remote **out,
			  char **pin, struct err *e);

struct remote_removed {
	bool section;           /* there was one */
	struct str_list purged; /* files and folders that were removed */
	struct str_list kept;   /* those that purging would remove */
};
void remote_removed_release(struct remote_removed *r);

/*
 * Takes the section out, and with `purge` removes the trust folder and the NAME.root.json beside
 * the configuration. Models in the store stay. Without a section but with `purge` it removes
 * what an earlier call has kept.
 *
 * ERR_NOT_FOUND when there is nothing of that name; ERR_USAGE when the section says more
 * than how to fetch: then it is the publisher's.
 */
WARN_UNUSED int remote_remove(const char *conf_path, const char *name, const struct store *s,
			     bool purge, struct remote_removed *out, struct err *e);

#endif
