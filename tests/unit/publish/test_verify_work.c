/* Verifying with several threads: what runs at once, and that the verdicts do not depend on it. */
#include "publish/push.h"
#include "publish/verify.h"
#include "util/cancel.h"
#include "util/mem.h"

#include "release.h"
#include "unit.h"

#include <limits.h>
#include <pthread.h>
#include <time.h>

#define NOW 1800000000 /* the releases expire in 2030 */
#define PIECES 6       /* of the large object: more than one request reads at once */
#define SAME "targets/models/m/same.gguf"
#define MIRRORS 2

/* A release on two mirrors whose functions the tests put others in front of. */
struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store[MIRRORS];
	struct mirror *handle[MIRRORS];
	const struct mirror_ops *real;
	struct mirror_ops ops;
	struct verify_mirror m[MIRRORS];
	struct verify_options o;
	struct cancel cancel;
	struct err e;
};
static struct world *w;

static void push_to(struct mirror *handle)
{
	struct push_result result;
	struct push_options o = { .threads = 1, .retry = &retry_once };
	struct push_mirror pm = { .id = handle->id, .mirror = handle };
	assert_ok(push_run(&w->t, &pm, 1, &o, &result, &w->e), &w->e);
	push_mirror_release(&pm);
}

/* A plain web server reports no digests. */
static int blind_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		      struct err *e)
{
	int rc = w->real->stat(c, key, out, e);
	out->has_sha256 = false;
	return rc;
}

/* The release is made and pushed once for all tests. */
static int make_world(void **state)
{
	static const char *const ids[MIRRORS] = { "a", "b" };
	(void)state;
	w = NEW(struct world);
	w->dir = scratch_new();
	release_make_pieces(w->dir, 1, PIECES, &w->t);
	for (size_t i = 0; i < MIRRORS; i++) {
		w->store[i] = mirror_mem_new();
		w->handle[i] = mirror_mem_open(w->store[i], ids[i]);
		push_to(w->handle[i]);
		w->real = w->handle[i]->ops;
		w->handle[i]->ops = &w->ops;
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	w->ops = *w->real;
	w->ops.stat = blind_stat;
	w->cancel = (struct cancel)CANCEL_INIT;
	for (size_t i = 0; i < MIRRORS; i++) {
		mirror_mem_forget_calls(w->store[i]);
		w->handle[i]->connections = 4;
		w->handle[i]->can |= MIRROR_CAN_RANGE;
		w->handle[i]->can &= ~(unsigned)(MIRROR_CAN_SHA256 | MIRROR_CAN_LIST);
	}
	w->o = (struct verify_options){
		.now_s = NOW,
		.threads = MIRRORS,
		.retry = &retry_once,
		.mode = VERIFY_FULL,
		.samples = 2,
		.seed = 1,
		.cancel = &w->cancel,
	};
	return 0;
}

static int free_world(void **state)
{
	(void)state;
	for (size_t i = 0; i < MIRRORS; i++) {
		verify_mirror_release(&w->m[i]);
		mirror_close(w->handle[i]);
		mirror_mem_free(w->store[i]);
	}
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
	return 0;
}

static int verify(size_t mirrors)
{
	for (size_t i = 0; i < mirrors; i++) {
		verify_mirror_release(&w->m[i]);
		w->m[i] = (struct verify_mirror){ .id = w->handle[i]->id, .mirror = w->handle[i] };
	}
	err_clear(&w->e);
	return verify_run(&w->t, w->m, mirrors, &w->o, &w->e);
}

static struct verify_file *file(size_t mirror, const char *key)
{
	const struct repository_file *f = tree_find(&w->t, key);
	assert_non_null(f);
	return &w->m[mirror].files[tree_index(&w->t, f)];
}

/* Turns a byte of the large object; the same once more mends it. */
static void turn(size_t mirror, size_t at)
{
	const struct buf *b = mirror_mem_object(w->store[mirror], RELEASE_BIG);
	b->data[at] = (char)~b->data[at];
}

static int mend(void **state)
{
	(void)state;
	for (size_t i = 0; i < MIRRORS; i++)
		mirror_mem_mend(w->store[i]);
	return 0;
}

/* ---- what runs at once ---------------------------------------------------------- */

/* Two calls meet here: the first one waits for the second. The time is the limit for what would
 * else hang for ever. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned inside;
	bool met, waited_in_vain;
} meeting = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void meeting_begin(void)
{
	meeting.inside = 0;
	meeting.met = meeting.waited_in_vain = false;
}

static void meet(void)
{
	struct timespec limit;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 300;
	pthread_mutex_lock(&meeting.lock);
	meeting.met = meeting.met || ++meeting.inside > 1;
	pthread_cond_broadcast(&meeting.changed);
	while (!meeting.met && !meeting.waited_in_vain)
		meeting.waited_in_vain = pthread_cond_timedwait(&meeting.changed, &meeting.lock,
								&limit) != 0;
	meeting.inside--;
	pthread_mutex_unlock(&meeting.lock);
}

static int meeting_get(struct mirror_connection *c, const struct mirror_range *r,
		       const struct mirror_sink *sink, struct err *e)
{
	if (strcmp(r->key, RELEASE_BIG) == 0)
		meet();
	return w->real->get(c, r, sink, e);
}

static int meeting_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
			struct err *e)
{
	if (strcmp(key, RELEASE_TIMESTAMP) != 0) /* which is asked for before all others */
		meet();
	return blind_stat(c, key, out, e);
}

static void parts_of_one_object_are_read_at_once(void **state)
{
	(void)state;
	meeting_begin();
	w->ops.get = meeting_get;
	assert_ok(verify(1), &w->e);
	assert_true(meeting.met);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_int_equal(file(0, RELEASE_BIG)->audit.pieces, PIECES);
}

static void sampled_pieces_are_read_at_once(void **state)
{
	(void)state;
	meeting_begin();
	w->ops.get = meeting_get;
	w->o.mode = VERIFY_SAMPLE;
	assert_ok(verify(1), &w->e);
	assert_true(meeting.met);
	assert_int_equal(file(0, RELEASE_BIG)->how, VERIFY_BY_SAMPLE);
	assert_int_equal(file(0, RELEASE_BIG)->audit.pieces, 2);
}

static void mirrors_are_read_at_once(void **state)
{
	(void)state;
	meeting_begin();
	w->ops.get = meeting_get;
	w->handle[0]->connections = w->handle[1]->connections = 1;
	assert_ok(verify(MIRRORS), &w->e);
	assert_true(meeting.met);
}

static void objects_are_asked_for_at_once(void **state)
{
	(void)state;
	meeting_begin();
	w->ops.stat = meeting_stat;
	w->o.mode = VERIFY_QUICK;
	assert_ok(verify(1), &w->e);
	assert_true(meeting.met);
}

static void inventory_asks_for_several_objects_at_once(void **state)
{
	(void)state;
	size_t n = w->t.files.count;
	struct inventory_how how = { .retry = &retry_once };
	CLEANUP(mem_free_ptr) bool *wanted = mem_alloc(n * sizeof *wanted);
	CLEANUP(mem_free_ptr) struct inventory_item *items = mem_alloc(n * sizeof *items);
	memset(wanted, true, n * sizeof *wanted);
	meeting_begin();
	w->ops.stat = meeting_stat;
	const struct buf *same = mirror_mem_object(w->store[0], SAME);
	size_t len = same->len;
	CLEANUP(mem_free_ptr) char *copy = mem_strndup(same->data, len);
	mirror_mem_remove(w->store[0], SAME);
	int rc = inventory_mirror(w->handle[0], &w->t, wanted, &how, items, &w->e);
	mirror_mem_set(w->store[0], SAME, copy, len);
	assert_ok(rc, &w->e);
	assert_true(meeting.met);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(items[i].state, strcmp(w->t.files.at[i].key, SAME) == 0
							 ? INVENTORY_MISSING
							 : INVENTORY_UNVERIFIED);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_STAT, .times = UINT_MAX });
	assert_int_equal(inventory_mirror(w->handle[0], &w->t, wanted, &how, items, &w->e),
			 -ERR_NETWORK);
}

/* ---- that it does not matter ---------------------------------------------------- */

static void threads_change_nothing_in_the_result(void **state)
{
	(void)state;
	struct audit found[2];
	turn(0, 1);
	turn(0, 4 * 8 * MIB + 1);
	for (w->o.seed = 0; w->o.seed < 4; w->o.seed++) {
		for (unsigned many = 0; many < 2; many++) {
			w->o.mode = w->o.seed ? VERIFY_SAMPLE : VERIFY_FULL;
			w->handle[0]->connections = many ? 16 : 1;
			(void)!verify(1);
			found[many] = file(0, RELEASE_BIG)->audit;
		}
		assert_memory_equal(&found[0], &found[1], sizeof found[0]);
		if (!w->o.seed) {
			assert_int_equal(found[0].bad_count, 2);
			assert_int_equal(found[0].bad[0].index, 0);
			assert_int_equal(found[0].bad[1].index, 4);
		}
	}
	turn(0, 1);
	turn(0, 4 * 8 * MIB + 1);
}

static void the_first_bad_pieces_are_listed_in_any_order(void **state)
{
	(void)state;
	struct audit sum = { 0 };
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t piece = i * 17 % 40;
		struct audit part = { .bytes = 5, .pieces = 2, .bad_count = 1 };
		part.bad[0] = (struct audit_piece){ .index = piece, .offset = piece * 10 };
		audit_add(&sum, &part);
	}
	assert_int_equal(sum.bad_count, 40);
	assert_int_equal(sum.bytes, 200);
	assert_int_equal(sum.pieces, 80);
	for (uint32_t i = 0; i < AUDIT_MAX_BAD; i++) {
		assert_int_equal(sum.bad[i].index, i);
		assert_int_equal(sum.bad[i].offset, i * 10);
	}
}

static void server_without_ranges_sends_an_object_once(void **state)
{
	(void)state;
	w->handle[0]->can &= ~(unsigned)MIRROR_CAN_RANGE;
	assert_ok(verify(1), &w->e);
	assert_int_equal(file(0, RELEASE_BIG)->audit.pieces, PIECES);
	unsigned gets = 0;
	const struct str_list *calls = mirror_mem_calls(w->store[0]);
	for (size_t i = 0; i < calls->count; i++)
		gets += str_starts(calls->at[i], "get " RELEASE_BIG " ");
	assert_int_equal(gets, 1);
}

/* ---- composite checksums -------------------------------------------------------- */

static bool other_parts;

static int composite_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
			  struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	int rc = blind_stat(c, key, out, e);
	if (rc < 0 || tree_pieces_load(&w->t, tree_find(&w->t, key), &p, e) < 0)
		return rc;
	out->has_pieces_sha256 = true;
	out->pieces_sha256 = p.root;
	out->pieces_sha256.bytes[0] ^= other_parts;
	return 0;
}

static void the_right_composite_checksum_is_ok(void **state)
{
	(void)state;
	other_parts = false;
	w->ops.stat = composite_stat;
	w->o.mode = VERIFY_QUICK;
	assert_ok(verify(1), &w->e);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_int_equal(file(0, RELEASE_BIG)->how, VERIFY_BY_COMPOSITE);
	assert_int_equal(w->m[0].verdicts[VERIFY_UNVERIFIED], 0);
}

static void a_composite_checksum_of_other_parts_proves_nothing(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	other_parts = true;
	w->ops.stat = composite_stat;
	w->o.mode = VERIFY_QUICK;
	assert_ok(verify(1), &w->e);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_UNVERIFIED);
	verify_describe(file(0, RELEASE_BIG), &text);
	assert_string_equal(buf_str(&text), "size only: content not checked (the mirror reports a "
					    "composite checksum of other parts)");
	w->o.mode = VERIFY_FULL;
	assert_ok(verify(1), &w->e);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_int_equal(file(0, RELEASE_BIG)->how, VERIFY_BY_BYTES);
}

/* ---- failures in the middle ----------------------------------------------------- */

static void a_mirror_that_fails_in_the_middle_stops_only_itself(void **state)
{
	(void)state;
	mirror_mem_fault(w->store[0],
			 &(struct mem_fault){ .call = MEM_GET, .skip = 3, .times = UINT_MAX });
	assert_int_equal(verify(MIRRORS), -ERR_NETWORK);
	const size_t *lost = w->m[0].verdicts, *other = w->m[1].verdicts;
	assert_int_equal(w->m[0].error.class, ERR_NETWORK);
	assert_true(lost[VERIFY_OK] > 0);
	assert_int_equal(lost[VERIFY_OK] + lost[VERIFY_UNREACHABLE], w->t.files.count);
	assert_int_equal(other[VERIFY_OK], w->t.files.count);
}

/* The others of the object's parts are not read after that; nothing is said about it. */
static void a_part_that_cannot_be_read_leaves_the_object_open(void **state)
{
	(void)state;
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_GET, .key = RELEASE_BIG });
	assert_int_equal(verify(1), -ERR_NETWORK);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_UNREACHABLE);
	assert_int_equal(w->m[0].verdicts[VERIFY_OK], w->t.files.count - 1);
}

static void wrong_bytes_outweigh_a_part_that_cannot_be_read(void **state)
{
	(void)state;
	w->handle[0]->connections = 1;
	turn(0, 5);
	mirror_mem_fault(w->store[0],
			 &(struct mem_fault){ .call = MEM_GET, .key = RELEASE_BIG, .skip = 1 });
	int rc = verify(1);
	turn(0, 5);
	assert_int_equal(rc, -ERR_FAULT);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_CORRUPT);
	assert_int_equal(file(0, RELEASE_BIG)->audit.bad[0].index, 0);
}

static void a_stat_that_fails_once_repeats_no_other(void **state)
{
	(void)state;
	w->o.retry = &retry_thrice;
	w->o.mode = VERIFY_QUICK;
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_STAT, .key = SAME });
	assert_ok(verify(1), &w->e);
	unsigned stats = 0;
	const struct str_list *calls = mirror_mem_calls(w->store[0]);
	for (size_t i = 0; i < calls->count; i++)
		stats += str_starts(calls->at[i], "stat ");
	assert_int_equal(stats, w->t.files.count + 1);
}

static int cancelling_get(struct mirror_connection *c, const struct mirror_range *r,
			  const struct mirror_sink *sink, struct err *e)
{
	int rc = w->real->get(c, r, sink, e);
	if (strcmp(r->key, SAME) == 0)
		cancel_ask(&w->cancel, 2);
	return rc;
}

static void an_interruption_keeps_what_was_checked(void **state)
{
	(void)state;
	w->ops.get = cancelling_get;
	w->handle[0]->connections = 1;
	assert_int_equal(verify(1), -ERR_CANCELLED);
	assert_int_equal(file(0, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_int_equal(file(0, "catalog.json")->verdict, VERIFY_NOT_CHECKED);
	assert_int_equal(w->m[0].verdicts[VERIFY_UNREACHABLE], 0);
	assert_int_equal(w->m[0].verdicts[VERIFY_OK] + w->m[0].verdicts[VERIFY_NOT_CHECKED],
			 w->t.files.count);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, mend)
	const struct CMUnitTest tests[] = {
		TEST(parts_of_one_object_are_read_at_once),
		TEST(sampled_pieces_are_read_at_once),
		TEST(mirrors_are_read_at_once),
		TEST(objects_are_asked_for_at_once),
		TEST(inventory_asks_for_several_objects_at_once),
		TEST(threads_change_nothing_in_the_result),
		TEST(the_first_bad_pieces_are_listed_in_any_order),
		TEST(server_without_ranges_sends_an_object_once),
		TEST(the_right_composite_checksum_is_ok),
		TEST(a_composite_checksum_of_other_parts_proves_nothing),
		TEST(a_mirror_that_fails_in_the_middle_stops_only_itself),
		TEST(a_part_that_cannot_be_read_leaves_the_object_open),
		TEST(wrong_bytes_outweigh_a_part_that_cannot_be_read),
		TEST(a_stat_that_fails_once_repeats_no_other),
		TEST(an_interruption_keeps_what_was_checked),
	};
	return cmocka_run_group_tests(tests, make_world, free_world);
}
