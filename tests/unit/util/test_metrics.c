#include "unit.h"

#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/metrics.h"
#include "util/path.h"

#include <math.h>
#include <sys/stat.h>

static const struct metric up = { "ferry_mirror_up", METRICS_GAUGE,
				  "Could it be read: \\ or\nnot" };
static const struct metric bytes = { "ferry_bytes_total", METRICS_COUNTER, "Bytes" };

static void help_type_and_labels_are_written_and_escaped(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	const char *const labels[] = { "mirror", "a\"b\\c\nd", "kind", "http", NULL };
	(void)state;
	metrics_begin(&b, &up);
	metrics_add(&b, &up, labels, 1);
	assert_string_equal(buf_str(&b),
			    "# HELP ferry_mirror_up Could it be read: \\\\ or\\nnot\n"
			    "# TYPE ferry_mirror_up gauge\n"
			    "ferry_mirror_up{mirror=\"a\\\"b\\\\c\\nd\",kind=\"http\"} 1\n");
}

static void numbers_keep_their_value_in_as_few_digits_as_possible(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "ferry_bytes_total 0\n" },
		{ 400e9, "ferry_bytes_total 400000000000\n" },
		{ -3, "ferry_bytes_total -3\n" },
		{ 0.5, "ferry_bytes_total 0.5\n" },
		{ 0.1, "ferry_bytes_total 0.1\n" },
		{ 3.5e-05, "ferry_bytes_total 3.5e-05\n" },
		{ 35 / 1e6, "ferry_bytes_total 3.5e-05\n" },
		{ 1.0 / 3, "ferry_bytes_total 0.3333333333333333\n" },
		{ 0.1 + 0.2, "ferry_bytes_total 0.30000000000000004\n" },
		{ NAN, "ferry_bytes_total NaN\n" },
		{ INFINITY, "ferry_bytes_total +Inf\n" },
		{ -INFINITY, "ferry_bytes_total -Inf\n" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
		metrics_add(&b, &bytes, NULL, cases[i].value);
		assert_string_equal(buf_str(&b), cases[i].text);
	}
}

static void a_histogram_adds_up_its_buckets(void **state)
{
	static const struct metric m = { "ferry_wait_seconds", METRICS_HISTOGRAM, "Wait" };
	static const double bounds[] = { 0.1, 1, INFINITY };
	static const uint64_t counts[] = { 2, 0, 3 };
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	(void)state;
	metrics_begin(&b, &m);
	metrics_histogram(&b, &m, bounds, counts, ARRAY_LEN(bounds), 12.5);
	assert_string_equal(buf_str(&b), "# HELP ferry_wait_seconds Wait\n"
					 "# TYPE ferry_wait_seconds histogram\n"
					 "ferry_wait_seconds_bucket{le=\"0.1\"} 2\n"
					 "ferry_wait_seconds_bucket{le=\"1\"} 2\n"
					 "ferry_wait_seconds_bucket{le=\"+Inf\"} 5\n"
					 "ferry_wait_seconds_sum 12.5\n"
					 "ferry_wait_seconds_count 5\n");
}

static void the_file_is_whole_and_readable_for_the_collector(void **state)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ferry.prom");
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB), back = BUF_INIT(KIB);
	struct stat st;
	(void)state;
	metrics_single(&b, &bytes, 5);
	assert_ok(metrics_write(path, &b, &e), &e);
	assert_ok(file_read_all(path, &back, &e), &e);
	assert_string_equal(buf_str(&back), "# HELP ferry_bytes_total Bytes\n"
					    "# TYPE ferry_bytes_total counter\n"
					    "ferry_bytes_total 5\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0444, 0444);
	scratch_free(dir);
}

static void a_text_that_is_too_large_is_not_written(void **state)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ferry.prom");
	CLEANUP(buf_release) struct buf b = BUF_INIT(8);
	(void)state;
	metrics_single(&b, &bytes, 5);
	assert_int_equal(metrics_write(path, &b, &e), -ERR_INTEGRITY);
	assert_false(file_exists(path));
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_type_and_labels_are_written_and_escaped),
		cmocka_unit_test(numbers_keep_their_value_in_as_few_digits_as_possible),
		cmocka_unit_test(a_histogram_adds_up_its_buckets),
		cmocka_unit_test(the_file_is_whole_and_readable_for_the_collector),
		cmocka_unit_test(a_text_that_is_too_large_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
