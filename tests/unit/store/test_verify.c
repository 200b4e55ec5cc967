/* store_verify_task(): what it reports. */
#include "stocked.h"
#include "unit.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"

#include <unistd.h>

struct recorder {
	struct report report;
	struct buf text;
};

static void record(struct report *r, const struct report_event *ev)
{
	struct buf *text = &((struct recorder *)r)->text;
	switch (ev->kind) {
	case REPORT_BEGIN:
		buf_addf(text, "begin %s %llu; ", ev->task, (unsigned long long)ev->total);
		break;
	case REPORT_ADVANCE:
		buf_addf(text, "%lld; ", (long long)ev->bytes);
		break;
	case REPORT_END:
		buf_addf(text, "end %s %d", ev->task, ev->ok);
		break;
	default:
		fail();
	}
}

struct fixture {
	struct stocked *s;
	struct recorder recorder;
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->s = stocked_new();
	f->recorder = (struct recorder){ { record }, BUF_INIT(KIB) };
	f->s->store.report = &f->recorder.report;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	stocked_free(f->s);
	buf_release(&f->recorder.text);
	free(f);
	return 0;
}

static int verify(struct fixture *f, const char *text, struct err *e)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	return store_verify_task(&f->s->store, &d, "task", e);
}

static void a_file_is_a_task_of_its_bytes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *large = mem_alloc(MIB + 11);
	memset(large, 'x', MIB + 10);
	const char *const texts[] = { large, NULL };
	CLEANUP(store_variant_release)
	struct store_variant v = stocked_add(f->s, "m", "v", texts);
	assert_ok(verify(f, large, &e), &e);
	assert_string_equal(buf_str(&f->recorder.text),
			    "begin task 1048586; 1048576; 10; end task 1");
}

static void a_file_that_is_not_there_is_no_task(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	assert_int_equal(verify(f, "gone", &e), -ERR_NOT_FOUND);
	assert_string_equal(buf_str(&f->recorder.text), "");
}

static void a_cancelled_one_ends_and_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct cancel cancel = CANCEL_INIT;
	const char *const texts[] = { "text", NULL };
	CLEANUP(store_variant_release)
	struct store_variant v = stocked_add(f->s, "m", "v", texts);
	cancel_ask(&cancel, 15);
	f->s->store.cancel = &cancel;
	assert_int_equal(verify(f, "text", &e), -ERR_CANCELLED);
	assert_string_equal(buf_str(&f->recorder.text), "begin task 4; end task 0");
	assert_true(stocked_has(f->s, "text"));
}

static void a_damaged_one_is_set_aside_in_silence(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const char *const texts[] = { "text", NULL };
	CLEANUP(store_variant_release)
	struct store_variant v = stocked_add(f->s, "m", "v", texts);
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(f->s, "text");
	assert_int_equal(unlink(blob), 0);
	assert_ok(file_write_atomic(blob, "tEXt", 4, FILE_READ_ONLY, &e), &e);
	struct digest d;
	sha256_of("text", 4, &d);
	assert_int_equal(store_verify(&f->s->store, &d, &e), -ERR_INTEGRITY);
	assert_string_equal(buf_str(&f->recorder.text), "");
	assert_false(stocked_has(f->s, "text"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_file_is_a_task_of_its_bytes),
		TEST(a_file_that_is_not_there_is_no_task),
		TEST(a_cancelled_one_ends_and_stays),
		TEST(a_damaged_one_is_set_aside_in_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
