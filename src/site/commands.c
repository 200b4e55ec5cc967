#include "site/commands.h"

#include "repository/repository.h"
#include "settings/join.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

#define MAX_BYTES (512 * KIB) /* of a command */
#define FILES_MAX 200         /* that are downloaded by one command */

/* ---- words ---- */

static void add_word(struct buf *out, const char *word)
{
	CLEANUP(mem_free_ptr) char *quoted = text_shell_quoted(word);
	buf_adds(out, quoted);
}

static bool is_printable(const char *s)
{
	return text_is_name(s, strlen(s));
}

/* A file of the current folder; not "-", which would be standard input, nor an option. */
static void add_file(struct buf *out, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s%s", *name == '-' ? "./" : "", name);
	add_word(out, path);
}

/* "lab/phi-2:q4_k_m" */
static void add_reference(struct buf *out, const struct page *p, const struct card *c,
			  const struct card_variant *v)
{
	CLEANUP(mem_free_ptr)
	char *text = mem_printf("%s/%s:%s", p->build->site->name, c->id, v->id);
	add_word(out, text);
}

/* Shows what stands in `command`, and empties it. */
static void show(struct page *p, const char *what, struct buf *command)
{
	struct markup *m = &p->m;
	if (!command->overflow) {
		markup_open(m, "div");
		markup_attr(m, "class", "command");
		markup_element(m, "p", NULL, what);
		markup_open(m, "pre");
		markup_element(m, "code", NULL, buf_str(command));
		markup_close(m, "pre");
		markup_close(m, "div");
	}
	buf_clear(command);
}

/* ---- the repository ---- */

static void add_fingerprint(struct page *p, const struct digest *root)
{
	CLEANUP(mem_free_ptr) char *groups = join_fingerprint(root, "\n");
	markup_element(&p->m, "p", NULL,
		       "It shows this fingerprint of the first root (SHA-256). Compare it with the "
		       "one "
		       "that the publisher gives you over another channel.");
	markup_open(&p->m, "pre");
	markup_element(&p->m, "code", "digest", groups);
	markup_close(&p->m, "pre");
}

void commands_repository(struct page *p)
{
	const struct site *s = p->build->site;
	CLEANUP(buf_release) struct buf b = BUF_INIT(MAX_BYTES);
	struct digest root;
	if (s->invite && is_printable(s->invite)) {
		buf_adds(&b, "ferry repository add ");
		add_word(&b, s->invite);
		show(p, "Once: add this repository to Model Ferry", &b);
	}
	if (s->root_sha256 && digest_parse(&root, s->root_sha256))
		add_fingerprint(p, &root);
}

/* ---- with ferry ---- */

static bool has_role(const struct card_variant *v, const char *role)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (str_same(v->files[i].role, role))
			return true;
	return false;
}

static void show_run(struct page *p, const struct card *c, const struct card_variant *v,
		     struct buf *b)
{
	buf_adds(b, "ferry run ");
	add_reference(b, p, c, v);
	buf_adds(b, " -- llama-server -m {}");
	if (has_role(v, CARD_PROJECTOR))
		buf_adds(b, " --mmproj {" CARD_PROJECTOR "}");
	if (has_role(v, CARD_DRAFT))
		buf_adds(b, " --model-draft {" CARD_DRAFT "}");
	show(p, "Fetch it if needed, and start llama.cpp", b);
}

/* Ollama loads models of one file only. */
static void show_ollama(struct page *p, const struct card *c, const struct card_variant *v,
			struct buf *b)
{
	if (card_model_files(v) != 1)
		return;
	buf_adds(b, "ferry fetch ");
	add_reference(b, p, c, v);
	buf_adds(b, "\nferry store link ");
	add_reference(b, p, c, v);
	buf_addf(b, " --engine ollama\nollama run %s:%s", c->id, v->id);
	show(p, "Ollama, without a second copy", b);
}

/* ---- without ferry ---- */

static const char *download_base(const struct catalog *c)
{
	for (size_t i = 0; i < c->mirror_count; i++) {
		const struct catalog_mirror *m = &c->mirrors[i];
		if (catalog_mirror_has(m, MIRROR_HOLDS_OBJECTS) && markup_is_link(m->url) &&
		    str_starts_nocase(m->url, "http"))
			return m->url;
	}
	return NULL;
}

char *commands_key(const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(f->path, &f->sha256);
	return mem_printf("targets/%s", name);
}

/* "https://…/targets/models/phi-2/<sha256>.phi-2.gguf" */
char *commands_url(const struct catalog *c, const struct card_file *f)
{
	const char *base = download_base(c);
	if (!base)
		return NULL;
	CLEANUP(mem_free_ptr) char *key = commands_key(f);
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(key, "/");
	return mem_printf("%s%s%s", base, str_ends(base, "/") ? "" : "/", encoded);
}

static void add_download(struct buf *b, const struct catalog *c, const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *url = commands_url(c, f);
	buf_adds(b, "curl -fL -C - -o ");
	add_file(b, f->name);
	buf_addc(b, ' ');
	add_word(b, url);
	buf_addc(b, '\n');
}

/* sha256sum's own format: the quoted EOF keeps the shell from reading names. */
static void add_check(struct buf *b, const struct card_variant *v)
{
	char hex[DIGEST_HEX];
	buf_adds(b, "sha256sum -c <<'EOF'\n");
	for (size_t i = 0; i < v->file_count; i++)
		buf_addf(b, "%s  %s%s\n", digest_hex(hex, &v->files[i].sha256),
			 v->files[i].name[0] == '-' ? "./" : "", v->files[i].name);
	buf_adds(b, "EOF");
}

static bool can_download(const struct card_variant *v)
{
	if (v->file_count > FILES_MAX)
		return false;
	for (size_t i = 0; i < v->file_count; i++)
		if (!is_printable(v->files[i].name))
			return false;
	return true;
}

static void show_curl(struct page *p, const struct card_variant *v, struct buf *b)
{
	for (size_t i = 0; i < v->file_count; i++)
		add_download(b, p->build->site->catalog, &v->files[i]);
	add_check(b, v);
	show(p, "Without Model Ferry: download with curl, and check the digests", b);
}

/* Words of a Modelfile are not those of a shell: only a plain name is written into one. */
static bool is_plain(const char *name)
{
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789._-+")] == '\0';
}

static void add_companion(struct buf *b, const struct card_variant *v, const char *option,
			  const char *role)
{
	for (size_t i = 0; i < v->file_count; i++) {
		if (!str_same(v->files[i].role, role))
			continue;
		CLEANUP(mem_free_ptr) char *path = mem_printf("./%s", v->files[i].name);
		buf_addf(b, " %s ", option);
		add_word(b, path);
	}
}

static void show_engines(struct page *p, const struct card *c, const struct card_variant *v,
			 struct buf *b)
{
	const char *name = v->files[0].name;
	CLEANUP(mem_free_ptr) char *path = mem_printf("./%s", name);
	buf_adds(b, "llama-server -m ");
	add_word(b, path);
	add_companion(b, v, "--mmproj", CARD_PROJECTOR);
	add_companion(b, v, "--model-draft", CARD_DRAFT);
	show(p, "Then, with llama.cpp", b);
	if (v->file_count != 1 || !is_plain(name))
		return;
	buf_addf(b, "echo 'FROM ./%s' > Modelfile\nollama create %s:%s -f Modelfile", name, c->id,
		 v->id);
	show(p, "Or with Ollama", b);
}

void commands_variant(struct page *p, const struct card *c, const struct card_variant *v)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MAX_BYTES);
	bool is_usual = !v->kind && !v->engine;
	if (card_withdrawn(c, v).reason || !v->file_count)
		return;
	buf_adds(&b, "ferry fetch ");
	add_reference(&b, p, c, v);
	show(p, "Fetch it, verified", &b);
	if (is_usual) {
		show_run(p, c, v, &b);
		show_ollama(p, c, v, &b);
	}
	if (!download_base(p->build->site->catalog) || !can_download(v))
		return;
	show_curl(p, v, &b);
	if (is_usual)
		show_engines(p, c, v, &b);
}
