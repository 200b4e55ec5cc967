#include "health/alert_internal.h"

#include "settings/secret.h"
#include "util/child.h"
#include "util/mem.h"
#include "util/retry.h"

#include <string.h>

#define TRIES 4
#define ANSWER_MAX 512
#define SHOWN_MAX 120

/* ---- commands ---------------------------------------------------------------------------- */

static int find_program(const char *name, char **out, struct err *e)
{
	*out = strchr(name, '/') ? mem_strdup(name) : child_on_path(name);
	return *out ? 0 : err_set(e, ERR_NOT_FOUND, "there is no program %s on PATH", name);
}

static int command_failed(const struct child_result *r, struct err *e)
{
	char how[160];
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(&r->output), "\r\n");
	const char *last = "";
	for (size_t i = 0; i < lines.count; i++)
		last = *lines.at[i] ? lines.at[i] : last;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(last);
	return err_set(e, ERR_SYSTEM, "the command %s%s%.300s", child_describe(r, how, sizeof how),
		       *shown ? ": " : "", shown);
}

/* It is the operator's own program, and may need credentials to reach somebody. It stays in a
 * process group of its own, so that nothing of it is left when it takes too long. */
static int run_command(const struct settings_alert *a, const struct alert_env *env,
		       const struct buf *payload, struct err *e)
{
	CLEANUP(child_result_release) struct child_result result = { 0 };
	CLEANUP(mem_free_ptr) const char **argv = mem_alloc((a->words.count + 1) * sizeof *argv);
	CLEANUP(mem_free_ptr) char *program = NULL;
	int rc = find_program(a->words.at[0], &program, e);
	if (rc < 0)
		return rc;
	argv[0] = program;
	for (size_t i = 1; i < a->words.count; i++)
		argv[i] = a->words.at[i];
	const struct child child = {
		.argv = argv,
		.dir = env->dir,
		.timeout_s = a->timeout_s,
		.cancel = env->cancel,
		.report = env->report,
		.input = payload->data,
		.input_len = payload->len,
		.credentials = true,
	};
	rc = child_run(&child, &result, e);
	return rc == 0 && !child_ok(&result) ? command_failed(&result, e) : rc;
}

/* ---- requests ---------------------------------------------------------------------------- */

static int read_payload(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *payload = ctx;
	(void)e;
	memcpy(data, payload->data + offset, len);
	return 0;
}

static char *target_of(const struct settings_alert *a)
{
	static const char path[] = "/api/v2/alerts";
	size_t len = strlen(a->url);
	if (a->kind != SETTINGS_ALERT_ALERTMANAGER || str_ends(a->url, path))
		return mem_strdup(a->url);
	while (len && a->url[len - 1] == '/')
		len--;
	return mem_printf("%.*s%s", (int)len, a->url, path);
}

/* The path may be the secret, and a server may repeat it in its answer. */
static bool shows_secret(const char *text, const char *target)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err unsafe = ERR_INIT;
	if (url_parse(target, &url, &unsafe) < 0)
		return true;
	return (strlen(url.path) > 1 && strstr(text, url.path)) ||
	       (url.query && strstr(text, url.query)) ||
	       (url.password && strstr(text, url.password));
}

/* Slack says why in a word: "invalid_payload", "no_service". */
static void add_answer(const struct buf *answer, const struct http_response *r, const char *target,
		       struct err *e)
{
	const char *text = buf_str(answer);
	size_t len = MIN(strcspn(text, "\r\n"), SHOWN_MAX);
	struct err was = *e;
	if (!len || r->html || shows_secret(text, target))
		return;
	CLEANUP(mem_free_ptr) char *line = mem_strndup(text, len);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(line);
	err_clear(e);
	err_set(e, was.class, "%s: %s", was.text, shown);
	err_cause(e, was.cause, was.retry_after_s);
	if (was.hint[0])
		err_hint(e, "%s", was.hint);
}

static int redirected(const struct http_response *r, struct err *e)
{
	err_clear(e);
	err_set(e, ERR_USAGE, "it answered with a redirect (status %ld), which is not followed",
		r->status);
	return err_hint(e, "redirects of alerts are not followed: set the URL that it leads to");
}

static int judge(int rc, const struct http_response *r, const struct buf *answer,
		 const char *target, struct err *e)
{
	if (err_is(e, ERR_CANCELLED))
		return rc;
	if (r->status >= 300 && r->status <= 399)
		return redirected(r, e);
	if (rc < 0)
		add_answer(answer, r, target, e);
	if (rc < 0 && (shows_secret(e->text, target) || shows_secret(e->hint, target))) {
		struct err was = *e;
		err_clear(e);
		err_set(e, was.class, "the request failed");
		err_cause(e, was.cause, was.retry_after_s);
	}
	return rc < 0 ? -(int)e->class : 0;
}

static int post_once(struct http_client *client, const char *target, const struct buf *payload,
		     uint64_t deadline_ms, struct err *e)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(buf_release) struct buf answer = BUF_INIT(ANSWER_MAX);
	const struct http_request q = {
		.method = "POST",
		.url = target,
		.what = "",
		.headers = headers,
		.deadline_ms = deadline_ms,
		.once = true,
		.read_at = read_payload,
		.body_ctx = (void *)(uintptr_t)payload,
		.body_size = payload->len,
		.answer_header = "location", /* no redirect is followed */
		.error_body = &answer,
	};
	int rc = http_perform(client, &q, &r, e);
	return judge(rc, &r, &answer, target, e);
}

/* All attempts together have the time of one notification. */
static int post(const struct settings_alert *a, const struct alert_env *env,
		const struct buf *payload, struct err *e)
{
	CLEANUP_PTR(settings_secret_free) char *target = target_of(a);
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	struct http_options options = env->http ? *env->http : (struct http_options){ 0 };
	struct retry retry = RETRY_DEFAULT;
	retry.max_tries = TRIES;
	retry.random = env->random;
	uint64_t end_ms = clock_now_ms(env->clock) + a->timeout_s * 1000, pause_ms = 0;
	options.cancel = env->cancel;
	options.clock = env->clock;
	int rc = http_client_new(&options, &client, e);
	if (rc < 0)
		return rc;
	for (;;) {
		uint64_t now_ms = clock_now_ms(env->clock);
		rc = post_once(client, target, payload, end_ms > now_ms ? end_ms - now_ms : 1, e);
		now_ms = clock_now_ms(env->clock);
		if (rc == 0 || !err_is_transient(e) ||
		    !retry_pause(&retry, e->retry_after_s, &pause_ms) ||
		    now_ms + pause_ms >= end_ms)
			return rc;
		struct err ended = ERR_INIT;
		if (clock_sleep_ms(env->clock, pause_ms, env->cancel, &ended) < 0) {
			*e = ended;
			return -ERR_CANCELLED;
		}
		err_clear(e);
	}
}

int alert_deliver(const struct settings_alert *a, const struct alert_env *env,
		  const struct buf *payload, struct err *e)
{
	if (a->fault.class) {
		*e = a->fault;
		return -(int)e->class;
	}
	int rc = a->kind == SETTINGS_ALERT_COMMAND ? run_command(a, env, payload, e)
						   : post(a, env, payload, e);
	return rc < 0 ? err_context(e, "alert %s", a->name) : 0;
}
