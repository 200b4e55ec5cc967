#include "serve/cache/cache_internal.h"

#include "stocked.h"
#include "store/blob.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DAY_S 86400

/* fs-verity as a kernel has it: the one that runs the test may not. */
static struct {
	bool simulated;
	int error; /* what it answers; 0: the file has it now */
	int asked;
} verity;

/* As the kernel does with it, the time of its last change moves. */
static int touch(int fd)
{
	struct stat before, now;
	assert_int_equal(fstat(fd, &before), 0);
	do {
		assert_int_equal(fchmod(fd, before.st_mode & 07777), 0);
		assert_int_equal(fstat(fd, &now), 0);
	} while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
	return 0;
}

/* In the place of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list more;
	va_start(more, request);
	void *what = va_arg(more, void *);
	va_end(more);
	if (request != FS_IOC_ENABLE_VERITY || !verity.simulated)
		return (int)syscall(SYS_ioctl, fd, request, what);
	verity.asked++;
	errno = verity.error;
	return verity.error ? -1 : touch(fd);
}

/* The inode of a file whose bytes the disk cannot read, or fs-verity does not let through: every
 * read of it is an EIO. 0: there is none. */
static ino_t unreadable;

static bool is_unreadable(int fd)
{
	struct stat st;
	return unreadable && fstat(fd, &st) == 0 && st.st_ino == unreadable;
}

/* In the place of the C library's, like the next one. */
ssize_t read(int fd, void *data, size_t len)
{
	errno = EIO;
	return is_unreadable(fd) ? -1 : (ssize_t)syscall(SYS_read, fd, data, len);
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	errno = EIO;
	return is_unreadable(fd) ? -1 : (ssize_t)syscall(SYS_pread64, fd, data, len, offset);
}

struct world {
	struct stocked *s;
	struct cache *c;
	struct cache_options o;
	struct repository_file file; /* of view_file */
	struct cache_blob *b;
	struct err e;
};

static void begin(struct world *w)
{
	assert_ok(cache_new(&w->o, &w->c, &w->e), &w->e);
}

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	verity.simulated = false;
	unreadable = 0;
	w->s = stocked_new();
	w->o = (struct cache_options){ .home = w->s->store.home, .clock = &w->s->clock };
	w->file.key = mem_strdup("targets/x");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	cache_close(w->b);
	cache_free(w->c);
	stocked_free(w->s);
	free(w->file.key);
	free(w);
	return 0;
}

/* A blob that no model needs. */
static struct digest put(struct world *w, const char *text)
{
	struct digest d;
	CLEANUP(mem_free_ptr) char *named = path_join(w->s->store.home, "new");
	CLEANUP(file_close) int fd = store_single_open(&w->s->store);
	if (fd < 0) /* Files without a name are Linux's. */
		fd = open(named, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	sha256_of(text, strlen(text), &d);
	assert_true(fd >= 0);
	assert_ok(file_write(fd, text, strlen(text), "a blob", &w->e), &w->e);
	assert_ok(store_single_commit(&w->s->store, &d, strlen(text), fd, &w->e), &w->e);
	unlink(named);
	return d;
}

static struct view_file file_of(struct world *w, const char *text)
{
	w->file.size = strlen(text);
	sha256_of(text, strlen(text), &w->file.sha256);
	return (struct view_file){ .file = &w->file };
}

static int open_text(struct world *w, const char *text)
{
	struct view_file f = file_of(w, text);
	cache_close(w->b);
	w->b = NULL;
	err_clear(&w->e);
	return cache_open(w->c, NULL, &f, CACHE_FETCH, &w->b, &w->e);
}

static void assert_reads(struct world *w, const char *text)
{
	char got[64] = "";
	size_t len = strlen(text);
	assert_ok(open_text(w, text), &w->e);
	assert_true(cache_blob_was_there(w->b));
	assert_true(cache_blob_fd(w->b) >= 0);
	assert_int_equal(cache_blob_ready(w->b, 0, 1000, &w->e), len);
	assert_int_equal(cache_blob_read(w->b, 0, got, len, &w->e), len);
	assert_memory_equal(got, text, len);
}

static void assert_not_there(struct world *w, const char *text)
{
	assert_int_equal(open_text(w, text), -ERR_NOT_FOUND);
}

static struct cache_stats stats(struct world *w)
{
	struct cache_stats s;
	cache_stats(w->c, &s);
	return s;
}

/* ---- hits ---- */

static void what_is_in_the_store_is_a_hit(void **state)
{
	struct world *w = *state;
	put(w, "one");
	begin(w);
	assert_reads(w, "one");
	/* Put there by another program meanwhile. */
	put(w, "two");
	assert_reads(w, "two");
	assert_not_there(w, "three");
	assert_int_equal(stats(w).hits, 2);
	assert_int_equal(stats(w).objects, 2);
	assert_int_equal(stats(w).bytes, 6);
}

static void readers_of_a_file_share_its_descriptor(void **state)
{
	struct world *w = *state;
	struct cache_blob *other;
	struct view_file f;
	put(w, "one");
	begin(w);
	assert_reads(w, "one");
	f = file_of(w, "one");
	assert_ok(cache_open(w->c, NULL, &f, CACHE_FETCH, &other, &w->e), &w->e);
	assert_ptr_equal(other, w->b);
	cache_close(other);
	assert_true(cache_blob_fd(w->b) >= 0);
}

static void a_withdrawn_file_is_not_there(void **state)
{
	struct world *w = *state;
	put(w, "one");
	begin(w);
	struct view_file f = file_of(w, "one");
	f.withdrawn = true;
	assert_int_equal(cache_open(w->c, NULL, &f, CACHE_HAVE, &w->b, &w->e), -ERR_NOT_FOUND);
}

static void a_map_has_a_bit_for_each_piece(void **state)
{
	struct world *w = *state;
	CLEANUP(buf_release) struct buf map = BUF_INIT(KIB);
	put(w, "one");
	begin(w);
	assert_reads(w, "one");
	assert_ok(cache_blob_map(w->b, &map, &w->e), &w->e);
	assert_int_equal(map.len, 1);
	assert_int_equal((uint8_t)map.data[0], 0x80);
}

/* ---- files that are sent ---- */

struct cuts {
	_Atomic(const struct cache_blob *) of;
	atomic_uint count;
};

static void note_cut(void *ctx, const struct cache_blob *b)
{
	struct cuts *cuts = ctx;
	atomic_store(&cuts->of, b);
	atomic_fetch_add(&cuts->count, 1);
}

static void who_writes_to_a_file_waits_until_its_transfers_are_cut(void **state)
{
	struct world *w = *state;
	struct cuts cuts = { 0 };
	struct digest d = put(w, "one");
	CLEANUP(mem_free_ptr) char *path = stocked_blob(w->s, "one");
	assert_int_equal(chmod(path, 0644), 0);
	begin(w);
	assert_true(cache_object_verify(w->c, &d));
	assert_ok(cache_guard(w->c, note_cut, &cuts, &w->e), &w->e);
	/* Its thread may not run yet: until then, files are read, and not sent. */
	while (open_text(w, "one") == 0 && cache_blob_fd(w->b) < 0)
		continue;
	assert_true(cache_blob_fd(w->b) >= 0);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	if (!NATIVE) { /* There are no leases, and it does not wait. */
		assert_int_equal(atomic_load(&cuts.count), 0);
		close(fd);
		cache_unguard(w->c);
		return;
	}
	assert_ptr_equal(atomic_load(&cuts.of), w->b);
	assert_int_equal(atomic_load(&cuts.count), 1);
	assert_int_equal(cache_blob_fd(w->b), -1);
	/* It is open for writing: it may be read, but not sent. */
	assert_ok(open_text(w, "one"), &w->e);
	assert_int_equal(cache_blob_fd(w->b), -1);
	assert_int_equal(cache_blob_ready(w->b, 0, 3, &w->e), 3);
	close(fd);
	cache_unguard(w->c);
}

/* ---- files that change ---- */

/* The time of a change is that of the kernel's last tick, as that of a mark is. */
static void await_tick(const char *path)
{
	struct stat before, now;
	assert_int_equal(stat(path, &before), 0);
	do {
		assert_int_equal(chmod(path, 0444), 0);
		assert_int_equal(stat(path, &now), 0);
	} while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
		 now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

/* As somebody who hides it: the size and the time of the content stay. */
static void change(struct world *w, const char *text, const char *other)
{
	CLEANUP(mem_free_ptr) char *path = stocked_blob(w->s, text);
	struct stat st;
	await_tick(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(chmod(path, 0644), 0);
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, other, strlen(other)), strlen(other));
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	assert_int_equal(chmod(path, 0444), 0);
}

static void a_file_that_changes_while_it_is_read_is_not_handed_out(void **state)
{
	struct world *w = *state;
	char got[8];
	put(w, "right");
	begin(w);
	assert_reads(w, "right");
	change(w, "right", "wrong");
	assert_int_equal(cache_blob_fd(w->b), -1);
	assert_int_equal(cache_blob_read(w->b, 0, got, 5, &w->e), -ERR_INTEGRITY);
	err_clear(&w->e);
	assert_int_equal(cache_blob_ready(w->b, 0, 5, &w->e), -ERR_INTEGRITY);
	assert_not_there(w, "right");
	assert_int_equal(stats(w).changed, 1);
}

static void one_that_changed_between_requests_neither(void **state)
{
	struct world *w = *state;
	put(w, "right");
	begin(w);
	change(w, "right", "wrong");
	assert_not_there(w, "right");
}

static void nor_one_that_changed_while_no_edge_ran(void **state)
{
	struct world *w = *state;
	put(w, "right");
	put(w, "stays");
	begin(w);
	assert_reads(w, "right");
	cache_close(w->b);
	w->b = NULL;
	cache_free(w->c);
	change(w, "right", "wrong");
	begin(w);
	assert_not_there(w, "right");
	assert_reads(w, "stays");
}

static void nor_one_that_no_edge_has_seen_before(void **state)
{
	struct world *w = *state;
	put(w, "right");
	change(w, "right", "wrong");
	begin(w);
	assert_not_there(w, "right");
}

static void a_cut_file_is_not_there(void **state)
{
	struct world *w = *state;
	put(w, "right");
	CLEANUP(mem_free_ptr) char *path = stocked_blob(w->s, "right");
	begin(w);
	assert_reads(w, "right");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(truncate(path, 3), 0);
	assert_int_equal(cache_blob_fd(w->b), -1);
	assert_not_there(w, "right");
}

static void a_changed_file_is_hashed_before_it_is_fetched_again(void **state)
{
	struct world *w = *state;
	struct digest right = put(w, "right"), touched = put(w, "touched");
	CLEANUP(mem_free_ptr) char *path = stocked_blob(w->s, "touched");
	CLEANUP(mem_free_ptr) char *aside = store_damaged_path(&w->s->store, &right);
	begin(w);
	change(w, "right", "wrong");
	assert_not_there(w, "right");
	assert_ok(cache_make_room(w->c, &right, 5, &w->e), &w->e);
	assert_not_there(w, "right");
	assert_true(file_exists(aside));
	assert_int_equal(stats(w).rotten, 1);
	/* Only its times moved. */
	assert_int_equal(chmod(path, 0400), 0);
	assert_not_there(w, "touched");
	assert_ok(cache_make_room(w->c, &touched, 7, &w->e), &w->e);
	assert_reads(w, "touched");
}

/* ---- room ---- */

static void fetch(struct world *w, const char *text)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	assert_ok(cache_make_room(w->c, &d, strlen(text), &w->e), &w->e);
	put(w, text);
	cache_object_arrived(w->c, &d);
	cache_room_taken(w->c, &d);
}

static void the_least_recently_used_makes_room(void **state)
{
	struct world *w = *state;
	w->o.size = 10;
	begin(w);
	fetch(w, "aaaa");
	fetch(w, "bbbb");
	assert_reads(w, "aaaa");
	fetch(w, "cccc");
	assert_false(stocked_has(w->s, "bbbb"));
	assert_reads(w, "aaaa");
	assert_reads(w, "cccc");
	assert_int_equal(stats(w).evicted, 1);
	assert_int_equal(stats(w).bytes, 8);
}

static void what_models_need_stays_and_does_not_count(void **state)
{
	struct world *w = *state;
	const char *const texts[] = { "needed by a model", NULL };
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(w->s, "m", "v", texts);
	struct err e = ERR_INIT;
	struct digest d;
	w->o.size = 10;
	begin(w);
	fetch(w, "aaaa");
	fetch(w, "bbbb");
	fetch(w, "cccc");
	assert_true(stocked_has(w->s, texts[0]));
	assert_int_equal(stats(w).kept_objects, 1);
	assert_int_equal(stats(w).kept_bytes, strlen(texts[0]));
	assert_int_equal(stats(w).objects, 2);
	sha256_of(texts[0], strlen(texts[0]), &d);
	assert_int_equal(cache_drop(w->c, &d, &e), -ERR_CONFLICT);
	assert_reads(w, texts[0]);
}

static void what_is_larger_than_the_cache_is_refused(void **state)
{
	struct world *w = *state;
	struct digest d;
	w->o.size = 10;
	begin(w);
	fetch(w, "aaaa");
	sha256_of("x", 1, &d);
	assert_int_equal(cache_make_room(w->c, &d, 11, &w->e), -ERR_SYSTEM);
	assert_true(stocked_has(w->s, "aaaa"));
}

static void room_is_promised_once(void **state)
{
	struct world *w = *state;
	struct digest a, b;
	w->o.size = 10;
	begin(w);
	sha256_of("a", 1, &a);
	sha256_of("b", 1, &b);
	assert_ok(cache_make_room(w->c, &a, 8, &w->e), &w->e);
	assert_ok(cache_make_room(w->c, &a, 6, &w->e), &w->e);
	assert_int_equal(cache_make_room(w->c, &b, 6, &w->e), -ERR_SYSTEM);
	cache_room_taken(w->c, &a);
	err_clear(&w->e);
	assert_ok(cache_make_room(w->c, &b, 6, &w->e), &w->e);
}

static void some_of_the_disk_stays_free(void **state)
{
	struct world *w = *state;
	struct digest d;
	put(w, "aaaa");
	w->o.keep_free = UINT64_MAX / 2;
	begin(w);
	sha256_of("x", 1, &d);
	assert_int_equal(cache_make_room(w->c, &d, 1, &w->e), -ERR_SYSTEM);
	/* All that could go has gone. */
	assert_false(stocked_has(w->s, "aaaa"));
}

static void an_evicted_file_is_read_to_its_end(void **state)
{
	struct world *w = *state;
	char got[4];
	struct digest d = put(w, "aaaa");
	begin(w);
	assert_reads(w, "aaaa");
	assert_ok(cache_drop(w->c, &d, &w->e), &w->e);
	assert_false(stocked_has(w->s, "aaaa"));
	assert_int_equal(cache_blob_read(w->b, 0, got, 4, &w->e), 4);
	assert_memory_equal(got, "aaaa", 4);
	assert_not_there(w, "aaaa");
	err_clear(&w->e);
	assert_int_equal(cache_drop(w->c, &d, &w->e), -ERR_NOT_FOUND);
}

static void the_order_of_use_outlives_the_edge(void **state)
{
	struct world *w = *state;
	put(w, "aaaa");
	put(w, "bbbb");
	begin(w);
	assert_reads(w, "aaaa");
	assert_reads(w, "bbbb");
	assert_reads(w, "aaaa");
	cache_close(w->b);
	w->b = NULL;
	cache_free(w->c);
	w->o.size = 10;
	begin(w);
	fetch(w, "cccc");
	assert_false(stocked_has(w->s, "bbbb"));
	assert_true(stocked_has(w->s, "aaaa"));
}

static void a_store_has_one_edge(void **state)
{
	struct world *w = *state;
	struct cache *other;
	begin(w);
	assert_int_equal(cache_new(&w->o, &other, &w->e), -ERR_CONFLICT);
	assert_non_null(strstr(w->e.hint, "FERRY_HOME"));
}

/* ---- the scrub ---- */

/* Bytes that are wrong although the file looks as it was verified. */
static void rot(struct world *w, const char *text, const char *other)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	change(w, text, other);
	blob_vouch(&w->s->store, &d);
}

static void the_scrub_finds_what_rotted_within_the_period(void **state)
{
	struct world *w = *state;
	w->o.scrub_s = 30 * DAY_S;
	w->s->now_s = clock_wall_s(NULL);
	put(w, "right");
	put(w, "rotten");
	rot(w, "rotten", "wrong!");
	begin(w);
	cache_scrub(w->c);
	assert_reads(w, "right");
	assert_int_equal(stats(w).rotten, 0);
	w->s->now_s += 29 * DAY_S;
	cache_scrub(w->c);
	assert_int_equal(stats(w).rotten, 1);
	assert_int_equal(stats(w).scrubbed_bytes, strlen("right") + strlen("rotten"));
	assert_not_there(w, "rotten");
	assert_reads(w, "right");
	assert_int_equal(stats(w).scrub_oldest_s, w->s->now_s);
}

static void a_check_by_a_clock_that_was_ahead_does_not_count(void **state)
{
	struct world *w = *state;
	uint64_t bytes = strlen("one") + strlen("other");
	w->o.scrub_s = 30 * DAY_S;
	w->s->now_s = clock_wall_s(NULL) + 365 * DAY_S;
	put(w, "one");
	put(w, "other");
	begin(w);
	cache_scrub(w->c);
	assert_int_equal(stats(w).scrubbed_bytes, bytes);
	w->s->now_s -= 365 * DAY_S;
	for (int i = 0; i < 2; i++) {
		cache_scrub(w->c);
		assert_int_equal(stats(w).scrubbed_bytes, 2 * bytes);
	}
}

static void readers_of_a_rotten_file_are_cut_off(void **state)
{
	struct world *w = *state;
	char got[8];
	w->o.scrub_s = 30 * DAY_S;
	w->s->now_s = clock_wall_s(NULL);
	put(w, "rotten");
	rot(w, "rotten", "wrong!");
	begin(w);
	assert_ok(open_text(w, "rotten"), &w->e);
	w->s->now_s += 29 * DAY_S;
	cache_scrub(w->c);
	assert_int_equal(cache_blob_fd(w->b), -1);
	assert_int_equal(cache_blob_read(w->b, 0, got, 6, &w->e), -ERR_INTEGRITY);
}

static void fs_verity_changes_nothing_for_readers(void **state)
{
	struct world *w = *state;
	put(w, "one");
	begin(w);
	assert_reads(w, "one");
	cache_protect(w->c);
	assert_reads(w, "one");
	cache_close(w->b);
	w->b = NULL;
	cache_protect(w->c);
	assert_reads(w, "one");
	cache_close(w->b);
	w->b = NULL;
	cache_free(w->c);
	begin(w);
	assert_reads(w, "one");
}

static void set_verity(struct world *w, int error)
{
	verity.simulated = true;
	verity.asked = 0;
	verity.error = error;
	put(w, "one");
	put(w, "two");
	begin(w);
	assert_reads(w, "one");
	assert_reads(w, "two");
	cache_close(w->b);
	w->b = NULL;
}

/* Elsewhere than on Linux it is never asked. */
static void assert_asked(int times)
{
	assert_int_equal(verity.asked, NATIVE ? times : 0);
}

static void what_got_simulated_fs_verity_counts_as_unchanged(void **state)
{
	struct world *w = *state;
	set_verity(w, 0);
	cache_protect(w->c);
	assert_asked(2);
	cache_protect(w->c);
	assert_asked(2);
	assert_reads(w, "one");
	assert_int_equal(stats(w).changed, 0);
	cache_close(w->b);
	w->b = NULL;
	cache_free(w->c);
	begin(w);
	assert_reads(w, "two");
	assert_int_equal(stats(w).changed, 0);
}

static void a_file_that_is_read_gets_no_simulated_fs_verity_yet(void **state)
{
	struct world *w = *state;
	set_verity(w, 0);
	assert_reads(w, "two");
	cache_protect(w->c);
	assert_asked(1);
	cache_close(w->b);
	w->b = NULL;
	cache_protect(w->c);
	assert_asked(2);
}

static void a_file_system_without_fs_verity_is_asked_once(void **state)
{
	struct world *w = *state;
	set_verity(w, ENOTTY);
	cache_protect(w->c);
	cache_protect(w->c);
	assert_asked(1);
	assert_reads(w, "one");
}

static void a_file_that_cannot_have_simulated_fs_verity_does_not_end_it_for_others(void **state)
{
	struct world *w = *state;
	set_verity(w, ETXTBSY);
	cache_protect(w->c);
	assert_asked(2);
	assert_reads(w, "one");
}

static void spoil(struct world *w, const char *text)
{
	CLEANUP(mem_free_ptr) char *path = stocked_blob(w->s, text);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	unreadable = st.st_ino;
}

static void a_file_that_cannot_be_read_is_removed_and_can_be_fetched_again(void **state)
{
	struct world *w = *state;
	char got[8];
	struct digest d = put(w, "one");
	begin(w);
	assert_reads(w, "one");
	spoil(w, "one");
	assert_int_equal(cache_blob_read(w->b, 0, got, 3, &w->e), -ERR_SYSTEM);
	assert_int_equal(w->e.sys, EIO);
	assert_int_equal(cache_blob_fd(w->b), -1);
	assert_not_there(w, "one");
	/* Before it is fetched, what is there is verified. */
	err_clear(&w->e);
	assert_ok(cache_make_room(w->c, &d, 3, &w->e), &w->e);
	assert_false(stocked_has(w->s, "one"));
	assert_int_equal(stats(w).rotten, 1);
	unreadable = 0;
	fetch(w, "one");
	assert_reads(w, "one");
}

static void the_scrub_removes_what_it_cannot_read(void **state)
{
	struct world *w = *state;
	w->o.scrub_s = 30 * DAY_S;
	w->s->now_s = clock_wall_s(NULL);
	put(w, "one");
	put(w, "two");
	begin(w);
	spoil(w, "one");
	w->s->now_s += 29 * DAY_S;
	cache_scrub(w->c);
	assert_false(stocked_has(w->s, "one"));
	assert_not_there(w, "one");
	assert_int_equal(stats(w).rotten, 1);
	assert_reads(w, "two");
}

/* ---- small objects ---- */

static void a_small_object_is_read_as_a_whole(void **state)
{
	struct world *w = *state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(KIB);
	put(w, "one");
	put(w, "two");
	rot(w, "two", "bad");
	begin(w);
	struct view_file f = file_of(w, "one");
	assert_ok(cache_small(w->c, NULL, &f, &out, &w->e), &w->e);
	assert_string_equal(buf_str(&out), "one");
	/* It is hashed each time. */
	f = file_of(w, "two");
	assert_int_equal(cache_small(w->c, NULL, &f, &out, &w->e), -ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_in_the_store_is_a_hit),
		TEST(readers_of_a_file_share_its_descriptor),
		TEST(a_withdrawn_file_is_not_there),
		TEST(a_map_has_a_bit_for_each_piece),
		TEST(who_writes_to_a_file_waits_until_its_transfers_are_cut),
		TEST(a_file_that_changes_while_it_is_read_is_not_handed_out),
		TEST(one_that_changed_between_requests_neither),
		TEST(nor_one_that_changed_while_no_edge_ran),
		TEST(nor_one_that_no_edge_has_seen_before),
		TEST(a_cut_file_is_not_there),
		TEST(a_changed_file_is_hashed_before_it_is_fetched_again),
		TEST(the_least_recently_used_makes_room),
		TEST(what_models_need_stays_and_does_not_count),
		TEST(what_is_larger_than_the_cache_is_refused),
		TEST(room_is_promised_once),
		TEST(some_of_the_disk_stays_free),
		TEST(an_evicted_file_is_read_to_its_end),
		TEST(the_order_of_use_outlives_the_edge),
		TEST(a_store_has_one_edge),
		TEST(the_scrub_finds_what_rotted_within_the_period),
		TEST(a_check_by_a_clock_that_was_ahead_does_not_count),
		TEST(readers_of_a_rotten_file_are_cut_off),
		TEST(fs_verity_changes_nothing_for_readers),
		TEST(what_got_simulated_fs_verity_counts_as_unchanged),
		TEST(a_file_that_is_read_gets_no_simulated_fs_verity_yet),
		TEST(a_file_system_without_fs_verity_is_asked_once),
		TEST(a_file_that_cannot_have_simulated_fs_verity_does_not_end_it_for_others),
		TEST(a_file_that_cannot_be_read_is_removed_and_can_be_fetched_again),
		TEST(the_scrub_removes_what_it_cannot_read),
		TEST(a_small_object_is_read_as_a_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
