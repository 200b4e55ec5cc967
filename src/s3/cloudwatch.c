#include "s3/cloudwatch.h"

#include "http/url.h"
#include "s3/region.h"
#include "s3/xml.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR 3600
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define MAX_BODY (64 * KIB)
#define MAX_PAGES 200
#define DEADLINE_MS 60000
#define VALUE_MAX 1e15

enum metric_kind { METRIC_GETS, METRIC_BYTES, METRIC_4XX, METRIC_5XX, METRIC_COUNT };

static const char *const metric_names[METRIC_COUNT] = {
	[METRIC_GETS] = "GetRequests",
	[METRIC_BYTES] = "BytesDownloaded",
	[METRIC_4XX] = "4xxErrors",
	[METRIC_5XX] = "5xxErrors",
};

struct series {
	int64_t *times;
	double *values;
	size_t time_count, value_count, time_cap, value_cap;
	char id[8];
};

struct query {
	struct http_client *client;
	struct s3_place *place;
	const char *filter;
	int64_t from_s, to_s;
	size_t hours;
	uint64_t (*at)[METRIC_COUNT];
	struct series series; /* that is being read */
	char *next;           /* token of the next page; NULL: it was the last */
	char *code, *message; /* of a failure */
	char region[S3_REGION];
};

static void query_release(struct query *q)
{
	free(q->at);
	free(q->series.times);
	free(q->series.values);
	free(q->next);
	free(q->code);
	free(q->message);
}

/* ---- the request ------------------------------------------------------------------- */

static void add(struct buf *body, const char *name, const char *value)
{
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(value, "");
	buf_addf(body, "%s%s=%s", body->len ? "&" : "", name, encoded);
}

static void add_time(struct buf *body, const char *name, int64_t time_s)
{
	char text[TIME_TEXT];
	format_time(text, time_s);
	add(body, name, text);
}

static void add_metric(struct buf *body, const struct query *q, unsigned i)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{ "MetricStat.Metric.Namespace", "AWS/S3" },
		{ "MetricStat.Metric.MetricName", metric_names[i] },
		{ "MetricStat.Metric.Dimensions.member.1.Name", "BucketName" },
		{ "MetricStat.Metric.Dimensions.member.1.Value", q->place->bucket },
		{ "MetricStat.Metric.Dimensions.member.2.Name", "FilterId" },
		{ "MetricStat.Metric.Dimensions.member.2.Value", q->filter },
		{ "MetricStat.Period", "3600" },
		{ "MetricStat.Stat", "Sum" },
	};
	CLEANUP(mem_free_ptr) char *id_name = mem_printf("MetricDataQueries.member.%u.Id", i + 1);
	CLEANUP(mem_free_ptr) char *id = mem_printf("m%u", i);
	add(body, id_name, id);
	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		CLEANUP(mem_free_ptr)
		char *name = mem_printf("MetricDataQueries.member.%u.%s", i + 1, all[k].name);
		add(body, name, all[k].value);
	}
}

static void make_body(struct buf *body, const struct query *q)
{
	add(body, "Action", "GetMetricData");
	add(body, "Version", "2010-08-01");
	add_time(body, "StartTime", q->from_s);
	add_time(body, "EndTime", q->to_s);
	add(body, "ScanBy", "TimestampAscending");
	for (unsigned i = 0; i < METRIC_COUNT; i++)
		add_metric(body, q, i);
	if (q->next)
		add(body, "NextToken", q->next);
}

static char *endpoint(const struct query *q)
{
	static const char *const variables[] = { "AWS_ENDPOINT_URL_CLOUDWATCH",
						 "AWS_ENDPOINT_URL" };
	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const char *given = getenv(variables[i]);
		if (given && *given)
			return mem_strdup(given);
	}
	if (!q->place->aws)
		return NULL;
	return mem_printf("https://monitoring.%s.%s/", q->region, region_domain(q->region));
}

static void sign(const struct query *q, const struct url *u, const struct buf *body,
		 const struct s3_keys *with, struct str_list *lines)
{
	CLEANUP(mem_free_ptr) char *host = url_host_header(u);
	CLEANUP(buf_release) struct buf authorization = BUF_INIT(16 * KIB);
	struct digest digest;
	char date[SIGV4_DATE], payload[DIGEST_HEX];
	int64_t now_s = clock_wall_s(q->place->clock);
	const struct sigv4_pair headers[] = {
		{ "host", host },
		{ "content-type", FORM },
		{ "x-amz-date", sigv4_date(date, now_s) },
		{ "x-amz-security-token", with->token },
	};
	sha256_of(body->data, body->len, &digest);
	const struct sigv4_request r = { .method = "POST",
					 .path = u->path && *u->path ? u->path : "/",
					 .headers = headers,
					 .header_count = with->token ? 4 : 3,
					 .payload = digest_hex(payload, &digest) };
	const struct sigv4_scope scope = { q->region, "monitoring", now_s };
	const struct sigv4_keys keys = { with->id, with->secret, with->token };
	sigv4_sign(&authorization, &r, &scope, &keys);
	for (size_t i = 1; i < r.header_count; i++)
		str_list_take(lines, mem_printf("%s: %s", headers[i].name, headers[i].value));
	str_list_take(lines, mem_printf("authorization: %s", buf_str(&authorization)));
	str_list_take(lines, NULL);
}

/* ---- the answer -------------------------------------------------------------------- */

static int add_point(struct series *s, const char *path, const char *text, struct err *e)
{
	bool is_time = str_ends(path, "/Timestamps/member");
	char *end;
	if (is_time) {
		s->times = mem_grow(s->times, s->time_count, &s->time_cap, sizeof *s->times);
		if (parse_time(text, &s->times[s->time_count++]))
			return 0;
	} else {
		s->values = mem_grow(s->values, s->value_count, &s->value_cap, sizeof *s->values);
		double *value = &s->values[s->value_count++];
		*value = strtod(text, &end);
		if (end != text && !*end && *value >= 0 && *value <= VALUE_MAX)
			return 0;
	}
	return err_set(e, ERR_INTEGRITY, "CloudWatch answered with a point that is none");
}

/* Points of an hour that pages have in common are the same. */
static int take_series(struct query *q, struct err *e)
{
	struct series *s = &q->series;
	unsigned metric = METRIC_COUNT;
	if (s->id[0] == 'm' && s->id[1] >= '0' && s->id[1] < '0' + METRIC_COUNT && !s->id[2])
		metric = (unsigned)(s->id[1] - '0');
	if (metric == METRIC_COUNT || s->time_count != s->value_count)
		return err_set(e, ERR_INTEGRITY, "CloudWatch answered what was not asked");
	for (size_t i = 0; i < s->time_count; i++) {
		int64_t hour = (s->times[i] - q->from_s) / HOUR;
		if (s->times[i] >= q->from_s && (uint64_t)hour < q->hours)
			q->at[hour][metric] = (uint64_t)(s->values[i] + 0.5);
	}
	s->time_count = s->value_count = 0;
	s->id[0] = '\0';
	return 0;
}

static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct query *q = ctx;
	if (str_ends(path, "/Timestamps/member") || str_ends(path, "/Values/member"))
		return add_point(&q->series, path, text, e);
	if (str_ends(path, "/MetricDataResults/member/Id"))
		snprintf(q->series.id, sizeof q->series.id, "%s", text);
	else if (str_ends(path, "/MetricDataResults/member"))
		return take_series(q, e);
	else if (str_ends(path, "Result/NextToken") && *text)
		q->next = mem_strdup(text);
	else if (str_ends(path, "/Error/Code") && !q->code)
		q->code = text_escaped(text);
	else if (str_ends(path, "/Error/Message") && !q->message)
		q->message = text_escaped(text);
	return 0;
}

/* What CloudWatch says in place of what its status does. */
static int refused(struct query *q, const struct buf *fault, int rc, struct err *e)
{
	struct err ignored = ERR_INIT;
	if (!fault->len || s3_xml_parse(fault->data, fault->len, on_element, q, &ignored) < 0 ||
	    !q->code)
		return rc;
	bool busy = err_is_transient(e) || strstr(q->code, "Throttl");
	bool usage = strstr(q->code, "Invalid") || strstr(q->code, "Validation");
	err_clear(e);
	err_set(e,
		busy    ? ERR_NETWORK
		: usage ? ERR_USAGE
			: ERR_AUTH,
		"CloudWatch: %.60s: %.300s", q->code, q->message ? q->message : "");
	if (!busy && !usage)
		err_hint(e, "the keys need the right cloudwatch:GetMetricData");
	return -(int)e->class;
}

static int body_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *body = ctx;
	(void)e;
	memcpy(data, body->data + offset, len);
	return 0;
}

static int post(struct query *q, const char *url, struct buf *body, const struct str_list *lines,
		struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(buf_release) struct buf fault = BUF_INIT(MAX_BODY);
	CLEANUP(http_response_release) struct http_response r = { 0 };
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.what = "CloudWatch",
		.headers = (const char *const *)lines->at,
		.deadline_ms = DEADLINE_MS,
		.read_at = body_at,
		.body_ctx = body,
		.body_size = body->len,
		.into = &answer,
		.error_body = &fault,
	};
	int rc = http_perform(q->client, &request, &r, e);
	if (rc < 0)
		return r.status >= 400 ? refused(q, &fault, rc, e) : rc;
	rc = s3_xml_parse(buf_str(&answer), answer.len, on_element, q, e);
	return rc < 0 ? err_context(e, "CloudWatch") : 0;
}

/* One page; q->next is that after it. */
static int ask(struct query *q, struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(MAX_BODY);
	CLEANUP(s3_keys_release) struct s3_keys keys = { 0 };
	CLEANUP(str_list_wipe) struct str_list lines = { 0 };
	CLEANUP(url_release) struct url u = { 0 };
	CLEANUP(mem_free_ptr) char *url = endpoint(q);
	if (!url)
		return err_set(e, ERR_USAGE, "CloudWatch has metrics of buckets of AWS only");
	make_body(&body, q);
	free(q->next);
	q->next = NULL;
	int rc = buf_ok(&body, "the request to CloudWatch", e);
	if (rc == 0)
		rc = url_parse(url, &u, e);
	if (rc == 0)
		rc = s3_credentials_get(q->place->credentials, &keys, e);
	if (rc < 0)
		return rc;
	sign(q, &u, &body, &keys, &lines);
	return post(q, url, &body, &lines, e);
}

static int tell(const struct query *q, cloudwatch_fn *fn, void *ctx, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < q->hours && rc == 0; i++) {
		const uint64_t *at = q->at[i];
		struct cloudwatch_hour h = { q->from_s + (int64_t)i * HOUR, at[METRIC_GETS],
					     at[METRIC_BYTES], at[METRIC_4XX], at[METRIC_5XX] };
		if (h.gets || h.bytes || h.errors_4xx || h.errors_5xx)
			rc = fn(ctx, &h, e);
	}
	return rc;
}

int cloudwatch_requests(struct http_client *c, struct s3_place *p, const char *filter,
			int64_t from_s, int64_t to_s, cloudwatch_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(query_release) struct query q = { .client = c, .place = p, .filter = filter };
	q.from_s = from_s - from_s % HOUR;
	q.to_s = to_s - to_s % HOUR;
	if (q.to_s <= q.from_s)
		return 0;
	q.hours = (size_t)((q.to_s - q.from_s) / HOUR);
	if (q.hours > CLOUDWATCH_MAX_HOURS)
		return err_set(e, ERR_USAGE, "CloudWatch keeps hours for 455 days only");
	q.at = mem_alloc(q.hours * sizeof *q.at);
	pthread_mutex_lock(&p->lock);
	snprintf(q.region, sizeof q.region, "%s", p->region);
	pthread_mutex_unlock(&p->lock);
	int rc = ask(&q, e);
	for (unsigned page = 1; rc == 0 && q.next; page++)
		rc = page < MAX_PAGES
			     ? ask(&q, e)
			     : err_set(e, ERR_INTEGRITY, "CloudWatch answers with page after page");
	return rc < 0 ? rc : tell(&q, fn, ctx, e);
}
