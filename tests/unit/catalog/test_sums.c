#include "catalog/sums.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <unistd.h>

#define A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define B "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"

static struct sums parsed(const char *text)
{
	struct err e = ERR_INIT;
	struct sums s;
	assert_ok(sums_parse(text, strlen(text), "SHA256SUMS", &s, &e), &e);
	return s;
}

static void expect(const char *text, const char *name, const char *hex)
{
	struct sums s = parsed(text);
	char got[DIGEST_HEX];
	assert_int_equal(s.count, 1);
	assert_string_equal(s.at[0].name, name);
	assert_string_equal(digest_hex(got, &s.at[0].sha256), hex);
	sums_release(&s);
}

static void refused(const char *text, size_t len, const char *message)
{
	struct err e = ERR_INIT;
	struct sums s;
	int rc = sums_parse(text, len, "SHA256SUMS", &s, &e);
	if (rc != -ERR_INTEGRITY || !strstr(e.text, message))
		fail_msg("wanted \"%s\", got %d: %s", message, rc, e.text);
}

static void every_form_is_read(void **state)
{
	(void)state;
	expect(A "  model.gguf\n", "model.gguf", A);
	expect(A " *model.gguf\n", "model.gguf", A);
	expect(A "  model.gguf", "model.gguf", A);
	expect(A "  model.gguf\r\n", "model.gguf", A);
	expect(A "   two blanks before\n", " two blanks before", A);
	expect(A "  a b  c\n", "a b  c", A);
	expect(A "  ./sub/model.gguf\n", "sub/model.gguf", A);
	expect("SHA256 (model.gguf) = " A "\n", "model.gguf", A);
	expect("SHA256 (odd) = name) = " A "\n", "odd) = name", A);
	expect("\\" A "  a\\nb\\\\c\\rd\n", "a\nb\\c\rd", A);
	expect("\\SHA256 (a\\nb) = " A "\n", "a\nb", A);
	expect(A "  back\\nslash\n", "back\\nslash", A);
	expect("# a comment\n\n\r\n" A "  x\n", "x", A);
	expect("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08  x\n", "x", A);
}

static void empty_list_is_a_list(void **state)
{
	(void)state;
	struct sums s = parsed("");
	assert_int_equal(s.count, 0);
	sums_release(&s);
}

static void malformed_lines_are_named(void **state)
{
	(void)state;
	static const char *const cases[] = {
		A,
		A " ",
		A "  ",
		A " x",
		A "\tx",
		"x",
		"<html>",
		" " A "  x",
		"9f86  x",
		A "0  x",
		"SHA256 (x) = 9f86",
		"SHA256 () = " A,
		"SHA256 (x)= " A,
		"MD5 (x) = d41d8cd98f00b204e9800998ecf8427e",
		"\\" A "  a\\tb",
		"\\" A "  a\\",
		"\\",
		"g"
		"f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  x",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *text = mem_printf(B "  good\n%s\n", cases[i]);
		refused(text, strlen(text), "SHA256SUMS:2: not a line of a SHA-256 list");
	}
	refused(A "  a\0b\n", strlen(A) + 6, "SHA256SUMS:1: not a line");
}

static void names_that_lead_out_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "/etc/passwd", "../x", "a/../../x", "a//b", "..",
					     "./../x",      ".//x", "a/",        "./" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(mem_free_ptr) char *text = mem_printf(A "  %s\n", names[i]);
		refused(text, strlen(text), "leads out of the folder");
	}
	expect(A "  a..b/..c\n", "a..b/..c", A);
	expect(A "  ...\n", "...", A);
}

static void repeated_names_must_agree(void **state)
{
	(void)state;
	struct sums s = parsed(A "  x\n" B "  y\n" A " *./x\n" B "  w\n");
	assert_int_equal(s.count, 3);
	assert_string_equal(s.at[0].name, "x");
	assert_string_equal(s.at[1].name, "y");
	assert_string_equal(s.at[2].name, "w");
	sums_release(&s);
	static const char text[] = A "  x\n" B "  x\n";
	refused(text, strlen(text), "'x' has two different digests");
}

static void lists_are_capped(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = BUF_INIT(SUMS_MAX_BYTES);
	for (int i = 0; i < SUMS_MAX_ENTRIES; i++)
		buf_addf(&b, A "  %d\n", i);
	struct sums s = parsed(buf_str(&b));
	assert_int_equal(s.count, SUMS_MAX_ENTRIES);
	sums_release(&s);
	buf_adds(&b, A "  one more\n");
	refused(b.data, b.len, "more than 100000 entries");
	CLEANUP(mem_free_ptr) char *large = mem_alloc(SUMS_MAX_BYTES + 1);
	refused(large, SUMS_MAX_BYTES + 1, "larger than 16777216 bytes");
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct sums s = { 0 }, again;
	struct digest d;
	assert_true(digest_parse(&d, A));
	sums_set(&s, "plain", &d);
	sums_set(&s, "a\\b\nc\rd", &d);
	sums_set(&s, "plain", &d);
	assert_true(digest_parse(&d, B));
	sums_set(&s, "plain", &d);
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	sums_format(&s, &b);
	assert_string_equal(buf_str(&b), B "  plain\n\\" A "  a\\\\b\\nc\\rd\n");
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, SUMS_NAME);
	assert_ok(sums_save(&s, path, &e), &e);
	assert_ok(sums_load(path, &again, &e), &e);
	assert_int_equal(again.count, 2);
	assert_string_equal(again.at[1].name, "a\\b\nc\rd");
	sums_release(&again);
	sums_release(&s);
	scratch_free(dir);
}

static void check_compares_the_whole_file(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct manifest_verdict v;
	struct sums s = parsed(A "  x\n"); /* of "test" */
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "x");
	assert_ok(sums_check(&s.at[0], path, NULL, NULL, &v, &e), &e);
	assert_int_equal(v.fault, MANIFEST_MISSING);
	scratch_write(dir, "x", "test", 4);
	assert_ok(sums_check(&s.at[0], path, NULL, NULL, &v, &e), &e);
	assert_int_equal(v.fault, MANIFEST_OK);
	scratch_write(dir, "x", "tesu", 4);
	assert_ok(sums_check(&s.at[0], path, NULL, NULL, &v, &e), &e);
	assert_int_equal(v.fault, MANIFEST_CONTENT);
	assert_false(v.has_piece);
	assert_int_equal(sums_check(&s.at[0], dir, NULL, NULL, &v, &e), -ERR_USAGE);
	sums_release(&s);
	scratch_free(dir);
}

static void names_are_relative_to_the_list(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new(), *name;
	scratch_write(dir, "a/b/model.gguf", "", 0);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(symlink("a", "link"), 0);
	static const struct {
		const char *list, *file, *name;
	} cases[] = {
		{ "SHA256SUMS", "a/b/model.gguf", "a/b/model.gguf" },
		{ "a/SHA256SUMS", "a/b/model.gguf", "b/model.gguf" },
		{ "a/b/SHA256SUMS", "a/b/model.gguf", "model.gguf" },
		{ "a/SHA256SUMS", "link/b/../b/./model.gguf", "b/model.gguf" },
		{ "./link/b/SHA256SUMS", "a/b/model.gguf", "model.gguf" },
		{ "/SHA256SUMS", "/usr/x", "usr/x" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_ok(sums_name_for(cases[i].list, cases[i].file, &name, &e), &e);
		assert_string_equal(name, cases[i].name);
		free(name);
	}
	assert_int_equal(mkdir("a/bb", 0755), 0);
	assert_int_equal(sums_name_for("a/b/S", "a/bb/x", &name, &e), -ERR_USAGE);
	assert_string_equal(e.text, "a/bb/x is not below the folder of a/b/S");
	err_clear(&e);
	assert_int_equal(sums_name_for("a/b/S", "none/x", &name, &e), -ERR_NOT_FOUND);
	assert_int_equal(chdir("/"), 0);
	scratch_free(dir);
}

static void lists_are_known_by_name(void **state)
{
	(void)state;
	assert_true(sums_is_list("SHA256SUMS"));
	assert_true(sums_is_list("SHA256SUMS.txt"));
	assert_true(sums_is_list("model.gguf.sha256"));
	assert_false(sums_is_list("SHA256SUMS.asc"));
	assert_false(sums_is_list("model.gguf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read),
		cmocka_unit_test(empty_list_is_a_list),
		cmocka_unit_test(malformed_lines_are_named),
		cmocka_unit_test(names_that_lead_out_are_refused),
		cmocka_unit_test(repeated_names_must_agree),
		cmocka_unit_test(lists_are_capped),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(check_compares_the_whole_file),
		cmocka_unit_test(names_are_relative_to_the_list),
		cmocka_unit_test(lists_are_known_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
