/* What edges tell each other, and who of them fetches a piece. */
#include "serve/cache/peers.h"
#include "serve/cache/peers_srv.h"
#include "serve/cache/fleet.h"
#include "canned.h"
#include "fake_clock.h"
#include "unit.h"
#include "util/mem.h"

#include <resolv.h>
#include <sched.h>

static const char all_of_three[] =
	"{\"edge\":\"0123456789abcdef\",\"flying\":\"00\",\"have\":\"e0\",\"pieces\":3}";

static void what_is_written_is_read(void **state)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT(8), flying = BUF_INIT(8);
	CLEANUP(buf_release) struct buf out = BUF_INIT(PEERS_ANSWER_MAX);
	struct err e = ERR_INIT;
	struct peers_have h;
	(void)state;
	buf_add(&have, "\xa0\x40", 2);
	buf_add(&flying, "\x00\x80", 2);
	assert_ok(peers_have_write(0x0123456789abcdef, 10, &have, &flying, &out, &e), &e);
	assert_true(peers_have_parse(buf_str(&out), out.len, 10, &h));
	assert_true(h.edge == 0x0123456789abcdef);
	assert_int_equal(h.count, 10);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(peers_bit(h.have, i), i == 0 || i == 2 || i == 9);
		assert_int_equal(peers_bit(h.flying, i), i == 8);
	}
}

/* A map of the largest file fits. */
static void the_largest_answer_is_not_too_large(void **state)
{
	static unsigned char full[PEERS_MAP];
	CLEANUP(buf_release) struct buf map = BUF_INIT(PEERS_MAP), out = BUF_INIT(PEERS_ANSWER_MAX);
	struct err e = ERR_INIT;
	struct peers_have h;
	(void)state;
	memset(full, 0xff, sizeof full);
	buf_add(&map, full, sizeof full);
	assert_ok(peers_have_write(1, GRID_MAX_PIECES, &map, &map, &out, &e), &e);
	assert_true(peers_have_parse(buf_str(&out), out.len, GRID_MAX_PIECES, &h));
	assert_false(peers_have_parse(buf_str(&out), out.len, GRID_MAX_PIECES + 8, &h));
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"edge\":\"0123456789abcdef\",\"flying\":\"00\",\"have\":\"e0\",\"pieces\":4}",
		"{\"edge\":\"0123456789abcdef\",\"flying\":\"00\",\"have\":\"f0\",\"pieces\":3}",
		"{\"edge\":\"0123456789abcdef\",\"flying\":\"00\",\"have\":\"e000\",\"pieces\":3}",
		"{\"edge\":\"0123456789abcdeg\",\"flying\":\"00\",\"have\":\"e0\",\"pieces\":3}",
		"{\"edge\":12,\"flying\":\"00\",\"have\":\"e0\",\"pieces\":3}",
		"{\"edge\":\"0123456789abcdef\",\"have\":\"e0\",\"pieces\":3}",
	};
	struct peers_have h;
	(void)state;
	assert_true(peers_have_parse(all_of_three, strlen(all_of_three), 3, &h));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(peers_have_parse(bad[i], strlen(bad[i]), 3, &h));
	assert_false(peers_have_parse(all_of_three, strlen(all_of_three), 4, &h));
}

static void each_edge_gets_about_the_same_part(void **state)
{
	enum { EDGES = 3, PIECES = 3000 };
	struct digest d = { .bytes = { 7 } };
	unsigned parts[EDGES] = { 0 }, moved = 0;
	(void)state;
	for (uint32_t i = 0; i < PIECES; i++) {
		uint64_t best = 0, without = 0;
		for (uint64_t k = 1; k < EDGES; k++) {
			best = fleet_weight(k, &d, i) > fleet_weight(best, &d, i) ? k : best;
			if (k < EDGES - 1 && fleet_weight(k, &d, i) > fleet_weight(without, &d, i))
				without = k;
		}
		parts[best]++;
		/* When the last one leaves, only its pieces move. */
		moved += best != EDGES - 1 && best != without;
	}
	for (size_t k = 0; k < EDGES; k++)
		assert_in_range(parts[k], PIECES / EDGES * 9 / 10, PIECES / EDGES * 11 / 10);
	assert_int_equal(moved, 0);
}

/* The start of a record (RFC 1035, section 4.1.3): the name of the question, SRV, IN, a minute. */
#define SRV "\xc0\x0c\0\x21\0\1\0\0\0\x3c"

static void names_of_dns_become_urls(void **state)
{
	static const unsigned char answer[] =
		"\0\1\x81\x80\0\1\0\3\0\0\0\0\4edge\0\0\x21\0\1" /* one question, three answers */
		SRV "\0\x0a\0\0\0\0\x21\x20\1a\xc0\x0c"          /* port 8480, "a.edge" */
		SRV "\0\x09\0\0\0\0\x01\xbb\1b\0"                /* port 443, "b" */
		SRV "\0\x09\0\0\0\0\x01\xbb\1@";                 /* no host; ends with 0 */
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	struct err e = ERR_INIT;
	(void)state;
	assert_ok(peers_srv_parse(answer, sizeof answer, &urls, &e), &e);
	assert_int_equal(urls.count, 2);
	assert_string_equal(urls.at[0], "http://a.edge:8480");
	assert_string_equal(urls.at[1], "https://b:443");
	assert_int_equal(peers_srv_parse(answer, sizeof answer - 5, &urls, &e), -ERR_INTEGRITY);
}

static void peers_are_known_by_their_urls(void **state)
{
	char first[] = "http://127.0.0.1:1/", second[] = "http://127.0.0.1:2",
	     *urls[] = { first, second };
	const struct str_list list = { urls, 2, 2 };
	static const struct mirror_ops *const kinds[] = { NULL };
	struct err e = ERR_INIT;
	CLEANUP_PTR(peers_free) struct peers *p = NULL;
	CLEANUP(source_list_release) struct source_list sources = { .kinds = kinds };
	const struct peers_options o = { .urls = &list, .kinds = kinds };
	unsigned known, up;
	(void)state;
	assert_ok(peers_new(&o, &p, &e), &e);
	peers_count(p, &known, &up);
	assert_int_equal(known, 2);
	assert_int_equal(up, 0);
	peers_add_sources(p, "demo", &sources);
	assert_int_equal(sources.count, 2);
	assert_true(sources.at[0]->peer);
	assert_string_equal(sources.at[0]->url, "http://127.0.0.1:1/demo");
	assert_non_null(peers_of(p, sources.at[1]));
	assert_ptr_not_equal(peers_of(p, sources.at[0]), peers_of(p, sources.at[1]));
	char bad[] = "no url";
	urls[0] = bad;
	struct peers *none = NULL;
	assert_int_equal(peers_new(&o, &none, &e), -ERR_USAGE);
}

/* -- peers that answer ------------------------------------------------------------------------- */

static unsigned named_port;

/* Stands in for the C library's: one record, localhost and the port. */
int res_nquery(res_state state, const char *name, int class, int type, unsigned char *answer,
	       int len)
{
	unsigned char record[] = { 0,   1,   0x81, 0x80, 0,   0,   0,   1,   0, 0, 0,
				   0,   1,   'x',  0,    0,   33,  0,   1,   0, 0, 0,
				   60,  0,   17,   0,    0,   0,   0,   0,   0, 9, 'l',
				   'o', 'c', 'a',  'l',  'h', 'o', 's', 't', 0 };
	(void)state;
	assert_string_equal(name, "_ferry._tcp.example");
	assert_int_equal(class, 1);
	assert_int_equal(type, 33);
	assert_true((size_t)len >= sizeof record);
	record[29] = (unsigned char)(named_port >> 8);
	record[30] = (unsigned char)named_port;
	memcpy(answer, record, sizeof record);
	return sizeof record;
}

static void the_key_goes_to_configured_peers_only(void **state)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n"
				    "{\"edge\":\"0123456789abcdef\",\"flying\":\"00\","
				    "\"have\":\"e0\",\"pieces\":3}";
	static const struct canned known[] = { { "Authorization: Bearer ferry_x_y\r\n", NULL, reply,
						 0, CANNED_CLOSE } };
	static const struct canned named[] = { { "Ferry-Peer: 1\r\n", "Authorization", reply, 0,
						 CANNED_CLOSE } };
	struct canned_server *a = canned_start(known, 1), *b = canned_start(named, 1);
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	CLEANUP(source_list_release) struct source_list sources = { 0 };
	CLEANUP_PTR(peers_free) struct peers *p = NULL;
	static const struct mirror_ops *const kinds[] = { NULL };
	struct err e = ERR_INIT;
	struct digest d = { .bytes = { 1 } };
	unsigned count = 0, up = 0;
	(void)state;
	named_port = canned_port(b);
	str_list_add(&urls, canned_url(a));
	const struct peers_options o = {
		.urls = &urls, .srv = "_ferry._tcp.example", .key = "ferry_x_y", .kinds = kinds
	};
	assert_ok(peers_new(&o, &p, &e), &e);
	while (count < 2) {
		sched_yield();
		peers_count(p, &count, &up);
	}
	sources.kinds = kinds;
	peers_add_sources(p, "demo", &sources);
	assert_int_equal(sources.count, 2);
	struct peers_asker *asker = peers_asker_new(p);
	for (size_t i = 0; i < 2; i++) {
		struct peers_have h;
		assert_int_equal(peers_ask(asker, peers_of(p, sources.at[i]), &d, 3, &h),
				 PEERS_ANSWER);
		assert_true(peers_bit(h.have, 2));
	}
	peers_count(p, &count, &up);
	assert_int_equal(up, 2);
	peers_asker_free(asker);
	canned_stop(a);
	canned_stop(b);
}

/* -- who fetches what -------------------------------------------------------------------------- */

enum { PIECES = 1000 };

struct fleet_test {
	char map[PIECES / 4 + 1], flying[PIECES / 4 + 1], reply[2048];
	struct canned answers[2];
	struct canned_server *server;
	struct str_list urls;
	struct fake_clock peers_clock, clock;
	struct source_list sources;
	struct peers *peers;
	struct source mirror;
	struct fleet *fleet;
};

/* Of a file that another edge is at: it has nothing, and the first piece is on its way there. It
 * says that once, and then nothing any more. */
static void begin_fleet(struct fleet_test *t)
{
	static const struct mirror_ops *const kinds[] = { NULL };
	struct err e = ERR_INIT;
	fake_clock_init(&t->clock);
	fake_clock_init(&t->peers_clock);
	memset(t->map, '0', sizeof t->map - 1);
	memset(t->flying, '0', sizeof t->flying - 1);
	t->flying[0] = '8';
	snprintf(t->reply, sizeof t->reply,
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n{\"edge\":\"0123456789abcdef\","
		 "\"flying\":\"%s\",\"have\":\"%s\",\"pieces\":%d}",
		 strlen(all_of_three) - 4 + 2 * (size_t)(PIECES / 4) + 3, t->flying, t->map,
		 PIECES);
	t->answers[0] = (struct canned){ NULL, NULL, t->reply, 0, CANNED_CLOSE };
	t->answers[1] = (struct canned){ NULL, NULL, "HTTP/1.1 200 OK\r\n", 0, CANNED_STALL };
	t->server = canned_start(t->answers, 2);
	str_list_add(&t->urls, canned_url(t->server));
	const struct peers_options o = { .urls = &t->urls,
					 .kinds = kinds,
					 .clock = &t->peers_clock.clock };
	assert_ok(peers_new(&o, &t->peers, &e), &e);
	t->sources.kinds = kinds;
	peers_add_sources(t->peers, "demo", &t->sources);
	t->sources.at[0]->objects = true;
	const struct fleet_what what = {
		.peers = t->peers,
		.grid = { PIECES * (8 * MIB), 8 * MIB, PIECES },
		.sources = &t->sources,
		.clock = &t->clock.clock,
	};
	t->fleet = fleet_begin(&what);
	assert_non_null(t->fleet);
}

static void end_fleet(struct fleet_test *t)
{
	while (canned_served(t->server) < ARRAY_LEN(t->answers))
		sched_yield();
	fleet_end(t->fleet);
	source_list_release(&t->sources);
	peers_free(t->peers);
	str_list_release(&t->urls);
	canned_stop(t->server);
}

/* Pieces from `first` on that the mirror may be asked for now, though no reader waits for them. */
static unsigned allowed(struct fleet_test *t, uint32_t first, uint32_t end)
{
	unsigned n = 0;
	for (uint32_t i = first; i < end; i++)
		n += fleet_may(t->fleet, &t->mirror, i, false);
	return n;
}

static void the_first_piece_of_a_fleet_has_the_line_for_itself(void **state)
{
	struct fleet_test t = { 0 };
	(void)state;
	begin_fleet(&t);
	assert_in_range(allowed(&t, 1, 4), 0, 3);
	assert_false(fleet_may(t.fleet, &t.mirror, 0, true));
	assert_int_equal(allowed(&t, 0, PIECES), 0);
	/* As soon as something is there, each edge begins its own pieces, but not those far ahead
	 * of the first that nobody has; */
	fleet_landed(t.fleet, 5);
	assert_int_equal(allowed(&t, FLEET_AHEAD * 2, PIECES), 0);
	for (uint32_t i = 0; i < 2 * PIECES / 4; i++)
		fleet_landed(t.fleet, i);
	assert_true(allowed(&t, PIECES / 2, PIECES / 2 + FLEET_AHEAD * 2) <= FLEET_AHEAD * 2);
	assert_int_equal(allowed(&t, PIECES / 2 + FLEET_AHEAD * 2, PIECES), 0);
	/* if that does not come, its own only. */
	t.clock.now_us += (FLEET_GAP_MS + 1) * 1000ULL;
	unsigned own = allowed(&t, PIECES / 2, PIECES);
	assert_in_range(own, PIECES / 8, PIECES * 3 / 8);
	end_fleet(&t);
}

static void what_a_busy_edge_said_is_believed_for_a_while(void **state)
{
	struct fleet_test t = { 0 };
	unsigned known, up;
	(void)state;
	begin_fleet(&t);
	do {
		sched_yield();
		peers_count(t.peers, &known, &up);
	} while (up);
	assert_false(fleet_may(t.fleet, &t.mirror, 0, true));
	t.clock.now_us += (FLEET_SILENT_MS + 1) * 1000ULL;
	while (!fleet_may(t.fleet, &t.mirror, 0, true))
		sched_yield();
	assert_int_equal(allowed(&t, 0, PIECES), PIECES);
	end_fleet(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_largest_answer_is_not_too_large),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(each_edge_gets_about_the_same_part),
		cmocka_unit_test(names_of_dns_become_urls),
		cmocka_unit_test(peers_are_known_by_their_urls),
		cmocka_unit_test(the_key_goes_to_configured_peers_only),
		cmocka_unit_test(the_first_piece_of_a_fleet_has_the_line_for_itself),
		cmocka_unit_test(what_a_busy_edge_said_is_believed_for_a_while),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
