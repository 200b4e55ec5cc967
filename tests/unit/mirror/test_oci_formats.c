#include "mirror/oci_formats.h"

#include "unit.h"
#include "util/mem.h"

#include <string.h>

#define FILE_OF(name, more, digit) \
	"{\"path\":\"models/m/" name "\"," more "\"size\":7,\"sha256\":\"" \
	"000000000000000000000000000000000000000000000000000000000000000" digit "\"}"
#define ROLE(role) "\"role\":\"" role "\","

/* A model of two shards with a file of each role. */
static const char text[] =
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\",\"variants\":[{\"id\":\"q\","
	"\"files\":[" FILE_OF("m1", "", "1") "," FILE_OF("m2", "", "2") "," FILE_OF(
		"p", ROLE("projector"),
		"3") "," FILE_OF("a", ROLE("adapter"),
				 "4") "," FILE_OF("b", ROLE("adapter"),
						  "5") "," FILE_OF("d", ROLE("draft"),
								   "6") "," FILE_OF("i",
										    ROLE("imatrix"),
										    "7") "]}]}";

/* "TYPE DIGIT" of each layer. */
static void layers_are(mirror_oci_format_fn *fill, const char *const *wanted)
{
	struct err e = ERR_INIT;
	CLEANUP(card_release) struct card card = { 0 };
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	struct mirror_oci_blob config = { 0 }, license = { 0 };
	assert_ok(card_parse(text, strlen(text), "test", &card, &e), &e);
	struct mirror_oci_subject s = { &card, card.variants, &card.variants[0].files[2], "m-q" };
	fill(&s, &m, &config, &license);
	size_t i = 0;
	for (; wanted[i]; i++) {
		assert_true(i < m.count);
		CLEANUP(mem_free_ptr) char *got = mem_printf("%s %x", m.layers[i].type,
							     m.layers[i].digest.bytes[31]);
		assert_string_equal(got, wanted[i]);
	}
	assert_int_equal(m.count, i);
	free(config.data);
	free(license.data);
}

static void docker_gets_shards_projector_and_adapters_by_their_types(void **state)
{
	(void)state;
	static const char gguf[] = "application/vnd.docker.ai.gguf.v3 1";
	layers_are(mirror_oci_writers[MIRROR_OCI_DOCKER].fill,
		   (const char *const[]){ gguf, "application/vnd.docker.ai.gguf.v3 2",
					  "application/vnd.docker.ai.mmproj 3",
					  "application/vnd.docker.ai.gguf.v3.lora 4",
					  "application/vnd.docker.ai.gguf.v3.lora 5", NULL });
}

static void ollama_gets_the_model_projector_and_adapters(void **state)
{
	(void)state;
	layers_are(mirror_oci_writers[MIRROR_OCI_OLLAMA].fill,
		   (const char *const[]){ "application/vnd.ollama.image.model 1",
					  "application/vnd.ollama.image.projector 3",
					  "application/vnd.ollama.image.adapter 4",
					  "application/vnd.ollama.image.adapter 5", NULL });
}

static void modelpack_has_all_files(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(card_release) struct card card = { 0 };
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 };
	struct mirror_oci_blob config = { 0 }, license = { 0 };
	assert_ok(card_parse(text, strlen(text), "test", &card, &e), &e);
	struct mirror_oci_subject s = { &card, card.variants, NULL, "m-q" };
	mirror_oci_writers[MIRROR_OCI_MODELPACK].fill(&s, &m, &config, &license);
	assert_int_equal(m.count, 7);
	free(config.data);
	free(license.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_gets_shards_projector_and_adapters_by_their_types),
		cmocka_unit_test(ollama_gets_the_model_projector_and_adapters),
		cmocka_unit_test(modelpack_has_all_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
