#include "cli/frame/board.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* More at once would be a fault, and could not be shown. */
#define TASKS_MOST 1024
#define SOURCES_MOST 256

bool cli_board_has_whole(const struct cli_board *b)
{
	return b->announced > 1 || (!b->announced && b->count + b->ended > 1);
}

bool cli_board_is_over(const struct cli_board *b)
{
	return b->announced > 1 && b->count == 0 && b->ended >= b->announced;
}

struct cli_task *cli_board_task(const struct cli_board *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++)
		if (!strcmp(b->tasks[i].name, name))
			return &b->tasks[i];
	return NULL;
}

struct cli_source *cli_board_source(const struct cli_board *b, const char *id)
{
	for (size_t i = 0; i < b->source_count; i++)
		if (!strcmp(b->sources[i].id, id))
			return &b->sources[i];
	return NULL;
}

static void forget_sources(struct cli_board *b)
{
	while (b->source_count)
		free(b->sources[--b->source_count].id);
}

static void begin_whole(struct cli_board *b, size_t announced, uint64_t total, int64_t now_ms)
{
	cli_gauge_begin(&b->whole, total, 0, now_ms);
	b->whole_files = false;
	b->announced = announced;
	b->ended = 0;
	b->before = 0;
	b->began_ms = b->told_ms = now_ms;
	forget_sources(b);
}

/* The sum is unknown if one of the totals is. */
static void add_total(struct cli_board *b, const struct report_event *ev)
{
	uint64_t *total = &b->whole.count.total;
	if (!*total || !ev->total || !add_u64(*total, ev->total, total))
		*total = 0;
}

static void add_to_whole(struct cli_board *b, const struct report_event *ev, int64_t now_ms)
{
	if (!b->announced && b->count + b->ended == 0) {
		begin_whole(b, 0, ev->total, now_ms);
		b->whole_files = ev->files;
	} else if (!b->announced && ev->files == b->whole_files) {
		add_total(b, ev);
	}
	if (ev->files == b->whole_files) {
		cli_gauge_skip(&b->whole, (uint64_t)ev->bytes);
		b->before += (uint64_t)ev->bytes;
	}
}

static void begin(struct cli_board *b, const struct report_event *ev, int64_t now_ms)
{
	if (b->count >= TASKS_MOST || cli_board_task(b, ev->task))
		return;
	add_to_whole(b, ev, now_ms);
	b->tasks = mem_grow(b->tasks, b->count, &b->cap, sizeof *b->tasks);
	struct cli_task *t = &b->tasks[b->count++];
	*t = (struct cli_task){
		.name = mem_strdup(ev->task),
		.files = ev->files,
		.before = (uint64_t)ev->bytes,
		.began_ms = now_ms,
		.told_ms = now_ms,
	};
	cli_gauge_begin(&t->gauge, ev->total, (uint64_t)ev->bytes, now_ms);
}

static void advance(struct cli_board *b, const struct report_event *ev)
{
	struct cli_task *t = cli_board_task(b, ev->task);
	if (!t)
		return;
	cli_gauge_advance(&t->gauge, ev->bytes);
	if (t->files == b->whole_files)
		cli_gauge_advance(&b->whole, ev->bytes);
}

static void hear_source(struct cli_board *b, const struct report_event *ev, int64_t now_ms)
{
	struct cli_source *s = cli_board_source(b, ev->source);
	if (!s && b->source_count < SOURCES_MOST) {
		b->sources = mem_grow(b->sources, b->source_count, &b->source_cap,
				      sizeof *b->sources);
		s = &b->sources[b->source_count++];
		*s = (struct cli_source){ .id = mem_strdup(ev->source) };
		cli_gauge_begin(&s->gauge, 0, 0, now_ms);
	}
	if (!s)
		return;
	cli_gauge_advance(&s->gauge, ev->bytes);
	/* Nothing is asked of a mirror that is banned, whatever else ends. */
	if (ev->state && strcmp(s->state, "banned") != 0)
		snprintf(s->state, sizeof s->state, "%s", ev->state);
}

static void wait_for(struct cli_board *b, const struct report_event *ev, int64_t now_ms)
{
	if (ev->ok) {
		b->waits -= b->waits > 0;
		return;
	}
	if (!b->waits++)
		b->wait_ms = now_ms;
	free(b->wait);
	b->wait = mem_strdup(ev->task);
}

bool cli_board_waits(const struct cli_board *b, int64_t now_ms)
{
	return b->waits && !b->count && !cli_board_has_whole(b) &&
	       now_ms - b->wait_ms >= BOARD_WAIT_MS;
}

void cli_board_apply(struct cli_board *b, const struct report_event *ev, int64_t now_ms)
{
	if (ev->kind == REPORT_BEGIN)
		begin(b, ev, now_ms);
	else if (ev->kind == REPORT_ADVANCE)
		advance(b, ev);
	else if (ev->kind == REPORT_SOURCE)
		hear_source(b, ev, now_ms);
	else if (ev->kind == REPORT_WHOLE)
		begin_whole(b, ev->count, ev->total, now_ms);
	else if (ev->kind == REPORT_WAIT)
		wait_for(b, ev, now_ms);
}

/* What was less than expected is no longer to come. */
static void complete(struct cli_board *b, const struct cli_task *t)
{
	const struct cli_count *c = &t->gauge.count;
	if (t->files == b->whole_files && c->total > c->done)
		cli_gauge_skip(&b->whole, c->total - c->done);
}

void cli_board_end(struct cli_board *b, struct cli_task *t, bool ok)
{
	if (ok)
		complete(b, t);
	free(t->name);
	memmove(t, t + 1, (size_t)(b->tasks + b->count - t - 1) * sizeof *t);
	b->count--;
	b->ended++;
	if (b->count == 0 && b->announced <= 1)
		begin_whole(b, 0, 0, 0);
}

void cli_board_measure(struct cli_board *b, int64_t now_ms)
{
	b->now_ms = now_ms;
	for (size_t i = 0; i < b->count; i++)
		cli_gauge_measure(&b->tasks[i].gauge, now_ms);
	for (size_t i = 0; i < b->source_count; i++)
		cli_gauge_measure(&b->sources[i].gauge, now_ms);
	cli_gauge_measure(&b->whole, now_ms);
}

unsigned cli_board_share(const struct cli_board *b, const struct cli_source *s)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < b->source_count; i++)
		sum += b->sources[i].gauge.count.done;
	return sum ? (unsigned)((double)s->gauge.count.done * 100 / (double)sum + 0.5) : 0;
}

void cli_board_release(struct cli_board *b)
{
	forget_sources(b);
	while (b->count)
		free(b->tasks[--b->count].name);
	mem_free_ptr(&b->tasks);
	mem_free_ptr(&b->sources);
	mem_free_ptr(&b->wait);
	b->cap = b->source_cap = 0;
}
