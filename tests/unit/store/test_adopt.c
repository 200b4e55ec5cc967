#include "store/adopt.h"

#include "stocked.h"
#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT "the bytes of a model"
#define ALL (STORE_ADOPT_CLONES | STORE_ADOPT_LINKS | STORE_ADOPT_COPIES)

/* These stand in for the C library's. */
static bool links_broken, another_user;
static unsigned long clones; /* how many were asked for; there are none, wherever the tests run */

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (links_broken) {
		errno = EXDEV;
		return -1;
	}
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

uid_t geteuid(void)
{
	return (uid_t)syscall(SYS_geteuid) + another_user;
}

int ioctl(int fd, unsigned long request, ...)
{
	(void)fd, (void)request;
	clones++;
	errno = EOPNOTSUPP;
	return -1;
}

struct fixture {
	struct stocked *s;
	char *path;
	struct digest digest; /* of TEXT */
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	links_broken = another_user = false;
	f->s = stocked_new();
	f->path = path_join(f->s->dir, "model.gguf");
	scratch_write(f->s->dir, "model.gguf", TEXT, strlen(TEXT));
	sha256_of(TEXT, strlen(TEXT), &f->digest);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	stocked_free(f->s);
	free(f->path);
	free(f);
	return 0;
}

static void hash(const struct fixture *f, unsigned ways, struct store_adopt *a)
{
	struct err e = ERR_INIT;
	assert_ok(store_adopt_open(&f->s->store, f->path, ways, a, &e), &e);
	assert_ok(store_adopt_hash(a, "model.gguf", &e), &e);
	assert_true(digest_equal(&a->sha256, &f->digest));
}

static struct stat stat_of(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static bool has(const struct fixture *f)
{
	return store_has(&f->s->store, &f->digest, strlen(TEXT));
}

static size_t temporaries(const struct fixture *f)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(f->s->store.home, "partial");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err e = ERR_INIT;
	assert_ok(file_list_dir(dir, &names, &e), &e);
	return names.count;
}

static void overwrite(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	close(fd);
}

/* A time that differs, however coarse the clock of the file system is. */
static void touch(const char *path)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_linked_blob_is_the_file_itself_and_read_only(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(f->s, TEXT);
	hash(f, ALL, &a);
	assert_int_equal(a.how, STORE_ADOPT_LINK);
	assert_ok(store_adopt_commit(&a, &e), &e);
	assert_int_equal(stat_of(blob).st_ino, stat_of(f->path).st_ino);
	assert_int_equal(stat_of(f->path).st_mode & 0222, 0);
	assert_true(has(f));
	assert_int_equal(temporaries(f), 0);
	/* Once more: the blob stays. */
	assert_ok(store_adopt_commit(&a, &e), &e);
}

static void a_copy_leaves_the_file_as_it_is(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(f->s, TEXT);
	hash(f, STORE_ADOPT_CLONES | STORE_ADOPT_COPIES, &a);
	assert_int_equal(a.how, STORE_ADOPT_COPY);
	assert_ok(store_adopt_commit(&a, &e), &e);
	assert_int_not_equal(stat_of(blob).st_ino, stat_of(f->path).st_ino);
	assert_int_not_equal(stat_of(f->path).st_mode & 0222, 0);
	assert_int_equal(stat_of(blob).st_mode & 0222, 0);
	assert_true(has(f));
	assert_int_equal(temporaries(f), 0);
}

static void what_is_only_hashed_or_not_wanted_leaves_nothing(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_adopt a = STORE_ADOPT_INIT;
	clones = 0;
	hash(f, STORE_ADOPT_HASH, &a);
	assert_int_equal(a.how, STORE_ADOPT_NONE);
	assert_int_equal(clones, 0);
	assert_int_equal(store_adopt_commit(&a, &e), -ERR_BUG);
	store_adopt_release(&a);
	a = (struct store_adopt)STORE_ADOPT_INIT;
	hash(f, STORE_ADOPT_COPIES, &a);
	assert_int_equal(temporaries(f), 1);
	store_adopt_release(&a);
	store_adopt_release(&a);
	assert_int_equal(temporaries(f), 0);
	assert_false(has(f));
}

static void a_file_that_changes_before_it_is_linked_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	hash(f, STORE_ADOPT_LINKS, &a);
	overwrite(f->path, "THE");
	touch(f->path);
	assert_int_equal(store_adopt_commit(&a, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "was changed while it was read"));
	assert_false(has(f));
	assert_int_equal(temporaries(f), 0);
}

static void a_file_that_takes_the_place_of_the_hashed_one_is_not_linked(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	hash(f, STORE_ADOPT_LINKS, &a);
	assert_int_equal(unlink(f->path), 0);
	scratch_write(f->s->dir, "model.gguf", "other bytes, not ours", 20);
	assert_int_equal(store_adopt_commit(&a, &e), -ERR_CONFLICT);
	assert_false(has(f));
	assert_int_equal(temporaries(f), 0);
}

static void a_file_that_gets_shorter_is_no_integrity_error(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	assert_ok(store_adopt_open(&f->s->store, f->path, ALL, &a, &e), &e);
	assert_int_equal(truncate(f->path, 3), 0);
	assert_int_equal(store_adopt_hash(&a, "model.gguf", &e), -ERR_CONFLICT);
	assert_int_equal(store_adopt_commit(&a, &e), -ERR_CONFLICT); /* the first error stays */
	assert_false(has(f));
}

static void who_writes_to_a_linked_file_afterwards_is_noticed(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	hash(f, STORE_ADOPT_LINKS, &a);
	assert_ok(store_adopt_commit(&a, &e), &e);
	assert_int_equal(chmod(f->path, 0600), 0);
	overwrite(f->path, "THE");
	touch(f->path);
	assert_false(has(f));
}

static void a_file_of_another_user_is_copied_or_left(void **state)
{
	const struct fixture *f = *state;
	struct store_adopt a = STORE_ADOPT_INIT;
	another_user = true;
	assert_int_equal(chmod(f->path, 0444), 0);
	hash(f, STORE_ADOPT_LINKS, &a);
	/* Read-only and root's is as good as one's own. */
	assert_int_equal(a.how, stat_of(f->path).st_uid == 0 ? STORE_ADOPT_LINK : STORE_ADOPT_NONE);
	store_adopt_release(&a);
	assert_int_equal(chmod(f->path, 0644), 0);
	a = (struct store_adopt)STORE_ADOPT_INIT;
	hash(f, STORE_ADOPT_LINKS, &a);
	assert_int_equal(a.how, STORE_ADOPT_NONE);
	store_adopt_release(&a);
	a = (struct store_adopt)STORE_ADOPT_INIT;
	hash(f, ALL, &a);
	assert_int_equal(a.how, STORE_ADOPT_COPY);
	store_adopt_release(&a);
}

static void without_links_there_is_a_copy_or_nothing(void **state)
{
	const struct fixture *f = *state;
	struct store_adopt a = STORE_ADOPT_INIT;
	links_broken = true;
	hash(f, STORE_ADOPT_CLONES | STORE_ADOPT_LINKS, &a);
	assert_int_equal(a.how, STORE_ADOPT_NONE);
	store_adopt_release(&a);
	a = (struct store_adopt)STORE_ADOPT_INIT;
	hash(f, ALL, &a);
	assert_int_equal(a.how, STORE_ADOPT_COPY);
	store_adopt_release(&a);
}

static void only_regular_files_are_opened(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	assert_int_equal(store_adopt_open(&f->s->store, f->s->dir, ALL, &a, &e), -ERR_USAGE);
	assert_int_equal(a.fd, -1);
}

static void a_cancelled_hash_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct cancel cancel = CANCEL_INIT;
	CLEANUP(store_adopt_release) struct store_adopt a = STORE_ADOPT_INIT;
	cancel_ask(&cancel, 2);
	f->s->store.cancel = &cancel;
	assert_ok(store_adopt_open(&f->s->store, f->path, STORE_ADOPT_COPIES, &a, &e), &e);
	assert_int_equal(store_adopt_hash(&a, "model.gguf", &e), -ERR_CANCELLED);
	store_adopt_release(&a);
	assert_int_equal(temporaries(f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_linked_blob_is_the_file_itself_and_read_only),
		TEST(a_copy_leaves_the_file_as_it_is),
		TEST(what_is_only_hashed_or_not_wanted_leaves_nothing),
		TEST(a_file_that_changes_before_it_is_linked_is_refused),
		TEST(a_file_that_takes_the_place_of_the_hashed_one_is_not_linked),
		TEST(a_file_that_gets_shorter_is_no_integrity_error),
		TEST(who_writes_to_a_linked_file_afterwards_is_noticed),
		TEST(a_file_of_another_user_is_copied_or_left),
		TEST(without_links_there_is_a_copy_or_nothing),
		TEST(only_regular_files_are_opened),
		TEST(a_cancelled_hash_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
