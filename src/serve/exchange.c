#include "serve/exchange_internal.h"

#include "front/front.h"
#include "serve/face/documents.h"
#include "serve/face/registry.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>

enum went { WENT_ON, WENT_WAITING };

/* ---- answers of the exchange itself ---- */

static enum went answer(struct exchange *x, unsigned status, const char *text)
{
	const char *face = x->answer.face;
	face_answer_release(&x->answer);
	face_document_text(&x->answer, status, text);
	x->answer.face = face;
	x->status = status;
	x->step = STEP_SEND;
	return WENT_ON;
}

static enum went answer_busy(struct exchange *x)
{
	return answer(x, 503, "the server is stopping");
}

static enum went wait_for(struct exchange *x, void (*work)(struct exchange *x))
{
	return exchange_wait_work(x, work, 0) ? WENT_WAITING : answer_busy(x);
}

/* Where readers of a registry get a token; other clients look at the scheme alone. */
static enum went answer_unknown(struct exchange *x)
{
	atomic_fetch_add(&x->edge->counts.refused, 1);
	answer(x, 401, x->refusal);
	if (strcmp(x->path, FACE_REGISTRY_TOKEN) == 0)
		face_document_header(&x->answer, "WWW-Authenticate", "Basic realm=\"ferry\"");
	else
		face_document_header(&x->answer, "WWW-Authenticate",
				     "Bearer realm=\"%s" FACE_REGISTRY_TOKEN "\",service=\"ferry\"",
				     x->base);
	return WENT_ON;
}

/* Readers of a registry show what they have only if they are asked for it here, once: where callers
 * without credentials may pull, too, they would not get what is only for those with a key. */
static bool asks_for_credentials(const struct exchange *x)
{
	return auth_has_credentials(x->edge->auth) && !x->who.known &&
	       !exchange_header(x, "Authorization") &&
	       (strcmp(x->path, "/v2/") == 0 || strcmp(x->path, "/v2") == 0);
}

static enum went answer_later(struct exchange *x, const char *why)
{
	answer(x, 503, why);
	face_document_header(&x->answer, "Retry-After", "5");
	return WENT_ON;
}

/* ---- the request ---- */

static bool is_method(const struct exchange *x, const char *method)
{
	return strcmp(x->method, method) == 0;
}

/* RFC 9110, 10.2.1: with commas. */
static char *listed(const char *methods)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(KIB);
	for (const char *c = methods; *c; c++)
		buf_adds(&out, *c == ' ' ? ", " : (const char[]){ *c, '\0' });
	return buf_steal(&out);
}

/* https://fetch.spec.whatwg.org/#http-cors-protocol */
static enum went answer_options(struct exchange *x, const char *methods)
{
	CLEANUP(mem_free_ptr) char *list = listed(methods);
	answer(x, 204, "");
	buf_clear(&x->answer.body);
	x->answer.type = NULL;
	face_document_header(&x->answer, "Allow", "%s, OPTIONS", list);
	face_document_header(&x->answer, "Access-Control-Allow-Methods", "%s", list);
	face_document_header(&x->answer, "Access-Control-Allow-Headers",
			     "Authorization, Content-Type, " FRONT_ASKED);
	face_document_header(&x->answer, "Access-Control-Max-Age", "86400");
	return WENT_ON;
}

static enum went answer_method(struct exchange *x, const char *methods)
{
	CLEANUP(mem_free_ptr) char *list = listed(methods);
	answer(x, 405, "this method is not allowed here");
	face_document_header(&x->answer, "Allow", "%s", list);
	return WENT_ON;
}

static const char *methods_of(const struct exchange *x)
{
	return x->service ? x->service->methods : face_methods(x->path);
}

static enum went answer_limited(struct exchange *x, const char *text)
{
	atomic_fetch_add(&x->edge->counts.limited, 1);
	return answer(x, 429, text);
}

static enum went end_connection(struct exchange *x)
{
	face_document_header(&x->answer, "Connection", "close");
	return WENT_ON;
}

/* The server has not read its body, and must not wait for a worker now. */
static enum went answer_unread(struct exchange *x)
{
	exchange_know_client(x);
	x->limited = !x->caller->trusted;
	if (x->limited && limit_request(x->edge->limit, x->client, &x->limit) == LIMIT_NO)
		answer_limited(x, "too many requests");
	else if (x->unread == 400)
		answer(x, 400, "the headers of the request are ambiguous");
	else
		answer(x, x->unread, "the headers of the request are too large");
	return end_connection(x);
}

/* It counts like every other request: it is answered behind STEP_LIMIT. */
static enum went find_fault(struct exchange *x, enum exchange_fault fault)
{
	x->fault = fault;
	x->step = STEP_WHO;
	return WENT_ON;
}

static enum went answer_fault(struct exchange *x)
{
	switch (x->fault) {
	case FAULT_OPTIONS:
		return answer_options(x, methods_of(x));
	case FAULT_METHOD:
		return answer_method(x, methods_of(x));
	case FAULT_BODY:
		return answer(x, 413, "the body of the request is too large");
	default:
		return answer(x, 400, "the path is malformed");
	}
}

static enum went step_read(struct exchange *x)
{
	exchange_know_caller(x);
	if (x->caller->refused) {
		answer_limited(x, "too many connections");
		face_document_header(&x->answer, "Retry-After", "1");
		return end_connection(x);
	}
	if (x->unread)
		return answer_unread(x);
	if (!route_path(x->target, &x->path, &x->query))
		return find_fault(x, FAULT_PATH);
	x->service = route_find(x->path);
	if (is_method(x, "OPTIONS"))
		return find_fault(x, FAULT_OPTIONS);
	if (!route_allows(methods_of(x), x->method))
		return find_fault(x, FAULT_METHOD);
	return find_fault(x, x->body.overflow ? FAULT_BODY : FAULT_NONE);
}

/* ---- who ---- */

static void refresh_keys(struct exchange *x)
{
	auth_refresh(x->edge->auth);
}

static bool is_for_all(const struct exchange *x)
{
	return x->service && x->service->for_all && !x->fault;
}

static enum went know(struct exchange *x)
{
	exchange_know_client(x);
	x->step = STEP_LIMIT;
	if (exchange_count_request(x))
		return WENT_ON;
	answer_limited(x, "too many connections");
	face_document_header(&x->answer, "Retry-After", "1");
	return WENT_ON;
}

static enum went step_who(struct exchange *x)
{
	struct err why = ERR_INIT;
	if (x->caller->trusted)
		auth_who_trust(&x->who);
	if (x->caller->trusted || x->fault)
		return know(x);
	enum auth_result r = auth_check(x->edge->auth, exchange_header(x, "Authorization"),
					&x->caller->memo, &x->who, &why);
	if (r == AUTH_WAIT)
		return wait_for(x, refresh_keys);
	x->later = r == AUTH_LATER;
	if (r != AUTH_OK && !is_for_all(x))
		x->refusal = mem_strdup(why.text);
	return know(x);
}

/* ---- how often ---- */

static void ask_limit(struct exchange *x)
{
	x->admitted = limit_ask(x->edge->limit, x->client, &x->limit);
}

static enum went step_limit(struct exchange *x)
{
	x->step = STEP_ANSWER;
	if (x->who.trusted || is_for_all(x))
		return x->fault ? answer_fault(x) : WENT_ON;
	x->step = STEP_LIMIT;
	if (!x->limited)
		x->admitted = limit_request(x->edge->limit, x->client, &x->limit);
	x->limited = true;
	if (x->admitted == LIMIT_ASK)
		return wait_for(x, ask_limit);
	x->step = STEP_ANSWER;
	if (x->admitted != LIMIT_YES)
		return answer_limited(x, "too many requests");
	/* Only now: what is wrong, and attempts with wrong credentials, are counted, too. */
	if (x->fault)
		return answer_fault(x);
	if (x->refusal)
		return x->later ? answer_later(x, x->refusal) : answer_unknown(x);
	return WENT_ON;
}

/* ---- what ---- */

static void ask_service(struct exchange *x)
{
	const struct route_request r = {
		.method = x->method,
		.path = x->path,
		.query = x->query,
		.body = x->body.len ? x->body.data : NULL,
		.body_len = x->body.len,
		.last_event = exchange_header(x, "Last-Event-ID"),
		.base = x->base,
		.who = &x->who,
		.views = edge_views_for(x->edge, x->views, &x->who),
	};
	x->service->answer(x->edge, &r, &x->answer, &x->stream);
}

static void ask_faces(struct exchange *x, bool may_work)
{
	const struct face_request r = {
		.method = x->method,
		.path = x->path,
		.query = x->query,
		.accept = exchange_header(x, "Accept"),
		.base = x->base,
		.who = &x->who,
		.body = x->body.len ? x->body.data : NULL,
		.body_len = x->body.len,
		.may_work = may_work,
	};
	if (strcmp(x->path, FACE_REGISTRY_TOKEN) == 0)
		face_registry_token(exchange_header(x, "Authorization"), &x->answer);
	else
		face_answer(edge_views_for(x->edge, x->views, &x->who), &r, &x->answer);
}

static void ask_faces_at_work(struct exchange *x)
{
	ask_faces(x, true);
}

static bool names(const struct face_views *v, const char *path)
{
	static const char *const in_front[] = { "/v2/", "/api/models/", "/" };
	size_t i = 0;
	while (!str_starts(path, in_front[i]))
		i++;
	path += strlen(in_front[i]);
	for (i = 0; i < v->count; i++) {
		const char *name = view_repository(v->at[i]);
		size_t len = strlen(name);
		if (strncmp(path, name, len) == 0 && (path[len] == '/' || !path[len]))
			return true;
	}
	return v->count == 1 && str_starts(path, "metadata/");
}

/* Could what is missing be there for callers with credentials? Clients ask their users for some
 * only after a 401. Whether it is there, it does not tell. */
static bool may_be_hidden(const struct exchange *x)
{
	const struct face_views *seen = edge_views_for(x->edge, x->views, &x->who);
	return x->answer.status == 404 && !x->who.known && seen->count < x->views->views.count &&
	       auth_has_credentials(x->edge->auth) && !names(seen, x->path);
}

/* What a call is about, it says itself, and looks at the repository, too. */
static bool may_call(const struct exchange *x, const struct route_service *s)
{
	return s->action == AUTH_PULL || auth_may_some(&x->who, s->action);
}

static enum went answer_nobody(struct exchange *x)
{
	x->refusal = mem_strdup("a key is needed");
	return answer_unknown(x);
}

static enum went answer_forbidden(struct exchange *x)
{
	if (!x->who.known)
		return answer_nobody(x);
	atomic_fetch_add(&x->edge->counts.refused, 1);
	return answer(x, 403, "the key does not allow this");
}

static enum went step_answer(struct exchange *x)
{
	const struct route_service *s = x->service;
	if (!x->views)
		x->views = edge_views_take(x->edge);
	if (s && !s->for_all && !may_call(x, s))
		return answer_forbidden(x);
	if (s && s->waits && !x->answer.status)
		return wait_for(x, ask_service);
	if (s && !x->answer.status)
		ask_service(x);
	else if (!s && !x->answer.status)
		ask_faces(x, false);
	if (!s && !x->answer.status)
		return wait_for(x, ask_faces_at_work);
	if (!s && (asks_for_credentials(x) || may_be_hidden(x)))
		return answer_nobody(x);
	x->status = x->answer.status;
	/* Nobody knows yet what there is. */
	if (!s && x->status == 404 && !edge_is_complete(x->edge))
		return answer_later(x, "the release is not known yet");
	x->step = x->answer.is_file && x->status == 200 ? STEP_FILE : STEP_SEND;
	return WENT_ON;
}

/* ---- the file ---- */

static void find_part(struct exchange *x)
{
	const struct serve_conditions c = {
		.get = is_method(x, "GET"),
		.range = exchange_header(x, "Range"),
		.if_range = exchange_header(x, "If-Range"),
		.if_match = exchange_header(x, "If-Match"),
		.if_none_match = exchange_header(x, "If-None-Match"),
		.if_modified_since = exchange_header(x, "If-Modified-Since"),
		.if_unmodified_since = exchange_header(x, "If-Unmodified-Since"),
	};
	const struct serve_entity n = { x->answer.etag, x->answer.modified_s, x->total };
	x->part = serve_range(&c, &n);
	x->status = x->part.status;
}

static enum went answer_error(struct exchange *x, const struct err *why)
{
	if (why->class == ERR_NOT_FOUND)
		return answer(x, 404, "not found");
	if (why->class == ERR_SYSTEM) {
		answer(x, 507, "this server has no room for it, or cannot read it");
		face_document_header(&x->answer, "Retry-After", "2");
		return WENT_ON;
	}
	if (why->class == ERR_CANCELLED)
		return answer_busy(x);
	answer(x, why->class == ERR_NETWORK ? 503 : 502, "no mirror has a right copy of it now");
	if (why->class == ERR_NETWORK)
		face_document_header(&x->answer, "Retry-After", "10");
	return WENT_ON;
}

static enum went step_file(struct exchange *x)
{
	const struct view_file *f = &x->answer.file;
	struct err why = ERR_INIT;
	x->total = f->file->size;
	find_part(x);
	bool sends = (x->status == 200 || x->status == 206) && is_method(x, "GET");
	x->step = STEP_SEND;
	if (!sends || f->bytes)
		return WENT_ON;
	/* A peer asks for what is there: it asks the mirrors itself for what is not. */
	x->fetches = !exchange_header(x, "Ferry-Peer");
	if (cache_open(x->edge->cache, x->answer.view, f, x->fetches ? CACHE_FETCH : CACHE_HAVE,
		       &x->blob, &why) < 0)
		return answer_error(x, &why);
	x->hit = cache_blob_was_there(x->blob) ? "hit" : "miss";
	x->step = STEP_FIRST;
	return WENT_ON;
}

/* Before the first byte is there, an error can still be said. */
static enum went step_first(struct exchange *x)
{
	struct err why = ERR_INIT;
	x->step = STEP_SEND;
	if (x->part.length == 0)
		return WENT_ON;
	int64_t ready = cache_blob_ready(x->blob, x->part.first, x->part.length, &why);
	if (ready > 0)
		return WENT_ON;
	if (ready < 0)
		return answer_error(x, &why);
	if (!x->fetches)
		return answer(x, 404, "not found");
	x->step = STEP_FIRST;
	return exchange_wait_blob(x, x->part.first, x->part.first + x->part.length)
		       ? WENT_WAITING
		       : answer_busy(x);
}

/* ---- the steps ---- */

static enum MHD_Result run(struct exchange *x)
{
	static enum went (*const steps[STEPS])(struct exchange * x) = {
		[STEP_READ] = step_read,     [STEP_WHO] = step_who,   [STEP_LIMIT] = step_limit,
		[STEP_ANSWER] = step_answer, [STEP_FILE] = step_file, [STEP_FIRST] = step_first,
	};
	while (x->step != STEP_SEND)
		if (steps[x->step](x) == WENT_WAITING)
			return MHD_YES;
	return exchange_send(x);
}

void *exchange_begin(void *ctx, const char *target, struct MHD_Connection *connection)
{
	struct exchange_lot *l = ctx;
	struct exchange *x = NEW(struct exchange);
	x->lot = l;
	x->edge = l->edge;
	x->connection = connection;
	x->target = mem_strdup(target);
	x->body = (struct buf)BUF_INIT(EXCHANGE_MAX_BODY);
	x->caller = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			    ->socket_context;
	return x;
}

static void begin(struct exchange *x, const char *method)
{
	x->called = true;
	x->method = method;
	x->start_us = clock_now_us(x->edge->clock);
	atomic_fetch_add(&x->edge->counts.requests, 1);
	atomic_fetch_add(&x->edge->counts.requesting, 1);
}

enum MHD_Result exchange_handle(void *lot, struct MHD_Connection *connection, const char *url,
				const char *method, const char *version, const char *data,
				size_t *data_size, void **ctx)
{
	struct exchange *x = *ctx;
	(void)lot;
	(void)connection;
	(void)url;
	if (!x)
		return MHD_NO;
	if (!x->called) {
		begin(x, method);
		x->unread = exchange_framing_fault(x, version);
		/* Perhaps nobody knows where its body ends: it is not read. */
		return x->unread ? run(x) : MHD_YES;
	}
	if (*data_size == 0) {
		x->caller->idle_since_us = 0; /* Until here, the caller may be too slow. */
		return run(x);
	}
	buf_add(&x->body, data, *data_size);
	x->received += *data_size;
	*data_size = 0;
	/* What is too long is read up to some point, so that the caller gets the answer. */
	return x->received > EXCHANGE_MAX_RECEIVED ? MHD_NO : MHD_YES;
}
