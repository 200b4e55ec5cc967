/* [publish]: when a release is shown to readers. */
#ifndef FERRY_SETTINGS_PUBLISH_H
#define FERRY_SETTINGS_PUBLISH_H

#include "settings/conf.h"

struct settings_publish {
	uint64_t quorum; /* mirrors that must hold every object; 0: all */
};

WARN_UNUSED int settings_publish_read(const struct conf *c, struct settings_publish *out,
				      struct err *e);

#endif
