/* [security] of a person's own configuration, or of the system's. */
#ifndef FERRY_SETTINGS_SECURITY_H
#define FERRY_SETTINGS_SECURITY_H

#include "settings/conf.h"

struct settings_security {
	struct str_list safe_dirs; /* absolute, or "*": files of other users there are obeyed */
};
void settings_security_release(struct settings_security *s);

WARN_UNUSED int settings_security_read(const struct conf *c, struct settings_security *out,
				       struct err *e);

#endif
