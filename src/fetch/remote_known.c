#include "fetch/remote_internal.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* -- the catalog's mirrors ----------------------------------------------------------------- */

/* The catalog that was verified last; only for finding mirrors, since it may have expired. */
static int load_known(struct remote *r, struct catalog *out, struct err *e)
{
	const char *expired;
	bool offline = r->offline;
	r->offline = true;
	int rc = tuf_client_load_offline(r->tuf, &expired, e);
	if (rc == 0)
		rc = remote_load_head(r, out, e);
	r->offline = offline;
	return rc;
}

bool remote_add_mirrors_of(struct remote *r, const struct catalog *c)
{
	for (size_t i = 0; i < c->mirror_count; i++) {
		const struct catalog_mirror *m = &c->mirrors[i];
		size_t before = r->sources.count;
		if (!mirror_reads_entry(r->sources.kinds, m, MIRROR_HOLDS_METADATA))
			continue;
		struct source *s = source_add_entry(&r->sources, m);
		if (r->sources.count > before ||
		    (!s->endpoint && !s->metadata && !s->faults[FAULT_METADATA])) {
			s->metadata = true;
			s->objects = mirror_reads_entry(r->sources.kinds, m, MIRROR_HOLDS_OBJECTS);
		}
	}
	return endpoints_extend(&r->endpoints) > 0;
}

bool remote_add_mirrors(struct remote *r)
{
	CLEANUP(catalog_release) struct catalog known = { 0 };
	struct err ignored = ERR_INIT;
	size_t unused;
	endpoints_all(&r->endpoints, &unused);
	return load_known(r, &known, &ignored) == 0 && remote_add_mirrors_of(r, &known);
}

/* -- the metadata that was verified before --------------------------------------------------- */

/* The first expiry of the trusted metadata. */
static int64_t valid_until_s(const struct remote *r)
{
	struct tuf_role_state states[4];
	size_t count = tuf_client_state(r->tuf, states);
	int64_t first_s = INT64_MAX;
	for (size_t i = 0; i < count; i++)
		first_s = MIN(first_s, states[i].expires_s);
	return first_s;
}

/* Adds to the hint, which may be there already. */
static void hint_more(struct err *e, const char *more)
{
	size_t len = strlen(e->hint);
	snprintf(e->hint + len, sizeof e->hint - len, "%s%s", len ? "; " : "", more);
}

bool remote_goes_on(struct remote *r, struct err *e)
{
	struct err ignored = ERR_INIT;
	const char *expired;
	char until[TIME_TEXT];
	if (!remote_is_no_answer(e) && !err_is(e, ERR_CONFLICT))
		return false;
	if (tuf_client_load_offline(r->tuf, &expired, &ignored) < 0)
		return false;
	if (expired || !tuf_client_is_complete(r->tuf)) {
		hint_more(e, "--offline uses what was verified before");
		return false;
	}
	r->unrefreshed = mem_strdup(e->text);
	format_time(until, valid_until_s(r));
	report_warn(r->report,
		    "%s: the catalog could not be refreshed: %s; using the one that was verified "
		    "before, which is valid until %s",
		    r->repository, r->unrefreshed, until);
	if (e->hint[0])
		report_note(r->report, "%s: %s", r->repository, e->hint);
	err_clear(e);
	return true;
}
