#include "store/partials.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Stands in for the C library's: a file system without working locks. */
static bool locks_broken;
int flock(int fd, int operation)
{
	if (locks_broken) {
		errno = ENOLCK;
		return -1;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

struct fixture {
	char *dir;
	struct store store;
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	CLEANUP(mem_free_ptr) char *home = path_join(f->dir, "home");
	assert_ok(store_open(home, &f->store, &e), &e);
	locks_broken = false;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	assert_ok(file_write_atomic(path, text, strlen(text), 0644, &e), &e);
}

static struct digest add_part(struct fixture *f, const char *text)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	CLEANUP(mem_free_ptr) char *journal = store_journal_path(&f->store, &d);
	write_file(part, text);
	write_file(journal, "journal");
	return d;
}

static int commit_open(struct fixture *f, const struct digest *d, int fd, struct err *e)
{
	CLEANUP(store_partial_release) struct store_partial p = { 0 };
	store_partial_init(&f->store, d, "", &p);
	return store_commit(&f->store, &p, fd, e);
}

static int commit(struct fixture *f, const struct digest *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, d);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	assert_true(fd >= 0);
	return commit_open(f, d, fd, e);
}

static struct digest add_blob(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	struct digest d = add_part(f, text);
	assert_ok(commit(f, &d, &e), &e);
	return d;
}

/* A variant "r/MODEL:v" of files "0.gguf", "1.gguf", … with these texts; NULL-ended. */
static struct store_variant variant_of(const char *model, const char *const *texts)
{
	struct store_variant v = {
		.repository = mem_strdup("r"),
		.model = mem_strdup(model),
		.variant = mem_strdup("v"),
		.version = 1,
		.fetched_s = 1700000000,
	};
	v.files = mem_alloc(8 * sizeof *v.files);
	for (size_t i = 0; texts[i]; i++) {
		struct store_file *file = &v.files[v.file_count++];
		file->name = mem_printf("%zu.gguf", i);
		file->size = strlen(texts[i]);
		sha256_of(texts[i], strlen(texts[i]), &file->sha256);
	}
	return v;
}

static void link_variant(struct fixture *f, const char *model, const char *const *texts)
{
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v = variant_of(model, texts);
	for (size_t i = 0; texts[i]; i++)
		add_blob(f, texts[i]);
	assert_ok(store_link(&f->store, &v, &e), &e);
}

static void age(const char *path, int64_t by_s)
{
	struct timespec t[2] = { { .tv_sec = time(NULL) - by_s }, { .tv_sec = time(NULL) - by_s } };
	assert_int_equal(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

static bool has(struct fixture *f, const char *text)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	return store_has(&f->store, &d, strlen(text));
}

static bool has_file(struct fixture *f, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(f->store.home, name);
	return file_exists(path);
}

static void home_comes_from_the_environment(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *home;
	setenv("FERRY_HOME", "/somewhere/else", 1);
	assert_ok(store_home(&home, &e), &e);
	assert_string_equal(home, "/somewhere/else");
	free(home);
	unsetenv("FERRY_HOME");
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_ok(store_home(&home, &e), &e);
	assert_string_equal(home, "/data/ferry");
	free(home);
	unsetenv("XDG_DATA_HOME");
	setenv("HOME", "/people/me", 1);
	assert_ok(store_home(&home, &e), &e);
	assert_string_equal(home, "/people/me/.local/share/ferry");
	free(home);
}

static void commit_makes_a_read_only_blob(void **state)
{
	struct fixture *f = *state;
	struct digest d = add_blob(f, "hello");
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	CLEANUP(mem_free_ptr) char *journal = store_journal_path(&f->store, &d);
	struct stat st;
	assert_int_equal(stat(blob, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_true(has(f, "hello"));
	assert_false(store_has(&f->store, &d, 6));
	assert_false(file_exists(part));
	assert_false(file_exists(journal));
}

static void commit_is_fine_when_another_was_faster(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = add_part(f, "hello");
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	assert_ok(commit(f, &d, &e), &e);
	assert_ok(commit_open(f, &d, fd, &e), &e);
	add_part(f, "hello");
	assert_ok(commit(f, &d, &e), &e);
	assert_true(has(f, "hello"));
}

/* Without locks: ours is complete, but its name stands for another process's new file. */
static void commit_never_takes_another_processs_file(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = add_part(f, "hello");
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	assert_int_equal(unlink(part), 0);
	write_file(part, "hel");
	/* Ours has no name left, so it cannot be named again; the other must not be. */
	assert_int_equal(commit_open(f, &d, fd, &e), -ERR_CONFLICT);
	assert_false(has(f, "hello"));
	assert_true(file_exists(part));

	/* Ours became the blob through a third process. */
	write_file(part, "hello");
	file_close(&fd);
	fd = open(part, O_RDWR);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	assert_int_equal(rename(part, blob), 0);
	write_file(part, "hel");
	err_clear(&e);
	assert_ok(commit_open(f, &d, fd, &e), &e);
	assert_true(has(f, "hello"));
	assert_ok(store_verify(&f->store, &d, &e), &e);
	/* Nobody works on the new one, and nobody needs it now. */
	assert_false(file_exists(part));
}

static int write_and_commit(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	struct digest d = add_part(f, text);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	/* The other was faster: nothing to do. */
	int rc = fd < 0 ? 0 : commit_open(f, &d, fd, &e);
	if (rc < 0 && rc != -ERR_CONFLICT)
		fprintf(stderr, "%s\n", e.text);
	return -rc;
}

/* Both write, both commit, at the same moment, again and again. One may be told that the
 * other replaced its partial, which is not a blob yet; never both. */
static void two_processes_commit_the_same_file(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 20; round++) {
		char text[32];
		pid_t children[2];
		snprintf(text, sizeof text, "round %d", round);
		for (int i = 0; i < 2; i++) {
			children[i] = fork();
			if (children[i] == 0)
				_exit(write_and_commit(f, text));
		}
		int conflicts = 0;
		for (int i = 0; i < 2; i++) {
			int status;
			assert_int_equal(waitpid(children[i], &status, 0), children[i]);
			assert_true(WIFEXITED(status));
			if (WEXITSTATUS(status) == ERR_CONFLICT)
				conflicts++;
			else
				assert_int_equal(WEXITSTATUS(status), 0);
		}
		assert_true(conflicts < 2);
		assert_true(has(f, text));
	}
}

static void variant_is_linked_listed_and_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	link_variant(f, "phi", (const char *[]){ "one", "two", NULL });
	link_variant(f, "abc", (const char *[]){ "one", NULL });
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	assert_ok(store_list(&f->store, &all, &e), &e);
	assert_int_equal(all.count, 2);
	assert_string_equal(all.at[0].model, "abc");
	assert_string_equal(all.at[1].model, "phi");
	assert_true(all.at[1].complete);
	assert_int_equal(all.at[1].size, 6);
	assert_int_equal(all.at[1].fetched_s, 1700000000);
	assert_int_equal(all.at[1].file_count, 2);
	assert_string_equal(all.at[1].files[1].name, "1.gguf");

	CLEANUP(mem_free_ptr) char *path = path_join(all.at[1].dir, "1.gguf");
	CLEANUP(buf_release) struct buf b = BUF_INIT(100);
	assert_ok(file_read_all(path, &b, &e), &e);
	assert_string_equal(b.data, "two");
}

static void roles_of_files_are_recorded(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	add_blob(f, "model");
	add_blob(f, "sight");
	CLEANUP(store_variant_release)
	struct store_variant v = variant_of("phi", (const char *[]){ "model", "sight", NULL });
	CLEANUP(store_variant_release)
	struct store_variant plain = variant_of("phi", (const char *[]){ "model", "sight", NULL });
	v.files[1].role = mem_strdup("projector");
	assert_ok(store_link(&f->store, &v, &e), &e);
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	assert_ok(store_list(&f->store, &all, &e), &e);
	assert_null(all.at[0].files[0].role);
	assert_string_equal(all.at[0].files[1].role, "projector");
	assert_true(store_variant_equal(&all.at[0], &v));
	assert_false(store_variant_equal(&all.at[0], &plain));
	v.files[1].role[0] = '/';
	assert_int_equal(store_link(&f->store, &v, &e), -ERR_USAGE);
}

static void store_can_be_moved(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	CLEANUP(mem_free_ptr) char *moved = path_join(f->dir, "moved");
	assert_int_equal(rename(f->store.home, moved), 0);
	CLEANUP(mem_free_ptr) char *path = path_join(moved, "models/r/phi/v/0.gguf");
	CLEANUP(buf_release) struct buf b = BUF_INIT(100);
	assert_ok(file_read_all(path, &b, &e), &e);
	assert_string_equal(b.data, "one");
}

static void newer_version_replaces_the_links(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	link_variant(f, "phi", (const char *[]){ "one", "two", NULL });
	link_variant(f, "phi", (const char *[]){ "three", NULL });
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	assert_ok(store_list(&f->store, &all, &e), &e);
	assert_int_equal(all.count, 1);
	assert_int_equal(all.at[0].file_count, 1);
	assert_false(has_file(f, "models/r/phi/v/1.gguf"));
	assert_true(has(f, "one"));
}

static void leftovers_of_a_killed_link_are_tidied_up(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	link_variant(f, "m", (const char *[]){ "a", NULL });
	CLEANUP(store_variant_release) struct store_variant v =
		variant_of("m", (const char *[]){ "a", NULL });
	CLEANUP(store_variant_release) struct store_variant next =
		variant_of("m", (const char *[]){ "b", NULL });
	CLEANUP(mem_free_ptr) char *pending = path_join(f->store.home,
							"models/r/m/v/.pending.json");
	CLEANUP(mem_free_ptr) char *old = path_join(f->store.home, "models/r/m/v/1.gguf");
	write_file(old, "of an older version");
	assert_ok(store_expect(&f->store, &next, &e), &e);
	store_tidy_variant(&f->store, &v);
	assert_true(file_exists(pending)); /* somebody fetches the next version */
	assert_ok(store_expect(&f->store, &v, &e), &e);
	store_tidy_variant(&f->store, &v);
	assert_false(file_exists(pending));
	assert_false(file_exists(old));
}

static void names_that_leave_the_folder_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "../x.gguf", "/x", ".variant.json", "..", "a/b", "" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		CLEANUP(store_variant_release) struct store_variant v =
			variant_of("phi", (const char *[]){ "one", NULL });
		free(v.files[0].name);
		v.files[0].name = mem_strdup(bad[i]);
		assert_int_equal(store_link(&f->store, &v, &e), -ERR_USAGE);
	}
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v =
		variant_of("../../up", (const char *[]){ "one", NULL });
	assert_int_equal(store_link(&f->store, &v, &e), -ERR_USAGE);
}

static void link_without_its_blob_is_a_conflict(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_variant_release) struct store_variant v =
		variant_of("phi", (const char *[]){ "never there", NULL });
	assert_int_equal(store_link(&f->store, &v, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "0.gguf"));
}

static void several_are_linked_although_one_cannot_be(void **state)
{
	struct fixture *f = *state;
	static const char *const models[] = { "phi", "gone", "qwen", "refused" };
	struct store_variant v[ARRAY_LEN(models)];
	struct store_linking all[ARRAY_LEN(models)];
	struct err why[ARRAY_LEN(models)] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(models); i++) {
		v[i] = variant_of(models[i], (const char *[]){ models[i], NULL });
		if (i != 1)
			add_blob(f, models[i]);
		all[i] = (struct store_linking){ &v[i], &why[i], 0 };
	}
	err_set(&why[3], ERR_NETWORK, "failed before");
	store_link_all(&f->store, all, ARRAY_LEN(all));
	assert_int_equal(why[1].class, ERR_CONFLICT);
	assert_int_equal(why[3].class, ERR_NETWORK);
	for (size_t i = 0; i < 3; i += 2) {
		CLEANUP(mem_free_ptr) char *record = mem_printf("models/r/%s/v/.variant.json",
								models[i]);
		assert_int_equal(why[i].class, 0);
		assert_true(has_file(f, record));
	}
	assert_false(has_file(f, "models/r/refused"));
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		store_variant_release(&v[i]);
}

static void only_the_variants_of_a_model_are_listed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	link_variant(f, "qwen", (const char *[]){ "two", NULL });
	CLEANUP(store_variants_release) struct store_variants of_all = { 0 };
	assert_ok(store_list_model(&f->store, NULL, "qwen", &of_all, &e), &e);
	assert_int_equal(of_all.count, 1);
	assert_string_equal(of_all.at[0].model, "qwen");
	CLEANUP(store_variants_release) struct store_variants none = { 0 };
	assert_ok(store_list_model(&f->store, "other", "qwen", &none, &e), &e);
	assert_ok(store_list_model(&f->store, "r", "../r/qwen", &none, &e), &e);
	assert_int_equal(none.count, 0);
}

/* A file for the blob of the text, with what is in it. Where the system has none that can get a
 * name, its bytes are written anew. */
static int single_of(struct fixture *f, const char *text, const char *content, struct digest *d)
{
	struct err e = ERR_INIT;
	int fd = store_single_open(&f->store);
	assert_int_equal(fd >= 0, NATIVE);
	if (fd < 0)
		fd = os_nameless_file(f->store.home);
	assert_true(fd >= 0);
	sha256_of(text, strlen(text), d);
	assert_ok(file_pwrite(fd, content, strlen(content), 0, "single", &e), &e);
	return fd;
}

static void a_file_of_one_piece_has_no_name_before_it_is_the_blob(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d;
	struct stat st;
	CLEANUP(file_close) int fd = single_of(f, "small", "small", &d);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	CLEANUP(mem_free_ptr) char *dir = path_dir(blob);
	assert_ok(file_list_dir(dir, &names, &e), &e);
	assert_int_equal(names.count, 0);
	assert_ok(store_single_commit(&f->store, &d, 5, fd, &e), &e);
	assert_true(has(f, "small"));
	assert_int_equal(lstat(blob, &st), 0);
	assert_int_equal(st.st_mode & 0222, 0);
	assert_int_equal(st.st_nlink, 1);
}

static void a_file_of_one_piece_replaces_what_is_not_right(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d;
	CLEANUP(file_close) int fd = single_of(f, "small", "small", &d);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	write_file(blob, "short and wrong");
	assert_ok(store_single_commit(&f->store, &d, 5, fd, &e), &e);
	assert_true(has(f, "small"));
}

static void a_file_of_one_piece_leaves_the_blob_of_a_faster_process(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d;
	struct stat before, after;
	CLEANUP(file_close) int fd = single_of(f, "small", "small", &d);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	add_blob(f, "small");
	assert_int_equal(lstat(blob, &before), 0);
	assert_ok(store_single_commit(&f->store, &d, 5, fd, &e), &e);
	assert_int_equal(lstat(blob, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void remove_frees_what_nobody_else_uses(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t freed = 0;
	link_variant(f, "phi", (const char *[]){ "shared", "mine", NULL });
	link_variant(f, "abc", (const char *[]){ "shared", NULL });
	assert_ok(store_remove(&f->store, "r", "phi", "v", &freed, &e), &e);
	assert_int_equal(freed, 4);
	assert_true(has(f, "shared"));
	assert_false(has(f, "mine"));
	assert_false(has_file(f, "models/r/phi"));
	assert_true(has_file(f, "models/r/abc/v/0.gguf"));
	assert_int_equal(store_remove(&f->store, "r", "phi", "v", &freed, &e), -ERR_NOT_FOUND);
	assert_string_equal(e.text, "r/phi:v is not in the store");
}

static void damaged_record_is_listed_and_keeps_its_blobs(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	scratch_write(f->store.home, "models/r/phi/v/.variant.json", "{\"format\"", 9);
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	assert_ok(store_list(&f->store, &all, &e), &e);
	assert_int_equal(all.count, 1);
	assert_string_equal(all.at[0].model, "phi");
	assert_false(all.at[0].complete);
	assert_ok(store_gc(&f->store, 0, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 0);
	assert_true(has(f, "one"));
	uint64_t freed = 0;
	assert_ok(store_remove(&f->store, "r", "phi", "v", &freed, &e), &e);
}

static void gc_leaves_the_edge_its_files(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	add_blob(f, "one");
	scratch_write(f->store.home, "edge/objects", "", 0);
	assert_ok(store_gc(&f->store, 0, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 0);
	assert_int_equal(gc.edge, 1);
	assert_true(has(f, "one"));
	f->store.edge_too = true;
	assert_ok(store_gc(&f->store, 0, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 1);
	assert_int_equal(gc.edge, 0);
	assert_false(has(f, "one"));
}

/* Another file with the same bytes, size and time. */
static void move_inode(const char *path, const char *text)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	CLEANUP(mem_free_ptr) char *other = mem_printf("%s.other", path);
	write_file(other, text);
	struct timespec t[2] = { os_modified(&st), os_modified(&st) };
	assert_int_equal(utimensat(AT_FDCWD, other, t, 0), 0);
	assert_int_equal(rename(other, path), 0);
}

static void a_blob_whose_mark_moved_is_hashed(void **state)
{
	struct fixture *f = *state;
	struct digest d = add_blob(f, "hello");
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	CLEANUP(mem_free_ptr) char *aside = mem_printf("%s.damaged", blob);
	assert_true(has(f, "hello"));
	age(blob, 5);
	assert_true(has(f, "hello"));
	move_inode(blob, "hello");
	assert_true(has(f, "hello"));
	move_inode(blob, "hellO");
	f->store.by_size = true;
	assert_true(has(f, "hello"));
	f->store.by_size = false;
	assert_false(has(f, "hello"));
	assert_true(file_exists(aside));
}

/* It may be a copy on another medium, and nothing could be recorded. */
static void in_a_read_only_store_the_inode_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct digest d = add_blob(f, "hello");
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	move_inode(blob, "hellO");
	f->store.read_only = true;
	assert_true(has(f, "hello"));
	age(blob, 5);
	assert_false(has(f, "hello"));
	f->store.read_only = false;
}

static void verify_moves_a_damaged_blob_aside(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = add_blob(f, "hello");
	assert_ok(store_verify(&f->store, &d, &e), &e);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &d);
	write_file(blob, "hellO");
	assert_int_equal(store_verify(&f->store, &d, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "is damaged"));
	assert_false(has(f, "hello"));
	CLEANUP(mem_free_ptr) char *aside = mem_printf("%s.damaged", blob);
	assert_true(file_exists(aside));
	struct store_gc gc;
	struct err again = ERR_INIT;
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &again), &again);
	assert_int_equal(gc.temporaries, 1);
	assert_false(file_exists(aside));
}

static void gc_takes_blobs_without_a_variant(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	link_variant(f, "phi", (const char *[]){ "kept", NULL });
	add_blob(f, "orphan");
	assert_ok(store_gc(&f->store, UINT64_MAX, true, &gc, &e), &e);
	assert_int_equal(gc.blobs, 1);
	assert_true(gc.bytes > 0);
	assert_true(has(f, "orphan"));
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 1);
	assert_false(has(f, "orphan"));
	assert_true(has(f, "kept"));
}

/* Between the first shard's commit and the link of all of them. */
static void gc_keeps_what_a_fetch_waits_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	CLEANUP(store_variant_release) struct store_variant v =
		variant_of("phi", (const char *[]){ "one", "two", NULL });
	assert_ok(store_expect(&f->store, &v, &e), &e);
	add_blob(f, "one");
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 0);
	assert_true(has(f, "one"));
	add_blob(f, "two");
	assert_ok(store_link(&f->store, &v, &e), &e);
	assert_false(has_file(f, "models/r/phi/v/.pending.json"));

	/* A fetch that was given up. */
	CLEANUP(store_variant_release) struct store_variant lost =
		variant_of("lost", (const char *[]){ "three", NULL });
	assert_ok(store_expect(&f->store, &lost, &e), &e);
	add_blob(f, "three");
	assert_ok(store_gc(&f->store, 0, false, &gc, &e), &e);
	assert_int_equal(gc.blobs, 1);
	assert_false(has(f, "three"));
	assert_false(has_file(f, "models/r/lost/v"));
}

static void gc_takes_old_partials_that_nobody_holds(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	struct digest old = add_part(f, "old"), held = add_part(f, "held"),
		      young = add_part(f, "young");
	CLEANUP(mem_free_ptr) char *old_part = store_part_path(&f->store, &old);
	CLEANUP(mem_free_ptr) char *old_journal = store_journal_path(&f->store, &old);
	CLEANUP(mem_free_ptr) char *held_part = store_part_path(&f->store, &held);
	CLEANUP(mem_free_ptr) char *young_part = store_part_path(&f->store, &young);
	CLEANUP(mem_free_ptr) char *lock = store_lock_path(&f->store, &held);
	age(old_part, 100000);
	age(held_part, 100000);
	CLEANUP(file_close) int fd = -1;
	assert_ok(file_lock(lock, 0, NULL, &fd, &e), &e);
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.partials, 0);
	assert_true(file_exists(old_part));
	assert_ok(store_gc(&f->store, 90000, true, &gc, &e), &e);
	assert_int_equal(gc.partials, 1);
	assert_true(file_exists(old_part));
	assert_ok(store_gc(&f->store, 90000, false, &gc, &e), &e);
	assert_int_equal(gc.partials, 1);
	assert_false(file_exists(old_part));
	assert_false(file_exists(old_journal));
	assert_true(file_exists(held_part));
	assert_true(file_exists(young_part));
}

static void gc_takes_a_partial_that_is_a_blob_already(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	struct digest d = add_part(f, "one");
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &d);
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.partials, 1);
	assert_false(file_exists(part));
	assert_true(has(f, "one"));
}

static void gc_works_where_locks_do_not(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	struct digest old = add_part(f, "old"), young = add_part(f, "young");
	CLEANUP(mem_free_ptr) char *old_part = store_part_path(&f->store, &old);
	CLEANUP(mem_free_ptr) char *young_part = store_part_path(&f->store, &young);
	CLEANUP(mem_free_ptr) char *lock = store_lock_path(&f->store, &old);
	write_file(lock, "");
	age(old_part, 100000);
	locks_broken = true;
	assert_ok(store_gc(&f->store, 90000, false, &gc, &e), &e);
	assert_int_equal(gc.partials, 1);
	assert_false(file_exists(old_part));
	assert_false(file_exists(lock));
	assert_true(file_exists(young_part));
}

static void gc_takes_leftovers_of_a_crash_after_a_day(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_gc gc;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	static const char *const left[] = { "partial/.x.journal.AbCdEf.tmp",
					    "models/r/phi/v/.0.gguf.AbCdEf.tmp",
					    "trust/r/.timestamp.json.AbCdEf.tmp" };
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		scratch_write(f->store.home, left[i], "x", 1);
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.temporaries, 0);
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(f->store.home, left[i]);
		age(path, 2 * 86400);
	}
	assert_ok(store_gc(&f->store, UINT64_MAX, false, &gc, &e), &e);
	assert_int_equal(gc.temporaries, ARRAY_LEN(left));
}

/* In a child, as a user without the right to write; root may write anywhere. */
static int use_as_nobody(const char *home)
{
	struct err e = ERR_INIT;
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	if (geteuid() == 0 && setuid(65534) < 0)
		return 10;
	if (store_open(home, &s, &e) < 0)
		return 11;
	if (!s.read_only || store_list(&s, &all, &e) < 0 || all.count != 1 || !all.at[0].complete)
		return 12;
	if (store_link(&s, &all.at[0], &e) != -ERR_SYSTEM)
		return 13;
	err_clear(&e);
	CLEANUP(mem_free_ptr) char *below = path_join(home, "new/home");
	struct store none;
	return store_open(below, &none, &e) == -ERR_SYSTEM ? 0 : 14;
}

static void set_modes(const struct fixture *f, const char *modes)
{
	CLEANUP(mem_free_ptr) char *command = mem_printf("chmod -R %s '%s'", modes, f->dir);
	assert_int_equal(system(command), 0);
}

static void read_only_store_can_be_read(void **state)
{
	struct fixture *f = *state;
	link_variant(f, "phi", (const char *[]){ "one", NULL });
	set_modes(f, "a-w,a+rX");
	pid_t child = fork();
	if (child == 0) {
		int result = use_as_nobody(f->store.home);
		/* exec, so that valgrind does not count what the parent still holds. */
		execl("/bin/sh", "sh", "-c", "exit $0", mem_printf("%d", result), NULL);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	set_modes(f, "u+w");
	assert_int_equal(status, 0);
}

static void folder_that_is_a_file_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store s;
	scratch_write(f->dir, "file", "x", 1);
	CLEANUP(mem_free_ptr) char *home = path_join(f->dir, "file");
	assert_int_equal(store_open(home, &s, &e), -ERR_SYSTEM);
	assert_non_null(strstr(e.text, "file"));
	assert_non_null(strstr(e.hint, "FERRY_HOME"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		cmocka_unit_test(home_comes_from_the_environment),
		TEST(commit_makes_a_read_only_blob),
		TEST(commit_is_fine_when_another_was_faster),
		TEST(commit_never_takes_another_processs_file),
		TEST(two_processes_commit_the_same_file),
		TEST(variant_is_linked_listed_and_found),
		TEST(roles_of_files_are_recorded),
		TEST(store_can_be_moved),
		TEST(newer_version_replaces_the_links),
		TEST(leftovers_of_a_killed_link_are_tidied_up),
		TEST(names_that_leave_the_folder_are_refused),
		TEST(link_without_its_blob_is_a_conflict),
		TEST(several_are_linked_although_one_cannot_be),
		TEST(only_the_variants_of_a_model_are_listed),
		TEST(a_file_of_one_piece_has_no_name_before_it_is_the_blob),
		TEST(a_file_of_one_piece_replaces_what_is_not_right),
		TEST(a_file_of_one_piece_leaves_the_blob_of_a_faster_process),
		TEST(remove_frees_what_nobody_else_uses),
		TEST(damaged_record_is_listed_and_keeps_its_blobs),
		TEST(a_blob_whose_mark_moved_is_hashed),
		TEST(in_a_read_only_store_the_inode_does_not_count),
		TEST(verify_moves_a_damaged_blob_aside),
		TEST(gc_takes_blobs_without_a_variant),
		TEST(gc_leaves_the_edge_its_files),
		TEST(gc_keeps_what_a_fetch_waits_for),
		TEST(gc_takes_old_partials_that_nobody_holds),
		TEST(gc_takes_a_partial_that_is_a_blob_already),
		TEST(gc_works_where_locks_do_not),
		TEST(gc_takes_leftovers_of_a_crash_after_a_day),
		TEST(read_only_store_can_be_read),
		TEST(folder_that_is_a_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
