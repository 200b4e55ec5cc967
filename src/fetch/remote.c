#include "fetch/remote.h"

#include "fetch/history.h"
#include "fetch/pauses.h"
#include "fetch/rank.h"
#include "fetch/remote_internal.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROOT_MAX 512000

/* -- the first root -------------------------------------------------------------------- */

/* ERR_USAGE, with the place in the configuration in front if there is one. */
static PRINTF_LIKE(3, 4) int refuse(const struct settings_repository *set, struct err *e,
				    const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(e, ERR_USAGE, "%s", text);
	return set->where ? err_context(e, "%s", set->where) : -(int)e->class;
}

static int refuse_unpinned(const struct settings_repository *set, struct err *e)
{
	refuse(set, e, "[repository.%s] has no root, so nothing can be verified", set->name);
	return err_hint(e,
			"get 1.root.json or its SHA-256 from the publisher over a channel that you "
			"trust, and add root = FILE or root-sha256 = HEX to the section. If there "
			"is no section yet: `ferry repository add %s 'URL#sha256=HEX'`",
			set->name);
}

static int begin_with_file(const char *dir, const char *root, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(ROOT_MAX);
	struct err why = ERR_INIT;
	int rc = file_read_all(root, &bytes, &why);
	/* Once there is a trusted root, the file is not needed. */
	if (rc == -ERR_NOT_FOUND && tuf_client_is_initialised(dir))
		return 0;
	if (rc < 0) {
		*e = why;
		err_class_set(e, ERR_USAGE);
		return err_context(e, "the pinned root");
	}
	rc = tuf_client_init(dir, buf_str(&bytes), bytes.len, e);
	/* An error in the trust folder is not an error in this file. */
	return rc < 0 && !err_is(e, ERR_SYSTEM) ? err_context(e, "%s", root) : rc;
}

static int begin_with_digest(struct remote *r, const char *dir, const char *hex, bool anew,
			     struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(ROOT_MAX);
	struct digest want, pinned;
	if (!digest_parse(&want, hex))
		return err_set(e, ERR_USAGE, "root-sha256 is not a SHA-256 in hex");
	if (!anew && tuf_client_is_initialised(dir)) {
		if (!tuf_client_pinned(dir, &pinned) || digest_equal(&pinned, &want))
			return 0;
		char known[DIGEST_HEX], given[DIGEST_HEX];
		err_set(e, ERR_CONFLICT,
			"%s was created with a root whose SHA-256 is %s, but root-sha256 is now "
			"%s",
			dir, digest_hex(known, &pinned), digest_hex(given, &want));
		return err_hint(e,
				"if the publisher has started a new repository, verify its root "
				"with the publisher, then remove %s",
				dir);
	}
	int rc = endpoints_first_root(&r->endpoints, &want, &bytes, e);
	return rc < 0 ? rc : tuf_client_init(dir, buf_str(&bytes), bytes.len, e);
}

/* anew: the stored metadata is damaged. */
static int begin_trust(const struct settings_repository *set, struct remote *r, const char *dir,
		       bool anew, struct err *e)
{
	if (r->offline && tuf_client_is_initialised(dir))
		return 0;
	if (set->root)
		return begin_with_file(dir, set->root, e);
	if (set->root_sha256 && !r->offline)
		return begin_with_digest(r, dir, set->root_sha256, anew, e);
	if (!set->root_sha256 && !tuf_client_is_initialised(dir))
		return refuse_unpinned(set, e);
	return 0;
}

/* -- trust ------------------------------------------------------------------------------- */

static int open_trust(const struct settings_repository *set, struct remote *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(r->store, r->repository);
	struct tuf_transport transport = endpoints_tuf(&r->endpoints);
	int64_t now_s = clock_wall_s(r->sources.clock);
	struct tuf_limits limits = tuf_limits_default;
	struct err why = ERR_INIT;
	if (set->targets_max)
		limits.targets = (size_t)set->targets_max;
	int rc = begin_trust(set, r, dir, false, e);
	if (rc < 0)
		return rc;
	rc = tuf_client_open(dir, &transport, &limits, now_s, &r->tuf, &why);
	if (rc == -ERR_INTEGRITY && !r->offline && set->root_sha256) {
		/* Damaged: start again from the digest. */
		report_warn(r->report, "%s; starting again from root-sha256", why.text);
		rc = begin_trust(set, r, dir, true, e);
		if (rc == 0)
			rc = tuf_client_open(dir, &transport, &limits, now_s, &r->tuf, e);
		return rc;
	}
	if (rc < 0)
		*e = why;
	return rc;
}

static void tell_endpoints(struct remote *r)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&r->endpoints, &count);
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *version =
			p[i].has_version ? mem_printf(", timestamp version %llu",
						      (unsigned long long)p[i].version)
					 : mem_strdup("");
		report_detail(r->report, "%s: endpoint %s: %s%s%s%s", r->repository,
			      p[i].source->id, endpoints_state_name(p[i].state), version,
			      p[i].fault[0] ? ": " : "", p[i].fault);
	}
}

/* With metadata that was verified before, nobody is waited for long. */
static int refresh_once(struct remote *r, struct err *e)
{
	if (r->hurry || tuf_client_has_timestamp(r->tuf))
		source_list_set_end(&r->sources);
	int rc = tuf_client_refresh(r->tuf, e);
	endpoints_finish(&r->endpoints);
	return rc;
}

static int refresh_online(struct remote *r, struct err *e)
{
	if (r->ask_mirrors)
		remote_add_mirrors(r);
	int rc = refresh_once(r, e);
	if (rc < 0 && !r->alone && !r->ask_mirrors && remote_is_no_answer(e) &&
	    remote_add_mirrors(r)) {
		err_clear(e);
		rc = refresh_once(r, e);
	}
	tell_endpoints(r);
	return rc < 0 ? remote_fault(r, e) : 0;
}

static int refresh(struct remote *r, struct err *e)
{
	if (!r->offline)
		return refresh_online(r, e);
	int rc = tuf_client_load_offline(r->tuf, &r->expired, e);
	if (rc < 0)
		return remote_fault(r, e);
	if (r->expired)
		report_warn(r->report, "%s: the %s metadata has expired and may be outdated",
			    r->repository, r->expired);
	return rc;
}

/* -- the catalog --------------------------------------------------------------------------- */

static void add_mirrors(struct remote *r)
{
	struct source_list *l = &r->sources;
	for (size_t i = 0; i < r->catalog.mirror_count; i++) {
		const struct catalog_mirror *m = &r->catalog.mirrors[i];
		if (!mirror_reads_entry(l->kinds, m, MIRROR_HOLDS_OBJECTS))
			continue;
		source_add_entry(l, m)->objects = true;
	}
}

static int load_catalog(struct remote *r, struct err *e)
{
	int rc = remote_load_head(r, &r->catalog, e);
	if (rc == 0 && !r->alone)
		add_mirrors(r);
	if (rc == 0)
		source_list_rank(&r->sources, r->prefer_region);
	return rc;
}

/* -- opening ------------------------------------------------------------------------------- */

static void add_endpoint(struct remote *r, const char *url)
{
	struct source *source = source_add(&r->sources, NULL, url, true);
	source->metadata = source->objects = true;
}

static int add_endpoints(const struct settings_repository *set, struct remote *r, struct err *e)
{
	if (!set->metadata.count) {
		refuse(set, e, "[repository.%s] has no 'metadata'", set->name);
		return err_hint(e, "add metadata = URL of a mirror (with metadata/ and targets/ "
				   "below it), or use `ferry repository add`");
	}
	for (size_t i = 0; i < set->metadata.count; i++)
		add_endpoint(r, set->metadata.at[i]);
	return 0;
}

static int connect_trust(const struct settings_repository *set, struct remote *r, bool strict,
			 struct err *e)
{
	if (r->hurry)
		source_list_set_end(&r->sources);
	int rc = open_trust(set, r, e);
	if (rc == 0) {
		rc = refresh(r, e);
		if (rc < 0 && !strict && !r->offline && remote_goes_on(r, e))
			rc = 0;
	}
	if (rc == 0)
		rc = load_catalog(r, e);
	r->sources.end_ms = 0;
	return rc < 0 ? err_context(e, "repository %s", r->repository) : 0;
}

/* Asks nobody. */
static int prepare(const struct settings_repository *set, const struct settings_fetch *fetch,
		   const struct store *s, const struct remote_options *options, struct remote **out,
		   struct err *e)
{
	CLEANUP_PTR(remote_free) struct remote *r = NEW(struct remote);
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(s, set->name);
	r->repository = mem_strdup(set->name);
	r->store = s;
	r->report = options->report;
	r->read_only = s->read_only || !file_can_write_in(trust);
	r->offline = options->offline || r->read_only;
	r->limit_rate = fetch->limit_rate;
	r->connections = fetch->connections;
	r->max_memory = fetch->max_memory;
	r->prefer_region = fetch->prefer_region ? mem_strdup(fetch->prefer_region) : NULL;
	r->confirm_above = fetch->confirm_above;
	r->keep_versions = fetch->keep_versions;
	r->sources = (struct source_list){
		.kinds = options->kinds,
		.cancel = options->cancel,
		.clock = options->clock,
		.report = options->report,
		.stall_s = fetch->stall_s,
		.max_failures = fetch->retries,
		.access = fetch->access,
		.read_places = remote_read_places,
		.places_ctx = r,
	};
	bool keeps = !options->offline && !options->keeps_nothing;
	r->sources.pauses = keeps ? pauses_dir() : NULL;
	r->sources.history = keeps ? history_dir() : NULL;
	r->sources.deadline_ms = fetch->timestamp_deadline_ms;
	endpoints_init(&r->endpoints, &r->sources);
	r->hurry = r->endpoints.keep_end = options->hurry;
	if (r->read_only && !options->offline)
		report_warn(options->report,
			    "the store %s is read-only; using only what it contains",
			    s->read_only ? s->home : trust);
	r->alone = options->only_from || set->no_mirrors;
	if (options->only_from)
		add_endpoint(r, options->only_from);
	else if (add_endpoints(set, r, e) < 0)
		return err_context(e, "repository %s", set->name);
	*out = STEAL(r);
	return 0;
}

static int connect_waiting(const struct settings_repository *set, struct remote *r, bool strict,
			   struct err *e)
{
	CLEANUP(mem_free_ptr) char *what = mem_printf("the metadata of %s", r->repository);
	report_wait(r->report, what);
	int rc = connect_trust(set, r, strict, e);
	report_waited(r->report, what);
	return rc;
}

int remote_open(const struct settings_repository *set, const struct settings_fetch *fetch,
		const struct store *s, const struct remote_options *options, struct remote **out,
		struct err *e)
{
	CLEANUP_PTR(remote_free) struct remote *r = NULL;
	int rc = prepare(set, fetch, s, options, &r, e);
	if (rc == 0)
		rc = connect_waiting(set, r, options->strict, e);
	if (rc < 0)
		return rc;
	*out = STEAL(r);
	return 0;
}

int remote_inspect(const struct settings_repository *set, const struct settings_fetch *fetch,
		   const struct store *s, const struct remote_options *options, struct remote **out,
		   struct err *why, struct err *e)
{
	struct err ignored = ERR_INIT;
	CLEANUP_PTR(remote_free) struct remote *r = NULL;
	const char *unused;
	int rc = prepare(set, fetch, s, options, &r, e);
	if (rc < 0)
		return rc;
	/* The mirrors of the catalog are asked even if an endpoint answers: their state is of
	 * interest, too. */
	r->ask_mirrors = !r->alone;
	rc = connect_waiting(set, r, true, why);
	if (rc == -ERR_CANCELLED) {
		*e = *why;
		return rc;
	}
	if (rc == -ERR_INTEGRITY && r->tuf)
		r->expired = tuf_client_expired(r->tuf);
	/* The metadata that was trusted before. */
	if (rc < 0 && r->tuf && tuf_client_load_offline(r->tuf, &unused, &ignored) < 0)
		err_clear(&ignored);
	*out = STEAL(r);
	return 0;
}

int remote_ask_mirrors(struct remote *r, struct err *e)
{
	struct err why = ERR_INIT;
	const char *unused;
	if (!remote_add_mirrors_of(r, &r->catalog))
		return 0;
	int rc = refresh_once(r, &why);
	r->sources.end_ms = 0;
	tell_endpoints(r);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	/* What was verified before is still good. */
	if (rc < 0)
		return tuf_client_load_offline(r->tuf, &unused, e);
	catalog_release(&r->catalog);
	return load_catalog(r, e);
}

void remote_free(struct remote *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->card_count; i++) {
		card_release(r->cards[i].card);
		free(r->cards[i].card);
		free(r->cards[i].signer);
	}
	free(r->cards);
	tuf_client_close(r->tuf);
	catalog_release(&r->catalog);
	endpoints_release(&r->endpoints);
	source_list_remember(&r->sources);
	source_list_release(&r->sources);
	free(r->repository);
	free(r->prefer_region);
	free(r->unrefreshed);
	free(r);
}
