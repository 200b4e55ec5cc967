/* Uploads: pieces are kept in memory until the object is complete, then it becomes a blob of the
 * local clone. */
#include "mirror/git.h"

#include "util/mem.h"

#include <string.h>

static void partial_free(struct mirror_git_partial *p)
{
	if (!p)
		return;
	free(p->key);
	free(p->data);
	free(p->there);
	free(p);
}

void mirror_git_partials_free(struct mirror_git *g)
{
	for (struct mirror_git_partial *p = g->partials, *next; p; p = next) {
		next = p->next;
		partial_free(p);
	}
	g->partials = NULL;
}

/* The partial of an earlier upload of the same content, or NULL. */
static struct mirror_git_partial *take(struct mirror_git *g, const struct mirror_upload *u)
{
	struct mirror_git_partial **at = &g->partials;
	while (*at &&
	       (strcmp((*at)->key, u->key) != 0 || !digest_equal(&(*at)->sha256, &u->how.sha256)))
		at = &(*at)->next;
	struct mirror_git_partial *found = *at;
	if (found)
		*at = found->next;
	return found;
}

static struct mirror_git_partial *anew(const struct mirror_upload *u)
{
	struct mirror_git_partial *p = NEW(struct mirror_git_partial);
	p->key = mem_strdup(u->key);
	p->sha256 = u->how.sha256;
	p->data = mem_alloc(u->how.grid.size + 1);
	p->there = mem_alloc(u->how.grid.count + 1);
	return p;
}

int mirror_git_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	struct mirror_git_partial *p = NULL;
	pthread_mutex_lock(&g->lock);
	int rc = mirror_git_check_condition(c->mirror, u->key, &u->how, e);
	if (rc == 0)
		p = take(g, u);
	pthread_mutex_unlock(&g->lock);
	if (rc < 0)
		return rc;
	u->state = p ? p : anew(u);
	for (uint32_t i = 0; p && i < u->how.grid.count; i++)
		if (p->there[i])
			mirror_upload_found(u, i);
	return 0;
}

int mirror_git_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const void *data, struct err *e)
{
	struct mirror_git_partial *p = u->state;
	uint64_t len = grid_length(&u->how.grid, piece);
	int rc = cancel_check(c->mirror->env.cancel, e);
	if (rc < 0)
		return rc;
	memcpy(p->data + grid_offset(&u->how.grid, piece), data, (size_t)len);
	pthread_mutex_lock(&u->lock);
	bool again = p->there[piece];
	p->there[piece] = true;
	pthread_mutex_unlock(&u->lock);
	if (!again)
		mirror_upload_advance(u, (int64_t)len);
	return 0;
}

static int commit(struct mirror *m, struct mirror_upload *u, struct mirror_stat *out, struct err *e)
{
	const struct mirror_git_partial *p = u->state;
	struct mirror_git *g = m->state;
	git_oid id;
	int rc = mirror_git_check_condition(m, u->key, &u->how, e);
	if (rc == 0 &&
	    git_blob_create_from_buffer(&id, g->repo, p->data, (size_t)u->how.grid.size) < 0)
		rc = mirror_git_failed("the local clone", e);
	if (rc == 0)
		rc = mirror_git_stage(m, u->key, &id, e);
	return rc < 0 ? rc : mirror_git_describe(g, &id, out, e);
}

int mirror_git_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			     struct mirror_stat *out, struct err *e)
{
	struct mirror_git *g = c->mirror->state;
	pthread_mutex_lock(&g->lock);
	int rc = commit(c->mirror, u, out, e);
	pthread_mutex_unlock(&g->lock);
	return rc < 0 ? rc : mirror_git_upload_abandon(c, u, e);
}

void mirror_git_upload_close(struct mirror_upload *u)
{
	struct mirror_git *g = u->mirror->state;
	struct mirror_git_partial *p = STEAL(u->state);
	bool any = false;
	for (uint32_t i = 0; p->there && u->how.grid.count > 1 && i < u->how.grid.count; i++)
		any |= p->there[i];
	if (!any) {
		partial_free(p);
		return;
	}
	pthread_mutex_lock(&g->lock);
	p->next = g->partials;
	g->partials = p;
	pthread_mutex_unlock(&g->lock);
}

/* Nothing is left for the next upload. */
int mirror_git_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_git_partial *p = u->state;
	(void)c, (void)e;
	free(p->data);
	free(p->there);
	p->data = NULL;
	p->there = NULL;
	return 0;
}
