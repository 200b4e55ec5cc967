#include "stats/log_source.h"

#include "mirror_mem.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a sink that remembers --------------------------------------------------------- */

struct mark {
	char *name, *value;
};

/* Requests are counted per status: tests give each line a number of its own. */
struct memory {
	struct log_sink sink;
	struct mark *marks, *committed;
	size_t count, cap, committed_count;
	unsigned seen[600], committed_seen[600];
	uint64_t settled;
	unsigned failures;
	struct err last_failure;
	uint64_t stop_after; /* requests; then the sink fails, as in a crash. 0: never */
	uint64_t requests;
	bool counts_twice;
};

static int on_request(void *ctx, const struct request *r, struct err *e)
{
	struct memory *m = ctx;
	if (m->stop_after && ++m->requests > m->stop_after)
		return err_set(e, ERR_SYSTEM, "the sink is full");
	m->seen[r->status]++;
	return 0;
}

static void copy_marks(struct mark **to, size_t *count, const struct mark *from, size_t n)
{
	for (size_t i = 0; i < *count; i++) {
		free((*to)[i].name);
		free((*to)[i].value);
	}
	free(*to);
	*to = mem_alloc(sizeof **to * (n + 1));
	for (size_t i = 0; i < n; i++)
		(*to)[i] = (struct mark){ mem_strdup(from[i].name), mem_strdup(from[i].value) };
	*count = n;
}

static int on_settled(void *ctx, const char *log, const struct log_counts *since, struct err *e)
{
	struct memory *m = ctx;
	(void)log, (void)e;
	m->settled += since->lines;
	copy_marks(&m->committed, &m->committed_count, m->marks, m->count);
	memcpy(m->committed_seen, m->seen, sizeof m->seen);
	return 0;
}

static struct mark *mark_named(const struct memory *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->marks[i].name, name) == 0)
			return &m->marks[i];
	return NULL;
}

static int on_get(void *ctx, const char *name, char value[LOG_MARK_VALUE], struct err *e)
{
	const struct mark *k = mark_named(ctx, name);
	(void)e;
	if (k)
		snprintf(value, LOG_MARK_VALUE, "%s", k->value);
	return k != NULL;
}

static int on_put(void *ctx, const char *name, const char *value, struct err *e)
{
	struct memory *m = ctx;
	struct mark *k = mark_named(m, name);
	(void)e;
	assert_true(strlen(name) < LOG_MARK_NAME && strlen(value) < LOG_MARK_VALUE);
	if (!k) {
		m->marks = mem_grow(m->marks, m->count, &m->cap, sizeof *m->marks);
		k = &m->marks[m->count++];
		*k = (struct mark){ mem_strdup(name), NULL };
	}
	free(k->value);
	k->value = mem_strdup(value);
	return 0;
}

static int on_failed(void *ctx, const char *log, const struct err *why, struct err *e)
{
	struct memory *m = ctx;
	(void)log, (void)e;
	m->failures++;
	m->last_failure = *why;
	return 0;
}

static struct memory *memory_new(void)
{
	struct memory *m = NEW(struct memory);
	m->sink = (struct log_sink){ on_request, on_settled, on_get, on_put, on_failed, m };
	return m;
}

static void memory_free(struct memory *m)
{
	copy_marks(&m->committed, &m->committed_count, NULL, 0);
	copy_marks(&m->marks, &m->count, NULL, 0);
	free(m->committed);
	free(m->marks);
	free(m);
}

/* What was not committed is forgotten. */
static void crash(struct memory *m)
{
	copy_marks(&m->marks, &m->count, m->committed, m->committed_count);
	m->cap = m->count;
	memcpy(m->seen, m->committed_seen, sizeof m->seen);
	m->requests = m->stop_after = 0;
}

/* ---- logs -------------------------------------------------------------------------- */

struct room {
	char *dir;
	struct memory *m;
	struct log_totals t;
};

static int set_up(void **state)
{
	struct room *r = NEW(struct room);
	r->dir = scratch_new();
	r->m = memory_new();
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct room *r = *state;
	scratch_free(r->dir);
	memory_free(r->m);
	free(r);
	return 0;
}

/* Lines with the statuses from … to - 1. */
static char *lines(unsigned from, unsigned to)
{
	struct buf b = BUF_INIT(GIB);
	for (unsigned i = from; i < to; i++)
		buf_addf(&b,
			 "192.0.2.%u - - [29/Nov/2026:00:00:%02u +0000] \"GET /m/%u.gguf "
			 "HTTP/1.1\" "
			 "%u 1000 \"-\" \"curl/7.88.1 of test number %u\"\n",
			 i % 200, i % 60, i, i, i);
	return buf_steal(&b);
}

static char *path_of(const struct room *r, const char *name)
{
	return path_join(r->dir, name);
}

static void append(const struct room *r, const char *name, const char *data)
{
	CLEANUP(mem_free_ptr) char *path = path_of(r, name);
	FILE *f = fopen(path, "ae");
	assert_non_null(f);
	assert_true(fputs(data, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void append_lines(const struct room *r, const char *name, unsigned from, unsigned to)
{
	CLEANUP(mem_free_ptr) char *data = lines(from, to);
	append(r, name, data);
}

static int import_as(struct room *r, const char *where, enum log_format f, struct err *e)
{
	struct log_source_options o = { .format = f };
	r->t = (struct log_totals){ 0 };
	return log_source_read(where, &o, &r->m->sink, &r->t, e);
}

static int import(struct room *r, const char *name, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = *name ? path_of(r, name) : mem_strdup(r->dir);
	return import_as(r, path, LOG_UNKNOWN, e);
}

static void must_import(struct room *r, const char *name)
{
	struct err e = ERR_INIT;
	assert_ok(import(r, name, &e), &e);
}

static void run(const struct room *r, const char *fmt, const char *a)
{
	CLEANUP(mem_free_ptr) char *work = mem_printf(fmt, a);
	CLEANUP(mem_free_ptr) char *all = mem_printf("cd '%s' && %s", r->dir, work);
	assert_int_equal(system(all), 0);
}

/* Each of these, and no other, was handed over once. */
static void assert_seen(const struct room *r, unsigned from, unsigned to)
{
	for (unsigned i = 0; i < 600; i++)
		if (r->m->seen[i] != (i >= from && i < to))
			fail_msg("request %u was handed over %u times", i, r->m->seen[i]);
}

/* ---- tests ------------------------------------------------------------------------- */

static void a_log_is_read_once_and_read_on(void **state)
{
	struct room *r = *state;
	append_lines(r, "access.log", 100, 101);
	must_import(r, "access.log");
	assert_seen(r, 100, 101);
	must_import(r, "access.log");
	assert_int_equal(r->t.unchanged, 1);
	append_lines(r, "access.log", 101, 300);
	must_import(r, "access.log");
	append_lines(r, "access.log", 300, 400);
	must_import(r, "access.log");
	assert_seen(r, 100, 400);
	assert_int_equal(r->m->settled, 300);
	assert_int_equal(r->t.counts.requests, 100);
}

static void a_torn_last_line_waits_for_its_rest(void **state)
{
	struct room *r = *state;
	CLEANUP(mem_free_ptr) char *all = lines(100, 103);
	size_t half = strlen(all) - 30;
	CLEANUP(mem_free_ptr) char *first = mem_strndup(all, half);
	append(r, "access.log", first);
	must_import(r, "access.log");
	assert_seen(r, 100, 102);
	assert_int_equal(r->t.torn, 1);
	append(r, "access.log", all + half);
	must_import(r, "access.log");
	assert_seen(r, 100, 103);
	assert_int_equal(r->t.torn, 0);
}

static void a_torn_first_line_is_no_log_yet(void **state)
{
	struct room *r = *state;
	append(r, "access.log", "192.0.2.1 - - [29/Nov/2026");
	must_import(r, "access.log");
	assert_int_equal(r->t.torn, 1);
	assert_int_equal(r->m->count, 0);
	assert_int_equal(r->m->failures, 0);
}

static void logrotate_renames_and_compresses(void **state)
{
	struct room *r = *state;
	append_lines(r, "access.log", 100, 200);
	must_import(r, "");
	append_lines(r, "access.log", 200, 220);
	run(r, "mv access.log access.log.1", "");
	append_lines(r, "access.log", 220, 230);
	must_import(r, "");
	assert_seen(r, 100, 230);
	run(r,
	    "gzip access.log.1 && mv access.log.1.gz access.log.2.gz && mv access.log access.log.1",
	    "");
	append_lines(r, "access.log", 230, 240);
	must_import(r, "");
	assert_seen(r, 100, 240);
	assert_int_equal(r->t.logs, 3);
	assert_int_equal(r->t.unchanged, 2);
	/* A compressed log that did not change is not even decompressed. */
	run(r, "mv access.log.2.gz access.log.3.gz", "");
	must_import(r, "");
	assert_int_equal(r->t.unchanged, 3);
	assert_seen(r, 100, 240);
}

static void a_log_is_compressed_before_its_end_was_read(void **state)
{
	static const char *const programs[] = { "gzip", "zstd -q --rm", "xz", "bzip2" };
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		set_up(state);
		struct room *r = *state;
		append_lines(r, "access.log", 100, 200);
		must_import(r, "");
		append_lines(r, "access.log", 200, 300);
		run(r, "%s access.log", programs[i]);
		must_import(r, "");
		assert_seen(r, 100, 300);
		assert_int_equal(r->m->failures, 0);
		tear_down(state);
	}
}

static void copytruncate_begins_a_new_log(void **state)
{
	struct room *r = *state;
	append_lines(r, "access.log", 100, 200);
	must_import(r, "");
	append_lines(r, "access.log", 200, 210);
	run(r, "cp access.log access.log.1 && : > access.log", "");
	must_import(r, "");
	assert_seen(r, 100, 210);
	/* A server without O_APPEND writes on at its old place: there are zeros before it. */
	run(r, "truncate -s 30000 access.log", "");
	append_lines(r, "access.log", 210, 220);
	must_import(r, "");
	append_lines(r, "access.log", 220, 230);
	must_import(r, "");
	assert_seen(r, 100, 230);
	assert_int_equal(r->m->failures, 0);
}

static void two_logs_that_begin_with_the_same_line(void **state)
{
	struct room *r = *state;
	append_lines(r, "a.log", 100, 101);
	append_lines(r, "a.log", 101, 150);
	append_lines(r, "b.log", 100, 101);
	append_lines(r, "b.log", 150, 200);
	must_import(r, "a.log");
	must_import(r, "b.log");
	for (int i = 0; i < 2; i++)
		must_import(r, "");
	r->m->seen[100]--;
	assert_seen(r, 100, 200);
	assert_int_equal(r->t.unchanged, 2);
	/* Also when only the first line was there at first, and when they are compressed. */
	append_lines(r, "a.log", 200, 210);
	append_lines(r, "b.log", 210, 220);
	run(r, "gzip b.log", "");
	must_import(r, "");
	assert_seen(r, 100, 220);
}

static void a_gzip_that_ends_early_counts_up_to_there(void **state)
{
	struct room *r = *state;
	struct buf b = BUF_INIT(GIB);
	for (unsigned i = 0; i < 20000; i++)
		buf_addf(&b,
			 "192.0.2.%u - - [29/Nov/2026:00:00:%02u +0000] \"GET /%u HTTP/1.1\" 200 1 "
			 "\"-\" \"agent %u\"\n",
			 i % 250, i % 60, i, i * 7919);
	append(r, "all", buf_str(&b));
	buf_release(&b);
	run(r,
	    "gzip -c all > whole.gz && head -c $(($(stat -c %%s whole.gz) * 2 / 3)) whole.gz > "
	    "x.gz "
	    "&& rm all",
	    "");
	must_import(r, "x.gz");
	assert_int_equal(r->m->failures, 1);
	assert_true(err_is(&r->m->last_failure, ERR_INTEGRITY));
	assert_non_null(strstr(r->m->last_failure.text, "ends early"));
	unsigned before = r->m->seen[200];
	assert_true(before > 1000 && before < 20000);
	assert_int_equal(r->m->settled, before);
	must_import(r, "x.gz");
	assert_int_equal(r->m->seen[200], before);
	must_import(r, "whole.gz");
	assert_int_equal(r->m->seen[200], 20000);
}

static void what_a_crash_forgot_comes_again(void **state)
{
	struct room *r = *state;
	struct buf b = BUF_INIT(GIB);
	for (unsigned i = 0; i < 2 * LOG_BATCH + 500; i++)
		buf_addf(&b,
			 "192.0.2.1 - - [29/Nov/2026:00:00:00 +0000] \"GET /%u HTTP/1.1\" 200 1\n",
			 i);
	append(r, "access.log", buf_str(&b));
	buf_release(&b);
	struct err e = ERR_INIT;
	r->m->stop_after = LOG_BATCH + 100;
	assert_int_equal(import(r, "access.log", &e), -ERR_SYSTEM);
	assert_int_equal(r->m->failures, 0);
	crash(r->m);
	assert_int_equal(r->m->seen[200], LOG_BATCH);
	must_import(r, "access.log");
	assert_int_equal(r->m->seen[200], 2 * LOG_BATCH + 500);
}

static void malformed_lines_are_counted(void **state)
{
	struct room *r = *state;
	append(r, "access.log", "\n# a comment\nhalf a line\n");
	append_lines(r, "access.log", 100, 110);
	append(r, "access.log", "\x01\x02 binary \xff\n");
	append_lines(r, "access.log", 110, 120);
	must_import(r, "access.log");
	assert_seen(r, 100, 120);
	assert_int_equal(r->t.counts.malformed, 2);
	assert_int_equal(r->t.counts.nothing, 2);
	assert_int_equal(r->t.counts.lines, 24);
}

static void a_line_without_an_end_is_one_malformed_line(void **state)
{
	struct room *r = *state;
	append_lines(r, "access.log", 100, 110);
	must_import(r, "access.log");
	append_lines(r, "access.log", 110, 120);
	for (int i = 0; i < 2000; i++)
		append(r, "access.log",
		       "a piece of a very long line, which never seems to come to its end; "
		       "a piece of a very long line, which never seems to come to its end; "
		       "a piece of a very long line, which never seems to come to its end; ");
	must_import(r, "access.log");
	assert_int_equal(r->t.torn, 1);
	must_import(r, "access.log");
	assert_seen(r, 100, 120);
	append(r, "access.log", "\n");
	append_lines(r, "access.log", 120, 130);
	must_import(r, "access.log");
	assert_seen(r, 100, 130);
	assert_int_equal(r->t.counts.malformed, 1);
}

static void an_unknown_format_is_an_error(void **state)
{
	struct room *r = *state;
	struct err e = ERR_INIT;
	append(r, "a.log", "some 200 thing\n");
	must_import(r, "a.log");
	assert_int_equal(r->m->failures, 1);
	assert_non_null(strstr(r->m->last_failure.text,
			       "line 1 is in none of the known formats: combined, json"));
	assert_non_null(strstr(r->m->last_failure.hint, "ferry-logs(7)"));
	assert_int_equal(r->m->count, 0);
	for (int i = 0; i < 500; i++)
		append(r, "b.log", "main 200 0.001 GET\n");
	r->m->sink.failed = NULL;
	assert_int_equal(import(r, "b.log", &e), -ERR_INTEGRITY);
	assert_int_equal(r->m->settled, 0);
	err_clear(&e);
	append_lines(r, "c.log", 100, 110);
	CLEANUP(mem_free_ptr) char *path = path_of(r, "c.log");
	assert_int_equal(import_as(r, path, LOG_S3, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "not in the format 's3'"));
}

static void binary_garbage_is_recognised(void **state)
{
	struct room *r = *state;
	run(r, "head -c 300000 /dev/zero | tr '\\0' '\\7' > junk.log", "");
	must_import(r, "junk.log");
	assert_int_equal(r->m->failures, 1);
	assert_non_null(strstr(r->m->last_failure.text, "no lines of text"));
	run(r, "printf '\\037\\213garbage that is no gzip' > junk.gz", "");
	must_import(r, "junk.gz");
	assert_int_equal(r->m->failures, 2);
	assert_true(err_is(&r->m->last_failure, ERR_INTEGRITY));
}

static void a_folder_has_logs_of_errors_too(void **state)
{
	struct room *r = *state;
	append(r, "error.log", "2026/11/29 00:38:12 [error] 7#7: *1 open() failed\n");
	append_lines(r, "access.log", 100, 110);
	run(r, "mkdir sub && gzip -c access.log > sub/old.gz && : > empty.log", "");
	must_import(r, "");
	assert_seen(r, 100, 110);
	assert_int_equal(r->t.skipped, 1);
	assert_int_equal(r->m->failures, 0);
	must_import(r, "error.log");
	assert_int_equal(r->m->failures, 1);
	assert_non_null(strstr(r->m->last_failure.text, "is an error log"));
}

static void cloudfronts_columns_are_known_when_read_on(void **state)
{
	struct room *r = *state;
	append(r, "x.log",
	       "#Version: 1.0\n#Fields: date time sc-status cs-uri-stem\n"
	       "2026-11-29\t00:00:00\t200\t/a\n");
	must_import(r, "x.log");
	append(r, "x.log", "2026-11-29\t00:00:01\t201\t/a\n");
	must_import(r, "x.log");
	assert_seen(r, 200, 202);
	assert_int_equal(r->m->settled, 4);
}

static void standard_input_is_read_to_its_end(void **state)
{
	struct room *r = *state;
	append_lines(r, "access.log", 100, 200);
	run(r, "mkfifo pipe && truncate -s -1 access.log", "");
	for (int i = 0; i < 2; i++) {
		run(r, "%s access.log > pipe &", i ? "gzip -c" : "cat");
		must_import(r, "pipe");
		assert_seen(r, 100, 200);
	}
	assert_int_equal(r->t.unchanged, 1);
}

static void put_object(const struct room *r, struct mirror_mem *store, const char *key,
		       const char *file)
{
	CLEANUP(mem_free_ptr) char *path = path_of(r, file);
	struct buf data = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(path, &data, &e), &e);
	mirror_mem_set(store, key, data.data, data.len);
	buf_release(&data);
}

static unsigned gets(const struct mirror_mem *store)
{
	unsigned count = 0;
	for (size_t i = 0; i < mirror_mem_calls(store)->count; i++)
		count += str_starts(mirror_mem_calls(store)->at[i], "get ");
	return count;
}

static void import_bucket(struct room *r, struct mirror *m)
{
	struct log_source_options o = { 0 };
	struct err e = ERR_INIT;
	r->t = (struct log_totals){ 0 };
	assert_ok(log_source_read_mirror(m, "logs/", &o, &r->m->sink, &r->t, &e), &e);
}

static void objects_of_a_bucket_are_read_once(void **state)
{
	struct room *r = *state;
	CLEANUP_PTR(mirror_mem_free) struct mirror_mem *store = mirror_mem_new();
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_mem_open(store, "logs");
	append_lines(r, "a", 100, 150);
	append_lines(r, "b", 150, 200);
	append_lines(r, "c", 200, 250);
	/* Nobody will write the rest of an object's last line. */
	run(r, "truncate -s -1 a && gzip b", "");
	put_object(r, store, "logs/2026-11-29-a", "a");
	put_object(r, store, "logs/2026-11-29-b.gz", "b.gz");
	put_object(r, store, "other/x", "c");
	mirror_mem_set(store, "logs/2026-11-29-junk", "junk\n", 5);
	import_bucket(r, m);
	assert_seen(r, 100, 200);
	assert_int_equal(r->m->failures, 1);
	assert_non_null(strstr(r->m->last_failure.text, "logs:logs/2026-11-29-junk"));
	mirror_mem_remove(store, "logs/2026-11-29-junk");
	mirror_mem_forget_calls(store);
	put_object(r, store, "logs/2026-11-30-c", "c");
	import_bucket(r, m);
	assert_seen(r, 100, 250);
	assert_int_equal(r->t.unchanged, 2);
	assert_int_equal(gets(store), 1);
	/* What somebody has downloaded is the same log. */
	must_import(r, "b.gz");
	assert_seen(r, 100, 250);
}

static void an_object_that_cannot_be_read_comes_next_time(void **state)
{
	struct room *r = *state;
	CLEANUP_PTR(mirror_mem_free) struct mirror_mem *store = mirror_mem_new();
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_mem_open(store, "logs");
	struct mem_fault cut = { .call = MEM_GET, .key = "logs/a", .harm = MEM_CUT, .at = 100 };
	append_lines(r, "a", 100, 150);
	append_lines(r, "b", 150, 200);
	put_object(r, store, "logs/a", "a");
	put_object(r, store, "logs/b", "b");
	mirror_mem_fault(store, &cut);
	import_bucket(r, m);
	assert_seen(r, 150, 200);
	assert_int_equal(r->m->failures, 1);
	import_bucket(r, m);
	assert_seen(r, 100, 200);
}

static void what_is_missing_is_an_error(void **state)
{
	struct room *r = *state;
	struct err e = ERR_INIT;
	assert_int_equal(import(r, "missing.log", &e), -ERR_NOT_FOUND);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_is_read_once_and_read_on),
		TEST(a_torn_last_line_waits_for_its_rest),
		TEST(a_torn_first_line_is_no_log_yet),
		TEST(logrotate_renames_and_compresses),
		cmocka_unit_test(a_log_is_compressed_before_its_end_was_read),
		TEST(copytruncate_begins_a_new_log),
		TEST(two_logs_that_begin_with_the_same_line),
		TEST(a_gzip_that_ends_early_counts_up_to_there),
		TEST(what_a_crash_forgot_comes_again),
		TEST(malformed_lines_are_counted),
		TEST(a_line_without_an_end_is_one_malformed_line),
		TEST(an_unknown_format_is_an_error),
		TEST(binary_garbage_is_recognised),
		TEST(a_folder_has_logs_of_errors_too),
		TEST(cloudfronts_columns_are_known_when_read_on),
		TEST(standard_input_is_read_to_its_end),
		TEST(objects_of_a_bucket_are_read_once),
		TEST(an_object_that_cannot_be_read_comes_next_time),
		TEST(what_is_missing_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
