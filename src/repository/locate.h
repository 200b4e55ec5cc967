/*
 * locate: notes where else the files of added models are, for `ferry catalog add --at`.
 */
#ifndef FERRY_REPOSITORY_LOCATE_H
#define FERRY_REPOSITORY_LOCATE_H

#include "repository/located.h"
#include "repository/repository.h"

/* One --at: the files that have this name, or that the URL fits, are there. */
struct locate_rule {
	char *mirror;
	char *file; /* name of the file; NULL: see locate() */
	char *url;  /* or a template (catalog/places.h), or a folder, which ends with '/' */
};
struct locate_rules {
	struct locate_rule *at;
	size_t count, cap;
};
void locate_rules_release(struct locate_rules *r);

/*
 * "[MIRROR=][FILE=]URL". `mirrors` is the "mirrors" array of the catalog: without MIRROR, it is the
 * names mirror whose url the URL begins with (the longest one), or whose template gives such URLs.
 * ERR_USAGE for a URL that cannot be published or is of no mirror, and for a mirror that is not
 * of that kind.
 */
WARN_UNUSED int locate_rule_parse(const char *text, const json_t *mirrors, struct locate_rules *out,
				  struct err *e);

/* Notes the files of the variants in `changes` in the record of the tree; *added gets what was
 * noted. A URL of a file, without FILE, is for the only file, or for that whose name is the last
 * part of the URL. ERR_USAGE when a rule is for none of the files. */
WARN_UNUSED int locate(struct repository *r, const struct repository_changes *changes,
		       const struct locate_rules *rules, struct located *added, struct err *e);

#endif
