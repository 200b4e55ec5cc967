/* When files of the branch were changed: git keeps no times, but its commits have one. */
#include "mirror/git.h"

#include "util/mem.h"

#include <string.h>

#define MAX_COMMITS 20000 /* older files have no time, so nothing removes them */

struct search {
	struct mirror_git *g;
	struct mirror_git_file *files; /* sorted by key */
	size_t count, missing;
};

static void note(struct search *s, const char *path, int64_t time_s)
{
	size_t skip = strlen(s->g->prefix), low = 0, high = s->count;
	if (strncmp(path, s->g->prefix, skip) != 0)
		return;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(path + skip, s->files[middle].key);
		if (order == 0 && !s->files[middle].modified_s) {
			s->files[middle].modified_s = time_s;
			s->missing--;
		}
		if (order == 0)
			return;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
}

/* The files that the commit changed, compared with its first parent. */
static int look_at(struct search *s, git_commit *commit)
{
	git_commit *parent = NULL;
	git_tree *now = NULL, *before = NULL;
	git_diff *diff = NULL;
	int rc = git_commit_tree(&now, commit);
	if (rc == 0 && git_commit_parentcount(commit))
		rc = git_commit_parent(&parent, commit, 0);
	if (rc == 0 && parent)
		rc = git_commit_tree(&before, parent);
	if (rc == 0)
		rc = git_diff_tree_to_tree(&diff, s->g->repo, before, now, NULL);
	for (size_t i = 0; rc == 0 && i < git_diff_num_deltas(diff); i++)
		note(s, git_diff_get_delta(diff, i)->new_file.path, git_commit_time(commit));
	git_diff_free(diff);
	git_tree_free(before);
	git_tree_free(now);
	git_commit_free(parent);
	return rc;
}

static int walk(struct search *s, git_revwalk *walk, const struct cancel *cancel, struct err *e)
{
	git_oid id;
	int git = 0, rc = 0;
	for (int i = 0; rc == 0 && s->missing && i < MAX_COMMITS; i++) {
		git_commit *commit = NULL;
		git = git_revwalk_next(&id, walk);
		if (git == 0)
			git = git_commit_lookup(&commit, s->g->repo, &id);
		if (git == 0)
			git = look_at(s, commit);
		git_commit_free(commit);
		if (git < 0)
			break;
		rc = cancel_check(cancel, e);
	}
	return git < 0 && git != GIT_ITEROVER ? mirror_git_failed("the local clone", e) : rc;
}

int mirror_git_find_times(struct mirror *m, struct mirror_git_file *files, size_t count,
			  struct err *e)
{
	struct mirror_git *g = m->state;
	struct search s = { .g = g, .files = files, .count = count };
	git_revwalk *w = NULL;
	for (size_t i = 0; i < count; i++)
		s.missing += files[i].modified_s == 0;
	if (!s.missing || !g->has_branch)
		return 0;
	int rc = git_revwalk_new(&w, g->repo);
	if (rc == 0)
		rc = git_revwalk_simplify_first_parent(w);
	if (rc == 0)
		rc = git_revwalk_push(w, &g->tip);
	rc = rc < 0 ? mirror_git_failed("the local clone", e) : walk(&s, w, m->env.cancel, e);
	git_revwalk_free(w);
	return rc;
}
