/* Is the repository there, may we write to it, and is the branch what it should be? */
#include "mirror/git.h"

#include "mirror/probe.h"
#include "util/retry.h"

/* Callers do not retry findings, so exchanges are retried here. */
static int patiently(struct mirror *m, int (*ask)(struct mirror *m, struct err *e), struct err *e)
{
	struct mirror_git *g = m->state;
	struct retry retry = mirror_probe_retry(m);
	int rc;
	pthread_mutex_lock(&g->lock);
	do {
		rc = ask(m, e);
	} while (rc < 0 && retry_again(&retry, e));
	pthread_mutex_unlock(&g->lock);
	return rc < 0 ? -(int)e->class : 0;
}

static void tell_branch(const struct mirror_git *g, struct mirror_findings *out)
{
	if (g->has_branch)
		mirror_findings_add(out, "branch", MIRROR_FINDING_OK, "%s", g->branch);
	else
		mirror_findings_add(out, "branch", MIRROR_FINDING_OK, "%s, made by the first push",
				    g->branch);
}

/* 0, also with a fault; negative when it was cancelled. */
static int failed(const char *what, const struct err *why, struct mirror_findings *out,
		  struct err *e)
{
	if (err_is(why, ERR_CANCELLED)) {
		*e = *why;
		return -ERR_CANCELLED;
	}
	mirror_findings_fault(out, what, why);
	return 0;
}

static int check_reading(struct mirror *m, struct mirror_findings *out, bool *ok, struct err *e)
{
	const struct mirror_git *g = m->state;
	struct err why = ERR_INIT;
	*ok = patiently(m, mirror_git_refresh, &why) == 0;
	if (!*ok)
		return failed("repository", &why, out, e);
	mirror_findings_add(out, "repository", MIRROR_FINDING_OK, "%s", g->remote.url);
	tell_branch(g, out);
	return 0;
}

static int check_history(struct mirror *m, struct mirror_findings *out)
{
	struct err why = ERR_INIT;
	if (mirror_git_check_history(m, &why) < 0)
		mirror_findings_fault(out, "history", &why);
	return 0;
}

static int check_writing(struct mirror *m, struct mirror_findings *out, struct err *e)
{
	struct err why = ERR_INIT;
	if (patiently(m, mirror_git_ask_to_write, &why) < 0)
		return failed("permission", &why, out, e);
	mirror_findings_add(out, "permission", MIRROR_FINDING_OK, "may push");
	return 0;
}

int mirror_git_preflight(struct mirror_connection *c, const struct mirror_need *need,
			 struct mirror_findings *out, struct err *e)
{
	bool ok;
	int rc = check_reading(c->mirror, out, &ok, e);
	if (rc < 0 || !ok || !(need->write || need->remove))
		return rc;
	rc = check_history(c->mirror, out);
	return rc < 0 ? rc : check_writing(c->mirror, out, e);
}

int mirror_git_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	bool ok;
	int rc = check_reading(c->mirror, out, &ok, e);
	if (rc == 0 && ok)
		rc = check_history(c->mirror, out);
	return rc < 0 || !ok ? rc : check_writing(c->mirror, out, e);
}

int mirror_git_setup(struct mirror_connection *c, bool dry_run, struct mirror_findings *out,
		     struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	bool ok;
	int rc = check_reading(c->mirror, out, &ok, e);
	if (rc < 0 || !ok)
		return rc;
	pthread_mutex_lock(&g->lock);
	bool rewritten = g->rewritten;
	if (rewritten && !dry_run)
		rc = mirror_git_accept_history(c->mirror, e);
	pthread_mutex_unlock(&g->lock);
	if (rc == 0 && rewritten)
		mirror_findings_add(out, "history",
				    dry_run ? MIRROR_FINDING_WOULD : MIRROR_FINDING_CHANGED,
				    "the branch was rewritten; go on from what it has now");
	return rc < 0 ? rc : check_writing(c->mirror, out, e);
}
