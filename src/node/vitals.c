#include "node/vitals.h"

#include "http/http.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define FORMAT "model-ferry-engines"
#define DEADLINE_MS 5000
#define ANSWER_MAX (64 * KIB)

void node_vitals_release(struct node_vitals *v)
{
	free(v->at);
	*v = (struct node_vitals){ 0 };
}

/* -- the record ------------------------------------------------------------------------------ */

static const json_t *entry_of(const json_t *engines, const char *url)
{
	const json_t *one;
	size_t i;
	json_array_foreach (engines, i, one) {
		const char *text = json_text(one, "url");
		if (text && strcmp(text, url) == 0)
			return one;
	}
	return NULL;
}

int64_t node_vitals_since(const void *data, size_t len, const char *url, bool up)
{
	static const struct json_limits limits = { .max_bytes = NODE_VITALS_MAX_BYTES };
	CLEANUP(json_release) json_t *object = NULL;
	struct err ignored = ERR_INIT;
	int64_t since_s = 0;
	if (json_parse(data, len, &limits, "", &object, &ignored) < 0)
		return 0;
	const json_t *one = entry_of(json_object_get(object, "engines"), url);
	const char *since = one && json_flag(one, "up") == up ? json_text(one, "since") : NULL;
	return since && parse_time(since, &since_s) ? since_s : 0;
}

static json_t *record_of(const struct node_vitals *v)
{
	json_t *object = json_object();
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_t *engines = json_put_array(object, "engines");
	for (size_t i = 0; i < v->count; i++) {
		json_t *one = json_push_object(engines);
		json_put_string(one, "url", v->at[i].url);
		json_put_bool(one, "up", v->at[i].up);
		json_put_time(one, "since", v->at[i].since_s);
	}
	return object;
}

/* A store that cannot be written to remembers nothing. */
static void remember(const struct store *s, struct node_vitals *v)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/node/engines.json", s->home);
	CLEANUP(buf_release) struct buf before = BUF_INIT(NODE_VITALS_MAX_BYTES);
	struct err ignored = ERR_INIT;
	bool same = v->count > 0;
	(void)!file_read_all(path, &before, &ignored);
	for (size_t i = 0; i < v->count; i++) {
		struct node_vitals_engine *engine = &v->at[i];
		engine->since_s = node_vitals_since(before.data, before.len, engine->url,
						    engine->up);
		same = same && engine->since_s;
		if (!engine->since_s)
			engine->since_s = clock_wall_s(s->clock);
	}
	if (same || !v->count || s->read_only)
		return;
	CLEANUP(json_release) json_t *record = record_of(v);
	err_clear(&ignored);
	if (file_mkdirs_for(path, FILE_DIR_MODE, &ignored) == 0)
		(void)!json_write_file(path, record, FILE_MODE, &ignored);
}

/* -- asking ---------------------------------------------------------------------------------- */

static int ask(const struct store *s, struct http_client *client, struct node_vitals_engine *engine,
	       struct err *e)
{
	CLEANUP(http_response_release) struct http_response answer = { 0 };
	CLEANUP(buf_release) struct buf body = BUF_INIT(ANSWER_MAX);
	const struct http_request q = {
		.url = engine->url,
		.what = "",
		.deadline_ms = DEADLINE_MS,
		.into = &body,
	};
	uint64_t start_ms = clock_now_ms(s->clock);
	engine->up = http_perform(client, &q, &answer, &engine->why) == 0;
	/* An answer that is too long to be kept (ERR_INTEGRITY) also means that the engine is up.
	 */
	if (!engine->up && answer.status >= 200 && answer.status <= 299 &&
	    err_is(&engine->why, ERR_INTEGRITY))
		engine->up = true;
	engine->took_ms = clock_now_ms(s->clock) - start_ms;
	if (!err_is(&engine->why, ERR_CANCELLED))
		return 0;
	*e = engine->why;
	return -ERR_CANCELLED;
}

static bool has(const struct node_vitals *v, const char *url)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->at[i].url, url) == 0)
			return true;
	return false;
}

int node_vitals_ask(const struct store *s, const struct node_wanted_list *wanted,
		    struct node_vitals *out, struct err *e)
{
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	CLEANUP(node_vitals_release) struct node_vitals v = { 0 };
	const struct http_options options = {
		.connect_timeout_s = 3, .direct = true, .cancel = s->cancel, .clock = s->clock
	};
	int rc = http_client_new(&options, &client, e);
	for (size_t i = 0; rc == 0 && i < wanted->count; i++) {
		const char *url = wanted->at[i].set->health;
		if (!url || has(&v, url))
			continue;
		v.at = mem_grow(v.at, v.count + 1, &v.cap, sizeof *v.at);
		v.at[v.count] = (struct node_vitals_engine){ .url = url };
		rc = ask(s, client, &v.at[v.count++], e);
	}
	if (rc < 0)
		return rc;
	remember(s, &v);
	*out = v;
	v = (struct node_vitals){ 0 };
	return 0;
}
