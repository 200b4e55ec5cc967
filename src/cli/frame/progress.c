#include "cli/frame/canvas.h"
#include "cli/frame/colour.h"
#include "cli/frame/internal.h"
#include "cli/frame/progress_json.h"

#include "util/mem.h"
#include "util/os.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAW_EVERY_MS 100
#define PLAIN_EVERY_MS 10000

struct drawer {
	struct report report; /* first: the engines' view */
	pthread_mutex_t lock;
	FILE *err;
	enum cli_progress mode; /* PLAIN, JSON, NONE, or AUTO: a display */
	bool quiet;
	bool colour;
	int verbose;
	const char *prefix;
	struct cli_board board;
	struct cli_canvas canvas;
	int64_t drawn_ms;
	bool held;      /* others use the terminal, until work goes on */
	unsigned holds; /* threads that print something else now */
	pthread_t ticker;
	bool ticks;
	int wake[2]; /* a pipe: closing it ends the ticker */
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the display ------------------------------------------------------------------ */

static void draw(struct drawer *d)
{
	int64_t now = now_ms();
	if (d->held || d->holds || now - d->drawn_ms < DRAW_EVERY_MS ||
	    !(d->board.count || cli_board_has_whole(&d->board) || cli_board_waits(&d->board, now)))
		return;
	cli_board_measure(&d->board, now);
	cli_canvas_draw(&d->canvas, &d->board);
	d->drawn_ms = now;
}

/* Draws while no events come, so that the rates and the time left stay true. */
static void *tick(void *arg)
{
	struct drawer *d = arg;
	struct pollfd end = { .fd = d->wake[0], .events = POLLIN };
	while (poll(&end, 1, 2 * DRAW_EVERY_MS) == 0) {
		pthread_mutex_lock(&d->lock);
		draw(d);
		pthread_mutex_unlock(&d->lock);
	}
	return NULL;
}

/* Signals are for the threads that work. */
static bool start_thread(struct drawer *d)
{
	sigset_t all, kept;
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &kept) != 0)
		return false;
	bool started = pthread_create(&d->ticker, NULL, tick, d) == 0;
	pthread_sigmask(SIG_SETMASK, &kept, NULL);
	return started;
}

/* Without it, the display is drawn only when events come. */
static void start_ticker(struct drawer *d)
{
	if (d->ticks || os_pipe(d->wake) < 0)
		return;
	d->ticks = start_thread(d);
	if (!d->ticks) {
		close(d->wake[0]);
		close(d->wake[1]);
	}
}

static void stop_ticker(struct drawer *d)
{
	if (!d->ticks)
		return;
	close(d->wake[1]);
	pthread_join(d->ticker, NULL);
	close(d->wake[0]);
	d->ticks = false;
}

/* ---- lines ------------------------------------------------------------------------ */

static void say_plain(struct drawer *d, const char *name, const struct cli_gauge *g, bool files)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	cli_lines_describe(&text, g, files);
	fprintf(d->err, "%s: %s: %s\n", d->prefix, shown, buf_str(&text));
}

static bool is_due(int64_t *told_ms, int64_t now)
{
	if (now - *told_ms < PLAIN_EVERY_MS)
		return false;
	*told_ms = now;
	return true;
}

/* Of a run that was announced, only the whole: it may have many tasks at once. */
static void advance_plain(struct drawer *d, const char *task, int64_t now)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT(KIB);
	struct cli_board *b = &d->board;
	struct cli_task *t = cli_board_task(b, task);
	if (!t || d->quiet)
		return;
	cli_board_measure(b, now);
	if (b->announced > 1 && is_due(&b->told_ms, now)) {
		cli_lines_whole_name(&name, b);
		say_plain(d, buf_str(&name), &b->whole, b->whole_files);
	} else if (b->announced <= 1 && is_due(&t->told_ms, now)) {
		say_plain(d, t->name, &t->gauge, t->files);
	}
}

struct ended {
	const char *name;
	bool files;
	uint64_t moved, span_ms;
};

/* "1.4 GiB in 5s (310 MiB/s)" */
static void say_end(const struct drawer *d, const struct ended *t)
{
	char size[SIZE_TEXT], rate[SIZE_TEXT], took[DURATION_TEXT];
	CLEANUP(mem_free_ptr) char *shown = text_escaped(t->name);
	format_duration(took, t->span_ms / 1000);
	fprintf(d->err, "%s: %s%s%s: ", d->prefix, cli_colour(d->colour, COLOUR_GOOD), shown,
		cli_colour_end(d->colour, COLOUR_GOOD));
	if (t->files)
		fprintf(d->err, "%llu files in %s\n", (unsigned long long)t->moved, took);
	else
		fprintf(d->err, "%s in %s (%s/s)\n", format_size(size, t->moved), took,
			format_size(rate, t->moved * 1000 / t->span_ms));
}

/* What finished immediately is not worth a line. */
static bool is_worth(const struct drawer *d, const struct ended *t)
{
	return !d->quiet && (d->mode == PROGRESS_AUTO || d->mode == PROGRESS_PLAIN) &&
	       (t->span_ms > 1000 || d->verbose);
}

/* A run of several files is over. */
static void end_whole(struct drawer *d, int64_t now)
{
	const struct cli_board *b = &d->board;
	char name[32];
	uint64_t all = b->whole.count.shown;
	const struct ended ended = { .name = name,
				     .moved = all - MIN(all, b->before),
				     .span_ms = (uint64_t)MAX(1, now - b->began_ms) };
	cli_canvas_erase(&d->canvas);
	snprintf(name, sizeof name, "%zu files", b->ended);
	if (b->ended > 1 && ended.moved && is_worth(d, &ended))
		say_end(d, &ended);
	cli_board_apply(&d->board, &(struct report_event){ .kind = REPORT_WHOLE }, now);
}

static void end_task(struct drawer *d, const struct report_event *ev, int64_t now)
{
	struct cli_task *t = cli_board_task(&d->board, ev->task);
	if (!t)
		return;
	uint64_t all = t->gauge.count.shown;
	const struct ended ended = { .name = t->name,
				     .files = t->files,
				     .moved = all - MIN(all, t->before),
				     .span_ms = (uint64_t)MAX(1, now - t->began_ms) };
	cli_canvas_erase(&d->canvas);
	/* Of several files of a run, only all of them. */
	if (ev->ok && is_worth(d, &ended) && (d->board.announced <= 1 || d->verbose))
		say_end(d, &ended);
	cli_board_end(&d->board, t, ev->ok);
	if (cli_board_is_over(&d->board))
		end_whole(d, now);
}

static void say(struct drawer *d, const struct report_event *ev)
{
	bool warn = ev->kind == REPORT_WARN;
	bool shown = warn || (ev->kind == REPORT_NOTE && !d->quiet) ||
		     (ev->kind == REPORT_DETAIL && d->verbose > 0);
	if (!shown)
		return;
	CLEANUP(mem_free_ptr) char *text = text_escaped(ev->text);
	cli_canvas_erase(&d->canvas);
	fflush(stdout);
	fprintf(d->err, "%s: %s%s%s%s\n", d->prefix, cli_colour(d->colour && warn, COLOUR_WARN),
		warn ? "warning: " : "", cli_colour_end(d->colour && warn, COLOUR_WARN), text);
	fflush(d->err);
	d->drawn_ms = 0;
}

/* ---- the report ------------------------------------------------------------------- */

static void emit_shown(struct drawer *d, const struct report_event *ev, int64_t now)
{
	if (ev->text) {
		say(d, ev);
		return;
	}
	d->held = false;
	if (d->mode == PROGRESS_PLAIN && ev->kind == REPORT_ADVANCE)
		advance_plain(d, ev->task, now);
	if (d->mode == PROGRESS_AUTO && !d->quiet)
		start_ticker(d);
}

static void emit(struct report *r, const struct report_event *ev)
{
	struct drawer *d = (struct drawer *)r;
	int64_t now = now_ms();
	pthread_mutex_lock(&d->lock);
	if (ev->kind == REPORT_WHOLE && d->board.announced > 1)
		end_whole(d, now);
	cli_board_apply(&d->board, ev, now);
	if (d->mode == PROGRESS_JSON)
		cli_progress_json(d->err, &d->board, ev, now);
	else
		emit_shown(d, ev, now);
	if (ev->kind == REPORT_END)
		end_task(d, ev, now);
	if (ev->kind == REPORT_WAIT && !d->board.waits && !d->board.count)
		cli_canvas_erase(&d->canvas);
	if (d->mode == PROGRESS_AUTO && !d->quiet)
		draw(d);
	pthread_mutex_unlock(&d->lock);
}

struct report *cli_progress_new(FILE *err, enum cli_progress mode, bool quiet, int verbose,
				const char *prefix)
{
	struct drawer *d = NEW(struct drawer);
	const char *term = getenv("TERM");
	d->report.emit = emit;
	d->err = err;
	d->quiet = quiet;
	d->verbose = verbose;
	d->prefix = prefix;
	d->mode = mode;
	d->colour = cli_has_colour(err);
	d->canvas = (struct cli_canvas){ .out = err, .colour = d->colour };
	if (mode == PROGRESS_AUTO && (!isatty(fileno(err)) || (term && !strcmp(term, "dumb"))))
		d->mode = PROGRESS_PLAIN;
	pthread_mutex_init(&d->lock, NULL);
	return &d->report;
}

/* It comes back when work goes on. */
static void pause_drawing(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	pthread_mutex_lock(&d->lock);
	cli_canvas_erase(&d->canvas);
	d->held = true;
	pthread_mutex_unlock(&d->lock);
}

void cli_progress_hold(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	pthread_mutex_lock(&d->lock);
	cli_canvas_erase(&d->canvas);
	d->holds++;
	pthread_mutex_unlock(&d->lock);
}

void cli_progress_go_on(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	pthread_mutex_lock(&d->lock);
	d->holds--;
	pthread_mutex_unlock(&d->lock);
}

bool cli_progress_is_json(const struct report *r)
{
	return r && ((const struct drawer *)r)->mode == PROGRESS_JSON;
}

bool cli_progress_tell(struct report *r, const struct err *e)
{
	struct drawer *d = (struct drawer *)r;
	pause_drawing(r);
	if (!cli_progress_is_json(r))
		return false;
	pthread_mutex_lock(&d->lock);
	cli_progress_json_error(d->err, e);
	pthread_mutex_unlock(&d->lock);
	return true;
}

void cli_progress_free(struct report *r)
{
	if (!r)
		return;
	struct drawer *d = (struct drawer *)r;
	stop_ticker(d);
	pause_drawing(r);
	cli_board_release(&d->board);
	cli_canvas_release(&d->canvas);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
