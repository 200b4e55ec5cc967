#include "cli/session.h"
#include "cli/values.h"
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

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	const struct indexed *x = ctx;
	(void)e;
	for (size_t i = 0; i < m->variant_count; i++)
		values_model(m->id, m->variants[i].id, x->prefix, x->what, x->out);
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
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(mem_free_ptr) char *model = values_version_of(what);
	struct err ignored = ERR_INIT;
	if (session_open(cli, NULL, SESSION_OFFLINE, &s, &ignored) < 0)
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

static void add_stored(struct cli *cli, const struct cli_sought *what, struct str_list *out)
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
		add_stored(cli, what, out);
		break;
	case HINT_REPOSITORY:
		values_sections(cli, "repository", out);
		break;
	default:
		break;
	}
}
