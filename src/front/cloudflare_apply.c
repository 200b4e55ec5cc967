#include "front/cloudflare.h"

#include "catalog/link.h"
#include "util/mem.h"

#include <ctype.h>
#include <string.h>

#define MAX_ANSWER (4 * MIB)
#define MAX_BODY MIB
#define DEADLINE_MS 60000
#define BOUNDARY "ferry-parts-3f9c1b7ad5"

struct job {
	const struct front_account *a;
	bool dry_run;
	json_t *changes;
};

/* ---- one call ---- */

struct call {
	const char *method;
	char *path; /* behind the API's URL */
	const char *type;
	struct buf body; /* empty: none */
};

static void call_release(struct call *c)
{
	free(c->path);
	buf_wipe(&c->body);
}

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *body = ctx;
	(void)e;
	memcpy(data, buf_str(body) + offset, len);
	return 0;
}

/* {"success": false, "errors": [{"code": 10000, "message": "…"}]}. A message that repeats the
 * destination of logs would show a secret. */
static void explain(const struct front_account *a, const struct buf *answer, struct err *e)
{
	CLEANUP(json_release) json_t *o = NULL;
	struct err ignored = ERR_INIT;
	if (json_lenient(buf_str(answer), answer->len, MAX_ANSWER, "the answer", &o, &ignored) < 0)
		return;
	const json_t *first = json_array_get(json_object_get(o, "errors"), 0);
	const char *message = json_text(first, "message");
	const char *secret = a->destination ? strchr(a->destination, '?') : NULL;
	if (!message || (secret && strchr(message, '=')))
		return;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(message);
	e->hint[0] = '\0'; /* which knows nothing of this API */
	err_hint(e, "Cloudflare says: %.300s (%llu)", shown,
		 (unsigned long long)json_number(first, "code"));
}

static int check_answer(const struct buf *answer, json_t **out, struct err *e)
{
	CLEANUP(json_release) json_t *o = NULL;
	int rc = json_lenient(buf_str(answer), answer->len, MAX_ANSWER, "Cloudflare's answer", &o,
			      e);
	if (rc == 0 && !json_flag(o, "success"))
		rc = err_set(e, ERR_INTEGRITY, "Cloudflare's answer is not one of its API");
	if (rc == 0 && out)
		*out = json_incref(json_object_get(o, "result"));
	return rc;
}

/* *out is the result; may be NULL. */
static int perform(const struct front_account *a, const struct call *c, json_t **out, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(MAX_ANSWER);
	CLEANUP(buf_release) struct buf error = BUF_INIT(MAX_ANSWER);
	CLEANUP(str_list_wipe) struct str_list lines = { 0 };
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/%s", a->api, c->path);
	str_list_take(&lines, mem_printf("Authorization: Bearer %s", a->token));
	if (c->body.len)
		str_list_take(&lines, mem_printf("Content-Type: %s", c->type));
	str_list_take(&lines, NULL);
	const struct http_request q = {
		.method = c->method,
		.url = url,
		.what = "Cloudflare",
		.headers = (const char *const *)lines.at,
		.read_at = c->body.len ? read_body : NULL,
		.body_ctx = (void *)(uintptr_t)&c->body,
		.body_size = c->body.len,
		.into = &answer,
		.error_body = &error,
		.deadline_ms = DEADLINE_MS,
		.cancel = a->cancel,
	};
	int rc = http_perform(a->client, &q, NULL, e);
	if (rc < 0) {
		explain(a, &error, e);
		return rc;
	}
	return check_answer(&answer, out, e);
}

static int get(const struct front_account *a, char *path, json_t **out, struct err *e)
{
	CLEANUP(call_release) struct call c = { .method = "GET", .path = path };
	return perform(a, &c, out, e);
}

static int send_json(const struct job *j, const char *method, char *path, const json_t *body,
		     struct err *e)
{
	CLEANUP(call_release)
	struct call c = { method, path, "application/json", BUF_INIT(MAX_BODY) };
	if (j->dry_run)
		return 0;
	int rc = body ? json_compact(body, &c.body, e) : 0;
	return rc == 0 ? perform(j->a, &c, NULL, e) : rc;
}

/* ---- what differs ---- */

/* Does what is there have all that is wanted? The API adds members of its own. */
static bool includes(const json_t *there, const json_t *wanted)
{
	const char *key;
	json_t *value;
	size_t i;
	if (json_is_array(wanted)) {
		if (json_array_size(there) != json_array_size(wanted))
			return false;
		json_array_foreach (wanted, i, value)
			if (!includes(json_array_get(there, i), value))
				return false;
		return true;
	}
	if (!json_is_object(wanted))
		return json_equal(there, wanted);
	json_object_foreach ((json_t *)(uintptr_t)wanted, key, value)
		if (!includes(json_object_get(there, key), value))
			return false;
	return true;
}

static const json_t *find(const json_t *list, const char *key, const char *value)
{
	size_t i;
	const json_t *o;
	json_array_foreach (list, i, o)
		if (str_same(json_text(o, key), value) && value)
			return o;
	return NULL;
}

/* Part of a path that comes from the server: a string, or a number of a Logpush job. */
static int id_of(const json_t *o, char **out, struct err *e)
{
	const json_t *id = json_object_get(o, "id");
	CLEANUP(mem_free_ptr)
	char *text = json_is_integer(id)
			     ? mem_printf("%lld", (long long)json_integer_value(id))
			     : mem_strdup(json_is_string(id) ? json_string_value(id) : "");
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-')
			*text = '\0';
	if (!*text)
		return err_set(e, ERR_INTEGRITY, "Cloudflare's answer has no id where one belongs");
	*out = STEAL(text);
	return 0;
}

static void tell(const struct job *j, const char *what, const char *name, const char *state)
{
	json_t *o = json_push_object(j->changes);
	json_put_string(o, "what", what);
	json_put_string(o, "name", name);
	json_put_string(o, "state", state);
}

/* ---- rules ---- */

static char *rules_path(const struct job *j, const char *ruleset)
{
	return mem_printf("zones/%s/rulesets/%s/rules", j->a->zone, ruleset);
}

static int put_rule(const struct job *j, const char *ruleset, const json_t *rules,
		    const json_t *wanted, struct err *e)
{
	const char *ref = json_text(wanted, "ref");
	const json_t *there = find(rules, "ref", ref);
	CLEANUP(mem_free_ptr) char *base = rules_path(j, ruleset);
	CLEANUP(mem_free_ptr) char *id = NULL;
	if (there && includes(there, wanted)) {
		tell(j, "rule", ref, "same");
		return 0;
	}
	int rc = there ? id_of(there, &id, e) : 0;
	if (rc == 0 && there)
		rc = send_json(j, "PATCH", mem_printf("%s/%s", base, id), wanted, e);
	else if (rc == 0)
		rc = send_json(j, "POST", mem_strdup(base), wanted, e);
	if (rc == 0)
		tell(j, "rule", ref, there ? "changed" : "added");
	return rc;
}

/* Of this mirror, but not wanted any more. */
static int remove_rules(const struct job *j, const char *ruleset, const json_t *rules,
			const json_t *wanted, const char *prefix, struct err *e)
{
	CLEANUP(mem_free_ptr) char *base = rules_path(j, ruleset);
	size_t i;
	const json_t *rule;
	int rc = 0;
	json_array_foreach (rules, i, rule) {
		const char *ref = json_text(rule, "ref");
		CLEANUP(mem_free_ptr) char *id = NULL;
		if (rc < 0 || !ref || !str_starts(ref, prefix) || find(wanted, "ref", ref))
			continue;
		rc = id_of(rule, &id, e);
		if (rc == 0)
			rc = send_json(j, "DELETE", mem_printf("%s/%s", base, id), NULL, e);
		if (rc == 0)
			tell(j, "rule", ref, "removed");
	}
	return rc;
}

/* The first rules of a phase: its entry point is made with them. */
static int make_phase(const struct job *j, char *path, const json_t *rules, struct err *e)
{
	CLEANUP(json_release) json_t *body = json_object();
	size_t i;
	const json_t *rule;
	json_put(body, "rules", json_deep_copy(rules));
	if (!json_array_size(rules)) {
		free(path);
		return 0;
	}
	int rc = send_json(j, "PUT", path, body, e);
	json_array_foreach (rules, i, rule)
		if (rc == 0)
			tell(j, "rule", json_text(rule, "ref"), "added");
	return rc;
}

static int put_phase(const struct job *j, const json_t *phase, const char *prefix, struct err *e)
{
	CLEANUP(json_release) json_t *there = NULL;
	CLEANUP(mem_free_ptr) char *id = NULL;
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("zones/%s/rulesets/phases/%s/entrypoint", j->a->zone,
				json_text(phase, "phase"));
	const json_t *wanted = json_object_get(phase, "rules"), *rule;
	size_t i;
	int rc = get(j->a, mem_strdup(path), &there, e);
	if (rc == -ERR_NOT_FOUND) {
		err_clear(e);
		return make_phase(j, STEAL(path), wanted, e);
	}
	if (rc == 0)
		rc = id_of(there, &id, e);
	const json_t *rules = json_object_get(there, "rules");
	json_array_foreach (wanted, i, rule)
		if (rc == 0)
			rc = put_rule(j, id, rules, rule, e);
	return rc == 0 ? remove_rules(j, id, rules, wanted, prefix, e) : rc;
}

/* ---- logs ---- */

/* The API may hide the part with the secret. */
static bool same_destination(const char *there, const char *wanted)
{
	size_t len = strcspn(wanted, "?");
	if (!there || strcspn(there, "?") != len || strncmp(there, wanted, len) != 0)
		return false;
	return strchr(there + len, '*') || strcmp(there + len, wanted + len) == 0;
}

static int put_job(const struct job *j, const json_t *wanted, struct err *e)
{
	CLEANUP(json_release) json_t *list = NULL;
	CLEANUP(json_release) json_t *body = json_deep_copy(wanted);
	CLEANUP(mem_free_ptr) char *id = NULL;
	CLEANUP(mem_free_ptr) char *base = mem_printf("zones/%s/logpush/jobs", j->a->zone);
	const char *name = json_text(wanted, "name");
	int rc = get(j->a, mem_strdup(base), &list, e);
	const json_t *there = find(list, "name", name);
	json_put_string(body, "destination_conf", j->a->destination);
	if (rc == 0 && there && includes(there, wanted) &&
	    same_destination(json_text(there, "destination_conf"), j->a->destination)) {
		tell(j, "logpush job", name, "same");
		return 0;
	}
	if (rc == 0 && there)
		rc = id_of(there, &id, e);
	if (rc == 0)
		rc = send_json(j, there ? "PUT" : "POST",
			       there ? mem_printf("%s/%s", base, id) : mem_strdup(base), body, e);
	if (rc == 0)
		tell(j, "logpush job", name, there ? "changed" : "added");
	return rc;
}

/* ---- the worker ---- */

/* https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/ */
static int send_script(const struct job *j, char *path, const json_t *worker, struct err *e)
{
	CLEANUP(call_release)
	struct call c = { "PUT", path, "multipart/form-data; boundary=" BOUNDARY,
			  BUF_INIT(MAX_BODY) };
	if (j->dry_run)
		return 0;
	buf_adds(&c.body, "--" BOUNDARY "\r\n"
			  "Content-Disposition: form-data; name=\"metadata\"\r\n"
			  "Content-Type: application/json\r\n\r\n");
	int rc = json_compact(json_object_get(worker, "metadata"), &c.body, e);
	buf_addf(&c.body,
		 "\r\n--" BOUNDARY "\r\n"
		 "Content-Disposition: form-data; name=\"worker.js\"; filename=\"worker.js\"\r\n"
		 "Content-Type: application/javascript+module\r\n\r\n%s\r\n--" BOUNDARY "--\r\n",
		 json_text(worker, "script"));
	return rc == 0 ? perform(j->a, &c, NULL, e) : rc;
}

static int put_script(const struct job *j, const json_t *worker, struct err *e)
{
	CLEANUP(json_release) json_t *there = NULL;
	CLEANUP(json_release) json_t *wanted = json_deep_copy(json_object_get(worker, "metadata"));
	const char *name = json_text(worker, "name");
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("accounts/%s/workers/scripts/%s", j->a->account, name);
	int rc = get(j->a, mem_printf("%s/settings", path), &there, e);
	bool is_new = rc == -ERR_NOT_FOUND;
	if (is_new) {
		err_clear(e);
		rc = 0;
	}
	json_object_del(wanted, "main_module"); /* which is not told */
	bool same = !is_new && includes(there, wanted);
	if (rc == 0 && !same)
		rc = send_script(j, STEAL(path), worker, e);
	if (rc == 0)
		tell(j, "worker", name, same ? "same" : is_new ? "added" : "changed");
	return rc;
}

static int put_route(const struct job *j, const json_t *worker, struct err *e)
{
	CLEANUP(json_release) json_t *list = NULL;
	CLEANUP(json_release) json_t *body = json_object();
	const char *pattern = json_text(worker, "route"), *name = json_text(worker, "name");
	CLEANUP(mem_free_ptr) char *base = mem_printf("zones/%s/workers/routes", j->a->zone);
	int rc = get(j->a, mem_strdup(base), &list, e);
	const json_t *there = find(list, "pattern", pattern);
	const char *script = json_text(there, "script");
	json_put_string(body, "pattern", pattern);
	json_put_string(body, "script", name);
	if (rc == 0 && there && !str_same(script, name)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(script ? script : "none");
		err_set(e, ERR_CONFLICT, "the route %s belongs to another worker (%.100s)", pattern,
			shown);
		return err_hint(e, "remove that route, or leave out analytics");
	}
	if (rc == 0 && !there)
		rc = send_json(j, "POST", STEAL(base), body, e);
	if (rc == 0)
		tell(j, "route", pattern, there ? "same" : "added");
	return rc;
}

/* ---- all of it ---- */

static int check(const struct front_account *a, const json_t *worker, struct err *e)
{
	for (const char *c = a->token; *c; c++)
		if (!isgraph((unsigned char)*c))
			return err_set(e, ERR_USAGE,
				       "the API token has a blank or another "
				       "character that no token has");
	if (link_is_plain_http(a->api))
		return err_set(e, ERR_USAGE, "api: the token is not sent over http; use https");
	if (!a->zone) {
		err_set(e, ERR_USAGE, "the id of the zone is not known");
		return err_hint(e, "set zone in [front], or CLOUDFLARE_ZONE_ID: the dashboard "
				   "shows it in the zone's overview");
	}
	if (worker && !a->account) {
		err_set(e, ERR_USAGE, "the id of the account is not known, which a worker needs");
		return err_hint(e, "set account in [front], or CLOUDFLARE_ACCOUNT_ID");
	}
	return 0;
}

/* "ferry_eu-" of the refs of a mirror: every mirror has the two rules of caching. */
static char *prefix_of(const json_t *phases)
{
	size_t i;
	const json_t *phase;
	json_array_foreach (phases, i, phase) {
		const json_t *rule = json_array_get(json_object_get(phase, "rules"), 0);
		const char *ref = json_text(rule, "ref");
		if (ref)
			return mem_strndup(ref, (size_t)(strrchr(ref, '-') - ref) + 1);
	}
	return mem_strdup("-");
}

int front_cloudflare_apply(const struct front_account *a, const json_t *wanted, bool dry_run,
			   json_t *changes, struct err *e)
{
	const struct job j = { a, dry_run, changes };
	const json_t *phases = json_object_get(wanted, "phases"), *phase;
	const json_t *logs = json_object_get(wanted, "logpush");
	const json_t *worker = json_object_get(wanted, "worker");
	CLEANUP(mem_free_ptr) char *prefix = prefix_of(phases);
	size_t i;
	int rc = check(a, worker, e);
	json_array_foreach (phases, i, phase)
		if (rc == 0)
			rc = put_phase(&j, phase, prefix, e);
	if (rc == 0 && logs)
		rc = put_job(&j, logs, e);
	if (rc == 0 && worker)
		rc = put_script(&j, worker, e);
	if (rc == 0 && worker)
		rc = put_route(&j, worker, e);
	return rc;
}
