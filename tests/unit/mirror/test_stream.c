/* A request whose body arrives piece by piece: the request is a function that reads the body as
 * libcurl would, or as it would after a fault. */
#include "mirror/stream.h"

#include "canned.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/mem.h"

#include <stdatomic.h>
#include <unistd.h>

#define PIECE ((size_t)400000)
#define LAST 1000
#define SIZE (2 * PIECE + LAST)

struct world {
	struct mirror_mem *store;
	struct mirror *m;
	struct mirror_upload *u;
	struct mirror_stream *s;
	uint8_t *bytes, *arrived;
	struct digest pieces[3];
	struct report report;
	atomic_llong told;
	atomic_uint again;
	bool no_again;

	/* What the request does. */
	unsigned fails;    /* so many times, */
	uint64_t fails_at; /* after so many bytes */
	bool early;        /* reports success then */
	bool rewinds;      /* reads the first bytes twice, as after a redirect */
	atomic_uint sends;
	const char *url; /* sends a real one instead */
};

static void on_event(struct report *r, const struct report_event *event)
{
	struct world *w = (struct world *)((char *)r - offsetof(struct world, report));
	if (event->kind == REPORT_ADVANCE)
		w->told += event->bytes;
}

static int read_again(void *ctx, uint32_t piece, void *data, struct err *e)
{
	struct world *w = ctx;
	(void)e;
	w->again++;
	memcpy(data, w->bytes + piece * PIECE, piece == 2 ? LAST : PIECE);
	return 0;
}

static int send_real(struct world *w, struct mirror_stream *s, struct http_client *client,
		     struct err *e)
{
	struct http_request q = { .method = "PUT", .url = w->url };
	mirror_stream_body(s, &q);
	return http_perform(client, &q, NULL, e);
}

static int send(void *ctx, struct mirror_stream *s, struct http_client *client, struct err *e)
{
	struct world *w = ctx;
	struct http_request q = { 0 };
	bool fails = w->sends++ < w->fails;
	int rc = 0;
	if (w->url)
		return send_real(w, s, client, e);
	mirror_stream_body(s, &q);
	assert_int_equal(q.body_size, SIZE);
	uint64_t end = fails || w->early ? w->fails_at : SIZE;
	if (w->rewinds) {
		rc = q.read_at(q.body_ctx, 0, w->arrived, PIECE + 1, e);
		mirror_stream_body(s, &q);
	}
	for (uint64_t at = 0; rc == 0 && at < end;) {
		size_t n = (size_t)MIN(300000, end - at);
		rc = q.read_at(q.body_ctx, at, w->arrived + at, n, e);
		if (rc == 0)
			q.body_sent(q.body_ctx, (int64_t)n);
		at += n;
	}
	return rc < 0 || !fails ? rc : err_set(e, ERR_NETWORK, "the connection was lost");
}

static int setup(void **state)
{
	struct world *w = NEW(struct world);
	w->bytes = mem_alloc(SIZE);
	w->arrived = mem_alloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		w->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	w->store = mirror_mem_new();
	w->m = mirror_mem_open(w->store, "m");
	w->report.emit = on_event;
	*state = w;
	return 0;
}

static void begin(struct world *w)
{
	struct err e = ERR_INIT;
	struct mirror_put how = { .pieces = w->pieces, .report = &w->report, .task = "put" };
	how.grid = (struct grid){ .size = SIZE, .piece_length = PIECE, .count = 3 };
	how.again = w->no_again ? NULL : read_again;
	how.again_ctx = w;
	assert_ok(mirror_upload_open(w->m, "targets/a", &how, &w->u, &e), &e);
	struct mirror_stream_how stream = { .upload = w->u, .count = 3, .send = send, .ctx = w };
	w->s = mirror_stream_new(&stream);
}

static int teardown(void **state)
{
	struct world *w = *state;
	mirror_stream_free(w->s);
	mirror_upload_close(w->u);
	mirror_close(w->m);
	mirror_mem_free(w->store);
	free(w->bytes);
	free(w->arrived);
	free(w);
	return 0;
}

/* As a caller does that retries; how often it had to is added to *errors. */
static void put(struct world *w, uint32_t piece, unsigned *errors)
{
	size_t len = piece == 2 ? LAST : PIECE;
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(len);
	memcpy(data, w->bytes + piece * PIECE, len);
	for (;; ++*errors) {
		struct err e = ERR_INIT;
		if (mirror_stream_put(w->s, piece, data, &e) == 0)
			break;
		assert_int_equal(e.class, ERR_NETWORK);
		assert_true(*errors < 10);
	}
	mem_wipe(data, len); /* whoever still reads it sees zeros */
}

static void finish(struct world *w, unsigned *errors)
{
	for (;; ++*errors) {
		struct err e = ERR_INIT;
		if (mirror_stream_finish(w->s, &e) == 0)
			break;
		assert_int_equal(e.class, ERR_NETWORK);
		assert_true(*errors < 10);
	}
	assert_memory_equal(w->arrived, w->bytes, SIZE);
	assert_int_equal(w->told, SIZE);
}

static unsigned put_all(struct world *w)
{
	unsigned errors = 0;
	begin(w);
	for (uint32_t i = 0; i < 3; i++)
		put(w, i, &errors);
	finish(w, &errors);
	return errors;
}

static void pieces_arrive_as_one_body(void **state)
{
	struct world *w = *state;
	assert_int_equal(put_all(w), 0);
	assert_int_equal(w->again, 0);
	assert_int_equal(w->sends, 1);
}

static void nothing_is_sent_before_the_first_piece(void **state)
{
	struct world *w = *state;
	begin(w);
	mirror_stream_free(STEAL(w->s));
	assert_int_equal(w->sends, 0);
}

static void a_request_that_fails_begins_anew_with_the_pieces_before(void **state)
{
	static const uint64_t at[] = { 0, 1, PIECE, PIECE + 5, 2 * PIECE, SIZE - 1, SIZE };
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		w->fails = 2;
		w->fails_at = at[i];
		w->told = 0;
		w->sends = 0;
		memset(w->arrived, 0, SIZE);
		assert_int_equal(put_all(w), 2);
		assert_int_equal(w->sends, 3);
		mirror_stream_free(STEAL(w->s));
		mirror_upload_close(STEAL(w->u));
	}
}

static void the_body_can_be_read_from_the_start_again(void **state)
{
	struct world *w = *state;
	w->rewinds = true;
	assert_int_equal(put_all(w), 0);
	assert_int_equal(w->again, 1); /* of the second piece, one byte was read */
}

static void without_a_second_reading_a_lost_request_is_an_error(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	unsigned errors = 0;
	w->no_again = true;
	w->fails = 1;
	w->fails_at = PIECE + 1;
	begin(w);
	put(w, 0, &errors);
	assert_int_equal(mirror_stream_put(w->s, 1, w->bytes + PIECE, &e), -ERR_NETWORK);
	err_clear(&e);
	assert_int_equal(mirror_stream_put(w->s, 1, w->bytes + PIECE, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "cannot be repeated"));
	assert_int_equal(w->told, 0);
}

static void a_success_before_the_end_of_the_body_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	w->early = true;
	w->fails_at = PIECE;
	begin(w);
	int rc = mirror_stream_put(w->s, 0, w->bytes, &e);
	if (rc == 0)
		rc = mirror_stream_put(w->s, 1, w->bytes + PIECE, &e);
	assert_int_equal(rc, -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "before it had received everything"));
}

static void freeing_ends_a_request_that_waits_for_pieces(void **state)
{
	struct world *w = *state;
	unsigned errors = 0;
	begin(w);
	put(w, 0, &errors);
	mirror_stream_free(STEAL(w->s));
	assert_int_equal(errors, 0);
	assert_true(w->told <= 0); /* nothing counts as sent */
}

static void a_real_request_sends_the_pieces_with_their_length(void **state)
{
	static const struct canned script[] = {
		{ .want = "Content-Length: 801000",
		  .reply = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" },
		{ .want = "Content-Length: 801000",
		  .reply = "HTTP/1.1 201 Yes\r\nContent-Length: 0\r\n\r\n" },
	};
	struct world *w = *state;
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	unsigned errors = 0;
	w->url = canned_url(server);
	begin(w);
	for (uint32_t i = 0; i < 3; i++)
		put(w, i, &errors);
	memcpy(w->arrived, w->bytes, SIZE);
	finish(w, &errors);
	assert_int_equal(errors, 1);
	canned_stop(server);
}

static void freeing_ends_a_request_whose_answer_does_not_come(void **state)
{
	static const struct canned script[] = {
		{ .want = "PUT / ", .reply = "", .then = CANNED_STALL }
	};
	struct world *w = *state;
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	unsigned errors = 0;
	w->url = canned_url(server);
	begin(w);
	for (uint32_t i = 0; i < 3; i++)
		put(w, i, &errors);
	while (canned_served(server) == 0)
		usleep(1000);
	mirror_stream_free(STEAL(w->s));
	assert_int_equal(errors, 0);
	assert_int_equal(w->told, 0);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pieces_arrive_as_one_body, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_sent_before_the_first_piece, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_request_that_fails_begins_anew_with_the_pieces_before, setup, teardown),
		cmocka_unit_test_setup_teardown(the_body_can_be_read_from_the_start_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(without_a_second_reading_a_lost_request_is_an_error,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_success_before_the_end_of_the_body_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(freeing_ends_a_request_that_waits_for_pieces, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_real_request_sends_the_pieces_with_their_length,
						setup, teardown),
		cmocka_unit_test_setup_teardown(freeing_ends_a_request_whose_answer_does_not_come,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
