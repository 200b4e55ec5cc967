#include "health/subject.h"

#include "util/mem.h"

#include <string.h>

void health_subject_release(struct health_subject *s)
{
	probe_roles_release(&s->roles);
	free(s->mirror);
	catalog_release(&s->catalog);
	tree_release(&s->tree);
	*s = (struct health_subject){ 0 };
}

/* ---- what the mirrors have ---- */

static int open_mirrors(const struct health_subject_from *from, struct health_subject *s,
			struct err *e)
{
	struct newest_from newest = {
		.repository = from->repository,
		.dir = from->dir,
		.candidates = from->candidates,
		.count = from->count,
		.now_s = from->now_s,
		.ms = from->ms,
		.last_ms = from->last_ms,
		.cancel = from->cancel,
	};
	int rc = newest_copy(&newest, &s->newest, e);
	if (rc < 0)
		return rc;
	s->origin = HEALTH_SUBJECT_MIRROR;
	s->mirror = mem_strdup(s->newest.mirror->id);
	s->tree = s->newest.tree;
	s->newest.tree = (struct tree){ 0 };
	return 0;
}

static int open_earlier(const struct health_subject_from *from, struct health_subject *s,
			struct err *e)
{
	struct err none = ERR_INIT;
	if (tree_open(from->dir, &s->tree, &none) < 0)
		return -(int)e->class;
	s->origin = HEALTH_SUBJECT_COPY;
	s->tree.cancel = from->cancel;
	s->why = *e;
	err_clear(e);
	return 0;
}

/* ---- what is in it ---- */

static bool is_model_file(const struct repository_file *f)
{
	return f->class == REPOSITORY_OBJECT && f->manifest_key;
}

static void count_models(struct health_subject *s)
{
	const struct repository_files *f = &s->tree.files;
	for (size_t i = 0; i < f->count; i++) {
		s->bytes += f->at[i].class == REPOSITORY_OBJECT ? f->at[i].size : 0;
		s->variants += is_model_file(&f->at[i]);
		s->models += str_ends(f->at[i].key, ".card.json");
	}
	if (!s->catalog.model_count)
		return;
	s->variants = 0;
	s->models = s->catalog.model_count;
	for (size_t i = 0; i < s->catalog.model_count; i++)
		s->variants += s->catalog.models[i].variant_count;
}

/* Without a catalog only the mirrors of ferry.conf are known. */
static void describe(struct health_subject *s)
{
	const struct repository_file *catalog = tree_find(&s->tree, CATALOG_TARGET);
	const struct buf *bytes = catalog ? tree_small(&s->tree, catalog) : NULL;
	struct err ignored = ERR_INIT;
	if (bytes)
		(void)!catalog_parse(buf_str(bytes), bytes->len, CATALOG_TARGET, &s->catalog,
				     &ignored);
	count_models(s);
	catalog_forget_models(&s->catalog);
}

int health_subject_open(const struct health_subject_from *from, struct health_subject *out,
			struct err *e)
{
	int rc;
	*out = (struct health_subject){ .origin = HEALTH_SUBJECT_TREE };
	if (from->repository->dir) {
		rc = tree_open(from->repository->dir, &out->tree, e);
		out->tree.cancel = from->cancel;
	} else {
		rc = open_mirrors(from, out, e);
		if (rc < 0 && !err_is(e, ERR_CANCELLED))
			rc = open_earlier(from, out, e);
	}
	if (rc == 0)
		describe(out);
	return rc < 0 ? rc : probe_roles_read(&out->tree, &out->roles, e);
}
