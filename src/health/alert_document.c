/* What a notification says: for programs as a document, and in words, for people. */
#include "health/alert_internal.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX (4 * MIB)

void alert_notice_release(struct alert_notice *n)
{
	json_release(&n->document);
}

/* ---- words ------------------------------------------------------------------------------- */

/* "mirror eu-west of lab", "repository lab" */
static char *place_of(const struct alert_row *row)
{
	CLEANUP(mem_free_ptr) char *repository = text_escaped(row->repository);
	CLEANUP(mem_free_ptr) char *mirror = text_escaped(row->mirror);
	return *mirror ? mem_printf("mirror %s of %s", mirror, repository)
		       : mem_printf("repository %s", repository);
}

static char *lasted(int64_t from_s, int64_t until_s)
{
	char text[DURATION_TEXT];
	return mem_strdup(format_duration(text, (uint64_t)MAX(until_s - from_s, 0)));
}

static char *problem_line(const struct alert_row *row, enum alert_event v)
{
	char time[TIME_TEXT];
	int64_t since_s;
	enum health_state state = alert_row_lasts(row, &since_s);
	CLEANUP(mem_free_ptr) char *place = place_of(row);
	const char *how = v == ALERT_REMINDER ? "still "
			  : v == ALERT_WORSE  ? "now "
			  : v == ALERT_BETTER ? "only "
					      : "";
	format_time(time, since_s);
	return mem_printf("%s%s: %s: %s%s%s (since %s)", how, health_state_name(state), place,
			  health_check_name(row->check), *row->reason ? ": " : "", row->reason,
			  time);
}

static char *end_line(const struct alert_row *row, enum alert_event v)
{
	bool passed = v == ALERT_PASSED;
	CLEANUP(mem_free_ptr) char *place = place_of(row);
	CLEANUP(mem_free_ptr)
	char *time = lasted(passed ? row->began_s : row->told_since_s, row->next_since_s);
	return mem_printf("%s: %s: %s, after %s (it was %s%s%s)",
			  passed ? "already recovered" : "recovered", place,
			  health_check_name(row->check), time,
			  health_state_name(passed ? row->worst : row->told),
			  *row->reason ? ": " : "", row->reason);
}

static char *line_of(const struct alert_row *row, enum alert_event v)
{
	bool ended = v == ALERT_RECOVERED || v == ALERT_PASSED;
	return ended ? end_line(row, v) : problem_line(row, v);
}

/* ---- members ----------------------------------------------------------------------------- */

static void put_subject(json_t *o, const struct alert_row *row)
{
	json_put_string(o, "repository", row->repository);
	json_put_string(o, "mirror", *row->mirror ? row->mirror : NULL);
	json_put_string(o, "check", health_check_name(row->check));
}

static void put_change(const struct alert_notice *n, json_t *changes, const struct alert_row *row,
		       enum alert_event v)
{
	char id[ALERT_ID];
	int64_t since_s;
	enum health_state now = alert_row_lasts(row, &since_s);
	CLEANUP(mem_free_ptr) char *line = line_of(row, v);
	alert_event_id(row, v, n->place, id);
	json_t *o = json_push_object(changes);
	json_put_string(o, "id", id);
	json_put_string(o, "event", alert_event_name(v));
	put_subject(o, row);
	json_put_string(o, "state", health_state_name(now == HEALTH_OK ? row->state : now));
	json_put_string(o, "was", health_state_name(v == ALERT_PASSED ? row->worst : row->told));
	json_put_time(o, "since", since_s);
	if (v == ALERT_RECOVERED || v == ALERT_PASSED) {
		json_put_time(o, "began", v == ALERT_PASSED ? row->began_s : row->told_since_s);
		json_put_string(o, "reason", row->current ? row->current : "");
		json_put_string(o, "problem", row->reason);
	} else {
		json_put_string(o, "reason", row->reason);
	}
	json_put_string(o, "text", line);
}

static void put_active(json_t *active, const struct alert_row *row)
{
	int64_t since_s;
	enum health_state state = alert_row_lasts(row, &since_s);
	if (state == HEALTH_OK)
		return;
	json_t *o = json_push_object(active);
	put_subject(o, row);
	json_put_string(o, "state", health_state_name(state));
	json_put_time(o, "since", since_s);
	json_put_string(o, "reason", row->reason);
}

/* ---- the whole --------------------------------------------------------------------------- */

/* "2 problems, 1 recovered, 3 active" */
static char *summary_of(const json_t *changes, size_t active)
{
	static const struct {
		const char *event, *one, *many;
	} words[] = {
		{ "problem", "problem", "problems" },
		{ "worse", "became worse", "became worse" },
		{ "better", "became better", "became better" },
		{ "recovered", "recovered", "recovered" },
		{ "passed", "already recovered", "already recovered" },
		{ "reminder", "still lasts", "still last" },
	};
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t count = 0, k;
		const json_t *one;
		json_array_foreach (changes, k, one)
			count += strcmp(json_text(one, "event"), words[i].event) == 0;
		if (count)
			buf_addf(&b, "%s%zu %s", b.len ? ", " : "", count,
				 count == 1 ? words[i].one : words[i].many);
	}
	buf_addf(&b, "%s%zu active", b.len ? ", " : "", active);
	return mem_strdup(buf_str(&b));
}

static void put_changes(const struct alert_notice *n, json_t *changes)
{
	static const enum alert_event order[] = { ALERT_PROBLEM,   ALERT_WORSE,  ALERT_BETTER,
						  ALERT_RECOVERED, ALERT_PASSED, ALERT_REMINDER };
	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		for (size_t i = 0; i < n->rows->count; i++) {
			const struct alert_row *row = &n->rows->at[i];
			enum alert_event v = alert_event_of(row, n->now_s, n->alert->repeat_s);
			if (v == order[k])
				put_change(n, changes, row, v);
		}
}

/* From the ids of its changes: the same when the same changes are sent again. */
static void identify(struct alert_notice *n, const json_t *changes)
{
	struct digest d;
	CLEANUP_PTR(sha256_free) struct sha256 *sha = sha256_new();
	const json_t *one;
	size_t i;
	sha256_add(sha, n->alert->name, strlen(n->alert->name));
	json_array_foreach (changes, i, one)
		sha256_add(sha, json_text(one, "id"), ALERT_ID - 1);
	if (n->test)
		sha256_add(sha, &n->now_s, sizeof n->now_s);
	sha256_final(sha, &d);
	hex_encode(n->id, d.bytes, (ALERT_ID - 1) / 2);
}

static char *text_of(const struct alert_notice *n, const char *summary, const json_t *changes)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(TEXT_MAX);
	const json_t *one;
	size_t i;
	buf_addf(&b, "Model Ferry%s%s%s: %s\n", n->place ? " (" : "", n->place ? n->place : "",
		 n->place ? ")" : "", summary);
	if (n->test)
		buf_adds(&b, "This is a test of the alert: no mirror has a problem.\n");
	json_array_foreach (changes, i, one)
		buf_addf(&b, "%s\n", json_text(one, "text"));
	return mem_strdup(buf_str(&b));
}

void alert_document(struct alert_notice *n)
{
	CLEANUP(json_release) json_t *changes = json_array();
	CLEANUP(json_release) json_t *active = json_array();
	json_t *o = n->document = json_object();
	put_changes(n, changes);
	for (size_t i = 0; i < n->rows->count; i++)
		put_active(active, &n->rows->at[i]);
	n->changes = json_array_size(changes);
	n->active = json_array_size(active);
	identify(n, changes);
	CLEANUP(mem_free_ptr)
	char *summary = n->test ? mem_strdup("test") : summary_of(changes, n->active);
	CLEANUP(mem_free_ptr) char *text = text_of(n, summary, changes);
	json_put_string(o, "format", ALERT_FORMAT);
	json_put_u64(o, "version", ALERT_VERSION);
	json_put_string(o, "id", n->id);
	json_put_string(o, "alert", n->alert->name);
	json_put_string(o, "place", n->place);
	json_put_time(o, "time", n->now_s);
	json_put_bool(o, "test", n->test);
	json_put_string(o, "summary", summary);
	json_put(o, "changes", STEAL(changes));
	json_put(o, "active", STEAL(active));
	json_put_string(o, "text", text);
}
