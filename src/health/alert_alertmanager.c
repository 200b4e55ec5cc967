/*
 * Alertmanager's API, version 2 (https://prometheus.io/docs/alerting/latest/alerts_api/): a list of
 * alerts, each known by its labels. What is active is sent by every run; one that has ended, or
 * has another severity now, ends now. An alert that no run confirms ends at its endsAt.
 */
#include "health/alert_internal.h"

#include "util/mem.h"

#include <string.h>

#define UNCONFIRMED_S ((uint64_t)24 * 60 * 60)
#define LEAST_S 300
#define MISSED_RUNS 3
#define TEST_S 60
#define LABEL_MAX 200

static int64_t ends_at(const struct alert_notice *n)
{
	uint64_t after_s = n->alert->resolve_after_s;
	if (!after_s)
		after_s = n->interval_s ? MAX(MISSED_RUNS * n->interval_s, LEAST_S) : UNCONFIRMED_S;
	return n->now_s + (int64_t)after_s;
}

/* A label's value: a name of ferry.conf or of a signed catalog, still without control characters
 * and not endless. */
static void put_label(json_t *labels, const char *name, const char *value)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(LABEL_MAX * 8);
	text_escape(&b, value, strnlen(value, LABEL_MAX));
	json_put_string(labels, name, buf_str(&b));
}

/* "FerryMirrorReach", "FerryRepositoryExpiry" */
static char *name_of(const struct alert_row *row)
{
	const char *check = health_check_name(row->check);
	return mem_printf("Ferry%s%c%s", *row->mirror ? "Mirror" : "Repository",
			  check[0] - 'a' + 'A', check + 1);
}

static void push_alert(const struct alert_notice *n, json_t *all, const struct alert_row *row,
		       enum health_state severity, int64_t starts_s, int64_t ends_s)
{
	CLEANUP(mem_free_ptr) char *name = name_of(row);
	json_t *alert = json_push_object(all);
	json_t *labels = json_put_object(alert, "labels");
	json_put_string(labels, "alertname", name);
	put_label(labels, "repository", row->repository);
	if (*row->mirror)
		put_label(labels, "mirror", row->mirror);
	if (n->place)
		put_label(labels, "place", n->place);
	json_put_string(labels, "check", health_check_name(row->check));
	json_put_string(labels, "severity", health_state_name(severity));
	json_t *annotations = json_put_object(alert, "annotations");
	CLEANUP(mem_free_ptr)
	char *summary = mem_printf("%s of %s is %s", health_check_name(row->check),
				   *row->mirror ? row->mirror : row->repository,
				   health_state_name(severity));
	CLEANUP(mem_free_ptr) char *shown = text_escaped(summary);
	json_put_string(annotations, "summary", shown);
	json_put_string(annotations, "description", row->reason);
	json_put_time(alert, "startsAt", MIN(starts_s, ends_s));
	json_put_time(alert, "endsAt", ends_s);
}

static void push_row(const struct alert_notice *n, json_t *all, const struct alert_row *row)
{
	int64_t since_s;
	enum health_state now = alert_row_lasts(row, &since_s);
	if (row->told != HEALTH_OK && now != row->told)
		push_alert(n, all, row, row->told, row->told_since_s, n->now_s);
	if (now != HEALTH_OK)
		push_alert(n, all, row, now, since_s, ends_at(n));
	else if (row->told == HEALTH_OK && row->pending)
		push_alert(n, all, row, row->worst, row->began_s, n->now_s);
}

static void push_test(const struct alert_notice *n, json_t *all)
{
	json_t *alert = json_push_object(all);
	json_t *labels = json_put_object(alert, "labels");
	json_put_string(labels, "alertname", "FerryTest");
	json_put_string(labels, "severity", "none");
	json_t *annotations = json_put_object(alert, "annotations");
	json_put_string(annotations, "summary", "Test of Model Ferry's alerts");
	json_put_string(annotations, "description", "No mirror has a problem.");
	json_put_time(alert, "startsAt", n->now_s);
	json_put_time(alert, "endsAt", n->now_s + TEST_S);
}

int alert_alertmanager(const struct alert_notice *n, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *all = json_array();
	for (size_t i = 0; i < n->rows->count; i++)
		push_row(n, all, &n->rows->at[i]);
	if (n->test)
		push_test(n, all);
	return json_compact(all, out, e);
}
