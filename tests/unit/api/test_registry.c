#include "api/registry.h"

#include "mirror/oci_formats.h"
#include "unit.h"

#include <string.h>

#define DIGEST(digit) "000000000000000000000000000000000000000000000000000000000000000" digit
#define FILE_OF(name, more, digit) \
	"{\"path\":\"models/m/" name "\"," more "\"size\":7,\"sha256\":\"" DIGEST(digit) "\"}"

/* q4: two versions, and the default; big: two shards; old: withdrawn; proj: the model's projector.
 */
static const char text[] =
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\",\"license\":{\"id\":\"MIT\"},"
	"\"variants\":["
	"{\"id\":\"q4\",\"default\":true,\"quantization\":\"Q4_K_M\",\"version\":2,\"files\":"
	"[" FILE_OF("m2.gguf", "", "1") "],\"superseded\":[{\"version\":1,\"files\":[" FILE_OF(
		"m1.gguf", "",
		"2") "]}]},"
		     "{\"id\":\"big\",\"version\":1,\"files\":[" FILE_OF(
			     "b-1.gguf", "",
			     "3") "," FILE_OF("b-2.gguf", "",
					      "4") "]},"
						   "{\"id\":\"old\",\"version\":1,\"withdrawn\":{"
						   "\"reason\":\"wrong\"},\"files\":[" FILE_OF(
							   "o.gguf", "",
							   "5") "]},"
								"{\"id\":\"proj\",\"kind\":"
								"\"projector\",\"version\":1,"
								"\"files\":[" FILE_OF("mmproj.gguf",
										      "",
										      "6") "]}]}";

static struct card card;
static struct api_registry of;

static int set_up(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_ok(card_parse(text, strlen(text), "test", &card, &e), &e);
	assert_ok(api_registry_init(&of, "acme", &card, &e), &e);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	api_registry_release(&of);
	card_release(&card);
	return 0;
}

static json_t *manifest(const char *tag, bool ollama, struct api_document *d)
{
	static const struct json_limits limits = { .max_bytes = MIB };
	struct err e = ERR_INIT;
	json_t *o = NULL;
	if (api_registry_manifest(&of, tag, ollama, d, &e) < 0)
		return NULL;
	assert_ok(json_parse(buf_str(&d->bytes), d->bytes.len, &limits, tag, &o, &e), &e);
	return o;
}

/* "TYPE" of its first layer; "" when there is no such tag. */
static void first_layer_is(const char *tag, bool ollama, const char *type)
{
	CLEANUP(api_document_release) struct api_document d = { 0 };
	CLEANUP(json_release) json_t *m = manifest(tag, ollama, &d);
	const json_t *layer = json_array_get(json_object_get(m, "layers"), 0);
	assert_string_equal(layer ? json_text(layer, "mediaType") : "", type);
}

#define DOCKER "application/vnd.docker.ai.gguf.v3"
#define OLLAMA "application/vnd.ollama.image.model"
#define MODELPACK "application/vnd.cncf.model.weight.v1.raw"

static void a_tag_is_a_variant_a_version_and_a_format(void **state)
{
	(void)state;
	first_layer_is("q4", false, DOCKER);
	first_layer_is("q4-v2", false, DOCKER);
	first_layer_is("q4-v1", false, DOCKER);
	first_layer_is("q4-ollama", false, OLLAMA);
	first_layer_is("q4-v1-ollama", false, OLLAMA);
	first_layer_is("q4-modelpack", false, MODELPACK);
	first_layer_is("latest", false, DOCKER);
	first_layer_is("latest-ollama", false, OLLAMA);
	first_layer_is("proj-modelpack", false, MODELPACK);
	static const char *const none[] = {
		"",    "q5",  "q4-v3", "q4-v0",  "q4-v01", "q4-v",
		"-v1", "q4-", "old",   "old-v1", "proj",   "q4-v99999999999999999999"
	};
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		first_layer_is(none[i], false, "");
}

static void a_quantization_in_any_case_names_its_variant(void **state)
{
	(void)state;
	first_layer_is("Q4_K_M", false, DOCKER);
	first_layer_is("q4_k_m", true, OLLAMA);
	first_layer_is("Q4", false, DOCKER);
}

static void a_reader_of_dockers_manifests_gets_ollamas_if_the_model_is_one_file(void **state)
{
	(void)state;
	first_layer_is("q4", true, OLLAMA);
	first_layer_is("big", false, DOCKER);
	first_layer_is("big", true, "");
	first_layer_is("big-ollama", false, "");
}

static void all_tags_of_a_version_have_the_same_manifest(void **state)
{
	(void)state;
	CLEANUP(api_document_release) struct api_document a = { 0 }, b = { 0 }, c = { 0 };
	json_decref(manifest("q4", false, &a));
	json_decref(manifest("latest", false, &b));
	json_decref(manifest("q4-v1", false, &c));
	assert_true(digest_equal(&a.digest, &b.digest));
	assert_false(digest_equal(&a.digest, &c.digest));
}

/* Older versions of llama.cpp: api/registry.h. */
static void the_files_for_llama_cpp_are_named_as_in_the_hub(void **state)
{
	(void)state;
	CLEANUP(api_document_release) struct api_document d = { 0 }, old = { 0 };
	CLEANUP(json_release) json_t *m = manifest("q4", false, &d);
	assert_string_equal(json_text(json_object_get(m, "ggufFile"), "rfilename"), "m2.gguf");
	assert_string_equal(json_text(json_object_get(m, "mmprojFile"), "rfilename"),
			    "mmproj.gguf");
	CLEANUP(json_release) json_t *before = manifest("q4-v1", false, &old);
	assert_null(json_object_get(before, "ggufFile"));
}

static void what_a_manifest_names_is_found_by_its_digest(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static const char *const tags[] = { "q4", "q4-ollama", "q4-v1-modelpack", "big" };
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		CLEANUP(api_document_release)
		struct api_document d = { 0 }, again = { 0 }, config = { 0 }, license = { 0 };
		CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
		CLEANUP(json_release) json_t *o = manifest(tags[i], false, &d);
		assert_ok(api_registry_by_digest(&of, &d.digest, &again, &e), &e);
		assert_string_equal(buf_str(&d.bytes), buf_str(&again.bytes));
		assert_ok(oci_manifest_parse(buf_str(&d.bytes), d.bytes.len, "m", &m, &e), &e);
		assert_ok(api_registry_blob(&of, &m.config.digest, &config, &e), &e);
		assert_int_equal(config.bytes.len, m.config.size);
		assert_ok(api_registry_blob(&of, &m.layers[m.count - 1].digest, &license, &e), &e);
		assert_int_equal(license.bytes.len, m.layers[m.count - 1].size);
	}
}

static void a_digest_of_nothing_is_not_found(void **state)
{
	(void)state;
	CLEANUP(api_document_release) struct api_document d = { 0 };
	struct err e = ERR_INIT;
	struct digest empty;
	sha256_of("", 0, &empty);
	assert_int_equal(api_registry_by_digest(&of, &empty, &d, &e), -ERR_NOT_FOUND);
	assert_int_equal(api_registry_blob(&of, &empty, &d, &e), -ERR_NOT_FOUND);
}

static void a_file_is_found_by_its_digest_unless_it_is_withdrawn(void **state)
{
	(void)state;
	static const char *const there[] = { DIGEST("1"), DIGEST("2"), DIGEST("3"), DIGEST("4"),
					     DIGEST("6") };
	struct digest d;
	for (size_t i = 0; i < ARRAY_LEN(there); i++) {
		assert_true(digest_parse(&d, there[i]));
		assert_true(digest_equal(&api_registry_file(&of, &d)->sha256, &d));
	}
	assert_true(digest_parse(&d, DIGEST("5")));
	assert_null(api_registry_file(&of, &d));
}

/* The license of all versions is one entry. */
static void the_index_has_each_digest_once_and_sorted(void **state)
{
	(void)state;
	size_t licenses = 0;
	for (size_t i = 0; i < of.count; i++) {
		licenses += of.entries[i].kind == API_LICENSE;
		assert_true(i == 0 || memcmp(&of.entries[i - 1].digest, &of.entries[i].digest,
					     sizeof(struct digest)) < 0);
	}
	assert_int_equal(licenses, 1);
}

static void every_listed_tag_has_a_manifest(void **state)
{
	(void)state;
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	api_registry_tags(&of, &tags);
	assert_true(str_list_has(&tags, "latest"));
	assert_true(str_list_has(&tags, "q4-v1-ollama"));
	assert_false(str_list_has(&tags, "old"));
	for (size_t i = 0; i < tags.count; i++) {
		CLEANUP(api_document_release) struct api_document d = { 0 };
		CLEANUP(json_release) json_t *m = manifest(tags.at[i], false, &d);
		assert_non_null(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_is_a_variant_a_version_and_a_format),
		cmocka_unit_test(a_quantization_in_any_case_names_its_variant),
		cmocka_unit_test(
			a_reader_of_dockers_manifests_gets_ollamas_if_the_model_is_one_file),
		cmocka_unit_test(all_tags_of_a_version_have_the_same_manifest),
		cmocka_unit_test(the_files_for_llama_cpp_are_named_as_in_the_hub),
		cmocka_unit_test(what_a_manifest_names_is_found_by_its_digest),
		cmocka_unit_test(a_digest_of_nothing_is_not_found),
		cmocka_unit_test(a_file_is_found_by_its_digest_unless_it_is_withdrawn),
		cmocka_unit_test(the_index_has_each_digest_once_and_sorted),
		cmocka_unit_test(every_listed_tag_has_a_manifest),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
