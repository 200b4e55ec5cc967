#include "catalog/pack.h"

#include "catalog/card.h"
#include "json/json.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

bool pack_takes(const char *path)
{
	const char *id = path + strlen(CARD_TARGETS);
	const char *end = str_starts(path, CARD_TARGETS) ? strchr(id, '/') : NULL;
	return end && !strchr(end + 1, '/') && str_ends(path, ".json");
}

char *pack_key(const char *card_key)
{
	size_t len = strlen(card_key), cut = strlen(CARD_SUFFIX);
	if (!str_starts(card_key, "targets/" CARD_TARGETS) || !str_ends(card_key, CARD_SUFFIX))
		return NULL;
	return mem_printf("%.*s" PACK_SUFFIX, (int)(len - cut), card_key);
}

/* ---- writing -------------------------------------------------------------------- */

int pack_write(const struct pack_file *files, size_t count, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *header = json_object(), *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *file = json_object();
		json_put_string(file, "key", files[i].key);
		json_put_u64(file, "size", files[i].len);
		json_push(list, file);
	}
	json_put_string(header, "format", PACK_FORMAT);
	json_put_u64(header, "version", PACK_VERSION);
	json_put(header, "files", STEAL(list));
	buf_clear(out);
	int rc = json_compact(header, out, e);
	buf_add(out, "\n", 1);
	for (size_t i = 0; i < count; i++)
		buf_add(out, files[i].data, files[i].len);
	if (rc == 0)
		rc = buf_ok(out, "the pack", e);
	return rc < 0 ? err_class_set(e, ERR_USAGE) : 0;
}

/* ---- reading -------------------------------------------------------------------- */

static int check_header(const json_t *header, json_t **files, struct err *e)
{
	const char *format;
	uint64_t version;
	if (!json_is_object(header))
		return err_set(e, ERR_INTEGRITY, "expected a JSON object");
	int rc = json_get_string(header, "", "format", &format, e);
	if (rc == 0)
		rc = json_get_u64(header, "", "version", &version, e);
	if (rc < 0)
		return rc;
	if (strcmp(format, PACK_FORMAT) != 0 || version != PACK_VERSION)
		return err_set(e, ERR_INTEGRITY, "it is not a pack of version %d", PACK_VERSION);
	return json_get_array(header, "", "files", PACK_MAX_FILES, files, e);
}

/* Walks through the whole list, so that a pack with wrong sizes has no files at all. */
static int find(const json_t *files, const char *key, const char *body, size_t len,
		struct pack_file *out, struct err *e)
{
	size_t i;
	json_t *file;
	uint64_t at = 0;
	json_array_foreach (files, i, file) {
		const char *name;
		uint64_t size;
		int rc = json_get_string(file, "files", "key", &name, e);
		if (rc == 0)
			rc = json_get_u64(file, "files", "size", &size, e);
		if (rc < 0)
			return rc;
		if (size > len - at)
			return err_set(e, ERR_INTEGRITY, "it ends within %.200s", name);
		if (strcmp(name, key) == 0)
			*out = (struct pack_file){ name, body + at, (size_t)size };
		at += size;
	}
	if (at != len)
		return err_set(e, ERR_INTEGRITY, "there are bytes behind its last file");
	return 0;
}

static int find_in(const struct buf *pack, const char *key, struct pack_file *out, struct err *e)
{
	CLEANUP(json_release) json_t *header = NULL;
	const struct json_limits limits = { .max_bytes = PACK_MAX_HEADER };
	const char *end = pack->len ? memchr(pack->data, '\n', pack->len) : NULL;
	json_t *files = NULL;
	if (!end)
		return err_set(e, ERR_INTEGRITY, "its first line has no end");
	size_t head = (size_t)(end - pack->data);
	int rc = json_parse(pack->data, head, &limits, "the pack", &header, e);
	if (rc == 0)
		rc = check_header(header, &files, e);
	if (rc == 0)
		rc = find(files, key, end + 1, pack->len - head - 1, out, e);
	if (rc == 0 && out->key)
		out->key = key;
	return rc;
}

int pack_find(const struct buf *pack, const char *key, struct pack_file *out, struct err *e)
{
	*out = (struct pack_file){ 0 };
	int rc = find_in(pack, key, out, e);
	if (rc < 0) {
		err_class_set(e, ERR_INTEGRITY);
		return err_context(e, "the pack is malformed");
	}
	return out->key ? 0 : err_set(e, ERR_NOT_FOUND, "the pack of the model does not have it");
}
