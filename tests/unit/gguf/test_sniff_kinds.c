#include "gguf/sniff.h"
#include "util/text.h"

#include "unit.h"

struct sample {
	const char *bytes;
	size_t len;
	enum sniff kind;
};
#define SAMPLE(bytes, kind) \
	{ \
		bytes, sizeof(bytes) - 1, kind \
	}

static const struct sample samples[] = {
	SAMPLE("", SNIFF_EMPTY),
	SAMPLE("GGUF\3\0\0\0", SNIFF_GGUF),
	SAMPLE("PK\3\4....", SNIFF_ARCHIVE),
	SAMPLE("\x28\xb5\x2f\xfd....", SNIFF_ARCHIVE),
	SAMPLE("tjgg\1\0\0\0", SNIFF_GGML_OLD),
	SAMPLE("\x0c\0\0\0\0\0\0\0{\"a\":1}", SNIFF_SAFETENSORS),
	SAMPLE("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", SNIFF_LFS_POINTER),
	SAMPLE("\xef\xbb\xbf \n<!DOCTYPE html><title>", SNIFF_HTML),
	SAMPLE("<HTML>", SNIFF_HTML),
	SAMPLE("<?xml version='1.0'?><html xmlns='x'>", SNIFF_HTML),
	SAMPLE("<?xml version='1.0'?><Error><Code>AccessDenied", SNIFF_XML),
	SAMPLE("{\"error\": \"Invalid token\"}", SNIFF_JSON),
	SAMPLE("Entry not found", SNIFF_TEXT),
	SAMPLE("\0\0\0\0\0\0\0\0\0\0\0\0", SNIFF_UNKNOWN),
	SAMPLE("%PDF-1.7", SNIFF_FOREIGN),
	SAMPLE("\x04\x22\x4d\x18....", SNIFF_ARCHIVE),
	SAMPLE("\1\2\3\4\5\6\7\10", SNIFF_UNKNOWN),
};

static void kinds_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++)
		assert_int_equal(sniff_bytes(samples[i].bytes, samples[i].len), samples[i].kind);
}

static void a_refusal_names_the_kind_and_quotes_what_it_says(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	const char text[] = "{\"error\":\n\t\"Invalid \033[31mtoken\"}";
	assert_int_equal(sniff_refuse(SNIFF_JSON, text, strlen(text), "m.gguf", &e),
			 -ERR_INTEGRITY);
	assert_string_equal(e.text, "m.gguf is JSON, not a model; it starts with: "
				    "{\"error\": \"Invalid \\x1b[31mtoken\"}");
	assert_non_null(strstr(e.hint, "access rights"));
}

static void every_kind_can_be_refused_with_a_hint(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		struct err e = ERR_INIT;
		const struct sample *s = &samples[i];
		assert_int_equal(sniff_refuse(s->kind, s->bytes, s->len, "m.gguf", &e),
				 -ERR_INTEGRITY);
		assert_null(strstr(e.text, "(null)"));
		assert_true(str_starts(e.text, "m.gguf ") && e.hint[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(every_kind_can_be_refused_with_a_hint),
		cmocka_unit_test(a_refusal_names_the_kind_and_quotes_what_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
