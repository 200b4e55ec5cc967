/* Reports of shares, joined into the report of one run. */
#include "publish/push.h"
#include "publish/verify_report.h"
#include "util/mem.h"

#include "release.h"
#include "unit.h"

#define NOW 1800000000 /* the releases expire in 2030 */
#define SHARES 3
#define MIRRORS 2

struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store[MIRRORS];
	struct mirror *handle[MIRRORS];
	struct verify_options o;
	json_t *reports[SHARES];
	struct verify_joined joined;
	struct err e;
};
static struct world *w;

static int set_up(void **state)
{
	static const char *const ids[MIRRORS] = { "a", "b" };
	(void)state;
	w = NEW(struct world);
	w->dir = scratch_new();
	release_make(w->dir, 1, true, &w->t);
	for (size_t i = 0; i < MIRRORS; i++) {
		struct push_result result;
		struct push_options o = { .threads = 1, .retry = &retry_once };
		w->store[i] = mirror_mem_new();
		w->handle[i] = mirror_mem_open(w->store[i], ids[i]);
		struct push_mirror pm = { .id = ids[i], .mirror = w->handle[i] };
		assert_ok(push_run(&w->t, &pm, 1, &o, &result, &w->e), &w->e);
		push_mirror_release(&pm);
	}
	w->o = (struct verify_options){
		.now_s = NOW,
		.threads = 1,
		.retry = &retry_once,
		.mode = VERIFY_FULL,
	};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	verify_joined_release(&w->joined);
	for (size_t i = 0; i < SHARES; i++)
		json_decref(w->reports[i]);
	for (size_t i = 0; i < MIRRORS; i++) {
		mirror_close(w->handle[i]);
		mirror_mem_free(w->store[i]);
	}
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
	return 0;
}

/* The report of one share; of none, of a whole run. */
static json_t *run(uint32_t index, uint32_t count)
{
	struct err e = ERR_INIT;
	json_t *document = json_object();
	struct verify_mirror m[MIRRORS] = { 0 };
	struct verify_options o = w->o;
	o.share = (struct share){ index, count };
	for (size_t i = 0; i < MIRRORS; i++) {
		m[i].id = w->handle[i]->id;
		m[i].kind = "mem";
		m[i].mirror = w->handle[i];
		m[i].holds = w->handle[i]->holds;
	}
	(void)!verify_run(&w->t, m, MIRRORS, &o, &e);
	struct verify_report r = {
		.repository = "test",
		.release = w->t.version,
		.timestamp = w->t.timestamp->sha256,
		.mode = o.mode,
		.samples = o.mode == VERIFY_SAMPLE ? o.samples : 0,
		.seed = o.mode == VERIFY_SAMPLE ? o.seed : 0,
		.share = o.share,
		.tree_files = w->t.files.count,
		.mirrors = m,
		.count = MIRRORS,
	};
	json_put_string(document, "command", "verify");
	verify_report_json(&r, document);
	for (size_t i = 0; i < MIRRORS; i++)
		verify_mirror_release(&m[i]);
	return document;
}

static void run_all(void)
{
	for (uint32_t i = 0; i < SHARES; i++)
		w->reports[i] = run(i + 1, SHARES);
}

static int add(size_t i)
{
	static const char *const names[SHARES] = { "one", "two", "three" };
	return verify_report_add(&w->joined, w->reports[i], names[i], &w->e);
}

/* Joins all; the first failure. */
static int join(void)
{
	int rc = 0;
	for (size_t i = SHARES; rc == 0 && i > 0; i--)
		rc = add(i - 1);
	return rc == 0 ? verify_report_join(&w->joined, &w->e) : rc;
}

static void assert_refused(enum err_class class, const char *says)
{
	assert_int_equal(join(), -(int)class);
	if (!strstr(w->e.text, says))
		fail_msg("'%s' is not in: %s", says, w->e.text);
}

static json_t *mirror_in(size_t report, size_t mirror)
{
	return json_array_get(json_object_get(w->reports[report], "mirrors"), mirror);
}

/* A report that has an object, to be edited. */
static json_t *files_in(size_t report)
{
	json_t *files = json_object_get(mirror_in(report, 0), "files");
	assert_true(json_array_size(files) > 0);
	return files;
}

static void damage(const char *key, size_t at)
{
	const struct buf *b = mirror_mem_object(w->store[0], key);
	CLEANUP(mem_free_ptr) char *copy = mem_strndup(b->data, b->len);
	copy[at] = (char)~copy[at];
	mirror_mem_set(w->store[0], key, copy, b->len);
}

static void compare_with_one_run(void)
{
	CLEANUP(json_release) json_t *whole = run(0, 0);
	CLEANUP(json_release) json_t *joined = json_object();
	CLEANUP(buf_release) struct buf a = BUF_INIT(MIB), b = BUF_INIT(MIB);
	json_put_string(joined, "command", "verify");
	run_all();
	assert_ok(join(), &w->e);
	verify_report_json(&w->joined.report, joined);
	assert_ok(json_pretty(whole, &a, &w->e), &w->e);
	assert_ok(json_pretty(joined, &b, &w->e), &w->e);
	assert_string_equal(buf_str(&a), buf_str(&b));
}

static void joined_reports_are_the_report_of_one_run(void **state)
{
	(void)state;
	compare_with_one_run();
	assert_ok(verify_sum_up(w->joined.report.mirrors, MIRRORS, &w->e), &w->e);
}

static void faults_are_joined_with_all_that_is_known_about_them(void **state)
{
	(void)state;
	damage(RELEASE_BIG, 8 * MIB + 5);
	damage("catalog.json", 1);
	mirror_mem_remove(w->store[1], "targets/models/m/same.gguf");
	mirror_mem_set(w->store[1], "targets/models/m/1.gguf", "short", 5);
	w->o.now_s = 1900000000; /* expired */
	compare_with_one_run();
	assert_int_equal(verify_sum_up(w->joined.report.mirrors, MIRRORS, &w->e), -ERR_FAULT);
	assert_string_equal(w->e.text, "2 of 2 mirrors have faults");
}

static void a_mirror_that_one_share_could_not_read_is_unreachable(void **state)
{
	(void)state;
	run_all();
	json_decref(w->reports[1]);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .times = 1000 });
	w->reports[1] = run(2, SHARES);
	assert_ok(join(), &w->e);
	assert_string_equal(verify_mirror_result(&w->joined.report.mirrors[0]), "unreachable");
	assert_string_equal(verify_mirror_result(&w->joined.report.mirrors[1]), "ok");
	assert_int_equal(verify_sum_up(w->joined.report.mirrors, MIRRORS, &w->e), -ERR_NETWORK);
}

static void each_object_is_in_one_share(void **state)
{
	(void)state;
	run_all();
	size_t objects = 0, small = 0;
	for (size_t i = 0; i < SHARES; i++) {
		json_t *files = json_object_get(mirror_in(i, 0), "files"), *file;
		size_t k;
		json_array_foreach (files, k, file) {
			bool object = str_starts(json_text(file, "key"), "targets/");
			assert_true(object || i == 0);
			objects += object;
			small += !object;
		}
	}
	assert_int_equal(objects, 5);
	assert_int_equal(objects + small, w->t.files.count);
}

/* ---- what is refused ------------------------------------------------------------ */

static void a_missing_share_is_named(void **state)
{
	(void)state;
	run_all();
	assert_ok(add(0), &w->e);
	assert_int_equal(verify_report_join(&w->joined, &w->e), -ERR_USAGE);
	assert_string_equal(w->e.text, "the reports of 2 of 3 shards are missing: 2, 3");
}

static void no_report_at_all_is_refused(void **state)
{
	(void)state;
	assert_int_equal(verify_report_join(&w->joined, &w->e), -ERR_USAGE);
}

static void the_same_share_twice_is_refused(void **state)
{
	(void)state;
	run_all();
	json_decref(w->reports[1]);
	w->reports[1] = json_deep_copy(w->reports[2]);
	assert_refused(ERR_USAGE, "two: is of shard 3 of 3, and so is three");
}

static void a_file_in_two_shares_is_refused(void **state)
{
	(void)state;
	run_all();
	size_t from = json_array_size(json_object_get(mirror_in(1, 0), "files")) ? 1 : 2;
	json_array_append(files_in(0), json_array_get(files_in(from), 0));
	assert_refused(ERR_USAGE, "is in two reports");
}

static void a_file_that_is_lacking_is_noticed(void **state)
{
	(void)state;
	run_all();
	json_array_remove(files_in(0), 0);
	assert_refused(ERR_INTEGRITY, "files of mirror a, but it has");
}

static void two_files_at_one_place_are_refused(void **state)
{
	(void)state;
	run_all();
	json_t *other = json_object_get(mirror_in(0, 1), "files");
	json_put_string(json_array_get(other, 0), "key", "metadata/other.json");
	assert_refused(ERR_INTEGRITY, "have the same place in the tree");
}

static void other_runs_are_refused(void **state)
{
	static const struct {
		const char *member, *text;
		int number;
		const char *says;
	} all[] = {
		{ "repository", "another", 0, "of another repository" },
		{ "repository", NULL, 0, "of another repository" },
		{ "release", NULL, 7, "of another release" },
		{ "timestamp_sha256",
		  "0000000000000000000000000000000000000000000000000000000000000000", 0,
		  "of another release" },
		{ "mode", "quick", 0, "of another mode" },
	};
	(void)state;
	run_all();
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		CLEANUP(json_release) json_t *good = w->reports[0];
		w->reports[0] = json_deep_copy(good);
		json_object_del(w->reports[0], all[i].member);
		if (all[i].number)
			json_put_u64(w->reports[0], all[i].member, (uint64_t)all[i].number);
		json_put_string(w->reports[0], all[i].member, all[i].text);
		assert_refused(ERR_USAGE, all[i].says);
		verify_joined_release(&w->joined);
		err_clear(&w->e);
		json_decref(w->reports[0]);
		w->reports[0] = json_incref(good);
	}
	assert_ok(join(), &w->e);
}

static void other_samples_are_refused(void **state)
{
	(void)state;
	w->o.mode = VERIFY_SAMPLE;
	w->o.samples = 1;
	w->o.seed = UINT64_MAX;
	run_all();
	json_put_string(w->reports[0], "seed", "18446744073709551614");
	assert_refused(ERR_USAGE, "of another seed");
	verify_joined_release(&w->joined);
	err_clear(&w->e);
	json_put_string(w->reports[0], "seed", "18446744073709551615");
	assert_ok(join(), &w->e);
	assert_int_equal(w->joined.report.seed, UINT64_MAX);
}

static void other_mirrors_are_refused(void **state)
{
	(void)state;
	run_all();
	json_put_string(mirror_in(0, 1), "id", "c");
	assert_refused(ERR_USAGE, "mirrors[1]: is another mirror");
	verify_joined_release(&w->joined);
	err_clear(&w->e);
	json_array_remove(json_object_get(w->reports[0], "mirrors"), 1);
	assert_refused(ERR_USAGE, "does not have the same mirrors");
}

static void an_interrupted_run_is_refused(void **state)
{
	(void)state;
	struct cancel cancel = CANCEL_INIT;
	run_all();
	cancel_ask(&cancel, 2);
	w->o.cancel = &cancel;
	json_decref(w->reports[0]);
	w->reports[0] = run(1, SHARES);
	assert_refused(ERR_USAGE, "one: is of a run that was interrupted");
	assert_non_null(strstr(w->e.hint, "shard 1/3"));
}

static void the_report_of_a_whole_run_is_refused(void **state)
{
	(void)state;
	run_all();
	json_decref(w->reports[0]);
	w->reports[0] = run(0, 0);
	assert_refused(ERR_USAGE, "one: is the report of a whole run");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(joined_reports_are_the_report_of_one_run),
		TEST(faults_are_joined_with_all_that_is_known_about_them),
		TEST(a_mirror_that_one_share_could_not_read_is_unreachable),
		TEST(each_object_is_in_one_share),
		TEST(a_missing_share_is_named),
		TEST(no_report_at_all_is_refused),
		TEST(the_same_share_twice_is_refused),
		TEST(a_file_in_two_shares_is_refused),
		TEST(a_file_that_is_lacking_is_noticed),
		TEST(two_files_at_one_place_are_refused),
		TEST(other_runs_are_refused),
		TEST(other_samples_are_refused),
		TEST(other_mirrors_are_refused),
		TEST(an_interrupted_run_is_refused),
		TEST(the_report_of_a_whole_run_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
