#include "catalog/card.h"

#include "util/mem.h"

#include "unit.h"

#include <stdio.h>

#define NOW 1767225600 /* 2026-01-01 */
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define FILE_OF(path, sha) "{\"path\":\"" path "\",\"size\":10,\"sha256\":\"" sha "\"}"
#define SHARD_1 "models/m/m-q8-00001-of-00002.gguf"
#define SHARD_2 "models/m/m-q8-00002-of-00002.gguf"

static struct card card_of(const char *members, const char *variants)
{
	struct err e = ERR_INIT;
	struct card c;
	CLEANUP(mem_free_ptr) char *text = mem_printf(
		"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\"%s,\"variants\":[%s]}",
		members, variants);
	assert_ok(card_parse(text, strlen(text), "card", &c, &e), &e);
	return c;
}

/* A card with the variant q8, whose files these are. */
static struct card with_files(const char *files)
{
	CLEANUP(mem_free_ptr) char *variant = mem_printf("{\"id\":\"q8\",\"files\":[%s]}", files);
	return card_of("", variant);
}

static int try_add(struct card *c, const char *files, size_t keep, const char *label, struct err *e)
{
	CLEANUP(card_release) struct card added = with_files(files);
	CLEANUP(json_release) json_t *merged = c->json ? json_deep_copy(c->json)
						       : json_deep_copy(added.json);
	CLEANUP(card_release) struct card before = *c;
	const struct card_versioning how = { .now_s = NOW, .keep = keep, .label = label };
	*c = (struct card){ 0 };
	if (before.json)
		assert_ok(card_merge(merged, added.json, e), e);
	int rc = card_set_versions(merged, before.json ? &before : NULL, &added, &how, e);
	if (rc == 0)
		assert_ok(card_from_json(merged, "", c, e), e);
	return rc;
}

/* Adds files as `catalog add` does. */
static void add(struct card *c, const char *files, size_t keep, const char *label)
{
	struct err e = ERR_INIT;
	assert_ok(try_add(c, files, keep, label, &e), &e);
}

/* ---- counting ---- */

static void other_bytes_are_the_next_version(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, NULL);
	assert_int_equal(c.variants[0].version, 1);
	assert_string_equal(c.variants[0].released, "2026-01-01T00:00:00Z");
	assert_int_equal(c.variants[0].superseded_count, 0);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, "second");
	const struct card_variant *v = &c.variants[0];
	assert_int_equal(v->version, 2);
	assert_string_equal(v->label, "second");
	assert_string_equal(v->files[0].path, "models/m/m-q8.v2.gguf");
	assert_string_equal(v->files[0].name, "m-q8.gguf");
	assert_int_equal(v->superseded_count, 1);
	assert_int_equal(v->superseded[0].version, 1);
	assert_string_equal(v->superseded[0].id, "q8");
	assert_string_equal(v->superseded[0].files[0].path, "models/m/m-q8.gguf");
}

static void the_same_bytes_stay_the_version_that_they_are(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, NULL);
	assert_int_equal(c.variants[0].version, 2);
	assert_string_equal(c.variants[0].files[0].path, "models/m/m-q8.v2.gguf");
	assert_int_equal(c.variants[0].superseded_count, 1);
}

static void bytes_that_come_back_keep_their_path(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, NULL);
	assert_int_equal(c.variants[0].version, 3);
	assert_string_equal(c.variants[0].files[0].path, "models/m/m-q8.gguf");
}

static void only_shards_that_changed_get_a_path(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF(SHARD_1, A) "," FILE_OF(SHARD_2, B), 5, NULL);
	add(&c, FILE_OF(SHARD_1, C) "," FILE_OF(SHARD_2, B), 5, NULL);
	const struct card_variant *v = &c.variants[0];
	assert_string_equal(v->files[0].path, "models/m/m-q8.v2-00001-of-00002.gguf");
	assert_string_equal(v->files[0].name, "m-q8-00001-of-00002.gguf");
	assert_string_equal(v->files[1].path, SHARD_2);
	assert_string_equal(v->files[1].name, "m-q8-00002-of-00002.gguf");
}

static void as_many_are_kept_as_were_asked_for(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 2, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 2, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", C), 2, NULL);
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 2, NULL);
	assert_int_equal(c.variants[0].version, 4);
	assert_int_equal(c.variants[0].superseded_count, 2);
	assert_int_equal(c.variants[0].superseded[0].version, 3);
	assert_int_equal(c.variants[0].superseded[1].version, 2);
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 0, NULL);
	assert_int_equal(c.variants[0].version, 5);
	assert_int_equal(c.variants[0].superseded_count, 0);
}

static void a_new_version_is_not_withdrawn_like_the_one_before(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c =
		card_of("", "{\"id\":\"q8\",\"withdrawn\":{\"reason\":\"bad\"},\"files\":[" FILE_OF(
				    "models/m/m-q8.gguf", A) "]}");
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, NULL);
	assert_null(c.variants[0].withdrawn.reason);
	assert_string_equal(c.variants[0].superseded[0].withdrawn.reason, "bad");
}

static void labels_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *label, *message;
	} wrong[] = {
		{ "2", "cannot be the label" },
		{ "a b", "cannot be the label" },
		{ "", "cannot be the label" },
		{ "sha256:abc", "cannot be the label" },
		{ "first", "version 1 has the label 'first' already" },
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err e = ERR_INIT;
		CLEANUP(card_release) struct card c = { 0 };
		add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, "first");
		assert_int_equal(try_add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, wrong[i].label,
					 &e),
				 -ERR_USAGE);
		assert_non_null(strstr(e.text, wrong[i].message));
	}
}

/* ---- looking ---- */

static void a_version_is_found_by_number_label_and_digest(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c = { 0 };
	add(&c, FILE_OF("models/m/m-q8.gguf", A), 5, "first");
	add(&c, FILE_OF("models/m/m-q8.gguf", B), 5, NULL);
	const struct card_variant *v = &c.variants[0], *old = &v->superseded[0];
	assert_ptr_equal(card_version(v, NULL), v);
	assert_ptr_equal(card_version(v, "2"), v);
	assert_ptr_equal(card_version(v, "1"), old);
	assert_ptr_equal(card_version(v, "first"), old);
	assert_ptr_equal(card_version(v, "sha256:" A), old);
	assert_ptr_equal(card_version(v, "sha256:bbbbbbbbbbbb"), v);
	assert_null(card_version(v, "sha256:bbbbbbbbbbb")); /* too few digits */
	assert_null(card_version(v, "sha256:" C));
	assert_null(card_version(v, "3"));
	assert_null(card_version(v, "second"));
	assert_null(card_version(v, ""));
}

static void what_is_withdrawn_is_a_version_or_all(void **state)
{
	(void)state;
	CLEANUP(card_release) struct card c =
		card_of(",\"withdrawn\":{\"reason\":\"all\",\"replacement\":\"other\"}",
			"{\"id\":\"q8\",\"files\":[" FILE_OF(
				"models/m/a.gguf",
				A) "]},{\"id\":\"q4\",\"withdrawn\":{\"reason\":\"this\"},"
				   "\"files\":[" FILE_OF("models/m/b.gguf", B) "]}");
	assert_string_equal(card_withdrawn(&c, &c.variants[0]).reason, "all");
	assert_string_equal(card_withdrawn(&c, &c.variants[0]).replacement, "other");
	assert_string_equal(card_withdrawn(&c, &c.variants[1]).reason, "this");
	assert_null(card_withdrawn(&c, &c.variants[1]).replacement);
}

/* ---- a card that is a target ---- */

static void refused_own(struct card c, const char *id, const char *message)
{
	struct err e = ERR_INIT;
	assert_int_equal(card_check_own(&c, id, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, message))
		fail_msg("\"%s\" does not say \"%s\"", e.text, message);
	card_release(&c);
}

static void a_card_speaks_only_of_its_own_model(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(card_release) struct card good = with_files(FILE_OF("models/m/a.gguf", A));
	assert_ok(card_check_own(&good, "m", &e), &e);
	refused_own(with_files(FILE_OF("models/m/a.gguf", A)), "n", "the card of 'm', not of 'n'");
	refused_own(with_files(FILE_OF("models/n/a.gguf", A)), "m", "'models/n/a.gguf'");
	refused_own(with_files(FILE_OF("models/mm/a.gguf", A)), "m", "'models/mm/a.gguf'");
	refused_own(with_files(FILE_OF("models/m/x/a.gguf", A)), "m", "'models/m/x/a.gguf'");
	refused_own(card_of("",
			    "{\"id\":\"q8\",\"version\":2,\"files\":[" FILE_OF(
				    "models/m/a.gguf", A) "],\"superseded\":[{\"files\":"
							  "[" FILE_OF("models/n/b.gguf", B) "]}]}"),
		    "m", "'models/n/b.gguf'");
	refused_own(card_of(",\"mirrors\":[]", ""), "m", "the card names mirrors");
	refused_own(card_of(",\"roles\":{}", ""), "m", "the card names roles");
	refused_own(card_of(",\"delegations\":1", ""), "m", "the card names delegations");
	refused_own(card_of(",\"keys\":null", ""), "m", "the card names keys");
}

static void refused(const char *variant, const char *message)
{
	struct err e = ERR_INIT;
	struct card c;
	CLEANUP(mem_free_ptr) char *text = mem_printf(
		"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\",\"variants\":[{\"id\":"
		"\"q8\",\"files\":[" FILE_OF("models/m/a.gguf", A) "],%s}]}",
		variant);
	assert_int_equal(card_parse(text, strlen(text), "card", &c, &e), -ERR_INTEGRITY);
	if (!strstr(e.text, message))
		fail_msg("\"%s\" does not say \"%s\"", e.text, message);
}

static void versions_of_a_card_count_down(void **state)
{
	(void)state;
	refused("\"version\":0", "version: 0 is not in the range");
	refused("\"version\":1,\"superseded\":[{\"version\":1,\"files\":[]}]",
		"superseded[0].version: 1 is not lower than 1");
	refused("\"version\":9,\"superseded\":[{\"version\":2,\"files\":[" FILE_OF(
			"models/m/b.gguf",
			B) "]},{\"version\":3,\"files\":[" FILE_OF("models/m/c.gguf", C) "]}]",
		"superseded[1].version: 3 is not lower than 2");
	refused("\"version\":2,\"superseded\":[{\"version\":1,\"files\":[]}]",
		"superseded[0].files: there are none");
	refused("\"withdrawn\":{}", "withdrawn");
	refused("\"withdrawn\":{\"reason\":\"a\\nb\"}", "contains a control character");
	refused("\"label\":\"A B\"", "label: 'A B' is not a valid name");
}

static void a_walk_goes_through_the_files_of_all_versions(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf seen = BUF_INIT(KIB);
	CLEANUP(card_release)
	struct card c =
		card_of("",
			"{\"id\":\"planned\",\"files\":[]},"
			"{\"id\":\"q8\",\"version\":3,\"files\":[" FILE_OF(SHARD_1, A) "," FILE_OF(
				SHARD_2, B) "],"
					    "\"superseded\":[{\"version\":2,\"files\":[" FILE_OF(
						    "models/m/old.gguf",
						    C) "]}]},"
						       "{\"id\":\"f16\",\"files\":[" FILE_OF(
							       "models/m/f16.gguf", C) "]}");
	struct card_walk w = { .card = &c };
	while (card_next_file(&w))
		buf_addf(&seen, "%s@%llu %s\n", w.variant->id,
			 (unsigned long long)w.variant->version, w.file->name);
	assert_string_equal(buf_str(&seen), "q8@3 m-q8-00001-of-00002.gguf\n"
					    "q8@3 m-q8-00002-of-00002.gguf\n"
					    "q8@2 old.gguf\n"
					    "f16@1 f16.gguf\n");
	assert_false(card_next_file(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_bytes_are_the_next_version),
		cmocka_unit_test(the_same_bytes_stay_the_version_that_they_are),
		cmocka_unit_test(bytes_that_come_back_keep_their_path),
		cmocka_unit_test(only_shards_that_changed_get_a_path),
		cmocka_unit_test(as_many_are_kept_as_were_asked_for),
		cmocka_unit_test(a_new_version_is_not_withdrawn_like_the_one_before),
		cmocka_unit_test(labels_that_cannot_be_are_refused),
		cmocka_unit_test(a_version_is_found_by_number_label_and_digest),
		cmocka_unit_test(what_is_withdrawn_is_a_version_or_all),
		cmocka_unit_test(a_card_speaks_only_of_its_own_model),
		cmocka_unit_test(versions_of_a_card_count_down),
		cmocka_unit_test(a_walk_goes_through_the_files_of_all_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
