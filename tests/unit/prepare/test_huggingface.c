#include "prepare/huggingface.h"

#include "util/buf.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

static int set_up(void **state)
{
	*state = scratch_new();
	return 0;
}

static int tear_down(void **state)
{
	scratch_free(*state);
	return 0;
}

/* A file with this header and so many bytes of data; what the check says. */
static int check(const char *dir, const char *header, uint64_t header_size, size_t data,
		 struct err *e)
{
	struct buf b = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "m.safetensors");
	uint64_t size = 0;
	for (int i = 0; i < 8; i++)
		buf_addc(&b, (char)(header_size >> (8 * i)));
	buf_adds(&b, header);
	for (size_t i = 0; i < data; i++)
		buf_addc(&b, 'x');
	scratch_write(dir, "m.safetensors", b.data, b.len);
	int rc = huggingface_check_safetensors(path, "m.safetensors", &size, e);
	if (rc == 0)
		assert_int_equal(size, b.len);
	buf_release(&b);
	return rc;
}

#define HEADER \
	"{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"data_offsets\":[0,10]}," \
	"\"b\":{\"data_offsets\":[10,25]}}"

static void a_complete_file_is_fine(void **state)
{
	struct err e = ERR_INIT;
	assert_ok(check(*state, HEADER, sizeof HEADER - 1, 25, &e), &e);
}

static void a_missing_byte_and_one_too_many_are_found(void **state)
{
	struct err e = ERR_INIT, f = ERR_INIT;
	assert_int_equal(check(*state, HEADER, sizeof HEADER - 1, 24, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "m.safetensors is truncated"));
	assert_int_equal(check(*state, HEADER, sizeof HEADER - 1, 26, &f), -ERR_INTEGRITY);
	assert_non_null(strstr(f.text, "too long"));
}

static void a_header_past_the_end_is_found(void **state)
{
	struct err e = ERR_INIT;
	assert_int_equal(check(*state, HEADER, 5000, 25, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "truncated"));
}

static void offsets_that_make_no_sense_are_refused(void **state)
{
	static const char *const headers[] = {
		"{\"a\":{\"data_offsets\":[10,0]}}",
		"{\"a\":{\"data_offsets\":[-1,10]}}",
		"{\"a\":{\"data_offsets\":[0]}}",
		"{\"a\":{}}",
		"{\"a\":1}",
		"{\"a\":{\"data_offsets\":[0,9223372036854775807]}}",
		"{\"a\":",
	};
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(check(*state, headers[i], strlen(headers[i]), 10, &e),
				 -ERR_INTEGRITY);
	}
}

static void a_huge_header_is_not_read(void **state)
{
	struct err e = ERR_INIT;
	assert_int_equal(check(*state, "{", 90 * MIB, 10, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "too large"));
}

static void put_part(const char *dir, const char *name)
{
	static const char part[] = "\x20\0\0\0\0\0\0\0{\"a\":{\"data_offsets\":[0,4]}}    xxxx";
	scratch_write(dir, name, part, sizeof part - 1);
}

static void a_part_that_the_names_of_the_others_count_is_missed(void **state)
{
	const char *dir = *state;
	struct hf_summary sum;
	struct err e = ERR_INIT, f = ERR_INIT;
	scratch_write(dir, "config.json", "{}", 2);
	put_part(dir, "model-00001-of-00003.safetensors");
	put_part(dir, "model-00003-of-00003.safetensors");
	assert_int_equal(huggingface_check(dir, &sum, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "model-00002-of-00003.safetensors is missing"));
	put_part(dir, "model-00002-of-00003.safetensors");
	put_part(dir, "vision.safetensors");
	put_part(dir, "model- 0002-of-00009.safetensors");
	assert_ok(huggingface_check(dir, &sum, &f), &f);
	assert_int_equal(sum.files, 5);
}

static void what_editors_make_of_config_json_is_read(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} configs[] = {
#define CONFIG(text) { text, sizeof(text) - 1 }
		CONFIG("\xef\xbb\xbf{\"a\": 1}\r\n"),
		CONFIG("\xff\xfe{\0}\0\r\0\n\0"),
		CONFIG("\xfe\xff\0{\0}"),
		CONFIG("{\"a\": \"\xe4\\u0000\"} \n\n"),
		CONFIG("{\"a\": NaN, \"a\": 1e999}"),
	};
	for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
		struct hf_summary sum;
		struct err e = ERR_INIT;
		scratch_write(*state, "config.json", configs[i].text, configs[i].len);
		assert_ok(huggingface_check(*state, &sum, &e), &e);
	}
}

static void an_index_is_read_as_leniently(void **state)
{
	static const char index[] = "\xef\xbb\xbf{\"metadata\": {\"total_size\": Infinity},\r\n"
				    "\"weight_map\": {\"a\": \"x.safetensors\", \"a\": "
				    "\"y.safetensors\"}}\r\n";
	struct hf_summary sum;
	struct err e = ERR_INIT, f = ERR_INIT;
	scratch_write(*state, "config.json", "{}", 2);
	scratch_write(*state, "model.safetensors.index.json", index, sizeof index - 1);
	assert_int_equal(huggingface_check(*state, &sum, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "y.safetensors is missing"));
	put_part(*state, "y.safetensors");
	assert_ok(huggingface_check(*state, &sum, &f), &f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_complete_file_is_fine),
		TEST(a_missing_byte_and_one_too_many_are_found),
		TEST(a_header_past_the_end_is_found),
		TEST(offsets_that_make_no_sense_are_refused),
		TEST(a_huge_header_is_not_read),
		TEST(a_part_that_the_names_of_the_others_count_is_missed),
		TEST(what_editors_make_of_config_json_is_read),
		TEST(an_index_is_read_as_leniently),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
