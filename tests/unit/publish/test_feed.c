#include "publish/feed.h"

#include "mirror_mem.h"
#include "release.h"
#include "unit.h"
#include "util/mem.h"

#include <pthread.h>
#include <string.h>

/* A tree with one object of two pieces, and mirrors that want it. */
#define MIRRORS 3

struct world {
	char *dir;
	struct tree t;
	size_t big; /* the object's place in the tree */
	struct mirror_mem *store[MIRRORS];
	struct mirror *mirror[MIRRORS];
	struct feed *feed;
	struct err e;
};

static int setup(void **state)
{
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	release_make(w->dir, 1, true, &w->t);
	w->big = tree_index(&w->t, tree_find(&w->t, RELEASE_BIG));
	for (size_t i = 0; i < MIRRORS; i++) {
		w->store[i] = mirror_mem_new();
		w->mirror[i] = mirror_mem_open(w->store[i], "m");
	}
	w->feed = feed_new(&w->t, MIRRORS,
			   &(struct feed_options){ .memory = 1, .patience_ms = 300 });
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	feed_free(w->feed);
	for (size_t i = 0; i < MIRRORS; i++) {
		mirror_close(w->mirror[i]);
		mirror_mem_free(w->store[i]);
	}
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
	return 0;
}

static uint64_t size_of_big(const struct world *w)
{
	return w->t.files.at[w->big].size;
}

static struct mirror_upload *begin_file(struct world *w, size_t i, size_t file)
{
	const struct repository_file *f = &w->t.files.at[file];
	const struct tree_pieces *p;
	struct mirror_upload *u;
	struct err e = ERR_INIT;
	assert_ok(feed_begin(w->feed, i, file, &p, &e), &e);
	struct mirror_put how = { .grid = p->grid, .sha256 = f->sha256, .pieces = p->at };
	assert_ok(mirror_upload_open(w->mirror[i], f->key, &how, &u, &e), &e);
	return u;
}

static struct mirror_upload *begin(struct world *w, size_t i)
{
	return begin_file(w, i, w->big);
}

/* Takes the next piece over; false when there is none. */
static bool step_of(struct world *w, size_t i, size_t file, struct mirror_upload *u)
{
	const struct feed_piece *piece;
	struct err e = ERR_INIT;
	assert_ok(feed_next(w->feed, i, file, u, &piece, &e), &e);
	if (!piece)
		return false;
	assert_ok(mirror_upload_put(u, piece->index, piece->data, &e), &e);
	feed_give_back(w->feed, i, piece);
	return true;
}

static bool step(struct world *w, size_t i, struct mirror_upload *u)
{
	return step_of(w, i, w->big, u);
}

static void finish(struct world *w, size_t i, struct mirror_upload *u)
{
	struct err e = ERR_INIT;
	assert_ok(mirror_upload_commit(u, NULL, &e), &e);
	feed_finish(w->feed, i, w->big);
	mirror_upload_close(u);
	feed_end(w->feed, i);
	assert_non_null(mirror_mem_object(w->store[i], RELEASE_BIG));
}

static void readers_share_what_is_read(void **state)
{
	struct world *w = *state;
	struct mirror_upload *u[MIRRORS];
	for (size_t i = 0; i < MIRRORS; i++)
		feed_want(w->feed, i, w->big);
	for (size_t i = 0; i < MIRRORS; i++)
		u[i] = begin(w, i);
	bool more = true;
	while (more)
		for (size_t i = 0; i < MIRRORS; i++)
			more = step(w, i, u[i]);
	for (size_t i = 0; i < MIRRORS; i++)
		finish(w, i, u[i]);
	assert_int_equal(feed_stats(w->feed).read_bytes, size_of_big(w));
	assert_int_equal(feed_stats(w->feed).reread_bytes, 0);
}

static void a_piece_is_read_again_while_its_file_is_being_sent(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT, late = ERR_INIT;
	feed_want(w->feed, 0, w->big);
	struct mirror_upload *u = begin(w, 0);
	const struct feed_piece *piece;
	assert_ok(feed_next(w->feed, 0, w->big, u, &piece, &e), &e);
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(piece->len);
	assert_ok(feed_again(w->feed, 0, w->big, piece->index, data, &e), &e);
	assert_memory_equal(data, piece->data, piece->len);
	assert_int_equal(feed_reread_bytes(w->feed, 0), piece->len);
	assert_ok(mirror_upload_put(u, piece->index, piece->data, &e), &e);
	feed_give_back(w->feed, 0, piece);
	while (step(w, 0, u))
		;
	finish(w, 0, u);
	assert_int_equal(feed_again(w->feed, 0, w->big, 0, data, &late), -ERR_CONFLICT);
}

static void what_an_upload_has_is_not_read(void **state)
{
	struct world *w = *state;
	feed_want(w->feed, 0, w->big);
	struct mirror_upload *u = begin(w, 0);
	assert_true(step(w, 0, u));
	feed_finish(w->feed, 0, w->big);
	mirror_upload_close(u);
	uint64_t first = feed_stats(w->feed).read_bytes;
	feed_free(w->feed);
	w->feed = feed_new(&w->t, 1, NULL);
	feed_want(w->feed, 0, w->big);
	u = begin(w, 0);
	assert_true(step(w, 0, u));
	assert_false(step(w, 0, u));
	finish(w, 0, u);
	assert_int_equal(feed_stats(w->feed).read_bytes, size_of_big(w) - first);
}

/* The second reader wants a file and never comes: the first waits, then goes on without it; when
 * it comes after all, it reads by itself. */
static void who_holds_the_others_up_is_left_behind(void **state)
{
	struct world *w = *state;
	struct feed_options tight = { .memory = 1, .patience_ms = 200 };
	feed_free(w->feed);
	w->feed = feed_new(&w->t, 2, &tight);
	size_t files = 0;
	for (size_t i = 0; i < w->t.files.count; i++)
		if (w->t.files.at[i].class == REPOSITORY_OBJECT) {
			feed_want(w->feed, 0, i);
			feed_want(w->feed, 1, i);
			files++;
		}
	assert_true(files > 2);
	for (size_t r = 0; r < 2; r++) {
		for (size_t i = 0; i < w->t.files.count; i++) {
			const struct repository_file *f = &w->t.files.at[i];
			const struct tree_pieces *p;
			struct mirror_upload *u;
			if (f->class != REPOSITORY_OBJECT)
				continue;
			assert_ok(feed_begin(w->feed, r, i, &p, &w->e), &w->e);
			struct mirror_put how = {
				.grid = p->grid,
				.sha256 = f->sha256,
				.pieces = p->at,
			};
			assert_ok(mirror_upload_open(w->mirror[r], f->key, &how, &u, &w->e), &w->e);
			while (step_of(w, r, i, u))
				;
			assert_ok(mirror_upload_commit(u, NULL, &w->e), &w->e);
			feed_finish(w->feed, r, i);
			mirror_upload_close(u);
		}
		feed_end(w->feed, r);
	}
	struct feed_stats stats = feed_stats(w->feed);
	assert_true(stats.reread_bytes > 0);
	assert_true(stats.read_bytes > stats.reread_bytes);
	assert_non_null(mirror_mem_object(w->store[1], RELEASE_BIG));
}

struct hand {
	struct world *w;
	struct mirror_upload *u;
	size_t pieces;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct hand *h = arg;
	while (step(h->w, 0, h->u))
		h->pieces++;
	return NULL;
}

static void several_threads_share_a_reader(void **state)
{
	struct world *w = *state;
	struct hand hands[3];
	feed_want(w->feed, 0, w->big);
	struct mirror_upload *u = begin(w, 0);
	for (size_t i = 0; i < 3; i++) {
		hands[i] = (struct hand){ .w = w, .u = u };
		assert_int_equal(pthread_create(&hands[i].thread, NULL, work, &hands[i]), 0);
	}
	size_t pieces = 0;
	for (size_t i = 0; i < 3; i++) {
		pthread_join(hands[i].thread, NULL);
		pieces += hands[i].pieces;
	}
	assert_int_equal(pieces, 2);
	finish(w, 0, u);
	assert_int_equal(feed_stats(w->feed).reread_bytes, 0);
}

/* ---- several threads of each reader, and many files ---- */

#define MANY 40
#define HANDS 4

static void put_file(struct world *w, size_t reader, size_t file)
{
	struct err e = ERR_INIT;
	struct mirror_upload *u = begin_file(w, reader, file);
	while (step_of(w, reader, file, u))
		;
	assert_ok(mirror_upload_commit(u, NULL, &e), &e);
	feed_finish(w->feed, reader, file);
	mirror_upload_close(u);
}

/* The next file that a reader's threads begin. */
struct queue {
	struct world *w;
	size_t reader;
	pthread_mutex_t lock;
	size_t next;
};

static bool put_next(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t file = q->next++;
	pthread_mutex_unlock(&q->lock);
	if (file < MANY)
		put_file(q->w, q->reader, file);
	return file < MANY;
}

static void *put_all(void *queue)
{
	while (put_next(queue))
		;
	return NULL;
}

static void threads_of_all_readers_share_a_small_pool(void **state)
{
	struct world *w = *state;
	struct queue q[MIRRORS];
	pthread_t threads[MIRRORS][HANDS];
	uint64_t size = 0;
	feed_free(w->feed);
	tree_release(&w->t);
	release_make_many(w->dir, MANY, &w->t);
	w->feed = feed_new(&w->t, MIRRORS,
			   &(struct feed_options){ .memory = 1, .patience_ms = UINT64_MAX });
	for (size_t i = 0; i < MANY; i++)
		size += w->t.files.at[i].size;
	for (size_t r = 0; r < MIRRORS; r++) {
		q[r] = (struct queue){ .w = w, .reader = r };
		pthread_mutex_init(&q[r].lock, NULL);
		for (size_t i = 0; i < MANY; i++)
			feed_want(w->feed, r, i);
	}
	for (size_t r = 0; r < MIRRORS; r++)
		for (size_t i = 0; i < HANDS; i++)
			assert_int_equal(pthread_create(&threads[r][i], NULL, put_all, &q[r]), 0);
	for (size_t r = 0; r < MIRRORS; r++) {
		for (size_t i = 0; i < HANDS; i++)
			pthread_join(threads[r][i], NULL);
		feed_end(w->feed, r);
		pthread_mutex_destroy(&q[r].lock);
		for (size_t i = 0; i < MANY; i++)
			assert_non_null(mirror_mem_object(w->store[r], w->t.files.at[i].key));
	}
	struct feed_stats stats = feed_stats(w->feed);
	assert_int_equal(stats.read_bytes, size);
	assert_int_equal(stats.reread_bytes, 0);
	/* One piece, one that is over, and one over that nobody uses yet. */
	assert_in_range(stats.most_bytes, 8 * MIB, 3 * 8 * MIB);
}

static void who_keeps_a_piece_for_long_is_left_behind(void **state)
{
	struct world *w = *state;
	const struct feed_piece *kept;
	struct err e = ERR_INIT;
	size_t file = 5; /* has two pieces */
	feed_free(w->feed);
	tree_release(&w->t);
	release_make_many(w->dir, MANY, &w->t);
	w->feed = feed_new(&w->t, 2, &(struct feed_options){ .memory = 1, .patience_ms = 200 });
	for (size_t i = file; i < MANY; i++) {
		feed_want(w->feed, 0, i);
		feed_want(w->feed, 1, i);
	}
	struct mirror_upload *u = begin_file(w, 1, file);
	assert_ok(feed_next(w->feed, 1, file, u, &kept, &e), &e);
	for (size_t i = file; i < MANY; i++)
		put_file(w, 0, i);
	feed_end(w->feed, 0);
	assert_ok(mirror_upload_put(u, kept->index, kept->data, &e), &e);
	feed_give_back(w->feed, 1, kept);
	while (step_of(w, 1, file, u))
		;
	assert_ok(mirror_upload_commit(u, NULL, &e), &e);
	feed_finish(w->feed, 1, file);
	mirror_upload_close(u);
	for (size_t i = file + 1; i < MANY; i++)
		put_file(w, 1, i);
	feed_end(w->feed, 1);
	assert_int_equal(feed_reread_bytes(w->feed, 0), 0);
	assert_true(feed_reread_bytes(w->feed, 1) > 0);
	assert_int_equal(feed_stats(w->feed).reread_bytes, feed_reread_bytes(w->feed, 1));
}

static void a_damaged_piece_fails_each_reader(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s", w->dir, RELEASE_BIG);
	FILE *f = fopen(path, "r+");
	fseek(f, 5, SEEK_SET);
	fputc('!', f);
	fclose(f);
	feed_want(w->feed, 0, w->big);
	feed_want(w->feed, 1, w->big);
	for (size_t i = 0; i < 2; i++) {
		const struct feed_piece *piece = NULL;
		struct err e = ERR_INIT;
		struct mirror_upload *u = begin(w, i);
		assert_int_equal(feed_next(w->feed, i, w->big, u, &piece, &e), -ERR_INTEGRITY);
		assert_null(piece);
		assert_non_null(strstr(e.text, RELEASE_BIG));
		feed_finish(w->feed, i, w->big);
		mirror_upload_close(u);
		feed_end(w->feed, i);
	}
}

/* Readers on threads of their own, which meet at the damaged piece. */
struct failing {
	struct world *w;
	size_t reader;
	struct err e;
	pthread_t thread;
};

static void *meet(void *arg)
{
	struct failing *f = arg;
	const struct feed_piece *piece;
	struct mirror_upload *u = begin(f->w, f->reader);
	while (feed_next(f->w->feed, f->reader, f->w->big, u, &piece, &f->e) == 0 && piece)
		feed_give_back(f->w->feed, f->reader, piece);
	feed_finish(f->w->feed, f->reader, f->w->big);
	mirror_upload_close(u);
	feed_end(f->w->feed, f->reader);
	return NULL;
}

static void all_readers_that_wait_for_a_damaged_piece_fail(void **state)
{
	struct world *w = *state;
	struct failing all[MIRRORS];
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s", w->dir, RELEASE_BIG);
	FILE *file = fopen(path, "r+");
	fseek(file, 5, SEEK_SET);
	fputc('!', file);
	fclose(file);
	for (int round = 0; round < 20; round++) {
		feed_free(w->feed);
		w->feed = feed_new(&w->t, MIRRORS, NULL);
		for (size_t i = 0; i < MIRRORS; i++)
			feed_want(w->feed, i, w->big);
		for (size_t i = 0; i < MIRRORS; i++) {
			all[i] = (struct failing){ .w = w, .reader = i };
			assert_int_equal(pthread_create(&all[i].thread, NULL, meet, &all[i]), 0);
		}
		for (size_t i = 0; i < MIRRORS; i++) {
			pthread_join(all[i].thread, NULL);
			assert_int_equal(all[i].e.class, ERR_INTEGRITY);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_share_what_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_piece_is_read_again_while_its_file_is_being_sent,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_an_upload_has_is_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(who_holds_the_others_up_is_left_behind, setup,
						teardown),
		cmocka_unit_test_setup_teardown(several_threads_share_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_of_all_readers_share_a_small_pool, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_keeps_a_piece_for_long_is_left_behind, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_damaged_piece_fails_each_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(all_readers_that_wait_for_a_damaged_piece_fail,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
