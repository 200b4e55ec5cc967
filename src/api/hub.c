#include "api/hub.h"

#include "hash/git_blob.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define SHORT_COMMIT 7 /* digits */

/* -- the files ------------------------------------------------------------------------------ */

/* Readers take the first file that suits them: models, then projectors, then the others. */
enum { RANK_MODEL, RANK_PROJECTOR, RANK_OTHER, RANKS };

static int rank_of(const struct card_variant *v, const struct card_file *f)
{
	const char *what = f->role ? f->role : v->kind;
	if (!what || strcmp(what, "model") == 0)
		return RANK_MODEL;
	return strcmp(what, CARD_PROJECTOR) == 0 ? RANK_PROJECTOR : RANK_OTHER;
}

static bool is_shown(const struct card *c, const struct card_variant *v)
{
	return v->file_count && !card_withdrawn(c, v).reason;
}

/* Has another variant another file of this name? */
static bool is_ambiguous(const struct card *c, const struct card_file *f)
{
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		for (size_t k = 0; is_shown(c, v) && k < v->file_count; k++)
			if (strcmp(v->files[k].name, f->name) == 0 &&
			    !digest_equal(&v->files[k].sha256, &f->sha256))
				return true;
	}
	return false;
}

/* https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
static void make_oid(const struct card_file *f, char out[41])
{
	char hex[DIGEST_HEX], text[256];
	uint8_t raw[GIT_BLOB_SIZE];
	int len = snprintf(text, sizeof text,
			   "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %llu\n",
			   digest_hex(hex, &f->sha256), (unsigned long long)f->size);
	git_blob_of(text, (size_t)len, raw);
	hex_encode(out, raw, sizeof raw);
}

/* Two variants may share a file. */
static void add_file(struct api_hub *h, const struct card_variant *v, const struct card_file *f)
{
	char *path = is_ambiguous(h->card, f) ? mem_printf("%s/%s", v->id, f->name)
					      : mem_strdup(f->name);
	if (api_hub_find(h, path)) {
		free(path);
		return;
	}
	h->files = mem_grow(h->files, h->count, &h->cap, sizeof *h->files);
	struct api_hub_file *to = &h->files[h->count++];
	*to = (struct api_hub_file){ .path = path, .file = f };
	make_oid(f, to->oid);
}

static void add_files(struct api_hub *h)
{
	for (int rank = 0; rank < RANKS; rank++)
		for (size_t i = 0; i < h->card->variant_count; i++) {
			const struct card_variant *v = &h->card->variants[i];
			for (size_t k = 0; is_shown(h->card, v) && k < v->file_count; k++)
				if (rank_of(v, &v->files[k]) == rank)
					add_file(h, v, &v->files[k]);
		}
}

static void make_commit(struct api_hub *h)
{
	CLEANUP_PTR(sha256_free) struct sha256 *all = sha256_new();
	struct digest d;
	sha256_add(all, h->name, strlen(h->name) + 1);
	for (size_t i = 0; i < h->count; i++) {
		sha256_add(all, h->files[i].path, strlen(h->files[i].path) + 1);
		sha256_add(all, h->files[i].file->sha256.bytes, DIGEST_SIZE);
	}
	sha256_final(all, &d);
	hex_encode(h->commit, d.bytes, (API_HUB_COMMIT - 1) / 2);
}

void api_hub_init(struct api_hub *out, const char *repository, const struct card *card)
{
	*out = (struct api_hub){ .card = card, .name = mem_printf("%s/%s", repository, card->id) };
	add_files(out);
	make_commit(out);
}

void api_hub_release(struct api_hub *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->files[i].path);
	free(h->files);
	free(h->name);
	*h = (struct api_hub){ 0 };
}

bool api_hub_is_revision(const struct api_hub *h, const char *revision)
{
	size_t len = strlen(revision);
	return strcmp(revision, "main") == 0 || strcmp(revision, "refs/heads/main") == 0 ||
	       (len >= SHORT_COMMIT && strncmp(h->commit, revision, len) == 0);
}

const struct api_hub_file *api_hub_find(const struct api_hub *h, const char *path)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->files[i].path, path) == 0)
			return &h->files[i];
	return NULL;
}

const char *api_hub_path(const struct api_hub *h, const struct card_file *file)
{
	for (size_t i = 0; i < h->count; i++)
		if (digest_equal(&h->files[i].file->sha256, &file->sha256))
			return h->files[i].path;
	return NULL;
}

/* -- documents ------------------------------------------------------------------------------ */

static int pointer_size(const struct card_file *f)
{
	return snprintf(NULL, 0,
			"version https://git-lfs.github.com/spec/v1\noid sha256:%64s\n"
			"size %llu\n",
			"", (unsigned long long)f->size);
}

static void put_lfs(json_t *o, const struct card_file *f, const char *digest_name)
{
	char hex[DIGEST_HEX];
	json_t *lfs = json_put_object(o, "lfs");
	json_put_string(lfs, digest_name, digest_hex(hex, &f->sha256));
	json_put_u64(lfs, "size", f->size);
	json_put_u64(lfs, "pointerSize", (uint64_t)pointer_size(f));
}

/* Python's client reads times with fractions only. */
static void put_time(json_t *o, const char *key, const char *time)
{
	size_t len = time ? strlen(time) : 0;
	if (!len || time[len - 1] != 'Z')
		return;
	CLEANUP(mem_free_ptr) char *text = mem_printf("%.*s%sZ", (int)len - 1, time,
						      strchr(time, '.') ? "" : ".000");
	json_put_string(o, key, text);
}

static void put_tags(const struct api_hub *h, json_t *o)
{
	const struct card *c = h->card;
	json_t *tags = json_put_array(o, "tags");
	json_push_string(tags, "gguf");
	const json_t *own = json_object_get(c->json, "tags");
	for (size_t i = 0; i < json_array_size(own); i++)
		json_push_string(tags, json_string_value(json_array_get(own, i)));
	if (c->license) {
		CLEANUP(mem_free_ptr) char *license = mem_printf("license:%s", c->license);
		json_push_string(tags, license);
	}
}

json_t *api_hub_entry(const struct api_hub *h)
{
	const struct card *c = h->card;
	json_t *o = json_object();
	size_t author = strcspn(h->name, "/");
	CLEANUP(mem_free_ptr) char *name = mem_strndup(h->name, author);
	json_put_string(o, "_id", h->name);
	json_put_string(o, "id", h->name);
	json_put_string(o, "modelId", h->name);
	json_put_string(o, "author", name);
	json_put_string(o, "sha", h->commit);
	put_time(o, "createdAt", json_text(c->json, "created"));
	put_time(o, "lastModified", json_text(c->json, "updated"));
	json_put_bool(o, "private", false);
	json_put_bool(o, "gated", false);
	json_put_bool(o, "disabled", false);
	json_put_string(o, "library_name", "gguf");
	put_tags(h, o);
	return o;
}

static void put_gguf(const struct api_hub *h, json_t *o)
{
	const struct card *c = h->card;
	json_t *gguf = json_put_object(o, "gguf");
	if (c->parameters)
		json_put_u64(gguf, "total", c->parameters);
	if (*c->family)
		json_put_string(gguf, "architecture", c->family);
	if (c->context_length)
		json_put_u64(gguf, "context_length", c->context_length);
}

json_t *api_hub_model(const struct api_hub *h)
{
	json_t *o = api_hub_entry(h);
	json_t *data = json_put_object(o, "cardData");
	json_put_string(data, "license", h->card->license);
	json_put_string(data, "library_name", "gguf");
	put_gguf(h, o);
	json_t *siblings = json_put_array(o, "siblings");
	uint64_t sum = 0;
	for (size_t i = 0; i < h->count; i++) {
		const struct api_hub_file *f = &h->files[i];
		json_t *s = json_push_object(siblings);
		json_put_string(s, "rfilename", f->path);
		json_put_u64(s, "size", f->file->size);
		json_put_string(s, "blobId", f->oid);
		put_lfs(s, f->file, "sha256");
		sum += f->file->size;
	}
	json_put_u64(o, "usedStorage", sum);
	return o;
}

json_t *api_hub_refs(const struct api_hub *h)
{
	json_t *o = json_object();
	json_t *main = json_push_object(json_put_array(o, "branches"));
	json_put_string(main, "name", "main");
	json_put_string(main, "ref", "refs/heads/main");
	json_put_string(main, "targetCommit", h->commit);
	json_put_array(o, "converts");
	json_put_array(o, "tags");
	json_put_array(o, "pullRequests");
	return o;
}

static json_t *push_file(json_t *list, const struct api_hub_file *f)
{
	json_t *o = json_push_object(list);
	json_put_string(o, "type", "file");
	json_put_string(o, "oid", f->oid);
	json_put_u64(o, "size", f->file->size);
	put_lfs(o, f->file, "oid");
	json_put_string(o, "path", f->path);
	return o;
}

static bool has_entry(const json_t *list, const char *path)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (str_same(json_text(json_array_get(list, i), "path"), path))
			return true;
	return false;
}

/* A folder has no object in git here: its name is that of the commit's digest. */
static void push_folder(const struct api_hub *h, json_t *list, const char *path, size_t len)
{
	CLEANUP(mem_free_ptr) char *name = mem_strndup(path, len);
	if (has_entry(list, name))
		return;
	json_t *o = json_push_object(list);
	json_put_string(o, "type", "directory");
	json_put_string(o, "oid", h->commit);
	json_put_u64(o, "size", 0);
	json_put_string(o, "path", name);
}

json_t *api_hub_tree(const struct api_hub *h, const char *folder, bool recursive)
{
	CLEANUP(json_release) json_t *list = json_array();
	size_t len = strlen(folder);
	for (size_t i = 0; i < h->count; i++) {
		const char *path = h->files[i].path;
		if (len && (strncmp(path, folder, len) != 0 || path[len] != '/'))
			continue;
		const char *slash = strchr(path + (len ? len + 1 : 0), '/');
		if (slash)
			push_folder(h, list, path, (size_t)(slash - path));
		if (!slash || recursive)
			push_file(list, &h->files[i]);
	}
	if (len && !json_array_size(list))
		return NULL;
	return STEAL(list);
}

/* Readers take a commit that has no date for a damaged answer. */
static void put_commit(const struct api_hub *h, json_t *o)
{
	const char *updated = json_text(h->card->json, "updated");
	if (!updated)
		return;
	json_t *commit = json_put_object(o, "lastCommit");
	json_put_string(commit, "id", h->commit);
	json_put_string(commit, "title", h->card->title);
	put_time(commit, "date", updated);
}

static bool is_folder(const struct api_hub *h, const char *path)
{
	size_t len = strlen(path);
	for (size_t i = 0; len && i < h->count; i++)
		if (strncmp(h->files[i].path, path, len) == 0 && h->files[i].path[len] == '/')
			return true;
	return false;
}

json_t *api_hub_paths(const struct api_hub *h, const struct str_list *paths, bool expand)
{
	json_t *list = json_array();
	for (size_t i = 0; i < paths->count; i++) {
		const char *path = paths->at[i];
		const struct api_hub_file *f = api_hub_find(h, path);
		if (f) {
			json_t *o = push_file(list, f);
			if (expand)
				put_commit(h, o);
		} else if (is_folder(h, path)) {
			push_folder(h, list, path, strlen(path));
		}
	}
	return list;
}
