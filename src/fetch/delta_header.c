#include "fetch/delta_header.h"

#include "util/buf.h"
#include "util/mem.h"

#include <string.h>

#define FIXED 24               /* magic, version, number of tensors, number of keys */
#define MAX_BLOCK (256 * KIB)  /* of one request */
#define LONG_STRING (64 * KIB) /* one of the same length is hardly another */

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static int misfit(struct err *e, const char *what)
{
	return err_set(e, ERR_INTEGRITY, "the header cannot be made from an older one: %s", what);
}

/* ---- a header that is known in part ---- */

struct head {
	uint8_t *data;
	uint64_t end;                      /* nothing is read behind it */
	uint64_t from, to;                 /* what was read in one go, up to now */
	size_t block;                      /* bytes of the next request */
	const struct delta_header *source; /* NULL: all is known */
	uint64_t received, most;
	unsigned reads;
};

static int fetch(struct head *h, uint64_t pos, uint64_t to, struct err *e)
{
	if (pos > h->to || pos < h->from)
		h->from = h->to = pos;
	while (h->to < to) {
		size_t len = (size_t)MIN(h->end - h->to, MAX(to - h->to, (uint64_t)h->block));
		if (len > h->most - h->received || h->reads++ == DELTA_HEADER_READS)
			return misfit(e, "too much of it is new");
		int rc = h->source->read(h->source->ctx, h->to, h->data + h->to, len, e);
		if (rc < 0)
			return rc;
		h->received += len;
		h->to += len;
		h->block = MIN(2 * h->block, (size_t)MAX_BLOCK);
	}
	return 0;
}

/* Makes sure that these bytes are in data. */
static int need(struct head *h, uint64_t pos, uint64_t len, struct err *e)
{
	if (pos > h->end || len > h->end - pos)
		return misfit(e, "it ends early");
	if (!h->source || (pos >= h->from && pos + len <= h->to))
		return 0;
	return fetch(h, pos, pos + len, e);
}

static int read_u32(struct head *h, uint64_t *pos, uint32_t *out, struct err *e)
{
	int rc = need(h, *pos, sizeof *out, e);
	if (rc < 0)
		return rc;
	*out = le32(h->data + *pos);
	*pos += sizeof *out;
	return 0;
}

static int read_u64(struct head *h, uint64_t *pos, uint64_t *out, struct err *e)
{
	int rc = need(h, *pos, sizeof *out, e);
	if (rc < 0)
		return rc;
	*out = le64(h->data + *pos);
	*pos += sizeof *out;
	return 0;
}

/* ---- a key ---- */

struct value {
	const uint8_t *key;
	uint64_t key_len;
	uint32_t type, element;
	uint64_t count; /* of an array; bytes of a string */
	uint64_t at;    /* of the content */
	uint64_t size;  /* of the content; UINT64_MAX: an array of strings, to be walked through */
};

static uint64_t size_of(uint32_t type)
{
	static const uint8_t sizes[GGUF_VALUES] = {
		[GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
		[GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
		[GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
	};
	return type < GGUF_VALUES ? sizes[type] : 0;
}

static int read_form(struct head *h, uint64_t *pos, struct value *v, struct err *e)
{
	int rc = read_u32(h, pos, &v->type, e);
	if (rc == 0 && v->type == GGUF_ARRAY)
		rc = read_u32(h, pos, &v->element, e);
	if (rc == 0 && (v->type == GGUF_ARRAY || v->type == GGUF_STRING))
		rc = read_u64(h, pos, &v->count, e);
	if (rc < 0)
		return rc;
	v->at = *pos;
	v->size = v->type == GGUF_STRING ? v->count : size_of(v->type);
	if (v->type == GGUF_ARRAY && v->element == GGUF_STRING)
		v->size = UINT64_MAX;
	else if (v->type == GGUF_ARRAY &&
		 (!size_of(v->element) || !mul_u64(v->count, size_of(v->element), &v->size)))
		return misfit(e, "an array of an unknown type");
	else if (v->type != GGUF_ARRAY && v->type != GGUF_STRING && !v->size)
		return misfit(e, "a value of an unknown type");
	return 0;
}

/* All up to the content; *pos is then there. */
static int read_key(struct head *h, uint64_t *pos, struct value *v, struct err *e)
{
	*v = (struct value){ 0 };
	int rc = read_u64(h, pos, &v->key_len, e);
	if (rc == 0 && v->key_len > GGUF_MAX_KEY_BYTES)
		return misfit(e, "a key that is too long");
	if (rc == 0)
		rc = need(h, *pos, v->key_len, e);
	if (rc < 0)
		return rc;
	v->key = h->data + *pos;
	*pos += v->key_len;
	return read_form(h, pos, v, e);
}

static int read_strings(struct head *h, uint64_t *pos, uint64_t count, struct err *e)
{
	int rc = 0;
	for (uint64_t i = 0; rc == 0 && i < count; i++) {
		uint64_t len;
		rc = read_u64(h, pos, &len, e);
		if (rc == 0)
			rc = need(h, *pos, len, e);
		if (rc == 0)
			*pos += len;
	}
	return rc;
}

static int read_content(struct head *h, uint64_t *pos, struct value *v, struct err *e)
{
	int rc = v->size == UINT64_MAX ? read_strings(h, pos, v->count, e)
				       : need(h, *pos, v->size, e);
	if (rc < 0)
		return rc;
	if (v->size != UINT64_MAX)
		*pos += v->size;
	v->size = *pos - v->at;
	return 0;
}

/* The number of keys. */
static int read_fixed(struct head *h, uint64_t tensors, uint64_t *keys, struct err *e)
{
	int rc = need(h, 0, FIXED, e);
	if (rc < 0)
		return rc;
	uint32_t version = le32(h->data + 4);
	*keys = le64(h->data + 16);
	if (!gguf_is_magic(h->data, 4) || (version != 2 && version != 3))
		return misfit(e, "it is not a GGUF of version 2 or 3");
	if (*keys > GGUF_MAX_KEYS || (tensors && le64(h->data + 8) != tensors))
		return misfit(e, "its counts are others");
	return 0;
}

/* ---- the keys of the older one ---- */

struct values {
	struct value *at;
	size_t count, cap;
};

static int compare(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return memcmp(x->key, y->key, x->key_len);
}

static int read_old(const struct delta_header *d, struct values *out, struct err *e)
{
	struct head h = { .data = (uint8_t *)d->old, .end = d->old_size };
	uint64_t keys, pos = FIXED;
	int rc = read_fixed(&h, 0, &keys, e);
	for (uint64_t i = 0; rc == 0 && i < keys; i++) {
		struct value v;
		rc = read_key(&h, &pos, &v, e);
		if (rc == 0)
			rc = read_content(&h, &pos, &v, e);
		if (rc < 0 || v.size < DELTA_HEADER_LARGE)
			continue;
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = v;
	}
	if (rc == 0 && out->count)
		qsort(out->at, out->count, sizeof *out->at, compare);
	return rc;
}

static const struct value *find(const struct values *all, const struct value *like)
{
	const struct value *v =
		all->count ? bsearch(like, all->at, all->count, sizeof *all->at, compare) : NULL;
	bool same = v && v->type == like->type && v->element == like->element &&
		    v->count == like->count;
	return same ? v : NULL;
}

/* ---- the new one ---- */

/* Does the manifest say that the chat template with this key is the older one? */
static bool is_template(const struct manifest *m, const struct value *v, const uint8_t *old)
{
	const json_t *list = json_object_get(m->gguf, "chat_templates"), *one;
	char hex[DIGEST_HEX];
	struct digest d;
	size_t i;
	sha256_of(old, (size_t)v->size, &d);
	digest_hex(hex, &d);
	json_array_foreach (list, i, one) {
		const char *key = json_text(one, "key"), *sha256 = json_text(one, "sha256");
		if (key && sha256 && strlen(key) == v->key_len &&
		    memcmp(key, v->key, v->key_len) == 0)
			return strcmp(sha256, hex) == 0;
	}
	return v->size >= LONG_STRING;
}

/* Takes the older value, if it is probably the same: *pos is then behind it. */
static bool take_old(const struct delta_header *d, const struct values *all, struct head *h,
		     const struct value *v, uint64_t *pos)
{
	const struct value *old = find(all, v);
	if (!old || old->size > h->end - *pos || *pos + old->size <= h->to)
		return false;
	if (v->type == GGUF_STRING && !is_template(d->wanted, old, d->old + old->at))
		return false;
	memcpy(h->data + *pos, d->old + old->at, (size_t)old->size);
	*pos += old->size;
	h->from = h->to = *pos;
	h->block = DELTA_HEADER_FIRST;
	return true;
}

static int read_new(const struct delta_header *d, const struct values *all, struct head *h,
		    uint64_t *pos, struct err *e)
{
	uint64_t keys;
	int rc = read_fixed(h, d->wanted->tensor_count, &keys, e);
	*pos = FIXED;
	for (uint64_t i = 0; rc == 0 && i < keys; i++) {
		struct value v;
		rc = read_key(h, pos, &v, e);
		if (rc == 0 && !take_old(d, all, h, &v, pos))
			rc = read_content(h, pos, &v, e);
	}
	return rc;
}

static void add_le(struct buf *out, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_addc(out, (char)(value >> 8 * i));
}

/* The list of tensors as it stands in the header. False when a type is not known. */
static bool list_tensors(const struct manifest *m, struct buf *out)
{
	for (size_t i = 0; i < m->tensor_count; i++) {
		const struct manifest_tensor *t = &m->tensors[i];
		const struct gguf_type *type = gguf_type_named(t->type);
		if (!type)
			return false;
		add_le(out, strlen(t->name), 8);
		buf_adds(out, t->name);
		add_le(out, t->dimensions, 4);
		for (unsigned k = 0; k < t->dimensions; k++)
			add_le(out, t->shape[k], 8);
		add_le(out, type->id, 4);
		add_le(out, t->offset - m->header_size, 8);
	}
	return !out->overflow;
}

static int make(const struct delta_header *d, const struct buf *tensors, const struct values *all,
		uint8_t *data, struct err *e)
{
	const struct manifest *m = d->wanted;
	struct head h = {
		.data = data,
		.end = m->header_size - tensors->len,
		.block = DELTA_HEADER_FIRST,
		.source = d,
		.most = m->header_size / 2,
	};
	struct digest digest;
	uint64_t pos = 0;
	int rc = read_new(d, all, &h, &pos, e);
	if (rc < 0)
		return rc;
	memcpy(data + pos, tensors->data, tensors->len);
	/* Of the last request, more may have been read than the keys. */
	pos += tensors->len;
	memset(data + pos, 0, (size_t)(m->header_size - pos));
	sha256_of(data, (size_t)m->header_size, &digest);
	return digest_equal(&digest, &m->header_sha256) ? 0 : misfit(e, "its digest is another");
}

uint64_t delta_header_spares(const struct manifest *m)
{
	bool fits = m->tensor_count && m->header_size >= DELTA_HEADER_LEAST &&
		    m->header_size <= DELTA_HEADER_MAX;
	return fits ? m->header_size - DELTA_HEADER_USUAL : 0;
}

int delta_header_make(const struct delta_header *d, uint8_t **out, struct err *e)
{
	const struct manifest *m = d->wanted;
	CLEANUP(buf_release) struct buf tensors = BUF_INIT(DELTA_HEADER_MAX);
	struct values all = { 0 };
	void *room;
	if (!delta_header_spares(m))
		return misfit(e, "its size");
	if (!list_tensors(m, &tensors) || tensors.len > m->header_size)
		return misfit(e, "its list of tensors");
	int rc = mem_array(&room, m->header_size, 1, DELTA_HEADER_MAX, "the header", e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) uint8_t *data = room;
	rc = read_old(d, &all, e);
	if (rc == 0)
		rc = make(d, &tensors, &all, data, e);
	free(all.at);
	if (rc == 0)
		*out = STEAL(data);
	return rc;
}
