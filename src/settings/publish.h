/* [publish]: when a release is shown to readers, and when its files may be removed. */
#ifndef FERRY_SETTINGS_PUBLISH_H
#define FERRY_SETTINGS_PUBLISH_H

#include "settings/conf.h"

struct settings_publish {
	uint64_t quorum;              /* mirrors that must hold every object; 0: all */
	uint64_t prune_after_s;       /* grace period of `ferry push --prune` */
	struct rate_table limit_rate; /* of all mirrors together; empty: that of [fetch] */
};

WARN_UNUSED int settings_publish_read(const struct conf *c, struct settings_publish *out,
				      struct err *e);

#endif
