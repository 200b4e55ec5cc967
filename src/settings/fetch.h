/* [fetch]: how models are fetched. */
#ifndef FERRY_SETTINGS_FETCH_H
#define FERRY_SETTINGS_FETCH_H

#include "settings/conf.h"

struct settings_fetch {
	struct rate_table limit_rate;
	uint64_t stall_s; /* a transfer without data for this long fails; 0: the default of
			     http/http.h */
	unsigned retries; /* failures of a mirror in a row before it is given up; at least 1 */
	uint64_t timestamp_deadline_ms; /* of a request to several endpoints at once */
};
#define SETTINGS_FETCH_DEFAULT \
	{ \
		.retries = 5, .timestamp_deadline_ms = 5000 \
	}

/* Without a section *out is the default. */
WARN_UNUSED int settings_fetch_read(const struct conf *c, struct settings_fetch *out,
				    struct err *e);

#endif
