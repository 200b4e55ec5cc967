/*
 * What ferry.conf says about repositories and mirrors, as far as the catalog needs it:
 * nothing is opened, so every kind of mirror may stand there, whether this program can
 * speak to it or not.
 *
 * The tables of keys here are the one list for everybody who reads these sections.
 */
#ifndef FERRY_SETTINGS_MIRRORS_H
#define FERRY_SETTINGS_MIRRORS_H

#include "json/json.h"
#include "settings/conf.h"

/* [repository.NAME]: publisher's and client's keys. NULL-ended, for conf_check_keys(). */
extern const char *const catalog_repository_keys[];

/* "file", "http", "s3", "r2", "github", "git"; NULL-ended. */
extern const char *const catalog_mirror_kinds[];
/* Every key that [mirror.NAME] of this kind may have, the common ones included;
 * NULL-ended. NULL for an unknown kind. */
const char *const *catalog_mirror_keys(const char *kind);

/* GitHub: the default part-size. A whole number of pieces of any grid, under 2 GiB. */
#define CATALOG_PART_SIZE (1 * GIB)

/* The publisher's half of [repository.NAME]. */
struct catalog_source {
	char *name;
	char *title;                    /* or NULL */
	char *dir;                      /* path, or NULL */
	char *keys;                     /* or NULL */
	char *passphrase_file;          /* or NULL */
	uint64_t root_s, targets_s, snapshot_s, timestamp_s;    /* expires-…; 0: not set */
};
void catalog_source_release(struct catalog_source *s);

/* The section `name`, or with NULL the only one that has a path (or the only one at all).
 * ERR_USAGE when there is none or NULL is ambiguous, for an unknown key or a bad value. */
WARN_UNUSED int catalog_source_load(const struct conf *c, const char *name,
				    struct catalog_source *out, struct err *e);

/*
 * The "mirrors" array of the repository's catalog, sorted by priority, then id; the
 * caller owns it. Left out are the mirrors of other repositories, those marked `stage`
 * (readers do not use them), and those that have no URL for readers, whose names go to
 * *hidden (may be NULL). ERR_USAGE with file and line for anything wrong.
 */
WARN_UNUSED int catalog_mirrors(const struct conf *c, const char *repository, json_t **out,
				struct str_list *hidden, struct err *e);

#endif
