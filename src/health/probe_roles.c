/* When the roles of a release expire. */
#include "health/probe_run.h"

#include "tuf/claim.h"
#include "tuf/metadata.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "metadata/"
#define HOUR 3600
#define DAY (24 * HOUR)

void probe_roles_release(struct probe_roles *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->at[i].name);
	free(r->at);
	*r = (struct probe_roles){ 0 };
}

static int rank(const char *role)
{
	static const char *const first[] = { "root", "targets", "snapshot", "timestamp" };
	size_t i = 0;
	while (i < ARRAY_LEN(first) && strcmp(first[i], role) != 0)
		i++;
	return (int)i;
}

static int compare(const void *a, const void *b)
{
	const struct probe_role *x = a, *y = b;
	int rx = rank(x->name), ry = rank(y->name);
	return rx != ry ? rx - ry : strcmp(x->name, y->name);
}

static struct probe_role *role_of(struct probe_roles *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->at[i].name, name) == 0)
			return &r->at[i];
	r->at = mem_grow(r->at, r->count, &r->cap, sizeof *r->at);
	r->at[r->count] = (struct probe_role){ .name = mem_strdup(name) };
	return &r->at[r->count++];
}

/* The newest version is the one that counts: older roots are there, too. */
static void add(struct probe_roles *r, const char *name, const struct tuf_claim *claim)
{
	struct probe_role *role = role_of(r, name);
	if (claim->version < role->version)
		return;
	role->version = claim->version;
	role->expires_s = claim->expires_s;
}

/* All of them count: the first one to expire. */
static void add_bin(struct probe_roles *r, const char *prefix, const struct tuf_claim *claim)
{
	struct probe_role *role = role_of(r, prefix);
	if (!role->version || claim->expires_s < role->expires_s)
		role->expires_s = claim->expires_s;
	role->version = MAX(role->version, claim->version);
}

/* Of the role's name, before '-' and a number in hex; NULL: the release has no bins. */
static char *prefix_of_bins(const struct tree *t)
{
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NULL;
		struct err ignored = ERR_INIT;
		if (!str_starts(f->key, FOLDER) ||
		    !tuf_name_version(f->key + strlen(FOLDER), "targets"))
			continue;
		const struct buf *bytes = tree_small(t, f);
		if (tuf_metadata_parse(TUF_TARGETS, buf_str(bytes), bytes->len, f->key, &m,
				       &ignored) < 0)
			return NULL;
		return m->bins.bit_length ? mem_strdup(m->bins.prefix) : NULL;
	}
	return NULL;
}

static bool is_bin(const char *role, const char *prefix)
{
	size_t len = prefix ? strlen(prefix) : 0;
	return prefix && strncmp(role, prefix, len) == 0 && role[len] == '-' && role[len + 1] &&
	       role[len + 1 + strspn(role + len + 1, "0123456789abcdef")] == '\0';
}

static int read_role(const struct tree *t, const struct repository_file *f, const char *bins,
		     struct probe_roles *out, struct err *e)
{
	CLEANUP(tuf_name_release) struct tuf_name name = { 0 };
	const struct buf *bytes = tree_small(t, f);
	struct tuf_claim claim;
	if (!str_starts(f->key, FOLDER) || !tuf_name_parse(f->key + strlen(FOLDER), &name))
		return 0;
	int rc = tuf_claim_parse(buf_str(bytes), bytes->len, f->key, &claim, e);
	if (rc == 0 && is_bin(name.role, bins))
		add_bin(out, bins, &claim);
	else if (rc == 0)
		add(out, name.role, &claim);
	return rc;
}

int probe_roles_read(const struct tree *t, struct probe_roles *out, struct err *e)
{
	CLEANUP(probe_roles_release) struct probe_roles r = { 0 };
	CLEANUP(mem_free_ptr) char *bins = prefix_of_bins(t);
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class != REPOSITORY_METADATA && f->class != REPOSITORY_TIMESTAMP)
			continue;
		int rc = read_role(t, f, bins, &r, e);
		if (rc < 0)
			return rc;
	}
	if (r.count)
		qsort(r.at, r.count, sizeof *r.at, compare);
	*out = r;
	r = (struct probe_roles){ 0 };
	return 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

static int64_t pick(uint64_t given_s, int64_t otherwise_s)
{
	return given_s ? (int64_t)MIN(given_s, INT64_MAX) : otherwise_s;
}

static enum health_state state_of(const struct probe_role *role, const struct probe_margins *m,
				  int64_t left_s)
{
	bool timestamp = strcmp(role->name, "timestamp") == 0;
	bool online = timestamp || strcmp(role->name, "snapshot") == 0;
	int64_t warning_s = online ? pick(m->online_warning_s, timestamp ? DAY : 2 * DAY)
				   : pick(m->warning_s, 30 * DAY);
	int64_t critical_s = online ? pick(m->online_critical_s, timestamp ? 6 * HOUR : 12 * HOUR)
				    : pick(m->critical_s, 7 * DAY);
	return left_s <= critical_s  ? HEALTH_CRITICAL
	       : left_s <= warning_s ? HEALTH_WARNING
				     : HEALTH_OK;
}

/* Of those with the worst state, the one that expires first. */
void probe_expiry(const struct probe_roles *r, const struct probe_margins *margins, int64_t now_s,
		  struct health_findings *out)
{
	const struct probe_role *first = NULL;
	enum health_state worst = HEALTH_OK;
	char span[PROBE_RUN_SPAN];
	for (size_t i = 0; i < r->count; i++) {
		enum health_state s = state_of(&r->at[i], margins, r->at[i].expires_s - now_s);
		bool worse = s != worst && health_worse(s, worst) == s;
		if (!first || worse || (s == worst && r->at[i].expires_s < first->expires_s)) {
			first = &r->at[i];
			worst = health_worse(s, worst);
		}
	}
	if (!first)
		return;
	int64_t left_s = first->expires_s - now_s;
	probe_run_span(span, left_s);
	if (left_s <= 0)
		health_find(out, HEALTH_EXPIRY, worst, "the role %s expired %s ago", first->name,
			    span);
	else
		health_find(out, HEALTH_EXPIRY, worst, "the role %s expires in %s", first->name,
			    span);
}
