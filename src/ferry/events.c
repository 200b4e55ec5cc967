#include "ferry/internal.h"

#include "util/text.h"

static void tell(struct listener *l, const struct ferry_event *event)
{
	l->call.on_event(l->call.ctx, event);
}

/* Only tasks of a run whose size is known count: what goes before is metadata. */
static void advance(struct listener *l, const struct report_event *r)
{
	int64_t bytes = r->kind == REPORT_END ? 0 : r->bytes;
	if (r->files || !l->total)
		return;
	l->done = bytes < 0 && (uint64_t)-bytes > l->done ? 0 : l->done + (uint64_t)bytes;
	l->done = MIN(l->done, l->total);
	tell(l, &(struct ferry_event){ .kind = FERRY_EVENT_PROGRESS,
				       .done = l->done,
				       .total = l->total,
				       .file = r->task });
}

static void begin_run(struct listener *l, const struct report_event *r)
{
	if (!r->total)
		return; /* the run is over */
	l->done = 0;
	l->total = r->total;
	tell(l, &(struct ferry_event){ .kind = FERRY_EVENT_PROGRESS, .total = l->total });
}

static void say(struct listener *l, int kind, const char *text)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	tell(l, &(struct ferry_event){ .kind = kind, .text = shown });
}

static void take(struct listener *l, const struct report_event *r)
{
	switch (r->kind) {
	case REPORT_BEGIN:
	case REPORT_ADVANCE:
	case REPORT_END:
		advance(l, r);
		break;
	case REPORT_WHOLE:
		begin_run(l, r);
		break;
	case REPORT_NOTE:
		say(l, FERRY_EVENT_NOTE, r->text);
		break;
	case REPORT_WARN:
		say(l, FERRY_EVENT_WARNING, r->text);
		break;
	case REPORT_SOURCE:
		tell(l, &(struct ferry_event){ .kind = FERRY_EVENT_MIRROR,
					       .mirror = r->source,
					       .bytes = r->bytes,
					       .state = r->state });
		break;
	case REPORT_DETAIL:
	case REPORT_WAIT:
		break;
	}
}

static void emit(struct report *report, const struct report_event *event)
{
	struct listener *l = (struct listener *)report;
	pthread_mutex_lock(&l->lock);
	take(l, event);
	pthread_mutex_unlock(&l->lock);
}

void listener_init(struct listener *l, const struct ferry_call *call)
{
	*l = (struct listener){ .report = { emit } };
	pthread_mutex_init(&l->lock, NULL);
	if (GIVEN(call, on_event))
		l->call.on_event = call->on_event;
	if (GIVEN(call, ctx))
		l->call.ctx = call->ctx;
	if (GIVEN(call, cancel))
		l->call.cancel = call->cancel;
}

void listener_release(struct listener *l)
{
	pthread_mutex_destroy(&l->lock);
}

void call_client(const struct ferry *f, struct listener *l, struct client *out)
{
	*out = f->base;
	out->report = l->call.on_event ? &l->report : NULL;
	out->cancel = l->call.cancel ? &l->call.cancel->token : NULL;
	out->store.report = out->report;
	out->store.cancel = out->cancel;
}
