#include "serve/events.h"

#include "fake_clock.h"
#include "unit.h"

#include <string.h>

struct room {
	struct fake_clock clock;
	struct events *events;
};

static void room_new(struct room *r)
{
	fake_clock_init(&r->clock);
	r->events = events_new(&r->clock.clock, NULL);
}

static void read_all(struct route_stream *s, char *out, size_t size)
{
	int64_t n;
	size_t used = 0;
	/* Few at a time, as if the connection were slow. */
	while ((n = s->read(s, out + used, MIN(size - 1 - used, 7))) > 0)
		used += (size_t)n;
	out[used] = '\0';
}

static void note(void *ctx)
{
	++*(int *)ctx;
}

static void a_reader_gets_what_comes_from_now_on_whole(void **state)
{
	struct room r;
	char text[1024];
	(void)state;
	room_new(&r);
	events_tell(r.events, "release", json_object());
	struct route_stream *s = events_read(r.events, NULL);
	read_all(s, text, sizeof text);
	assert_string_equal(text, ":\n\n");
	json_t *data = json_object();
	json_put_string(data, "text", "a\nb");
	events_tell(r.events, "release", data);
	read_all(s, text, sizeof text);
	assert_non_null(strstr(text, "\nevent: release\ndata: {"));
	assert_non_null(strstr(text, "a\\nb"));
	assert_string_equal(text + strlen(text) - 3, "}\n\n");
	s->free(s);
	events_free(r.events);
}

static void a_reader_who_waits_is_woken_once_and_not_after_it_left(void **state)
{
	struct room r;
	char text[64];
	int woken = 0;
	(void)state;
	room_new(&r);
	struct route_stream *s = events_read(r.events, NULL), *gone = events_read(r.events, NULL);
	read_all(s, text, sizeof text);
	read_all(gone, text, sizeof text);
	s->wait(s, note, &woken);
	gone->wait(gone, note, &woken);
	gone->forget(gone);
	events_tell(r.events, "release", json_object());
	events_tell(r.events, "release", json_object());
	assert_int_equal(woken, 1);
	s->wait(s, note, &woken); /* there is something */
	assert_int_equal(woken, 2);
	s->free(s);
	gone->free(gone);
	events_free(r.events);
}

static void a_slow_reader_is_told_that_it_lost_some_and_goes_on(void **state)
{
	struct room r;
	static char text[64 * KIB];
	(void)state;
	room_new(&r);
	struct route_stream *s = events_read(r.events, NULL);
	read_all(s, text, sizeof text);
	for (size_t i = 0; i < EVENTS_KEPT + 1; i++)
		events_tell(r.events, "release", json_object());
	read_all(s, text, sizeof text);
	assert_memory_equal(text, "event: lost\n", strlen("event: lost\n"));
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, "event: release")); at++)
		count++;
	assert_int_equal(count, EVENTS_KEPT);
	s->free(s);
	events_free(r.events);
}

static void readers_are_bounded_and_hear_the_end(void **state)
{
	struct room r;
	struct route_stream *all[EVENTS_READERS];
	char text[64];
	int woken = 0;
	(void)state;
	room_new(&r);
	for (size_t i = 0; i < EVENTS_READERS; i++)
		assert_non_null(all[i] = events_read(r.events, NULL));
	assert_null(events_read(r.events, NULL));
	read_all(all[0], text, sizeof text);
	all[0]->wait(all[0], note, &woken);
	events_end(r.events);
	assert_int_equal(woken, 1);
	assert_int_equal(all[0]->read(all[0], text, sizeof text), -1);
	for (size_t i = 0; i < EVENTS_READERS; i++)
		all[i]->free(all[i]);
	events_free(r.events);
}

static void work_is_told_with_its_begin_and_its_end(void **state)
{
	struct room r;
	char text[2048];
	(void)state;
	room_new(&r);
	struct route_stream *s = events_read(r.events, NULL);
	struct report *report = events_report(r.events);
	report_begin(report, "object", 100, 0);
	report_advance(report, "object", 40); /* within the same second */
	report_end(report, "object", false);
	report_warn(report, "mirror %s is slow", "a");
	read_all(s, text, sizeof text);
	assert_non_null(strstr(text, "\"begun\""));
	assert_null(strstr(text, "\"progress\""));
	assert_non_null(strstr(text, "\"failed\""));
	assert_non_null(strstr(text, "\"bytes\":40"));
	assert_non_null(strstr(text, "event: warning\n"));
	assert_non_null(strstr(text, "mirror a is slow"));
	s->free(s);
	events_free(r.events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_gets_what_comes_from_now_on_whole),
		cmocka_unit_test(a_reader_who_waits_is_woken_once_and_not_after_it_left),
		cmocka_unit_test(a_slow_reader_is_told_that_it_lost_some_and_goes_on),
		cmocka_unit_test(readers_are_bounded_and_hear_the_end),
		cmocka_unit_test(work_is_told_with_its_begin_and_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
