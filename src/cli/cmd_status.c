#include "cli/session.h"
#include "cli/values.h"
#include "fetch/standing.h"
#include "store/needs.h"
#include "store/partials.h"
#include "store/pinned.h"
#include "util/file.h"
#include "util/mem.h"

extern const struct command cmd_status;

/* What this machine has, without the network. */
struct status {
	struct client client;
	struct store_variants all;
	struct store_partials partials;
	struct store_needs needs;
	const struct store_variant *newest, *incomplete; /* or NULL */
	uint64_t models, bytes, updates, update_bytes;
	bool publishes;
};

static void status_release(struct status *s)
{
	store_needs_release(&s->needs);
	store_partials_release(&s->partials);
	store_variants_release(&s->all);
	client_release(&s->client);
}

/* ---- looking ---- */

/* A store that is not there yet is not made. */
static int open_store(struct cli *cli, struct status *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	int rc = store_home(&home, e);
	if (rc < 0 || !file_exists(home))
		return rc;
	rc = session_store(cli, &s->client.store, e);
	s->client.store.by_size = true;
	if (rc == 0)
		rc = store_list(&s->client.store, &s->all, e);
	if (rc == 0)
		rc = store_partials_list(&s->client.store, NULL, &s->partials, e);
	return rc < 0 ? rc : store_needs_list(&s->client.store, &s->needs, e);
}

static int look_at_settings(struct cli *cli, struct status *s, struct err *e)
{
	struct client *c = &s->client;
	int rc = session_settings(cli, &c->repositories, &c->fetch, &c->access, e);
	for (size_t i = 0; i < c->repositories.count; i++)
		s->publishes |= c->repositories.at[i].dir != NULL;
	return rc;
}

/* Only what `ferry update` would change. */
static bool has_update(const struct status *s, const struct store_variant *v,
		       const struct standing *standing)
{
	return standing->has_newer && !store_variant_is_numbered(v) &&
	       !store_is_pinned(&s->client.store, v);
}

/* One whose plain name leads to it comes first. */
static bool is_newer(const struct store_variant *v, const struct store_variant *than)
{
	bool numbered = store_variant_is_numbered(v);
	if (!than || numbered != store_variant_is_numbered(than))
		return !than || !numbered;
	return v->fetched_s > than->fetched_s;
}

static int look_at_model(struct status *s, const struct store_variant *v, struct err *e)
{
	struct standing standing;
	int rc = standing_of(remotes_find(&s->client.remotes, v->repository), &s->client.store, v,
			     &standing, e);
	if (rc < 0)
		return rc;
	s->models++;
	s->bytes += v->size;
	if (!v->complete)
		s->incomplete = v;
	else if (has_update(s, v, &standing)) {
		s->updates++;
		s->update_bytes += standing.to_fetch;
	}
	if (v->complete && !v->kind && standing.kind != STANDING_WITHDRAWN &&
	    is_newer(v, s->newest))
		s->newest = v;
	return 0;
}

static int look(struct cli *cli, struct status *s, struct err *e)
{
	struct err unknown = ERR_INIT;
	s->client.cancel = cli->cancel;
	int rc = look_at_settings(cli, s, e);
	if (rc == 0)
		rc = open_store(cli, s, e);
	/* Without a catalog that was verified before, nothing is known of updates. */
	if (rc == 0 && s->client.store.home && s->client.repositories.count)
		(void)!client_recall(&s->client, NULL, &s->client.remotes, &unknown);
	for (size_t i = 0; rc == 0 && i < s->all.count; i++)
		rc = look_at_model(s, &s->all.at[i], e);
	return rc;
}

/* ---- the document ---- */

static void put_repositories(json_t *document, const struct status *s)
{
	const struct settings_repositories *all = &s->client.repositories;
	json_t *repositories = json_put_array(document, "repositories");
	for (size_t i = 0; i < all->count; i++) {
		if (!all->at[i].metadata.count)
			continue;
		const struct remote *r = remotes_find(&s->client.remotes, all->at[i].name);
		json_t *one = json_push_object(repositories);
		json_put_string(one, "name", all->at[i].name);
		json_put_string(one, "title", r ? r->catalog.title : NULL);
		json_put_bool(one, "known", r != NULL);
		json_put_string(one, "expired", r ? r->expired : NULL);
	}
}

/* The model that a download is for; NULL: none. */
static const struct store_need *need_of(const struct status *s, const struct store_partial *p)
{
	for (size_t i = 0; i < s->needs.count; i++)
		if (digest_equal(&s->needs.at[i].sha256, &p->sha256))
			return &s->needs.at[i];
	return NULL;
}

static void put_downloads(json_t *document, const struct status *s)
{
	json_t *downloads = json_put_array(document, "downloads");
	for (size_t i = 0; i < s->partials.count; i++) {
		const struct store_partial *p = &s->partials.at[i];
		const struct store_need *need = need_of(s, p);
		if (!p->exists || !need)
			continue;
		json_t *one = json_push_object(downloads);
		json_put_string(one, "repository", need->repository);
		json_put_string(one, "model", need->model);
		json_put_string(one, "variant", need->variant);
		json_put_string(one, "file", need->file);
		json_put_u64(one, "size", need->size);
		json_put_u64(one, "there", MIN(p->there, need->size));
		json_put_bool(one, "running", store_partial_is_held(&s->client.store, p));
	}
}

static void put_store(json_t *document, const struct status *s)
{
	CLEANUP(mem_free_ptr) char *home = NULL;
	struct err ignored = ERR_INIT;
	json_t *store = json_put_object(document, "store");
	if (store_home(&home, &ignored) == 0)
		json_put_string(store, "home", home);
	json_put_u64(store, "models", s->models);
	json_put_u64(store, "bytes", s->bytes);
	json_put_u64(document, "updates", s->updates);
	json_put_u64(document, "update_bytes", s->update_bytes);
}

/* ---- what to do next ---- */

static void add_next(json_t *next, const char *why, const char *command)
{
	json_t *one = json_push_object(next);
	json_put_string(one, "command", command);
	json_put_string(one, "why", why);
}

static void add_for_variant(json_t *next, const char *why, const char *command,
			    const struct store_variant *v)
{
	CLEANUP(mem_free_ptr)
	char *text = mem_printf("%s %s/%s:%s", command, v->repository, v->model, v->variant);
	add_next(next, why, text);
}

/* The first download that nobody works on. */
static void add_download(json_t *next, const json_t *downloads)
{
	const json_t *one;
	size_t i;
	json_array_foreach (downloads, i, one) {
		if (json_flag(one, "running"))
			continue;
		CLEANUP(mem_free_ptr)
		char *command = cli_fill(one, "ferry fetch {repository}/{model}:{variant}");
		add_next(next, "continues the download", command);
		return;
	}
}

static void add_engine(json_t *next, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr)
	char *text = mem_printf("ferry run %s/%s:%s -- llama-server -m {}", v->repository, v->model,
				v->variant);
	add_next(next, "runs a program on the model", text);
}

static void put_next(json_t *document, const struct status *s)
{
	json_t *next = json_put_array(document, "next");
	bool has_repository = json_array_size(json_object_get(document, "repositories")) > 0;
	add_download(next, json_object_get(document, "downloads"));
	if (s->incomplete)
		add_for_variant(next, "gets the files that are missing", "ferry fetch",
				s->incomplete);
	if (s->updates)
		add_next(next, "fetches the new versions", "ferry update");
	if (s->publishes)
		add_next(next, "says what the repository of this folder needs",
			 "ferry catalog status");
	if (!has_repository && !s->publishes)
		add_next(next, "adds a repository, with the line that its publisher gives",
			 "ferry repository add 'https://HOST/PATH/#sha256=DIGEST'");
	else if (has_repository && !s->models)
		add_next(next, "lists the models that can be fetched", "ferry list");
	if (s->newest)
		add_engine(next, s->newest);
}

/* ---- for people ---- */

static void print_repositories(struct cli *cli, const json_t *document)
{
	const json_t *all = json_object_get(document, "repositories"), *one;
	size_t i;
	if (!json_array_size(all))
		cli_raw(cli, "repositories  none\n");
	json_array_foreach (all, i, one)
		cli_say(cli, one,
			"repository    {name}{title? (:}{title|}{title?):}"
			"{known?:, nothing was fetched from it yet}"
			"{expired? (its metadata has expired):}");
}

static void print_downloads(struct cli *cli, const json_t *document)
{
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(document, "downloads"), i, one)
		cli_say(cli, one,
			"{running?downloading:unfinished } {repository}/{model}:{variant}  {file}, "
			"{there:size} of {size:size}");
}

static void print(struct cli *cli, const json_t *document)
{
	const json_t *one;
	size_t i;
	print_repositories(cli, document);
	cli_say(cli, json_object_get(document, "store"),
		"store         {models#model}, {bytes:size}, in {home}");
	print_downloads(cli, document);
	if (json_integer_value(json_object_get(document, "updates")))
		cli_say(cli, document, "updates       {updates#model}, {update_bytes:size}");
	cli_raw(cli, "\nNext:\n");
	json_array_foreach (json_object_get(document, "next"), i, one) {
		cli_say(cli, one, "  {command}");
		cli_say(cli, one, "      {why}");
	}
	cli_raw(cli, "\n`ferry help` lists the commands.\n");
}

static int run(struct cli *cli, struct err *e)
{
	CLEANUP(status_release) struct status s = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	int rc = look(cli, &s, e);
	if (rc < 0)
		return rc;
	put_repositories(document, &s);
	put_store(document, &s);
	put_downloads(document, &s);
	put_next(document, &s);
	print(cli, document);
	return cli_result(cli, document, e);
}

const struct command cmd_status = {
	.name = "status",
	.asked = true,
	.summary = "say what this machine has, and what to do next",
	.description = "Shows the repositories in ferry.conf, the store, unfinished downloads and "
		       "known updates, and the commands to run next. The network is not used. "
		       "`ferry` without a command does the same.",
	.run = run,
	.values = values_client,
};
