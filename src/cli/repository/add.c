#include "cli/repository/repository.h"
#include "fetch/remote_add.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

struct add_opts {
	const char *root, *root_sha256;
	bool yes;
};

static const struct opt add_opts[] = {
	OPT_HINTED(OPT_STRING, add_opts, root, 0, "root", "FILE", HINT_FILE,
		   "instead of a digest: the publisher's 1.root.json, received over a channel that "
		   "you trust; it is copied beside the configuration"),
	OPT_ENTRY(OPT_STRING, add_opts, root_sha256, 0, "root-sha256", "HEX",
		  "the SHA-256 of 1.root.json, if it is not behind a URL; the file is downloaded "
		  "from a mirror and must match"),
	OPT_ENTRY(OPT_FLAG, add_opts, yes, 'y', "yes", NULL,
		  "do not ask whether to trust the repository"),
	OPT_LAST,
};

/* -- what the command line says ---------------------------------------------------------------- */

struct given {
	struct cli *cli;
	const struct add_opts *opts;
	const struct remote_options *options;
	struct http_access_list *access;
	const char *name; /* or NULL */
	struct str_list urls;
	bool has_root; /* a digest, which is in root */
	bool by_hand;  /* it, or --root, is on the command line: not only in a file */
	struct digest root;
};

static void given_release(struct given *g)
{
	str_list_release(&g->urls);
}

static int other_digest(const char *where, const struct digest *there, const struct given *g,
			struct err *e)
{
	char theirs[DIGEST_HEX], ours[DIGEST_HEX];
	err_set(e, g->by_hand ? ERR_INTEGRITY : ERR_USAGE,
		"%s has the SHA-256 %s for the root, but %s was given before", where,
		digest_hex(theirs, there), digest_hex(ours, &g->root));
	return err_hint(e,
			"they are of different repositories, or one is forged: ask the publisher "
			"which is right");
}

/* All digests must be the same. */
static int take_digest(struct given *g, const char *where, const struct digest *d, bool by_hand,
		       struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(where);
	if (g->has_root && !digest_equal(&g->root, d))
		return other_digest(shown, d, g, e);
	g->root = *d;
	g->has_root = true;
	g->by_hand |= by_hand;
	return 0;
}

static int take_option(struct given *g, struct err *e)
{
	const struct add_opts *o = g->opts;
	struct digest d;
	if (o->root && o->root_sha256) {
		err_set(e, ERR_USAGE, "--root and --root-sha256 are both given");
		return err_hint(e, "use one of them");
	}
	if (o->root)
		g->by_hand = true;
	if (!o->root_sha256)
		return 0;
	if (digest_parse(&d, o->root_sha256))
		return take_digest(g, "--root-sha256", &d, true, e);
	err_set(e, ERR_USAGE, "'%s' is not a SHA-256 in hex", o->root_sha256);
	return err_hint(e, "give the 64 hex digits of the publisher with --root-sha256");
}

static int take_file(struct given *g, const char *word, struct err *e)
{
	CLEANUP(join_release) struct join j = { 0 };
	int rc = remote_add_file(word, g->access, g->options, &j, e);
	if (rc == 0)
		rc = take_digest(g, word, &j.root, false, e);
	for (size_t i = 0; rc == 0 && i < j.urls.count; i++)
		str_list_add(&g->urls, j.urls.at[i]);
	return rc;
}

static int take_url(struct given *g, const char *word, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	struct digest d;
	bool has;
	int rc = join_split(word, &url, &has, &d, e);
	if (rc == 0 && has)
		rc = take_digest(g, word, &d, true, e);
	if (rc == 0 && join_is_file(url))
		return take_file(g, url, e);
	if (rc == 0)
		str_list_add(&g->urls, url);
	return rc;
}

static int no_place(const char *word, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(word);
	err_set(e, ERR_USAGE, "%s is neither a URL nor a folder, a bundle or a file to join with",
		shown);
	return err_hint(e, "a URL begins with https://; the publisher's ends with #sha256=HEX");
}

/* "acme.ferry-bundle#sha256=HEX", where there is no file of this whole name. */
static bool is_path_with_digest(const char *word)
{
	CLEANUP(mem_free_ptr) char *path = mem_strndup(word, strcspn(word, "#"));
	return strchr(word, '#') && file_exists(path);
}

/* A URL, a folder, or a file to join with. */
static int take_place(struct given *g, const char *word, struct err *e)
{
	if (strstr(word, "://") || (!file_exists(word) && is_path_with_digest(word)))
		return take_url(g, word, e);
	if (!file_exists(word))
		return no_place(word, e);
	if (join_is_file(word))
		return take_file(g, word, e);
	str_list_add(&g->urls, word);
	return 0;
}

/* The first of several is the name, unless it is a place. */
static bool is_name(const struct cli *cli)
{
	const char *word = cli->operands[0];
	return cli->count > 1 && !strstr(word, "://") && !join_is_file(word);
}

static int no_root(struct err *e)
{
	err_set(e, ERR_USAGE, "no root is given, so nothing can be verified");
	return err_hint(e, "get the line of the publisher, which ends with #sha256=HEX, over a "
			   "channel that you trust; or 1.root.json or its SHA-256, for --root FILE "
			   "or --root-sha256 HEX");
}

static void warn_plain(struct given *g)
{
	for (size_t i = 0; i < g->urls.count; i++) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(g->urls.at[i]);
		if (remote_add_is_plain(g->urls.at[i]))
			report_warn(g->cli->report,
				    "%s is not encrypted: others on the way can see what you "
				    "fetch; what arrives is verified all the same",
				    shown);
	}
}

static int read_given(struct given *g, struct err *e)
{
	struct cli *cli = g->cli;
	int rc = take_option(g, e);
	g->name = is_name(cli) ? cli->operands[0] : NULL;
	for (int i = g->name ? 1 : 0; rc == 0 && i < cli->count; i++)
		rc = take_place(g, cli->operands[i], e);
	if (rc == 0 && !g->has_root && !g->opts->root)
		rc = no_root(e);
	if (rc == 0 && g->opts->root && g->has_root) {
		struct digest d;
		uint64_t size;
		rc = sha256_of_file(g->opts->root, cli->cancel, &d, &size, e);
		if (rc == 0)
			rc = take_digest(g, g->opts->root, &d, true, e);
	}
	if (rc == 0)
		warn_plain(g);
	return rc;
}

/* -- what is going to be trusted ----------------------------------------------------------- */

static int count_model(void *ctx, const struct index_model *m, struct err *e)
{
	uint64_t *count = ctx;
	(void)m;
	(void)e;
	++*count;
	return 0;
}

static json_t *describe(struct cli *cli, const struct remote_adding *a)
{
	json_t *document = cli_document(cli);
	struct remote *c = a->remote;
	uint64_t models = 0;
	struct err ignored = ERR_INIT;
	json_put_string(document, "name", a->name);
	json_put_string(document, "title", c->catalog.title);
	json_put_string(document, "config", a->conf_path);
	json_put_string(document, "root_file", a->pin);
	if (remote_each_model(c, count_model, &models, &ignored) == 0)
		json_put_u64(document, "models", models);
	cmd_repository_put(document, c, &a->root, a->first);
	json_put(document, "metadata", json_strings(&a->urls));
	return document;
}

static void print_described(struct cli *cli, const json_t *document)
{
	const json_t *key;
	size_t i;
	cli_say(cli, document,
		json_object_get(document, "title") ? "{name}: {title}, {models#model}"
						   : "{name}: {name}, {models#model}");
	cmd_repository_print(cli, document);
	cli_raw(cli, "\n");
	cli_say(cli, document,
		"root version {root.version}; {root.threshold} of these keys must sign the next "
		"one:");
	json_array_foreach (json_object_get(json_object_get(document, "root"), "keys"), i, key)
		cli_say(cli, key, "  {}");
}

static int unconfirmed(const char *name, const char *why, struct err *e)
{
	err_set(e, ERR_USAGE, "%s was not added: %s", name, why);
	e->cause = CAUSE_UNCONFIRMED;
	return err_hint(e, "compare the fingerprint with what the publisher says; then --yes adds "
			   "it, or the digest on the command line: URL#sha256=HEX");
}

static int ask(struct cli *cli, const char *name, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(0);
	CLEANUP(mem_free_ptr)
	char *question = mem_printf("Trust this repository and add it as %s? [y/N]", name);
	int rc = cli_flush(e);
	if (rc == 0)
		rc = cli_ask(cli, question, &answer, e);
	/* Ctrl-C is no answer. */
	if (rc == 0)
		rc = cancel_check(cli->cancel, e);
	if (rc < 0 && !err_is(e, ERR_USAGE))
		return rc;
	err_clear(e);
	bool yes = rc == 0 &&
		   (str_eq_nocase(buf_str(&answer), "y") || str_eq_nocase(buf_str(&answer), "yes"));
	return yes ? 0 : unconfirmed(name, "you did not confirm it", e);
}

/* A digest on the command line is the person's word already; in a file, it is anybody's. */
static int consent(struct given *g, const struct remote_adding *a, struct err *e)
{
	if (g->opts->yes)
		return 0;
	if (cli_can_ask(g->cli))
		return ask(g->cli, a->name, e);
	return g->by_hand ? 0
			  : unconfirmed(a->name,
					"its digest is only in a file, and nobody "
					"confirmed it",
					e);
}

/* -- the command --------------------------------------------------------------------------- */

static void tell_added(struct cli *cli, const json_t *document, const struct remote_adding *a)
{
	size_t more = a->urls.count - a->given;
	cli_note(cli, document,
		 json_object_get(document, "root_file") ? "wrote {config} and {root_file}"
							: "wrote {config}");
	if (more)
		report_note(cli->report, "it has %zu more URL%s, from the signed catalog", more,
			    more == 1 ? "" : "s");
	if (a->twin)
		report_warn(cli->report,
			    "%s is the same repository: `ferry fetch MODEL` will ask which of the "
			    "two is meant; `ferry repository remove` removes one",
			    a->twin);
	cli_note(cli, document, "next: run `ferry list`");
}

static int add(struct given *g, const char *conf, const struct store *store, struct err *e)
{
	struct cli *cli = g->cli;
	CLEANUP_PTR(remote_adding_free) struct remote_adding *a = NULL;
	char hex[DIGEST_HEX];
	const struct remote_add what = {
		.access = g->access,
		.conf_path = conf,
		.name = g->name,
		.urls = g->urls.at,
		.url_count = g->urls.count,
		.root = g->opts->root,
		.root_sha256 = g->opts->root ? NULL : digest_hex(hex, &g->root),
	};
	int rc = remote_add_open(&what, store, g->options, &a, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = describe(cli, a);
	cli_aloud(cli, !g->opts->yes && cli_can_ask(cli));
	print_described(cli, document);
	cli_aloud(cli, false);
	rc = consent(g, a, e);
	/* For programs that show it to a person first. */
	if (rc < 0 && e->cause == CAUSE_UNCONFIRMED)
		return cli_result(cli, document, e);
	if (rc == 0)
		rc = remote_add_write(a, e);
	if (rc < 0)
		return rc;
	tell_added(cli, document, a);
	return cli_result(cli, document, e);
}

static int run_add(struct cli *cli, struct err *e)
{
	const struct remote_options options = {
		.strict = true,
		.report = cli->report,
		.cancel = cli->cancel,
		.kinds = mirror_kinds_client,
	};
	CLEANUP(mem_free_ptr) char *conf = NULL;
	CLEANUP(store_close) struct store store = { 0 };
	CLEANUP(http_access_list_release) struct http_access_list access = { 0 };
	CLEANUP(given_release) struct given given = {
		.cli = cli,
		.opts = cli->opts,
		.options = &options,
		.access = &access,
	};
	const struct conf *known;
	int rc = cli_conf_path(cli, &conf, e);
	/* --config may name one that is still to be written. */
	if (rc == 0 && file_exists(conf) && (rc = cli_conf(cli, &known, e)) == 0)
		rc = settings_access_read(known, &access, e);
	if (rc == 0)
		rc = read_given(&given, e);
	if (rc == 0)
		rc = session_store(cli, &store, e);
	return rc < 0 ? rc : add(&given, conf, &store, e);
}

const struct command cmd_repository_add = {
	.name = "add",
	.summary = "verify a repository and add it to the configuration",
	.synopsis = (const char *const[]){ "[NAME] URL#sha256=HEX [URL…]", "[NAME] FILE.ferry",
					   "[NAME] URL… --root FILE",
					   "[NAME] URL… --root-sha256 HEX", NULL },
	.description =
		"First downloads and verifies everything from the pinned root to the catalog, and "
		"shows what would be trusted; if the root, the hash or a URL is wrong, nothing is "
		"written. The publisher gives you the URL with the SHA-256 of the first root "
		"behind it, or a small file with both. On a terminal it asks before it adds the "
		"repository. NAME is your name for it; otherwise the one in its catalog is used. "
		"URLs of other mirrors are taken from the signed catalog.",
	.opts = add_opts,
	.opts_size = sizeof(struct add_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_add,
};
