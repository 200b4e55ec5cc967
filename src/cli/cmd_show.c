#include "cli/session.h"
#include "cli/values.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_show;

struct show_opts {
	bool offline;
};

static const struct opt show_opts[] = {
	OPT_ENTRY(OPT_FLAG, show_opts, offline, 0, "offline", NULL,
		  "do not use the network: use the catalog that was verified last"),
	OPT_LAST,
};

static bool has_file(const struct remote *c, const struct card_file *f)
{
	return store_has(c->store, &f->sha256, f->size);
}

/* -- for programs: the card as it is signed ------------------------------------------------- */

static json_t *stored_json(const struct remote *c, const struct card *m)
{
	json_t *stored = json_array();
	for (size_t i = 0; i < m->variant_count; i++) {
		const struct card_variant *v = &m->variants[i];
		bool all = v->file_count > 0;
		for (size_t j = 0; j < v->file_count; j++)
			all &= has_file(c, &v->files[j]);
		if (all)
			json_push_string(stored, v->id);
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

static json_t *show(struct cli *cli, const struct remote *c, const struct card *m,
		    const struct card_variant *v)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "repository", c->repository);
	json_put_string(document, "variant", v->id);
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
	member(cli, "author", json_object_get(source, "author"));
	member(cli, "tags", json_object_get(m->json, "tags"));
	member(cli, "languages", json_object_get(m->json, "languages"));
	member(cli, "created", json_object_get(m->json, "created"));
	member(cli, "updated", json_object_get(m->json, "updated"));
	if (m->deprecated)
		cli_line(cli, "%-12s %s%s%s", "deprecated",
			 m->deprecation_reason ? m->deprecation_reason : "yes",
			 m->replacement ? "; use " : "", m->replacement ? m->replacement : "");
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
		 v == card_variant(m, NULL) ? " (default)" : "", format_size(size, v->size),
		 memory);
	if (v->kind)
		cli_line(cli, "  %s: it is used together with a model", v->kind);
	if (v->engine)
		cli_line(cli, "  of all engines, only %s can load it", v->engine);
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		char hex[DIGEST_HEX];
		cli_line(cli, "  %s%s", f->name, has_file(c, f) ? "  (in the store)" : "");
		cli_line(cli, "    %s  %llu bytes", digest_hex(hex, &f->sha256),
			 (unsigned long long)f->size);
	}
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
	CLEANUP(json_release) json_t *document = show(cli, c, m, v);
	const json_t *role;
	size_t i;
	print_card(cli, c, m);
	for (i = 0; i < m->variant_count; i++)
		if (!r.variant || v == &m->variants[i])
			print_variant(cli, c, m, &m->variants[i]);
	cli_raw(cli, "\n");
	json_array_foreach (json_object_get(document, "trust"), i, role)
		cli_say(cli, role, "{role:12} version {version}, valid until {expires}");
	return cli_result(cli, document, e);
}

const struct command cmd_show = {
	.name = "show",
	.asked = true,
	.summary = "show the details of one model",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT]", NULL },
	.description =
		"Shows the card of a model: description, license, source, the variants with their "
		"sizes, memory requirements and files, and when the signatures expire.",
	.opts = show_opts,
	.opts_size = sizeof(struct show_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
	.values = values_client,
};
