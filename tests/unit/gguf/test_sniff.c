/* Files that are no GGUF are named as what they are. */
#include "ggufbuild.h"
#include "unit.h"

static void assert_is(const void *data, size_t len, const char *text)
{
	struct memory_input memory = { data, len };
	struct gguf_input source;
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	memory_input_init(&source, &memory);
	assert_int_equal(gguf_open(&source, "f", NULL, &g, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void assert_text_is(const char *data, const char *text)
{
	assert_is(data, strlen(data), text);
}

static void texts_are_named(void **state)
{
	(void)state;
	assert_text_is("<!DOCTYPE html>\n<html><head><title>Sign in</title>", "an HTML page");
	assert_text_is("\xef\xbb\xbf  \n<HTML lang=\"en\">", "an HTML page");
	assert_text_is("{\"error\":\"Repository not found\"}",
		       "it is JSON, not a model; it starts with: {\"error\":\"Repository not "
		       "found\"}");
	assert_text_is("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>",
		       "it is XML, not a model");
	assert_text_is("Invalid username or password.", "it is text, not a model; it starts with: "
							"Invalid username or password.");
}

static void lfs_pointer_names_the_size(void **state)
{
	(void)state;
	assert_text_is("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize "
		       "4368439552\n",
		       "it is a Git LFS pointer to a file of 4368439552 bytes");
	assert_text_is("version https://git-lfs.github.com/spec/v1\n",
		       "it is a Git LFS pointer, not");
}

static void other_formats_are_named(void **state)
{
	(void)state;
	assert_is("PK\3\4________", 12, "a zip archive");
	assert_is("\x1f\x8b________", 10, "gzip-compressed");
	assert_is("\x28\xb5\x2f\xfd____", 8, "zstd-compressed");
	assert_is("\x80\x02}q\0", 5, "a Python pickle");
	assert_is("tjgg\3\0\0\0", 8, "a ggml file, older than GGUF (magic 'ggjt')");
	assert_is("lmgg\0\0\0\0", 8, "(magic 'ggml')");
	assert_is("fmgg\1\0\0\0", 8, "(magic 'ggmf')");
	assert_is("algg\1\0\0\0", 8, "a LoRA adapter");
	assert_is("\x08\0\0\0\0\0\0\0{\"a\":{}}", 16, "a safetensors file");
	char tar[512] = "model.gguf";
	memcpy(tar + 257, "ustar", 5);
	assert_is(tar, sizeof tar, "a tar archive");
	char zeros[4096] = "";
	assert_is(zeros, sizeof zeros, "it begins with 1024 zero bytes");
	assert_is("\x01\x02\x03\x04\x05", 5,
		  "it is neither a GGUF nor an archive: it begins with 01 02 03 04");
	assert_is("\x01", 1, "it is neither a GGUF nor an archive: it begins with 01 00 00 00");
}

static void wrong_versions_are_named(void **state)
{
	(void)state;
	char head[32] = "GGUF";
	head[4] = 1;
	assert_is(head, sizeof head, "it is GGUF version 1");
	head[4] = 4;
	assert_is(head, sizeof head, "its GGUF version is 4");
	head[4] = 0;
	assert_is(head, sizeof head, "its GGUF version is 0");
	head[7] = 3;
	assert_is(head, sizeof head, "it is a big-endian GGUF (version 3)");
	assert_is("FUGG\3\0\0\0", 8, "a GGUF with reversed magic");
}

static void pieces_of_the_header_are_truncated(void **state)
{
	(void)state;
	assert_is("", 0, "the file is empty");
	assert_is("GG", 2, "truncated: only 2 bytes of a GGUF's magic");
	assert_is("GGUF", 4, "truncated: only 4 bytes of a GGUF header");
	assert_is("GGUF\3\0\0\0\0\0", 10, "truncated: only 10 bytes of a GGUF header");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_named),
		cmocka_unit_test(lfs_pointer_names_the_size),
		cmocka_unit_test(other_formats_are_named),
		cmocka_unit_test(wrong_versions_are_named),
		cmocka_unit_test(pieces_of_the_header_are_truncated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
