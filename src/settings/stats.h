/* [stats]: access logs and the statistics that are made of them. */
#ifndef FERRY_SETTINGS_STATS_H
#define FERRY_SETTINGS_STATS_H

#include "settings/conf.h"

/* Where logs are: "eu=/var/log/nginx" or "eu=logs:access/". */
struct settings_stats_log {
	char *mirror; /* that they are of; NULL: not given */
	char *where;  /* a path, with the folder of ferry.conf in front; or as it was given */
};

struct settings_stats {
	char *database; /* a path or a postgresql:// URL; NULL: the default */
	char *country;  /* a MaxMind DB file; or NULL */
	struct settings_stats_log *logs;
	size_t count, cap;
	struct str_list catalogs; /* files: catalog.json of repositories without a tree here */
	uint64_t keep_s;          /* days are kept for this long; 0: for ever */
};
void settings_stats_release(struct settings_stats *s);

/* Without a section all is empty. */
WARN_UNUSED int settings_stats_read(const struct conf *c, struct settings_stats *out,
				    struct err *e);

/* "NAME=WHERE", of an option or a setting; without "NAME=" mirror is NULL. False for a name that is
 * none. The caller frees both. */
bool settings_stats_log_parse(const char *text, struct settings_stats_log *out);

#endif
