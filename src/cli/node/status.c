#include "cli/node/node.h"
#include "cli/node/sections.h"
#include "node/gauges.h"
#include "node/probe.h"
#include "util/mem.h"

#include <string.h>

#define FRESH_MS 2000

struct status_opts {
	const char *prometheus, *listen;
};

static const struct opt options[] = {
	OPT_HINTED(OPT_STRING, status_opts, prometheus, 0, "prometheus", "FILE", HINT_FILE,
		   "write metrics for the textfile collector of Prometheus' node_exporter"),
	OPT_ENTRY(OPT_STRING, status_opts, listen, 0, "listen", "HOST:PORT",
		  "go on, and answer /healthz and /metrics over HTTP; also unix:/PATH"),
	OPT_LAST,
};

/* ---- the document ---- */

static void put_model(json_t *models, const struct node_standing_model *m)
{
	json_t *object = sections_item_json(&m->item);
	json_push(models, object);
	json_put_string(object, "state", node_standing_state_name(m->state));
	if (m->needs) {
		json_put_u64(object, "needs", m->needs);
		json_put_bool(object, "estimated", m->estimated);
	}
	json_put_bool(object, "told", m->told);
	if (m->item.why.class)
		json_put(object, "error", cli_error_json(&m->item.why));
}

static void put_engine(json_t *engines, const struct node_vitals_engine *engine)
{
	json_t *object = json_push_object(engines);
	json_put_string(object, "url", engine->url);
	json_put_bool(object, "up", engine->up);
	json_put_u64(object, "took_ms", engine->took_ms);
	if (engine->since_s)
		json_put_time(object, "since", engine->since_s);
	if (!engine->up)
		json_put(object, "error", cli_error_json(&engine->why));
}

static void put_memory(json_t *document, const struct node_standing *s)
{
	json_t *memory = json_put_object(document, "memory");
	json_put_u64(memory, "needed", s->needs);
	if (!s->memory.bytes)
		return;
	json_put_u64(memory, "total", s->memory.bytes);
	json_put_bool(memory, "gpu", s->memory.gpu);
	if (s->memory.available)
		json_put_u64(memory, "available", s->memory.available);
	json_put_bool(memory, "together", s->needs <= s->memory.bytes);
}

static void put_unlisted(json_t *document, const struct node_standing *s)
{
	json_t *unlisted = json_put_array(document, "unlisted");
	for (size_t i = 0; i < s->unlisted.count; i++) {
		const struct node_removal_model *m = &s->unlisted.at[i];
		json_t *object = json_push_object(unlisted);
		json_put_string(object, "repository", m->variant->repository);
		json_put_string(object, "model", m->variant->model);
		json_put_string(object, "variant", m->variant->variant);
		json_put_u64(object, "size", m->variant->size);
		json_put_time(object, "used", m->used_s);
		json_put_bool(object, "next", m->chosen);
	}
}

static json_t *document_of(const struct cli *cli, const struct node_standing *s)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "state", node_standing_is_ok(s) ? "ok" : "fault");
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < s->count; i++)
		put_model(models, &s->at[i]);
	json_t *engines = json_put_array(document, "engines");
	for (size_t i = 0; i < s->engines.count; i++)
		put_engine(engines, &s->engines.at[i]);
	put_memory(document, s);
	put_unlisted(document, s);
	if (s->applied_s) {
		json_t *applied = json_put_object(document, "applied");
		json_put_time(applied, "time", s->applied_s);
		json_put_u64(applied, "faults", s->faults);
	}
	return document;
}

/* ---- for people ---- */

/* What is not in the store yet is known by its reference alone. */
static char *model_cell(const json_t *row)
{
	return cli_fill(row, json_text(row, "variant") ? "{repository}/{model}:{variant}"
						       : "{reference}");
}

static void print_models(struct cli *cli, const json_t *document)
{
	static const struct cli_column columns[] = {
		{ "NAME", "{name}", NULL },          { "STATE", "{state}", NULL },
		{ "MODEL", NULL, model_cell },       { ">VERSION", "{version|-}", NULL },
		{ ">MEMORY", "{needs:size}", NULL }, { "ENGINE", "{engine|-}", NULL },
	};
	const json_t *one;
	size_t i;
	cli_table(cli, json_object_get(document, "models"), columns, ARRAY_LEN(columns));
	json_array_foreach (json_object_get(document, "models"), i, one)
		if (json_object_get(one, "error"))
			cli_say(cli, one, "{name}: {error.message}");
}

static void print_engine(struct cli *cli, const json_t *engine, int64_t now_s)
{
	char text[DURATION_TEXT];
	int64_t since_s = 0;
	const char *since = json_text(engine, "since");
	if (since && parse_time(since, &since_s) && now_s > since_s)
		format_duration(text, (uint64_t)(now_s - since_s));
	else
		format_duration(text, 0);
	CLEANUP(mem_free_ptr) char *head = cli_fill(engine, "engine {url}: {up?up:down}");
	if (json_flag(engine, "up"))
		cli_line(cli, "%s for %s", head, text);
	else
		cli_line(cli, "%s for %s: %s", head, text,
			 json_text(json_object_get(engine, "error"), "message"));
}

static void print(struct cli *cli, const json_t *document)
{
	const json_t *memory = json_object_get(document, "memory"), *one;
	size_t i;
	print_models(cli, document);
	json_array_foreach (json_object_get(document, "engines"), i, one)
		print_engine(cli, one, clock_wall_s(NULL));
	if (json_object_get(memory, "total"))
		cli_say(cli, memory,
			"memory: {needed:size} for all models together, of {total:size}");
	if (json_object_get(document, "applied"))
		cli_say(cli, document, "last applied: {applied.time}, {applied.faults#fault}");
	else
		cli_line(cli, "`ferry node apply` has not run yet");
	json_array_foreach (json_object_get(document, "unlisted"), i, one)
		cli_say(cli, one,
			"{repository}/{model}:{variant} is in no section: {size:size}{next?, "
			"would be removed:}");
}

/* ---- metrics ---- */

static int write_metrics(const struct node_standing *s, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(METRICS_MAX_BYTES);
	if (!path)
		return 0;
	node_gauges_add(s, clock_wall_s(NULL), &text);
	int rc = metrics_write(path, &text, e);
	return rc < 0 ? err_context(e, "--prometheus") : 0;
}

/* ---- for load balancers ---- */

struct watch {
	struct cli *cli;
	const struct sections *conf;
	struct client *client;
	struct node_standing now;
	uint64_t at_ms; /* when that was; 0: never */
};

static int look(struct watch *w, struct err *e)
{
	uint64_t now_ms = clock_now_ms(NULL);
	if (w->at_ms && now_ms - w->at_ms < FRESH_MS)
		return 0;
	node_standing_release(&w->now);
	int rc = node_standing_find(w->client, &w->conf->settings, &w->conf->wanted, &w->now, e);
	w->at_ms = clock_now_ms(NULL);
	return rc;
}

static int answer_health(struct watch *w, struct node_probe_answer *out, struct err *e)
{
	CLEANUP(json_release) json_t *document = document_of(w->cli, &w->now);
	out->status = node_standing_is_ok(&w->now) ? 200 : 503;
	out->type = "application/json";
	return json_pretty(document, &out->body, e);
}

static int answer(void *ctx, const char *path, struct node_probe_answer *out, struct err *e)
{
	struct watch *w = ctx;
	bool health = strcmp(path, "/healthz") == 0;
	if (!health && strcmp(path, "/metrics") != 0)
		return 0;
	int rc = look(w, e);
	if (rc < 0 || health)
		return rc < 0 ? rc : answer_health(w, out, e);
	out->status = 200;
	out->type = "text/plain; version=0.0.4; charset=utf-8";
	node_gauges_add(&w->now, clock_wall_s(NULL), &out->body);
	return buf_ok(&out->body, "the metrics", e);
}

static int watch_run(struct cli *cli, const struct sections *conf, struct client *client,
		     struct err *e)
{
	const struct status_opts *o = cli->opts;
	struct watch w = { .cli = cli, .conf = conf, .client = client };
	int rc = node_probe_serve(o->listen, answer, &w, cli->report, cli->cancel, e);
	node_standing_release(&w.now);
	return rc;
}

/* ---- the command ---- */

static int look_once(struct cli *cli, const struct sections *conf, struct client *client,
		     struct err *e)
{
	const struct status_opts *o = cli->opts;
	CLEANUP(node_standing_release) struct node_standing s = { 0 };
	int rc = node_standing_find(client, &conf->settings, &conf->wanted, &s, e);
	if (rc == 0)
		rc = write_metrics(&s, o->prometheus, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = document_of(cli, &s);
	print(cli, document);
	rc = cli_result(cli, document, e);
	return rc == 0 && !node_standing_is_ok(&s) ? -ERR_FAULT : rc;
}

static int status_run(struct cli *cli, struct err *e)
{
	const struct status_opts *o = cli->opts;
	CLEANUP(sections_release) struct sections conf = { 0 };
	CLEANUP(client_release) struct client client = { 0 };
	if (o->listen && (o->prometheus || cli->json))
		return err_set(e, ERR_USAGE,
			       "--listen goes on: it is not used with --prometheus or --json");
	int rc = sections_read(cli, false, &conf, e);
	if (rc == 0)
		rc = session_client(cli, &client, e);
	if (rc < 0)
		return rc;
	return o->listen ? watch_run(cli, &conf, &client, e) : look_once(cli, &conf, &client, e);
}

const struct command cmd_node_status = {
	.name = "status",
	.asked = true,
	.summary = "say whether the models are ready and the engines answer",
	.description =
		"Looks at the store, the engines' folders and the engines; no mirror is asked and "
		"nothing is changed. The exit status is 1 if a model is not ready, needs more "
		"memory "
		"than the machine has, or an engine does not answer.",
	.opts = options,
	.opts_size = sizeof(struct status_opts),
	.run = status_run,
};
