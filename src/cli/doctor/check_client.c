/* What a machine needs that fetches models. */
#include "cli/doctor/doctor.h"

#include "http/url.h"
#include "store/needs.h"
#include "store/partials.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

#define SPACE_LEAST (2 * GIB)
#define ASK_MS 5000

/* ---- who can change what is trusted ---- */

static void judge_owner(struct doctor *d, const char *dir, struct doctor_result *r)
{
	struct err why = ERR_INIT;
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(dir);
	if (!file_exists(dir) || owner_check_dir(dir, d->quiet.trust, &why) == 0)
		return;
	doctor_detail(r, "%s", why.text);
	doctor_next(r, "chmod go-w %s", quoted);
}

int doctor_check_owners(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			struct err *e)
{
	int rc = facts_client(d, e);
	(void)subject;
	if (rc < 0)
		return rc;
	if (!d->client.store.home) {
		doctor_skip(r, "there is no store yet");
		return 0;
	}
	const struct store *s = &d->client.store;
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(s, "");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	rc = file_list_dir(trust, &names, e);
	if (rc < 0)
		return rc;
	judge_owner(d, s->home, r);
	judge_owner(d, trust, r);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_join(trust, names.at[i]);
		judge_owner(d, dir, r);
	}
	if (r->details.count) {
		doctor_fail(r, "others can replace what was verified");
		doctor_hint(r, "if a group shares the store, see safe-directory in ferry.conf(5)");
	} else
		doctor_pass(r, "only this user can change the store");
	return 0;
}

/* ---- trust ---- */

static void judge_expiry(struct doctor *d, const struct remote *m, struct doctor_result *r)
{
	struct tuf_role_state states[4];
	char when[DURATION_TEXT];
	size_t count = m->tuf ? tuf_client_state(m->tuf, states) : 0, first = 0;
	for (size_t i = 0; i < count; i++)
		if (states[i].expires_s < states[first].expires_s)
			first = i;
	if (m->expired) {
		doctor_fail(r, "what was verified last has expired (%s)", m->expired);
		doctor_next(r, "ferry repository status %s", m->repository);
		doctor_hint(r, "if refreshing does not help, the publisher has to sign again");
	} else if (count)
		doctor_pass(r, "root %llu is trusted; %s expires first, in %s",
			    (unsigned long long)states[0].version, states[first].role,
			    format_duration(when,
					    (uint64_t)MAX(states[first].expires_s - d->now_s, 0)));
	else
		doctor_pass(r, "a root is trusted");
}

int doctor_check_trust(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	const char *name = subject->settings->name;
	int rc = facts_client(d, e);
	if (rc < 0)
		return rc;
	const struct remote *m = remotes_find(&d->client.remotes, name);
	const struct remotes *all = &d->client.remotes;
	for (size_t i = 0; !m && i < all->failed_count; i++)
		if (strcmp(all->failed[i].repository, name) == 0 &&
		    !err_is(&all->failed[i].why, ERR_NOT_FOUND)) {
			*e = all->failed[i].why;
			return -(int)e->class;
		}
	if (m) {
		judge_expiry(d, m, r);
		return 0;
	}
	doctor_skip(r, "nothing was fetched from it yet");
	doctor_next(r, "ferry list");
	return 0;
}

/* ---- disk ---- */

int doctor_check_disk(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	char free_text[SIZE_TEXT];
	uint64_t space;
	int rc = store_home(&home, e);
	(void)subject;
	(void)d;
	if (rc == 0)
		rc = file_space(home, &space, e);
	if (rc < 0)
		return rc;
	if (!file_can_write_in(home)) {
		doctor_fail(r, "%s cannot be written to", home);
		doctor_hint(r, "set FERRY_HOME to a folder of yours");
	} else if (space < SPACE_LEAST) {
		doctor_fail(r, "only %s are free in %s", format_size(free_text, space), home);
		doctor_next(r, "ferry store gc");
		doctor_next(r, "ferry store du");
	} else if (space == UINT64_MAX)
		doctor_skip(r, "the file system of %s does not report its free space", home);
	else
		doctor_pass(r, "%s are free in %s", format_size(free_text, space), home);
	return 0;
}

/* ---- the store ---- */

static void judge_variant(const struct store *s, const struct store_variant *v,
			  struct doctor_result *r)
{
	bool whole = v->complete;
	for (size_t i = 0; whole && i < v->file_count; i++)
		whole = store_has(s, &v->files[i].sha256, v->files[i].size);
	if (whole)
		return;
	doctor_detail(r, "%s/%s:%s lacks files", v->repository, v->model, v->variant);
	doctor_next(r, "ferry fetch %s/%s:%s", v->repository, v->model, v->variant);
}

int doctor_check_store(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	int rc = facts_client(d, e);
	(void)subject;
	if (rc == 0 && !d->client.store.home) {
		doctor_skip(r, "there is no store yet");
		return 0;
	}
	if (rc == 0)
		rc = store_list(&d->client.store, &all, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all.count; i++)
		judge_variant(&d->client.store, &all.at[i], r);
	if (r->details.count)
		doctor_fail(r, "%zu of %zu models cannot be used", r->details.count, all.count);
	else
		doctor_pass(r, "%zu model%s, each with all its files", all.count,
			    all.count == 1 ? "" : "s");
	return 0;
}

/* ---- proxies ---- */

/* Its address as a URL that can be asked for: what it answers does not matter. The caller frees. */
static char *address_of(const char *value)
{
	const char *from = strstr(value, "://");
	from = from ? from + 3 : value;
	const char *user = strrchr(from, '@'); /* a password may have any character */
	from = user ? user + 1 : from;
	CLEANUP(mem_free_ptr) char *bare = mem_strndup(from, strcspn(from, "/"));
	bool port = strchr(bare[0] == '[' ? bare + strcspn(bare, "]") : bare, ':') != NULL;
	return mem_printf("http://%s%s/", bare, port ? "" : ":1080");
}

static int ask_proxy(struct doctor *d, const char *variable, const char *value,
		     struct doctor_result *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = address_of(value);
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	const struct http_options o = { .direct = true, .cancel = d->quiet.cancel };
	const struct http_request q = {
		.method = "HEAD",
		.url = url,
		.what = "",
		.deadline_ms = ASK_MS,
	};
	struct err why = ERR_INIT;
	int rc = http_client_new(&o, &client, e);
	if (rc < 0)
		return rc;
	rc = http_perform(client, &q, NULL, &why);
	if (err_is(&why, ERR_CANCELLED)) {
		*e = why;
		return rc;
	}
	if (rc < 0 && (why.cause == CAUSE_UNREACHABLE || err_is(&why, ERR_USAGE)))
		doctor_detail(r, "%s=%s: %s", variable, shown, why.text);
	return 0;
}

int doctor_check_proxies(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
			 struct err *e)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
					     "all_proxy", "ALL_PROXY" };
	size_t set = 0;
	int rc = 0;
	(void)subject;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);
		if (!value || !*value)
			continue;
		set++;
		rc = ask_proxy(d, names[i], value, r, e);
	}
	if (rc < 0)
		return rc;
	if (!set)
		doctor_skip(r, "no proxy is set");
	else if (r->details.count) {
		doctor_fail(r, "%zu of %zu proxies cannot be reached", r->details.count, set);
		doctor_hint(r, "unset the variable, or name hosts without a proxy in no_proxy");
	} else
		doctor_pass(r, "%zu set, all reachable", set);
	return 0;
}

/* ---- the clock ---- */

int doctor_check_clock(struct doctor *d, struct doctor_subject *subject, struct doctor_result *r,
		       struct err *e)
{
	char skew[DURATION_TEXT];
	size_t asked = 0, wrong = 0;
	int64_t best = INT64_MAX;
	int rc = readers_probes(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < subject->place_count; i++) {
		const struct probe *p = &subject->places[i].probe;
		int64_t off = p->clock_skew_s < 0 ? -p->clock_skew_s : p->clock_skew_s;
		if (!p->has_clock)
			continue;
		asked++;
		wrong += off > 60;
		best = off < (best < 0 ? -best : best) ? p->clock_skew_s : best;
	}
	if (!asked)
		doctor_skip(r, "no server tells the time");
	else if (wrong == asked) {
		doctor_fail(r, "the clock is %s by %s, compared with %zu server%s",
			    best < 0 ? "ahead" : "behind",
			    format_duration(skew, (uint64_t)(best < 0 ? -best : best)), asked,
			    asked == 1 ? "" : "s");
		doctor_next(r, "timedatectl set-ntp true");
	} else
		doctor_pass(r, "right, compared with %zu server%s", asked, asked == 1 ? "" : "s");
	return 0;
}

/* ---- endpoints ---- */

static bool judge_place(struct doctor_result *r, const struct doctor_place *p)
{
	size_t before = r->details.count;
	if (p->error.class)
		doctor_detail_error(r, p->id, &p->error);
	for (size_t i = 0; i < p->probe.findings.count; i++) {
		const struct health_finding *f = &p->probe.findings.at[i];
		bool asked = f->check == HEALTH_REACH || f->check == HEALTH_CERTIFICATE;
		bool release = f->check == HEALTH_RELEASE && f->state != HEALTH_UNKNOWN;
		if ((asked || release) && f->state != HEALTH_OK)
			doctor_detail(r, "%s: %s", p->id, f->reason);
	}
	if (r->details.count == before && !p->probe.up)
		doctor_detail(r, "%s: what was asked for is not there", p->id);
	if (r->details.count > before)
		return false;
	const struct http_times *t = &p->probe.times;
	if (p->probe.has_times)
		doctor_detail(r,
			      "%s: name %llu ms, connection %llu ms, TLS %llu ms, first byte "
			      "%llu ms",
			      p->id, (unsigned long long)t->resolve / 1000,
			      (unsigned long long)t->connect / 1000,
			      (unsigned long long)t->tls / 1000,
			      (unsigned long long)t->first_byte / 1000);
	return true;
}

int doctor_check_endpoints(struct doctor *d, struct doctor_subject *subject,
			   struct doctor_result *r, struct err *e)
{
	size_t bad = 0;
	int rc = readers_probes(subject, e);
	(void)d;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < subject->place_count; i++)
		bad += !judge_place(r, &subject->places[i]);
	if (bad) {
		doctor_fail(r, "%zu of %zu place%s not answer as %s should", bad,
			    subject->place_count, subject->place_count == 1 ? " does" : "s do",
			    subject->place_count == 1 ? "it" : "they");
		doctor_next(r, "ferry repository status %s", subject->settings->name);
	} else
		doctor_pass(r, "%zu place%s", subject->place_count,
			    subject->place_count == 1 ? " answers" : "s answer");
	return 0;
}
