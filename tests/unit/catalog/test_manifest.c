#include "catalog/manifest.h"

#include "ggufbuild.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A manifest of a file of zeros, or of a built GGUF, in a scratch folder. */
struct fixture {
	char *dir, *path;
	struct manifest m;
	struct err e;
};

static void fixture_start(struct fixture *f, const char *name)
{
	*f = (struct fixture){ .dir = scratch_new() };
	f->path = path_join(f->dir, name);
}

static void fixture_zeros(struct fixture *f, size_t size)
{
	fixture_start(f, "plain.bin");
	CLEANUP(mem_free_ptr) char *data = mem_alloc(size);
	scratch_write(f->dir, "plain.bin", data, size);
	assert_ok(manifest_create(f->path, NULL, NULL, &f->m, &f->e), &f->e);
}

static void fixture_gguf(struct fixture *f)
{
	struct ggufbuild b;
	build_init_llama(&b);
	build_string(&b, "general.name", "Tiny");
	build_tensor(&b, "token_embd.weight", "f32", 8, 4);
	build_tensor(&b, "blk.0.odd.weight", "f16", 3, 0);
	build_tensor(&b, "output.weight", "q8_0", 32, 2);
	const struct buf *file = build_file(&b);
	fixture_start(f, "tiny.gguf");
	scratch_write(f->dir, "tiny.gguf", file->data, file->len);
	build_release(&b);
	assert_ok(manifest_create(f->path, NULL, NULL, &f->m, &f->e), &f->e);
}

static void fixture_end(struct fixture *f)
{
	manifest_release(&f->m);
	scratch_free(f->dir);
	free(f->path);
}

static void expect_sha256(const struct digest *got, const void *data, size_t len)
{
	struct digest want;
	sha256_of(data, len, &want);
	assert_true(digest_equal(got, &want));
}

static void plain_file_has_size_digest_and_pieces(void **state)
{
	(void)state;
	struct fixture f;
	fixture_zeros(&f, 8 * MIB + 5);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(8 * MIB + 5);
	assert_string_equal(f.m.name, "plain.bin");
	assert_int_equal(f.m.grid.size, 8 * MIB + 5);
	assert_int_equal(f.m.grid.count, 2);
	expect_sha256(&f.m.sha256, data, 8 * MIB + 5);
	expect_sha256(&f.m.pieces[0], data, 8 * MIB);
	expect_sha256(&f.m.pieces[1], data, 5);
	expect_sha256(&f.m.pieces_sha256, f.m.pieces, 64);
	assert_null(f.m.gguf);
	fixture_end(&f);
}

static void gguf_file_has_header_and_tensors(void **state)
{
	(void)state;
	struct fixture f;
	fixture_gguf(&f);
	CLEANUP(buf_release) struct buf file = BUF_INIT(MIB);
	assert_ok(file_read_all(f.path, &file, &f.e), &f.e);
	assert_int_equal(f.m.tensor_count, 3);
	assert_string_equal(f.m.tensors[0].name, "token_embd.weight");
	assert_string_equal(f.m.tensors[1].type, "f16");
	assert_int_equal(f.m.tensors[1].dimensions, 1);
	assert_int_equal(f.m.tensors[1].shape[0], 3);
	assert_int_equal(f.m.tensors[1].size, 6);
	assert_int_equal(f.m.tensors[2].shape[1], 2);
	assert_int_equal(f.m.header_size, f.m.tensors[0].offset);
	expect_sha256(&f.m.header_sha256, file.data, f.m.header_size);
	for (size_t i = 0; i < 3; i++)
		expect_sha256(&f.m.tensors[i].sha256, file.data + f.m.tensors[i].offset,
			      f.m.tensors[i].size);
	assert_string_equal(json_string_value(json_object_get(f.m.gguf, "name")), "Tiny");
	assert_null(json_object_get(f.m.gguf, "tensors"));
	fixture_end(&f);
}

static void broken_gguf_is_refused_by_name_and_by_magic(void **state)
{
	(void)state;
	static const char *const names[] = { "m.gguf", "m.GGUF", "m.bin" };
	struct fixture f;
	fixture_start(&f, "");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = ERR_INIT;
		CLEANUP(mem_free_ptr) char *path = path_join(f.dir, names[i]);
		scratch_write(f.dir, names[i], "GGUF\3\0\0\0", 8);
		assert_int_equal(manifest_create(path, NULL, NULL, &f.m, &e), -ERR_INTEGRITY);
	}
	scratch_write(f.dir, "m.gguf", "<html>", 6);
	CLEANUP(mem_free_ptr) char *path = path_join(f.dir, "m.gguf");
	assert_int_equal(manifest_create(path, NULL, NULL, &f.m, &f.e), -ERR_INTEGRITY);
	fixture_end(&f);
}

static void create_refuses_what_is_no_file(void **state)
{
	(void)state;
	struct fixture f;
	struct err a = ERR_INIT, b = ERR_INIT;
	fixture_start(&f, "none");
	assert_int_equal(manifest_create(f.path, NULL, NULL, &f.m, &a), -ERR_NOT_FOUND);
	assert_int_equal(mkfifo(f.path, 0644), 0);
	assert_int_equal(manifest_create(f.path, NULL, NULL, &f.m, &b), -ERR_USAGE);
	fixture_end(&f);
}

static void document_survives_a_round_trip(void **state)
{
	(void)state;
	struct fixture f;
	struct manifest again;
	fixture_gguf(&f);
	CLEANUP(mem_free_ptr) char *saved = mem_printf("%s%s", f.path, MANIFEST_SUFFIX);
	assert_ok(manifest_save(&f.m, saved, &f.e), &f.e);
	assert_ok(manifest_load(saved, &again, &f.e), &f.e);
	CLEANUP(json_release) json_t *a = manifest_json(&f.m);
	CLEANUP(json_release) json_t *b = manifest_json(&again);
	assert_true(json_equal(a, b));
	assert_int_equal(again.tensors[2].offset, f.m.tensors[2].offset);
	assert_int_equal(again.tensors[2].shape[2], 1);
	manifest_release(&again);
	fixture_end(&f);
}

static void document_of_an_empty_file(void **state)
{
	(void)state;
	struct fixture f;
	struct manifest again;
	fixture_zeros(&f, 0);
	CLEANUP(mem_free_ptr) char *saved = mem_printf("%s%s", f.path, MANIFEST_SUFFIX);
	assert_ok(manifest_save(&f.m, saved, &f.e), &f.e);
	assert_ok(manifest_load(saved, &again, &f.e), &f.e);
	assert_int_equal(again.grid.size, 0);
	assert_int_equal(again.grid.count, 0);
	manifest_release(&again);
	fixture_end(&f);
}

/* ---- what the parser refuses ---- */

/* Takes ownership of value; "a.b.0.c" leads into objects and arrays. */
static void change(json_t *document, const char *path, json_t *value)
{
	CLEANUP(mem_free_ptr) char *copy = mem_strdup(path);
	json_t *at = document;
	for (char *part = copy, *dot; part; part = dot ? dot + 1 : NULL) {
		dot = strchr(part, '.');
		if (dot)
			*dot = '\0';
		size_t index = (size_t)strtoul(part, NULL, 10);
		if (dot)
			at = json_is_array(at) ? json_array_get(at, index)
					       : json_object_get(at, part);
		else if (json_is_array(at))
			json_array_set_new(at, index, value);
		else if (value)
			json_object_set_new(at, part, value);
		else
			json_object_del(at, part);
	}
}

static void refused(json_t *document, const char *text)
{
	struct err e = ERR_INIT;
	struct manifest m;
	CLEANUP(buf_release) struct buf json = BUF_INIT(MIB);
	assert_ok(json_compact(document, &json, &e), &e);
	int rc = manifest_parse(json.data, json.len, "x.json", &m, &e);
	if (rc != -ERR_INTEGRITY || !strstr(e.text, text))
		fail_msg("wanted \"%s\", got %d: %s", text, rc, e.text);
	assert_true(strncmp(e.text, "x.json: ", 8) == 0);
}

struct wrong {
	const char *path;
	const char *value; /* JSON; NULL removes the member */
	const char *text;
};

static void refuse_all(const struct manifest *m, const struct wrong *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(json_release) json_t *shallow = manifest_json(m);
		CLEANUP(json_release) json_t *document = json_deep_copy(shallow);
		json_error_t ignored;
		json_t *value = cases[i].value
					? json_loads(cases[i].value, JSON_DECODE_ANY, &ignored)
					: NULL;
		assert_true(value || !cases[i].value);
		change(document, cases[i].path, value);
		refused(document, cases[i].text);
	}
}

#define HEX64 "0000000000000000000000000000000000000000000000000000000000000000"

static void every_wrong_member_is_named(void **state)
{
	(void)state;
	static const struct wrong cases[] = {
		{ "format", "\"model-ferry-card\"", "format: not a manifest" },
		{ "format", NULL, "format: expected a string, but it is missing" },
		{ "version", "2", "version: version 2 is not supported" },
		{ "version", "\"1\"", "version: expected an integer, but it is a string" },
		{ "name", "\"../x\"", "name: not a plain file name" },
		{ "name", "\"\"", "name: not a plain file name" },
		{ "size", "-1", "size: negative" },
		{ "size", "99999999999999999", "too large" },
		{ "size", "8388608", "pieces: 2 entries, but a file of this size has 1" },
		{ "piece_length", "4194304", "piece_length: must be" },
		{ "piece_length", "16777216", "piece_length: must be" },
		{ "pieces_sha256", "\"" HEX64 "\"", "pieces_sha256: is not the digest" },
		{ "pieces", "[]", "pieces: 0 entries" },
		{ "pieces", "{}", "pieces: expected an array" },
		{ "pieces.1", "7", "pieces[1]: expected 64 lower-case hex digits" },
		{ "pieces.0", "\"" HEX64 "\"", "pieces_sha256: is not the digest" },
		{ "gguf", "[]", "gguf: expected an object" },
		{ "gguf", "{}", "gguf.header: expected an object" },
	};
	struct fixture f;
	fixture_zeros(&f, 8 * MIB + 5);
	refuse_all(&f.m, cases, ARRAY_LEN(cases));
	fixture_end(&f);
}

static void digest_of_a_single_piece_must_be_the_whole(void **state)
{
	(void)state;
	static const struct wrong cases[] = {
		{ "sha256", "\"" HEX64 "\"", "sha256: differs from that of the only piece" },
		{ "sha256", "\"00\"", "sha256: expected 64 lower-case hex digits" },
	};
	struct fixture f;
	fixture_zeros(&f, 5);
	refuse_all(&f.m, cases, ARRAY_LEN(cases));
	fixture_end(&f);
	fixture_zeros(&f, 0);
	refuse_all(&f.m, cases, ARRAY_LEN(cases));
	fixture_end(&f);
}

static void every_wrong_tensor_is_named(void **state)
{
	(void)state;
	static const struct wrong cases[] = {
		{ "gguf.header", NULL, "gguf.header: expected an object" },
		{ "gguf.header.size", "-5", "gguf.header.size: negative" },
		{ "gguf.header.size", "999999", "gguf.header.size: larger than the file" },
		{ "gguf.header.sha256", "\"x\"", "gguf.header.sha256: expected 64" },
		{ "gguf.tensors", NULL, "gguf.tensors: expected an array" },
		{ "gguf.tensors.1", "5", "gguf.tensors[1].name: expected a string" },
		{ "gguf.tensors.1.name", "\"\"", "gguf.tensors[1].name: must have 1 to 63 bytes" },
		{ "gguf.tensors.1.name",
		  "\"0123456789012345678901234567890123456789"
		  "012345678901234567890123\"",
		  "[1].name: must have 1 to 63" },
		{ "gguf.tensors.1.name", "\"output.weight\"",
		  "the name 'output.weight' appears twice" },
		{ "gguf.tensors.1.type", "\"q4 K\"", "gguf.tensors[1].type" },
		{ "gguf.tensors.1.type", "\"\"", "gguf.tensors[1].type" },
		{ "gguf.tensors.1.shape", "[1,1,1,1,1]", "shape: more than 4 entries" },
		{ "gguf.tensors.1.shape", "[0]",
		  "gguf.tensors[1].shape[0]: expected a positive integer" },
		{ "gguf.tensors.1.shape", "[2, \"3\"]",
		  "gguf.tensors[1].shape[1]: expected a positive integer" },
		{ "gguf.tensors.1.offset", "0", "gguf.tensors[1].offset: is before the end" },
		{ "gguf.tensors.0.offset", "0", "gguf.tensors[0].offset: is before the end" },
		{ "gguf.tensors.1.size", "40", "gguf.tensors[2].offset: is before the end" },
		{ "gguf.tensors.2.size", "9223372036854775807",
		  "gguf.tensors[2]: extends beyond the end" },
		{ "gguf.tensors.2.offset", "9223372036854775807",
		  "gguf.tensors[2]: extends beyond the end" },
		{ "gguf.tensors.2.sha256", "\"" HEX64 "0\"",
		  "gguf.tensors[2].sha256: expected 64" },
	};
	struct fixture f;
	fixture_gguf(&f);
	refuse_all(&f.m, cases, ARRAY_LEN(cases));
	fixture_end(&f);
}

static void unknown_members_and_types_are_fine(void **state)
{
	(void)state;
	struct fixture f;
	struct manifest again;
	fixture_gguf(&f);
	CLEANUP(json_release) json_t *document = manifest_json(&f.m);
	change(document, "from_the_future", json_string("x"));
	change(document, "gguf.tensors.0.type", json_string("q99_Z"));
	CLEANUP(buf_release) struct buf json = BUF_INIT(MIB);
	assert_ok(json_rows(document, &json, &f.e), &f.e);
	assert_ok(manifest_parse(json.data, json.len, "x", &again, &f.e), &f.e);
	assert_string_equal(again.tensors[0].type, "q99_Z");
	manifest_release(&again);
	fixture_end(&f);
}

static void too_large_a_document_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct manifest m;
	size_t len = MANIFEST_MAX_BYTES + 1;
	CLEANUP(mem_free_ptr) char *text = mem_alloc(len);
	memset(text, ' ', len);
	assert_int_equal(manifest_parse(text, len, "x", &m, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "larger than"));
}

/* ---- check ---- */

static void expect_verdict(struct fixture *f, enum manifest_fault fault)
{
	struct manifest_verdict v;
	assert_ok(manifest_check(&f->m, f->path, NULL, NULL, &v, &f->e), &f->e);
	assert_int_equal(v.fault, fault);
}

static void check_names_the_first_wrong_piece(void **state)
{
	(void)state;
	struct fixture f;
	fixture_zeros(&f, 24 * MIB + 1);
	expect_verdict(&f, MANIFEST_OK);
	FILE *file = fopen(f.path, "r+");
	fseek(file, 24 * MIB, SEEK_SET);
	fputc('x', file);
	fseek(file, 16 * MIB - 1, SEEK_SET);
	fputc('x', file);
	fclose(file);
	struct manifest_verdict v;
	assert_ok(manifest_check(&f.m, f.path, NULL, NULL, &v, &f.e), &f.e);
	assert_int_equal(v.fault, MANIFEST_CONTENT);
	assert_true(v.has_piece);
	assert_int_equal(v.piece, 1);
	assert_int_equal(v.piece_offset, 8 * MIB);
	fixture_end(&f);
}

static void check_sees_size_and_absence(void **state)
{
	(void)state;
	struct fixture f;
	struct manifest_verdict v;
	fixture_zeros(&f, 100);
	assert_int_equal(truncate(f.path, 99), 0);
	assert_ok(manifest_check(&f.m, f.path, NULL, NULL, &v, &f.e), &f.e);
	assert_int_equal(v.fault, MANIFEST_SIZE);
	assert_int_equal(v.actual_size, 99);
	unlink(f.path);
	expect_verdict(&f, MANIFEST_MISSING);
	/* A folder in its place is not a verdict on content. */
	mkdir(f.path, 0755);
	assert_int_equal(manifest_check(&f.m, f.path, NULL, NULL, &v, &f.e), -ERR_USAGE);
	fixture_end(&f);
}

static void manifest_that_contradicts_itself_is_an_error(void **state)
{
	(void)state;
	struct fixture f;
	struct manifest_verdict v;
	fixture_zeros(&f, 9 * MIB);
	f.m.sha256.bytes[0] ^= 1;
	assert_int_equal(manifest_check(&f.m, f.path, NULL, NULL, &v, &f.e), -ERR_INTEGRITY);
	assert_non_null(strstr(f.e.text, "contradicts itself"));
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_file_has_size_digest_and_pieces),
		cmocka_unit_test(gguf_file_has_header_and_tensors),
		cmocka_unit_test(broken_gguf_is_refused_by_name_and_by_magic),
		cmocka_unit_test(create_refuses_what_is_no_file),
		cmocka_unit_test(document_survives_a_round_trip),
		cmocka_unit_test(document_of_an_empty_file),
		cmocka_unit_test(every_wrong_member_is_named),
		cmocka_unit_test(digest_of_a_single_piece_must_be_the_whole),
		cmocka_unit_test(every_wrong_tensor_is_named),
		cmocka_unit_test(unknown_members_and_types_are_fine),
		cmocka_unit_test(too_large_a_document_is_refused),
		cmocka_unit_test(check_names_the_first_wrong_piece),
		cmocka_unit_test(check_sees_size_and_absence),
		cmocka_unit_test(manifest_that_contradicts_itself_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
