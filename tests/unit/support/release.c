#include "release.h"

#include "catalog/manifest.h"
#include "json/json.h"
#include "known_sha256.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

#define EXPIRES "2030-01-01T00:00:00Z"

static struct repository_file *add(struct repository_files *files, const char *dir, const char *key,
				   enum repository_class class, const void *data, size_t len)
{
	scratch_write(dir, key, data, len);
	files->at = mem_grow(files->at, files->count, &files->cap, sizeof *files->at);
	struct repository_file *f = &files->at[files->count++];
	*f = (struct repository_file){ .key = mem_strdup(key), .class = class, .size = len };
	known_sha256_of(data, len, &f->sha256);
	return f;
}

static void add_text(struct repository_files *files, const char *dir, char *key,
		     enum repository_class class, char *text)
{
	add(files, dir, key, class, text, strlen(text));
	free(key);
	free(text);
}

/* Of the object of so many pieces. It is always the same, so it is hashed once. */
static const char *manifest_of_big(const char *path, unsigned pieces)
{
	static char *known;
	static unsigned known_pieces;
	if (known && known_pieces == pieces)
		return known;
	struct err e = ERR_INIT;
	struct manifest m = { 0 };
	assert_ok(manifest_create(path, NULL, NULL, &m, &e), &e);
	struct buf text = BUF_INIT(MIB);
	json_t *json = manifest_json(&m);
	assert_ok(json_pretty(json, &text, &e), &e);
	free(known);
	known = buf_steal(&text);
	known_pieces = pieces;
	json_decref(json);
	manifest_release(&m);
	return known;
}

static void add_big(struct repository_files *files, const char *dir, unsigned pieces)
{
	size_t size = (pieces - 1) * 8 * MIB + 5000;
	char *data = mem_alloc(size);
	for (size_t i = 0; i < size; i += 7)
		data[i] = (char)(i / 7 + i / (8 * MIB));
	struct repository_file *f = add(files, dir, RELEASE_BIG, REPOSITORY_OBJECT, data, size);
	f->manifest_key = mem_strdup(RELEASE_BIG MANIFEST_SUFFIX);
	char *path = path_join(dir, RELEASE_BIG);
	const char *text = manifest_of_big(path, pieces);
	add(files, dir, RELEASE_BIG MANIFEST_SUFFIX, REPOSITORY_OBJECT, text, strlen(text));
	free(path);
	free(data);
}

static char *metadata(const char *type, unsigned version, json_t *meta)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(MIB);
	json_t *body = json_object(), *document = json_object();
	json_put_string(body, "_type", type);
	json_put_u64(body, "version", version);
	json_put_string(body, "expires", EXPIRES);
	json_put(body, "meta", meta);
	json_put(document, "signatures", json_array());
	json_put(document, "signed", body);
	assert_ok(json_pretty(document, &text, &e), &e);
	json_decref(document);
	return buf_steal(&text);
}

void release_make(const char *dir, unsigned version, bool big, struct tree *out)
{
	release_make_pieces(dir, version, big ? 2 : 0, out);
}

void release_make_pieces(const char *dir, unsigned version, unsigned pieces, struct tree *out)
{
	struct err e = ERR_INIT;
	struct repository_files files = { 0 };
	if (pieces)
		add_big(&files, dir, pieces);
	add_text(&files, dir, mem_strdup("targets/models/m/same.gguf"), REPOSITORY_OBJECT,
		 mem_strdup("the same in every release"));
	add_text(&files, dir, mem_printf("targets/models/m/%u.gguf", version), REPOSITORY_OBJECT,
		 mem_printf("only in release %u", version));
	add_text(&files, dir, mem_printf("targets/%u.catalog.json", version), REPOSITORY_OBJECT,
		 mem_printf("{\"release\": %u}\n", version));
	add_text(&files, dir, mem_strdup("metadata/1.root.json"), REPOSITORY_METADATA,
		 metadata("root", 1, NULL));
	add_text(&files, dir, mem_printf("metadata/%u.targets.json", version), REPOSITORY_METADATA,
		 metadata("targets", version, NULL));
	add_text(&files, dir, mem_printf("metadata/%u.snapshot.json", version), REPOSITORY_METADATA,
		 metadata("snapshot", version, NULL));
	add_text(&files, dir, mem_strdup("catalog.json"), REPOSITORY_POINTER,
		 mem_printf("{\"release\": %u}\n", version));
	json_t *meta = json_object();
	for (size_t i = 0; i < files.count; i++)
		if (files.at[i].class != REPOSITORY_POINTER)
			json_put_hex(meta, files.at[i].key, files.at[i].sha256.bytes, DIGEST_SIZE);
	add_text(&files, dir, mem_strdup("metadata/timestamp.json"), REPOSITORY_TIMESTAMP,
		 metadata("timestamp", version, meta));
	assert_ok(tree_from_files(dir, &files, out, &e), &e);
}

static void add_timestamp(struct repository_files *files, const char *dir)
{
	static const char timestamp[] = "{\"signed\":{\"_type\":\"timestamp\",\"version\":1,"
					"\"expires\":\"2030-01-01T00:00:00Z\"}}";
	add(files, dir, "metadata/timestamp.json", REPOSITORY_TIMESTAMP, timestamp,
	    strlen(timestamp));
}

void release_make_many(const char *dir, size_t count, struct tree *out)
{
	struct err e = ERR_INIT;
	struct repository_files files = { 0 };
	for (size_t i = 0; i < count; i++) {
		size_t len = i % 13 == 5 ? 8 * MIB + 100 + i : 10 + i;
		CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%02zu.bin", i);
		CLEANUP(mem_free_ptr) char *data = mem_alloc(len);
		data[len - 1] = (char)i;
		add(&files, dir, key, REPOSITORY_OBJECT, data, len);
	}
	add_timestamp(&files, dir);
	assert_ok(tree_from_files(dir, &files, out, &e), &e);
}

void release_make_same(const char *dir, size_t count, struct tree *out)
{
	struct err e = ERR_INIT;
	struct repository_files files = { 0 };
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%02zu.bin", i);
		add(&files, dir, key, REPOSITORY_OBJECT, "the same", 8);
	}
	add_timestamp(&files, dir);
	assert_ok(tree_from_files(dir, &files, out, &e), &e);
}

static bool has(const struct mirror_mem *s, const char *key, const json_t *hex)
{
	const struct buf *b = mirror_mem_object(s, key);
	struct digest want, got;
	if (!b || !digest_parse(&want, json_string_value(hex)))
		return false;
	known_sha256_of(buf_str(b), b->len, &got);
	return digest_equal(&got, &want);
}

enum release_view release_view(const struct mirror_mem *s, unsigned *version)
{
	struct err e = ERR_INIT;
	struct json_limits limits = { .max_bytes = MIB };
	const struct buf *b = mirror_mem_object(s, "metadata/timestamp.json");
	CLEANUP(json_release) json_t *document = NULL;
	*version = 0;
	if (!b)
		return VIEW_NOTHING;
	if (json_parse(b->data, b->len, &limits, "timestamp", &document, &e) < 0)
		return VIEW_BROKEN;
	json_t *body = json_object_get(document, "signed");
	json_t *meta = json_object_get(body, "meta"), *hex;
	const char *key;
	*version = (unsigned)json_integer_value(json_object_get(body, "version"));
	json_object_foreach (meta, key, hex)
		if (!has(s, key, hex))
			return VIEW_BROKEN;
	return VIEW_WHOLE;
}

static int no_sleep(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	(void)ctx, (void)ms, (void)cancel, (void)e;
	return 0;
}

static const struct clock instant = { .sleep_ms = no_sleep };
const struct retry retry_once = { .max_tries = 1, .clock = &instant };
const struct retry retry_thrice = { .max_tries = 3, .clock = &instant };
