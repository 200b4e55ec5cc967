#include "mirror/s3.h"

#include "s3/cloudwatch.h"

struct telling {
	mirror_traffic_fn *fn;
	void *ctx;
};

static int on_hour(void *ctx, const struct cloudwatch_hour *h, struct err *e)
{
	const struct telling *t = ctx;
	const struct mirror_traffic out = { .hour_s = h->start_s,
					    .requests = h->gets,
					    .bytes = h->bytes,
					    .failures = h->errors_4xx + h->errors_5xx };
	return t->fn(t->ctx, &out, e);
}

int mirror_s3_traffic(struct mirror_connection *c, int64_t from_s, int64_t to_s,
		      mirror_traffic_fn *fn, void *ctx, struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	struct telling t = { fn, ctx };
	return cloudwatch_requests(c->state, &s->place, s->metrics, from_s, to_s, on_hour, &t, e);
}
