#include "publish/push_objects.h"

#include "mirror_conf.h"
#include "release.h"
#include "unit.h"
#include "util/mem.h"
#include "util/file.h"
#include "util/path.h"
#include "util/threads.h"

#include <limits.h>

#define MIRRORS 3

/* A release with an object of two pieces, and mirrors in memory. */
struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store[MIRRORS];
	struct mirror *handle[MIRRORS];
	struct push_mirror m[MIRRORS];
	size_t count;
	struct push_options o;
	struct push_result result;
	struct err e;
};

static const char *const ids[] = { "a", "b", "c" };

static struct world *world_new(size_t count, unsigned connections)
{
	struct world *w = NEW(struct world);
	w->count = count;
	w->o = (struct push_options){ .threads = 1, .retry = &retry_once };
	w->dir = scratch_new();
	release_make(w->dir, 1, true, &w->t);
	for (size_t i = 0; i < count; i++) {
		w->store[i] = mirror_mem_new();
		w->handle[i] = mirror_mem_open(w->store[i], ids[i]);
		w->handle[i]->connections = connections;
	}
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		push_mirror_release(&w->m[i]);
		mirror_close(w->handle[i]);
		mirror_mem_free(w->store[i]);
	}
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
}

static int push(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		push_mirror_release(&w->m[i]);
		w->m[i] = (struct push_mirror){ .id = ids[i], .mirror = w->handle[i] };
	}
	err_clear(&w->e);
	return push_run(&w->t, w->m, w->count, &w->o, &w->result, &w->e);
}

static void assert_whole(const struct world *w, size_t i)
{
	unsigned version;
	assert_int_equal(release_view(w->store[i], &version), VIEW_WHOLE);
}

static uint64_t bytes_of_objects(const struct tree *t)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < t->files.count; i++)
		if (t->files.at[i].class == REPOSITORY_OBJECT)
			bytes += t->files.at[i].size;
	return bytes;
}

/* ---- at the same time ----------------------------------------------------------- */

static void pieces_of_one_object_are_sent_at_the_same_time(void **state)
{
	(void)state;
	struct world *w = world_new(1, 2);
	mirror_mem_gather(w->store[0], MEM_PIECE, RELEASE_BIG, 2);
	assert_ok(push(w), &w->e);
	assert_true(mirror_mem_gathered(w->store[0]));
	assert_whole(w, 0);
	world_free(w);
}

static void several_objects_are_sent_at_the_same_time(void **state)
{
	(void)state;
	static const enum mem_call calls[] = { MEM_OPEN, MEM_PIECE, MEM_PUT };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct world *w = world_new(1, 4);
		mirror_mem_gather(w->store[0], calls[i], "targets/", 4);
		assert_ok(push(w), &w->e);
		assert_true(mirror_mem_gathered(w->store[0]));
		assert_whole(w, 0);
		world_free(w);
	}
}

static void existing_objects_are_read_back_at_the_same_time(void **state)
{
	(void)state;
	struct world *w = world_new(1, 4);
	assert_ok(push(w), &w->e);
	CLEANUP(verified_close) struct verified r = VERIFIED_INIT;
	verified_open(&r, w->dir, "a", NULL);
	for (size_t i = 0; i < w->t.files.count; i++)
		if (w->t.files.at[i].class == REPOSITORY_OBJECT)
			verified_withdraw(&r, &w->t.files.at[i]);
	w->o.record_dir = w->dir;
	mirror_mem_gather(w->store[0], MEM_GET, "targets/", 4);
	assert_ok(push(w), &w->e);
	assert_true(mirror_mem_gathered(w->store[0]));
	assert_int_equal(w->m[0].reads, 5);
	assert_int_equal(w->m[0].puts, 0);
	world_free(w);
}

static void there_are_never_more_calls_than_connections(void **state)
{
	(void)state;
	struct world *w = world_new(1, 3);
	assert_ok(push(w), &w->e);
	assert_in_range(mirror_mem_most_at_once(w->store[0]), 1, 3);
	world_free(w);
}

static void small_objects_are_sent_by_more_threads_than_large_ones(void **state)
{
	(void)state;
	static const enum mem_call calls[] = { MEM_OPEN, MEM_PIECE, MEM_PUT };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct world *w = world_new(1, 1);
		w->handle[0]->small_connections = 4;
		mirror_mem_gather(w->store[0], calls[i], "targets/", 4);
		assert_ok(push(w), &w->e);
		assert_true(mirror_mem_gathered(w->store[0]));
		assert_whole(w, 0);
		world_free(w);
	}
}

/* Who sends pieces of the large object. */
static struct {
	const struct mirror_ops *ops;
	pthread_mutex_t lock;
	pthread_t who;
	unsigned pieces, of_others;
} senders = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int note_sender(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		       const void *data, struct err *e)
{
	pthread_mutex_lock(&senders.lock);
	if (strcmp(u->key, RELEASE_BIG) == 0) {
		if (!senders.pieces++)
			senders.who = pthread_self();
		senders.of_others += !pthread_equal(senders.who, pthread_self());
	}
	pthread_mutex_unlock(&senders.lock);
	return senders.ops->upload_put(c, u, piece, data, e);
}

static void a_large_object_is_sent_by_no_more_threads_than_connections(void **state)
{
	(void)state;
	struct world *w = world_new(1, 1);
	struct mirror_ops ops = *w->handle[0]->ops;
	tree_release(&w->t);
	release_make_pieces(w->dir, 1, 6, &w->t);
	senders.ops = w->handle[0]->ops;
	ops.upload_put = note_sender;
	w->handle[0]->ops = &ops;
	w->handle[0]->small_connections = 4;
	assert_ok(push(w), &w->e);
	assert_int_equal(senders.pieces, 6);
	assert_int_equal(senders.of_others, 0);
	assert_whole(w, 0);
	w->handle[0]->ops = senders.ops;
	world_free(w);
}

static void many_small_objects_go_on_while_large_ones_wait_for_their_turn(void **state)
{
	(void)state;
	struct world *w = world_new(1, 2);
	tree_release(&w->t);
	release_make_many(w->dir, 60, &w->t);
	w->handle[0]->small_connections = 8;
	mirror_mem_gather(w->store[0], MEM_PUT, "targets/", 8);
	assert_ok(push(w), &w->e);
	assert_true(mirror_mem_gathered(w->store[0]));
	assert_int_equal(w->m[0].puts, 61);
	world_free(w);
}

/* A folder refuses the second upload of the same bytes while the first is open. */
static void objects_with_the_same_bytes_are_not_sent_at_the_same_time(void **state)
{
	(void)state;
	struct world *w = world_new(0, 1);
	CLEANUP(mem_free_ptr) char *at = path_join(w->dir, "mirror");
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.disk]\nkind=file\npath=%s\n", at);
	tree_release(&w->t);
	release_make_same(w->dir, 60, &w->t);
	w->handle[0] = mirror_conf_open(text);
	w->count = 1;
	assert_in_range(w->handle[0]->small_connections, 2, THREADS_MAX);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].puts, 61);
	world_free(w);
}

static void pieces_that_must_come_in_order_are_sent_by_one_thread(void **state)
{
	(void)state;
	struct world *w = world_new(1, 4);
	struct mirror_ops ops = *w->handle[0]->ops;
	tree_release(&w->t);
	release_make_pieces(w->dir, 1, 6, &w->t);
	senders.ops = w->handle[0]->ops;
	senders.pieces = senders.of_others = 0;
	ops.upload_put = note_sender;
	w->handle[0]->ops = &ops;
	w->handle[0]->can |= MIRROR_IN_ORDER;
	assert_ok(push(w), &w->e);
	assert_int_equal(senders.pieces, 6);
	assert_int_equal(senders.of_others, 0);
	assert_whole(w, 0);
	w->handle[0]->ops = senders.ops;
	world_free(w);
}

static void objects_are_sent_at_the_same_time_where_pieces_must_come_in_order(void **state)
{
	(void)state;
	struct world *w = world_new(1, 2);
	tree_release(&w->t);
	release_make_many(w->dir, 60, &w->t);
	w->handle[0]->can |= MIRROR_IN_ORDER;
	w->handle[0]->small_connections = 8;
	mirror_mem_gather(w->store[0], MEM_PUT, "targets/", 8);
	assert_ok(push(w), &w->e);
	assert_true(mirror_mem_gathered(w->store[0]));
	world_free(w);
}

static void each_piece_is_read_once_for_all_threads_of_all_mirrors(void **state)
{
	(void)state;
	struct world *w = world_new(3, 4);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->result.source_bytes, bytes_of_objects(&w->t));
	assert_int_equal(w->result.reread_bytes, 0);
	for (size_t i = 0; i < 3; i++)
		assert_whole(w, i);
	world_free(w);
}

/* ---- failures ------------------------------------------------------------------- */

static void each_kind_of_call_is_tried_again(void **state)
{
	(void)state;
	static const enum mem_call calls[] = { MEM_STAT, MEM_LIST,  MEM_OPEN,
					       MEM_PUT,  MEM_PIECE, MEM_GET };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		for (unsigned skip = 0; skip < 14; skip += 4) {
			struct world *w = world_new(1, 4);
			w->o.retry = &retry_thrice;
			mirror_mem_fault(w->store[0],
					 &(struct mem_fault){ .call = calls[i], .skip = skip });
			assert_ok(push(w), &w->e);
			assert_whole(w, 0);
			world_free(w);
		}
}

static void retries_are_counted(void **state)
{
	(void)state;
	struct world *w = world_new(2, 2);
	w->o.retry = &retry_thrice;
	mirror_mem_fault(w->store[1], &(struct mem_fault){ .call = MEM_PIECE, .times = 2 });
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].retries, 0);
	assert_int_equal(w->m[1].retries, 2);
	world_free(w);
}

/* Another object is under way when one fails: nothing is shown, and the next push does the rest. */
static void a_failure_at_any_piece_or_commit_leaves_work_for_the_next_push_only(void **state)
{
	(void)state;
	static const enum mem_call calls[] = { MEM_OPEN, MEM_PIECE, MEM_PUT };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		for (unsigned skip = 0; skip < 5; skip++) {
			struct world *w = world_new(2, 3);
			mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = calls[i],
									   .skip = skip,
									   .times = UINT_MAX });
			assert_int_equal(push(w), -ERR_NETWORK);
			unsigned version;
			assert_int_equal(release_view(w->store[0], &version), VIEW_NOTHING);
			assert_int_equal(w->m[1].outcome, PUSH_HELD_BACK);
			mirror_mem_mend(w->store[0]);
			assert_ok(push(w), &w->e);
			assert_whole(w, 0);
			assert_whole(w, 1);
			/* 5 objects, one of two pieces, and 5 other files: none is sent twice. */
			assert_int_equal(mirror_mem_pieces(w->store[0]), 11);
			world_free(w);
		}
}

/* Puts the large object there while this run uploads it. */
struct other_run {
	struct report report;
	struct world *w;
};

static void complete_it(struct report *r, const struct report_event *event)
{
	struct world *w = ((struct other_run *)r)->w;
	struct buf bytes = BUF_INIT(GIB);
	struct err e = ERR_INIT;
	if (event->kind != REPORT_BEGIN)
		return;
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, RELEASE_BIG);
	assert_ok(file_read_all(path, &bytes, &e), &e);
	mirror_mem_set(w->store[0], RELEASE_BIG, bytes.data, bytes.len);
	buf_release(&bytes);
}

static void an_upload_that_another_run_has_completed_is_no_failure(void **state)
{
	(void)state;
	for (unsigned skip = 0; skip < 2; skip++) {
		struct world *w = world_new(1, 3);
		struct other_run other = { { complete_it }, w };
		struct mem_fault gone = {
			.call = MEM_PIECE,
			.key = RELEASE_BIG,
			.skip = skip,
			.times = UINT_MAX,
			.class = ERR_CONFLICT,
		};
		mirror_mem_fault(w->store[0], &gone);
		assert_int_equal(push(w), -ERR_CONFLICT);
		assert_null(mirror_mem_object(w->store[0], RELEASE_BIG));
		w->o.report = &other.report;
		assert_ok(push(w), &w->e);
		assert_int_equal(w->m[0].read_bytes, 0);
		assert_whole(w, 0);
		world_free(w);
	}
}

static void a_damaged_local_piece_is_never_sent_by_any_thread(void **state)
{
	(void)state;
	struct world *w = world_new(2, 4);
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, RELEASE_BIG);
	FILE *f = fopen(path, "r+");
	fseek(f, 8 * MIB + 10, SEEK_SET);
	fputc('!', f);
	fclose(f);
	assert_int_equal(push(w), -ERR_INTEGRITY);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(w->m[i].error.class, ERR_INTEGRITY);
		assert_null(mirror_mem_object(w->store[i], RELEASE_BIG));
	}
	world_free(w);
}

/* ---- what is asked -------------------------------------------------------------- */

static const struct mirror_ops *seeing;

struct listing {
	mirror_entry_fn *fn;
	void *ctx;
};

static int without_digest(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	const struct listing *l = ctx;
	struct mirror_entry less = *entry;
	less.stat.has_sha256 = false;
	return l->fn(l->ctx, &less, e);
}

/* As that of S3. */
static int list_without_digests(struct mirror_connection *c, const char *prefix,
				mirror_entry_fn *fn, void *ctx, struct err *e)
{
	struct listing l = { fn, ctx };
	return seeing->list(c, prefix, without_digest, &l, e);
}

static size_t calls_of(const struct world *w, const char *verb)
{
	const struct str_list *calls = mirror_mem_calls(w->store[0]);
	size_t n = 0;
	for (size_t i = 0; i < calls->count; i++)
		n += str_starts(calls->at[i], verb);
	return n;
}

static size_t stats_of_objects(const struct world *w)
{
	const struct str_list *calls = mirror_mem_calls(w->store[0]);
	size_t n = 0;
	for (size_t i = 0; i < calls->count; i++)
		n += str_starts(calls->at[i], "stat targets/");
	return n;
}

static void what_the_record_vouches_for_is_not_asked_about(void **state)
{
	(void)state;
	struct world *w = world_new(1, 4);
	struct mirror_ops ops = *w->handle[0]->ops;
	tree_release(&w->t);
	release_make_many(w->dir, 40, &w->t);
	seeing = w->handle[0]->ops;
	ops.list = list_without_digests;
	w->handle[0]->ops = &ops;
	w->o.record_dir = w->dir;
	assert_ok(push(w), &w->e);
	mirror_mem_forget_calls(w->store[0]);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].outcome, PUSH_UP_TO_DATE);
	assert_int_equal(stats_of_objects(w), 0);
	/* One that is not what it was is asked about, and all with recheck. */
	mirror_mem_set(w->store[0], "targets/07.bin", "has 17 bytes too", 17);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].puts, 1);
	assert_in_range(stats_of_objects(w), 1, 2);
	mirror_mem_forget_calls(w->store[0]);
	w->o.recheck = true;
	assert_ok(push(w), &w->e);
	assert_int_equal(stats_of_objects(w), 40);
	w->handle[0]->ops = seeing;
	world_free(w);
}

static void a_mirror_is_listed_however_many_objects_there_are(void **state)
{
	(void)state;
	struct world *w = world_new(1, 4);
	struct mirror_ops ops = *w->handle[0]->ops;
	tree_release(&w->t);
	release_make_many(w->dir, 40, &w->t);
	seeing = w->handle[0]->ops;
	ops.list = list_without_digests;
	w->handle[0]->ops = &ops;
	w->o.record_dir = w->dir;
	for (unsigned i = 0; i < 2; i++) {
		mirror_mem_forget_calls(w->store[0]);
		assert_ok(push(w), &w->e);
		assert_int_equal(calls_of(w, "list "), 2);
		assert_int_equal(calls_of(w, "stat targets/"), 0);
	}
	/* The release is looked at; nothing else is asked for. */
	assert_in_range(mirror_mem_calls(w->store[0])->count, 3, 6);
	w->handle[0]->ops = seeing;
	world_free(w);
}

static void a_mirror_that_cannot_be_listed_is_asked_for_each_object(void **state)
{
	(void)state;
	struct world *w = world_new(1, 4);
	tree_release(&w->t);
	release_make_many(w->dir, 40, &w->t);
	w->handle[0]->can &= ~(unsigned)MIRROR_CAN_LIST;
	assert_ok(push(w), &w->e);
	mirror_mem_forget_calls(w->store[0]);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].outcome, PUSH_UP_TO_DATE);
	assert_int_equal(calls_of(w, "list "), 0);
	assert_int_equal(stats_of_objects(w), 40);
	world_free(w);
}

/* ---- going on ------------------------------------------------------------------- */

static void the_next_push_sends_only_the_pieces_that_are_missing(void **state)
{
	(void)state;
	struct world *w = world_new(1, 1);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PIECE,
							   .key = RELEASE_BIG,
							   .skip = 1,
							   .times = UINT_MAX });
	assert_int_equal(push(w), -ERR_NETWORK);
	assert_int_equal(w->m[0].resumed_bytes, 0);
	mirror_mem_mend(w->store[0]);
	unsigned before = mirror_mem_pieces(w->store[0]);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].resumed_bytes, 8 * MIB);
	assert_int_equal(w->result.source_bytes, bytes_of_objects(&w->t) - 8 * MIB);
	assert_int_equal(mirror_mem_pieces(w->store[0]) - before, 10);
	assert_whole(w, 0);
	world_free(w);
}

static struct mirror *folder(const char *dir)
{
	CLEANUP(mem_free_ptr) char *text =
		mem_printf("[mirror.f]\nkind = file\npath = %s\nconnections = 3\n", dir);
	return mirror_conf_open(text);
}

/* What a killed push has left in a folder. */
static void leave_first_piece(const struct tree *t, struct mirror *m)
{
	struct err e = ERR_INIT;
	struct tree_object o;
	struct mirror_upload *u;
	const struct repository_file *big = tree_find(t, RELEASE_BIG);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(8 * MIB);
	assert_ok(tree_object_open(t, big, &o, &e), &e);
	struct mirror_put how = {
		.grid = o.pieces.grid,
		.sha256 = big->sha256,
		.pieces = o.pieces.at,
	};
	assert_ok(tree_object_read(&o, 0, data, &e), &e);
	assert_ok(mirror_upload_open(m, RELEASE_BIG, &how, &u, &e), &e);
	assert_ok(mirror_upload_put(u, 0, data, &e), &e);
	mirror_upload_close(u);
	tree_object_close(&o);
}

static void a_folder_goes_on_where_an_upload_was_left(void **state)
{
	(void)state;
	struct world *w = world_new(0, 1);
	char *place = scratch_new();
	struct mirror *m = folder(place);
	assert_int_equal(m->connections, 3);
	leave_first_piece(&w->t, m);
	struct push_mirror pm = { .id = "f", .mirror = m };
	assert_ok(push_run(&w->t, &pm, 1, &w->o, &w->result, &w->e), &w->e);
	assert_int_equal(pm.resumed_bytes, 8 * MIB);
	assert_int_equal(w->result.source_bytes, bytes_of_objects(&w->t) - 8 * MIB);
	push_mirror_release(&pm);
	mirror_close(m);
	scratch_free(place);
	world_free(w);
}

/* ---- what it will take ---------------------------------------------------------- */

static void a_plan_tells_what_is_left_and_about_how_many_requests_it_takes(void **state)
{
	(void)state;
	struct world *w = world_new(1, 1);
	uint64_t bytes;
	w->o.dry_run = true;
	assert_ok(push(w), &w->e);
	/* 9 small files, and one of 2 pieces. */
	assert_int_equal(push_plan_requests(&w->m[0].plan), 9 + 2 + 3);
	assert_int_equal(push_plan_left(&w->m[0].plan, &bytes), 10);
	assert_int_equal(bytes, w->m[0].plan.put_bytes);
	w->o.dry_run = false;
	assert_ok(push(w), &w->e);
	assert_int_equal(push_plan_left(&w->m[0].plan, &bytes), 0);
	assert_int_equal(bytes, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_one_object_are_sent_at_the_same_time),
		cmocka_unit_test(several_objects_are_sent_at_the_same_time),
		cmocka_unit_test(existing_objects_are_read_back_at_the_same_time),
		cmocka_unit_test(there_are_never_more_calls_than_connections),
		cmocka_unit_test(small_objects_are_sent_by_more_threads_than_large_ones),
		cmocka_unit_test(a_large_object_is_sent_by_no_more_threads_than_connections),
		cmocka_unit_test(many_small_objects_go_on_while_large_ones_wait_for_their_turn),
		cmocka_unit_test(objects_with_the_same_bytes_are_not_sent_at_the_same_time),
		cmocka_unit_test(pieces_that_must_come_in_order_are_sent_by_one_thread),
		cmocka_unit_test(objects_are_sent_at_the_same_time_where_pieces_must_come_in_order),
		cmocka_unit_test(each_piece_is_read_once_for_all_threads_of_all_mirrors),
		cmocka_unit_test(each_kind_of_call_is_tried_again),
		cmocka_unit_test(retries_are_counted),
		cmocka_unit_test(
			a_failure_at_any_piece_or_commit_leaves_work_for_the_next_push_only),
		cmocka_unit_test(an_upload_that_another_run_has_completed_is_no_failure),
		cmocka_unit_test(a_damaged_local_piece_is_never_sent_by_any_thread),
		cmocka_unit_test(what_the_record_vouches_for_is_not_asked_about),
		cmocka_unit_test(a_mirror_is_listed_however_many_objects_there_are),
		cmocka_unit_test(a_mirror_that_cannot_be_listed_is_asked_for_each_object),
		cmocka_unit_test(the_next_push_sends_only_the_pieces_that_are_missing),
		cmocka_unit_test(a_folder_goes_on_where_an_upload_was_left),
		cmocka_unit_test(a_plan_tells_what_is_left_and_about_how_many_requests_it_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
