#include "cli/frame/progress_json.h"

#include "json/json.h"
#include "util/buf.h"

#define LINE_MAX_BYTES (64 * KIB)
#define EVERY_MS 100

static void print(FILE *out, const json_t *o)
{
	struct err ignored = ERR_INIT;
	CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MAX_BYTES);
	if (json_compact(o, &line, &ignored) < 0)
		return;
	/* In one write, so that lines of several processes do not mix. */
	buf_addc(&line, '\n');
	fwrite(buf_str(&line), 1, line.len, out);
}

static void put_gauge(json_t *o, const struct cli_gauge *g, bool files)
{
	json_put_u64(o, files ? "files" : "bytes", g->count.shown);
	json_put_u64(o, "total", g->count.total);
	if (g->rate >= 1)
		json_put_u64(o, "rate", (uint64_t)g->rate);
	if (cli_gauge_left_s(g))
		json_put_u64(o, "eta", cli_gauge_left_s(g));
}

static void put_source(json_t *o, const struct cli_board *b, const struct cli_source *s)
{
	json_put_string(o, "source", s->id);
	json_put_u64(o, "bytes", s->gauge.count.shown);
	json_put_u64(o, "share", cli_board_share(b, s));
	if (s->gauge.rate >= 1)
		json_put_u64(o, "rate", (uint64_t)s->gauge.rate);
	json_put_string(o, "state", s->state[0] ? s->state : "active");
}

static bool is_due(int64_t *told_ms, int64_t now_ms)
{
	if (now_ms - *told_ms < EVERY_MS)
		return false;
	*told_ms = now_ms;
	return true;
}

void cli_progress_json(FILE *out, struct cli_board *b, const struct report_event *ev,
		       int64_t now_ms)
{
	static const char *const names[] = {
		"begin", "advance", "end", "note", "warning", "detail", "source", "whole",
	};
	struct cli_task *t = ev->task ? cli_board_task(b, ev->task) : NULL;
	struct cli_source *s = ev->source ? cli_board_source(b, ev->source) : NULL;
	bool due = ev->kind == REPORT_ADVANCE  ? t && is_due(&t->told_ms, now_ms)
		   : ev->kind == REPORT_SOURCE ? s && (ev->state || is_due(&s->told_ms, now_ms))
					       : ev->kind != REPORT_WAIT;
	if (!due)
		return;
	cli_board_measure(b, now_ms);
	CLEANUP(json_release) json_t *o = json_object();
	json_put_string(o, "event", names[ev->kind]);
	json_put_string(o, "task", ev->task);
	if (t)
		put_gauge(o, &t->gauge, t->files);
	if (s)
		put_source(o, b, s);
	if (ev->kind == REPORT_WHOLE) {
		json_put_u64(o, "files", ev->count);
		json_put_u64(o, "total", ev->total);
	}
	if (ev->kind == REPORT_END)
		json_put_bool(o, "ok", ev->ok);
	json_put_string(o, "text", ev->text);
	print(out, o);
}

void cli_progress_json_error(FILE *out, const struct err *e)
{
	CLEANUP(json_release) json_t *o = json_object();
	CLEANUP(json_release) json_t *error = json_error(e);
	json_put_string(o, "event", "error");
	json_object_update(o, error);
	print(out, o);
}
