#include "serve/events.h"

#include "util/clock.h"
#include "util/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EVENT (8 * KIB) /* bytes */
#define TASKS 64
#define PROGRESS_US 1000000

/* Work that is going on. */
struct task {
	char *name; /* NULL: free */
	uint64_t total, bytes, told_us;
};

struct reader {
	struct route_stream stream; /* first */
	struct events *of;
	struct reader *next; /* the list of those that wait */
	bool waiting;
	uint64_t at, beat; /* what it has */
	char *pending;     /* that it is being sent */
	size_t sent;       /* of it */
	void (*wake)(void *ctx);
	void *ctx;
};

struct events {
	const struct clock *clock;
	struct report report, *to;
	pthread_mutex_t lock;
	char *kept[EVENTS_KEPT]; /* as they are sent; number N is at N % EVENTS_KEPT */
	uint64_t first, next;    /* numbers */
	uint64_t beat, beat_us;
	bool over;
	unsigned readers;
	struct reader *waiting;
	struct task tasks[TASKS];
};

/* ---- readers ---- */

static bool has_more(const struct reader *r)
{
	const struct events *ev = r->of;
	return ev->over || r->at != ev->next || r->beat != ev->beat;
}

/* With the lock held, as all that follows: whoever is forgotten meanwhile is not called after that.
 */
static void wake_all(struct events *ev)
{
	struct reader *r = ev->waiting;
	ev->waiting = NULL;
	while (r) {
		struct reader *next = r->next;
		r->waiting = false;
		r->wake(r->ctx);
		r = next;
	}
}

/* What it is sent next: false: nothing. */
static bool next_text(struct reader *r)
{
	struct events *ev = r->of;
	bool lost = r->at < ev->first || r->at > ev->next;
	bool beats = r->at == ev->next && r->beat != ev->beat;
	free(r->pending);
	r->pending = NULL;
	r->sent = 0;
	if (lost) {
		/* It was too slow, or comes back too late. */
		r->pending = mem_strdup("event: lost\ndata: {}\n\n");
		r->at = ev->first;
	} else if (r->at < ev->next) {
		r->pending = mem_strdup(ev->kept[r->at++ % EVENTS_KEPT]);
	} else if (beats) {
		r->pending = mem_strdup(":\n\n");
	}
	r->beat = ev->beat;
	return r->pending != NULL;
}

static size_t take(struct reader *r, char *data, size_t max)
{
	size_t used = 0;
	while (used < max && ((r->pending && r->pending[r->sent]) || next_text(r))) {
		size_t len = MIN(strlen(r->pending + r->sent), max - used);
		memcpy(data + used, r->pending + r->sent, len);
		r->sent += len;
		used += len;
	}
	return used;
}

static int64_t on_read(struct route_stream *s, char *data, size_t max)
{
	struct reader *r = (struct reader *)(void *)s;
	pthread_mutex_lock(&r->of->lock);
	size_t used = take(r, data, max);
	bool over = r->of->over && used == 0;
	pthread_mutex_unlock(&r->of->lock);
	return over ? -1 : (int64_t)used;
}

static void on_wait(struct route_stream *s, void (*wake)(void *ctx), void *ctx)
{
	struct reader *r = (struct reader *)(void *)s;
	struct events *ev = r->of;
	pthread_mutex_lock(&ev->lock);
	if (has_more(r)) {
		wake(ctx);
	} else {
		r->wake = wake;
		r->ctx = ctx;
		r->waiting = true;
		r->next = ev->waiting;
		ev->waiting = r;
	}
	pthread_mutex_unlock(&ev->lock);
}

static void on_forget(struct route_stream *s)
{
	struct reader *r = (struct reader *)(void *)s;
	pthread_mutex_lock(&r->of->lock);
	struct reader **at = &r->of->waiting;
	while (r->waiting && *at != r)
		at = &(*at)->next;
	if (r->waiting)
		*at = r->next;
	r->waiting = false;
	pthread_mutex_unlock(&r->of->lock);
}

static void on_free(struct route_stream *s)
{
	struct reader *r = (struct reader *)(void *)s;
	on_forget(s);
	pthread_mutex_lock(&r->of->lock);
	r->of->readers--;
	pthread_mutex_unlock(&r->of->lock);
	free(r->pending);
	free(r);
}

static uint64_t number_after(const struct events *ev, const char *after)
{
	char *end;
	if (!after || *after < '0' || *after > '9')
		return ev->next;
	unsigned long long number = strtoull(after, &end, 10);
	return *end ? ev->next : (uint64_t)number + 1;
}

struct route_stream *events_read(struct events *ev, const char *after)
{
	struct reader *r = NULL;
	pthread_mutex_lock(&ev->lock);
	if (ev->readers < EVENTS_READERS && !ev->over) {
		r = NEW(struct reader);
		r->stream = (struct route_stream){ on_read, on_wait, on_forget, on_free };
		r->of = ev;
		r->at = number_after(ev, after);
		/* The reader sees at once that it is connected. */
		r->pending = mem_strdup(":\n\n");
		r->beat = ev->beat;
		ev->readers++;
	}
	pthread_mutex_unlock(&ev->lock);
	return r ? &r->stream : NULL;
}

void events_tick(struct events *ev)
{
	uint64_t now_us = clock_now_us(ev->clock);
	pthread_mutex_lock(&ev->lock);
	if (now_us - ev->beat_us >= EVENTS_BEAT_S * (uint64_t)1000000) {
		ev->beat_us = now_us;
		ev->beat++;
		wake_all(ev);
	}
	pthread_mutex_unlock(&ev->lock);
}

void events_end(struct events *ev)
{
	pthread_mutex_lock(&ev->lock);
	ev->over = true;
	wake_all(ev);
	pthread_mutex_unlock(&ev->lock);
}

/* ---- what happens ---- */

static void keep(struct events *ev, struct buf *text)
{
	char **at = &ev->kept[ev->next++ % EVENTS_KEPT];
	free(*at);
	*at = buf_steal(text);
	if (ev->next - ev->first > EVENTS_KEPT)
		ev->first = ev->next - EVENTS_KEPT;
	wake_all(ev);
}

/* With the lock held. */
static void tell(struct events *ev, const char *kind, json_t *data)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_EVENT), line = BUF_INIT(MAX_EVENT);
	struct err ignored = ERR_INIT;
	json_put_time(data, "time", clock_wall_s(ev->clock));
	/* On one line: JSON escapes line feeds. */
	if (json_compact(data, &line, &ignored) == 0 && !ev->over) {
		buf_addf(&text, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)ev->next,
			 kind, buf_str(&line));
		if (!text.overflow)
			keep(ev, &text);
	}
	json_decref(data);
}

void events_tell(struct events *ev, const char *kind, json_t *data)
{
	pthread_mutex_lock(&ev->lock);
	tell(ev, kind, data);
	pthread_mutex_unlock(&ev->lock);
}

/* ---- what is reported ---- */

static struct task *find(struct events *ev, const char *name)
{
	struct task *found = NULL;
	for (size_t i = 0; i < TASKS; i++) {
		struct task *t = &ev->tasks[i];
		if (t->name && strcmp(t->name, name) == 0)
			return t;
		if (!t->name && !found)
			found = t;
	}
	return found;
}

static void tell_task(struct events *ev, struct task *t, const char *state)
{
	json_t *data = json_object();
	json_put(data, "object", json_string_lossy(t->name, strlen(t->name)));
	json_put_string(data, "state", state);
	json_put_u64(data, "bytes", t->bytes);
	json_put_u64(data, "size", t->total);
	t->told_us = clock_now_us(ev->clock);
	tell(ev, "pull", data);
}

static void on_begin(struct events *ev, const struct report_event *event)
{
	struct task *t = find(ev, event->task);
	if (!t || event->files)
		return;
	free(t->name);
	*t = (struct task){ mem_strdup(event->task), event->total, (uint64_t)MAX(event->bytes, 0),
			    0 };
	tell_task(ev, t, "begun");
}

static void on_advance(struct events *ev, const struct report_event *event)
{
	struct task *t = find(ev, event->task);
	if (!t || !t->name)
		return;
	t->bytes = event->bytes < 0 && (uint64_t)-event->bytes > t->bytes
			   ? 0
			   : t->bytes + (uint64_t)event->bytes;
	if (clock_now_us(ev->clock) - t->told_us >= PROGRESS_US)
		tell_task(ev, t, "progress");
}

static void on_end(struct events *ev, const struct report_event *event)
{
	struct task *t = find(ev, event->task);
	if (!t || !t->name)
		return;
	tell_task(ev, t, event->ok ? "done" : "failed");
	free(t->name);
	*t = (struct task){ 0 };
}

static void on_warning(struct events *ev, const struct report_event *event)
{
	json_t *data = json_object();
	json_put(data, "message", json_string_lossy(event->text, strlen(event->text)));
	tell(ev, "warning", data);
}

static void emit(struct report *r, const struct report_event *event)
{
	struct events *ev = (struct events *)(void *)((char *)r - offsetof(struct events, report));
	pthread_mutex_lock(&ev->lock);
	if (event->kind == REPORT_BEGIN)
		on_begin(ev, event);
	else if (event->kind == REPORT_ADVANCE)
		on_advance(ev, event);
	else if (event->kind == REPORT_END)
		on_end(ev, event);
	else if (event->kind == REPORT_WARN)
		on_warning(ev, event);
	pthread_mutex_unlock(&ev->lock);
	if (ev->to)
		ev->to->emit(ev->to, event);
}

struct report *events_report(struct events *ev)
{
	return &ev->report;
}

/* ---- all of it ---- */

struct events *events_new(const struct clock *clock, struct report *to)
{
	struct events *ev = NEW(struct events);
	ev->clock = clock;
	ev->report.emit = emit;
	ev->to = to;
	pthread_mutex_init(&ev->lock, NULL);
	ev->first = ev->next = (uint64_t)clock_wall_s(clock) * 1000;
	ev->beat = 1;
	ev->beat_us = clock_now_us(clock);
	return ev;
}

void events_free(struct events *ev)
{
	if (!ev)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(ev->kept[i]);
	for (size_t i = 0; i < TASKS; i++)
		free(ev->tasks[i].name);
	pthread_mutex_destroy(&ev->lock);
	free(ev);
}
