#include "cli/frame/count.h"
#include "cli/frame/internal.h"

#include "json/json.h"
#include "util/mem.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_TASKS 32
#define DRAW_EVERY_MS 100
#define PLAIN_EVERY_MS 10000
/* The rate is an average over about this time, so that it changes smoothly. */
#define RATE_WINDOW_MS 4000

struct task {
	char *name;
	bool files; /* what is counted, else bytes */
	struct cli_count count;
	uint64_t before; /* done before this run */
	int64_t began_ms, rate_at_ms, told_ms;
	uint64_t rate_from; /* done at rate_at_ms */
	double rate;        /* a second */
};

struct drawer {
	struct report report; /* first: the engines' view */
	pthread_mutex_t lock;
	FILE *err;
	enum cli_progress mode; /* PLAIN, JSON, NONE, or AUTO: a bar */
	bool quiet;
	int verbose;
	const char *prefix;
	struct task tasks[MAX_TASKS];
	size_t count;
	struct cli_count ended; /* of the tasks that ended while others ran */
	int64_t drawn_ms;
	bool line_is_open; /* a bar stands on the terminal's line */
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned columns(FILE *f)
{
	size_t known = cli_terminal_width(f);
	return known ? (unsigned)known : 80;
}

static void erase_line(struct drawer *d)
{
	if (d->line_is_open)
		fputs("\r\033[K", d->err);
	d->line_is_open = false;
}

static void update_rate(struct task *t, int64_t now)
{
	int64_t span = now - t->rate_at_ms;
	if (span < 500)
		return;
	uint64_t done = t->count.done;
	double fresh = done > t->rate_from ? (double)(done - t->rate_from) * 1000 / (double)span
					   : 0;
	double weight = MIN(1.0, (double)span / RATE_WINDOW_MS);
	t->rate = t->rate > 0 ? t->rate + (fresh - t->rate) * weight : fresh;
	t->rate_at_ms = now;
	t->rate_from = done;
}

/* "45 %  1.2 of 2.6 GiB" */
static void describe_bytes(struct buf *out, const struct task *t)
{
	char done[SIZE_TEXT], total[SIZE_TEXT];
	const struct cli_count *c = &t->count;
	format_size(done, c->shown);
	format_size(total, c->total);
	char *unit = strchr(done, ' ');
	if (c->total && unit && str_ends(total, unit))
		*unit = '\0';
	if (c->total)
		buf_addf(out, "%3u %%  %s of %s", cli_count_percent(c), done, total);
	else
		buf_addf(out, "%s", done);
}

/* "45 %  900 of 2000 files" */
static void describe_files(struct buf *out, const struct task *t)
{
	const struct cli_count *c = &t->count;
	buf_addf(out, "%3u %%  %llu of %llu files", cli_count_percent(c),
		 (unsigned long long)c->shown, (unsigned long long)c->total);
}

/* "… 310 MiB/s  ETA 5s" */
static void describe(struct buf *out, const struct task *t)
{
	char rate[SIZE_TEXT], eta[DURATION_TEXT];
	if (t->files)
		describe_files(out, t);
	else
		describe_bytes(out, t);
	if (t->rate < 1)
		return;
	if (t->files)
		buf_addf(out, "  %.0f/s", t->rate);
	else
		buf_addf(out, "  %s/s", format_size(rate, (uint64_t)t->rate));
	if (t->count.total > t->count.done)
		buf_addf(out, "  ETA %s",
			 format_duration(eta, (uint64_t)((double)(t->count.total - t->count.done) /
							 t->rate) +
						      1));
}

/* Combines all running tasks, and those that ran beside them: the sum does not go back when one
 * ends. */
static struct task sum(struct drawer *d, char *name, size_t size)
{
	struct task all = d->tasks[0];
	for (size_t i = 1; i < d->count; i++) {
		cli_count_add(&all.count, &d->tasks[i].count);
		all.rate += d->tasks[i].rate;
	}
	if (d->ended.total)
		cli_count_add(&all.count, &d->ended);
	snprintf(name, size, d->count > 1 ? "%s and %zu more" : "%s", d->tasks[0].name,
		 d->count - 1);
	return all;
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Counts UTF-8 characters; names with wide or combining characters only waste some space. */
static size_t characters(const char *s)
{
	size_t count = 0;
	for (; *s; s++)
		count += !is_continuation(*s);
	return count;
}

/* At most `room` characters: the head and, with a shard's number, the tail. */
static void add_name(struct buf *out, const char *name, size_t room)
{
	size_t count = characters(name);
	if (count <= room) {
		buf_adds(out, name);
		return;
	}
	size_t tail = room * 3 / 5, head = room - tail - 1, at = 0;
	for (; *name; name++) {
		bool first = !is_continuation(*name);
		if (first && at == head)
			buf_adds(out, "…");
		if (at + first <= head || at + first > count - tail)
			buf_add(out, name, 1);
		at += first;
	}
}

#define NAME_LEAST 14
#define BAR_LEAST 10
#define BAR_MOST 20

/* "NAME [==== ] TEXT": the text has priority, then some of the name, a short bar, the rest of the
 * name, and a longer bar. Short enough that the terminal does not wrap it, even if it echoes ^C
 * after it. */
static void lay_out(struct buf *out, const char *name, const char *text, const struct task *t,
		    size_t columns)
{
	size_t width = columns > 3 ? columns - 3 : 0, used = strlen(text) + 2;
	size_t room = width > used ? width - used : 0;
	size_t whole = characters(name), least = MIN(whole, NAME_LEAST), bar = 0;
	const struct cli_count *c = &t->count;
	if (c->total && room >= whole + BAR_LEAST + 4)
		bar = MIN(BAR_MOST, room - whole - 4);
	else if (c->total && room >= least + BAR_LEAST + 4)
		bar = BAR_LEAST;
	room -= bar ? bar + 4 : 0;
	if (room >= 6) {
		add_name(out, name, room);
		buf_adds(out, "  ");
	}
	if (bar) {
		size_t full = (size_t)((double)c->shown * (double)bar / (double)c->total);
		buf_addf(out, "[%.*s%*s]  ", (int)full, "====================", (int)(bar - full),
			 "");
	}
	buf_add(out, text, MIN(strlen(text), width));
}

static void draw(struct drawer *d, int64_t now)
{
	if (d->mode != PROGRESS_AUTO || d->quiet || d->count == 0 ||
	    now - d->drawn_ms < DRAW_EVERY_MS)
		return;
	char name[256];
	for (size_t i = 0; i < d->count; i++)
		update_rate(&d->tasks[i], now);
	struct task all = sum(d, name, sizeof name);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP(buf_release) struct buf line = BUF_INIT(4 * KIB);
	describe(&text, &all);
	lay_out(&line, shown, buf_str(&text), &all, columns(d->err));
	fprintf(d->err, "\r%s\033[K", buf_str(&line));
	fflush(d->err);
	d->line_is_open = true;
	d->drawn_ms = now;
}

static void emit_json(struct drawer *d, const struct report_event *ev)
{
	static const char *const names[] = {
		"begin", "advance", "end", "note", "warning", "detail",
	};
	struct err ignored = ERR_INIT;
	CLEANUP(buf_release) struct buf line = BUF_INIT(64 * KIB);
	CLEANUP(json_release) json_t *o = json_object();
	json_put_string(o, "event", names[ev->kind]);
	json_put_string(o, "task", ev->task);
	for (size_t i = 0; ev->task && i < d->count; i++) {
		if (!strcmp(d->tasks[i].name, ev->task)) {
			json_put_u64(o, d->tasks[i].files ? "files" : "bytes",
				     d->tasks[i].count.shown);
			json_put_u64(o, "total", d->tasks[i].count.total);
		}
	}
	if (ev->kind == REPORT_END)
		json_put_bool(o, "ok", ev->ok);
	json_put_string(o, "text", ev->text);
	if (json_compact(o, &line, &ignored) == 0)
		fprintf(d->err, "%s\n", buf_str(&line));
}

static struct task *task_find(struct drawer *d, const char *name)
{
	for (size_t i = 0; i < d->count; i++)
		if (!strcmp(d->tasks[i].name, name))
			return &d->tasks[i];
	return NULL;
}

static void on_begin(struct drawer *d, const struct report_event *ev, int64_t now)
{
	if (d->count >= MAX_TASKS || task_find(d, ev->task))
		return;
	d->tasks[d->count++] = (struct task){
		.name = mem_strdup(ev->task),
		.files = ev->files,
		.before = (uint64_t)ev->bytes,
		.began_ms = now,
		.told_ms = now,
		.rate_at_ms = now,
		.rate_from = (uint64_t)ev->bytes,
	};
	cli_count_begin(&d->tasks[d->count - 1].count, ev->total, (uint64_t)ev->bytes);
}

static void on_advance(struct drawer *d, struct task *t, int64_t bytes, int64_t now)
{
	cli_count_advance(&t->count, bytes);
	t->rate_from = MIN(t->rate_from, t->count.done);
	if (d->mode == PROGRESS_PLAIN && !d->quiet && now - t->told_ms >= PLAIN_EVERY_MS) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
		CLEANUP(mem_free_ptr) char *shown = text_escaped(t->name);
		update_rate(t, now);
		describe(&text, t);
		fprintf(d->err, "%s: %s: %s\n", d->prefix, shown, buf_str(&text));
		t->told_ms = now;
	}
}

/* "1.4 GiB in 5s (310 MiB/s)" */
static void say_end(const struct drawer *d, const struct task *t, uint64_t span_ms)
{
	char size[SIZE_TEXT], rate[SIZE_TEXT], took[DURATION_TEXT];
	CLEANUP(mem_free_ptr) char *shown = text_escaped(t->name);
	uint64_t moved = t->count.shown - MIN(t->count.shown, t->before);
	format_duration(took, span_ms / 1000);
	if (t->files)
		fprintf(d->err, "%s: %s: %llu files in %s\n", d->prefix, shown,
			(unsigned long long)moved, took);
	else
		fprintf(d->err, "%s: %s: %s in %s (%s/s)\n", d->prefix, shown,
			format_size(size, moved), took, format_size(rate, moved * 1000 / span_ms));
}

static void on_end(struct drawer *d, struct task *t, bool ok, int64_t now)
{
	int64_t span = MAX(1, now - t->began_ms);
	erase_line(d);
	/* Do not report what finished immediately. */
	if (ok && !d->quiet && (d->mode == PROGRESS_AUTO || d->mode == PROGRESS_PLAIN) &&
	    (span > 1000 || d->verbose))
		say_end(d, t, (uint64_t)span);
	free(t->name);
	if (d->count == 1)
		d->ended = (struct cli_count){ 0 };
	else if (d->ended.total)
		cli_count_add(&d->ended, &t->count);
	else
		d->ended = t->count;
	size_t index = (size_t)(t - d->tasks);
	memmove(t, t + 1, (d->count - index - 1) * sizeof *t);
	d->count--;
}

static void say(struct drawer *d, const struct report_event *ev)
{
	bool shown = ev->kind == REPORT_WARN || (ev->kind == REPORT_NOTE && !d->quiet) ||
		     (ev->kind == REPORT_DETAIL && d->verbose > 0);
	if (!shown)
		return;
	CLEANUP(mem_free_ptr) char *text = text_escaped(ev->text);
	erase_line(d);
	fflush(stdout);
	fprintf(d->err, "%s: %s%s\n", d->prefix, ev->kind == REPORT_WARN ? "warning: " : "", text);
	fflush(d->err);
	d->drawn_ms = 0;
}

static void emit(struct report *r, const struct report_event *ev)
{
	struct drawer *d = (struct drawer *)r;
	int64_t now = now_ms();
	pthread_mutex_lock(&d->lock);
	struct task *t = ev->task ? task_find(d, ev->task) : NULL;
	if (ev->kind == REPORT_BEGIN)
		on_begin(d, ev, now);
	else if (ev->kind == REPORT_ADVANCE && t)
		on_advance(d, t, ev->bytes, now);
	if (d->mode == PROGRESS_JSON) {
		t = ev->task ? task_find(d, ev->task) : NULL;
		/* A few byte counts per second are enough. */
		if (ev->kind != REPORT_ADVANCE || (t && now - t->told_ms >= DRAW_EVERY_MS)) {
			emit_json(d, ev);
			if (t)
				t->told_ms = now;
		}
	} else if (ev->text) {
		say(d, ev);
	}
	if (ev->kind == REPORT_END && t)
		on_end(d, t, ev->ok, now);
	draw(d, now);
	pthread_mutex_unlock(&d->lock);
}

struct report *cli_progress_new(FILE *err, enum cli_progress mode, bool quiet, int verbose,
				const char *prefix)
{
	struct drawer *d = NEW(struct drawer);
	d->report.emit = emit;
	d->err = err;
	d->quiet = quiet;
	d->verbose = verbose;
	d->prefix = prefix;
	d->mode = mode;
	const char *term = getenv("TERM");
	if (mode == PROGRESS_AUTO && (!isatty(fileno(err)) || (term && !strcmp(term, "dumb"))))
		d->mode = PROGRESS_PLAIN;
	pthread_mutex_init(&d->lock, NULL);
	return &d->report;
}

void cli_progress_pause(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	pthread_mutex_lock(&d->lock);
	erase_line(d);
	fflush(d->err);
	pthread_mutex_unlock(&d->lock);
}

void cli_progress_free(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	cli_progress_pause(r);
	for (size_t i = 0; i < d->count; i++)
		free(d->tasks[i].name);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
