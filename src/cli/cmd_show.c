#include "cli/lineage.h"
#include "cli/session.h"
#include "cli/values.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_show;

struct show_opts {
	bool offline, provenance;
};

static const struct opt show_opts[] = {
	OPT_ENTRY(OPT_FLAG, show_opts, offline, 0, "offline", NULL,
		  "do not use the network: use the catalog that was verified last"),
	OPT_ENTRY(OPT_FLAG, show_opts, provenance, 0, "provenance", NULL,
		  "show where the variant comes from: sources with their digests, command and "
		  "tools"),
	OPT_LAST,
};

static bool has_file(const struct remote *c, const struct card_file *f)
{
	return store_has(c->store, &f->sha256, f->size);
}

static bool has_files(const struct remote *c, const struct card_variant *v)
{
	bool all = v->file_count > 0;
	for (size_t i = 0; i < v->file_count; i++)
		all &= has_file(c, &v->files[i]);
	return all;
}

/* -- for programs: the card as it is signed ------------------------------------------------- */

static json_t *stored_json(const struct remote *c, const struct card *m)
{
	json_t *stored = json_array();
	for (size_t i = 0; i < m->variant_count; i++)
		if (has_files(c, &m->variants[i]))
			json_push_string(stored, m->variants[i].id);
	return stored;
}

static json_t *mirrors_json(const struct remote *c)
{
	json_t *mirrors = json_array();
	for (size_t i = 0; i < c->catalog.mirror_count; i++)
		json_array_append(mirrors, (json_t *)c->catalog.mirrors[i].json);
	return mirrors;
}

static json_t *show(struct cli *cli, const struct remote *c, const struct card *m,
		    const struct card_variant *v)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "repository", c->repository);
	json_put_string(document, "variant", v->id);
	json_put_u64(document, "version", v->version);
	json_put(document, "model", json_incref(m->json));
	json_put(document, "in_store", stored_json(c, m));
	json_put(document, "mirrors", mirrors_json(c));
	json_put(document, "trust", session_roles_json(c));
	return document;
}

/* -- for people: what this program understands of it ---------------------------------------- */

static void line(struct cli *cli, const char *name, const char *text)
{
	if (text && text[0])
		cli_line(cli, "%-12s %s", name, text);
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
		cli_line(cli, "%s %s%s%s", name, w->reason, w->replacement ? "; use " : "",
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
		cli_line(cli, "  changed: %s", json_string_value(change));
}

/* Each with the reference that fetches it. */
static void print_superseded(struct cli *cli, const struct remote *c, const struct card *m,
			     const struct card_variant *v)
{
	char size[SIZE_TEXT];
	for (size_t i = 0; i < v->superseded_count; i++) {
		const struct card_variant *old = &v->superseded[i];
		CLEANUP(mem_free_ptr) char *version = version_text(old);
		cli_line(cli, "  earlier: %s:%s@%llu  %s  %s%s", m->id, v->id,
			 (unsigned long long)old->version, format_size(size, old->size), version,
			 has_files(c, old) ? "  (in the store)" : "");
		print_withdrawal(cli, "    withdrawn:", &old->withdrawn);
	}
}

static void print_variant(struct cli *cli, const struct remote *c, const struct card *m,
			  const struct card_variant *v)
{
	char size[SIZE_TEXT], ram[SIZE_TEXT];
	CLEANUP(mem_free_ptr) char *memory =
		v->ram_known ? mem_printf("  about %s of memory with %llu tokens of context",
					  format_size(ram, v->ram_bytes),
					  (unsigned long long)v->ram_context)
			     : mem_strdup("");
	cli_raw(cli, "\n");
	cli_line(cli, "%-12s %s%s  %s%s", "variant", v->id,
		 strcmp(v->id, card_variant(m, NULL)->id) == 0 ? " (default)" : "",
		 format_size(size, v->size), memory);
	if (v->kind)
		cli_line(cli, "  %s: it is used together with a model", v->kind);
	if (v->engine)
		cli_line(cli, "  of all engines, only %s can load it", v->engine);
	print_version(cli, v);
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		char hex[DIGEST_HEX];
		cli_line(cli, "  %s%s", f->name, has_file(c, f) ? "  (in the store)" : "");
		cli_line(cli, "    %s  %llu bytes", digest_hex(hex, &f->sha256),
			 (unsigned long long)f->size);
	}
	print_superseded(cli, c, m, v);
}

static void print_variants(struct cli *cli, const struct remote *c, const struct card *m,
			   const struct reference *r, const struct card_variant *v)
{
	if (r->variant || r->version) {
		print_variant(cli, c, m, v);
		return;
	}
	for (size_t i = 0; i < m->variant_count; i++)
		print_variant(cli, c, m, &m->variants[i]);
}

static int run(struct cli *cli, struct err *e)
{
	const struct show_opts *o = cli->opts;
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(reference_release) struct reference r = { 0 };
	struct remote *c;
	const struct card *m;
	const struct card_variant *v;
	int rc = reference_parse(cli->operands[0], &r, e);
	if (rc == 0)
		rc = session_open(cli, r.repository, o->offline ? SESSION_OFFLINE : SESSION_ONLINE,
				  &s, e);
	if (rc == 0)
		rc = remotes_resolve(&s.remotes, &r, &c, &m, &v, e);
	if (rc < 0)
		return rc;
	session_tell_faults(cli, &s);
	if (o->provenance)
		return lineage_show(cli, c, m, v, e);
	CLEANUP(json_release) json_t *document = show(cli, c, m, v);
	const json_t *role;
	size_t i;
	print_card(cli, c, m);
	print_variants(cli, c, m, &r, v);
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
		"publisher "
		"made it from, and how.",
	.opts = show_opts,
	.opts_size = sizeof(struct show_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
	.values = values_client,
};
