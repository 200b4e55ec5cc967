#include "serve/face/plain.h"

#include "front/front.h"
#include "serve/face/documents.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* The key behind "/NAME/" if that is the repository's name. */
static const char *key_of(const char *path, const char *name)
{
	size_t len = strlen(name);
	bool ours = strncmp(path + 1, name, len) == 0 && path[1 + len] == '/';
	return ours ? path + 2 + len : NULL;
}

static bool is_key(const char *key)
{
	return str_starts(key, "metadata/") || str_starts(key, "targets/") ||
	       str_starts(key, "packs/") || strcmp(key, "catalog.json") == 0 ||
	       strcmp(key, "catalog.json.minisig") == 0;
}

/* The type that a mirror has for it, as those that push uploads. */
static const char *type_of(const char *key)
{
	if (str_ends(key, ".json"))
		return "application/json";
	if (str_ends(key, ".minisig"))
		return "text/plain; charset=utf-8";
	return "application/octet-stream";
}

static const char *cache_of(const struct view *v, enum repository_class class)
{
	bool stays = class == REPOSITORY_OBJECT || class == REPOSITORY_METADATA;
	if (!stays)
		return FRONT_FRESH;
	return view_is_private(v) ? FACE_PRIVATE : FRONT_IMMUTABLE;
}

static void answer_file(struct view *v, const struct view_file *f, struct face_answer *out)
{
	char hex[DIGEST_HEX];
	*out = (struct face_answer){
		.status = 200,
		.type = type_of(f->file->key),
		.cache = cache_of(v, f->file->class),
		.etag = mem_printf("\"%s\"", digest_hex(hex, &f->file->sha256)),
		.view = view_ref(v),
		.file = *f,
		.is_file = true,
	};
}

static void answer_key(struct view *v, const struct face_request *r, const char *key,
		       struct face_answer *out)
{
	struct view_file f;
	if (!view_find(v, key, &f) || !auth_may(r->who, AUTH_PULL, view_repository(v), f.model))
		face_document_text(out, 404, "not found");
	else if (f.withdrawn)
		face_document_text(out, 410, "withdrawn by the publisher");
	else
		answer_file(v, &f, out);
}

bool face_plain(const struct face_views *v, const struct face_request *r, struct face_answer *out)
{
	for (size_t i = 0; i < v->count; i++) {
		const char *key = key_of(r->path, view_repository(v->at[i]));
		if (!key || !is_key(key))
			continue;
		answer_key(v->at[i], r, key, out);
		return true;
	}
	if (v->count != 1 || !is_key(r->path + 1))
		return false;
	answer_key(v->at[0], r, r->path + 1, out);
	return true;
}
