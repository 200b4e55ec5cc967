#include "cli/session.h"
#include "http/url.h"
#include "util/mem.h"

#include <string.h>

extern const struct command cmd_show;

struct show_opts {
	bool offline;
};

static const struct opt show_opts[] = {
	OPT_ENTRY(OPT_FLAG, show_opts, offline, 0, "offline", NULL,
		  "show what the catalog that was verified last says; ask nobody"),
	OPT_LAST,
};

static bool has_file(const struct remote *c, const struct card_file *f)
{
	return store_has(c->store, &f->sha256, f->size);
}

/* -- for programs -------------------------------------------------------------------------- */

static json_t *trust_json(const struct remote *c)
{
	struct tuf_role_state roles[4];
	size_t count = tuf_client_state(c->tuf, roles);
	json_t *trust = json_array();
	for (size_t i = 0; i < count; i++) {
		char time[TIME_TEXT];
		json_t *role = json_object();
		format_time(time, roles[i].expires_s);
		json_put_string(role, "role", roles[i].role);
		json_put_u64(role, "version", roles[i].version);
		json_put_string(role, "expires", time);
		json_push(trust, role);
	}
	return trust;
}

static json_t *stored_json(const struct remote *c, const struct card *m)
{
	json_t *stored = json_array();
	for (size_t i = 0; i < m->variant_count; i++) {
		const struct card_variant *v = &m->variants[i];
		bool all = v->file_count > 0;
		for (size_t j = 0; j < v->file_count; j++)
			all &= has_file(c, &v->files[j]);
		if (all)
			json_push(stored, json_string(v->id));
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

static int print_json(struct cli *cli, const struct remote *c, const struct card *m,
		      const struct card_variant *v, struct err *e)
{
	json_t *document = json_object();
	json_put_string(document, "command", "show");
	json_put_string(document, "repository", c->repository);
	json_put_string(document, "variant", v->id);
	json_put(document, "model", json_incref(m->json));
	json_put(document, "in_store", stored_json(c, m));
	json_put(document, "mirrors", mirrors_json(c));
	json_put(document, "trust", trust_json(c));
	return cli_print_json(cli, document, e);
}

/* -- for people ---------------------------------------------------------------------------- */

static void line(struct cli *cli, const char *name, const char *text)
{
	if (!text || !text[0])
		return;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	cli_print(cli, "%-12s %s\n", name, shown);
}

static const char *member(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void print_tags(struct cli *cli, const char *name, const json_t *list)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	const json_t *item;
	size_t i;
	json_array_foreach (list, i, item)
		if (json_is_string(item))
			buf_addf(&text, "%s%s", text.len ? ", " : "", json_string_value(item));
	line(cli, name, buf_str(&text));
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
	CLEANUP(mem_free_ptr) char *text = mem_printf("%.3g %c", value, units[unit]);
	if (n)
		line(cli, "parameters", text);
}

static void print_head(struct cli *cli, const struct remote *c, const struct card *m)
{
	const json_t *source = json_object_get(m->json, "source");
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s/%s", c->repository, m->id);
	CLEANUP(mem_free_ptr) char *context = m->context_length
		? mem_printf("%llu tokens", (unsigned long long)m->context_length) : NULL;
	line(cli, "model", name);
	line(cli, "title", m->title);
	line(cli, "summary", m->summary);
	line(cli, "family", m->family);
	print_parameters(cli, m->parameters);
	line(cli, "context", context);
	line(cli, "license", m->license);
	line(cli, "source", member(source, "url"));
	line(cli, "author", member(source, "author"));
	print_tags(cli, "tags", json_object_get(m->json, "tags"));
	print_tags(cli, "languages", json_object_get(m->json, "languages"));
	line(cli, "created", member(m->json, "created"));
	line(cli, "updated", member(m->json, "updated"));
	if (m->deprecated) {
		CLEANUP(mem_free_ptr) char *text =
			mem_printf("%s%s%s", m->deprecation_reason ? m->deprecation_reason : "yes",
				   m->replacement ? "; use " : "",
				   m->replacement ? m->replacement : "");
		line(cli, "deprecated", text);
	}
}

static void print_variant(struct cli *cli, const struct remote *c, const struct card *m,
			  const struct card_variant *v)
{
	char size[SIZE_TEXT], ram[SIZE_TEXT];
	cli_print(cli, "\nvariant      %s%s  %s", v->id,
		  v == card_variant(m, NULL) ? " (default)" : "", format_size(size, v->size));
	if (v->ram_known)
		cli_print(cli, "  about %s of memory with %llu tokens of context",
			  format_size(ram, v->ram_bytes), (unsigned long long)v->ram_context);
	cli_print(cli, "\n");
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		char hex[DIGEST_HEX];
		CLEANUP(mem_free_ptr) char *name = text_escaped(f->name);
		cli_print(cli, "  %s%s\n    %s  %llu bytes\n", name,
			  has_file(c, f) ? "  (in the store)" : "", digest_hex(hex, &f->sha256),
			  (unsigned long long)f->size);
	}
}

static void print_trust(struct cli *cli, const struct remote *c)
{
	struct tuf_role_state roles[4];
	size_t count = tuf_client_state(c->tuf, roles);
	cli_print(cli, "\n");
	for (size_t i = 0; i < count; i++) {
		char time[TIME_TEXT];
		format_time(time, roles[i].expires_s);
		cli_print(cli, "%-12s version %llu, valid until %s\n", roles[i].role,
			  (unsigned long long)roles[i].version, time);
	}
}

static int run(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	(void)count;
	const struct show_opts *o = opts;
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(reference_release) struct reference r = { 0 };
	struct remote *c;
	const struct card *m;
	const struct card_variant *v;
	int rc = reference_parse(operands[0], &r, e);
	if (rc == 0)
		rc = session_open(cli, r.repository, o->offline, &s, e);
	if (rc == 0)
		rc = remotes_resolve(&s.remotes, &r, &c, &m, &v, e);
	if (rc < 0)
		return rc;
	session_tell_faults(cli, &s);
	if (cli->json)
		return print_json(cli, c, m, v, e);
	print_head(cli, c, m);
	for (size_t i = 0; i < m->variant_count; i++)
		if (!r.variant || v == &m->variants[i])
			print_variant(cli, c, m, &m->variants[i]);
	print_trust(cli, c);
	return 0;
}

const struct command cmd_show = {
	.name = "show",
	.summary = "show all about one model",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT]", NULL },
	.description = "Shows the card of a model: what it is, its license and source, its variants "
		       "with their sizes, memory needs and files, and until when the signatures hold.",
	.opts = show_opts,
	.opts_size = sizeof(struct show_opts),
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = 1,
	.run = run,
};
