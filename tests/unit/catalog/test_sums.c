#include "catalog/sums.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <unistd.h>

#define A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define B "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"

static struct sums parsed_of(const char *text, size_t len, const char *of)
{
	struct err e = ERR_INIT;
	struct sums s;
	assert_ok(sums_parse(text, len, "SHA256SUMS", of, &s, &e), &e);
	return s;
}

static struct sums parsed(const char *text)
{
	return parsed_of(text, strlen(text), NULL);
}

static void is_entry(struct sums *s, size_t i, const char *name, const char *hex)
{
	char got[DIGEST_HEX];
	assert_true(i < s->count);
	assert_string_equal(s->at[i].name, name);
	assert_string_equal(digest_hex(got, &s->at[i].sha256), hex);
}

static void expect_of(const char *text, const char *of, const char *name, const char *hex)
{
	struct sums s = parsed_of(text, strlen(text), of);
	if (s.count != 1 || s.fault_count)
		fail_msg("%zu entries, %zu faults of \"%s\"", s.count, s.fault_count, text);
	is_entry(&s, 0, name, hex);
	sums_release(&s);
}

static void expect(const char *text, const char *name, const char *hex)
{
	expect_of(text, NULL, name, hex);
}

/* The text has one line that is wrong, for this reason; the others are taken. */
static void wrong(const char *text, size_t len, size_t entries, const char *why)
{
	struct sums s = parsed_of(text, len, NULL);
	if (s.count != entries || s.fault_count != 1 || !strstr(s.faults[0].why, why))
		fail_msg("wanted \"%s\", got %zu entries, %zu faults, \"%s\" for \"%s\"", why,
			 s.count, s.fault_count, s.fault_count ? s.faults[0].why : "", text);
	sums_release(&s);
}

static void skipped(const char *text, size_t entries, const char *what)
{
	struct sums s = parsed(text);
	assert_int_equal(s.count, entries);
	assert_int_equal(s.fault_count, 0);
	assert_non_null(s.skipped);
	assert_string_equal(s.skipped, what);
	sums_release(&s);
}

static void refused(const char *text, size_t len, const char *message)
{
	struct err e = ERR_INIT;
	struct sums s;
	int rc = sums_parse(text, len, "SHA256SUMS", NULL, &s, &e);
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
	expect("\r# of a Mac\r" A "  model.gguf\r", "model.gguf", A);
	expect(A "   two blanks before\n", " two blanks before", A);
	expect(A "  a b  c\n", "a b  c", A);
	expect(A "  ./sub/model.gguf\n", "sub/model.gguf", A);
	expect(A "  .//sub//model.gguf\n", "sub/model.gguf", A);
	expect(A "  sub/././/.model.gguf\n", "sub/.model.gguf", A);
	expect("SHA256 (model.gguf) = " A "\n", "model.gguf", A);
	expect("SHA256 (odd) = name) = " A "\n", "odd) = name", A);
	expect("\\" A "  a\\nb\\\\c\\rd\n", "a\nb\\c\rd", A);
	expect("\\SHA256 (a\\nb) = " A "\n", "a\nb", A);
	expect(A "  back\\nslash\n", "back\\nslash", A);
	expect("# a comment\n\n\r\n" A "  x\n", "x", A);
	expect("9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08  x\n", "x", A);
	expect(A " x\n", "x", A);
	expect(A "\tx\n", "x", A);
	expect("  " A "  x\n", "x", A);
	expect("sha256:" A "  x\n", "x", A);
	expect("SHA256(model.gguf)= " A "\n", "model.gguf", A);
	expect("SHA2-256(a (b) = c.gguf)= " A "\n", "a (b) = c.gguf", A);
	expect("sha256 (x)=" A "\n", "x", A);
}

static void what_windows_writes_is_read(void **state)
{
	(void)state;
	static const char pairs[] = "9f 86 d0 81 88 4c 7d 65 9a 2f ea a0 c5 5a d0 15 a3 bf 4f 1b "
				    "2b 0b 82 2c d1 5d 6c 15 b0 f0 0a 08";
	static const char done[] = "CertUtil: -hashfile command completed successfully.\r\n";
	CLEANUP(mem_free_ptr) char *seven = mem_printf("SHA256 hash of file m x.gguf:\r\n%s\r\n%s",
						       pairs, done);
	CLEANUP(mem_free_ptr) char *ten = mem_printf("SHA256 hash of m x.gguf:\r\n" A "\r\n%s",
						     done);
	expect(seven, "m x.gguf", A);
	expect(ten, "m x.gguf", A);
	expect("\r\nAlgorithm       Hash        Path\r\n---------       ----        ----\r\nSHA256 "
	       "         " A "       C:\\m\\x y.gguf   \r\n\r\n\r\n",
	       "m/x y.gguf", A);
	expect("\r\nAlgorithm : SHA256\r\nHash      : " A "\r\nPath      : \\\\host\\m\\x.gguf\r\n",
	       "host/m/x.gguf", A);
	expect("#TYPE x\r\n\"Algorithm\",\"Hash\",\"Path\"\r\n\"SHA256\",\"" A
	       "\",\"D:\\x.gguf\"\r\n",
	       "x.gguf", A);
	expect("SHA256 " A " sub\\x.gguf\n", "sub/x.gguf", A);
	expect(A " *C:/m/x.gguf\r\n", "m/x.gguf", A);
	expect("\\" A " *C:\\\\m\\\\x.gguf\r\n", "m/x.gguf", A);
	expect(A " *sub\\x.gguf\r\n", "sub\\x.gguf", A);
	struct sums s = parsed(A "  C:/m/x\n" B "  m/y\n");
	assert_true(s.at[0].moved);
	assert_false(s.at[1].moved);
	sums_release(&s);
}

static void a_byte_order_mark_and_utf_16_are_read(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf" A "  x\r\n", "x", A);
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	static const char text[] = A "  \xe4.gguf\r\n" B "  y\r\n";
	buf_adds(&b, "\xff\xfe");
	for (size_t i = 0; i < sizeof text - 1; i++) {
		buf_addc(&b, text[i]);
		buf_addc(&b, '\0');
	}
	struct sums s = parsed_of(b.data, b.len, NULL);
	assert_int_equal(s.count, 2);
	is_entry(&s, 0, "\xc3\xa4.gguf", A);
	is_entry(&s, 1, "y", B);
	sums_release(&s);
}

static void a_digest_alone_is_that_of_the_file_beside_the_list(void **state)
{
	(void)state;
	expect_of(A "\n", "m.gguf", "m.gguf", A);
	expect_of(A "   \r\n", "m.gguf", "m.gguf", A);
	expect_of(A "  -\n", "m.gguf", "m.gguf", A);
	expect_of("SHA2-256(stdin)= " A "\n", "m.gguf", "m.gguf", A);
	expect("SHA2-256(stdin)= " A "\n", "stdin", A);
	expect_of(A "  /build/m.gguf\n", "m.gguf", "m.gguf", A);
	expect_of(A "  ../m.gguf\n", "m.gguf", "m.gguf", A);
	expect_of(A "  dist/m.gguf\n", "m.gguf", "dist/m.gguf", A);
	expect_of("Hash : " A "\n", "m.gguf", "m.gguf", A);
	wrong(A "\n", strlen(A) + 1, 0, "line 1: it is a digest without a file name");
	wrong(A "  -\n", strlen(A) + 4, 0, "line 1: it is a digest without a file name");
	wrong(A "    \n", strlen(A) + 5, 0, "line 1: it is a digest without a file name");
	static const char cut[] = B "  x\nHash : " A "\n";
	wrong(cut, sizeof cut - 1, 1, "it is a digest without a file name");
}

static void empty_list_is_a_list(void **state)
{
	(void)state;
	static const char *const empty[] = { "", "\n", "# nothing yet\n\n", "\xef\xbb\xbf" };
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		struct sums s = parsed(empty[i]);
		assert_int_equal(s.count, 0);
		assert_null(s.skipped);
		sums_release(&s);
	}
}

static void lines_of_another_kind_are_passed_over_and_told(void **state)
{
	(void)state;
	skipped("Checksums of release 3\n\n" A "  x\nThank you\n" B "  y\n", 2,
		"2 lines of another kind skipped, the first is line 1");
	skipped("SHA512 (x) = " A A "\n" A "  x\nMD5(x)= d41d8cd98f00b204e9800998ecf8427e\n", 1,
		"2 digests by SHA512, MD5 skipped");
	skipped(A A "  x\nd41d8cd98f00b204e9800998ecf8427e  x\n" A "  x\n", 1,
		"2 digests by SHA-512, MD5 skipped");
	/* As long as a SHA-256, and none. */
	skipped("SHA3-256 (y) = " A "\nBLAKE2b-256 (z) = " A "\nHMAC-SHA256(z)= " A "\n" B "  x\n",
		1, "3 digests by SHA3-256, BLAKE2b-256, HMAC-SHA256 skipped");
	skipped("SHA512          " A A "  C:\\x\nSHA256 " A " C:\\x\n", 1,
		"1 digest by SHA512 skipped");
}

static void half_right_lines_are_named_and_the_others_are_taken(void **state)
{
	(void)state;
	static const char *const cases[] = {
		A,
		A " ",
		"x: " A,
		"model.gguf " A,
		"model (x) = " A,
		"sha.gguf " A,
		"shard1 " A,
		"sha1.gguf " A,
		"\"model\",\"" A "\",\"x\"",
		"| x | `" A "` |",
		A "0  x",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0  x",
		"g"
		"f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  x",
		"SHA256 (x) = 9f86",
		"SHA256 (x) = n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
		"SHA256 () = " A,
		"SHA256 (x) = " A " y",
		"SHA256  9F86D081884C7D659A2FEAA0C55AD015A3...  C:\\x",
		"SHA256  " A "  C:\\models\\a-long-na...",
		"SHA256  " A,
		"\"SHA256\",\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b\",\"C:\\x\"",
		"\\" A "  a\\tb",
		"\\" A "  a\\",
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *text = mem_printf(B "  good\n%s\n" A "  too\n",
							      cases[i]);
		wrong(text, strlen(text), 2, "line 2: it");
	}
	static const char nul[] = A "  a\0b\n";
	wrong(nul, sizeof nul - 1, 0, "line 1: it contains a NUL byte");
}

static void a_list_without_a_sha_256_is_an_error_that_says_what_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "x\n", "SHA256SUMS has no SHA-256 of a file: line 1 is 'x'" },
		{ "\n\x1b[31m\n", "line 2 is '\\x1b[31m'" },
		{ "9f86  x\n", "line 1 is '9f86  x'" },
		{ "\\\n", "line 1 is '\\'" },
		{ "Release\n" A A "  x\n", "has no SHA-256 of a file, only 1 digest by SHA-512" },
		{ "<!DOCTYPE html><td>" A "</td>", "is a web page (HTML), not a list of digests" },
		{ "{\"a\": 1}", "line 1 is '{\"a\": 1}'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refused(cases[i].text, strlen(cases[i].text), cases[i].message);
}

#define SIGNED_BEGIN "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
#define SIGNED_END "-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n"

static void a_clear_signed_list_is_read_and_its_signature_is_told(void **state)
{
	(void)state;
	static const char note[] = "its PGP signature is not checked";
	skipped(SIGNED_BEGIN A "  x\n" SIGNED_END, 1, note);
	skipped(SIGNED_BEGIN "- " A "  x\r\n" B "  y\r\n" SIGNED_END, 2, note);
	skipped(A "  x\n" SIGNED_END, 1, note);
	static const char outside[] = SIGNED_BEGIN A "  x\n" SIGNED_END B "  y\n";
	wrong(outside, sizeof outside - 1, 1, "line 9: it is outside the text that is signed");
	static const char before[] = B "  y\n" SIGNED_BEGIN A "  x\n" SIGNED_END;
	wrong(before, sizeof before - 1, 1, "line 1: it is outside the text that is signed");
	static const char cut[] = SIGNED_BEGIN A "  x\n";
	wrong(cut, sizeof cut - 1, 1, "line 3: the entry that begins here has no end");
	static const char no_end[] = A "  x\n-----BEGIN PGP SIGNATURE-----\n" B "  y\n";
	wrong(no_end, sizeof no_end - 1, 1, "line 2: the entry that begins here has no end");
}

static void names_that_lead_out_are_named_and_not_taken(void **state)
{
	(void)state;
	static const char *const names[] = { "/etc/passwd", "//x",     "../x", "a/../../x", "..",
					     "./../x",      "a//../x", "a/",   "C:/../x" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(mem_free_ptr) char *text = mem_printf(A "  %s\n" B "  y\n", names[i]);
		wrong(text, strlen(text), 1, "leads out of the folder");
	}
	static const char row[] = "SHA256  " A "  ..\\x\n" B "  y\n";
	wrong(row, sizeof row - 1, 1, "leads out of the folder");
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
	static const char text[] = A "  x\n" B "  y\n" B "  x\n" A "  x\n";
	wrong(text, sizeof text - 1, 1, "the list gives it different digests");
	s = parsed(text);
	assert_string_equal(s.at[0].name, "y");
	assert_string_equal(s.faults[0].name, "x");
	sums_release(&s);
}

static void a_list_that_has_more_than_entries_is_not_written_again(void **state)
{
	(void)state;
	static const char *const texts[] = { A "  x\nSHA512 (x) = " A A "\n", A "  x\n" A "\n",
					     A "  x\n" B "  x\n",
					     SIGNED_BEGIN A "  x\n" SIGNED_END };
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, SUMS_NAME);
	struct sums s;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		scratch_write(dir, SUMS_NAME, texts[i], strlen(texts[i]));
		assert_int_equal(sums_load_to_change(path, &s, &e), -ERR_INTEGRITY);
		assert_non_null(strstr(e.hint, "would be lost"));
	}
	struct err e = ERR_INIT;
	scratch_write(dir, SUMS_NAME, A "  x\n", strlen(A "  x\n"));
	assert_ok(sums_load_to_change(path, &s, &e), &e);
	assert_int_equal(s.count, 1);
	sums_release(&s);
	scratch_free(dir);
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
	static const char *const lists[] = {
		"SHA256SUMS",          "SHA256SUMS.txt",
		"sha256sums",          "sha256sum.txt",
		"model.gguf.sha256",   "x.sha256sum",
		"x.sha256.txt",        "checksums.txt",
		"CHECKSUMS",           "CHECKSUM",
		"Server-39-CHECKSUM",  "tool_1.2_checksums.txt",
		"tool_1.2_SHA256SUMS", "SHASUMS256.txt",
	};
	static const char *const others[] = { "SHA512SUMS", "x.md5", "b2sums.txt", "x.sha1",
					      "SHASUMS512.txt" };
	static const char *const neither[] = { "SHA256SUMS.asc", "model.gguf",  "mychecksums",
					       "README.txt",     "sha256.gguf", ".txt" };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		assert_true(sums_is_list(lists[i]) && !sums_is_other_list(lists[i]));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_true(sums_is_other_list(others[i]) && !sums_is_list(others[i]));
	for (size_t i = 0; i < ARRAY_LEN(neither); i++)
		assert_false(sums_is_list(neither[i]) || sums_is_other_list(neither[i]));
}

static void is_of(const char *list, const char *want)
{
	CLEANUP(mem_free_ptr) char *of = sums_file_of(list);
	assert_true(want ? of && strcmp(of, want) == 0 : !of);
}

static void the_file_of_a_list_is_known_by_its_name(void **state)
{
	(void)state;
	is_of("m.gguf.sha256", "m.gguf");
	is_of("m.gguf.SHA256", "m.gguf");
	is_of("m.gguf.sha256sum.txt", "m.gguf");
	is_of("SHA256SUMS", NULL);
	is_of("tool_SHA256SUMS", NULL);
	is_of(".sha256", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read),
		cmocka_unit_test(empty_list_is_a_list),
		cmocka_unit_test(what_windows_writes_is_read),
		cmocka_unit_test(a_byte_order_mark_and_utf_16_are_read),
		cmocka_unit_test(a_digest_alone_is_that_of_the_file_beside_the_list),
		cmocka_unit_test(lines_of_another_kind_are_passed_over_and_told),
		cmocka_unit_test(half_right_lines_are_named_and_the_others_are_taken),
		cmocka_unit_test(a_list_without_a_sha_256_is_an_error_that_says_what_it_is),
		cmocka_unit_test(a_clear_signed_list_is_read_and_its_signature_is_told),
		cmocka_unit_test(names_that_lead_out_are_named_and_not_taken),
		cmocka_unit_test(a_list_that_has_more_than_entries_is_not_written_again),
		cmocka_unit_test(repeated_names_must_agree),
		cmocka_unit_test(lists_are_capped),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(check_compares_the_whole_file),
		cmocka_unit_test(names_are_relative_to_the_list),
		cmocka_unit_test(lists_are_known_by_name),
		cmocka_unit_test(the_file_of_a_list_is_known_by_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
