#include "mirror/github.h"

#include "util/mem.h"

/* Not counted as a request: https://docs.github.com/rest/rate-limit/rate-limit */
int mirror_github_quota(struct mirror_connection *c, struct mirror_quota *out, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct github_limits l = github_place_limits(&s->place);
	if (!s->has_api)
		return err_set(e, ERR_USAGE, "its API is not known");
	if (!l.known) {
		json_t *answer = NULL;
		CLEANUP(mem_free_ptr) char *url = mem_printf("%s/rate_limit", s->place.api);
		struct github_request q = { .url = url, .answer = &answer };
		int rc = github_call(c->state, &s->place, &q, NULL, e);
		json_decref(answer);
		if (rc < 0)
			return rc;
		l = github_place_limits(&s->place);
	}
	if (!l.known)
		return err_set(e, ERR_USAGE, "the server has no limits");
	*out = (struct mirror_quota){ l.limit, l.remaining, l.reset_s };
	return 0;
}
