/*
 * Adding a repository to the configuration, and removing it.
 *
 * What always holds here:
 *  - nothing is written before everything has been verified, from the pinned root to the catalog;
 *    the configuration is written last, atomically;
 *  - the rest of the configuration stays byte for byte;
 *  - the pinned root is copied to NAME.root.json beside the configuration, so that it does not
 *    depend on the given file or the store.
 */
#ifndef FERRY_FETCH_REMOTE_ADD_H
#define FERRY_FETCH_REMOTE_ADD_H

#include "fetch/remote.h"

struct remote_add {
	const char *conf_path; /* need not exist yet */
	const char *name;
	char *const *urls; /* a folder is accepted in place of its file:// URL */
	size_t url_count;
	const char *root;        /* the pinned root's file; or */
	const char *root_sha256; /* its SHA-256 in hex */
};

/*
 * Adds [repository.NAME]. *out is the verified remote with its catalog and the state of its
 * endpoints; the caller frees it. *pin is the file that the root was copied to, or NULL; caller
 * frees.
 *
 * ERR_USAGE for a bad name, URL, hash or root file; ERR_CONFLICT when the name is taken, in the
 * configuration or by the trust folder of another repository; else what remote_open() returns.
 */
WARN_UNUSED int remote_add(const struct remote_add *what, const struct store *s,
			   const struct remote_options *options, struct remote **out, char **pin,
			   struct err *e);

struct remote_removed {
	bool section;           /* it existed */
	struct str_list purged; /* removed files and folders */
	struct str_list kept;   /* files and folders that purge would remove */
};
void remote_removed_release(struct remote_removed *r);

/*
 * Removes the section, and with `purge` also the trust folder and NAME.root.json beside the
 * configuration. Models in the store are kept. If the section is already gone, `purge` removes
 * what an earlier call kept.
 *
 * ERR_NOT_FOUND when nothing has that name; ERR_USAGE when the section contains more than what
 * fetching needs: it is a publisher's.
 */
WARN_UNUSED int remote_remove(const char *conf_path, const char *name, const struct store *s,
			      bool purge, struct remote_removed *out, struct err *e);

#endif
