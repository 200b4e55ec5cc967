#include "settings/publish.h"

int settings_publish_read(const struct conf *c, struct settings_publish *out, struct err *e)
{
	static const char *const keys[] = { "quorum", "prune-after", "limit-rate", NULL };
	const struct conf_section *s = conf_find(c, "publish", "");
	struct settings_publish p = { .prune_after_s = 30 * 86400 };
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_u64(c, s, "quorum", &p.quorum, e);
	if (rc == 0 && conf_get(s, "quorum") && !p.quorum)
		rc = conf_err(c, s, "quorum", e, "quorum: must be at least 1");
	if (rc == 0)
		rc = conf_get_duration(c, s, "prune-after", &p.prune_after_s, e);
	if (rc == 0)
		rc = conf_get_rate(c, s, "limit-rate", &p.limit_rate, e);
	if (rc == 0)
		*out = p;
	return rc;
}
