/* Random downloads in any order, over several imports, are compared with a count of their own that
 * knows everything at once. */
#include "unit.h"

#include "stats/import.h"
#include "stats/known.h"
#include "stats/session.h"
#include "stats/tables.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

#define DAYS 3
#define DAY0 20000 /* since 1970 */
#define OBJECTS 3
#define MAX_SIZE 1000
#define CLIENTS 6
#define REQUESTS 400

/* -- a world ---------------------------------------------------------------------------------- */

struct sent {
	int64_t time_s;
	unsigned object, client, status;
	bool has_range;
	uint64_t first, bytes;
};

struct world {
	char *dir, *path;
	struct db *db;
	uint64_t seed, size[OBJECTS];
	struct sent at[REQUESTS];
	int64_t now_s;
	struct clock clock;
};

static uint64_t chance(struct world *w, uint64_t below)
{
	w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
	return (w->seed >> 33) % below;
}

static int64_t wall(void *ctx)
{
	return ((struct world *)ctx)->now_s;
}

static const char *digest_text(unsigned object)
{
	static char hex[DIGEST_HEX];
	struct digest d;
	memset(&d, 0x10 + (int)object, sizeof d);
	return digest_hex(hex, &d);
}

static void learn(struct world *w)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	CLEANUP(catalog_release) struct catalog c = { 0 };
	struct err e = ERR_INIT;
	uint64_t added = 0;
	buf_adds(&text, "{\"format\":\"model-ferry-catalog\",\"version\":1,\"name\":\"lab\","
			"\"updated\":\"2026-01-01T00:00:00Z\",\"mirrors\":[],\"models\":[");
	for (unsigned i = 0; i < OBJECTS; i++)
		buf_addf(&text,
			 "%s{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m%u\","
			 "\"license\":{\"id\":\"MIT\"},\"variants\":[{\"id\":\"q8_0\",\"files\":["
			 "{\"path\":\"models/m%u/m.gguf\",\"size\":%llu,\"sha256\":\"%s\"}]}]}",
			 i ? "," : "", i, i, (unsigned long long)w->size[i], digest_text(i));
	buf_adds(&text, "]}");
	assert_ok(catalog_parse(text.data, text.len, "catalog.json", &c, &e), &e);
	assert_ok(db_begin(w->db, &e), &e);
	assert_ok(stats_known_learn(w->db, &c, &added, &e), &e);
	assert_ok(db_commit(w->db, &e), &e);
	assert_int_equal(added, OBJECTS);
}

static void world_open(struct world *w, uint64_t seed)
{
	struct err e = ERR_INIT;
	*w = (struct world){ .seed = seed };
	w->clock = (struct clock){ .wall_s = wall, .ctx = w };
	w->dir = scratch_new();
	w->path = path_join(w->dir, "ops.db");
	assert_ok(db_open(w->path, NULL, &w->db, &e), &e);
	assert_ok(stats_tables_upgrade(w->db, &e), &e);
	for (unsigned i = 0; i < OBJECTS; i++)
		w->size[i] = 1 + chance(w, MAX_SIZE);
	learn(w);
}

static void world_close(struct world *w)
{
	db_close(w->db);
	scratch_free(w->dir);
	free(w->path);
}

static void invent_range(struct world *w, struct sent *s)
{
	uint64_t size = w->size[s->object];
	s->has_range = true;
	s->first = chance(w, 2) ? 0 : chance(w, size);
	s->bytes = chance(w, 3) ? size - s->first : 1 + chance(w, size - s->first);
	s->status = s->first || chance(w, 2) ? 206 : 200;
}

static void invent(struct world *w)
{
	for (size_t i = 0; i < REQUESTS; i++) {
		struct sent *s = &w->at[i];
		*s = (struct sent){
			.time_s = DAY0 * 86400 + (int64_t)chance(w, DAYS * 86400),
			.object = (unsigned)chance(w, OBJECTS),
			.client = (unsigned)chance(w, CLIENTS),
		};
		/* Around midnight, and in bursts. */
		if (i && chance(w, 3) == 0) {
			*s = w->at[i - 1];
			s->time_s += (int64_t)chance(w, 3);
		} else if (chance(w, 4) == 0) {
			s->time_s = (s->time_s / 86400 + 1) * 86400 - 2 + (int64_t)chance(w, 4);
		}
		s->time_s = MIN(s->time_s, (DAY0 + DAYS) * 86400 - 1);
		s->has_range = false;
		s->first = s->bytes = 0;
		switch (chance(w, 6)) {
		case 0:
			s->status = 404;
			break;
		case 1: /* which bytes is not known */
			s->status = 206;
			s->bytes = chance(w, w->size[s->object] + 1);
			break;
		default:
			invent_range(w, s);
		}
	}
}

/* -- what is true ----------------------------------------------------------------------------- */

static unsigned truth[DAYS + 2][OBJECTS][STATS_OUTCOMES];
static uint64_t truth_bytes;

static int by_time(const void *x, const void *y)
{
	const struct sent *const *a = x, *const *b = y;
	return (*a)->time_s < (*b)->time_s ? -1 : (*a)->time_s > (*b)->time_s;
}

static void judge(const struct world *w, struct sent **at, size_t count)
{
	uint8_t have[MAX_SIZE] = { 0 };
	uint64_t size = w->size[at[0]->object], sum = 0, got = 0;
	int64_t ok = -1, failed = -1;
	for (size_t i = 0; i < count; i++) {
		if (at[i]->status >= 400)
			failed = at[i]->time_s;
		else
			ok = at[i]->time_s;
		if (at[i]->status >= 400)
			continue;
		if (at[i]->has_range)
			memset(have + at[i]->first, 1, at[i]->bytes);
		else
			sum += at[i]->bytes;
	}
	for (size_t i = 0; i < size; i++)
		got += have[i];
	got = MIN(got + sum, size);
	unsigned *row = truth[at[0]->time_s / 86400 - DAY0][at[0]->object];
	if (100 * got >= 99 * size)
		row[STATS_COMPLETE]++;
	else if (failed > ok)
		row[STATS_FAILURE]++;
	else if (got)
		row[STATS_PARTIAL]++;
	else
		return;
	truth_bytes += got;
}

static void count_truth(struct world *w)
{
	struct sent *at[REQUESTS];
	memset(truth, 0, sizeof truth);
	truth_bytes = 0;
	for (unsigned object = 0; object < OBJECTS; object++)
		for (unsigned client = 0; client < CLIENTS; client++) {
			size_t count = 0;
			for (size_t i = 0; i < REQUESTS; i++)
				if (w->at[i].object == object && w->at[i].client == client)
					at[count++] = &w->at[i];
			qsort(at, count, sizeof *at, by_time);
			for (size_t i = 0, end; i < count; i = end) {
				end = i;
				while (end < count && at[end]->time_s < at[i]->time_s + 86400)
					end++;
				judge(w, at + i, end - i);
			}
		}
}

/* -- importing -------------------------------------------------------------------------------- */

/* Even clients have a token, and an address for each mirror; two of the others share an agent, and
 * two an IPv6 network. */
static void send_one(struct world *w, struct stats_import *i, const struct sent *s)
{
	static const char *const agents[CLIENTS] = {
		"ferry/1.0 (fetch; t=0000000000000001)", "curl/8.0",
		"ferry/1.0 (fetch; t=0000000000000002)", "curl/8.0",
		"ferry/1.0 (fetch; t=ffffffffffffffff)", "Wget/1.21",
	};
	static const char *const addresses[CLIENTS][2] = {
		{ "192.0.2.1", "192.0.2.2" },   { "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1", "2001:db8::1" }, { "192.0.2.2", "192.0.2.2" },
		{ "192.0.2.9", "192.0.2.9" },   { "2001:db8::1", "2001:db8::2:1" },
	};
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/x/targets/models/m%u/%s.m.gguf", s->object,
				digest_text(s->object));
	const char *address = addresses[s->client][chance(w, 2)], *agent = agents[s->client];
	const struct request r = {
		.time_s = s->time_s,
		.status = s->status,
		.path = { path, strlen(path) },
		.address = { address, strlen(address) },
		.agent = { agent, strlen(agent) },
		.bytes = s->status >= 400 ? 153 : s->bytes,
		.has_range = s->has_range,
		.first = s->first,
		.last = s->first + s->bytes - 1,
	};
	struct err e = ERR_INIT;
	struct log_sink sink = stats_import_sink(i);
	assert_ok(sink.request(sink.ctx, &r, &e), &e);
}

static size_t position(const struct log_sink *sink)
{
	char value[LOG_MARK_VALUE];
	struct err e = ERR_INIT;
	int rc = sink->mark_get(sink->ctx, "position", value, &e);
	assert_true(rc >= 0);
	return rc ? (size_t)strtoul(value, NULL, 10) : 0;
}

static void settle(const struct log_sink *sink, size_t at)
{
	const struct log_counts none = { 0 };
	struct err e = ERR_INIT;
	char value[LOG_MARK_VALUE];
	snprintf(value, sizeof value, "%zu", at);
	assert_ok(sink->mark_put(sink->ctx, "position", value, &e), &e);
	assert_ok(sink->settled(sink->ctx, "log", &none, &e), &e);
}

/* Reads on where the last import got to, in this order, but not behind `until`; if it is killed,
 * what was not written is lost. */
static void import(struct world *w, const size_t *order, size_t until, bool killed)
{
	const struct stats_import_options o = { .batch = 1 + chance(w, 60), .clock = &w->clock };
	struct stats_import_result result;
	struct stats_import *i;
	struct err e = ERR_INIT;
	assert_ok(stats_import_open(w->db, &o, &i, &e), &e);
	assert_ok(stats_import_mirror(i, chance(w, 2) ? "eu" : "us", &e), &e);
	struct log_sink sink = stats_import_sink(i);
	for (size_t k = position(&sink); k < until;) {
		send_one(w, i, &w->at[order[k++]]);
		if (chance(w, 5) == 0 || (k == until && !killed))
			settle(&sink, k);
	}
	if (!killed)
		assert_ok(stats_import_finish(i, &result, &e), &e);
	stats_import_close(i);
}

/* whole: no import ends before the last. */
static void import_all(struct world *w, bool whole)
{
	size_t order[REQUESTS];
	for (size_t i = 0; i < REQUESTS; i++)
		order[i] = i;
	for (size_t i = REQUESTS - 1; i > 0; i--) {
		size_t other = chance(w, i + 1), held = order[i];
		order[i] = order[other];
		order[other] = held;
	}
	for (int i = 0; i < 5; i++)
		import(w, order, chance(w, REQUESTS), whole || chance(w, 2));
	import(w, order, REQUESTS, false);
}

static void compare(struct world *w, bool live)
{
	struct db_statement *s;
	struct err e = ERR_INIT;
	unsigned count[DAYS + 2][OBJECTS][STATS_OUTCOMES] = { 0 };
	uint64_t bytes = 0;
	int rc;
	assert_ok(db_prepare(w->db,
			     "SELECT day, object, outcome, downloads, bytes, live "
			     "FROM stats_download",
			     &s, &e),
		  &e);
	while ((rc = db_step(s, &e)) > 0) {
		assert_int_equal(db_i64(s, 5), live);
		assert_in_range(db_i64(s, 2), 0, STATS_OUTCOMES - 1);
		count[db_i64(s, 0) - DAY0][db_i64(s, 1) - 1][db_i64(s, 2)] += (unsigned)db_i64(s,
											       3);
		bytes += (uint64_t)db_i64(s, 4);
	}
	assert_ok(rc, &e);
	for (unsigned d = 0; d < DAYS + 2; d++)
		for (unsigned o = 0; o < OBJECTS; o++)
			for (unsigned k = 0; k < STATS_OUTCOMES; k++)
				if (count[d][o][k] != truth[d][o][k])
					fail_msg("day %u, object %u, outcome %u: %u, but %u are "
						 "true",
						 d, o, k, count[d][o][k], truth[d][o][k]);
	assert_int_equal(bytes, truth_bytes);
}

static void try_order(uint64_t seed, int64_t now_s, bool live)
{
	struct world w;
	world_open(&w, seed);
	invent(&w);
	count_truth(&w);
	w.now_s = now_s;
	import_all(&w, !live);
	compare(&w, live);
	/* The salts are destroyed, and it is the same. */
	w.now_s += 30 * 86400;
	import(&w, NULL, 0, false);
	compare(&w, false);
	world_close(&w);
}

static void any_order_of_requests_and_imports_gives_the_true_sessions(void **state)
{
	(void)state;
	/* All windows have ended, and no salt is due. */
	for (uint64_t seed = 1; seed <= 12; seed++)
		try_order(seed, (DAY0 + DAYS + 1) * 86400 - 1, true);
}

static void old_logs_are_counted_as_if_they_had_come_in_time(void **state)
{
	(void)state;
	for (uint64_t seed = 21; seed <= 32; seed++)
		try_order(seed, (DAY0 + 1000) * 86400, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_requests_and_imports_gives_the_true_sessions),
		cmocka_unit_test(old_logs_are_counted_as_if_they_had_come_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
