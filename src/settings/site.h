/* [site]: what `ferry site` makes, and where it goes. */
#ifndef FERRY_SETTINGS_SITE_H
#define FERRY_SETTINGS_SITE_H

#include "settings/conf.h"

struct settings_site {
	const char *repository;  /* of several; or NULL */
	const char *title;       /* NULL: that of the repository */
	char *intro;             /* the path of a text; or NULL */
	char *url;               /* with '/' at its end; or NULL */
	char *output;            /* a folder; NULL: site/ in the repository's tree */
	bool statistics;         /* show them, if there are any */
	struct str_list mirrors; /* that it is sent to; none: all that can take it */
};
void settings_site_release(struct settings_site *s);

/* Strings are borrowed from the configuration. Without a section, the defaults. */
WARN_UNUSED int settings_site_read(const struct conf *c, struct settings_site *out, struct err *e);

#endif
