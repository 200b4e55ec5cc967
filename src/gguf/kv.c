/* Keys and values: reading them, and typed access to what was read. */
#include "gguf/internal.h"

#include "util/mem.h"

#include <string.h>

static const uint8_t value_bytes[GGUF_VALUES] = {
	[GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_BOOL] = 1, [GGUF_U16] = 2,
	[GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,  [GGUF_F32] = 4,
	[GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

int gguf_read_text(struct gguf *g, struct cursor *c, uint64_t max, struct gguf_text *out,
		   struct err *e)
{
	uint64_t len;
	int rc = cursor_u64(c, &len, e);
	if (rc)
		return rc;
	if (len > max)
		return err_set(e, ERR_INTEGRITY, "a text of %llu bytes; the maximum is %llu",
			       (unsigned long long)len, (unsigned long long)max);
	rc = cursor_need(c, len, e);
	void *copy;
	if (rc == 0)
		rc = arena_take(&g->private->arena, (size_t)len + 1, &copy, e);
	if (rc == 0)
		rc = cursor_read(c, copy, (size_t)len, e);
	if (rc == 0)
		*out = (struct gguf_text){ copy, (size_t)len };
	return rc;
}

static int64_t sign_extend(uint64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;
	return (int64_t)(v << shift) >> shift;
}

/* One element, little-endian, into u, i or f by its type. */
static void decode(const uint8_t *p, enum gguf_value type, struct gguf_kv *kv)
{
	unsigned bytes = value_bytes[type];
	uint64_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	float f32;
	uint32_t v32 = (uint32_t)v;
	switch (type) {
	case GGUF_I8:
	case GGUF_I16:
	case GGUF_I32:
	case GGUF_I64:
		kv->as.i = sign_extend(v, bytes);
		break;
	case GGUF_F32:
		memcpy(&f32, &v32, sizeof f32);
		kv->as.f = (double)f32;
		break;
	case GGUF_F64:
		memcpy(&kv->as.f, &v, sizeof kv->as.f);
		break;
	default:
		kv->as.u = v;
	}
}

static int bad_bool(unsigned value, struct err *e)
{
	return err_set(e, ERR_INTEGRITY, "a bool with the value %u: only 0 and 1 are valid", value);
}

static int read_scalar(struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	const uint8_t *p;
	kv->bytes = value_bytes[kv->type];
	int rc = cursor_take(c, (size_t)kv->bytes, &p, e);
	if (rc)
		return rc;
	if (kv->type == GGUF_BOOL && p[0] > 1)
		return bad_bool(p[0], e);
	decode(p, kv->type, kv);
	kv->kept = true;
	return 0;
}

/* Bytes that are only counted and hashed. */
static int skip_hashed(struct cursor *c, uint64_t len, struct gguf_kv *kv, struct err *e)
{
	int rc = cursor_hash_begin(c, e);
	while (rc == 0 && len) {
		const uint8_t *data;
		size_t got;
		rc = cursor_span(c, len, &data, &got, e);
		if (rc == 0)
			len -= got;
		if (rc || kv->type != GGUF_ARRAY || kv->element != GGUF_BOOL)
			continue;
		for (size_t i = 0; i < got; i++)
			if (data[i] > 1)
				return bad_bool(data[i], e);
	}
	if (rc == 0)
		cursor_hash_end(c, &kv->sha256);
	return rc;
}

static int read_string(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	uint64_t len;
	int rc = cursor_u64(c, &len, e);
	if (rc)
		return rc;
	if (len > GGUF_MAX_STRING)
		return err_set(e, ERR_INTEGRITY, "a string of %llu bytes; the maximum is 1 GiB",
			       (unsigned long long)len);
	rc = cursor_need(c, len, e);
	if (rc)
		return rc;
	kv->bytes = len;
	if (len > GGUF_KEEP_STRING)
		return skip_hashed(c, len, kv, e);
	void *copy;
	rc = arena_take(&g->private->arena, (size_t)len + 1, &copy, e);
	if (rc == 0)
		rc = cursor_read(c, copy, (size_t)len, e);
	if (rc)
		return rc;
	kv->as.string = (struct gguf_text){ copy, (size_t)len };
	kv->kept = true;
	if (!utf8_valid(copy, (size_t)len))
		gguf_finding_add(&g->findings, "utf8", "the value of '%.*s' is not valid UTF-8",
				 SHOW(kv->key));
	else if (memchr(copy, 0, (size_t)len))
		gguf_finding_add(&g->findings, "nul", "the value of '%.*s' contains a NUL byte",
				 SHOW(kv->key));
	return 0;
}

static int read_numbers(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	kv->bytes = kv->count * value_bytes[kv->element]; /* count is <= 2^30 */
	int rc = cursor_need(c, kv->bytes, e);
	if (rc)
		return rc;
	if (kv->count > GGUF_KEEP_NUMBERS)
		return skip_hashed(c, kv->bytes, kv, e);
	void *copy;
	rc = arena_take(&g->private->arena, (size_t)kv->bytes, &copy, e);
	if (rc == 0)
		rc = cursor_read(c, copy, (size_t)kv->bytes, e);
	if (rc)
		return rc;
	kv->as.numbers = copy;
	for (size_t i = 0; kv->element == GGUF_BOOL && i < kv->bytes; i++)
		if (kv->as.numbers[i] > 1)
			return bad_bool(kv->as.numbers[i], e);
	kv->kept = true;
	return 0;
}

/* There can be hundreds of thousands of tokens: they are checked in place, never copied. */
static int skip_strings(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	uint64_t start = c->pos, invalid = 0;
	int rc = cursor_hash_begin(c, e);
	for (uint64_t i = 0; rc == 0 && i < kv->count; i++) {
		uint64_t len;
		const uint8_t *text;
		size_t got;
		rc = cursor_u64(c, &len, e);
		if (rc)
			break;
		if (len > GGUF_MAX_STRING)
			return err_set(e, ERR_INTEGRITY,
				       "element %llu has %llu bytes; the maximum is 1 GiB",
				       (unsigned long long)i, (unsigned long long)len);
		if (len <= CURSOR_PEEK) {
			rc = cursor_take(c, (size_t)len, &text, e);
			if (rc == 0 && !utf8_valid(text, (size_t)len))
				invalid++;
			continue;
		}
		while (rc == 0 && len) {
			rc = cursor_span(c, len, &text, &got, e);
			if (rc == 0)
				len -= got;
		}
	}
	if (rc)
		return rc;
	cursor_hash_end(c, &kv->sha256);
	kv->bytes = c->pos - start;
	if (invalid)
		gguf_finding_note(&g->findings, "utf8",
				  "%llu elements of '%.*s' are not valid UTF-8",
				  (unsigned long long)invalid, SHOW(kv->key));
	return 0;
}

static int keep_strings(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	uint64_t start = c->pos;
	void *room;
	int rc = arena_take(&g->private->arena, (size_t)kv->count * sizeof *kv->as.strings, &room,
			    e);
	if (rc)
		return rc;
	struct gguf_text *texts = room;
	for (size_t i = 0; i < kv->count; i++) {
		rc = gguf_read_text(g, c, GGUF_KEEP_STRING, &texts[i], e);
		if (rc)
			return err_context(e, "element %zu", i);
	}
	kv->as.strings = texts;
	kv->bytes = c->pos - start;
	kv->kept = true;
	return 0;
}

static int read_array(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	uint32_t element;
	int rc = cursor_u32(c, &element, e);
	if (rc == 0)
		rc = cursor_u64(c, &kv->count, e);
	if (rc)
		return rc;
	if (element == GGUF_ARRAY)
		return err_set(e, ERR_INTEGRITY,
			       "an array of arrays, which engines do not support");
	if (element >= GGUF_VALUES)
		return err_set(e, ERR_INTEGRITY, "an array of type %u, which does not exist",
			       element);
	kv->element = (enum gguf_value)element;
	if (kv->count > GGUF_MAX_ELEMENTS)
		return err_set(e, ERR_INTEGRITY, "an array of %llu elements; the maximum is %llu",
			       (unsigned long long)kv->count,
			       (unsigned long long)GGUF_MAX_ELEMENTS);
	uint64_t least = element == GGUF_STRING ? 8 : value_bytes[element];
	rc = cursor_need(c, kv->count * least, e);
	if (rc)
		return err_context(e, "an array of %llu %ss", (unsigned long long)kv->count,
				   gguf_value_name(kv->element));
	if (element != GGUF_STRING)
		return read_numbers(g, c, kv, e);
	/* A short list of long texts would be kept: limit its memory. */
	bool tokens = str_starts(kv->key.s, "tokenizer.ggml.");
	if (kv->count > GGUF_KEEP_STRINGS || tokens)
		return skip_strings(g, c, kv, e);
	return keep_strings(g, c, kv, e);
}

/* The format requires lower-case ASCII with dots; engines compare bytes. */
static int check_key(struct gguf *g, const struct gguf_text *key, struct err *e)
{
	bool ascii = true;
	if (key->len == 0)
		return err_set(e, ERR_INTEGRITY, "a key without a name");
	if (!utf8_valid(key->s, key->len))
		return err_set(e, ERR_INTEGRITY, "the key's name is not valid UTF-8");
	for (size_t i = 0; i < key->len; i++) {
		unsigned char ch = (unsigned char)key->s[i];
		if (ch < 0x20 || ch == 0x7f)
			return err_set(e, ERR_INTEGRITY, "the key's name contains a %s",
				       ch ? "control character" : "NUL byte");
		ascii = ascii && ch < 0x80;
	}
	if (!ascii)
		gguf_finding_add(&g->findings, "key-ascii", "the key '%.*s' is not ASCII",
				 SHOW(*key));
	return 0;
}

int gguf_read_kv(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e)
{
	uint32_t type;
	int rc = gguf_read_text(g, c, GGUF_MAX_KEY_BYTES, &kv->key, e);
	if (rc)
		return err_context(e, "name");
	rc = check_key(g, &kv->key, e);
	if (rc == 0)
		rc = cursor_u32(c, &type, e);
	if (rc)
		return rc;
	if (type >= GGUF_VALUES)
		return err_set(e, ERR_INTEGRITY, "a value of type %u, which does not exist", type);
	kv->type = (enum gguf_value)type;
	kv->count = 1;
	if (type == GGUF_ARRAY)
		return read_array(g, c, kv, e);
	if (type == GGUF_STRING)
		return read_string(g, c, kv, e);
	return read_scalar(c, kv, e);
}

/* ---- access ---- */

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key)
{
	long at = name_index_find(&g->private->keys, g->kvs, sizeof *g->kvs, key);
	return at < 0 ? NULL : &g->kvs[at];
}

static bool as_u64(const struct gguf_kv *kv, enum gguf_value type, uint64_t *out)
{
	switch (type) {
	case GGUF_U8:
	case GGUF_U16:
	case GGUF_U32:
	case GGUF_U64:
		*out = kv->as.u;
		return true;
	case GGUF_I8:
	case GGUF_I16:
	case GGUF_I32:
	case GGUF_I64:
		if (kv->as.i < 0)
			return false;
		*out = (uint64_t)kv->as.i;
		return true;
	default:
		return false;
	}
}

bool gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	return kv && as_u64(kv, kv->type, out);
}

const char *gguf_get_string(const struct gguf *g, const char *key)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	return kv && kv->type == GGUF_STRING && kv->kept ? kv->as.string.s : NULL;
}

const struct gguf_kv *gguf_get_array(const struct gguf *g, const char *key, enum gguf_value element)
{
	const struct gguf_kv *kv = gguf_find(g, key);
	return kv && kv->type == GGUF_ARRAY && kv->kept && kv->element == element ? kv : NULL;
}

bool gguf_array_u64(const struct gguf_kv *kv, size_t index, uint64_t *out)
{
	if (kv->element == GGUF_STRING || index >= kv->count)
		return false;
	struct gguf_kv one = { 0 };
	decode(kv->as.numbers + index * value_bytes[kv->element], kv->element, &one);
	return as_u64(&one, kv->element, out);
}

const struct gguf_kv *gguf_find_arch(const struct gguf *g, const char *suffix)
{
	const char *arch = gguf_get_string(g, "general.architecture");
	if (!arch)
		return NULL;
	CLEANUP(mem_free_ptr) char *key = mem_printf("%s.%s", arch, suffix);
	return gguf_find(g, key);
}

bool gguf_get_arch_u64(const struct gguf *g, const char *suffix, uint64_t *out)
{
	const struct gguf_kv *kv = gguf_find_arch(g, suffix);
	return kv && as_u64(kv, kv->type, out);
}
