/* Checks before a run, and what a person has to do for the mirror. */
#include "mirror/github.h"

#include "mirror/probe.h"
#include "util/mem.h"
#include "util/retry.h"

#include <string.h>

/* Callers do not retry findings, so requests are retried here. */
static int ask(struct mirror_connection *c, const char *path, json_t **out, struct err *e)
{
	struct github_request q = { .path = path, .answer = out };
	struct retry retry = mirror_probe_retry(c->mirror);
	int rc;
	do {
		rc = mirror_github_call(c, &q, NULL, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

/* ---- the repository ---------------------------------------------------------------- */

static int fault(struct mirror_findings *out, const char *what, struct err *e)
{
	mirror_findings_fault(out, what, e);
	err_clear(e);
	return 0;
}

/* GitHub answers 404 for what the token may not see. */
static int ask_repository(struct mirror_connection *c, json_t **out, struct err *e)
{
	const struct mirror_github *s = c->mirror->state;
	struct err why = ERR_INIT;
	int rc = ask(c, "", out, &why);
	if (rc == 0)
		return 0;
	*e = why;
	if (rc == -ERR_NOT_FOUND) {
		err_class_set(e, ERR_USAGE);
		err_context(e, "the repository %s/%s does not exist, or the token may not see it",
			    s->place.owner, s->place.repo);
		err_hint(e, "make it on GitHub with a first commit, or give the token access to it "
			    "(man ferry-github)");
	}
	return -(int)e->class;
}

static void check_token(struct mirror_connection *c, const json_t *repository, bool write,
			struct mirror_findings *out)
{
	const struct mirror_github *s = c->mirror->state;
	const json_t *may = json_object_get(repository, "permissions");
	struct err e = ERR_INIT;
	if (!write) {
		mirror_findings_add(out, "token", MIRROR_FINDING_OK, "%s",
				    s->place.token ? s->place.token_from : "none");
	} else if (!s->place.token) {
		err_set(&e, ERR_AUTH, "there is no token");
		err_hint(&e, "set GH_TOKEN or GITHUB_TOKEN, or write it into ~/.netrc "
			     "(man ferry-github)");
		fault(out, "token", &e);
	} else if (may && !json_flag(may, "push")) {
		err_set(&e, ERR_AUTH, "the token from %s may read the repository, not write to it",
			s->place.token_from);
		err_hint(&e, "the token needs the permission contents=write for this repository");
		fault(out, "token", &e);
	} else {
		mirror_findings_add(out, "token", MIRROR_FINDING_OK, "from %s",
				    s->place.token_from);
	}
}

static void check_archived(const json_t *repository, struct mirror_findings *out)
{
	struct err e = ERR_INIT;
	if (!json_flag(repository, "archived"))
		return;
	err_set(&e, ERR_AUTH, "the repository is archived: nothing can be written");
	fault(out, "repository", &e);
}

/* A tag needs a commit. */
static int check_commit(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	CLEANUP(json_release) json_t *branches = NULL;
	struct err none = ERR_INIT;
	int rc = ask(c, "/branches?per_page=1", &branches, e);
	if (rc < 0 || json_array_size(branches))
		return rc;
	err_set(&none, ERR_USAGE, "the repository is empty: no release can be published there");
	err_hint(&none, "give it a first commit, for example a README");
	return fault(out, "repository", &none);
}

/* https://docs.github.com/rest/repos/repos#check-if-immutable-releases-are-enabled-for-a-repository
 * Not every token may ask. */
static int check_immutable(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	CLEANUP(json_release) json_t *setting = NULL;
	struct err why = ERR_INIT;
	int rc = ask(c, "/immutable-releases", &setting, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc == 0 && json_flag(setting, "enabled"))
		mirror_findings_add(out, "immutable releases", MIRROR_FINDING_OK,
				    "yes: what is added to a model later needs a further release, "
				    "which `ferry catalog sign` plans");
	return 0;
}

/* ---- limits --------------------------------------------------------------------- */

static void check_expiry(struct mirror_connection *c, uint64_t seconds, struct mirror_findings *out)
{
	struct mirror_github *s = c->mirror->state;
	struct github_limits limits = github_place_limits(&s->place);
	int64_t now_s = clock_wall_s(c->mirror->env.clock);
	char left[DURATION_TEXT];
	if (!limits.token_expires_s)
		return;
	uint64_t rest = limits.token_expires_s > now_s ? (uint64_t)(limits.token_expires_s - now_s)
						       : 0;
	format_duration(left, rest);
	if (seconds && rest < seconds)
		mirror_findings_add(out, "token's end", MIRROR_FINDING_LACKS,
				    "the token (%s) expires in %s, before the push is likely to "
				    "end: make a new one",
				    s->place.token_from, left);
	else
		mirror_findings_add(out, "token's end", MIRROR_FINDING_OK, "%s left", left);
}

/* A request for each part, two for its release and its name, and the lists. */
static uint64_t requests_for(const struct mirror_github *s, const struct mirror_need *need)
{
	return need->bytes / s->part_size * 2 + 20;
}

static void check_requests(struct mirror_connection *c, const struct mirror_need *need,
			   struct mirror_findings *out)
{
	struct mirror_github *s = c->mirror->state;
	struct github_limits limits = github_place_limits(&s->place);
	int64_t now_s = clock_wall_s(c->mirror->env.clock);
	char wait[DURATION_TEXT];
	if (!limits.known)
		return;
	uint64_t until = limits.reset_s > now_s ? (uint64_t)(limits.reset_s - now_s) : 0;
	format_duration(wait, until);
	if (limits.remaining < requests_for(s, need))
		mirror_findings_add(out, "requests", MIRROR_FINDING_LACKS,
				    "%llu of %llu are left for the next %s, and about %llu are "
				    "needed: the push may have to pause",
				    (unsigned long long)limits.remaining,
				    (unsigned long long)limits.limit, wait,
				    (unsigned long long)requests_for(s, need));
	else
		mirror_findings_add(out, "requests", MIRROR_FINDING_OK, "%llu of %llu left",
				    (unsigned long long)limits.remaining,
				    (unsigned long long)limits.limit);
}

static void check_size(const struct mirror_connection *c, const struct mirror_need *need,
		       struct mirror_findings *out)
{
	char largest[SIZE_TEXT], most[SIZE_TEXT];
	struct err e = ERR_INIT;
	if (need->largest <= c->mirror->max_object)
		return;
	err_set(&e, ERR_USAGE, "the largest object has %s, but 1000 parts of a release hold %s",
		format_size(largest, need->largest), format_size(most, c->mirror->max_object));
	err_hint(&e, "a larger part-size helps, up to 1GiB; it must be the same for all objects");
	fault(out, "size", &e);
}

/* ---- preflight, probe and setup ------------------------------------------------------ */

/* Whether it can be read, whether `write` is possible. */
static int check(struct mirror_connection *c, bool write, struct mirror_findings *out,
		 struct err *e)
{
	CLEANUP(json_release) json_t *repository = NULL;
	struct err why = ERR_INIT;
	int rc = ask_repository(c, &repository, &why);
	if (rc == 0) {
		mirror_findings_add(out, "repository", MIRROR_FINDING_OK, "%s",
				    json_flag(repository, "private") ? "private" : "public");
		check_token(c, repository, write, out);
		check_archived(repository, out);
		rc = write ? check_commit(c, out, &why) : 0;
	}
	if (rc == 0 && write)
		rc = check_immutable(c, out, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	return rc < 0 ? fault(out, "repository", &why) : 0;
}

int mirror_github_preflight(struct mirror_connection *c, const struct mirror_need *need,
			    struct mirror_findings *out, struct err *e)
{
	int rc = check(c, need->write, out, e);
	if (rc < 0 || !need->write)
		return rc;
	check_size(c, need, out);
	check_expiry(c, need->seconds, out);
	check_requests(c, need, out);
	return 0;
}

int mirror_github_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct mirror_need need = { .write = true };
	char size[SIZE_TEXT];
	int rc = check(c, true, out, e);
	if (rc < 0)
		return rc;
	check_expiry(c, 0, out);
	check_requests(c, &need, out);
	mirror_findings_add(out, "parts", MIRROR_FINDING_OK, "objects over %s are split",
			    format_size(size, s->part_size));
	return 0;
}

/* Nothing is made: the releases come with the first push. */
int mirror_github_setup(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
			struct err *e)
{
	(void)dry_run;
	size_t from = out->count;
	bool faulty = false;
	int rc = check(c, true, out, e);
	for (size_t i = from; i < out->count; i++)
		faulty |= out->at[i].class != ERR_NONE;
	if (rc == 0 && faulty)
		mirror_findings_add(out, "by hand", MIRROR_FINDING_BY_HAND,
				    "make the repository with a first commit, and a token with the "
				    "permission contents=write for it (man ferry-github)");
	return rc;
}
