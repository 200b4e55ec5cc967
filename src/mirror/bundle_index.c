#include "mirror/bundle_index.h"

#include "json/json.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define BLOCK MIRROR_BUNDLE_BLOCK
#define OCTAL_MAX (8 * GIB) /* larger sizes do not fit into the header's 11 octal digits */

void mirror_bundle_index_release(struct mirror_bundle_index *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->at[i].key);
	free(x->at);
	free(x->repository);
	*x = (struct mirror_bundle_index){ 0 };
}

static uint64_t padded(uint64_t size)
{
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* ---- tar headers ----
 *
 * The fields of a ustar header (IEEE Std 1003.1-2017, pax, "ustar Interchange Format"). */

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
		magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155],
		rest[12];
};
_Static_assert(sizeof(struct ustar) == BLOCK, "a header is one block");

/* The sum of all bytes, the checksum itself counted as blanks. */
static unsigned checksum(const struct ustar *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	size_t from = offsetof(struct ustar, checksum);
	unsigned sum = 0;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= from && i < from + sizeof h->checksum ? ' ' : bytes[i];
	return sum;
}

static void add_block(struct buf *out, const char *name, char type, uint64_t size)
{
	struct ustar h = { .type = type, .magic = "ustar", .version = { '0', '0' } };
	memcpy(h.name, name, strnlen(name, sizeof h.name));
	snprintf(h.mode, sizeof h.mode, "%07o", 0644U);
	snprintf(h.uid, sizeof h.uid, "%07o", 0U);
	snprintf(h.gid, sizeof h.gid, "%07o", 0U);
	snprintf(h.size, sizeof h.size, "%011llo",
		 (unsigned long long)(size < OCTAL_MAX ? size : 0));
	snprintf(h.mtime, sizeof h.mtime, "%011o", 0U);
	snprintf(h.checksum, sizeof h.checksum, "%06o", checksum(&h));
	h.checksum[7] = ' ';
	buf_add(out, &h, sizeof h);
}

static void pad(struct buf *out, size_t len)
{
	static const char zeros[BLOCK];
	buf_add(out, zeros, padded(len) - len);
}

/* "LENGTH key=value\n"; the length counts its own digits. */
static void add_record(struct buf *out, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + strlen(" =\n"), length = rest + 1;
	char digits[24];
	while ((size_t)snprintf(digits, sizeof digits, "%zu", length) + rest != length)
		length++;
	buf_addf(out, "%zu %s=%s\n", length, key, value);
}

void mirror_bundle_header(const char *name, uint64_t size, struct buf *out)
{
	CLEANUP(buf_release) struct buf records = BUF_INIT(4 * KIB);
	char digits[24];
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)size);
	if (strlen(name) > sizeof((struct ustar *)NULL)->name)
		add_record(&records, "path", name);
	if (size >= OCTAL_MAX)
		add_record(&records, "size", digits);
	if (records.len) {
		add_block(out, "pax", 'x', records.len);
		buf_add(out, records.data, records.len);
		pad(out, records.len);
	}
	add_block(out, name, '0', size);
}

static uint64_t header_length(const char *name, uint64_t size)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(8 * KIB);
	mirror_bundle_header(name, size, &b);
	return b.len;
}

static bool parse_octal(const char *field, size_t len, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value * 8 + (uint64_t)(field[i] - '0');
	*out = value;
	return i > 0 && i < len && (field[i] == ' ' || field[i] == '\0');
}

int mirror_bundle_head(const uint8_t block[MIRROR_BUNDLE_BLOCK], size_t *length, struct err *e)
{
	struct ustar h;
	uint64_t sum, size;
	memcpy(&h, block, sizeof h);
	if (memcmp(h.magic, "ustar", sizeof h.magic) != 0 ||
	    strncmp(h.name, MIRROR_BUNDLE_INDEX, sizeof h.name) != 0 || h.type != '0') {
		err_set(e, ERR_INTEGRITY, "it is not a bundle of Model Ferry");
		return err_hint(e, "`ferry push --bundle FILE` makes bundles");
	}
	if (!parse_octal(h.checksum, sizeof h.checksum, &sum) || sum != checksum(&h) ||
	    !parse_octal(h.size, sizeof h.size, &size))
		return err_set(e, ERR_INTEGRITY, "the bundle is damaged: the header of its index");
	if (size > MIRROR_BUNDLE_MAX_INDEX)
		return err_set(e, ERR_INTEGRITY, "the bundle's index is larger than %u MiB",
			       (unsigned)(MIRROR_BUNDLE_MAX_INDEX / MIB));
	*length = (size_t)size;
	return 0;
}

/* ---- the index ---- */

static int compare(const void *a, const void *b)
{
	const struct mirror_bundle_object *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static struct mirror_bundle_object *add(struct mirror_bundle_index *x, const char *key,
					uint64_t size)
{
	x->at = mem_grow(x->at, x->count, &x->cap, sizeof *x->at);
	struct mirror_bundle_object *o = &x->at[x->count++];
	*o = (struct mirror_bundle_object){ .key = mem_strdup(key), .size = size };
	return o;
}

void mirror_bundle_add(struct mirror_bundle_index *x, const char *key, uint64_t size,
		       const struct digest *sha256)
{
	add(x, key, size)->sha256 = *sha256;
}

static int parse_object(const json_t *json, size_t i, uint64_t base, struct mirror_bundle_index *x,
			struct err *e)
{
	char at[40];
	const char *key;
	uint64_t offset, size, end;
	snprintf(at, sizeof at, "objects[%zu]", i);
	int rc = json_get_string(json, at, "key", &key, e);
	if (rc == 0)
		rc = json_get_u64(json, at, "offset", &offset, e);
	if (rc == 0)
		rc = json_get_u64(json, at, "size", &size, e);
	if (rc < 0)
		return rc;
	if (!path_is_key(key))
		return err_set(e, ERR_INTEGRITY, "%s.key is not the key of an object", at);
	if (!add_u64(base, offset, &offset) || !add_u64(offset, size, &end) || end > INT64_MAX)
		return err_set(e, ERR_INTEGRITY, "%s is beyond the end of any file", at);
	struct mirror_bundle_object *o = add(x, key, size);
	o->offset = offset;
	x->end = MAX(x->end, end);
	return json_get_hex(json, at, "sha256", &o->sha256, DIGEST_SIZE, e);
}

static int check_format(const json_t *json, struct err *e)
{
	const char *format;
	uint64_t version;
	int rc = json_get_string(json, "", "format", &format, e);
	if (rc == 0)
		rc = json_get_u64(json, "", "version", &version, e);
	if (rc < 0)
		return rc;
	if (strcmp(format, MIRROR_BUNDLE_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "it is not the index of a bundle");
	if (version == MIRROR_BUNDLE_VERSION)
		return 0;
	err_set(e, ERR_INTEGRITY, "the bundle has the version %llu of the format",
		(unsigned long long)version);
	return err_hint(e, "a newer version of ferry can read it");
}

static int check_different(struct mirror_bundle_index *x, struct err *e)
{
	if (x->count)
		qsort(x->at, x->count, sizeof *x->at, compare);
	for (size_t i = 1; i < x->count; i++)
		if (strcmp(x->at[i - 1].key, x->at[i].key) == 0)
			return err_set(e, ERR_INTEGRITY, "%s is listed twice", x->at[i].key);
	return 0;
}

int mirror_bundle_parse(const void *text, size_t len, struct mirror_bundle_index *out,
			struct err *e)
{
	const struct json_limits limits = { .max_bytes = MIRROR_BUNDLE_MAX_INDEX };
	CLEANUP(mirror_bundle_index_release) struct mirror_bundle_index x = { 0 };
	CLEANUP(json_release) json_t *json = NULL;
	json_t *objects = NULL;
	const char *repository = NULL;
	int rc = json_parse(text, len, &limits, "the bundle's index", &json, e);
	if (rc == 0)
		rc = check_format(json, e);
	if (rc == 0)
		rc = json_opt_string(json, "", "repository", &repository, e);
	if (rc == 0)
		rc = json_get_u64(json, "", "release", &x.release, e);
	if (rc == 0)
		rc = json_get_array(json, "", "objects", MIRROR_BUNDLE_MAX_OBJECTS, &objects, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(objects); i++)
		rc = parse_object(json_array_get(objects, i), i, BLOCK + padded(len), &x, e);
	if (rc == 0)
		rc = check_different(&x, e);
	if (rc < 0)
		return rc;
	x.repository = repository ? mem_strdup(repository) : NULL;
	*out = x;
	x = (struct mirror_bundle_index){ 0 };
	return 0;
}

const struct mirror_bundle_object *mirror_bundle_find(const struct mirror_bundle_index *x,
						      const char *key)
{
	const struct mirror_bundle_object wanted = { .key = (char *)(uintptr_t)key };
	return x->count ? bsearch(&wanted, x->at, x->count, sizeof *x->at, compare) : NULL;
}

/* Sets the offsets as in the index; returns the end of the last object. */
static uint64_t place(struct mirror_bundle_index *x)
{
	uint64_t at = 0;
	x->end = 0;
	for (size_t i = 0; i < x->count; i++) {
		struct mirror_bundle_object *o = &x->at[i];
		o->offset = at + header_length(o->key, o->size);
		x->end = o->offset + o->size;
		at = o->offset + padded(o->size);
	}
	return x->end;
}

static json_t *to_json(const struct mirror_bundle_index *x)
{
	json_t *json = json_object();
	json_put_string(json, "format", MIRROR_BUNDLE_FORMAT);
	json_put_u64(json, "version", MIRROR_BUNDLE_VERSION);
	json_put_string(json, "repository", x->repository);
	json_put_u64(json, "release", x->release);
	json_t *objects = json_put_array(json, "objects");
	for (size_t i = 0; i < x->count; i++) {
		json_t *object = json_push_object(objects);
		json_put_string(object, "key", x->at[i].key);
		json_put_u64(object, "offset", x->at[i].offset);
		json_put_u64(object, "size", x->at[i].size);
		json_put_hex(object, "sha256", &x->at[i].sha256, DIGEST_SIZE);
	}
	return json;
}

int mirror_bundle_lay_out(struct mirror_bundle_index *x, struct buf *head, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIRROR_BUNDLE_MAX_INDEX);
	place(x);
	CLEANUP(json_release) json_t *json = to_json(x);
	int rc = json_rows(json, &text, e);
	if (rc == 0)
		rc = buf_ok(&text, "the bundle's index", e);
	if (rc < 0 || x->count > MIRROR_BUNDLE_MAX_OBJECTS) {
		err_set(e, ERR_USAGE, "these are too many objects for a bundle");
		return err_class_set(e, ERR_USAGE);
	}
	mirror_bundle_header(MIRROR_BUNDLE_INDEX, text.len, head);
	buf_add(head, text.data, text.len);
	pad(head, text.len);
	for (size_t i = 0; i < x->count; i++)
		x->at[i].offset += head->len;
	x->end += head->len;
	return 0;
}
