#include "settings/fetch.h"

#include <string.h>

int settings_fetch_check(uint64_t connections, uint64_t max_memory, const char *region,
			 struct err *e)
{
	if (connections > SETTINGS_FETCH_CONNECTIONS)
		return err_set(e, ERR_USAGE, "connections: from 1 to %d",
			       SETTINGS_FETCH_CONNECTIONS);
	if (max_memory && max_memory < SETTINGS_FETCH_MEMORY)
		return err_set(e, ERR_USAGE, "max-memory: at least 8MiB");
	if (region && (!*region || strlen(region) > 64))
		return err_set(e, ERR_USAGE, "prefer-region: must have 1 to 64 bytes");
	return 0;
}

static int read_engine(const struct conf *c, const struct conf_section *s, struct settings_fetch *f,
		       struct err *e)
{
	uint64_t connections = 0;
	int rc = conf_get_u64(c, s, "connections", &connections, e);
	if (rc == 0)
		rc = conf_get_size(c, s, "max-memory", &f->max_memory, e);
	f->prefer_region = conf_get(s, "prefer-region");
	struct err why = ERR_INIT;
	if (rc == 0 && settings_fetch_check(connections, f->max_memory, f->prefer_region, &why) < 0)
		rc = conf_err(c, s, NULL, e, "[fetch] %s", why.text);
	f->connections = (unsigned)connections;
	return rc;
}

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

static int get_confirm(const struct conf *c, const struct conf_section *s, uint64_t *out,
		       struct err *e)
{
	const char *value = conf_get(s, "confirm-above");
	if (value && strcmp(value, "off") == 0)
		*out = UINT64_MAX;
	else
		return conf_get_size(c, s, "confirm-above", out, e);
	return 0;
}

static int get_keep(const struct conf *c, const struct conf_section *s, uint64_t *out,
		    struct err *e)
{
	const char *value = conf_get(s, "keep-versions");
	if (value && strcmp(value, "all") == 0)
		*out = UINT64_MAX;
	else
		return conf_get_u64(c, s, "keep-versions", out, e);
	return 0;
}

int settings_fetch_read(const struct conf *c, struct settings_fetch *out, struct err *e)
{
	static const char *const keys[] = {
		"limit-rate",  "stall-time",    "retries",       "timestamp-deadline",
		"connections", "max-memory",    "prefer-region", "ca",
		"ip",          "confirm-above", "keep-versions", "token",
		NULL,
	};
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
		rc = get_confirm(c, s, &f.confirm_above, e);
	if (rc == 0)
		rc = get_keep(c, s, &f.keep_versions, e);
	if (rc == 0)
		rc = conf_get_bool(c, s, "token", &f.token, e);
	if (rc == 0)
		rc = check(c, s, retries, deadline_s, e);
	if (rc == 0)
		rc = read_engine(c, s, &f, e);
	if (rc < 0)
		return rc;
	f.retries = (unsigned)retries;
	f.timestamp_deadline_ms = deadline_s * 1000;
	*out = f;
	return 0;
}
