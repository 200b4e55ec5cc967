/* [repository.NAME]: a repository that is published or fetched from this machine, or both. */
#ifndef FERRY_SETTINGS_REPOSITORY_H
#define FERRY_SETTINGS_REPOSITORY_H

#include "settings/conf.h"

struct settings_repository {
	char *name;
	char *where; /* "ferry.conf:12", for messages; NULL: not from a file */

	/* For the publisher. */
	char *title;                                         /* or NULL */
	char *dir;                                           /* path: its tree; or NULL */
	char *keys;                                          /* or NULL */
	char *passphrase_file;                               /* or NULL */
	uint64_t root_s, targets_s, snapshot_s, timestamp_s; /* expires-…; 0: not set */
	uint64_t catalog_max;                                /* catalog-max-size; 0: not set */
	uint64_t keep_versions; /* superseded ones of a variant; UINT64_MAX: not set */

	/* For clients. */
	struct str_list metadata; /* base URLs of endpoints; none: it is not fetched from this
				     machine */
	bool no_mirrors;          /* catalog-mirrors = no: read from those endpoints alone */
	char *root;               /* the pinned root's file, or NULL */
	char *root_sha256;        /* or its digest in hex, or NULL */
	uint64_t targets_max;     /* bytes; 0: the default of tuf/client.h */
};
void settings_repository_release(struct settings_repository *r);

struct settings_repositories {
	const char *path;               /* of the configuration, borrowed; NULL: there is none */
	struct settings_repository *at; /* in the order of the file */
	size_t count, cap;
};
void settings_repositories_release(struct settings_repositories *r);

/* All sections. ERR_USAGE with file and line for anything wrong in any of them. */
WARN_UNUSED int settings_repositories_read(const struct conf *c, struct settings_repositories *out,
					   struct err *e);
/* Moves what clients can use of `more` to `all`, unless `all` has that name for clients. */
void settings_repositories_add(struct settings_repositories *all,
			       struct settings_repositories *more);
/* There is no repository of this name: sets an error of this class, which says where, and a hint
 * with the nearest name. */
int settings_repositories_unknown(const struct settings_repositories *all, const char *name,
				  enum err_class class, struct err *e);
/* Borrowed; or NULL. */
const struct settings_repository *settings_repositories_find(const struct settings_repositories *r,
							     const char *name);

/* The one to publish: `name`, or with NULL the only one with a path (or the only one). ERR_USAGE
 * when there is none, or NULL is ambiguous. */
WARN_UNUSED int settings_repository_published(const struct conf *c, const char *name,
					      struct settings_repository *out, struct err *e);

/* Is it a URL that metadata can be read from, by its scheme? */
bool settings_repository_reads(const char *url);

/* The keys that only clients need, NULL-ended: a section with no others may be removed, because
 * `ferry repository add` could have written it. */
extern const char *const settings_repository_client_keys[];

#endif
