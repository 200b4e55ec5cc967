#include "catalog/changes.h"

#include "catalog/card_members.h"
#include "catalog/changes_internal.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define SENTENCE_MAX CARD_MAX_SENTENCE_BYTES
#define KEYS_SAID 8
#define VALUE_MAX 40  /* longer values are not shown */
#define PREFIX_MAX 24 /* of a key */
#define TEMPLATE_KEY "tokenizer.chat_template"

/* ---- sentences ---- */

static void say_text(json_t *out, const char *what, const char *a, const char *b)
{
	if (a == b || (a && b && strcmp(a, b) == 0))
		return;
	CLEANUP(mem_free_ptr) char *was = changes_shown(a ? a : "");
	CLEANUP(mem_free_ptr) char *is = changes_shown(b ? b : "");
	if (!a)
		changes_say(out, "The %s is now %s; before, it was not given.", what, is);
	else if (!b)
		changes_say(out, "The %s is no longer given; it was %s.", what, was);
	else
		changes_say(out, "The %s changed from %s to %s.", what, was, is);
}

/* 0 is unknown. */
static void say_number(json_t *out, const char *what, uint64_t a, uint64_t b)
{
	char was[24], is[24];
	snprintf(was, sizeof was, "%llu", (unsigned long long)a);
	snprintf(is, sizeof is, "%llu", (unsigned long long)b);
	say_text(out, what, a ? was : NULL, b ? is : NULL);
}

/* ---- two versions ---- */

void changes_side_release(struct changes_side *s)
{
	for (size_t i = 0; i < s->count; i++)
		manifest_release(&s->manifests[i]);
	free(s->manifests);
	*s = (struct changes_side){ 0 };
}

/* Beyond the limit only the count of tensors grows, and says so. */
void changes_side_add(struct changes_side *s, struct manifest *m)
{
	struct manifest without = { .tensor_count = m->tensor_count, .tensors = m->tensors };
	s->tensors += m->tensor_count;
	if (s->tensors > CHANGES_MAX_TENSORS) {
		m->tensors = NULL;
		m->tensor_count = 0;
		manifest_release(&without);
	}
	free(m->pieces);
	m->pieces = NULL;
	s->manifests = mem_grow(s->manifests, s->count, &s->cap, sizeof *s->manifests);
	s->manifests[s->count++] = *m;
	*m = (struct manifest){ 0 };
}

static bool is_projector(const json_t *gguf)
{
	const char *architecture = json_text(gguf, "architecture");
	return architecture && strcmp(architecture, "clip") == 0;
}

/* The file that speaks for the version: the first that is not a projector beside the model. NULL
 * when that is not known. */
static const struct manifest *main_of(const struct changes_side *s)
{
	const struct manifest *first = NULL;
	if (s->count != card_model_files(s->variant))
		return NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct manifest *m = &s->manifests[i];
		if (m->gguf && !is_projector(m->gguf))
			return m;
		if (m->gguf && !first)
			first = m;
	}
	return first;
}

static uint64_t parameters_of(const struct changes_side *s)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < s->count; i++)
		if (s->manifests[i].gguf && !is_projector(s->manifests[i].gguf))
			sum += json_number(s->manifests[i].gguf, "parameters");
	return sum;
}

/* ---- license ---- */

static void say_license(json_t *out, const struct card *a, const struct card *b, const json_t *was,
			const json_t *is)
{
	size_t said = json_array_size(out);
	say_text(out, "license", a->license, b->license);
	if (json_array_size(out) == said && is)
		say_text(out, "license in the metadata of the file", json_text(was, "license"),
			 json_text(is, "license"));
}

/* ---- chat templates ---- */

static const json_t *find_template(const json_t *gguf, const char *key)
{
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(gguf, "chat_templates"), i, one) {
		const char *have = json_text(one, "key");
		if (have && i < GGUF_MAX_TEMPLATES && strcmp(have, key) == 0)
			return one;
	}
	return NULL;
}

/* "chat template", or "chat template 'tool_use'" of "tokenizer.chat_template.tool_use". */
static char *template_name(const char *key)
{
	const char *name = str_starts(key, TEMPLATE_KEY ".") ? key + strlen(TEMPLATE_KEY ".") : "";
	CLEANUP(mem_free_ptr) char *shown = changes_shown(name);
	return *name ? mem_printf("chat template '%s'", shown) : mem_strdup("chat template");
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
	return x == y || (x && y && json_equal(x, y));
}

/* Those of `here`: is there one in `there`, and is it the same? */
static void say_templates_of(json_t *out, const json_t *here, const json_t *there, const char *verb,
			     bool compare)
{
	const json_t *one;
	size_t i;
	json_array_foreach (json_object_get(here, "chat_templates"), i, one) {
		const char *key = json_text(one, "key");
		const json_t *other = key ? find_template(there, key) : one;
		if (i >= GGUF_MAX_TEMPLATES)
			return;
		if (other && (!compare || same_member(one, other, "sha256")))
			continue;
		CLEANUP(mem_free_ptr) char *name = template_name(key);
		changes_say(out, "The %s %s.", name, other ? "changed" : verb);
	}
}

static void say_templates(json_t *out, const json_t *was, const json_t *is)
{
	say_templates_of(out, is, was, "was added", true);
	say_templates_of(out, was, is, "was removed", false);
}

/* ---- what the model is ---- */

static void say_model(json_t *out, const struct changes_side *before,
		      const struct changes_side *after, const json_t *was, const json_t *is)
{
	say_text(out, "architecture", json_text(was, "architecture"),
		 json_text(is, "architecture"));
	say_number(out, "number of parameters", parameters_of(before), parameters_of(after));
	say_number(out, "context length", json_number(was, "context_length"),
		   json_number(is, "context_length"));
	say_number(out, "size of the vocabulary", json_number(was, "vocabulary_size"),
		   json_number(is, "vocabulary_size"));
	if (json_number(was, "vocabulary_size") == json_number(is, "vocabulary_size") &&
	    !same_member(json_object_get(was, "tokenizer"), json_object_get(is, "tokenizer"),
			 "sha256"))
		changes_say(out, "The tokenizer changed.");
}

/* ---- other metadata ---- */

/* Members of a manifest's "gguf" that have no sentence of their own, and their keys. */
static const struct {
	const char *member, *key;
	bool of_architecture; /* its name is in front of the key */
} metadata[] = {
	{ "name", "general.name", false },
	{ "basename", "general.basename", false },
	{ "finetune", "general.finetune", false },
	{ "model_version", "general.version", false },
	{ "size_label", "general.size_label", false },
	{ "type", "general.type", false },
	{ "author", "general.author", false },
	{ "organization", "general.organization", false },
	{ "quantized_by", "general.quantized_by", false },
	{ "description", "general.description", false },
	{ "url", "general.url", false },
	{ "source_url", "general.source.url", false },
	{ "source_repository", "general.source.repo_url", false },
	{ "license_name", "general.license.name", false },
	{ "license_link", "general.license.link", false },
	{ "tags", "general.tags", false },
	{ "languages", "general.languages", false },
	{ "alignment", "general.alignment", false },
	{ "block_count", "block_count", true },
	{ "embedding_length", "embedding_length", true },
	{ "feed_forward_length", "feed_forward_length", true },
	{ "head_count", "attention.head_count", true },
	{ "head_count_kv", "attention.head_count_kv", true },
	{ "expert_count", "expert_count", true },
	{ "expert_used_count", "expert_used_count", true },
};

/* " (now 32)", " (removed)", or nothing for a long value. */
static void add_value(struct buf *text, const json_t *is)
{
	const char *s = json_string_value(is);
	CLEANUP(mem_free_ptr) char *shown = s ? text_escaped(s) : NULL;
	if (!is)
		buf_adds(text, " (removed)");
	else if (json_is_integer(is))
		buf_addf(text, " (now %lld)", (long long)json_integer_value(is));
	else if (shown && strlen(shown) <= VALUE_MAX)
		buf_addf(text, " (now \"%s\")", shown);
}

static void add_key(struct buf *text, size_t i, const json_t *gguf)
{
	const char *architecture = json_text(gguf, "architecture");
	CLEANUP(mem_free_ptr) char *shown = changes_shown(architecture ? architecture : "");
	buf_adds(text, text->len ? ", " : "");
	if (metadata[i].of_architecture && *shown && strlen(shown) <= PREFIX_MAX)
		buf_addf(text, "%s.", shown);
	buf_adds(text, metadata[i].key);
}

static void say_metadata(json_t *out, const json_t *was, const json_t *is)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(SENTENCE_MAX - 20);
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
		if (same_member(was, is, metadata[i].member))
			continue;
		if (count++ >= KEYS_SAID)
			continue;
		bool room = text.len < SENTENCE_MAX / 4;
		add_key(&text, i, is);
		if (room)
			add_value(&text, json_object_get(is, metadata[i].member));
	}
	if (count > KEYS_SAID)
		buf_addf(&text, " and %zu more", count - KEYS_SAID);
	if (count)
		changes_say(out, "Metadata changed: %s.", buf_str(&text));
}

/* ---- files ---- */

static void say_size(json_t *out, uint64_t a, uint64_t b)
{
	char was[SIZE_TEXT], is[SIZE_TEXT];
	if (a == b)
		return;
	format_size(was, a);
	format_size(is, b);
	if (strcmp(was, is) == 0)
		changes_say(out, "The size changed from %llu to %llu bytes.", (unsigned long long)a,
			    (unsigned long long)b);
	else
		changes_say(out, "The size changed from %s to %s.", was, is);
}

static bool has_contents(const struct card_variant *v, const struct digest *sha256)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (digest_equal(&v->files[i].sha256, sha256))
			return true;
	return false;
}

/* Where nothing is known of the contents but their digests. */
static void say_contents(json_t *out, const struct card_variant *a, const struct card_variant *b)
{
	CLEANUP(changes_names_release) struct changes_names names = CHANGES_NAMES_INIT;
	for (size_t i = 0; i < b->file_count; i++)
		if (!has_contents(a, &b->files[i].sha256))
			changes_name(&names, b->files[i].name);
	if (names.count && b->file_count == 1)
		changes_say(out, "The contents of the file changed.");
	else if (names.count)
		changes_say(out, "The contents of %zu of %zu files changed: %s.", names.count,
			    b->file_count, changes_names(&names));
}

static void say_names(json_t *out, const struct card_variant *a, const struct card_variant *b)
{
	CLEANUP(changes_names_release) struct changes_names names = CHANGES_NAMES_INIT;
	if (a->file_count != b->file_count)
		return;
	for (size_t i = 0; i < b->file_count; i++)
		if (strcmp(a->files[i].name, b->files[i].name) != 0)
			changes_name(&names, b->files[i].name);
	if (names.count)
		changes_say(out, "%zu file%s another name: %s.", names.count,
			    names.count == 1 ? " has" : "s have", changes_names(&names));
}

static void say_files(json_t *out, const struct card_variant *a, const struct card_variant *b)
{
	say_size(out, a->size, b->size);
	say_number(out, "number of files", a->file_count, b->file_count);
	say_names(out, a, b);
}

/* ---- companions ---- */

/* The n-th file of the role, or NULL. */
static const struct card_file *nth_of(const struct card_variant *v, const char *role, size_t n)
{
	for (size_t i = card_model_files(v); i < v->file_count; i++)
		if (str_same(v->files[i].role, role) && n-- == 0)
			return &v->files[i];
	return NULL;
}

static bool same_companions(const struct card_variant *a, const struct card_variant *b,
			    const char *role)
{
	for (size_t n = 0;; n++) {
		const struct card_file *was = nth_of(a, role, n), *is = nth_of(b, role, n);
		if (!was || !is)
			return !was && !is;
		if (!digest_equal(&was->sha256, &is->sha256))
			return false;
	}
}

/* Each role of `of` that was not said yet. */
static void say_roles(json_t *out, const struct card_variant *a, const struct card_variant *b,
		      const struct card_variant *of, struct str_list *said)
{
	for (size_t i = card_model_files(of); i < of->file_count; i++) {
		const char *role = of->files[i].role;
		if (str_list_has(said, role))
			continue;
		str_list_add(said, role);
		if (!nth_of(a, role, 0))
			changes_say(out, "New beside the model: %s.", role);
		else if (!nth_of(b, role, 0))
			changes_say(out, "No longer beside the model: %s.", role);
		else if (!same_companions(a, b, role))
			changes_say(out, "Changed beside the model: %s.", role);
	}
}

static void say_companions(json_t *out, const struct card_variant *a, const struct card_variant *b)
{
	CLEANUP(str_list_release) struct str_list said = { 0 };
	say_roles(out, a, b, b, &said);
	say_roles(out, a, b, a, &said);
}

/* ---- all of it ---- */

/* The header also has keys that no manifest shows. */
static void say_hidden(json_t *out, const struct changes_side *before,
		       const struct changes_side *after)
{
	if (before->count == after->count &&
	    !digest_equal(&main_of(before)->header_sha256, &main_of(after)->header_sha256))
		changes_say(out, "Other metadata of the file changed.");
}

/* With manifests of all files. */
static void say_known(json_t *out, const struct changes_side *before,
		      const struct changes_side *after)
{
	const struct card_variant *a = before->variant, *b = after->variant;
	const json_t *was = main_of(before)->gguf, *is = main_of(after)->gguf;
	size_t start = json_array_size(out);
	say_templates(out, was, is);
	say_model(out, before, after, was, is);
	say_text(out, "quantization", a->quantization, b->quantization);
	say_companions(out, a, b);
	size_t middle = json_array_size(out);
	bool same = changes_tensors(out, before, after);
	say_files(out, a, b);
	size_t end = json_array_size(out);
	say_metadata(out, was, is);
	if (same && middle == start && json_array_size(out) == end)
		say_hidden(out, before, after);
}

static void say_unknown(json_t *out, const struct card_variant *a, const struct card_variant *b)
{
	say_text(out, "quantization", a->quantization, b->quantization);
	say_contents(out, a, b);
	say_files(out, a, b);
}

json_t *changes_between(const struct changes_side *before, const struct changes_side *after)
{
	const struct card_variant *a = before->variant, *b = after->variant;
	const struct manifest *was = main_of(before), *is = main_of(after);
	bool known = was && is;
	json_t *out = json_array();
	say_license(out, before->card, after->card, known ? was->gguf : NULL,
		    known ? is->gguf : NULL);
	say_text(out, "kind", a->kind ? a->kind : "model", b->kind ? b->kind : "model");
	if (known)
		say_known(out, before, after);
	else
		say_unknown(out, a, b);
	return out;
}
