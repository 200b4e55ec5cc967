/*
 * The names of objects in the releases of a repository on GitHub: which tag, and which assets.
 *
 * What always holds here:
 *  - the names depend on the key of the object and the settings of the mirror alone, so every
 *    reader computes the same ones (ferry-repository(7), "OBJECTS IN RELEASES");
 *  - tags and assets consist of a-z, 0-9, '.', '_', '-' and (only before the number of a
 *    follow-up release) '+', so that GitHub does not rename an asset and git accepts the tag:
 *    https://docs.github.com/rest/releases/assets#upload-a-release-asset
 *    https://git-scm.com/docs/git-check-ref-format
 *  - a name that had to be changed contains 8 hex digits of the SHA-256 of the original. A name
 *    that looks as if it had been changed is changed, too: so both never meet.
 */
#ifndef FERRY_GITHUB_NAME_H
#define FERRY_GITHUB_NAME_H

#include "util/base.h"

/* Of struct mirror's part-size; GitHub refuses assets of 2 GiB. */
#define GITHUB_NAME_PART_SIZE GIB
/* A release has at most so many assets: parts are numbered 1 to 1000. */
#define GITHUB_NAME_MAX_ASSETS 1000

/* "models" for [mirror.NAME]'s `tag`: may it begin the tags? */
bool github_name_is_base(const char *base);

/* The tag of the release that has the object: "models-phi-2", "models-phi-2+2" for the second
 * release. release: 1 for the first. The caller frees it. */
char *github_name_tag(const char *base, const char *key, unsigned release);

/* Is it a tag of this base: the base itself, or followed by "-…" or "+…"? *release is its number.
 */
bool github_name_is_tag(const char *base, const char *tag, unsigned *release);

/* The asset with the whole object (part 0), or with a part of it (1, 2, …). The caller frees
 * it. */
char *github_name_asset(const char *key, unsigned part);
/* The same until everything of the object is there: no reader looks for this name. Only for part 0
 * or 1. */
char *github_name_pending(const char *key, unsigned part);

/* How many parts an object of this size has; 0: it is one asset. part_size: a power of two. */
uint64_t github_name_parts(uint64_t size, uint64_t part_size);

/* The label of an asset: the key, and for a part its number. The caller frees it. */
char *github_name_label(const char *key, unsigned part);

/* What an asset of a release is. */
struct github_name {
	char *key;
	unsigned part; /* 0: the whole object */
	bool pending;  /* its only or first part, while the object is not complete */
};
void github_name_release(struct github_name *n);
/* From its name and its label (NULL: it has none). False when it is not one of ours: then *out is
 * unchanged. */
bool github_name_parse(const char *base, const char *tag, const char *asset, const char *label,
		       struct github_name *out);

#endif
