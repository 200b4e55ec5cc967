#include "mirror/probe.h"

struct retry mirror_probe_retry(const struct mirror *m)
{
	struct retry retry = RETRY_DEFAULT;
	retry.max_tries = 3;
	retry.clock = m->env.clock;
	retry.cancel = m->env.cancel;
	return retry;
}

static int drop(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx, (void)data, (void)len, (void)e;
	return 0;
}

const struct mirror_sink mirror_probe_sink = { .write = drop };

int mirror_probe_read(const struct mirror *m, const char *what, const char *sender, int rc,
		      struct err *why, struct mirror_findings *out, struct err *e)
{
	if (rc == -ERR_CANCELLED) {
		*e = *why;
		return rc;
	}
	if (rc < 0) {
		err_context(why, "%s", what);
		mirror_findings_fault(out, "read", why);
		return 0;
	}
	mirror_findings_add(out, "read", MIRROR_FINDING_OK, "yes");
	if (mirror_can(m, MIRROR_CAN_RANGE))
		mirror_findings_add(out, "ranges", MIRROR_FINDING_OK, "yes");
	else
		mirror_findings_add(out, "ranges", MIRROR_FINDING_LACKS,
				    "%s sends only whole files: interrupted downloads read again "
				    "what they have",
				    sender);
	return 0;
}
