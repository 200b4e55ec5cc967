#include "health/probe.h"

#include "canned.h"
#include "fake_clock.h"
#include "mirror/kinds.h"
#include "release.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <signal.h>
#include <stdio.h>

/* A release, and a mirror in memory that holds it. */
struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store;
	struct mirror *m;
	struct deadline d;
	struct probe_options o;
	struct probe_state state;
	struct probe p;
	struct err e;
};

static void put(struct world *w, const struct repository_file *f)
{
	CLEANUP(mem_free_ptr) char *path = path_join(w->t.dir, f->key);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(64 * MIB);
	assert_ok(file_read_all(path, &bytes, &w->e), &w->e);
	mirror_mem_set(w->store, f->key, bytes.data, bytes.len);
}

static void hold_all(struct world *w)
{
	w->store = mirror_mem_new();
	for (size_t i = 0; i < w->t.files.count; i++)
		put(w, &w->t.files.at[i]);
	w->m = mirror_mem_open(w->store, "a");
	w->o = (struct probe_options)PROBE_OPTIONS;
	deadline_start(&w->d, 0, NULL, NULL);
}

static struct world *world_new(void)
{
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	release_make(w->dir, 7, false, &w->t);
	hold_all(w);
	return w;
}

static void world_free(struct world *w)
{
	probe_release(&w->p);
	probe_state_release(&w->state);
	mirror_close(w->m);
	mirror_mem_free(w->store);
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
}
DEFINE_CLEANUP(struct world, world_free);

static void probe(struct world *w)
{
	struct probe_subject s = { .release = &w->t, .state = &w->state, .deadline = &w->d };
	probe_release(&w->p);
	assert_ok(probe_mirror(&s, w->m, &w->o, &w->p, &w->e), &w->e);
}

static const struct health_finding *finding(const struct probe *p, enum health_check check)
{
	for (size_t i = 0; i < p->findings.count; i++)
		if (p->findings.at[i].check == check)
			return &p->findings.at[i];
	return NULL;
}

static void assert_found(const struct probe *p, enum health_check check, enum health_state state,
			 const char *text)
{
	const struct health_finding *f = finding(p, check);
	if (!f)
		fail_msg("nothing was found of %s", health_check_name(check));
	if (f->state != state || !strstr(f->reason, text))
		fail_msg("wanted %s %s '%s', got %s '%s'", health_check_name(check),
			 health_state_name(state), text, health_state_name(f->state), f->reason);
}

/* ---- release and catalog ----------------------------------------------------------------- */

static void a_mirror_with_all_of_the_release_is_ok(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	probe(w);
	for (size_t i = 0; i < w->p.findings.count; i++)
		assert_int_equal(w->p.findings.at[i].state, HEALTH_OK);
	assert_true(w->p.up);
	assert_int_equal(w->p.version, 7);
	assert_int_equal(w->p.shows, PROBE_SHOWS_SAME);
	assert_int_equal(w->p.objects, 6);
	assert_int_equal(w->p.objects_checked, 6);
	assert_int_equal(w->p.objects_missing, 0);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_OK, "");
}

/* Gives it the timestamp of another release. */
static void show(struct world *w, unsigned version)
{
	CLEANUP(tree_release) struct tree other = { 0 };
	char *dir = scratch_new();
	release_make(dir, version, false, &other);
	const struct buf *b = tree_small(&other, other.timestamp);
	mirror_mem_set(w->store, other.timestamp->key, b->data, b->len);
	scratch_free(dir);
}

static void an_older_release_says_how_far_behind_it_is(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	show(w, 5);
	mirror_mem_remove(w->store, "targets/models/m/7.gguf");
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_WARNING, "shows release 5");
	assert_int_equal(w->p.shows, PROBE_SHOWS_OLDER);
	assert_int_equal(w->p.lag, 2);
	/* What it has not promised yet is not missing. */
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_UNKNOWN, "does not show the newest release");
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_UNKNOWN, "does not show the newest release");
	w->o.lag_critical = 2;
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_CRITICAL, "2 behind");
}

static void a_newer_release_than_the_verified_one_is_a_warning(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	show(w, 9);
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_WARNING, "claims release 9");
	assert_int_equal(w->p.shows, PROBE_SHOWS_NEWER);
}

static void the_same_version_with_other_bytes_is_critical(void **s)
{
	static const char other[] =
		"{\"signed\": {\"version\": 7, \"expires\": \"2099-01-01T00:00:00Z\"}}";
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	mirror_mem_set(w->store, "metadata/timestamp.json", other, sizeof other - 1);
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_CRITICAL, "not the one that is signed");
	mirror_mem_set(w->store, "metadata/timestamp.json", "no JSON", 7);
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_CRITICAL, "metadata/timestamp.json");
	assert_int_equal(w->p.version, 0);
}

static void a_release_that_has_expired_is_critical(void **s)
{
	struct fake_clock f;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	fake_clock_init(&f);
	f.now_us = (uint64_t)10 * 365 * 86400 * 1000000;
	w->o.clock = &f.clock;
	probe(w);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_CRITICAL, "expired");
}

static void no_timestamp_is_a_fault_of_the_release(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	mirror_mem_remove(w->store, "metadata/timestamp.json");
	probe(w);
	assert_found(&w->p, HEALTH_REACH, HEALTH_OK, "");
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_CRITICAL, "no metadata/timestamp.json");
	assert_false(w->p.up);
}

static void the_plain_catalog_has_to_be_the_signed_one(void **s)
{
	static const char longer[] = "{\"release\": 7}\nand more";
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	mirror_mem_set(w->store, "catalog.json", "{\"release\": 8}\n", 15);
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_CRITICAL, "catalog.json is not");
	mirror_mem_set(w->store, "catalog.json", longer, sizeof longer - 1);
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_CRITICAL, "catalog.json is not");
	mirror_mem_set(w->store, "catalog.json", longer, 10);
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_CRITICAL, "catalog.json is not");
	mirror_mem_remove(w->store, "catalog.json");
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_WARNING, "no catalog.json");
}

static void of_a_large_catalog_only_parts_are_read(void **s)
{
	const size_t size = 2 * MIB;
	uint64_t read = 0;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	struct repository_file *f = (struct repository_file *)tree_find(&w->t, "catalog.json");
	struct buf *signed_ = &w->t.small[tree_index(&w->t, f)];
	buf_release(signed_);
	buf_init(signed_, size);
	memset(buf_reserve(signed_, size), 'x', size);
	buf_commit(signed_, size);
	f->size = size;
	sha256_of(signed_->data, size, &f->sha256);
	mirror_mem_set(w->store, "catalog.json", signed_->data, size);
	mirror_mem_forget_calls(w->store);
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_OK, "");
	const struct str_list *calls = mirror_mem_calls(w->store);
	for (size_t i = 0; i < calls->count; i++) {
		unsigned long long from, len;
		if (sscanf(calls->at[i], "get catalog.json %llu %llu", &from, &len) == 2)
			read += len;
	}
	assert_in_range(read, 1, size / 2);
	/* What a cache still has is of another size, or has another digest. */
	signed_->data[0] = 'y';
	mirror_mem_set(w->store, "catalog.json", signed_->data, size);
	probe(w);
	assert_found(&w->p, HEALTH_CATALOG, HEALTH_CRITICAL, "catalog.json is not");
}

static void without_a_release_to_compare_with_it_is_unknown(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	struct probe_subject none = { .deadline = &w->d };
	assert_ok(probe_mirror(&none, w->m, &w->o, &w->p, &w->e), &w->e);
	assert_true(w->p.up);
	assert_int_equal(w->p.version, 7);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_UNKNOWN, "not known");
}

/* ---- objects -------------------------------------------------------------------------------- */

static void a_missing_object_and_a_wrong_size_are_named(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	mirror_mem_remove(w->store, "targets/models/m/7.gguf");
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_CRITICAL,
		     "1 of the 6 objects looked up is missing or wrong: "
		     "targets/models/m/7.gguf is missing");
	mirror_mem_set(w->store, "targets/models/m/7.gguf", "short", 5);
	mirror_mem_remove(w->store, "metadata/7.snapshot.json");
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_CRITICAL, "metadata/7.snapshot.json is missing");
	assert_int_equal(w->p.objects_missing, 2);
}

/* 40 objects on a mirror that cannot list, and 10 requests a run. */
static struct world *world_with_a_budget(void)
{
	static struct mirror_ops ops;
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	release_make_same(w->dir, 40, &w->t);
	hold_all(w);
	ops = *w->m->ops;
	ops.list = NULL;
	w->m->ops = &ops;
	w->m->can &= ~(unsigned)MIRROR_CAN_LIST;
	w->o.objects = 10;
	return w;
}

static void a_budget_reaches_every_object_in_some_runs_and_then_begins_again(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	static const size_t found[] = { 10, 18, 26, 34, 40 };
	for (size_t run = 0; run < ARRAY_LEN(found); run++) {
		probe(w);
		assert_int_equal(w->p.objects, 40);
		assert_int_equal(w->p.objects_checked, 10);
		assert_int_equal(w->state.found_count, found[run]);
	}
	/* From now on the order alone decides: again four runs for all of them. */
	mirror_mem_forget_calls(w->store);
	for (size_t run = 0; run < 4; run++)
		probe(w);
	for (size_t i = 0; i < 40; i++) {
		CLEANUP(mem_free_ptr) char *call = mem_printf("stat targets/%02zu.bin", i);
		assert_true(str_list_has(mirror_mem_calls(w->store), call));
	}
}

static void what_is_missing_is_looked_for_in_every_run_until_it_is_there(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	mirror_mem_remove(w->store, "targets/17.bin");
	for (size_t run = 0; run < 5; run++)
		probe(w);
	for (size_t run = 0; run < 5; run++) {
		probe(w);
		assert_found(&w->p, HEALTH_OBJECTS, HEALTH_CRITICAL, "targets/17.bin is missing");
	}
	mirror_mem_set(w->store, "targets/17.bin", "the same", 8);
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_OK, "10 of 40");
}

static void missing_ones_leave_a_part_of_the_budget_to_the_others(void **s)
{
	char key[32];
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	for (size_t run = 0; run < 5; run++)
		probe(w);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof key, "targets/%02d.bin", i);
		mirror_mem_remove(w->store, key);
	}
	for (size_t run = 0; run < 20; run++)
		probe(w);
	/* All of them were noticed, although half of them would fill each run twice. */
	assert_int_equal(w->state.found_count, 20);
}

static void an_object_that_cannot_be_asked_for_is_no_success(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_STAT, .times = UINT32_MAX });
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_WARNING, "");
	assert_int_equal(w->p.objects_checked, 0);
}

static void one_that_cannot_be_asked_for_does_not_hide_another_that_is_missing(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	w->o.objects = 40;
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_STAT,
							.key = "targets/03.bin",
							.times = UINT32_MAX,
							.class = ERR_INTEGRITY });
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_WARNING, "");
	assert_int_equal(w->p.objects_checked, 39);
	mirror_mem_remove(w->store, "targets/17.bin");
	probe(w);
	assert_found(&w->p, HEALTH_OBJECTS, HEALTH_CRITICAL, "targets/17.bin is missing");
}

static void the_state_survives_as_bytes_and_damage_is_noticed(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_with_a_budget();
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MIB);
	CLEANUP(probe_state_release) struct probe_state read = { 0 };
	probe(w);
	probe_state_encode(&w->state, &bytes);
	assert_ok(buf_ok(&bytes, "the state", &w->e), &w->e);
	assert_ok(probe_state_parse(bytes.data, bytes.len, &read, &w->e), &w->e);
	assert_int_equal(read.key, w->state.key);
	assert_int_equal(read.position, w->state.position);
	assert_int_equal(read.found_count, 10);
	assert_memory_equal(read.found, w->state.found, 10 * sizeof *read.found);
	for (size_t i = 0; i < bytes.len; i++) {
		struct err e = ERR_INIT;
		struct probe_state none = { 0 };
		assert_int_equal(probe_state_parse(bytes.data, i, &none, &e), -ERR_INTEGRITY);
		bytes.data[i] ^= 1;
		err_clear(&e);
		assert_int_equal(probe_state_parse(bytes.data, bytes.len, &none, &e),
				 -ERR_INTEGRITY);
		bytes.data[i] ^= 1;
	}
}

static void the_state_of_very_many_objects_stays_below_1_mib(void **s)
{
	struct probe_state many = { .key = 1, .found_count = 10 * 1000 * 1000 };
	struct probe_state read = { 0 };
	struct err e = ERR_INIT;
	(void)s;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MIB);
	many.found = mem_alloc(many.found_count * sizeof *many.found);
	probe_state_encode(&many, &bytes);
	probe_state_release(&many);
	assert_ok(buf_ok(&bytes, "the state", &e), &e);
	assert_ok(probe_state_parse(bytes.data, bytes.len, &read, &e), &e);
	assert_int_equal(read.key, 1);
	assert_int_equal(read.found_count, 0);
	probe_state_release(&read);
}

/* ---- over HTTP ------------------------------------------------------------------------------- */

#define HEAD(status, more) \
	"HTTP/1.1 " status "\r\nConnection: close\r\nContent-Type: application/json\r\n" more "\r" \
	"\n"

/* Probes a server that gives this answer; nothing is known of a release. */
static void ask(struct world *w, const struct canned *answer, uint64_t deadline_ms)
{
	struct canned closing = *answer;
	closing.then = answer->then ? answer->then : CANNED_CLOSE;
	struct canned_server *server = canned_start(&closing, 1);
	struct mirror_env env = { .cancel = &w->d.cancel };
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	struct probe_subject s = { .metadata_only = true, .deadline = &w->d };
	probe_release(&w->p);
	deadline_start(&w->d, deadline_ms, NULL, NULL);
	assert_ok(mirror_open_url(mirror_kinds_client, &env, "web", canned_url(server), &m, &w->e),
		  &w->e);
	assert_ok(probe_mirror(&s, m, &w->o, &w->p, &w->e), &w->e);
	canned_stop(server);
}

#define TIMESTAMP "{\"signed\": {\"version\": 3, \"expires\": \"2099-01-01T00:00:00Z\"}}"

static void a_server_tells_times_and_its_clock(void **s)
{
	struct fake_clock f;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	fake_clock_init(&f); /* Thu, 01 Jan 2026 00:16:40 GMT */
	w->o.clock = &f.clock;
	ask(w,
	    &(struct canned){ .want = "GET /metadata/timestamp.json ",
			      .reply = HEAD("200 OK", "Date: Thu, 01 Jan 2026 00:16:41 GMT\r\n")
				      TIMESTAMP },
	    0);
	assert_true(w->p.up);
	assert_int_equal(w->p.version, 3);
	assert_true(w->p.has_times);
	assert_true(w->p.times.total > 0);
	assert_true(w->p.times.total >= w->p.times.first_byte + w->p.times.connect);
	assert_int_equal(w->p.times.tls, 0);
	assert_found(&w->p, HEALTH_CLOCK, HEALTH_OK, "");
	assert_int_equal(w->p.clock_skew_s, 0);
	assert_null(finding(&w->p, HEALTH_CERTIFICATE));
}

static void a_wrong_clock_is_named_with_its_direction(void **s)
{
	struct fake_clock f;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	fake_clock_init(&f);
	w->o.clock = &f.clock;
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Date: Thu, 01 Jan 2026 02:16:40 GMT\r\n")
				      TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_CLOCK, HEALTH_WARNING, "2 hours ahead of ours");
	assert_int_equal(w->p.clock_skew_s, 7200);
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Date: Wed, 31 Dec 2025 23:16:40 GMT\r\n")
				      TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_CLOCK, HEALTH_WARNING, "60 minutes behind ours");
}

static void an_answer_from_a_cache_is_as_old_as_it_says(void **s)
{
	struct fake_clock f;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	fake_clock_init(&f);
	w->o.clock = &f.clock;
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Date: Wed, 31 Dec 2025 23:16:40 GMT\r\n"
						      "Age: 3600\r\n") TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_CLOCK, HEALTH_OK, "");
}

static void a_web_page_is_no_timestamp(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w,
	    &(struct canned){ .reply = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
				       "Content-Type: text/html\r\n\r\n<html>Welcome</html>" },
	    0);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "HTML page");
	assert_false(w->p.up);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_UNKNOWN, "HTML page");
}

static void throttling_is_no_outage(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w, &(struct canned){ .reply = HEAD("429 Slow down", "Retry-After: 120\r\n") }, 0);
	assert_found(&w->p, HEALTH_REACH, HEALTH_WARNING, "a pause of 2 minutes");
	assert_true(w->p.up);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_UNKNOWN, "fewer requests");
}

static void a_network_that_wants_a_login_says_nothing_about_the_mirror(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w, &(struct canned){ .reply = HEAD("511 Network Authentication Required", "") }, 0);
	assert_found(&w->p, HEALTH_REACH, HEALTH_UNKNOWN, "login");
}

static void a_failing_server_is_critical_with_its_status(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w, &(struct canned){ .reply = HEAD("503 No", "") }, 0);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "HTTP 503");
	ask(w, &(struct canned){ .reply = HEAD("403 No", "") }, 0);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "HTTP 403");
}

static void headers_that_keep_the_timestamp_for_too_long_are_a_warning(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Cache-Control: public,max-age=86400\r\n")
				      TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_WARNING, "'public,max-age=86400'");
	w->o.cache_control = PROBE_YES;
	ask(w, &(struct canned){ .reply = HEAD("200 OK", "") TIMESTAMP }, 0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_WARNING, "no Cache-Control");
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Cache-Control: max-age=60\r\n") TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_OK, "");
}

static void browsers_are_thought_of_only_if_wanted(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	const struct canned without = { .want = "Origin: https://example.org",
					.reply = HEAD("200 OK", "") TIMESTAMP };
	ask(w, &without, 0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_OK, "");
	w->o.cors = true;
	ask(w, &without, 0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_WARNING, "Access-Control-Allow-Origin");
	ask(w,
	    &(struct canned){ .reply = HEAD("200 OK", "Access-Control-Allow-Origin: *\r\n")
				      TIMESTAMP },
	    0);
	assert_found(&w->p, HEALTH_HEADERS, HEALTH_OK, "");
}

/* ---- the deadline ------------------------------------------------------------------------------
 */

static void a_silent_server_costs_no_more_than_the_deadline(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w, &(struct canned){ .reply = "HTTP/1.1 2", .then = CANNED_STALL }, 300);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "no complete answer within");
	assert_false(w->p.up);
	assert_found(&w->p, HEALTH_RELEASE, HEALTH_UNKNOWN, "no complete answer");
}

static void a_server_that_trickles_costs_no_more_than_the_deadline(void **s)
{
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	ask(w, &(struct canned){ .reply = HEAD("200 OK", ""), .then = CANNED_TRICKLE }, 500);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "no complete answer within");
}

static void a_deadline_that_has_passed_begins_nothing(void **s)
{
	struct fake_clock f;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	struct probe_subject subject = { .release = &w->t, .deadline = &w->d };
	fake_clock_init(&f);
	deadline_start(&w->d, 1000, &f.clock, NULL);
	f.now_us += 1000 * 1000;
	assert_ok(probe_mirror(&subject, w->m, &w->o, &w->p, &w->e), &w->e);
	assert_found(&w->p, HEALTH_REACH, HEALTH_CRITICAL, "no complete answer");
	assert_int_equal(mirror_mem_calls(w->store)->count, 0);
}

static void a_person_who_stops_it_gets_no_finding(void **s)
{
	struct cancel user = CANCEL_INIT;
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	struct probe_subject subject = { .release = &w->t, .deadline = &w->d };
	deadline_start(&w->d, 1, NULL, &user);
	cancel_ask(&user, SIGINT);
	while (deadline_left_ms(&w->d))
		;
	assert_int_equal(probe_mirror(&subject, w->m, &w->o, &w->p, &w->e), -ERR_CANCELLED);
}

/* ---- roles -------------------------------------------------------------------------------------
 */

static void the_role_that_expires_first_is_named(void **s)
{
	static const struct probe_margins none = { 0 };
	(void)s;
	CLEANUP_PTR(world_free) struct world *w = world_new();
	CLEANUP(probe_roles_release) struct probe_roles r = { 0 };
	assert_ok(probe_roles_read(&w->t, &r, &w->e), &w->e);
	assert_int_equal(r.count, 4);
	assert_string_equal(r.at[0].name, "root");
	assert_string_equal(r.at[3].name, "timestamp");
	assert_int_equal(r.at[3].version, 7);
	int64_t end_s = r.at[0].expires_s, day = 86400;
	probe_expiry(&r, &none, end_s - 31 * day, &w->p.findings);
	assert_found(&w->p, HEALTH_EXPIRY, HEALTH_OK, "31 days");
	probe_expiry(&r, &none, end_s - 29 * day, &w->p.findings);
	assert_found(&w->p, HEALTH_EXPIRY, HEALTH_WARNING, "root expires in 29 days");
	/* What is critical is named before what is only a warning but earlier. */
	r.at[1].expires_s -= 7 * day;
	r.at[3].expires_s -= 7 * day + 3600;
	probe_release(&w->p);
	probe_expiry(&r, &none, end_s - 8 * day, &w->p.findings);
	assert_found(&w->p, HEALTH_EXPIRY, HEALTH_CRITICAL, "targets expires in 24 hours");
	probe_release(&w->p);
	probe_expiry(&r, &none, end_s, &w->p.findings);
	assert_found(&w->p, HEALTH_EXPIRY, HEALTH_CRITICAL, "timestamp expired 7 days ago");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mirror_with_all_of_the_release_is_ok),
		cmocka_unit_test(an_older_release_says_how_far_behind_it_is),
		cmocka_unit_test(a_newer_release_than_the_verified_one_is_a_warning),
		cmocka_unit_test(the_same_version_with_other_bytes_is_critical),
		cmocka_unit_test(a_release_that_has_expired_is_critical),
		cmocka_unit_test(no_timestamp_is_a_fault_of_the_release),
		cmocka_unit_test(the_plain_catalog_has_to_be_the_signed_one),
		cmocka_unit_test(of_a_large_catalog_only_parts_are_read),
		cmocka_unit_test(without_a_release_to_compare_with_it_is_unknown),
		cmocka_unit_test(a_missing_object_and_a_wrong_size_are_named),
		cmocka_unit_test(a_budget_reaches_every_object_in_some_runs_and_then_begins_again),
		cmocka_unit_test(what_is_missing_is_looked_for_in_every_run_until_it_is_there),
		cmocka_unit_test(missing_ones_leave_a_part_of_the_budget_to_the_others),
		cmocka_unit_test(an_object_that_cannot_be_asked_for_is_no_success),
		cmocka_unit_test(
			one_that_cannot_be_asked_for_does_not_hide_another_that_is_missing),
		cmocka_unit_test(the_state_survives_as_bytes_and_damage_is_noticed),
		cmocka_unit_test(the_state_of_very_many_objects_stays_below_1_mib),
		cmocka_unit_test(a_server_tells_times_and_its_clock),
		cmocka_unit_test(a_wrong_clock_is_named_with_its_direction),
		cmocka_unit_test(an_answer_from_a_cache_is_as_old_as_it_says),
		cmocka_unit_test(a_web_page_is_no_timestamp),
		cmocka_unit_test(throttling_is_no_outage),
		cmocka_unit_test(a_network_that_wants_a_login_says_nothing_about_the_mirror),
		cmocka_unit_test(a_failing_server_is_critical_with_its_status),
		cmocka_unit_test(headers_that_keep_the_timestamp_for_too_long_are_a_warning),
		cmocka_unit_test(browsers_are_thought_of_only_if_wanted),
		cmocka_unit_test(a_silent_server_costs_no_more_than_the_deadline),
		cmocka_unit_test(a_server_that_trickles_costs_no_more_than_the_deadline),
		cmocka_unit_test(a_deadline_that_has_passed_begins_nothing),
		cmocka_unit_test(a_person_who_stops_it_gets_no_finding),
		cmocka_unit_test(the_role_that_expires_first_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
