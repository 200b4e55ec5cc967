/*
 * What push, verify and mirror have in common: which repository, where its tree is, and
 * which mirrors are meant.
 */
#ifndef FERRY_CLI_PUBLISHER_H
#define FERRY_CLI_PUBLISHER_H

#include "cli/frame/cli.h"
#include "publish/mirrors.h"

/* The first members of the options of these commands. */
struct publisher_opts {
	const char *name;               /* --name */
	const char *dir;                /* --repository */
	struct opt_list mirrors;        /* --mirror */
};
#define PUBLISHER_OPTS(s) \
	OPT_HINTED(OPT_LIST, s, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR, \
		   "only this mirror of ferry.conf; may be given several times"), \
	OPT_HINTED(OPT_STRING, s, who.name, 0, "name", "NAME", HINT_REPOSITORY, \
		   "the repository, where ferry.conf has several"), \
	OPT_HINTED(OPT_STRING, s, who.dir, 0, "repository", "DIR", HINT_DIR, \
		   "the repository's tree; default: its path in ferry.conf")

struct publisher {
	const struct conf *conf;        /* borrowed; may be empty */
	char *name;                     /* of the repository; NULL without configuration */
	char *dir;                      /* its tree; NULL if not wanted */
	struct settings_mirrors settings;
	struct rate rate;               /* [fetch] limit-rate, for all mirrors together */
	struct mirrors places;          /* empty if not wanted */
};
void publisher_release(struct publisher *p);

/* Fills *out in its place. ERR_USAGE when there is no ferry.conf but mirrors are wanted, or no tree is known. */
WARN_UNUSED int publisher_open(struct cli *cli, const struct publisher_opts *o, bool want_tree,
			       bool want_mirrors, struct publisher *out, struct err *e);

/* "file" even of a mirror that did not open; "" if it says none. */
const char *publisher_kind(const struct mirrors_entry *p);

#endif
