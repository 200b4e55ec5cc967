#include "settings/fetch.h"

static int check(const struct conf *c, const struct conf_section *s, uint64_t retries,
		 uint64_t deadline_s, struct err *e)
{
	if (retries < 1 || retries > 1000)
		return conf_err(c, s, "retries", e, "retries: from 1 to 1000");
	if (deadline_s < 1 || deadline_s > 600)
		return conf_err(c, s, "timestamp-deadline", e,
				"timestamp-deadline: from 1s to 10m");
	return 0;
}

int settings_fetch_read(const struct conf *c, struct settings_fetch *out, struct err *e)
{
	static const char *const keys[] = { "limit-rate", "stall-time", "retries",
					    "timestamp-deadline", NULL };
	const struct conf_section *s = conf_find(c, "fetch", "");
	struct settings_fetch f = SETTINGS_FETCH_DEFAULT;
	uint64_t retries = f.retries, deadline_s = f.timestamp_deadline_ms / 1000;
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_rate(c, s, "limit-rate", &f.limit_rate, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "stall-time", &f.stall_s, e);
	if (rc == 0)
		rc = conf_get_u64(c, s, "retries", &retries, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "timestamp-deadline", &deadline_s, e);
	if (rc == 0)
		rc = check(c, s, retries, deadline_s, e);
	if (rc < 0)
		return rc;
	f.retries = (unsigned)retries;
	f.timestamp_deadline_ms = deadline_s * 1000;
	*out = f;
	return 0;
}
