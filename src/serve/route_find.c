#include "serve/face/documents.h"
#include "serve/have.h"
#include "serve/operate.h"

#include "util/text.h"

#include <string.h>

static void answer_version(struct edge *e, const struct route_request *r, struct face_answer *out,
			   struct route_stream **stream)
{
	(void)e;
	(void)r;
	(void)stream;
	face_document_text(out, 200, "ferry " FERRY_VERSION);
}

/* For everybody, so it names no repository. */
static void answer_root(struct edge *e, const struct route_request *r, struct face_answer *out,
			struct route_stream **stream)
{
	(void)e;
	(void)r;
	(void)stream;
	face_document_text(
		out, 200,
		"This is an edge of Model Ferry: a verified mirror of GGUF models, read only.\n"
		"\n"
		"/NAME/metadata/, /NAME/targets/  the repository NAME, for ferry fetch and curl\n"
		"/v2/                             an OCI registry, for docker, ollama and skopeo\n"
		"/api/models                      the API of Hugging Face, for llama.cpp and hf\n"
		"/healthz                         whether it can answer requests\n"
		"\n"
		"The manual is ferry-serve(1).");
}

static const struct route_service services[] = {
	{ HAVE_PATH, "GET HEAD", AUTH_PULL, false, false, have_answer },
	{ "/", "GET HEAD", AUTH_PULL, true, false, answer_root },
	{ "/healthz", "GET HEAD", AUTH_PULL, true, false, operate_health },
	{ "/metrics", "GET HEAD", AUTH_METRICS, false, true, operate_metrics },
	{ "/v1/stats", "GET HEAD", AUTH_METRICS, false, true, operate_stats },
	{ "/v1/events", "GET", AUTH_ADMIN, false, false, operate_events },
	{ "/v1/preload", "POST", AUTH_PRELOAD, false, true, operate_preload },
	{ OPERATE_DROP, "DELETE", AUTH_ADMIN, false, true, operate_drop },
	{ "/v1/version", "GET HEAD", AUTH_PULL, false, false, answer_version },
};

static bool is_of(const struct route_service *s, const char *path)
{
	bool has_more = str_ends(s->path, "/") && s->path[1];
	return has_more ? str_starts(path, s->path) : strcmp(path, s->path) == 0;
}

const struct route_service *route_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		const struct route_service *s = &services[i];
		if (is_of(s, path))
			return s;
	}
	return NULL;
}
