#include "catalog/index.h"

#include "catalog/spdx.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <zstd.h>

#define SHA "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define HEADER(count) "{\"format\":\"model-ferry-index\",\"version\":1,\"models\":" count "}\n"
#define LINE(id) "{\"id\":\"" id "\",\"variants\":[]}\n"

/* ---- making one ---- */

static void compress(const char *text, size_t len, int window_log, struct buf *out)
{
	buf_init(out, ZSTD_compressBound(len));
	void *to = buf_reserve(out, ZSTD_compressBound(len));
	ZSTD_CCtx *z = ZSTD_createCCtx();
	if (window_log)
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log);
	size_t size = ZSTD_compress2(z, to, ZSTD_compressBound(len), text, len);
	ZSTD_freeCCtx(z);
	assert_false(ZSTD_isError(size));
	buf_commit(out, size);
}

static int count_model(void *ctx, const struct index_model *m, struct err *e)
{
	size_t *count = ctx;
	(void)m, (void)e;
	++*count;
	return 0;
}

static void refused_bytes(const void *data, size_t len, const char *message)
{
	struct err e = ERR_INIT;
	size_t count = 0;
	assert_int_equal(index_read(data, len, "index", count_model, &count, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, message))
		fail_msg("\"%s\" does not say \"%s\"", e.text, message);
}

static void refused(const char *text, const char *message)
{
	struct buf packed;
	compress(text, strlen(text), 0, &packed);
	refused_bytes(packed.data, packed.len, message);
	buf_release(&packed);
}

/* The card of a model, as the publisher has it. */
static struct card card_of(const char *text)
{
	struct err e = ERR_INIT;
	struct card c;
	assert_ok(card_parse(text, strlen(text), "card", &c, &e), &e);
	return c;
}

static void pack(const char *const *cards, size_t count, struct buf *out)
{
	struct buf lines = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	for (size_t i = 0; i < count; i++) {
		struct card c = card_of(cards[i]);
		assert_ok(index_line(&c, &lines, &e), &e);
		card_release(&c);
	}
	buf_init(out, 0);
	assert_ok(index_pack(&lines, count, out, &e), &e);
	buf_release(&lines);
}

/* ---- what it tells ---- */

#define FULL_CARD \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"phi-2\",\"title\":\"Phi 2\"," \
	"\"family\":\"phi\",\"license\":{\"id\":\"MIT\"},\"parameters\":27,\"context_length\":9," \
	"\"tags\":[\"chat\"],\"deprecated\":{\"replacement\":\"phi-3\"},\"variants\":[" \
	"{\"id\":\"q8\",\"quantization\":\"Q8_0\",\"version\":3,\"ram\":{\"context\":9," \
	"\"bytes\":99},\"withdrawn\":{\"reason\":\"wrong\"},\"files\":[{\"path\":" \
	"\"models/phi-2/a.gguf\",\"size\":10,\"sha256\":" SHA "}]},{\"id\":\"vision\",\"kind\":" \
	"\"projector\",\"files\":[{\"path\":\"models/phi-2/b.gguf\",\"size\":5,\"sha256\":" SHA \
	"}]}]}"
#define LITTLE_CARD \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"tiny\",\"variants\":[{\"id\":" \
	"\"q8\",\"files\":[{\"path\":\"models/tiny/a.gguf\",\"size\":1,\"sha256\":" SHA "}]}]}"

static int check_full(const struct index_model *m)
{
	assert_string_equal(m->title, "Phi 2");
	assert_string_equal(m->family, "phi");
	assert_string_equal(m->license, "MIT");
	assert_int_equal(m->parameters, 27);
	assert_int_equal(m->context_length, 9);
	assert_int_equal(json_array_size(m->tags), 1);
	assert_true(m->deprecated && !m->withdrawn);
	assert_string_equal(m->replacement, "phi-3");
	assert_int_equal(m->variant_count, 2);
	const struct index_variant *v = m->variants;
	assert_string_equal(v[0].id, "q8");
	assert_string_equal(v[0].quantization, "Q8_0");
	assert_null(v[0].kind);
	assert_int_equal(v[0].size, 10);
	assert_int_equal(v[0].version, 3);
	assert_int_equal(v[0].ram, 99);
	assert_true(v[0].is_default && v[0].withdrawn);
	assert_string_equal(v[1].kind, "projector");
	assert_true(!v[1].is_default && !v[1].withdrawn && v[1].version == 1);
	return 0;
}

static int check_model(void *ctx, const struct index_model *m, struct err *e)
{
	size_t *count = ctx;
	(void)e;
	if (++*count == 1)
		return check_full(m);
	assert_string_equal(m->id, "tiny");
	assert_string_equal(m->title, "tiny");
	assert_true(!m->deprecated && !m->withdrawn && !m->family && !m->license && !m->tags);
	assert_int_equal(m->variants[0].version, 1);
	return 0;
}

static void readers_get_what_the_cards_say(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf packed;
	size_t count = 0;
	pack((const char *const[]){ FULL_CARD, LITTLE_CARD }, 2, &packed);
	assert_ok(index_read(packed.data, packed.len, "index", check_model, &count, &e), &e);
	assert_int_equal(count, 2);
	buf_release(&packed);
}

static void a_catalog_without_models_has_an_index_too(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf packed;
	size_t count = 0;
	pack(NULL, 0, &packed);
	assert_ok(index_read(packed.data, packed.len, "index", count_model, &count, &e), &e);
	assert_int_equal(count, 0);
	buf_release(&packed);
}

static int stop_at_first(void *ctx, const struct index_model *m, struct err *e)
{
	size_t *count = ctx;
	(void)m;
	++*count;
	return err_set(e, ERR_CANCELLED, "enough");
}

static void a_callback_that_fails_ends_the_reading(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf packed;
	size_t count = 0;
	pack((const char *const[]){ FULL_CARD, LITTLE_CARD }, 2, &packed);
	assert_int_equal(index_read(packed.data, packed.len, "index", stop_at_first, &count, &e),
			 -ERR_CANCELLED);
	assert_string_equal(e.text, "enough");
	assert_int_equal(count, 1);
	buf_release(&packed);
}

/* So many of a character that JSON escapes. */
static void put_quotes(struct buf *text, size_t count)
{
	while (count--)
		buf_adds(text, "\\\"");
}

static void put_long_variant(struct buf *text, size_t n)
{
	buf_addf(text, "%s{\"id\":\"%064zu\",\"kind\":\"%064d\",\"version\":%lld,", n ? "," : "", n,
		 0, (long long)INT64_MAX);
	buf_adds(text, "\"withdrawn\":{\"reason\":\"x\"},\"quantization\":\"");
	put_quotes(text, 64);
	buf_addf(text, "\",\"ram\":{\"context\":1,\"bytes\":%lld},\"files\":[{\"size\":%lld,",
		 (long long)INT64_MAX, 1LL << 40);
	buf_addf(text, "\"path\":\"models/a/%zu\",\"sha256\":" SHA "}]}", n);
}

static void put_longest_card(struct buf *text)
{
	buf_addf(text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"%064d\"", 0);
	buf_adds(text, ",\"license\":{\"id\":\"");
	put_quotes(text, SPDX_MAX_BYTES);
	buf_adds(text, "\"},\"title\":\"");
	put_quotes(text, 200);
	buf_adds(text, "\",\"tags\":[");
	for (size_t i = 0; i < 64; i++) {
		buf_addf(text, "%s\"%04zu", i ? "," : "", i);
		put_quotes(text, 60);
		buf_adds(text, "\"");
	}
	buf_adds(text, "],\"variants\":[");
	for (size_t i = 0; i < CARD_MAX_VARIANTS; i++)
		put_long_variant(text, i);
	buf_adds(text, "]}");
}

/* Otherwise one card would make the index unreadable. */
static void whatever_a_card_may_have_fits_into_the_index(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(MIB), packed;
	size_t count = 0;
	put_longest_card(&text);
	const char *card = buf_str(&text);
	pack(&card, 1, &packed);
	assert_ok(index_read(packed.data, packed.len, "index", count_model, &count, &e), &e);
	assert_int_equal(count, 1);
	buf_release(&text);
	buf_release(&packed);
}

/* ---- what is refused ---- */

static void wrong_lines_are_refused(void **state)
{
	(void)state;
	refused("", "has 0 models, but its header says 0");
	refused(LINE("a"), "line 1: format: expected a string, but it is missing");
	refused("{\"format\":\"x\",\"version\":1,\"models\":0}\n", "not that of an index");
	refused("{\"format\":\"model-ferry-index\",\"version\":1,\"models\":-1}\n", "models");
	refused(HEADER("2") LINE("a"), "has 1 models, but its header says 2");
	refused(HEADER("0") LINE("a"), "has 1 models, but its header says 0");
	refused(HEADER("2") LINE("b") LINE("a"), "line 3: 'a' is not after 'b'");
	refused(HEADER("2") LINE("a") LINE("a"), "line 3: 'a' is not after 'a'");
	refused(HEADER("2") LINE("a") HEADER("2"), "line 3: id: expected a string");
	refused(HEADER("1") LINE("../a"), "'../a' is not a valid name");
	refused(HEADER("1") "{\"id\":\"a\"}\n", "variants");
	refused(HEADER("1") "{\"id\":\"a\",\"variants\":[{}]}\n", "variants[0]");
	refused(HEADER("1") "{\"id\":\"a\",\"variants\":[1]}\n", "variants[0]: expected an object");
	refused(HEADER("1") "{\"id\":\"a\",\"variants\":[{\"id\":\"q\",\"size\":-1}]}\n",
		"variants[0].size: -1 is not in the range");
	refused(HEADER("1") "{\"id\":\"a\",\"title\":\"\\u001b[2J\",\"variants\":[]}\n",
		"title: contains a control character");
	refused(HEADER("1") "{\"id\":\"a\",\"tags\":[\"x\",\"x\"],\"variants\":[]}\n",
		"'x' appears twice");
	refused(HEADER("1") "{\"id\":\"a\",\"id\":\"b\",\"variants\":[]}\n", "line 2");
	refused(HEADER("1") "{\"id\":\"a\",\"variants\":[]}", "ends in the middle");
	refused(HEADER("1") "\n", "line 2: a line");
	refused("{\n", "line 1: a line");
}

static void a_newer_version_says_what_to_do(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf packed;
	size_t count = 0;
	const char *text = "{\"format\":\"model-ferry-index\",\"version\":2,\"models\":0}\n";
	compress(text, strlen(text), 0, &packed);
	assert_int_equal(index_read(packed.data, packed.len, "index", count_model, &count, &e),
			 -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "version 2 is not supported"));
	assert_non_null(strstr(e.hint, "newer version of Model Ferry"));
	buf_release(&packed);
}

static void too_many_variants_are_refused(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(MIB);
	buf_adds(&text, HEADER("1") "{\"id\":\"a\",\"variants\":[");
	for (size_t i = 0; i <= CARD_MAX_VARIANTS; i++)
		buf_addf(&text, "%s{\"id\":\"q%zu\"}", i ? "," : "", i);
	buf_adds(&text, "]}\n");
	refused(buf_str(&text), "variants");
	buf_release(&text);
}

static void a_long_line_is_refused(void **state)
{
	(void)state;
	struct buf text = BUF_INIT(MIB);
	buf_adds(&text, HEADER("1"));
	for (size_t i = 0; i <= INDEX_MAX_LINE; i++)
		buf_addc(&text, ' ');
	refused(buf_str(&text), "a line is longer than 128 KiB");
	buf_release(&text);
}

static void bytes_that_are_no_frame_are_refused(void **state)
{
	(void)state;
	struct buf packed, more;
	compress(HEADER("1") LINE("a"), strlen(HEADER("1") LINE("a")), 0, &packed);
	refused_bytes("", 0, "ends in the middle");
	refused_bytes("PK\003\004 not zstd", 14, "cannot be decompressed");
	for (size_t len = 1; len < packed.len; len++)
		refused_bytes(packed.data, len, "ends in the middle");
	buf_init(&more, KIB);
	buf_add(&more, packed.data, packed.len);
	buf_adds(&more, "trailing");
	refused_bytes(more.data, more.len, "cannot be decompressed");
	refused_bytes(more.data, packed.len + 1, "cannot be decompressed");
	buf_release(&packed);
	buf_release(&more);
}

static void a_large_window_is_refused(void **state)
{
	(void)state;
	/* Larger than the window that is allowed, or the frame would not need it. */
	size_t len = 9 * MIB;
	char *text = mem_alloc(len);
	struct buf packed;
	memset(text, ' ', len);
	compress(text, len, 27, &packed);
	refused_bytes(packed.data, packed.len, "cannot be decompressed: Frame requires too much");
	buf_release(&packed);
	free(text);
}

/* ---- bombs: frames made by hand (RFC 8878), of blocks that repeat one byte ---- */

static void put_block(struct buf *out, bool last, size_t len, char byte)
{
	size_t header = (size_t)last | 1 << 1 | len << 3;
	const char bytes[] = { (char)header, (char)(header >> 8), (char)(header >> 16), byte };
	buf_add(out, bytes, sizeof bytes);
}

static void begin_frame(struct buf *out)
{
	/* The magic number; no size, no checksum; a window of 1 MiB. */
	buf_add(out, "\x28\xb5\x2f\xfd\x00\x50", 6);
}

static void a_bomb_is_refused_at_its_limit(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf bomb = BUF_INIT(MIB), out = BUF_INIT(KIB);
	const size_t line = 100000;
	begin_frame(&bomb);
	for (uint64_t total = 0; total <= INDEX_MAX_TEXT; total += line + 1) {
		put_block(&bomb, false, line, 'x');
		put_block(&bomb, false, 1, '\n');
	}
	put_block(&bomb, true, 1, '\n');
	assert_true(bomb.len < 64 * KIB);
	assert_int_equal(index_lines(bomb.data, bomb.len, "index", &out, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "index: decompresses to more than 512 MiB");
	buf_release(&bomb);
	buf_release(&out);
}

static void a_bomb_without_lines_is_refused_at_once(void **state)
{
	(void)state;
	struct buf bomb = BUF_INIT(MIB);
	begin_frame(&bomb);
	for (size_t i = 0; i < 8192; i++)
		put_block(&bomb, i == 8191, 128 * KIB, 'x');
	refused_bytes(bomb.data, bomb.len, "a line is longer than 128 KiB");
	buf_release(&bomb);
}

static void endless_empty_frames_are_read_to_their_end(void **state)
{
	(void)state;
	struct buf frames = BUF_INIT(4 * MIB), packed;
	struct err e = ERR_INIT;
	size_t count = 0;
	/* One whose last block is empty, and one to be skipped. */
	for (size_t i = 0; i < 50000; i++) {
		begin_frame(&frames);
		buf_add(&frames, "\x01\x00\x00", 3);
		buf_add(&frames, "\x50\x2a\x4d\x18\x00\x00\x00\x00", 8);
	}
	refused_bytes(frames.data, frames.len, "has 0 models");
	compress(HEADER("1") LINE("a"), strlen(HEADER("1") LINE("a")), 0, &packed);
	buf_add(&frames, packed.data, packed.len);
	assert_ok(index_read(frames.data, frames.len, "index", count_model, &count, &e), &e);
	assert_int_equal(count, 1);
	buf_release(&frames);
	buf_release(&packed);
}

/* ---- for the publisher ---- */

static void lines_are_taken_over_and_found_by_their_id(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf packed, again, lines = BUF_INIT(MIB);
	const char *text, *line, *id;
	size_t len, id_len;
	pack((const char *const[]){ FULL_CARD, LITTLE_CARD }, 2, &packed);
	assert_ok(index_lines(packed.data, packed.len, "index", &lines, &e), &e);
	text = buf_str(&lines);
	assert_true(index_next(&text, &line, &len, &id, &id_len));
	assert_true(id_len == 5 && strncmp(id, "phi-2", 5) == 0);
	assert_true(line == buf_str(&lines) && line[len - 1] == '\n');
	assert_true(index_next(&text, &line, &len, &id, &id_len));
	assert_true(id_len == 4 && strncmp(id, "tiny", 4) == 0);
	assert_false(index_next(&text, &line, &len, &id, &id_len));
	buf_init(&again, 0);
	assert_ok(index_pack(&lines, 2, &again, &e), &e);
	assert_int_equal(again.len, packed.len);
	assert_memory_equal(again.data, packed.data, packed.len);
	buf_release(&packed);
	buf_release(&again);
	buf_release(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_get_what_the_cards_say),
		cmocka_unit_test(a_catalog_without_models_has_an_index_too),
		cmocka_unit_test(a_callback_that_fails_ends_the_reading),
		cmocka_unit_test(whatever_a_card_may_have_fits_into_the_index),
		cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(a_newer_version_says_what_to_do),
		cmocka_unit_test(too_many_variants_are_refused),
		cmocka_unit_test(a_long_line_is_refused),
		cmocka_unit_test(bytes_that_are_no_frame_are_refused),
		cmocka_unit_test(a_large_window_is_refused),
		cmocka_unit_test(a_bomb_is_refused_at_its_limit),
		cmocka_unit_test(a_bomb_without_lines_is_refused_at_once),
		cmocka_unit_test(endless_empty_frames_are_read_to_their_end),
		cmocka_unit_test(lines_are_taken_over_and_found_by_their_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
