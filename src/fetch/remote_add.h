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
#include "settings/join.h"

struct remote_add {
	const char *conf_path; /* need not exist yet */
	const char *name;      /* NULL: the one in the signed catalog */
	char *const *urls;     /* a folder is accepted in place of its file:// URL */
	size_t url_count;
	const char *root;                /* the pinned root's file; or */
	const char *root_sha256;         /* its SHA-256 in hex */
	struct http_access_list *access; /* borrowed by the remote; or NULL */
};

/* A repository that was verified, and is not trusted yet: nothing was written but in a scratch
 * folder of the store, which remote_adding_free() removes. */
struct remote_adding {
	char *name;
	struct remote *remote; /* with its catalog and the state of its endpoints */
	/* What is written as `metadata`: the given URLs, then those of the catalog's mirrors that
	 * hold metadata and answered. */
	struct str_list urls;
	size_t given;
	struct digest root; /* the SHA-256 of the pinned root */
	bool first;         /* that is 1.root.json, so that others can begin with the digest */
	char *twin;         /* the section that has the same pinned root already; or NULL */
	char *pin;          /* where a copy of the root's file is going to be; or NULL */

	/* for remote_add*.c */
	char *trust_name; /* of the trust folder so far: the remote has it, too */
	char *conf_path;
	struct buf root_bytes; /* of the given file; empty: there is none */
	const struct store *store;
	struct store scratch; /* home NULL: the repository was trusted under this name before */
};
void remote_adding_free(struct remote_adding *a);
DEFINE_CLEANUP(struct remote_adding, remote_adding_free);

/*
 * Verifies a repository that is to be added as [repository.NAME], and asks its endpoints and the
 * mirrors of its catalog how they are.
 *
 * ERR_USAGE for a bad name, URL, hash or root file; ERR_CONFLICT when the name is taken, in the
 * configuration or by the trust folder of another repository, or when no name is given and the
 * configuration has the repository; else what remote_open() returns.
 */
WARN_UNUSED int remote_add_open(const struct remote_add *what, const struct store *s,
				const struct remote_options *options, struct remote_adding **out,
				struct err *e);
/* Adds it. From then on, nothing may be asked of a->remote. ERR_CONFLICT when another process took
 * the name meanwhile. */
WARN_UNUSED int remote_add_write(struct remote_adding *a, struct err *e);

/* Reads a file with which repositories are joined (settings/join.h), from a path or a URL of http
 * or https. ERR_USAGE when it is none. */
WARN_UNUSED int remote_add_file(const char *word, struct http_access_list *access,
				const struct remote_options *options, struct join *out,
				struct err *e);

/* Is it http:// to another machine, so that others on the way see what is fetched? */
bool remote_add_is_plain(const char *url);

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
