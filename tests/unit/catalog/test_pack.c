#include "catalog/pack.h"

#include "unit.h"
#include "util/mem.h"

#include <string.h>

#define CARD "targets/models/phi-2/0123.phi-2.card.json"
#define PACK "targets/models/phi-2/0123.phi-2.pack"
#define MANIFEST "targets/models/phi-2/4567.phi-2.gguf.manifest.json"

static void small_files_of_models_are_packed(void **state)
{
	(void)state;
	assert_true(pack_takes("models/phi-2/phi-2.card.json"));
	assert_true(pack_takes("models/phi-2/phi-2.gguf.manifest.json"));
	assert_false(pack_takes("models/phi-2/phi-2.gguf"));
	assert_false(pack_takes("models/phi-2/deep/er.json"));
	assert_false(pack_takes("models/phi-2.json"));
	assert_false(pack_takes("repository.json"));
	assert_false(pack_takes(""));
}

static void the_key_follows_from_that_of_the_card(void **state)
{
	(void)state;
	static const char *const others[] = { MANIFEST, PACK, "models/phi-2/0.phi-2.card.json",
					      "" };
	CLEANUP(mem_free_ptr) char *key = pack_key(CARD);
	assert_string_equal(key, PACK);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_null(pack_key(others[i]));
}

static void make(struct buf *out)
{
	struct err e = ERR_INIT;
	const struct pack_file files[] = {
		{ CARD, "the card\n", 9 },
		{ "targets/empty", "", 0 },
		{ MANIFEST, "\0a\nb", 4 },
	};
	assert_ok(pack_write(files, ARRAY_LEN(files), out, &e), &e);
}

static void each_file_is_found_with_its_bytes(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf pack = BUF_INIT(4 * KIB), again = BUF_INIT(4 * KIB);
	struct pack_file found;
	struct err e = ERR_INIT;
	make(&pack);
	make(&again);
	assert_int_equal(pack.len, again.len);
	assert_memory_equal(pack.data, again.data, pack.len);
	assert_ok(pack_find(&pack, CARD, &found, &e), &e);
	assert_int_equal(found.len, 9);
	assert_memory_equal(found.data, "the card\n", 9);
	assert_ok(pack_find(&pack, "targets/empty", &found, &e), &e);
	assert_int_equal(found.len, 0);
	assert_ok(pack_find(&pack, MANIFEST, &found, &e), &e);
	assert_int_equal(found.len, 4);
	assert_memory_equal(found.data, "\0a\nb", 4);
	assert_int_equal(pack_find(&pack, "targets/none", &found, &e), -ERR_NOT_FOUND);
}

static void a_pack_over_the_maximum_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf tight = BUF_INIT(100);
	static const char data[100] = "x";
	const struct pack_file file = { CARD, data, sizeof data };
	struct err e = ERR_INIT;
	assert_int_equal(pack_write(&file, 1, &tight, &e), -ERR_USAGE);
}

static void assert_malformed(const char *text, size_t len)
{
	CLEANUP(buf_release) struct buf pack = BUF_INIT(64 * KIB);
	struct pack_file found;
	struct err e = ERR_INIT;
	buf_add(&pack, text, len);
	assert_int_equal(pack_find(&pack, CARD, &found, &e), -ERR_INTEGRITY);
}

static void a_malformed_pack_has_no_files(void **state)
{
	(void)state;
#define HEAD "{\"format\":\"model-ferry-pack\",\"version\":1,\"files\":["
	static const char *const texts[] = {
		"",
		"{}",
		"{}\n",
		"[]\n",
		"not JSON\n",
		"{\"format\":\"another\",\"version\":1,\"files\":[]}\n",
		"{\"format\":\"model-ferry-pack\",\"version\":2,\"files\":[]}\n",
		"{\"format\":\"model-ferry-pack\",\"version\":1}\n",
		HEAD "{\"key\":\"" CARD "\",\"size\":4}]}\nabc",
		HEAD "{\"key\":\"" CARD "\",\"size\":2}]}\nabc",
		HEAD "{\"key\":\"" CARD "\",\"size\":-1}]}\nabc",
		HEAD "{\"key\":\"" CARD "\"}]}\nabc",
		HEAD "{\"size\":3}]}\nabc",
		HEAD "{\"key\":\"" CARD "\",\"size\":3},"
		     "{\"key\":\"b\",\"size\":18446744073709551615}]}\nabc",
		HEAD "7]}\nabc",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_malformed(texts[i], strlen(texts[i]));
}

static void a_truncated_pack_has_no_files(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf pack = BUF_INIT(4 * KIB);
	make(&pack);
	for (size_t len = 0; len < pack.len; len++)
		assert_malformed(pack.data, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_files_of_models_are_packed),
		cmocka_unit_test(the_key_follows_from_that_of_the_card),
		cmocka_unit_test(each_file_is_found_with_its_bytes),
		cmocka_unit_test(a_pack_over_the_maximum_is_refused),
		cmocka_unit_test(a_malformed_pack_has_no_files),
		cmocka_unit_test(a_truncated_pack_has_no_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
