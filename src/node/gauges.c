#include "node/gauges.h"

#define GAUGE(n, h) BRACES(.name = (n), .type = METRICS_GAUGE, .help = (h))

/* ---- of the machine; false: there is no value ---- */

typedef bool machine_fn(const struct node_standing *s, double *out);

static bool wanted(const struct node_standing *s, double *out)
{
	*out = (double)s->count;
	return true;
}

static bool ready(const struct node_standing *s, double *out)
{
	*out = (double)s->ready;
	return true;
}

static bool memory(const struct node_standing *s, double *out)
{
	*out = (double)s->memory.bytes;
	return s->memory.bytes != 0;
}

static bool needed(const struct node_standing *s, double *out)
{
	*out = (double)s->needs;
	return true;
}

static bool unlisted(const struct node_standing *s, double *out)
{
	*out = (double)s->unlisted.count;
	return true;
}

static bool applied(const struct node_standing *s, double *out)
{
	*out = (double)s->applied_s;
	return s->applied_s != 0;
}

static bool faults(const struct node_standing *s, double *out)
{
	*out = (double)s->faults;
	return s->applied_s != 0;
}

static const struct {
	struct metric metric;
	machine_fn *value;
} of_machine[] = {
	{ GAUGE("ferry_node_models_wanted", "Models that ferry.conf says this machine must have"),
	  wanted },
	{ GAUGE("ferry_node_models_ready", "Models that are ready for their engine"), ready },
	{ GAUGE("ferry_node_memory_bytes", "Memory that models may need on this machine"), memory },
	{ GAUGE("ferry_node_memory_needed_bytes", "Memory that all wanted models need together"),
	  needed },
	{ GAUGE("ferry_node_models_unlisted", "Models in the store that no section names"),
	  unlisted },
	{ GAUGE("ferry_node_last_apply_timestamp_seconds", "When ferry node apply ran last"),
	  applied },
	{ GAUGE("ferry_node_last_apply_faults", "Faults of the last run of ferry node apply"),
	  faults },
};

/* ---- of a model and of an engine ---- */

static const struct metric model_ready = GAUGE("ferry_node_model_ready",
					       "Whether a model is ready for its engine");
static const struct metric model_needs = GAUGE("ferry_node_model_memory_needed_bytes",
					       "Memory that a model needs");
static const struct metric engine_up = GAUGE("ferry_node_engine_up",
					     "Whether the engine of a model answers");
static const struct metric engine_uptime =
	GAUGE("ferry_node_engine_uptime_seconds",
	      "How long the engine of a model has answered every question");

static const struct node_vitals_engine *engine_of(const struct node_standing *s, size_t i)
{
	const char *url = s->at[i].item.wanted->set->health;
	for (size_t k = 0; url && k < s->engines.count; k++)
		if (str_same(s->engines.at[k].url, url))
			return &s->engines.at[k];
	return NULL;
}

static void add_models(const struct node_standing *s, struct buf *out)
{
	metrics_begin(out, &model_ready);
	for (size_t i = 0; i < s->count; i++) {
		const char *labels[] = { "name", s->at[i].item.wanted->set->name, NULL };
		metrics_add(out, &model_ready, labels, s->at[i].state == NODE_STANDING_READY);
	}
	metrics_begin(out, &model_needs);
	for (size_t i = 0; i < s->count; i++) {
		const char *labels[] = { "name", s->at[i].item.wanted->set->name, NULL };
		if (s->at[i].needs)
			metrics_add(out, &model_needs, labels, (double)s->at[i].needs);
	}
}

static void add_engines(const struct node_standing *s, int64_t now_s, struct buf *out)
{
	metrics_begin(out, &engine_up);
	for (size_t i = 0; i < s->count; i++) {
		const char *labels[] = { "name", s->at[i].item.wanted->set->name, NULL };
		const struct node_vitals_engine *engine = engine_of(s, i);
		if (engine)
			metrics_add(out, &engine_up, labels, engine->up);
	}
	metrics_begin(out, &engine_uptime);
	for (size_t i = 0; i < s->count; i++) {
		const char *labels[] = { "name", s->at[i].item.wanted->set->name, NULL };
		const struct node_vitals_engine *engine = engine_of(s, i);
		if (engine && engine->up && now_s >= engine->since_s)
			metrics_add(out, &engine_uptime, labels, (double)(now_s - engine->since_s));
	}
}

void node_gauges_add(const struct node_standing *s, int64_t now_s, struct buf *out)
{
	for (size_t k = 0; k < ARRAY_LEN(of_machine); k++) {
		double value;
		if (of_machine[k].value(s, &value))
			metrics_single(out, &of_machine[k].metric, value);
	}
	add_models(s, out);
	add_engines(s, now_s, out);
}
