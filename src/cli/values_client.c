#include "cli/session.h"
#include "cli/values.h"
#include "store/needs.h"
#include "store/partials.h"
#include "util/mem.h"

#include <string.h>

/* "REPOSITORY/" if a slash was typed, else "". The caller frees. */
static char *prefix_of(const char *repository, const struct cli_sought *what)
{
	return strchr(what->word, '/') ? mem_printf("%s/", repository) : mem_strdup("");
}

struct indexed {
	const char *prefix;
	const struct cli_sought *what;
	struct str_list *out;
};

static size_t models_in(const struct index_model *m)
{
	size_t count = 0;
	for (size_t i = 0; i < m->variant_count; i++)
		count += !m->variants[i].kind;
	return count;
}

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	const struct indexed *x = ctx;
	(void)e;
	for (size_t i = 0; i < m->variant_count; i++)
		values_model(m->id, m->variants[i].id, x->prefix, x->what, x->out);
	if (models_in(m) > 1)
		values_model(m->id, REFERENCE_AUTO, x->prefix, x->what, x->out);
	return 0;
}

/* The versions are in the card, which is there if the model was shown or fetched. */
static void add_versions(struct remote *r, const char *model, const struct indexed *x)
{
	const struct card *card;
	struct err unknown = ERR_INIT;
	if (remote_model(r, model, &card, &unknown) == 0)
		values_card(card, x->prefix, x->what, x->out);
}

static void add_catalogs(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	CLEANUP(client_release) struct client s = { 0 };
	CLEANUP(mem_free_ptr) char *model = values_version_of(what);
	struct err ignored = ERR_INIT;
	if (session_open(cli, NULL, CLIENT_OFFLINE, &s, &ignored) < 0)
		return;
	for (size_t i = 0; i < s.remotes.count; i++) {
		struct remote *r = s.remotes.at[i];
		CLEANUP(mem_free_ptr) char *prefix = prefix_of(r->repository, what);
		struct indexed x = { prefix, what, out };
		if (model)
			add_versions(r, model, &x);
		else
			(void)!remote_each_model(r, take_model, &x, &ignored);
		err_clear(&ignored);
	}
	values_unique(out);
}

/* Are there several variants of it, of which the first is at i? */
static bool is_first_of_several(const struct store_variants *all, size_t i)
{
	const struct store_variant *v = &all->at[i];
	const struct store_variant *next = i + 1 < all->count ? v + 1 : NULL;
	bool first = i == 0 || strcmp(v[-1].model, v->model) != 0;
	return first && next && strcmp(next->model, v->model) == 0 && !v->kind && !next->kind &&
	       !store_variant_is_numbered(next);
}

/* Those of the catalogs that were verified last. */
static void add_mirrors(struct cli *cli, struct str_list *out)
{
	CLEANUP(client_release) struct client s = { 0 };
	struct err ignored = ERR_INIT;
	if (session_open(cli, NULL, CLIENT_OFFLINE, &s, &ignored) < 0)
		return;
	for (size_t i = 0; i < s.remotes.count; i++) {
		const struct catalog *c = &s.remotes.at[i]->catalog;
		for (size_t j = 0; j < c->mirror_count; j++)
			str_list_add(out, c->mirrors[j].id);
	}
	values_unique(out);
}

/* autos: also MODEL:auto, where there is a choice. */
static void add_stored(struct cli *cli, const struct cli_sought *what, bool autos,
		       struct str_list *out)
{
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct err ignored = ERR_INIT;
	int rc = session_store(cli, &s, &ignored);
	s.by_size = true;
	if (rc == 0)
		rc = store_list(&s, &all, &ignored);
	for (size_t i = 0; rc == 0 && i < all.count; i++) {
		CLEANUP(mem_free_ptr) char *prefix = prefix_of(all.at[i].repository, what);
		values_model(all.at[i].model, all.at[i].variant, prefix, what, out);
		if (autos && is_first_of_several(&all, i))
			values_model(all.at[i].model, REFERENCE_AUTO, prefix, what, out);
	}
	values_unique(out);
}

static bool is_partial(const struct store_partials *all, const struct digest *d)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].exists && digest_equal(&all->at[i].sha256, d))
			return true;
	return false;
}

static void add_partial(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	CLEANUP(store_needs_release) struct store_needs needs = { 0 };
	struct err ignored = ERR_INIT;
	int rc = session_store(cli, &s, &ignored);
	if (rc == 0)
		rc = store_partials_list(&s, NULL, &all, &ignored);
	if (rc == 0)
		rc = store_needs_list(&s, &needs, &ignored);
	for (size_t i = 0; rc == 0 && i < needs.count; i++) {
		const struct store_need *n = &needs.at[i];
		CLEANUP(mem_free_ptr) char *prefix = prefix_of(n->repository, what);
		if (is_partial(&all, &n->sha256))
			values_model(n->model, n->variant, prefix, what, out);
	}
	values_unique(out);
}

void values_client(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	switch (what->hint) {
	case HINT_MODEL:
		add_catalogs(cli, what, out);
		break;
	case HINT_STORED:
		add_stored(cli, what, false, out);
		break;
	case HINT_PARTIAL:
		add_partial(cli, what, out);
		break;
	case HINT_MIRROR:
		add_mirrors(cli, out);
		break;
	case HINT_REPOSITORY:
		values_sections(cli, "repository", out);
		break;
	default:
		break;
	}
}

void values_run(struct cli *cli, const struct cli_sought *what, struct str_list *out)
{
	if (what->hint == HINT_STORED)
		add_stored(cli, what, true, out);
	else
		values_client(cli, what, out);
}
