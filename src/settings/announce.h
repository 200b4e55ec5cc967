/* [announce], [announce.NAME]: programs that are told of what was published. */
#ifndef FERRY_SETTINGS_ANNOUNCE_H
#define FERRY_SETTINGS_ANNOUNCE_H

#include "settings/conf.h"

struct settings_hook {
	char *name;            /* "announce" for [announce] */
	struct str_list words; /* the program and its arguments; a program with '/' is a path */
	uint64_t timeout_s;
};
struct settings_announce {
	struct settings_hook *at; /* in the order of the file */
	size_t count, cap;
};
void settings_announce_release(struct settings_announce *a);

/* Those for the repository (NULL: all). ERR_USAGE for one without a command, for two of the same
 * name, or for one of an unknown repository. */
WARN_UNUSED int settings_announce_read(const struct conf *c, const char *repository,
				       struct settings_announce *out, struct err *e);

#endif
