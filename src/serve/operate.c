#include "serve/operate.h"

#include "json/json.h"
#include "serve/events.h"
#include "serve/face/documents.h"
#include "serve/operate_internal.h"
#include "util/clock.h"
#include "util/mem.h"

#include <string.h>

#define MAX_ANSWER (256 * KIB)

/* ---- answers ---- */

/* Takes the document. */
static void answer_json(struct face_answer *out, unsigned status, json_t *document)
{
	struct err ignored = ERR_INIT;
	*out = (struct face_answer){ .status = status,
				     .type = "application/json",
				     .cache = "no-store",
				     .body = BUF_INIT(MAX_ANSWER) };
	if (json_compact(document, &out->body, &ignored) < 0)
		out->status = 500;
	buf_addc(&out->body, '\n');
	json_decref(document);
}

static void answer_error(struct face_answer *out, unsigned status, const struct err *e)
{
	json_t *document = json_object();
	json_put(document, "error", json_error(e));
	answer_json(out, status, document);
}

/* ---- /healthz ---- */

/* The releases that it shows: the worst of them. */
static const char *release_state(struct edge *e, int64_t now_s)
{
	bool missing = false;
	for (size_t i = 0; i < e->followed; i++) {
		struct views_state s;
		views_state(e->releases, i, &s);
		if (s.there && s.expires_s <= now_s)
			return "expired";
		missing |= !s.there;
	}
	return missing ? "missing" : "ok";
}

static const char *upstream_state(struct edge *e)
{
	for (size_t i = 0; i < e->followed; i++) {
		struct views_state s;
		views_state(e->releases, i, &s);
		if (s.why[0])
			return "failing";
	}
	return "ok";
}

/* What it depends on; false: something is not well. */
static bool add_checks(struct edge *e, json_t *document)
{
	struct operate_numbers n;
	operate_collect(e, &n);
	const struct {
		const char *name, *state;
	} checks[] = {
		{ "release", release_state(e, clock_wall_s(NULL)) },
		{ "upstreams", upstream_state(e) },
		{ "disk", n.cache.disk_free > n.cache.keep_free ? "ok" : "full" },
		{ "redis", !n.limit.shared ? NULL
			   : n.limit.open  ? "failing"
					   : "ok" },
	};
	bool well = true;
	json_t *at = json_put_object(document, "checks");
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (!checks[i].state)
			continue;
		json_put_string(at, checks[i].name, checks[i].state);
		well &= strcmp(checks[i].state, "ok") == 0;
	}
	return well;
}

/* It is for everybody: no repository and no mirror is named. */
void operate_health(struct edge *e, const struct route_request *r, struct face_answer *out,
		    struct route_stream **stream)
{
	(void)stream;
	bool live = r->query && strcmp(r->query, "live") == 0;
	bool ready = edge_is_ready(e);
	json_t *document = json_object();
	bool well = add_checks(e, document);
	const char *status = atomic_load(&e->closing) ? "stopping"
			     : !ready                 ? "starting"
			     : well                   ? "ok"
						      : "degraded";
	json_put_string(document, "status", status);
	answer_json(out, live || ready ? 200 : 503, document);
}

/* ---- /v1/events ---- */

void operate_events(struct edge *e, const struct route_request *r, struct face_answer *out,
		    struct route_stream **stream)
{
	*stream = events_read(e->events, r->last_event);
	face_document_text(out, *stream ? 200 : 503, "too many clients follow the events already");
	if (*stream)
		out->type = "text/event-stream";
}

/* ---- POST /v1/preload ---- */

/* What is to be fetched: files, each with a reference to its view. */
struct load {
	struct {
		struct view *view;
		struct view_file file;
	} * at;
	size_t count, cap;
	uint64_t bytes;
};

static void load_release(struct load *l)
{
	for (size_t i = 0; i < l->count; i++)
		view_unref(l->at[i].view);
	free(l->at);
}

static int add_files(struct load *l, struct view *v, const struct card *model,
		     const struct card_variant *variant, struct err *e)
{
	if (card_withdrawn(model, variant).reason)
		return err_set(e, ERR_NOT_FOUND, "%s:%s is withdrawn", model->id, variant->id);
	for (size_t i = 0; i < variant->file_count; i++) {
		struct view_file f;
		int rc = view_card_file(v, &variant->files[i], &f, e);
		if (rc < 0)
			return rc;
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count].view = view_ref(v);
		l->at[l->count++].file = f;
		l->bytes += f.file->size;
	}
	return 0;
}

/* The view that has the model, of those that the caller may preload it from. */
static int find_view(const struct route_request *r, const struct reference *wanted,
		     struct view **out, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < r->views->count; i++) {
		struct view *v = r->views->at[i];
		const char *name = view_repository(v);
		if ((wanted->repository && strcmp(wanted->repository, name) != 0) ||
		    !auth_may(r->who, AUTH_PRELOAD, name, wanted->model) ||
		    !view_model(v, wanted->model))
			continue;
		if (*out)
			return err_set(e, ERR_USAGE, "%s is in several repositories: name one",
				       wanted->model);
		*out = v;
	}
	return *out ? 0 : err_set(e, ERR_NOT_FOUND, "there is no model %s here", wanted->model);
}

static int add_model(const struct route_request *r, const json_t *text, struct load *l,
		     struct err *e)
{
	CLEANUP(reference_release) struct reference wanted = { 0 };
	const struct card_variant *variant;
	struct view *v = NULL;
	if (!json_is_string(text))
		return err_set(e, ERR_USAGE, "a model is named by a string");
	int rc = reference_parse(json_string_value(text), &wanted, e);
	if (rc == 0)
		rc = find_view(r, &wanted, &v, e);
	if (rc < 0)
		return rc;
	const struct card *model = view_model(v, wanted.model);
	rc = reference_resolve(model, wanted.variant, wanted.version, &variant, e);
	return rc < 0 ? rc : add_files(l, v, model, variant, e);
}

static int read_models(const struct route_request *r, struct load *l, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 64 * KIB, .max_depth = 4 };
	CLEANUP(json_release) json_t *document = NULL;
	json_t *models;
	struct err why = ERR_INIT;
	int rc = json_parse(r->body ? r->body : "", r->body_len, &limits, "the request", &document,
			    &why);
	if (rc == 0)
		rc = json_get_array(document, "", "models", OPERATE_MAX_MODELS, &models, &why);
	if (rc < 0)
		return err_set(e, ERR_USAGE, "%s", why.text);
	for (size_t i = 0; i < json_array_size(models) && rc == 0; i++)
		rc = add_model(r, json_array_get(models, i), l, e);
	return rc;
}

static int begin_all(struct edge *e, struct load *l, struct err *why)
{
	for (size_t i = 0; i < l->count; i++) {
		int rc = cache_preload(e->cache, l->at[i].view, &l->at[i].file, why);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static unsigned status_of(const struct err *why)
{
	return why->class == ERR_USAGE       ? 400
	       : why->class == ERR_NOT_FOUND ? 404
	       : why->class == ERR_CONFLICT  ? 409
	       : why->class == ERR_SYSTEM    ? 507
					     : 503;
}

void operate_preload(struct edge *e, const struct route_request *r, struct face_answer *out,
		     struct route_stream **stream)
{
	CLEANUP(load_release) struct load l = { 0 };
	struct err why = ERR_INIT;
	(void)stream;
	int rc = read_models(r, &l, &why);
	if (rc == 0)
		rc = begin_all(e, &l, &why);
	if (rc < 0) {
		answer_error(out, status_of(&why), &why);
		return;
	}
	json_t *document = json_object();
	json_put_u64(document, "objects", l.count);
	json_put_u64(document, "bytes", l.bytes);
	answer_json(out, 202, document);
}

/* ---- DELETE /v1/cache/HEX ---- */

void operate_drop(struct edge *e, const struct route_request *r, struct face_answer *out,
		  struct route_stream **stream)
{
	struct err why = ERR_INIT;
	struct digest sha256;
	(void)stream;
	int rc = digest_parse(&sha256, r->path + strlen(OPERATE_DROP))
			 ? cache_drop(e->cache, &sha256, &why)
			 : err_set(&why, ERR_USAGE, "an object is named by its SHA-256");
	if (rc < 0)
		answer_error(out, status_of(&why), &why);
	else
		*out = (struct face_answer){ .status = 204, .cache = "no-store" };
}
