#include "cli/lineage.h"
#include "cli/standings.h"
#include "store/named.h"
#include "cli/values.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_show;

struct show_opts {
	bool offline, provenance;
	struct fitting_opts fitting;
};

static const struct opt show_opts[] = {
	OPT_ENTRY(OPT_FLAG, show_opts, offline, 0, "offline", NULL,
		  "do not use the network: use the catalog that was verified last"),
	OPT_ENTRY(OPT_FLAG, show_opts, provenance, 0, "provenance", NULL,
		  "show where the variant comes from: sources with their digests, command and "
		  "tools"),
	FITTING_OPTS(show_opts, fitting),
	OPT_LAST,
};

/* The model as the store has it: what was fetched by its number, too. */
struct shown {
	struct cli *cli;
	struct remote *remote;
	const struct card *model;
	struct store_variants stored;
	json_t *standings; /* of each of them: standings_put() */
};

static void shown_release(struct shown *x)
{
	store_variants_release(&x->stored);
	json_decref(x->standings);
}

static int look_into_store(struct shown *x, struct err *e)
{
	const struct store *s = x->remote->store;
	int rc = store_list_model(s, x->remote->repository, x->model->id, &x->stored, e);
	x->standings = json_array();
	for (size_t i = 0; rc == 0 && i < x->stored.count; i++) {
		const struct store_variant *v = &x->stored.at[i];
		struct standing st;
		rc = standing_of(x->remote, s, v, &st, e);
		if (rc < 0)
			break;
		json_t *object = json_push_object(x->standings);
		json_put_string(object, "variant", v->variant);
		if (v->file_count)
			json_put_u64(object, "version", v->version);
		standings_put(object, v, &st);
	}
	return rc;
}

static size_t stored_at(const struct shown *x, const struct card_variant *v)
{
	return store_named(&x->stored, x->remote->repository, x->model->id, v->id);
}

/* -- for programs: the card as it is signed ------------------------------------------------- */

static json_t *stored_json(const struct shown *x)
{
	json_t *stored = json_array();
	for (size_t i = 0; i < x->model->variant_count; i++) {
		size_t at = stored_at(x, &x->model->variants[i]);
		if (at != SIZE_MAX && x->stored.at[at].complete)
			json_push_string(stored, x->model->variants[i].id);
	}
	return stored;
}

static json_t *mirrors_json(const struct remote *c)
{
	json_t *mirrors = json_array();
	for (size_t i = 0; i < c->catalog.mirror_count; i++)
		json_array_append(mirrors, (json_t *)c->catalog.mirrors[i].json);
	return mirrors;
}

static json_t *show(const struct shown *x, const struct card_variant *v)
{
	const struct remote *c = x->remote;
	json_t *document = cli_document(x->cli);
	json_put_string(document, "repository", c->repository);
	json_put_string(document, "variant", v->id);
	json_put_u64(document, "version", v->version);
	json_put(document, "model", json_incref(x->model->json));
	json_put(document, "in_store", stored_json(x));
	json_put(document, "stored", json_incref(x->standings));
	json_put(document, "mirrors", mirrors_json(c));
	json_put(document, "trust", session_roles_json(c));
	return document;
}

/* -- for people: what this program understands of it ---------------------------------------- */

static void line(struct cli *cli, const char *name, const char *text)
{
	if (text && text[0])
		cli_prose(cli, 13, "%-12s %s", name, text);
}

/* A member of the card, or all of a list. */
static void member(struct cli *cli, const char *name, const json_t *value)
{
	CLEANUP(mem_free_ptr) char *list = cli_join(value, "{}", ", ");
	line(cli, name, json_is_array(value) ? list : json_string_value(value));
}

/* 2700000000 → "2.7 B" */
static void print_parameters(struct cli *cli, uint64_t n)
{
	static const char units[] = " KMBT";
	double value = (double)n;
	size_t unit = 0;
	while (value >= 1000 && unit + 1 < sizeof units - 1) {
		value /= 1000;
		unit++;
	}
	if (n)
		cli_line(cli, "%-12s %.3g %c", "parameters", value, units[unit]);
}

static void print_withdrawal(struct cli *cli, const char *name, const struct card_withdrawal *w)
{
	if (w->reason)
		cli_prose(cli, 6, "%s %s%s%s", name, w->reason, w->replacement ? "; use " : "",
			  w->replacement ? w->replacement : "");
}

static void print_card(struct cli *cli, const struct remote *c, const struct card *m)
{
	const json_t *source = json_object_get(m->json, "source");
	cli_line(cli, "%-12s %s/%s", "model", c->repository, m->id);
	line(cli, "title", m->title);
	line(cli, "summary", m->summary);
	line(cli, "family", m->family);
	print_parameters(cli, m->parameters);
	if (m->context_length)
		cli_line(cli, "%-12s %llu tokens", "context",
			 (unsigned long long)m->context_length);
	line(cli, "license", m->license);
	member(cli, "source", json_object_get(source, "url"));
	member(cli, "revision", json_object_get(source, "revision"));
	member(cli, "author", json_object_get(source, "author"));
	member(cli, "based on", json_object_get(source, "base_model"));
	member(cli, "tags", json_object_get(m->json, "tags"));
	member(cli, "languages", json_object_get(m->json, "languages"));
	member(cli, "created", json_object_get(m->json, "created"));
	member(cli, "updated", json_object_get(m->json, "updated"));
	if (m->deprecated)
		cli_line(cli, "%-12s %s%s%s", "deprecated",
			 m->deprecation_reason ? m->deprecation_reason : "yes",
			 m->replacement ? "; use " : "", m->replacement ? m->replacement : "");
	print_withdrawal(cli, "withdrawn   ", &m->withdrawn);
}

/* "version 2 (2026-11), released 2026-11-28T10:20:30Z". The caller frees. */
static char *version_text(const struct card_variant *v)
{
	return mem_printf("version %llu%s%s%s%s%s", (unsigned long long)v->version,
			  v->label ? " (" : "", v->label ? v->label : "", v->label ? ")" : "",
			  v->released ? ", released " : "", v->released ? v->released : "");
}

static void print_version(struct cli *cli, const struct card_variant *v)
{
	CLEANUP(mem_free_ptr) char *version = version_text(v);
	const json_t *change;
	size_t i;
	if (v->file_count)
		cli_line(cli, "  %s", version);
	print_withdrawal(cli, "  withdrawn:", &v->withdrawn);
	json_array_foreach (json_object_get(v->json, "changes"), i, change)
		cli_prose(cli, 4, "  changed: %s", json_string_value(change));
}

static bool has_file(const struct store_variant *have, const struct card_file *f)
{
	for (size_t i = 0; i < have->file_count; i++)
		if (digest_equal(&have->files[i].sha256, &f->sha256))
			return true;
	return false;
}

/* Has the store exactly these files of the variant? */
static bool has_version(const struct shown *x, const struct card_variant *v)
{
	for (size_t i = 0; i < x->stored.count; i++) {
		const struct store_variant *have = &x->stored.at[i];
		size_t same = 0;
		if (!have->complete || !store_variant_is_of(have, v->id) ||
		    have->file_count != v->file_count)
			continue;
		for (size_t k = 0; k < v->file_count; k++)
			same += has_file(have, &v->files[k]);
		if (same == v->file_count)
			return true;
	}
	return false;
}

/* Are its bytes there, under another name? */
static bool has_bytes(const struct shown *x, const struct card_variant *v)
{
	bool all = v->file_count > 0;
	for (size_t i = 0; i < v->file_count; i++)
		all = all && store_has(x->remote->store, &v->files[i].sha256, v->files[i].size);
	return all;
}

/* Each with the reference that fetches it. */
static void print_superseded(const struct shown *x, const struct card_variant *v)
{
	char size[SIZE_TEXT];
	for (size_t i = 0; i < v->superseded_count; i++) {
		const struct card_variant *old = &v->superseded[i];
		CLEANUP(mem_free_ptr) char *version = version_text(old);
		cli_prose(x->cli, 4, "  earlier: %s:%s@%llu  %s  %s%s", x->model->id, v->id,
			  (unsigned long long)old->version, format_size(size, old->size), version,
			  has_version(x, old) ? "  (in the store)" : "");
		print_withdrawal(x->cli, "    withdrawn:", &old->withdrawn);
	}
}

/* What the store has of the variant, in whatever version. */
static void print_stored(const struct shown *x, const struct card_variant *v)
{
	bool is_current = v == card_variant(x->model, v->id);
	size_t at = is_current ? stored_at(x, v) : SIZE_MAX;
	if (at != SIZE_MAX) {
		const json_t *standing = json_array_get(x->standings, at);
		CLEANUP(mem_free_ptr) char *state = standings_text(standing);
		CLEANUP(mem_free_ptr) char *version = cli_fill(standing, "version {version}");
		cli_line(x->cli, "  in the store: %s%s%s",
			 json_object_get(standing, "version") ? version : "",
			 json_object_get(standing, "version") ? ", " : "", state);
	} else if (!is_current && has_version(x, v)) {
		cli_line(x->cli, "  in the store");
	} else if (has_bytes(x, v)) {
		cli_prose(x->cli, 4,
			  "  not in the store, but its bytes are: `ferry fetch` downloads "
			  "nothing");
	}
}

static void print_files(const struct shown *x, const struct card_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		char hex[DIGEST_HEX];
		cli_line(x->cli, "  %s%s%s  %llu bytes", f->name, f->role ? "  " : "",
			 f->role ? f->role : "", (unsigned long long)f->size);
		cli_line(x->cli, "    sha256 %s", digest_hex(hex, &f->sha256));
	}
}

static void print_variant(const struct shown *x, const struct card_variant *v)
{
	struct cli *cli = x->cli;
	const struct show_opts *o = cli->opts;
	char size[SIZE_TEXT], ram[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *memory =
		v->ram_known ? mem_printf("  about %s of memory with %llu tokens of context",
					  format_size(ram, fit_needs(v, o->fitting.context)),
					  (unsigned long long)fit_context(v, o->fitting.context))
			     : mem_strdup("");
	cli_raw(cli, "\n");
	cli_prose(cli, 13, "%-12s %s%s  %s%s", "variant", v->id,
		  strcmp(v->id, card_variant(x->model, NULL)->id) == 0 ? " (default)" : "",
		  format_size(size, v->size), memory);
	if (v->kind)
		cli_line(cli, "  %s: it is used together with a model", v->kind);
	if (v->engine)
		cli_line(cli, "  of all engines, only %s can load it", v->engine);
	print_version(cli, v);
	print_stored(x, v);
	print_files(x, v);
	print_superseded(x, v);
}

static void print_variants(const struct shown *x, const struct reference *r,
			   const struct card_variant *v)
{
	if (r->variant || r->version) {
		print_variant(x, v);
		return;
	}
	for (size_t i = 0; i < x->model->variant_count; i++)
		print_variant(x, &x->model->variants[i]);
}

/* What left the catalog can still be used. */
static int not_shown(const struct client *s, const struct reference *r, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	struct err ignored = ERR_INIT;
	bool looks = err_is(e, ERR_NOT_FOUND) && r->model && s->store.home &&
		     store_list(&s->store, &all, &ignored) == 0;
	for (size_t i = 0; looks && i < all.count; i++) {
		const struct store_variant *v = &all.at[i];
		if (!v->complete || strcmp(v->model, r->model) != 0 ||
		    (r->repository && strcmp(v->repository, r->repository) != 0))
			continue;
		CLEANUP(mem_free_ptr)
		char *name = mem_printf("%s/%s:%s", v->repository, v->model, v->variant);
		e->hint[0] = '\0';
		return err_hint(e,
				"%s is in the store, and can still be used; `ferry store path %s` "
				"prints its path",
				name, name);
	}
	return -ERR_NOT_FOUND;
}

static int run(struct cli *cli, struct err *e)
{
	const struct show_opts *o = cli->opts;
	CLEANUP(client_release) struct client s = { 0 };
	CLEANUP(reference_release) struct reference r = { 0 };
	CLEANUP(json_release) json_t *chosen = NULL;
	CLEANUP(shown_release) struct shown x = { .cli = cli };
	const struct card_variant *v;
	int rc = reference_parse(cli->operands[0], &r, e);
	if (rc == 0)
		rc = session_open(cli, r.repository, o->offline ? CLIENT_OFFLINE : CLIENT_ONLINE,
				  &s, e);
	if (rc == 0)
		rc = fitting_resolve(&s, &s.remotes, &r, &o->fitting, &x.remote, &x.model, &v,
				     &chosen, e);
	if (rc == -ERR_NOT_FOUND)
		return not_shown(&s, &r, e);
	if (rc < 0)
		return rc;
	session_tell_faults(cli, &s);
	if (o->provenance)
		return lineage_show(cli, x.remote, x.model, v, e);
	rc = look_into_store(&x, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = show(&x, v);
	if (chosen)
		json_put(document, "auto", json_incref(chosen));
	const json_t *role;
	size_t i;
	print_card(cli, x.remote, x.model);
	print_variants(&x, &r, v);
	cli_raw(cli, "\n");
	json_array_foreach (json_object_get(document, "trust"), i, role)
		cli_say(cli, role, "{role:12} version {version}, valid until {expires}");
	return cli_result(cli, document, e);
}

const struct command cmd_show = {
	.name = "show",
	.asked = true,
	.summary = "show the details of one model",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT][@VERSION]", NULL },
	.description =
		"Shows the card of a model: description, license, source, the variants with their "
		"sizes, memory requirements, versions and files, and when the signatures expire. "
		"Earlier versions are listed with the names by which they can be fetched, and what "
		"was withdrawn with the reason. With --provenance, shows instead what its "
		"publisher made it from, and how.",
	.opts = show_opts,
	.opts_size = sizeof(struct show_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
	.values = values_client,
};
