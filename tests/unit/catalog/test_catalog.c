#include "catalog/catalog.h"

#include "unit.h"

#define SHA "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define HEAD \
	"\"format\":\"model-ferry-catalog\",\"version\":1,\"name\":\"lab\"," \
	"\"updated\":\"2026-01-01T00:00:00Z\""
#define VARIANT(m, v) \
	"{\"id\":\"" v "\",\"files\":[{\"path\":\"models/" m "/" v ".gguf\"," \
	"\"size\":9,\"sha256\":" SHA "}]}"
#define MODEL(m, ...) \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"" m "\"," \
	"\"variants\":[" __VA_ARGS__ "]}"
#define MIRROR(id, more) \
	"{\"id\":\"" id "\",\"kind\":\"http\",\"url\":\"https://x/" id "\"" more "}"

/* clang-format off */
static const char catalog_text[] = "{" HEAD ",\"mirrors\":["
	MIRROR("c", ",\"priority\":90") "," MIRROR("b", "") "," MIRROR("a", "") ","
	MIRROR("d", ",\"priority\":10,\"holds\":\"objects\",\"region\":\"eu\"") "],\"models\":["
	MODEL("tiny", VARIANT("tiny", "q8_0")) ","
	MODEL("phi-2", VARIANT("phi-2", "q4_k_m") "," VARIANT("phi-2", "f16")) "]}";
/* clang-format on */

static int parse(const char *text, struct catalog *out, struct err *e)
{
	return catalog_parse(text, strlen(text), "test", out, e);
}

static void mirrors_and_models_are_sorted(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct catalog c;
	assert_ok(parse(catalog_text, &c, &e), &e);
	assert_string_equal(c.name, "lab");
	assert_null(c.title);
	assert_int_equal(c.mirror_count, 4);
	assert_string_equal(c.mirrors[0].id, "d");
	assert_int_equal(c.mirrors[0].holds, MIRROR_HOLDS_OBJECTS);
	assert_string_equal(c.mirrors[0].region, "eu");
	assert_string_equal(c.mirrors[1].id, "a");
	assert_int_equal(c.mirrors[1].holds, MIRROR_HOLDS_ALL);
	assert_int_equal(c.mirrors[1].priority, 50);
	assert_string_equal(c.mirrors[2].id, "b");
	assert_string_equal(c.mirrors[3].id, "c");
	assert_string_equal(c.models[0].id, "phi-2");
	assert_ptr_equal(catalog_model(&c, "tiny"), &c.models[1]);
	assert_null(catalog_model(&c, "none"));
	catalog_release(&c);
}

static void an_empty_catalog_is_one(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct catalog c;
	assert_ok(parse("{" HEAD ",\"mirrors\":[],\"models\":[]}", &c, &e), &e);
	assert_null(catalog_model(&c, "phi-2"));
	catalog_release(&c);
}

static void faults_name_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[]", "expected a JSON object" },
		{ "{\"format\":\"model-ferry-card\",\"version\":1}", "is not that of a catalog" },
		{ "{\"format\":\"model-ferry-catalog\",\"version\":9}", "version: version 9" },
		{ "{" HEAD ",\"mirrors\":[]}", "models: expected an array" },
		{ "{" HEAD ",\"models\":[]}", "mirrors: expected an array" },
		{ "{" HEAD ",\"models\":[],\"mirrors\":[" MIRROR("a", "") "," MIRROR("a", "") "]}",
		  "mirrors[1].id: there are two" },
		{ "{" HEAD ",\"models\":[],\"mirrors\":[" MIRROR("a", ",\"holds\":\"x\"") "]}",
		  "mirrors[0].holds: 'x'" },
		{ "{" HEAD ",\"models\":[],\"mirrors\":[" MIRROR("a", ",\"priority\":-1") "]}",
		  "mirrors[0].priority: negative" },
		{ "{" HEAD ",\"models\":[],\"mirrors\":[{\"id\":\"a\",\"kind\":\"http\","
		  "\"url\":\"https://u:p@x\"}]}",
		  "password" },
		{ "{" HEAD ",\"mirrors\":[],\"models\":[" MODEL("a", "") "]}",
		  "models[0]: 'a' has no variants" },
		{ "{" HEAD
		  ",\"mirrors\":[],\"models\":[" MODEL("a", "{\"id\":\"q\",\"files\":[]}") "]}",
		  "models[0].variants[0]: 'q' has no" },
		{ "{" HEAD ",\"mirrors\":[],\"models\":[" MODEL("a", VARIANT("a", "q")) "," MODEL(
			  "a", VARIANT("a", "q")) "]}",
		  "two models 'a'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct catalog c;
		assert_int_equal(parse(bad[i].text, &c, &e), -ERR_INTEGRITY);
		if (!strstr(e.text, bad[i].message))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
	}
}

static void references_have_four_parts(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct reference r;
	assert_ok(reference_parse("Lab/Phi-2:Q4_K_M@2026-RC1", &r, &e), &e);
	assert_string_equal(r.repository, "lab");
	assert_string_equal(r.model, "phi-2");
	assert_string_equal(r.variant, "q4_k_m");
	assert_string_equal(r.version, "2026-rc1");
	reference_release(&r);
	assert_ok(reference_parse("phi-2@sha256:0123456789AB", &r, &e), &e);
	assert_string_equal(r.model, "phi-2");
	assert_null(r.variant);
	assert_string_equal(r.version, "sha256:0123456789ab");
	reference_release(&r);
	assert_ok(reference_parse("phi-2", &r, &e), &e);
	assert_null(r.repository);
	assert_null(r.variant);
	assert_null(r.version);
	reference_release(&r);
}

static void bad_references_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		":",
		"/",
		"a:",
		"/a",
		"a/",
		"a/b/c",
		"a:b:c",
		"a:b/c",
		"../a",
		"a b",
		"a:..",
		"hf.co/a/b",
		"a@",
		"@1",
		"a@1@2",
		"a@1/2",
		"a@1:b",
		"a@sha256:0123456789a",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct reference r;
		if (reference_parse(bad[i], &r, &e) != -ERR_USAGE)
			fail_msg("accepted: '%s'", bad[i]);
		assert_non_null(strstr(e.hint, "[REPOSITORY/]MODEL[:VARIANT]"));
	}
}

static int resolve(const struct catalog *c, const char *text, const char **variant, struct err *e)
{
	struct reference r;
	const struct card *m;
	const struct card_variant *v;
	assert_ok(reference_parse(text, &r, e), e);
	int rc = catalog_resolve(c, &r, &m, &v, e);
	reference_release(&r);
	*variant = rc == 0 ? v->id : NULL;
	return rc;
}

static void resolving_suggests_what_is_near(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct catalog c;
	const char *variant;
	assert_ok(parse(catalog_text, &c, &e), &e);
	assert_ok(resolve(&c, "phi-2", &variant, &e), &e);
	assert_string_equal(variant, "q4_k_m");
	assert_ok(resolve(&c, "phi-2:F16", &variant, &e), &e);
	assert_string_equal(variant, "f16");
	assert_int_equal(resolve(&c, "phi2", &variant, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "did you mean 'phi-2'?"));
	err_clear(&e);
	assert_int_equal(resolve(&c, "llama", &variant, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "available: phi-2, tiny"));
	err_clear(&e);
	assert_int_equal(resolve(&c, "phi-2:q5", &variant, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "no variant 'q5'"));
	assert_non_null(strstr(e.hint, "q4_k_m, f16"));
	catalog_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mirrors_and_models_are_sorted),
		cmocka_unit_test(an_empty_catalog_is_one),
		cmocka_unit_test(faults_name_their_place),
		cmocka_unit_test(references_have_four_parts),
		cmocka_unit_test(bad_references_are_refused),
		cmocka_unit_test(resolving_suggests_what_is_near),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
