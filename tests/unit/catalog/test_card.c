#include "catalog/card.h"

#include "catalog/lint.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#define SHA "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define HEAD "\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"phi-2\""
#define FILE_OF(name, size) \
	"{\"path\":\"models/phi-2/" name "\",\"size\":" size ",\"sha256\":" SHA "}"
#define VARIANT(id, more) "{\"id\":\"" id "\"" more ",\"files\":[" FILE_OF(id ".gguf", "10") "]}"

static int parse(const char *text, struct card *out, struct err *e)
{
	return card_parse(text, strlen(text), "test", out, e);
}

static void refused(const char *text, const char *message)
{
	struct err e = ERR_INIT;
	struct card c = { 0 };
	if (parse(text, &c, &e) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(e.class, ERR_INTEGRITY);
	if (!strstr(e.text, message))
		fail_msg("\"%s\" does not say \"%s\"", e.text, message);
}

static void views_show_every_member(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct card c;
	/* clang-format off */
	assert_ok(parse("{" HEAD ",\"title\":\"Phi 2\",\"summary\":\"Small\",\"family\":\"phi2\","
		"\"license\":{\"id\":\"MIT\"},\"parameters\":2780000000,\"context_length\":2048,"
		"\"deprecated\":{\"reason\":\"old\",\"replacement\":\"phi-3\"},\"mine\":[1],"
		"\"variants\":[{\"id\":\"q4_k_m\",\"quantization\":\"Q4_K_M\",\"default\":true,"
		"\"size\":30,\"ram\":{\"context\":2048,\"bytes\":99},\"files\":["
		FILE_OF("a-00001-of-00002.gguf", "10") "," FILE_OF("a-00002-of-00002.gguf", "20")
		"]}]}", &c, &e), &e);
	/* clang-format on */
	assert_string_equal(c.id, "phi-2");
	assert_string_equal(c.title, "Phi 2");
	assert_string_equal(c.family, "phi2");
	assert_string_equal(c.license, "MIT");
	assert_int_equal(c.parameters, 2780000000);
	assert_int_equal(c.context_length, 2048);
	assert_true(c.deprecated);
	assert_string_equal(c.replacement, "phi-3");
	assert_int_equal(c.variant_count, 1);
	const struct card_variant *v = card_variant(&c, NULL);
	assert_string_equal(v->quantization, "Q4_K_M");
	assert_true(v->is_default && v->ram_known);
	assert_int_equal(v->ram_bytes, 99);
	assert_int_equal(v->size, 30);
	assert_int_equal(v->file_count, 2);
	assert_string_equal(v->files[1].name, "a-00002-of-00002.gguf");
	assert_string_equal(v->files[1].path, "models/phi-2/a-00002-of-00002.gguf");
	assert_int_equal(v->files[1].sha256.bytes[31], 0xaa);
	assert_non_null(json_object_get(c.json, "mine"));
	card_release(&c);
	card_release(&c);
}

#define ROLE_OF(name, role) \
	"{\"path\":\"models/phi-2/" name "\",\"role\":\"" role "\",\"size\":5,\"sha256\":" SHA "}"
#define FILES(files) "{" HEAD ",\"variants\":[{\"id\":\"q4\",\"files\":[" files "]}]}"

#define SHARDS FILE_OF("a-00001-of-00002.gguf", "10") "," FILE_OF("a-00002-of-00002.gguf", "10")

static void companions_have_roles_and_come_after_the_model(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct card c, other;
	/* clang-format off */
	assert_ok(parse(FILES(SHARDS "," ROLE_OF("p", "projector") "," ROLE_OF("n", "new-role")),
			&c, &e), &e);
	assert_ok(parse(FILES(SHARDS "," ROLE_OF("p", "projector") "," ROLE_OF("n", "draft")),
			&other, &e), &e);
	/* clang-format on */
	const struct card_variant *v = card_variant(&c, NULL);
	assert_int_equal(card_model_files(v), 2);
	assert_null(v->files[1].role);
	assert_string_equal(v->files[2].role, "projector");
	assert_string_equal(v->files[3].role, "new-role");
	assert_int_equal(v->size, 30);
	assert_true(card_same_files(v, v));
	assert_false(card_same_files(v, card_variant(&other, NULL)));
	card_release(&c);
	card_release(&other);
	refused(FILES(ROLE_OF("p", "projector")), "must come first");
	refused(FILES(ROLE_OF("p", "projector") "," FILE_OF("a.gguf", "10")), "must come first");
	refused(FILES(FILE_OF("a.gguf", "10") "," ROLE_OF("p", "A role")), "not a valid name");
}

static void little_is_enough(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct card c;
	assert_ok(parse("{" HEAD ",\"variants\":[]}", &c, &e), &e);
	assert_string_equal(c.title, "phi-2");
	assert_string_equal(c.summary, "");
	assert_string_equal(c.family, "");
	assert_null(c.license);
	assert_null(card_variant(&c, NULL));
	card_release(&c);
}

static void default_variant_is_marked_or_the_first_prepared(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct card c;
	assert_ok(parse("{" HEAD ",\"variants\":[{\"id\":\"f16\",\"files\":[]}," VARIANT(
				"q8_0", "") "," VARIANT("q4_0", "") "]}",
			&c, &e),
		  &e);
	assert_string_equal(card_variant(&c, NULL)->id, "q8_0");
	assert_string_equal(card_variant(&c, "f16")->id, "f16");
	assert_null(card_variant(&c, "q2_k"));
	card_release(&c);
	assert_ok(parse("{" HEAD
			",\"variants\":[" VARIANT("q8_0", "") "," VARIANT("q4_0",
									  ",\"default\":true") "]}",
			&c, &e),
		  &e);
	assert_string_equal(card_variant(&c, NULL)->id, "q4_0");
	card_release(&c);
}

static void faults_name_their_place(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[]", "expected an object" },
		{ "{}", "format" },
		{ "{\"format\":\"x\",\"version\":1,\"id\":\"a\",\"variants\":[]}",
		  "not that of a model card" },
		{ "{\"format\":\"model-ferry-card\",\"version\":2,\"id\":\"a\",\"variants\":[]}",
		  "version: version 2 is not supported" },
		{ "{" HEAD "}", "variants: expected an array" },
		{ "{" HEAD ",\"variants\":[],\"title\":7}", "title: expected a string" },
		{ "{" HEAD ",\"variants\":[],\"title\":null}", "title: expected a string" },
		{ "{" HEAD ",\"variants\":[],\"title\":\"\"}", "title: must have 1 to 200 bytes" },
		{ "{" HEAD ",\"variants\":[],\"title\":\"a\\u001bb\"}", "control character" },
		{ "{" HEAD ",\"variants\":[],\"parameters\":0}",
		  "parameters: 0 is not in the range 1" },
		{ "{" HEAD ",\"variants\":[],\"parameters\":1.5}", "not an integer" },
		{ "{" HEAD ",\"variants\":[],\"tags\":[\"a\",\"a\"]}", "'a' appears twice" },
		{ "{" HEAD ",\"variants\":[],\"updated\":\"2026-02-30T00:00:00Z\"}", "updated: " },
		{ "{" HEAD ",\"variants\":[],\"source\":{\"url\":\"ftp://x/\"}}", "source.url: " },
		{ "{" HEAD ",\"variants\":[],\"source\":{\"url\":\"https://u:p@x/\"}}",
		  "password" },
		{ "{" HEAD ",\"variants\":[],\"license\":\"MIT\"}", "license: expected an object" },
		{ "{" HEAD ",\"variants\":[{\"files\":[]}]}", "variants[0].id" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"../x\",\"files\":[]}]}",
		  "is not a valid name" },
		{ "{" HEAD ",\"variants\":[" VARIANT("a", "") "," VARIANT("a", "") "]}",
		  "variants[1].id: there are two variants 'a'" },
		{ "{" HEAD ",\"variants\":[" VARIANT("a", ",\"default\":true") "," VARIANT(
			  "b", ",\"default\":true") "]}",
		  "'a' is also marked as default" },
		{ "{" HEAD ",\"variants\":[" VARIANT("a", ",\"size\":11") "]}",
		  "11, but the sizes of the files add up to 10" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"size\":5,\"files\":[]}]}",
		  "5, but the sizes of the files add up to 0" },
		{ "{" HEAD ",\"variants\":[" VARIANT("a", ",\"ram\":{\"bytes\":1}") "]}",
		  "variants[0].ram: expected either" },
		{ "{" HEAD ",\"variants\":[" VARIANT("a", ",\"ram\":{}") "]}",
		  "ram: expected either" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"files\":[" FILE_OF("../x", "1") "]}]}",
		  "files[0].path" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"files\":[" FILE_OF("x", "0") "]}]}",
		  "files[0].size: 0 is not" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"files\":[" FILE_OF("x", "1") "," FILE_OF(
			  "x", "1") "]}]}",
		  "two files are named 'x'" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"files\":[{\"path\":\"models/a/b\","
		  "\"size\":1,\"sha256\":\"AA\"}]}]}",
		  "sha256" },
		{ "{" HEAD ",\"variants\":[{\"id\":\"a\",\"files\":[{\"path\":\"etc/b\","
		  "\"size\":1,\"sha256\":" SHA "}]}]}",
		  "models/NAME/FILE" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i].text, bad[i].message);
}

static void saved_card_is_loaded_again(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "phi-2.card.json");
	struct card c, d;
	json_t *json = card_new("phi-2");
	assert_ok(card_from_json(json, "", &c, &e), &e);
	assert_ok(card_save(&c, path, &e), &e);
	assert_ok(card_load(path, &d, &e), &e);
	assert_true(json_equal(c.json, d.json));
	card_release(&c);
	card_release(&d);
	json_decref(json);
	scratch_free(dir);
}

static json_t *object(const char *text)
{
	struct err e = ERR_INIT;
	struct card c;
	assert_ok(parse(text, &c, &e), &e);
	json_t *json = json_incref(c.json);
	card_release(&c);
	return json;
}

static void merge_keeps_what_a_person_wrote(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *into = object("{" HEAD ",\"title\":\"Mine\",\"updated\":\"2026-01-01T00:00:00Z\","
			      "\"variants\":[" VARIANT("q4_0",
						       ",\"summary\":\"best\",\"default\":"
						       "true") "," VARIANT("q8_0", "") "]}");
	json_t *from = object(
		"{" HEAD ",\"title\":\"Theirs\",\"family\":\"phi2\","
		"\"updated\":\"2026-03-01T00:00:00Z\",\"variants\":["
		"{\"id\":\"q4_0\",\"summary\":\"new\",\"quantization\":\"Q4_0\",\"files\":"
		"[" FILE_OF("q4_0.gguf", "77") "]}," VARIANT("f16", ",\"default\":true") "]}");
	assert_ok(card_merge(into, from, &e), &e);
	struct card c;
	assert_ok(card_from_json(into, "", &c, &e), &e);
	assert_string_equal(c.title, "Mine");
	assert_string_equal(c.family, "phi2");
	assert_string_equal(json_string_value(json_object_get(into, "updated")),
			    "2026-03-01T00:00:00Z");
	assert_int_equal(c.variant_count, 3);
	assert_string_equal(c.variants[0].id, "q4_0");
	assert_string_equal(json_string_value(json_object_get(c.variants[0].json, "summary")),
			    "best");
	assert_string_equal(c.variants[0].quantization, "Q4_0");
	assert_int_equal(c.variants[0].size, 77);
	assert_string_equal(card_variant(&c, NULL)->id, "q4_0");
	assert_false(c.variants[2].is_default);
	/* Once more changes nothing. */
	json_t *before = json_deep_copy(into);
	assert_ok(card_merge(into, from, &e), &e);
	assert_true(json_equal(before, into));
	json_decref(before);
	card_release(&c);
	json_decref(into);
	json_decref(from);
}

static void merge_refuses_another_model(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *a = card_new("a"), *b = card_new("b");
	assert_int_equal(card_merge(a, b, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "'a' and 'b'"));
	json_decref(a);
	json_decref(b);
}

static void set_ok(json_t *card, const char *assignment)
{
	struct err e = ERR_INIT;
	assert_ok(card_set(card, assignment, &e), &e);
}

static void set_reaches_every_level(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *card = object("{" HEAD ",\"variants\":[" VARIANT("v1.5", "") "]}");
	set_ok(card, "title=A = B");
	set_ok(card, "license.id=MIT");
	set_ok(card, "tags=chat, small");
	set_ok(card, "parameters=2.7B");
	set_ok(card, "context_length=2048");
	set_ok(card, "deprecated.reason=old");
	set_ok(card, "variants.v1.5.summary=good");
	set_ok(card, "variants.v1.5.min_ram=4GiB");
	set_ok(card, "variants.v1.5.default=yes");
	struct card c;
	assert_ok(card_from_json(card, "", &c, &e), &e);
	assert_string_equal(c.title, "A = B");
	assert_string_equal(c.license, "MIT");
	assert_int_equal(c.parameters, 2700000000);
	assert_string_equal(json_string_value(json_object_get(c.variants[0].json, "summary")),
			    "good");
	assert_true(c.variants[0].is_default && c.deprecated);
	assert_int_equal(json_array_size(json_object_get(card, "tags")), 2);
	assert_int_equal(json_integer_value(json_object_get(c.variants[0].json, "min_ram")),
			 4LL << 30);
	card_release(&c);
	set_ok(card, "title=");
	set_ok(card, "license.id=llama3.1 or apache-2.0");
	assert_string_equal(json_string_value(json_object_get(json_object_get(card, "license"),
							      "id")),
			    "LicenseRef-llama3.1 OR Apache-2.0");
	set_ok(card, "license.id=");
	assert_null(json_object_get(card, "title"));
	assert_null(json_object_get(card, "license"));
	json_decref(card);
}

static void set_refuses_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		const char *assignment, *message, *hint;
	} bad[] = {
		{ "title", "key=value", "license.id=MIT" },
		{ "titel=x", "'titel' is not a member", "'title'" },
		{ "license.id=MIT OR", "license.id: 'MIT OR' is not an SPDX", "LicenseRef-NAME" },
		{ "license.id=other", "license.id: 'other' names no license", "LicenseRef-NAME" },
		{ "license.id=Apache License 2.0", "SPDX", "did you mean 'Apache-2.0'" },
		{ "license.idd=x", "'license.idd' is not a member", "'license.id'" },
		{ "id=x", "'id' is not a member", "" },
		{ "parameters=many", "'many' is not a number", "" },
		{ "context_length=0", "0 is not in the range 1", "" },
		{ "source.url=phi", "cannot be published as a URL", "" },
		{ "source.url=https://me:pass@h/x", "(a URL with '@')' cannot be published", "" },
		{ "source.url=https://me:pa/ss@h/x", "its port is not a number", "" },
		{ "variants.q9.title=x", "no variant 'q9'", "" },
		{ "variants.v.default=perhaps", "neither yes nor no", "" },
	};
	json_t *card = object("{" HEAD ",\"variants\":[" VARIANT("v", "") "]}");
	json_t *before = json_deep_copy(card);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(card_set(card, bad[i].assignment, &e), -ERR_USAGE);
		if (!strstr(e.text, bad[i].message) || !strstr(e.hint, bad[i].hint))
			fail_msg("%s: %s (%s)", bad[i].assignment, e.text, e.hint);
		assert_true(json_equal(before, card));
	}
	json_decref(before);
	json_decref(card);
}

static bool found(const struct lint_findings *f, enum lint_level level, const char *text)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->at[i].level == level && strstr(f->at[i].text, text))
			return true;
	return false;
}

static void lint_tells_what_is_missing(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct lint_findings f = { 0 };
	struct card c;
	assert_ok(parse("{" HEAD
			",\"licence\":{},\"deprecated\":{},\"license\":{\"id\":\"MIT OR\"},"
			"\"variants\":[{\"id\":\"a\",\"files\":[]},{\"id\":\"b\",\"files\":["
			"{\"path\":\"models/other/b.gguf\",\"size\":1,\"sha256\":" SHA "}]}]}",
			&c, &e),
		  &e);
	lint_card(&c, &f);
	assert_true(found(&f, LINT_WARNING,
			  "licence: not a member of a card; did you mean 'license'?"));
	assert_true(found(&f, LINT_WARNING, "title: missing"));
	assert_true(found(&f, LINT_WARNING, "summary: missing"));
	assert_true(found(&f, LINT_WARNING, "source.url: missing"));
	assert_true(found(&f, LINT_WARNING, "deprecated.replacement: missing"));
	assert_true(found(&f, LINT_WARNING, "ram: missing"));
	assert_true(found(&f, LINT_ERROR, "not an SPDX license expression"));
	assert_true(found(&f, LINT_ERROR, "is not directly in models/phi-2/"));
	assert_true(found(&f, LINT_NOTE, "planned"));
	assert_int_equal(f.levels[LINT_ERROR], 2);
	lint_release(&f);
	card_release(&c);
}

static void lint_tells_what_is_wrong_with_roles(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct lint_findings f = { 0 };
	struct card c;
	/* clang-format off */
	assert_ok(parse("{" HEAD ",\"variants\":[{\"id\":\"a\",\"kind\":\"adapter\",\"files\":["
		FILE_OF("a.gguf", "10") "," ROLE_OF("p", "projector") "," ROLE_OF("q", "projector")
		"," ROLE_OF("r", "adapter") "," ROLE_OF("s", "adapter") ","
		ROLE_OF("t", "projektor") "]}]}", &c, &e), &e);
	/* clang-format on */
	lint_roles(&c.variants[0], "phi-2:a", &f);
	assert_true(found(&f, LINT_ERROR, "'p' and 'q' both have the role 'projector'"));
	assert_true(found(&f, LINT_WARNING,
			  "unknown role 'projektor' (did you mean 'projector'?)"));
	assert_true(found(&f, LINT_ERROR, "there is no model that it belongs to"));
	assert_int_equal(f.count, 3);
	lint_release(&f);
	lint_card(&c, &f);
	assert_true(found(&f, LINT_WARNING, "unknown role 'projektor'"));
	lint_release(&f);
	card_release(&c);
}

static void cards_are_linted_together(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct lint_findings f = { 0 };
	struct card c[2];
	assert_ok(parse("{" HEAD ",\"deprecated\":{\"reason\":\"x\",\"replacement\":\"gone\"},"
			"\"variants\":[" VARIANT("a", "") "]}",
			&c[0], &e),
		  &e);
	assert_ok(parse("{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"z\",\"variants\":["
			"{\"id\":\"q\",\"files\":[" FILE_OF("a.gguf", "11") "]}]}",
			&c[1], &e),
		  &e);
	lint_cards(c, 2, &f);
	assert_int_equal(f.count, 2);
	assert_true(found(&f, LINT_WARNING, "there is no model 'gone'"));
	assert_true(found(&f, LINT_ERROR, "twice with different contents"));
	lint_release(&f);
	card_release(&c[0]);
	card_release(&c[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_show_every_member),
		cmocka_unit_test(companions_have_roles_and_come_after_the_model),
		cmocka_unit_test(little_is_enough),
		cmocka_unit_test(default_variant_is_marked_or_the_first_prepared),
		cmocka_unit_test(faults_name_their_place),
		cmocka_unit_test(saved_card_is_loaded_again),
		cmocka_unit_test(merge_keeps_what_a_person_wrote),
		cmocka_unit_test(merge_refuses_another_model),
		cmocka_unit_test(set_reaches_every_level),
		cmocka_unit_test(set_refuses_with_the_reason),
		cmocka_unit_test(lint_tells_what_is_missing),
		cmocka_unit_test(lint_tells_what_is_wrong_with_roles),
		cmocka_unit_test(cards_are_linted_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
