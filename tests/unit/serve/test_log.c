#include "serve/log.h"

#include "json/json.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 100000 /* lines: more than the log keeps in memory */

static struct serve_log_entry an_entry(void)
{
	return (struct serve_log_entry){
		.time_ms = 1700000000123,
		.address = "2001:db8::1",
		.method = "GET",
		.target = "/targets/a%20b\xff\"?token=s3cret",
		.status = 206,
		.bytes = 10,
		.partial = true,
		.first = 5,
		.length = 10,
		.total = 100,
		.agent = "an \"agent\"\n\\\x1b[31m\xff",
		.who = "lab",
		.face = "plain",
		.hit = "hit",
		.duration_us = 1500,
		.first_byte_us = 20,
	};
}

static void a_line_is_json_with_the_names_of_nginx_and_nothing_raw(void **state)
{
	(void)state;
	struct serve_log_entry n = an_entry();
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf line = BUF_INIT(MIB);
	CLEANUP(json_release) json_t *json = NULL;
	serve_log_format(&line, &n);
	const struct json_limits limits = { .max_bytes = MIB, .allow_real = true };
	assert_ok(json_parse(line.data, line.len, &limits, "a line", &json, &e), &e);
	assert_string_equal(json_text(json, "remote_addr"), "2001:db8::1");
	assert_string_equal(json_text(json, "sent_http_content_range"), "bytes 5-14/100");
	assert_int_equal(json_number(json, "status"), 206);
	assert_int_equal(json_number(json, "body_bytes_sent"), 10);
	assert_string_equal(json_text(json, "who"), "lab");
	assert_string_equal(json_text(json, "hit"), "hit");
	assert_non_null(strstr(json_text(json, "request_uri"), "/targets/a%20b%FF"));
	assert_null(strstr(line.data, "s3cret"));
	for (size_t i = 0; i + 1 < line.len; i++)
		assert_true(line.data[i] >= 0x20 && line.data[i] < 0x7f);
	assert_int_equal(line.data[line.len - 1], '\n');
}

static void lines_are_appended_and_written_when_it_is_closed(void **state)
{
	(void)state;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/log", dir);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct serve_log_entry n = an_entry();
	struct serve_log *l = NULL;
	struct err e = ERR_INIT;
	for (int i = 0; i < 2; i++) {
		assert_ok(serve_log_open(path, &l, &e), &e);
		serve_log_add(l, &n);
		serve_log_close(l);
	}
	assert_ok(file_read_all(path, &text, &e), &e);
	size_t lines = 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	assert_int_equal(lines, 2);
	serve_log_close(NULL);
	scratch_free(dir);
}

static void a_log_that_takes_nothing_loses_lines_and_delays_nobody(void **state)
{
	(void)state;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/log", dir);
	struct serve_log_entry n = an_entry();
	struct serve_log *l = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(mkfifo(path, 0600), 0);
	int reader = open(path, O_RDWR | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_ok(serve_log_open(path, &l, &e), &e);
	/* Nobody reads: the thread that writes waits as soon as the pipe is full. */
	for (int i = 0; i < MANY; i++)
		serve_log_add(l, &n);
	assert_true(serve_log_lost(l) > 0);
	/* Now it cannot write at all. */
	signal(SIGPIPE, SIG_IGN);
	close(reader);
	serve_log_close(l);
	scratch_free(dir);
}

static void where_no_log_can_be_written_is_said(void **state)
{
	(void)state;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/none/log", dir);
	struct serve_log *l = NULL;
	struct err e = ERR_INIT;
	assert_true(serve_log_open(path, &l, &e) < 0);
	assert_non_null(strstr(e.text, path));
	serve_log_add(NULL, NULL);
	scratch_free(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_json_with_the_names_of_nginx_and_nothing_raw),
		cmocka_unit_test(lines_are_appended_and_written_when_it_is_closed),
		cmocka_unit_test(a_log_that_takes_nothing_loses_lines_and_delays_nobody),
		cmocka_unit_test(where_no_log_can_be_written_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
