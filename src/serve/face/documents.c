#include "serve/face/documents.h"

#include "front/front.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define JSON_MAX (16 * MIB)
#define TYPE_JSON "application/json"

/* -- answers -------------------------------------------------------------------------------- */

static const char *keep_text(const struct view *v, enum face_keep keep)
{
	if (keep == FACE_NEVER)
		return FRONT_NEVER;
	if (keep == FACE_FRESH)
		return FRONT_FRESH;
	return v && view_is_private(v) ? FACE_PRIVATE : FRONT_IMMUTABLE;
}

void face_document_bytes(struct face_answer *out, const struct view *v, const char *type,
			 enum face_keep keep, const void *data, size_t len)
{
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of(data, len, &d);
	*out = (struct face_answer){ .status = 200,
				     .type = type,
				     .cache = keep_text(v, keep),
				     .etag = mem_printf("\"%s\"", digest_hex(hex, &d)),
				     .body = BUF_INIT(JSON_MAX) };
	buf_add(&out->body, data, len);
}

void face_document_json(struct face_answer *out, const struct view *v, enum face_keep keep,
			json_t *value)
{
	CLEANUP(json_release) json_t *owned = value;
	CLEANUP(buf_release) struct buf text = BUF_INIT(JSON_MAX);
	struct err e = ERR_INIT;
	if (json_compact(owned, &text, &e) < 0 || text.overflow) {
		*out = (struct face_answer){ .status = 500,
					     .type = TYPE_JSON,
					     .cache = FRONT_NEVER,
					     .body = BUF_INIT(KIB) };
		buf_adds(&out->body, "{\"error\":\"the document is too large\"}");
		return;
	}
	face_document_bytes(out, v, TYPE_JSON, keep, buf_str(&text), text.len);
}

void face_document_error(struct face_answer *out, unsigned status, json_t *value)
{
	face_document_json(out, NULL, FACE_NEVER, value);
	free(STEAL(out->etag));
	out->status = status;
}

void face_document_text(struct face_answer *out, unsigned status, const char *text)
{
	*out = (struct face_answer){ .status = status,
				     .type = "text/plain; charset=utf-8",
				     .cache = FRONT_NEVER,
				     .body = BUF_INIT(4 * KIB) };
	buf_adds(&out->body, text);
	buf_addc(&out->body, '\n');
}

void face_document_file(struct face_answer *out, struct view *v, const struct view_file *f,
			enum face_keep keep)
{
	char hex[DIGEST_HEX];
	*out = (struct face_answer){
		.status = 200,
		.type = "application/octet-stream",
		.cache = keep_text(v, keep),
		.etag = mem_printf("\"%s\"", digest_hex(hex, &f->file->sha256)),
		.view = view_ref(v),
		.file = *f,
		.is_file = true,
	};
}

void face_document_header(struct face_answer *out, const char *name, const char *fmt, ...)
{
	va_list args;
	if (out->header_count == FACE_HEADERS)
		return;
	va_start(args, fmt);
	out->headers[out->header_count].name = name;
	out->headers[out->header_count++].value = mem_vprintf(fmt, args);
	va_end(args);
}

/* -- requests ------------------------------------------------------------------------------- */

bool face_document_split(const char *path, struct str_list *out, size_t max)
{
	for (const char *at = path; *at == '/' && out->count < max;) {
		size_t len = out->count + 1 == max ? strlen(at + 1) : strcspn(at + 1, "/");
		if (!len || at[len] == '/' || strstr(at, "//"))
			return false;
		str_list_take(out, mem_strndup(at + 1, len));
		at += 1 + len;
	}
	return out->count;
}

char *face_document_query(const char *query, const char *name)
{
	size_t len = strlen(name);
	for (const char *at = query; at && *at; at += *at == '&') {
		size_t end = strcspn(at, "&");
		if (end > len && strncmp(at, name, len) == 0 && at[len] == '=') {
			CLEANUP(mem_free_ptr)
			char *value = mem_strndup(at + len + 1, end - len - 1);
			for (char *c = value; *c; c++)
				*c = *c == '+' ? ' ' : *c;
			return path_percent_decode(value) ? STEAL(value) : NULL;
		}
		at += end;
	}
	return NULL;
}

/* -- models --------------------------------------------------------------------------------- */

static bool may(const struct face_request *r, const struct view *v, const char *model)
{
	return auth_may(r->who, AUTH_PULL, view_repository(v), model);
}

/* -- what is made of a model ------------------------------------------------------------------- */

/* The view keeps it. */
struct made {
	struct view_kept kept;
	struct api_registry api;
};

static const struct made *made_of(const struct view_kept *k)
{
	return (const struct made *)(const void *)((const char *)k - offsetof(struct made, kept));
}

static void free_made(struct view_kept *k)
{
	struct made *m = (struct made *)(void *)((char *)k - offsetof(struct made, kept));
	api_registry_release(&m->api);
	free(m);
}

/* A model without manifests, because they cannot be made, still has its files. */
static const struct view_kept *make(const struct view *v, const struct card *c)
{
	struct made *m = NEW(struct made);
	struct err ignored = ERR_INIT;
	m->kept.free = free_made;
	if (api_registry_init(&m->api, view_repository(v), c, &ignored) < 0) {
		m->api.card = c;
		api_hub_init(&m->api.hub, view_repository(v), c);
	}
	return view_keep(v, c, &m->kept);
}

static const struct api_registry *find_api(const struct view *v, const struct card *c,
					   bool may_work)
{
	const struct view_kept *k = view_kept(v, c);
	if (!k && may_work)
		k = make(v, c);
	return k ? &made_of(k)->api : NULL;
}

bool face_document_model(const struct face_views *views, const struct face_request *r,
			 const char *repository, const char *model, struct face_model *out)
{
	for (size_t i = 0; i < views->count; i++) {
		struct view *v = views->at[i];
		if (strcmp(view_repository(v), repository) != 0 || !may(r, v, model))
			continue;
		const struct card *card = view_model(v, model);
		if (card)
			*out = (struct face_model){ v, card, find_api(v, card, r->may_work) };
		return card;
	}
	return false;
}

static int compare_repositories(const void *a, const void *b)
{
	struct view *const *x = a, *const *y = b;
	return strcmp(view_repository(*x), view_repository(*y));
}

/* Is "NAME/MODEL" in front of this model? */
static bool is_behind(const char *name, const struct view *v, const struct card *c)
{
	const char *slash = strchr(name, '/');
	CLEANUP(mem_free_ptr)
	char *first = mem_strndup(name, slash ? (size_t)(slash - name) : strlen(name));
	int order = strcmp(first, view_repository(v));
	return order < 0 || (order == 0 && (!slash || strcmp(slash + 1, c->id) < 0));
}

static void add_models(struct view *v, const struct face_request *r, const char *after, size_t max,
		       struct face_models *out)
{
	size_t count;
	const struct card *cards = view_models(v, &count);
	for (size_t i = 0; i < count && !out->more; i++) {
		if ((after && !is_behind(after, v, &cards[i])) || !may(r, v, cards[i].id))
			continue;
		out->more = out->count == max;
		if (out->more)
			return;
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = (struct face_model){ .view = v, .card = &cards[i] };
	}
}

void face_document_models(const struct face_views *views, const struct face_request *r,
			  const char *after, size_t max, struct face_models *out)
{
	CLEANUP(mem_free_ptr)
	struct view **sorted = mem_alloc((views->count + 1) * sizeof(struct view *));
	*out = (struct face_models){ 0 };
	for (size_t i = 0; i < views->count; i++)
		sorted[i] = views->at[i];
	if (views->count)
		qsort(sorted, views->count, sizeof *sorted, compare_repositories);
	for (size_t i = 0; i < views->count && !out->more; i++)
		add_models(sorted[i], r, after, max, out);
}

void face_document_models_release(struct face_models *m)
{
	free(m->at);
	*m = (struct face_models){ 0 };
}
