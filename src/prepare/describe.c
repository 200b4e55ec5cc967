#include "prepare/describe.h"

#include "catalog/card.h"
#include "catalog/card_members.h"
#include "catalog/link.h"
#include "util/mem.h"

#include <ctype.h>
#include <string.h>

/* ---- texts that a card may hold ----------------------------------------------------- */

char *describe_text(const char *s, size_t max)
{
	if (!s || !utf8_valid(s, strlen(s)))
		return NULL;
	while (isspace((unsigned char)*s))
		s++;
	char *text = mem_strndup(s, MIN(strlen(s), max));
	size_t len = strlen(text);
	while (len && (isspace((unsigned char)text[len - 1]) || !utf8_valid(text, len)))
		len--;
	text[len] = '\0';
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	if (len)
		return text;
	free(text);
	return NULL;
}

/* `table` is that of the object. */
static char *fitting(const struct card_member *table, const char *key, const char *s)
{
	return describe_text(s, (size_t)card_member(table, key)->max);
}

static void put_text(json_t *o, const struct card_member *table, const char *key, const char *s)
{
	CLEANUP(mem_free_ptr) char *text = fitting(table, key, s);
	json_put_string(o, key, text);
}

static void put_words(json_t *o, const char *key, const struct gguf_kv *kv)
{
	if (!kv)
		return;
	CLEANUP(str_list_release) struct str_list seen = { 0 };
	json_t *words = json_array();
	for (size_t i = 0; i < kv->count && seen.count < CARD_MAX_WORDS; i++) {
		CLEANUP(mem_free_ptr) char *word = describe_text(kv->as.strings[i].s,
								 CARD_MAX_WORD_BYTES);
		if (!word || strlen(word) != strlen(kv->as.strings[i].s) ||
		    str_list_has(&seen, word))
			continue;
		str_list_add(&seen, word);
		json_push(words, json_string(word));
	}
	if (seen.count)
		json_put(o, key, words);
	else
		json_decref(words);
}

static const char *usable_link(const char *url)
{
	return url && !link_fault(url, false) ? url : NULL;
}

/* ---- licence ------------------------------------------------------------------------ */

void describe_license(const struct gguf_metadata *m, struct license *out)
{
	const char *texts[LICENSE_MAX + 1] = { m->license };
	size_t count = m->license ? 1 : 0;
	for (size_t i = 0; m->licenses && i < m->licenses->count && count <= LICENSE_MAX; i++)
		texts[count++] = m->licenses->as.strings[i].s;
	license_read(texts, count, m->license_name, out);
}

static json_t *license_of(const struct gguf_metadata *m)
{
	json_t *o = json_object();
	CLEANUP(license_release) struct license said = { 0 };
	describe_license(m, &said);
	const char *link = usable_link(m->license_link);
	json_put_string(o, "id", said.id);
	put_text(o, card_license_members, "name", m->license_name ? m->license_name : said.name);
	json_put_string(o, "url", link ? link : usable_link(m->license));
	if (json_object_size(o))
		return o;
	json_decref(o);
	return NULL;
}

/* ---- the variant -------------------------------------------------------------------- */

static bool is_model(const struct describe *d)
{
	return d->kind == GGUF_KIND_MODEL;
}

static json_t *ram_of(const struct describe *d)
{
	const struct gguf_ram *ram = d->ram;
	json_t *o = json_object();
	if (ram->known) {
		json_put_u64(o, "context", ram->context);
		json_put_u64(o, "bytes", ram->total);
		json_put_u64(o, "token_bytes", ram->token);
	} else {
		put_text(o, card_ram_members, "unknown", *ram->reason ? ram->reason : "not known");
	}
	return o;
}

static json_t *variant_of(const struct describe *d)
{
	json_t *o = json_object(), *files = json_array();
	const struct gguf_type *foreign = NULL;
	uint64_t size = 0;
	for (size_t i = 0; i < d->count && !foreign; i++)
		foreign = gguf_foreign(d->files[i]);
	for (size_t i = 0; i < d->manifest_count; i++) {
		const struct manifest *m = &d->manifests[i];
		CLEANUP(mem_free_ptr) char *path = card_target(d->id, m->name);
		json_t *file = json_object();
		json_put_string(file, "path", path);
		json_put_string(file, "role", d->roles[i]);
		json_put_u64(file, "size", m->grid.size);
		json_put_hex(file, "sha256", m->sha256.bytes, DIGEST_SIZE);
		json_push(files, file);
		size += m->grid.size;
	}
	json_put_string(o, "id", d->variant);
	json_put_string(o, "kind", is_model(d) ? NULL : gguf_kind_name(d->kind));
	json_put_string(o, "engine", foreign ? foreign->fork : NULL);
	json_put_string(o, "quantization", d->quantization);
	json_put_u64(o, "size", size);
	json_put(o, "ram", ram_of(d));
	json_put(o, "files", files);
	return o;
}

/* ---- the card ----------------------------------------------------------------------- */

static json_t *source_of(const struct describe *d, const struct gguf_metadata *m)
{
	json_t *o = json_object();
	const char *url = usable_link(d->source_url);
	const char *const says[] = { m->source_repo, m->source_url, m->url };
	if (url && d->source_is_file)
		json_put_hex(o, "sha256", d->manifests[0].sha256.bytes, DIGEST_SIZE);
	for (size_t i = 0; i < ARRAY_LEN(says) && !url; i++)
		url = usable_link(says[i]);
	json_put_string(o, "url", url);
	put_text(o, card_source_members, "author", m->author ? m->author : m->organization);
	if (json_object_size(o))
		return o;
	json_decref(o);
	return NULL;
}

json_t *describe_card(const struct describe *d)
{
	struct gguf_metadata m, shard;
	json_t *card = card_new(d->id);
	/* Last, because people want to read the rest first. */
	json_object_del(card, "variants");
	uint64_t parameters = 0;
	gguf_metadata(d->files[0], &m);
	for (size_t i = 0; i < d->count; i++) {
		gguf_metadata(d->files[i], &shard);
		parameters += shard.parameters;
	}
	CLEANUP(mem_free_ptr) char *title = fitting(card_members, "title", m.name);
	json_put_string(card, "title", title ? title : d->id);
	put_text(card, card_members, "description", m.description);
	/* A projector has an architecture and weights of its own, an adapter says whose it is. */
	if (is_model(d) || d->kind == GGUF_KIND_ADAPTER)
		put_text(card, card_members, "family", m.architecture);
	if (is_model(d) && parameters && parameters <= card_member(card_members, "parameters")->max)
		json_put_u64(card, "parameters", parameters);
	if (is_model(d) && m.context_length &&
	    m.context_length <= card_member(card_members, "context_length")->max)
		json_put_u64(card, "context_length", m.context_length);
	json_put(card, "license", license_of(&m));
	json_put(card, "source", source_of(d, &m));
	put_words(card, "tags", m.tags);
	put_words(card, "languages", m.languages);
	json_t *variants = json_array();
	json_push(variants, variant_of(d));
	json_put(card, "variants", variants);
	return card;
}
