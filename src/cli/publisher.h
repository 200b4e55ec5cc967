/*
 * Shared by push, verify and mirror: the repository, its tree, and its mirrors.
 */
#ifndef FERRY_CLI_PUBLISHER_H
#define FERRY_CLI_PUBLISHER_H

#include "cli/frame/cli.h"
#include "publish/mirrors.h"
#include "settings/access.h"

/* The first members of these commands' options. */
struct publisher_opts {
	const char *name;        /* --name */
	const char *dir;         /* --repository */
	struct opt_list mirrors; /* --mirror */
	const char *limit_rate;  /* --limit-rate */
	bool new_mirror;         /* --new-mirror */
	bool as_reader;          /* no option: mirrors show what readers see */
	bool keeps_nothing;      /* no option: what probing finds out is not kept */
};
#define PUBLISHER_NEW_MIRROR(s, member) \
	OPT_ENTRY(OPT_FLAG, s, member, 0, "new-mirror", NULL, \
		  "the folder of a mirror may be gone or empty although it held a release: begin " \
		  "anew there")
#define PUBLISHER_OPTS(s) \
	OPT_HINTED(OPT_LIST, s, who.mirrors, 'm', "mirror", "NAME", HINT_MIRROR, \
		   "only this mirror of ferry.conf; may be repeated"), \
		OPT_HINTED(OPT_STRING, s, who.name, 0, "name", "NAME", HINT_REPOSITORY, \
			   "the repository, if ferry.conf has several"), \
		OPT_HINTED(OPT_STRING, s, who.dir, 0, "repository", "DIR", HINT_DIR, \
			   "the repository's tree (its path in ferry.conf)"), \
		OPT_ENTRY(OPT_STRING, s, who.limit_rate, 0, "limit-rate", "SIZE|TIMETABLE", \
			  "the maximum rate in bytes per second of all mirrors together: 20MiB, " \
			  "or by the time of day: '08:00,20MiB 19:00,off'")

struct publisher {
	const struct conf *conf; /* borrowed; may be empty */
	char *name;              /* of the repository; NULL without configuration */
	char *dir;               /* its tree; NULL if not wanted */
	char *state_dir;         /* of what probing the mirrors found out; or NULL */
	struct settings_mirrors settings;
	struct rate rate;               /* for all mirrors together */
	struct http_access_list access; /* what they are read with */
	struct mirrors places;          /* empty if not wanted */
};
void publisher_release(struct publisher *p);

/* Fills *out, which must not be moved. ERR_USAGE when mirrors are needed but there is no
 * ferry.conf, or no tree is known. */
WARN_UNUSED int publisher_open(struct cli *cli, const struct publisher_opts *o, bool want_tree,
			       bool want_mirrors, struct publisher *out, struct err *e);

/* "file", even for a mirror that could not be opened; "" if not given. */
const char *publisher_kind(const struct mirrors_entry *p);

#endif
