#include "oci/manifest.h"

#include "unit.h"
#include "util/mem.h"

static const struct digest one = { { 1 } }, two = { { 2 } };

static void what_is_written_is_read_again(void **state)
{
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 }, back = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(OCI_MANIFEST_MAX);
	struct err e = ERR_INIT;
	(void)state;
	m.type = mem_strdup(OCI_TYPE_MANIFEST);
	m.artifact_type = mem_strdup("application/x");
	oci_manifest_set_config(&m, OCI_TYPE_EMPTY, &one, 2);
	oci_manifest_add(&m, "application/a", &two, 1000, "metadata/1.root.json", NULL);
	oci_manifest_add(&m, "application/b", &one, 7, NULL, "a.gguf");
	m.layers[1].time_s = 1700000000;
	oci_manifest_annotate(&m, "key", "value");
	assert_ok(oci_manifest_write(&m, &text, &e), &e);
	assert_ok(oci_manifest_parse(buf_str(&text), text.len, "it", &back, &e), &e);
	assert_int_equal(back.count, 2);
	assert_string_equal(back.artifact_type, "application/x");
	assert_string_equal(back.layers[1].path, "a.gguf");
	assert_true(back.layers[0].time_s == 0 && back.layers[1].time_s == 1700000000);
	assert_string_equal(json_text(back.annotations, "key"), "value");
	const struct oci_layer *l = oci_manifest_find(&back, "metadata/1.root.json");
	assert_non_null(l);
	assert_true(digest_equal(&l->digest, &two) && l->size == 1000);
	assert_null(oci_manifest_find(&back, "metadata/2.root.json"));
}

static void what_is_no_manifest_is_refused(void **state)
{
#define CONFIG \
	"\"config\": {\"mediaType\": \"c\", \"size\": 2, \"digest\": \"sha256:" \
	"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}"
#define LAYER(digest) \
	"{\"mediaType\": \"l\", \"size\": 2, \"digest\": \"" digest "\", \"annotations\": " \
	"{\"org.opencontainers.image.title\": \"t\"}}"
#define SHA "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"schemaVersion\": 1, " CONFIG ", \"layers\": []}",
		"{\"schemaVersion\": 2, \"mediaType\": "
		"\"application/vnd.oci.image.index.v1+json\", "
		"\"manifests\": []}",
		"{\"schemaVersion\": 2, " CONFIG "}",
		"{\"schemaVersion\": 2, \"layers\": []}",
		"{\"schemaVersion\": 2, " CONFIG ", \"layers\": [1]}",
		"{\"schemaVersion\": 2, " CONFIG ", \"layers\": [" LAYER("sha512:00") "]}",
		"{\"schemaVersion\": 2, " CONFIG ", \"layers\": [" LAYER(SHA) ", " LAYER(SHA) "]}",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oci_manifest m = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(oci_manifest_parse(bad[i], strlen(bad[i]), "it", &m, &e),
				 -ERR_INTEGRITY);
		assert_null(m.type);
	}
	static const char good[] = "{\"schemaVersion\": 2, " CONFIG
				   ", \"layers\": [" LAYER(SHA) "]}";
	struct oci_manifest m = { 0 };
	struct err e = ERR_INIT;
	assert_ok(oci_manifest_parse(good, strlen(good), "it", &m, &e), &e);
	oci_manifest_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_is_no_manifest_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
