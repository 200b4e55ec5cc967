#include "catalog/changes.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

struct tensor {
	const char *name, *type;
	uint64_t rows;
	uint8_t fill; /* the first byte of its digest */
};

/* One version: its card, and what its manifests say. */
struct version {
	struct card card;
	struct changes_side side;
};

/* `more` are members of the card, `variant` of the variant; files "f0", "f1", … of `sizes`, which
 * end with 0, and with digests of `fill`, `fill` + 1, …. */
static void make(struct version *v, const char *more, const char *variant, const uint64_t *sizes,
		 uint8_t fill)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	buf_addf(&text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\"%s,", more);
	buf_addf(&text, "\"variants\":[{\"id\":\"v\"%s,\"files\":[", variant);
	for (size_t i = 0; sizes[i]; i++) {
		buf_addf(&text, "%s{\"path\":\"models/m/f%zu\",\"size\":%llu,", i ? "," : "", i,
			 (unsigned long long)sizes[i]);
		buf_addf(&text, "\"sha256\":\"%064x\"}", (unsigned)(fill + i));
	}
	buf_adds(&text, "]}]}");
	*v = (struct version){ 0 };
	assert_ok(card_parse(text.data, text.len, "test", &v->card, &e), &e);
	v->side.card = &v->card;
	v->side.variant = &v->card.variants[0];
}

/* A file's manifest; gguf NULL: it is no GGUF. */
static void add(struct version *v, const char *gguf, const struct tensor *tensors, size_t count)
{
	struct err e = ERR_INIT;
	struct json_limits limits = { .max_bytes = 64 * KIB };
	struct manifest m = { .name = mem_strdup("f"), .tensor_count = count };
	if (gguf)
		assert_ok(json_parse(gguf, strlen(gguf), &limits, "gguf", &m.gguf, &e), &e);
	m.tensors = mem_alloc((count + 1) * sizeof *m.tensors);
	for (size_t i = 0; i < count; i++) {
		m.tensors[i].name = mem_strdup(tensors[i].name);
		m.tensors[i].type = mem_strdup(tensors[i].type);
		m.tensors[i].dimensions = 2;
		m.tensors[i].shape[0] = 32;
		m.tensors[i].shape[1] = tensors[i].rows;
		m.tensors[i].sha256.bytes[0] = tensors[i].fill;
	}
	changes_side_add(&v->side, &m);
	assert_null(m.tensors);
	assert_null(m.gguf);
}

static void expect_at(const struct version *a, const struct version *b, const char *const *want,
		      int line)
{
	CLEANUP(json_release) json_t *got = changes_between(&a->side, &b->side);
	size_t i = 0;
	for (; want[i]; i++) {
		const char *text = json_string_value(json_array_get(got, i));
		if (!text || strcmp(text, want[i]) != 0)
			fail_msg("line %d: \"%s\", wanted \"%s\"", line, text ? text : "(none)",
				 want[i]);
	}
	if (json_array_size(got) != i)
		fail_msg("line %d: more: %s", line, json_string_value(json_array_get(got, i)));
}
#define expect(a, b, ...) expect_at((a), (b), (const char *const[]){ __VA_ARGS__, NULL }, __LINE__)

static void release(struct version *a, struct version *b)
{
	struct version *const both[] = { a, b };
	for (size_t i = 0; i < 2; i++) {
		changes_side_release(&both[i]->side);
		card_release(&both[i]->card);
	}
}

static const uint64_t ten[] = { 10, 0 }, two_files[] = { 10, 20, 0 };

static void files_that_are_no_gguf_have_size_and_contents(void **state)
{
	(void)state;
	static const uint64_t more[] = { 3 * MIB, 0 };
	struct version a, b;
	make(&a, "", "", ten, 1);
	make(&b, "", "", more, 2);
	add(&a, NULL, NULL, 0);
	add(&b, NULL, NULL, 0);
	expect(&a, &b, "The contents of the file changed.",
	       "The size changed from 10 B to 3.0 MiB.");
	release(&a, &b);
}

static void without_any_manifest_files_are_compared_by_digest(void **state)
{
	(void)state;
	static const uint64_t three[] = { 10, 20, 30, 0 };
	struct version a, b;
	make(&a, "", "", two_files, 1);
	make(&b, "", "", three, 2);
	expect(&a, &b, "The contents of 2 of 3 files changed: f1, f2.",
	       "The size changed from 30 B to 60 B.", "The number of files changed from 2 to 3.");
	release(&a, &b);
}

static void an_incomplete_set_of_manifests_is_not_compared(void **state)
{
	(void)state;
	static const struct tensor one[] = { { "a", "f32", 1, 1 } };
	struct version a, b;
	make(&a, "", "", two_files, 1);
	make(&b, "", "", two_files, 3);
	add(&a, "{}", one, 1);
	add(&b, "{}", one, 1);
	add(&b, "{}", NULL, 0);
	expect(&a, &b, "The contents of 2 of 2 files changed: f0, f1.");
	release(&a, &b);
}

static void sentences_are_in_the_order_that_a_reader_wants(void **state)
{
	(void)state;
	static const char was[] =
		"{\"architecture\":\"llama\",\"parameters\":100,\"context_length\":2048,"
		"\"vocabulary_size\":32000,\"name\":\"A\",\"license\":\"mit\",\"chat_templates\":"
		"[{\"key\":\"tokenizer.chat_template\",\"sha256\":\"aa\"}]}";
	static const char is[] =
		"{\"architecture\":\"qwen2\",\"parameters\":90,\"context_length\":4096,"
		"\"vocabulary_size\":32064,\"name\":\"B\",\"block_count\":7,\"license\":\"gpl\","
		"\"chat_templates\":[{\"key\":\"tokenizer.chat_template\",\"sha256\":\"bb\"}]}";
	static const struct tensor old[] = { { "a", "q4_K", 1, 1 }, { "b", "f32", 1, 1 } };
	static const struct tensor new[] = { { "a", "q6_K", 1, 2 }, { "b", "f32", 1, 2 } };
	static const uint64_t more[] = { 11, 0 };
	struct version a, b;
	make(&a, ",\"license\":{\"id\":\"MIT\"}", ",\"quantization\":\"Q4_K_M\"", ten, 1);
	make(&b, ",\"license\":{\"id\":\"Apache-2.0\"}",
	     ",\"quantization\":\"Q6_K\",\"kind\":\"adapter\"", more, 2);
	add(&a, was, old, 2);
	add(&b, is, new, 2);
	expect(&a, &b, "The license changed from MIT to Apache-2.0.",
	       "The kind changed from model to adapter.", "The chat template changed.",
	       "The architecture changed from llama to qwen2.",
	       "The number of parameters changed from 100 to 90.",
	       "The context length changed from 2048 to 4096.",
	       "The size of the vocabulary changed from 32000 to 32064.",
	       "The quantization changed from Q4_K_M to Q6_K.", "1 of 2 tensors is now Q6_K.",
	       "The values of 1 of 2 tensors changed: b.", "The size changed from 10 B to 11 B.",
	       "Metadata changed: general.name (now \"B\"), qwen2.block_count (now 7).");
	release(&a, &b);
}

static void what_only_one_version_has_is_told(void **state)
{
	(void)state;
	struct version a, b;
	make(&a, ",\"license\":{\"id\":\"MIT\"}", "", ten, 1);
	make(&b, "", ",\"quantization\":\"F16\"", ten, 2);
	add(&a, "{\"url\":\"https://example.org/\"}", NULL, 0);
	add(&b, "{\"context_length\":8}", NULL, 0);
	expect(&a, &b, "The license is no longer given; it was MIT.",
	       "The context length is now 8; before, it was not given.",
	       "The quantization is now F16; before, it was not given.",
	       "Metadata changed: general.url (removed).");
	release(&a, &b);
}

static void each_chat_template_is_told_by_its_name(void **state)
{
	(void)state;
	static const char was[] =
		"{\"chat_templates\":[{\"key\":\"tokenizer.chat_template\",\"sha256\":\"aa\"},"
		"{\"key\":\"tokenizer.chat_template.rag\",\"sha256\":\"bb\"}]}";
	static const char is[] =
		"{\"chat_templates\":[{\"key\":\"tokenizer.chat_template\",\"sha256\":\"aa\"},"
		"{\"key\":\"tokenizer.chat_template.tool_use\",\"sha256\":\"cc\"}]}";
	struct version a, b;
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, was, NULL, 0);
	add(&b, is, NULL, 0);
	expect(&a, &b, "The chat template 'tool_use' was added.",
	       "The chat template 'rag' was removed.");
	release(&a, &b);
}

static void another_tokenizer_of_the_same_size_is_told(void **state)
{
	(void)state;
	struct version a, b;
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{\"vocabulary_size\":8,\"tokenizer\":{\"sha256\":\"aa\"}}", NULL, 0);
	add(&b, "{\"vocabulary_size\":8,\"tokenizer\":{\"sha256\":\"bb\"}}", NULL, 0);
	expect(&a, &b, "The tokenizer changed.");
	release(&a, &b);
}

static void tensors_are_named_up_to_three(void **state)
{
	(void)state;
	static const struct tensor old[] = { { "gone", "f32", 1, 1 }, { "kept", "f32", 1, 1 } };
	static const struct tensor new[] = { { "e", "f32", 1, 1 },
					     { "d", "f32", 1, 1 },
					     { "c", "f32", 1, 1 },
					     { "b", "f32", 1, 1 },
					     { "kept", "f32", 2, 1 } };
	struct version a, b;
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{}", old, 2);
	add(&b, "{}", new, 5);
	expect(&a, &b, "4 tensors were added: b, c, d and 1 more.", "1 tensor was removed: gone.",
	       "The shape of 1 of 5 tensors changed: kept.");
	release(&a, &b);
}

static void all_tensors_are_not_named(void **state)
{
	(void)state;
	static const struct tensor old[] = { { "a", "f32", 1, 1 }, { "b", "f32", 1, 1 } };
	static const struct tensor new[] = { { "a", "f32", 1, 2 }, { "b", "f32", 1, 2 } };
	static const struct tensor half[] = { { "a", "f16", 1, 3 }, { "b", "f16", 1, 3 } };
	struct version a, b, c;
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	make(&c, "", "", ten, 3);
	add(&a, "{}", old, 2);
	add(&b, "{}", new, 2);
	add(&c, "{}", half, 2);
	expect(&a, &b, "The values of all 2 tensors changed.");
	expect(&a, &c, "All 2 tensors are now F16.");
	release(&a, &b);
	release(&c, &c);
}

static void types_are_told_the_most_frequent_first(void **state)
{
	(void)state;
	static const char *const types[] = { "q5_K", "q6_K", "q6_K", "q8_0",
					     "q8_0", "q8_0", "q2_K", "q3_K" };
	struct tensor old[8], new[8];
	char names[8][2];
	struct version a, b;
	for (size_t i = 0; i < 8; i++) {
		names[i][0] = (char)('a' + i);
		names[i][1] = '\0';
		old[i] = (struct tensor){ names[i], "f16", 1, 1 };
		new[i] = (struct tensor){ names[i], types[i], 1, 2 };
	}
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{}", old, 8);
	add(&b, "{}", new, 8);
	expect(&a, &b, "3 of 8 tensors are now Q8_0.", "2 of 8 tensors are now Q6_K.",
	       "1 of 8 tensors is now Q2_K.", "2 more tensors have another type than before.");
	release(&a, &b);
}

static void shards_are_one_model(void **state)
{
	(void)state;
	static const struct tensor all[] = { { "b", "f32", 1, 1 }, { "a", "f32", 1, 1 } };
	static const uint64_t sum[] = { 30, 0 };
	struct version a, b;
	make(&a, "", "", sum, 1);
	make(&b, "", "", two_files, 2);
	add(&a, "{\"architecture\":\"llama\",\"parameters\":64}", all, 2);
	add(&b, "{\"architecture\":\"llama\",\"parameters\":32}", &all[0], 1);
	add(&b, "{\"parameters\":32}", &all[1], 1);
	expect(&a, &b, "The tensors are the same as before.",
	       "The number of files changed from 1 to 2.");
	release(&a, &b);
}

static void a_projector_beside_the_model_does_not_speak_for_it(void **state)
{
	(void)state;
	static const struct tensor t[] = { { "a", "f32", 1, 1 } };
	struct version a, b;
	make(&a, "", "", two_files, 1);
	make(&b, "", "", two_files, 5);
	add(&a, "{\"architecture\":\"clip\",\"parameters\":1,\"name\":\"P\"}", t, 1);
	add(&a, "{\"architecture\":\"llama\",\"parameters\":32,\"name\":\"A\"}", NULL, 0);
	add(&b, "{\"architecture\":\"clip\",\"parameters\":2,\"name\":\"Q\"}", t, 1);
	add(&b, "{\"architecture\":\"llama\",\"parameters\":32,\"name\":\"B\"}", NULL, 0);
	expect(&a, &b, "The tensors are the same as before.",
	       "Metadata changed: general.name (now \"B\").");
	release(&a, &b);
}

static void a_header_that_differs_in_what_is_not_known_is_told(void **state)
{
	(void)state;
	struct version a, b;
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{}", NULL, 0);
	add(&b, "{}", NULL, 0);
	b.side.manifests[0].header_sha256.bytes[0] = 1;
	expect(&a, &b, "Other metadata of the file changed.");
	release(&a, &b);
}

static void sizes_that_look_the_same_are_in_bytes(void **state)
{
	(void)state;
	static const uint64_t old[] = { 5 * MIB, 0 }, new[] = { 5 * MIB + 1, 0 };
	struct version a, b;
	make(&a, "", "", old, 1);
	make(&b, "", "", new, 1);
	expect(&a, &b, "The size changed from 5242880 to 5242881 bytes.");
	release(&a, &b);
}

static void other_names_of_the_same_files_are_told(void **state)
{
	(void)state;
	struct version a, b;
	make(&a, "", "", two_files, 1);
	make(&b, "", "", two_files, 1);
	b.side.variant->files[1].name = "other";
	expect(&a, &b, "1 file has another name: other.");
	release(&a, &b);
}

/* Whatever files say, a sentence is short, valid UTF-8, and inert. */
static void foreign_words_are_escaped_and_short(void **state)
{
	(void)state;
	struct version a, b;
	static const struct tensor t[] = { { "\xff\x1b[2J\xe2\x80\xae", "f32", 1, 1 } };
	CLEANUP(buf_release) struct buf gguf = BUF_INIT(64 * KIB);
	buf_adds(&gguf, "{\"architecture\":\"");
	for (size_t i = 0; i < 500; i++)
		buf_adds(&gguf, "é");
	buf_adds(&gguf, "\\u001b[31m\",\"name\":\"a\\u0007\\u202eb\",\"block_count\":1,"
			"\"head_count\":1,\"head_count_kv\":1,\"expert_count\":1,"
			"\"expert_used_count\":1,\"embedding_length\":1,\"url\":\"x\","
			"\"feed_forward_length\":1,\"alignment\":8}");
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{\"architecture\":\"llama\"}", NULL, 0);
	add(&b, buf_str(&gguf), t, 1);
	CLEANUP(json_release) json_t *got = changes_between(&a.side, &b.side);
	assert_int_equal(json_array_size(got), 3);
	for (size_t i = 0; i < json_array_size(got); i++) {
		const char *text = json_string_value(json_array_get(got, i));
		assert_true(strlen(text) <= 500);
		CLEANUP(mem_free_ptr) char *escaped = text_escaped(text);
		assert_string_equal(text, escaped);
	}
	assert_string_equal(json_string_value(json_array_get(got, 1)),
			    "1 tensor was added: \\xff\\x1b[2J\\u{202e}.");
	const char *metadata = json_string_value(json_array_get(got, 2));
	assert_non_null(strstr(metadata, "general.name (now \"a\\x07\\u{202e}b\")"));
	assert_non_null(strstr(metadata, " and 2 more."));
	release(&a, &b);
}

static void too_many_tensors_are_not_compared(void **state)
{
	(void)state;
	static const struct tensor t[] = { { "a", "f32", 1, 1 } };
	struct version a, b;
	struct manifest many = { .gguf = json_object(), .tensor_count = CHANGES_MAX_TENSORS + 1 };
	many.tensors = mem_alloc(many.tensor_count * sizeof *many.tensors);
	make(&a, "", "", ten, 1);
	make(&b, "", "", ten, 2);
	add(&a, "{}", t, 1);
	changes_side_add(&b.side, &many);
	assert_int_equal(b.side.manifests[0].tensor_count, 0);
	CLEANUP(json_release) json_t *got = changes_between(&a.side, &b.side);
	assert_int_equal(json_array_size(got), 0);
	release(&a, &b);
}

/* A model and these companions, "ROLE FILL" each, NULL-ended. */
static void make_with(struct version *v, const char *const *companions)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	buf_adds(&text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\","
			"\"variants\":[{\"id\":\"v\",\"files\":[");
	buf_addf(&text, "{\"path\":\"models/m/f\",\"size\":10,\"sha256\":\"%064x\"}", 1);
	for (size_t i = 0; companions[i]; i++) {
		const char *fill = strchr(companions[i], ' ');
		buf_addf(&text, ",{\"path\":\"models/m/c%zu\",\"role\":\"%.*s\",\"size\":5,", i,
			 (int)(fill - companions[i]), companions[i]);
		buf_addf(&text, "\"sha256\":\"%064x\"}", (unsigned)atoi(fill + 1));
	}
	buf_adds(&text, "]}]}");
	*v = (struct version){ 0 };
	assert_ok(card_parse(text.data, text.len, "test", &v->card, &e), &e);
	v->side.card = &v->card;
	v->side.variant = &v->card.variants[0];
	add(v, "{\"architecture\":\"llama\"}", NULL, 0);
}

static void companions_are_told_by_their_roles(void **state)
{
	(void)state;
	struct version a, b;
	make_with(&a, (const char *const[]){ "projector 2", "adapter 3", "adapter 4", NULL });
	make_with(&b, (const char *const[]){ "projector 5", "adapter 3", "adapter 4", NULL });
	expect(&a, &b, "Changed beside the model: projector.");
	release(&a, &b);
	make_with(&a, (const char *const[]){ "adapter 3", "adapter 4", "draft 6", NULL });
	make_with(&b, (const char *const[]){ "projector 5", "adapter 4", "adapter 3", NULL });
	expect(&a, &b, "New beside the model: projector.", "Changed beside the model: adapter.",
	       "No longer beside the model: draft.");
	release(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_are_no_gguf_have_size_and_contents),
		cmocka_unit_test(without_any_manifest_files_are_compared_by_digest),
		cmocka_unit_test(an_incomplete_set_of_manifests_is_not_compared),
		cmocka_unit_test(sentences_are_in_the_order_that_a_reader_wants),
		cmocka_unit_test(what_only_one_version_has_is_told),
		cmocka_unit_test(each_chat_template_is_told_by_its_name),
		cmocka_unit_test(another_tokenizer_of_the_same_size_is_told),
		cmocka_unit_test(tensors_are_named_up_to_three),
		cmocka_unit_test(all_tensors_are_not_named),
		cmocka_unit_test(types_are_told_the_most_frequent_first),
		cmocka_unit_test(shards_are_one_model),
		cmocka_unit_test(companions_are_told_by_their_roles),
		cmocka_unit_test(a_projector_beside_the_model_does_not_speak_for_it),
		cmocka_unit_test(a_header_that_differs_in_what_is_not_known_is_told),
		cmocka_unit_test(sizes_that_look_the_same_are_in_bytes),
		cmocka_unit_test(other_names_of_the_same_files_are_told),
		cmocka_unit_test(foreign_words_are_escaped_and_short),
		cmocka_unit_test(too_many_tensors_are_not_compared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
