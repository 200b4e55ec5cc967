#include "fetch/remote_internal.h"

int remote_read_places(void *ctx, const struct source *s, struct mirror *m, struct err *e)
{
	struct remote *r = ctx;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	const char *target = json_text(s->entry->json, "places");
	if (!r->tuf || !places_is_target(target))
		return err_set(e, ERR_INTEGRITY, "mirror %s: '%.200s' is not a list of places",
			       s->id, target);
	int rc = remote_target(r, target, "targets", PLACES_MAX_BYTES, &bytes, e);
	if (rc < 0)
		return err_context(e, "where mirror %s has its files", s->id);
	return mirror_read_places(m, buf_str(&bytes), bytes.len, target, e);
}
