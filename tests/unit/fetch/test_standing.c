#include "fetch/standing.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>

#define MODEL(id, more, variants) \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"" id "\"" more \
	",\"variants\":[" variants "]}"
#define VARIANT(id, version, more, files) \
	"{\"id\":\"" id "\",\"version\":" version more ",\"files\":[" files "]}"
#define RECALLED ",\"withdrawn\":{\"reason\":\"wrong\",\"replacement\":\"b\"}"
#define SUPERSEDED(versions) ",\"superseded\":[" versions "]"

/* A store with blobs, and a remote with a catalog, as version 0.1 has it: nothing is asked for. */
struct fixture {
	char *dir;
	struct store store;
	struct remote remote;
	struct store_variant have; /* "r/a:q4", version 1, of "one" */
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	assert_ok(store_open(f->dir, &f->store, &e), &e);
	f->remote = (struct remote){ .repository = mem_strdup("r"), .store = &f->store };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	store_variant_release(&f->have);
	catalog_release(&f->remote.catalog);
	free(f->remote.repository);
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

static struct digest add_blob(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	struct digest d;
	sha256_of(text, strlen(text), &d);
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&f->store, &d);
	assert_ok(file_write_atomic(path, text, strlen(text), 0444, &e), &e);
	return d;
}

static void have(struct fixture *f, const char *variant, uint64_t version, const char *text)
{
	store_variant_release(&f->have);
	f->have = (struct store_variant){
		.repository = mem_strdup("r"),
		.model = mem_strdup("a"),
		.variant = mem_strdup(variant),
		.version = version,
		.files = NEW(struct store_file),
		.file_count = 1,
		.complete = true,
	};
	f->have.files[0] = (struct store_file){
		.name = mem_strdup("a.gguf"),
		.sha256 = add_blob(f, text),
		.size = strlen(text),
	};
}

/* A member of "files"; the caller frees. */
static char *file_of(const char *path, const char *text)
{
	char hex[DIGEST_HEX];
	struct digest d;
	sha256_of(text, strlen(text), &d);
	return mem_printf("{\"path\":\"models/a/%s\",\"name\":\"a.gguf\",\"size\":%zu,"
			  "\"sha256\":\"%s\"}",
			  path, strlen(text), digest_hex(hex, &d));
}

/* The models; "ONE", "TWO" and "THREE" in it are files with these texts in lower case. */
static void publish(struct fixture *f, const char *models)
{
	static const struct {
		const char *name, *text;
	} files[] = { { "ONE", "one" }, { "TWO", "two more" }, { "THREE", "the third" } };
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	buf_addf(&text, "{\"format\":\"model-ferry-catalog\",\"version\":1,\"name\":\"r\","
			"\"updated\":\"2026-01-01T00:00:00Z\","
			"\"mirrors\":[],\"models\":[");
	for (const char *p = models; *p;) {
		size_t i = 0;
		while (i < ARRAY_LEN(files) && !str_starts(p, files[i].name))
			i++;
		if (i == ARRAY_LEN(files)) {
			buf_addf(&text, "%c", *p++);
			continue;
		}
		CLEANUP(mem_free_ptr) char *member = file_of(files[i].name, files[i].text);
		buf_addf(&text, "%s", member);
		p += strlen(files[i].name);
	}
	buf_addf(&text, "]}");
	catalog_release(&f->remote.catalog);
	assert_ok(catalog_parse(buf_str(&text), text.len, "test", &f->remote.catalog, &e), &e);
}

static struct standing stands(struct fixture *f, enum standing_kind want)
{
	struct err e = ERR_INIT;
	struct standing st;
	assert_ok(standing_of(&f->remote, &f->store, &f->have, &st, &e), &e);
	assert_string_equal(standing_name(st.kind), standing_name(want));
	return st;
}

static void the_version_of_the_catalog_is_current(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "",
			 VARIANT("q4", "2", SUPERSEDED(VARIANT("q4", "1", "", "ONE")), "TWO")));
	have(f, "q4", 2, "two more");
	struct standing st = stands(f, STANDING_CURRENT);
	assert_int_equal(st.version, 2);
	assert_ptr_equal(st.current, &st.model->variants[0]);
	assert_false(st.has_newer);
	have(f, "q4@2", 2, "two more");
	stands(f, STANDING_CURRENT);
	/* A record of an early release has no number; its files tell. */
	have(f, "q4", 1, "two more");
	stands(f, STANDING_CURRENT);
}

static void an_earlier_version_is_outdated_by_what_the_store_does_not_have(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "",
			 VARIANT("q4", "2", SUPERSEDED(VARIANT("q4", "1", "", "ONE")), "TWO")));
	have(f, "q4", 1, "one");
	struct standing st = stands(f, STANDING_OUTDATED);
	assert_int_equal(st.version, 2);
	assert_true(st.has_newer);
	assert_int_equal(st.to_fetch, strlen("two more"));
	add_blob(f, "two more");
	assert_int_equal(stands(f, STANDING_OUTDATED).to_fetch, 0);
}

static void the_number_of_a_version_that_the_catalog_no_longer_keeps_is_enough(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "", VARIANT("q4", "3", "", "TWO")));
	have(f, "q4", 1, "one");
	stands(f, STANDING_OUTDATED);
}

static void one_that_was_fetched_by_its_number_is_older_not_outdated(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "",
			 VARIANT("q4", "2", SUPERSEDED(VARIANT("q4", "1", "", "ONE")), "TWO")));
	have(f, "q4@1", 1, "one");
	assert_true(stands(f, STANDING_OLDER).has_newer);
	publish(f, MODEL("a", "", VARIANT("q4", "2", "", "TWO")));
	stands(f, STANDING_UNLISTED);
}

static void nothing_is_outdated_by_a_version_that_was_withdrawn(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "",
			 VARIANT("q4", "2", RECALLED SUPERSEDED(VARIANT("q4", "1", "", "ONE")),
				 "TWO")));
	have(f, "q4", 1, "one");
	assert_false(stands(f, STANDING_CURRENT).has_newer);
}

static void a_recall_of_the_version_comes_first(void **state)
{
	struct fixture *f = *state;
	publish(f,
		MODEL("a", "",
		      VARIANT("q4", "2", SUPERSEDED(VARIANT("q4", "1", RECALLED, "ONE")), "TWO")));
	have(f, "q4", 1, "one");
	struct standing st = stands(f, STANDING_WITHDRAWN);
	assert_string_equal(st.reason, "wrong");
	assert_string_equal(st.replacement, "b");
	assert_true(st.has_newer);
	assert_int_equal(st.to_fetch, strlen("two more"));
	have(f, "q4@1", 1, "one");
	stands(f, STANDING_WITHDRAWN);
	have(f, "q4", 2, "two more");
	stands(f, STANDING_CURRENT);
}

static void a_recall_of_the_model_counts_for_variants_that_left_it_too(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", RECALLED, VARIANT("q8", "1", "", "TWO")));
	have(f, "q4", 1, "one");
	assert_false(stands(f, STANDING_WITHDRAWN).has_newer);
}

static void what_left_the_catalog_is_unlisted(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "", VARIANT("q8", "1", "", "TWO")));
	have(f, "q4", 1, "one");
	struct standing st = stands(f, STANDING_UNLISTED);
	assert_non_null(st.model);
	assert_null(st.current);
	publish(f, MODEL("b", "", VARIANT("q4", "1", "", "ONE")));
	assert_null(stands(f, STANDING_UNLISTED).model);
}

static void a_version_that_the_catalog_has_not_reached_is_unlisted(void **state)
{
	struct fixture *f = *state;
	publish(f, MODEL("a", "", VARIANT("q4", "2", "", "TWO")));
	have(f, "q4", 3, "the third");
	assert_false(stands(f, STANDING_UNLISTED).has_newer);
}

static void without_a_catalog_or_a_record_nothing_is_known(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct standing st;
	have(f, "q4", 1, "one");
	stands(f, STANDING_UNKNOWN);
	assert_ok(standing_of(NULL, &f->store, &f->have, &st, &e), &e);
	assert_int_equal(st.kind, STANDING_UNKNOWN);
	publish(f, MODEL("a", "", VARIANT("q4", "1", "", "ONE")));
	mem_free_ptr(&f->have.files[0].name);
	f->have.file_count = 0;
	stands(f, STANDING_UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_version_of_the_catalog_is_current),
		TEST(an_earlier_version_is_outdated_by_what_the_store_does_not_have),
		TEST(the_number_of_a_version_that_the_catalog_no_longer_keeps_is_enough),
		TEST(one_that_was_fetched_by_its_number_is_older_not_outdated),
		TEST(nothing_is_outdated_by_a_version_that_was_withdrawn),
		TEST(a_recall_of_the_version_comes_first),
		TEST(a_recall_of_the_model_counts_for_variants_that_left_it_too),
		TEST(what_left_the_catalog_is_unlisted),
		TEST(a_version_that_the_catalog_has_not_reached_is_unlisted),
		TEST(without_a_catalog_or_a_record_nothing_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
