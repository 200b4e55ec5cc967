/* [fetch]: how models are fetched. */
#ifndef FERRY_SETTINGS_FETCH_H
#define FERRY_SETTINGS_FETCH_H

#include "http/access.h"
#include "settings/conf.h"

struct settings_fetch {
	struct rate_table limit_rate;
	uint64_t stall_s; /* a transfer without data for this long fails; 0: the default of
			     http/http.h */
	unsigned retries; /* failures of a mirror in a row before it is given up; at least 1 */
	uint64_t timestamp_deadline_ms; /* of a request to several endpoints at once */
	unsigned connections;           /* to a mirror, at most; 0: the engine's default */
	uint64_t max_memory;       /* of the pieces on their way, bytes; 0: the engine's default */
	const char *prefer_region; /* borrowed from the configuration; NULL: none */
	struct http_access_list *access; /* borrowed: what settings_access_read() found, set by the
					    caller; NULL: nothing */
	uint64_t confirm_above;          /* bytes: a larger download that replaces a stored version
					    is confirmed first; UINT64_MAX: none is */
	bool token; /* servers are told a random number that is the same for one fetch, for their
		       statistics */
	uint64_t keep_versions; /* of those that were replaced, of a variant; UINT64_MAX: all */
};
#define SETTINGS_FETCH_DEFAULT \
	{ \
		.retries = 5, .timestamp_deadline_ms = 5000, .confirm_above = 1 * GIB, \
		.token = true, .keep_versions = UINT64_MAX \
	}

#define SETTINGS_FETCH_CONNECTIONS 64   /* at most */
#define SETTINGS_FETCH_MEMORY (8 * MIB) /* at least */

/* Without a section *out is the default. */
WARN_UNUSED int settings_fetch_read(const struct conf *c, struct settings_fetch *out,
				    struct err *e);

/* Are these values allowed? Zero and NULL are: nothing was said. */
WARN_UNUSED int settings_fetch_check(uint64_t connections, uint64_t max_memory, const char *region,
				     struct err *e);

#endif
