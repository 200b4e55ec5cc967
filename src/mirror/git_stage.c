/* What the branch will have after the next commit. */
#include "mirror/git.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static void tree_free(git_tree **t)
{
	git_tree_free(*t);
}

/* ---- the staged files ------------------------------------------------------------ */

/* Where the key is, or would be. */
static size_t place_of(const struct mirror_git *g, const char *key, bool *found)
{
	size_t low = 0, high = g->staged_count;
	*found = false;
	while (low < high && !*found) {
		size_t middle = (low + high) / 2;
		int order = strcmp(key, g->staged[middle].key);
		*found = order == 0;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *found ? high : low;
}

static const struct mirror_git_staged *staged_of(const struct mirror_git *g, const char *key)
{
	bool found;
	size_t at = place_of(g, key, &found);
	return found ? &g->staged[at] : NULL;
}

void mirror_git_unstage_all(struct mirror_git *g)
{
	for (size_t i = 0; i < g->staged_count; i++)
		free(g->staged[i].key);
	free(g->staged);
	g->staged = NULL;
	g->staged_count = g->staged_cap = 0;
}

/* ---- the branch ------------------------------------------------------------------ */

/* *found false: there is no such file. */
static int find_in_branch(struct mirror_git *g, const char *key, git_oid *out, bool *found,
			  struct err *e)
{
	CLEANUP(tree_free) git_tree *tree = NULL;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", g->prefix, key);
	git_tree_entry *entry = NULL;
	*found = false;
	int rc = mirror_git_tree(g, &tree, e);
	if (rc < 0 || !tree)
		return rc;
	rc = git_tree_entry_bypath(&entry, tree, path);
	if (rc == 0 && git_tree_entry_type(entry) == GIT_OBJECT_BLOB) {
		*found = true;
		*out = *git_tree_entry_id(entry);
	}
	git_tree_entry_free(entry);
	return rc < 0 && rc != GIT_ENOTFOUND ? mirror_git_failed(path, e) : 0;
}

static int find(struct mirror *m, const char *key, git_oid *out, bool *found, struct err *e)
{
	struct mirror_git *g = m->state;
	const struct mirror_git_staged *s = staged_of(g, key);
	int rc = mirror_git_refresh(m, e);
	if (rc < 0 || !s)
		return rc < 0 ? rc : find_in_branch(g, key, out, found, e);
	*found = !s->removed;
	*out = s->id;
	return 0;
}

int mirror_git_find(struct mirror *m, const char *key, git_oid *out, struct err *e)
{
	const struct mirror_git *g = m->state;
	bool found = false;
	int rc = find(m, key, out, &found, e);
	if (rc < 0 || found)
		return rc;
	return err_set(e, ERR_NOT_FOUND, "no such file in the branch %s of %s", g->branch,
		       g->remote.url);
}

int mirror_git_describe(struct mirror_git *g, const git_oid *id, struct mirror_stat *out,
			struct err *e)
{
	git_odb *odb = NULL;
	git_object_t type;
	size_t size = 0;
	int rc = git_repository_odb(&odb, g->repo);
	if (rc == 0)
		rc = git_odb_read_header(&size, &type, odb, id);
	git_odb_free(odb);
	if (rc < 0)
		return mirror_git_failed("the local clone", e);
	*out = (struct mirror_stat){ .size = size };
	git_oid_tostr(out->etag, GIT_OID_HEXSZ + 1, id);
	return 0;
}

/* ---- staging --------------------------------------------------------------------- */

static int changed(struct err *e)
{
	return err_set(e, ERR_CONFLICT, "was changed by another publisher");
}

int mirror_git_check_condition(struct mirror *m, const char *key, const struct mirror_put *how,
			       struct err *e)
{
	char etag[GIT_OID_HEXSZ + 1];
	bool found = false;
	git_oid id;
	int rc = find(m, key, &id, &found, e);
	if (rc == 0)
		rc = mirror_git_check_history(m, e);
	if (rc < 0)
		return rc;
	if (how->only_if_absent && found)
		return err_set(e, ERR_CONFLICT, "is already there");
	if (!how->only_if_etag)
		return 0;
	if (!found)
		return err_set(e, ERR_CONFLICT, "is not there any more");
	git_oid_tostr(etag, sizeof etag, &id);
	return strcmp(etag, how->only_if_etag) == 0 ? 0 : changed(e);
}

/* A new entry, with what the branch has. */
static int insert(struct mirror_git *g, size_t at, const char *key, struct err *e)
{
	struct mirror_git_staged s = { 0 };
	int rc = find_in_branch(g, key, &s.was, &s.was_there, e);
	if (rc < 0)
		return rc;
	s.key = mem_strdup(key);
	g->staged = mem_grow(g->staged, g->staged_count, &g->staged_cap, sizeof *g->staged);
	memmove(&g->staged[at + 1], &g->staged[at], (g->staged_count - at) * sizeof *g->staged);
	g->staged[at] = s;
	g->staged_count++;
	return 0;
}

int mirror_git_stage(struct mirror *m, const char *key, const git_oid *id, struct err *e)
{
	struct mirror_git *g = m->state;
	bool found;
	int rc = mirror_git_refresh(m, e);
	if (rc == 0)
		rc = mirror_git_check_history(m, e);
	size_t at = place_of(g, key, &found);
	if (rc == 0 && !found)
		rc = insert(g, at, key, e);
	if (rc < 0)
		return rc;
	g->staged[at].removed = !id;
	if (id)
		g->staged[at].id = *id;
	return 0;
}

/* Nobody else has changed it, or has written the same. */
static bool is_ours(const struct mirror_git_staged *s, bool there, const git_oid *now)
{
	if (there == s->was_there && (!there || git_oid_equal(now, &s->was)))
		return true;
	return s->removed ? !there : there && git_oid_equal(now, &s->id);
}

int mirror_git_overtaken(struct mirror *m, const char **key, struct err *e)
{
	struct mirror_git *g = m->state;
	int rc = 0;
	*key = NULL;
	for (size_t i = 0; i < g->staged_count && rc == 0 && !*key; i++) {
		bool there = false;
		git_oid now;
		rc = find_in_branch(g, g->staged[i].key, &now, &there, e);
		if (rc == 0 && !is_ours(&g->staged[i], there, &now))
			*key = g->staged[i].key;
	}
	return rc;
}

/* ---- the new tree ---------------------------------------------------------------- */

static void updates_free(struct mirror_git *g, git_tree_update *updates)
{
	for (size_t i = 0; i < g->staged_count; i++)
		free((char *)(uintptr_t)updates[i].path);
	free(updates);
}

/* Removing what the branch does not have would be an error. */
static int add_update(struct mirror_git *g, const struct mirror_git_staged *s,
		      git_tree_update *updates, size_t *count, struct err *e)
{
	bool there = false;
	git_oid now;
	int rc = s->removed ? find_in_branch(g, s->key, &now, &there, e) : 0;
	if (rc < 0 || (s->removed && !there))
		return rc;
	updates[(*count)++] = (git_tree_update){
		.action = s->removed ? GIT_TREE_UPDATE_REMOVE : GIT_TREE_UPDATE_UPSERT,
		.id = s->id,
		.filemode = GIT_FILEMODE_BLOB,
		.path = mem_printf("%s%s", g->prefix, s->key),
	};
	return 0;
}

int mirror_git_write_tree(struct mirror *m, git_oid *out, struct err *e)
{
	struct mirror_git *g = m->state;
	CLEANUP(tree_free) git_tree *base = NULL;
	git_tree_update *updates = mem_alloc((g->staged_count + 1) * sizeof *updates);
	size_t count = 0;
	int rc = mirror_git_tree(g, &base, e);
	for (size_t i = 0; i < g->staged_count && rc == 0; i++)
		rc = add_update(g, &g->staged[i], updates, &count, e);
	if (rc == 0 && count && git_tree_create_updated(out, g->repo, base, count, updates) < 0)
		rc = mirror_git_failed("the new commit", e);
	else if (rc == 0 && !count && base)
		*out = *git_tree_id(base);
	updates_free(g, updates);
	return rc;
}

/* ---- listing --------------------------------------------------------------------- */

struct listing {
	struct mirror_git *g;
	const char *prefix;
	struct mirror_git_file *at;
	size_t count, cap;
};

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].key);
	free(l->at);
}

static void add_file(struct listing *l, const char *key, const git_oid *id)
{
	if (!str_starts(key, l->prefix) || !path_is_key(key))
		return;
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct mirror_git_file){ .key = mem_strdup(key), .id = *id };
}

/* 1: a folder that is not asked for. */
static int on_tree(const char *folder, const git_tree_entry *entry, void *ctx)
{
	struct listing *l = ctx;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", folder, git_tree_entry_name(entry));
	CLEANUP(mem_free_ptr) char *wanted = mem_printf("%s%s", l->g->prefix, l->prefix);
	size_t common = MIN(strlen(path), strlen(wanted));
	if (strncmp(path, wanted, common) != 0)
		return 1;
	if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB || !str_starts(path, l->g->prefix))
		return 0;
	const char *key = path + strlen(l->g->prefix);
	if (!staged_of(l->g, key))
		add_file(l, key, git_tree_entry_id(entry));
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct mirror_git_file *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static int collect(struct mirror *m, struct listing *l, struct err *e)
{
	struct mirror_git *g = m->state;
	CLEANUP(tree_free) git_tree *tree = NULL;
	int rc = mirror_git_refresh(m, e);
	if (rc == 0)
		rc = mirror_git_tree(g, &tree, e);
	if (rc == 0 && tree && git_tree_walk(tree, GIT_TREEWALK_PRE, on_tree, l) < 0)
		rc = mirror_git_failed("the local clone", e);
	if (l->count)
		qsort(l->at, l->count, sizeof *l->at, compare_files);
	if (rc == 0)
		rc = mirror_git_find_times(m, l->at, l->count, e);
	for (size_t i = 0; i < g->staged_count && rc == 0; i++)
		if (!g->staged[i].removed)
			add_file(l, g->staged[i].key, &g->staged[i].id);
	if (l->count)
		qsort(l->at, l->count, sizeof *l->at, compare_files);
	return rc;
}

int mirror_git_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn, void *ctx,
		    struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	CLEANUP(listing_release) struct listing l = { .g = g, .prefix = prefix };
	pthread_mutex_lock(&g->lock);
	int rc = collect(c->mirror, &l, e);
	pthread_mutex_unlock(&g->lock);
	for (size_t i = 0; i < l.count && rc == 0; i++) {
		struct mirror_entry entry = { .key = l.at[i].key };
		pthread_mutex_lock(&g->lock);
		rc = mirror_git_describe(g, &l.at[i].id, &entry.stat, e);
		pthread_mutex_unlock(&g->lock);
		entry.stat.modified_s = l.at[i].modified_s;
		if (rc == 0)
			rc = fn(ctx, &entry, e);
	}
	return rc;
}
