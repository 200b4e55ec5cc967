/* Everything that is staged becomes one commit on the branch, or nothing does. */
#include "mirror/git.h"

#include "util/mem.h"
#include "util/retry.h"

#include <string.h>

#define TRIES 8 /* while others push at the same time */

struct work {
	git_commit *parent;
	git_tree *tree;
	git_signature *signature;
};

static void work_release(struct work *w)
{
	git_commit_free(w->parent);
	git_tree_free(w->tree);
	git_signature_free(w->signature);
}

/* That of ferry.conf, of git's configuration, or that of a program. */
static int sign(struct mirror *m, git_signature **out)
{
	const struct mirror_git *g = m->state;
	git_config *config = NULL, *snapshot = NULL;
	const char *name = g->name, *email = g->email;
	if (!name && git_config_open_default(&config) == 0 &&
	    git_config_snapshot(&snapshot, config) == 0 &&
	    (git_config_get_string(&name, snapshot, "user.name") < 0 ||
	     git_config_get_string(&email, snapshot, "user.email") < 0))
		name = email = NULL;
	int rc = git_signature_new(out, name && *name ? name : "Model Ferry",
				   email && *email ? email : "ferry@localhost",
				   clock_wall_s(m->env.clock), 0);
	git_config_free(snapshot);
	git_config_free(config);
	return rc;
}

/* *changed false: the branch has all of it already. */
static int make_commit(struct mirror *m, const char *message, git_oid *out, bool *changed,
		       struct err *e)
{
	struct mirror_git *g = m->state;
	CLEANUP(work_release) struct work w = { 0 };
	git_oid tree = { 0 };
	int rc = mirror_git_write_tree(m, &tree, e);
	if (rc < 0)
		return rc;
	*changed = !git_oid_is_zero(&tree);
	int git = !*changed ? 0 : git_tree_lookup(&w.tree, g->repo, &tree);
	if (git == 0 && g->has_branch)
		git = git_commit_lookup(&w.parent, g->repo, &g->tip);
	if (git == 0 && w.parent)
		*changed &= !git_oid_equal(git_commit_tree_id(w.parent), &tree);
	if (git < 0 || !*changed)
		return git < 0 ? mirror_git_failed("the new commit", e) : 0;
	git_commit *parents[] = { w.parent }; /* const or not, by the version of libgit2 */
	git = sign(m, &w.signature);
	if (git == 0)
		git = git_commit_create(out, g->repo, NULL, w.signature, w.signature, NULL, message,
					w.tree, w.parent ? 1 : 0, (void *)parents);
	return git < 0 ? mirror_git_failed("the new commit", e) : 0;
}

static int check_overtaken(struct mirror *m, struct err *e)
{
	const char *key;
	int rc = mirror_git_overtaken(m, &key, e);
	if (rc < 0 || !key)
		return rc;
	err_set(e, ERR_CONFLICT, "another publisher has changed %s in the meantime", key);
	return err_hint(e, "wait until the other publisher has finished, update this copy of the "
			   "repository, then push again");
}

/* On top of the branch as it is now. */
static int try_once(struct mirror *m, const char *message, bool *pushed, bool *moved, struct err *e)
{
	git_oid commit;
	bool changed = false;
	*moved = *pushed = false;
	int rc = mirror_git_refresh(m, e);
	if (rc == 0)
		rc = mirror_git_check_history(m, e);
	if (rc == 0)
		rc = check_overtaken(m, e);
	if (rc == 0)
		rc = make_commit(m, message, &commit, &changed, e);
	if (rc < 0 || !changed)
		return rc;
	rc = mirror_git_push(m, &commit, moved, e);
	*pushed = rc == 0 && !*moved;
	return rc;
}

static int publish_staged(struct mirror *m, const char *message, bool *pushed, struct err *e)
{
	struct mirror_git *g = m->state;
	struct retry retry = RETRY_DEFAULT;
	bool moved = false;
	int rc = 0;
	*pushed = false;
	retry.max_tries = TRIES;
	retry.clock = m->env.clock;
	retry.cancel = m->env.cancel;
	if (!g->staged_count)
		return 0;
	do {
		rc = try_once(m, message, pushed, &moved, e);
	} while (rc == 0 && moved && (rc = retry_wait(&retry, 0, e)) == 0);
	if (rc == 1) {
		rc = err_set(e, ERR_CONFLICT,
			     "the branch %s changed again before each of %d pushes", g->branch,
			     TRIES);
		err_hint(e, "other programs push to it all the time: run the command again, or "
			    "use a branch for the metadata alone");
	}
	if (rc == 0)
		mirror_git_unstage_all(g);
	return rc;
}

int mirror_git_publish(struct mirror_connection *c, const struct mirror_publication *p,
		       struct mirror_findings *out, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	char hex[GIT_OID_HEXSZ + 1];
	bool pushed = false;
	const char *of = p->title ? p->title : *p->name ? p->name : "models";
	CLEANUP(mem_free_ptr) char *message = mem_printf("%s: release %llu\n", of,
							 (unsigned long long)p->version);
	if (!p->shown)
		return 0;
	pthread_mutex_lock(&g->lock);
	int rc = publish_staged(c->mirror, message, &pushed, e);
	git_oid_tostr(hex, sizeof hex, &g->tip);
	pthread_mutex_unlock(&g->lock);
	if (rc == 0 && pushed)
		mirror_findings_add(out, "branch", MIRROR_FINDING_CHANGED, "%s: commit %.12s",
				    g->branch, hex);
	return rc;
}
