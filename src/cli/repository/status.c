#include "cli/repository/repository.h"
#include "tuf/margin.h"
#include "cli/several.h"
#include "tuf/claim.h"
#include "tuf/metadata.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

struct status_opts {
	uint64_t soon_s;
};

static const struct opt status_opts[] = {
	OPT_ENTRY(OPT_DURATION, status_opts, soon_s, 0, "soon", "DURATION",
		  "report metadata that expires within this time, with exit code 1 (30d for root "
		  "and targets, 2d for snapshot, 1d for timestamp)"),
	OPT_LAST,
};

/* -- one repository -------------------------------------------------------------------------- */

/* The result for one repository. */
struct look {
	const struct settings_repository *set;
	struct remote *remote;
	struct err why;           /* why the refresh failed; counts unless the cause is
				     expiry */
	struct str_list problems; /* what a person has to do */
};

static void look_release(struct look *l)
{
	remote_free(l->remote);
	str_list_release(&l->problems);
	*l = (struct look){ 0 };
}

static void check_expiry(struct look *l, const struct status_opts *o)
{
	struct tuf_role_state states[4];
	const struct remote *c = l->remote;
	size_t count = c->tuf ? tuf_client_state(c->tuf, states) : 0;
	int64_t now_s = (int64_t)time(NULL);
	for (size_t i = 0; i < count; i++) {
		const struct tuf_role_state *s = &states[i];
		char expires[TIME_TEXT];
		format_time(expires, s->expires_s);
		if (s->expires_s <= now_s)
			str_list_take(&l->problems,
				      mem_printf("%s has expired at %s", s->role, expires));
		else if (s->expires_s - now_s < tuf_margin_s(s->role, o->soon_s))
			str_list_take(&l->problems,
				      mem_printf("%s expires at %s", s->role, expires));
	}
}

static void check_endpoints(struct look *l)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&l->remote->endpoints, &count);
	for (size_t i = 0; i < count; i++)
		if (p[i].state == ENDPOINT_REJECTED)
			str_list_take(&l->problems,
				      mem_printf("%s sent something that does not verify: %s",
						 p[i].source->id, p[i].fault));
}

/* Was it rejected only because it has expired? Finding that is the purpose of status. */
static bool is_expiry(const struct look *l)
{
	return err_is(&l->why, ERR_INTEGRITY) && l->remote->expired;
}

static int look_at(struct cli *cli, const struct settings_repository *set,
		   const struct settings_fetch *fetch, const struct store *store,
		   const struct status_opts *o, struct look *l, struct err *e)
{
	const struct remote_options options = {
		.report = cli->report,
		.cancel = cli->cancel,
		.kinds = mirror_kinds_client,
	};
	l->set = set;
	int rc = remote_inspect(set, fetch, store, &options, &l->remote, &l->why, e);
	if (rc < 0)
		return rc;
	if (is_expiry(l))
		str_list_add(&l->problems, l->why.text);
	else if (!err_is(&l->why, ERR_INTEGRITY))
		check_endpoints(l);
	if (!l->problems.count)
		check_expiry(l, o);
	return 0;
}

/* -- telling ---------------------------------------------------------------------------------- */

static const char *overall(const struct look *l)
{
	if (is_expiry(l) || (!l->why.class && l->problems.count))
		return "attention";
	return err_is(&l->why, ERR_NETWORK) ? "unreachable" : l->why.class ? "failed" : "ok";
}

/* Is the pinned root version 1, so that others can begin with its digest? */
static bool pinned_first(const struct look *l)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(tuf_limits_default.root);
	struct err ignored = ERR_INIT;
	if (!l->set->root)
		return l->set->root_sha256 || tuf_client_root(l->remote->tuf)->version == 1;
	return file_read_all(l->set->root, &bytes, &ignored) == 0 &&
	       tuf_claim_version(buf_str(&bytes), bytes.len) == 1;
}

static void put_trust(json_t *object, const struct look *l)
{
	CLEANUP(mem_free_ptr) char *dir = store_trust_dir(l->remote->store, l->set->name);
	struct digest pinned;
	bool known = l->remote->tuf && tuf_client_pinned(dir, &pinned);
	cmd_repository_put(object, l->remote, known ? &pinned : NULL, known && pinned_first(l));
}

static void put_look(json_t *object, const struct look *l)
{
	json_put_string(object, "name", l->remote->repository);
	json_put_string(object, "title", l->remote->catalog.title);
	json_put_string(object, "state", overall(l));
	put_trust(object, l);
	json_put(object, "problems", json_strings(&l->problems));
	if (l->why.class)
		json_put(object, "error", cli_error_json(&l->why));
}

static void print_look(struct cli *cli, const json_t *look)
{
	const json_t *problem;
	size_t i;
	cli_aloud(cli, strcmp(json_text(look, "state"), "ok") != 0);
	cli_say(cli, look,
		json_object_get(look, "title") ? "{name}: {state}, {title}" : "{name}: {state}");
	cmd_repository_print(cli, look);
	cmd_repository_print_join(cli, look);
	json_array_foreach (json_object_get(look, "problems"), i, problem)
		cli_say(cli, problem, "attention: {}");
	cli_aloud(cli, false);
}

/* -- the command ------------------------------------------------------------------------------ */

struct choice {
	struct several named;
	struct settings_repositories all;
	const struct settings_repository **at;
	size_t count;
};

static void choice_release(struct choice *c)
{
	several_release(&c->named);
	settings_repositories_release(&c->all);
	free(c->at);
}

static int choose_named(void *ctx, int i, struct err *e)
{
	struct choice *c = ctx;
	const char *name = c->named.cli->operands[i];
	c->at[c->count] = settings_repositories_find(&c->all, name);
	if (c->at[c->count]) {
		c->count++;
		return 0;
	}
	settings_repositories_unknown(&c->all, name, ERR_NOT_FOUND, e);
	return err_hint(e, "see ferry.conf(5), or `ferry repository list`");
}

/* The given names, or all client repositories. */
static int choose(struct choice *c, struct err *e)
{
	size_t named = (size_t)c->named.cli->count;
	c->at = mem_alloc((c->all.count + named + 1) * sizeof *c->at);
	if (named)
		return several_each(&c->named, choose_named, c, e);
	for (size_t i = 0; i < c->all.count; i++)
		if (c->all.at[i].metadata.count)
			c->at[c->count++] = &c->all.at[i];
	if (c->count)
		return 0;
	err_set(e, ERR_NOT_FOUND, "no repository is configured");
	return err_hint(e, "add one with its publisher's line: ferry repository add "
			   "'URL#sha256=HEX'");
}

/* All are looked at; the first failure decides, then what a person has to do. */
struct sum {
	struct err first;
	bool attention;
};

static int status_of(struct cli *cli, const struct settings_repository *set,
		     const struct settings_fetch *fetch, const struct store *store,
		     const struct status_opts *o, json_t *list, struct sum *sum, struct err *e)
{
	CLEANUP(look_release) struct look l = { 0 };
	int rc = look_at(cli, set, fetch, store, o, &l, e);
	if (rc < 0)
		return rc;
	sum->attention |= l.problems.count > 0;
	if (l.why.class && !is_expiry(&l) && !sum->first.class)
		sum->first = l.why;
	json_t *object = json_push_object(list);
	put_look(object, &l);
	print_look(cli, object);
	if (is_expiry(&l) && l.why.hint[0])
		cli_note(cli, object, "{error.hint}");
	return 0;
}

static int run_status(struct cli *cli, struct err *e)
{
	CLEANUP(choice_release) struct choice chosen = { 0 };
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP(json_release) json_t *document = cli_document(cli);
	json_t *list = json_put_array(document, "repositories");
	struct sum sum = { .first = ERR_INIT };
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	struct settings_fetch fetch;
	several_init(&chosen.named, cli);
	int rc = session_settings(cli, &chosen.all, &fetch, &access, e);
	if (rc == 0)
		rc = choose(&chosen, e);
	if (rc == 0 && chosen.count)
		rc = session_store(cli, &store, e);
	for (size_t i = 0; rc == 0 && i < chosen.count; i++)
		rc = status_of(cli, chosen.at[i], &fetch, &store, cli->opts, list, &sum, e);
	if (rc < 0)
		return rc;
	if (!chosen.named.failed)
		*e = sum.first;
	rc = several_result(&chosen.named, document, e);
	return rc < 0 ? rc : sum.attention ? -ERR_FAULT : 0;
}

const struct command cmd_repository_status = {
	.name = "status",
	.summary = "refresh, and show versions, expiry dates and endpoints",
	.synopsis = (const char *const[]){ "[NAME…]", NULL },
	.description = "Asks every metadata URL, and the mirrors of the catalog. The exit code is "
		       "1 if metadata has expired or will soon, or an endpoint sends something "
		       "that does not verify; it is 4 if no endpoint can be reached.",
	.opts = status_opts,
	.opts_size = sizeof(struct status_opts),
	.operand_hint = HINT_REPOSITORY,
	.max_operands = -1,
	.run = run_status,
};
