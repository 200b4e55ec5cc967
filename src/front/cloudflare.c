#include "front/cloudflare.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <string.h>

#define YEAR_S 31536000
#define NOT_STORED (-1) /* of status_code_ttl */
#define PERIOD_S 10     /* the only one that all plans have */
#define COMPATIBLE "2025-07-01"

/* What the rules are made of. */
struct maker {
	const struct front *f;
	char *name, *prefix;
	char *label; /* of jobs and workers, whose names have no '_' */
	char *host;  /* the condition that it is the mirror's */
};

static void maker_release(struct maker *m)
{
	free(m->name);
	free(m->label);
	free(m->prefix);
	free(m->host);
}

/* ---- expressions: https://developers.cloudflare.com/ruleset-engine/rules-language/ ---- */

static char *host_condition(const char *host)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(4 * KIB);
	buf_adds(&b, "http.host eq ");
	front_quote(&b, host);
	return buf_steal(&b);
}

/* "starts_with(http.request.uri.path, \"/models/targets/\")" */
static void add_path(struct buf *out, const struct maker *m, const char *function, const char *path)
{
	CLEANUP(mem_free_ptr) char *whole = mem_printf("%s%s", m->prefix, path);
	buf_addf(out, "%s(http.request.uri.path, ", function);
	front_quote(out, whole);
	buf_addc(out, ')');
}

static char *all_paths(const struct maker *m)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(8 * KIB);
	buf_addf(&b, "%s and ", m->host);
	add_path(&b, m, "starts_with", "/");
	return buf_steal(&b);
}

static char *immutable_paths(const struct maker *m)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(8 * KIB);
	buf_addf(&b, "%s and (", m->host);
	add_path(&b, m, "starts_with", "/targets/");
	buf_adds(&b, " or ");
	add_path(&b, m, "starts_with", "/site/assets/");
	buf_adds(&b, " or (");
	add_path(&b, m, "starts_with", "/metadata/");
	buf_adds(&b, " and not ends_with(http.request.uri.path, \"/timestamp.json\")))");
	return buf_steal(&b);
}

static char *fresh_paths(const struct maker *m)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(8 * KIB);
	buf_addf(&b, "%s and (", m->host);
	add_path(&b, m, "starts_with", "/metadata/timestamp.json");
	buf_adds(&b, " or ");
	add_path(&b, m, "starts_with", "/catalog.json");
	buf_adds(&b, " or ");
	add_path(&b, m, "starts_with", "/ferry-probe/");
	buf_adds(&b, " or (");
	add_path(&b, m, "starts_with", "/site/");
	buf_adds(&b, " and not ");
	add_path(&b, m, "starts_with", "/site/assets/");
	buf_adds(&b, "))");
	return buf_steal(&b);
}

/* ---- rules ---- */

static json_t *add_phase(json_t *phases, const char *phase)
{
	json_t *o = json_push_object(phases);
	json_put_string(o, "phase", phase);
	return json_put_array(o, "rules");
}

/* `ref` is how the rule is found again. */
static json_t *add_rule(json_t *rules, const struct maker *m, const char *what, const char *text,
			const char *action, const char *expression)
{
	CLEANUP(mem_free_ptr) char *ref = mem_printf("%s-%s", m->name, what);
	CLEANUP(mem_free_ptr)
	char *description = mem_printf("Model Ferry, mirror %s: %s", m->f->id, text);
	json_t *rule = json_push_object(rules);
	json_put_string(rule, "ref", ref);
	json_put_string(rule, "description", description);
	json_put_string(rule, "expression", expression);
	json_put_string(rule, "action", action);
	json_put_bool(rule, "enabled", true);
	return rule;
}

static void add_limit(json_t *rules, const struct maker *m)
{
	CLEANUP(mem_free_ptr) char *expression = all_paths(m);
	if (!m->f->set->requests)
		return;
	json_t *rule = add_rule(rules, m, "requests", "requests of an address", "block",
				expression);
	json_t *limit = json_put_object(rule, "ratelimit");
	json_t *what = json_put_array(limit, "characteristics");
	json_push_string(what, "cf.colo.id");
	json_push_string(what, "ip.src");
	json_put_u64(limit, "period", PERIOD_S);
	json_put_u64(limit, "requests_per_period", m->f->set->requests * PERIOD_S);
	json_put_u64(limit, "mitigation_timeout", PERIOD_S);
}

static void put_ttl(json_t *parameters, const char *key)
{
	json_t *ttl = json_put_object(parameters, key);
	json_put_string(ttl, "mode", "override_origin");
	json_put_u64(ttl, "default", YEAR_S);
}

static void add_caching(json_t *rules, const struct maker *m)
{
	CLEANUP(mem_free_ptr) char *immutable = immutable_paths(m);
	CLEANUP(mem_free_ptr) char *fresh = fresh_paths(m);
	json_t *rule = add_rule(rules, m, "immutable", "what never changes", "set_cache_settings",
				immutable);
	json_t *parameters = json_put_object(rule, "action_parameters");
	json_put_bool(parameters, "cache", true);
	put_ttl(parameters, "edge_ttl");
	json_t *errors = json_push_object(json_put_array(json_object_get(parameters, "edge_ttl"),
							 "status_code_ttl"));
	json_t *range = json_put_object(errors, "status_code_range");
	json_put_u64(range, "from", 400);
	json_put_u64(range, "to", 599);
	json_put(errors, "value", json_integer(NOT_STORED));
	json_put_string(json_put_object(parameters, "browser_ttl"), "mode", "respect_origin");
	rule = add_rule(rules, m, "fresh", "what a release replaces", "set_cache_settings", fresh);
	json_put_bool(json_put_object(rule, "action_parameters"), "cache", false);
}

static void add_field(json_t *parameters, const char *list, const char *name)
{
	json_put_string(json_push_object(json_put_array(parameters, list)), "name", name);
}

/* For all Logpush jobs of the zone, so the expression has to be "true". */
static void add_fields(json_t *rules, const struct maker *m)
{
	json_t *rule = add_rule(rules, m, "fields", "ranges in logs", "log_custom_field", "true");
	json_t *parameters = json_put_object(rule, "action_parameters");
	add_field(parameters, "request_fields", "range");
	add_field(parameters, "response_fields", "content-range");
}

/* ---- logs, worker ---- */

/* What stats/log_json.c reads. */
static const char *const log_fields[] = {
	"ClientIP",
	"ClientCountry",
	"ClientRequestMethod",
	"ClientRequestPath",
	"ClientRequestUserAgent",
	"EdgeResponseStatus",
	"EdgeResponseBodyBytes",
	"EdgeResponseBytes",
	"EdgeStartTimestamp",
	"EdgeEndTimestamp",
	"CacheCacheStatus",
	"RequestHeaders",
	"ResponseHeaders",
	"RayID",
};

static int put_filter(json_t *job, const struct maker *m, struct err *e)
{
	CLEANUP(json_release) json_t *filter = json_object();
	CLEANUP(buf_release) struct buf text = BUF_INIT(8 * KIB);
	json_t *where = json_put_object(filter, "where");
	json_put_string(where, "key", "ClientRequestHost");
	json_put_string(where, "operator", "eq");
	json_put_string(where, "value", m->f->url->host);
	int rc = json_compact(filter, &text, e);
	json_put_string(job, "filter", buf_str(&text));
	return rc;
}

static int put_job(json_t *out, const struct maker *m, struct err *e)
{
	json_t *job = json_put_object(out, "logpush");
	json_put_string(job, "name", m->label);
	json_put_string(job, "dataset", "http_requests");
	json_put_bool(job, "enabled", true);
	json_t *options = json_put_object(job, "output_options");
	json_put_string(options, "output_type", "ndjson");
	json_put_string(options, "timestamp_format", "rfc3339");
	json_t *names = json_put_array(options, "field_names");
	for (size_t i = 0; i < ARRAY_LEN(log_fields); i++)
		json_push_string(names, log_fields[i]);
	return put_filter(job, m, e);
}

/* The tag tells which script is there, which the API does not return as it was sent. */
static void put_worker(json_t *out, const struct maker *m)
{
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of(front_worker, strlen(front_worker), &d);
	CLEANUP(mem_free_ptr) char *tag = mem_printf("sha256-%.32s", digest_hex(hex, &d));
	CLEANUP(mem_free_ptr)
	char *route = mem_printf("%s%s/targets/*", m->f->url->host, m->prefix);
	json_t *worker = json_put_object(out, "worker");
	json_put_string(worker, "name", m->label);
	json_put_string(worker, "route", route);
	json_put_string(worker, "script", front_worker);
	json_t *metadata = json_put_object(worker, "metadata");
	json_put_string(metadata, "main_module", "worker.js");
	json_put_string(metadata, "compatibility_date", COMPATIBLE);
	json_t *binding = json_push_object(json_put_array(metadata, "bindings"));
	json_put_string(binding, "type", "analytics_engine");
	json_put_string(binding, "name", "DOWNLOADS");
	json_put_string(binding, "dataset", m->f->set->analytics);
	json_push_string(json_put_array(metadata, "tags"), tag);
}

int front_cloudflare(const struct front *f, json_t **out, struct err *e)
{
	CLEANUP(maker_release) struct maker m = { .f = f, .name = front_name(f) };
	CLEANUP(json_release) json_t *made = json_object();
	m.label = front_name(f);
	for (char *c = m.label; *c; c++)
		*c = *c == '_' ? '-' : *c;
	bool logs = f->set->destination_file != NULL;
	int rc = front_check_host(f, e);
	if (rc == 0)
		rc = front_prefix(f, &m.prefix, e);
	if (rc < 0)
		return rc;
	m.host = host_condition(f->url->host);
	json_t *phases = json_put_array(made, "phases");
	add_limit(add_phase(phases, "http_ratelimit"), &m);
	add_caching(add_phase(phases, "http_request_cache_settings"), &m);
	if (logs)
		add_fields(add_phase(phases, "http_log_custom_fields"), &m);
	if (logs)
		rc = put_job(made, &m, e);
	if (rc == 0 && f->set->analytics)
		put_worker(made, &m);
	if (rc == 0)
		*out = STEAL(made);
	return rc;
}
