#include "catalog/notes.h"

#include "util/mem.h"

#include <stdio.h>

#include <string.h>

#define FILES_MAX 32        /* of a variant */
#define PART_MAX (64 * KIB) /* of a variant */
#define REST_MAX 100        /* bytes of the sentence that counts what is left out */
#define FENCE_MAX 64        /* more backticks in a row are not shown */
#define MARKUP "\\`*_{}[]<>|~&$"
#define LINE_MARKUP "#+-=:" /* only at the start of a line */

/* ---- words ---- */

static bool contains_nocase(const char *word, size_t len, const char *part)
{
	size_t n = strlen(part);
	for (size_t i = 0; i + n <= len; i++)
		if (str_starts_nocase(word + i, part))
			return true;
	return false;
}

/* Forges look for links, users and numbers of issues in the text after Markdown, where a backslash
 * helps no more. They leave code alone. */
static bool is_active(const char *word, size_t len)
{
	static const char *const parts[] = { "@", "#", "://", "www.", "GH-", "mailto:", "xmpp:" };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (contains_nocase(word, len, parts[i]))
			return true;
	return false;
}

static size_t longest_run(const char *s, size_t len, char c)
{
	size_t longest = 0, run = 0;
	for (size_t i = 0; i < len; i++) {
		run = s[i] == c ? run + 1 : 0;
		longest = MAX(longest, run);
	}
	return longest;
}

/* The fence is longer than any run of backticks within. */
static void add_code(struct buf *out, const char *s, size_t len)
{
	char fence[FENCE_MAX + 1];
	size_t n = longest_run(s, len, '`') + 1;
	if (n >= sizeof fence) {
		buf_adds(out, "…");
		return;
	}
	memset(fence, '`', n);
	fence[n] = '\0';
	const char *blank = n > 1 ? " " : "";
	buf_addf(out, "%s%s%.*s%s%s", fence, blank, (int)len, s, blank, fence);
}

static void add_plain(struct buf *out, const char *s, size_t len, bool first)
{
	size_t digits = strspn(s, "0123456789");
	for (size_t i = 0; i < len; i++) {
		bool number = first && digits && i == digits && strchr(".)", s[i]);
		if (strchr(MARKUP, s[i]) || (first && !i && strchr(LINE_MARKUP, s[i])) || number)
			buf_addc(out, '\\');
		buf_addc(out, s[i]);
	}
}

/* Words on one line, without what a terminal would act on. */
static void add_text(struct buf *out, const char *text)
{
	CLEANUP(mem_free_ptr) char *flat = mem_strdup(text);
	for (char *c = flat; *c; c++)
		if (strchr("\r\n\t", *c))
			*c = ' ';
	CLEANUP(mem_free_ptr) char *shown = text_escaped(flat);
	bool first = true;
	for (const char *s = shown + strspn(shown, " "); *s; s += strspn(s, " "), first = false) {
		size_t len = strcspn(s, " ");
		if (!first)
			buf_addc(out, ' ');
		if (is_active(s, len))
			add_code(out, s, len);
		else
			add_plain(out, s, len, first);
		s += len;
	}
}

/* A name, an address or a digest: always as code. */
static void add_name(struct buf *out, const char *name)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	add_code(out, shown, strlen(shown));
}

/* "- LABEL: text"; nothing without a text. */
static void add_item(struct buf *out, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	buf_addf(out, "- %s: ", label);
	add_text(out, text);
	buf_addc(out, '\n');
}

static void add_address(struct buf *out, const char *label, const json_t *object)
{
	const char *url = json_text(object, "url");
	if (!url)
		return;
	buf_addf(out, "- %s: ", label);
	add_name(out, url);
	buf_addc(out, '\n');
}

/* ---- withdrawals ---- */

/* "- WHAT was withdrawn: reason Use NAME instead." */
static void add_withdrawn(struct buf *out, const char *what, const struct card_withdrawal *w)
{
	if (!w->reason)
		return;
	buf_addf(out, "- %s was withdrawn: ", what);
	add_text(out, w->reason);
	if (w->replacement) {
		buf_adds(out, " Replacement: ");
		add_name(out, w->replacement);
	}
	buf_addc(out, '\n');
}

static void add_withdrawn_versions(struct buf *out, const struct card_variant *v)
{
	add_withdrawn(out, "This version", &v->withdrawn);
	for (size_t i = 0; i < v->superseded_count; i++) {
		char what[40];
		snprintf(what, sizeof what, "Version %llu",
			 (unsigned long long)v->superseded[i].version);
		add_withdrawn(out, what, &v->superseded[i].withdrawn);
	}
}

/* ---- variants ---- */

static void add_changes(struct buf *out, const struct card_variant *v)
{
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(v->json, "changes"), i, one) {
		const char *text = json_string_value(one);
		if (!text)
			continue;
		buf_adds(out, "- ");
		add_text(out, text);
		buf_addc(out, '\n');
	}
}

static void add_files(struct buf *out, const struct card_variant *v)
{
	char digest[DIGEST_HEX], size[SIZE_TEXT];
	for (size_t i = 0; i < v->file_count && i < FILES_MAX; i++) {
		const struct card_file *f = &v->files[i];
		digest_hex(digest, &f->sha256);
		buf_adds(out, "- ");
		add_name(out, f->name);
		if (f->role)
			buf_addf(out, " (%s)", f->role);
		buf_addf(out, ", %s, SHA-256 `%s`\n", format_size(size, f->size), digest);
	}
	if (v->file_count > FILES_MAX)
		buf_addf(out, "- and %zu more files\n", v->file_count - FILES_MAX);
}

/* "### `q4_k_m`: version 3 (label), 1.4 GiB" */
static void add_heading(struct buf *out, const struct card_variant *v)
{
	char size[SIZE_TEXT];
	buf_adds(out, "\n### ");
	add_name(out, v->id);
	buf_addf(out, ": version %llu", (unsigned long long)v->version);
	if (v->label) {
		buf_adds(out, " (");
		add_text(out, v->label);
		buf_adds(out, ")");
	}
	buf_addf(out, ", %s\n\n", format_size(size, v->size));
}

static void add_variant(struct buf *out, const struct card_variant *v)
{
	add_heading(out, v);
	const char *title = json_text(v->json, "title"), *summary = json_text(v->json, "summary");
	add_item(out, "Title", title);
	add_item(out, "Summary", summary);
	add_item(out, "Quantization", v->quantization);
	add_item(out, "Released", v->released);
	add_withdrawn_versions(out, v);
	if (json_array_size(json_object_get(v->json, "changes"))) {
		buf_adds(out, "\nChanges since the version before:\n\n");
		add_changes(out, v);
	}
	buf_adds(out, "\nFiles:\n\n");
	add_files(out, v);
}

static void add_variants(struct buf *out, const struct card *c)
{
	size_t left = 0;
	for (size_t i = 0; i < c->variant_count; i++) {
		CLEANUP(buf_release) struct buf part = BUF_INIT(PART_MAX);
		if (!c->variants[i].size)
			continue;
		add_variant(&part, &c->variants[i]);
		if (part.overflow || out->len + part.len > NOTES_MAX_BYTES - REST_MAX)
			left++;
		else
			buf_add(out, part.data, part.len);
	}
	if (left)
		buf_addf(out, "\nAnd %zu more variants, which the catalog describes.\n", left);
}

/* ---- the model ---- */

static void add_license(struct buf *out, const struct card *c)
{
	const json_t *license = json_object_get(c->json, "license");
	add_item(out, "License", c->license ? c->license : json_text(license, "name"));
	add_address(out, "Text of the license", license);
}

static void add_model(struct buf *out, const struct card *c)
{
	buf_adds(out, "# ");
	add_text(out, c->title);
	buf_adds(out, "\n\n");
	if (*c->summary) {
		add_text(out, c->summary);
		buf_adds(out, "\n\n");
	}
	buf_adds(out, "- Model: ");
	add_name(out, c->id);
	buf_addc(out, '\n');
	add_license(out, c);
	add_address(out, "Source", json_object_get(c->json, "source"));
	if (c->deprecated)
		add_item(out, "Deprecated",
			 c->deprecation_reason ? c->deprecation_reason : "use another model");
	add_withdrawn(out, "This model", &c->withdrawn);
}

char *notes_of_model(const struct card *card)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(NOTES_MAX_BYTES);
	add_model(&out, card);
	add_variants(&out, card);
	return buf_steal(&out);
}
