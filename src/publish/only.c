#include "publish/only.h"

#include "catalog/catalog.h"
#include "util/mem.h"

#include <fnmatch.h>
#include <string.h>

struct choice {
	const struct tree *t;
	char **paths; /* of each file; NULL: it is not an object */
	bool *chosen;
};

static void choose_key(struct choice *c, const char *key)
{
	const struct repository_file *f = key ? tree_find(c->t, key) : NULL;
	if (f)
		c->chosen[tree_index(c->t, f)] = true;
}

static void choose(struct choice *c, size_t i)
{
	c->chosen[i] = true;
	choose_key(c, c->t->files.at[i].manifest_key);
	choose_key(c, c->t->files.at[i].origin_key);
}

static bool by_glob(struct choice *c, const char *glob)
{
	bool any = false;
	for (size_t i = 0; i < c->t->files.count; i++) {
		const char *path = c->paths[i];
		if (!path || !str_starts(path, CARD_TARGETS) ||
		    fnmatch(glob, path + strlen(CARD_TARGETS), 0) != 0)
			continue;
		choose(c, i);
		any = true;
	}
	return any;
}

static void by_path(struct choice *c, const char *path)
{
	for (size_t i = 0; i < c->t->files.count; i++)
		if (c->paths[i] && strcmp(c->paths[i], path) == 0)
			choose(c, i);
}

static int by_reference(struct choice *c, const struct catalog *catalog, const char *text,
			struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	const struct card *model;
	const struct card_variant *one;
	int rc = reference_parse(text, &r, e);
	if (rc == 0)
		rc = catalog_resolve(catalog, &r, &model, &one, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *card = card_document(model->id);
	struct card_walk w = { .card = model };
	by_path(c, card);
	/* Without a variant all of them, without a version all of them. */
	while (card_next_file(&w))
		if ((!r.variant || strcmp(w.variant->id, one->id) == 0) &&
		    (!r.version || w.variant == one))
			by_path(c, w.file->path);
	return 0;
}

static int choose_all(struct choice *c, const char *const *patterns, size_t count, struct err *e)
{
	CLEANUP(catalog_release) struct catalog catalog = { 0 };
	int rc = repository_catalog(c->t->dir, &catalog, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!strpbrk(patterns[i], "*?["))
			rc = by_reference(c, &catalog, patterns[i], e);
		else if (!by_glob(c, patterns[i]))
			rc = err_set(e, ERR_NOT_FOUND, "no file of a model matches '%s'",
				     patterns[i]);
	}
	return rc;
}

/* A pack belongs to each of its files. */
static void choose_packs(struct choice *c)
{
	for (size_t i = 0; i < c->t->files.count; i++) {
		const char *key = c->t->files.at[i].pack_key;
		const struct repository_file *pack = c->chosen[i] && key ? tree_find(c->t, key)
									 : NULL;
		if (pack)
			c->chosen[tree_index(c->t, pack)] = true;
	}
}

int only_resolve(const struct tree *t, const char *const *patterns, size_t count, bool **out,
		 struct err *e)
{
	size_t n = t->files.count;
	CLEANUP(mem_free_ptr) bool *chosen = mem_alloc((n + 1) * sizeof *chosen);
	CLEANUP(mem_free_ptr) char **paths = mem_alloc((n + 1) * sizeof *paths);
	struct choice c = { t, paths, chosen };
	for (size_t i = 0; i < n; i++)
		paths[i] = tree_target_path(&t->files.at[i]);
	int rc = choose_all(&c, patterns, count, e);
	choose_packs(&c);
	for (size_t i = 0; i < n; i++)
		free(paths[i]);
	if (rc == 0)
		*out = STEAL(chosen);
	return rc;
}
