#include "api/hub.h"

#include "unit.h"

#include <string.h>

#define DIGEST(digit) "000000000000000000000000000000000000000000000000000000000000000" digit
#define FILE_OF(name, more, digit) \
	"{\"path\":\"models/m/" name "\"," more "\"size\":7,\"sha256\":\"" DIGEST(digit) "\"}"
#define VARIANT(id, more, files) "{\"id\":\"" id "\"," more "\"files\":[" files "]}"
#define CARD(more, variants) \
	"{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\"," more \
	"\"variants\":[" variants "]}"

struct made {
	struct card card;
	struct api_hub hub;
};

static void make(const char *text, struct made *out)
{
	struct err e = ERR_INIT;
	*out = (struct made){ 0 };
	assert_ok(card_parse(text, strlen(text), "test", &out->card, &e), &e);
	api_hub_init(&out->hub, "acme", &out->card);
}

static void made_release(struct made *m)
{
	api_hub_release(&m->hub);
	card_release(&m->card);
}

/* llama.cpp takes the first file that matches a tag. */
static void models_are_listed_before_projectors_and_those_before_other_companions(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("", VARIANT("p", "\"kind\":\"projector\",",
			      FILE_OF("mmproj.gguf", "",
				      "3")) "," VARIANT("q", "",
							FILE_OF("m-q.gguf", "", "1") "," FILE_OF(
								"lora.gguf",
								"\"role\":\"adapter\",", "2"))),
	     &m);
	assert_int_equal(m.hub.count, 3);
	assert_string_equal(m.hub.files[0].path, "m-q.gguf");
	assert_string_equal(m.hub.files[1].path, "mmproj.gguf");
	assert_string_equal(m.hub.files[2].path, "lora.gguf");
}

static void files_of_one_name_with_other_contents_are_in_folders_of_their_variants(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("",
		  VARIANT("a", "",
			  "{\"path\":\"models/m/a1\",\"name\":\"x.gguf\",\"size\":7,"
			  "\"sha256\":\"" DIGEST("1") "\"}") "," VARIANT("b", "",
									 "{\"path\":\"models/m/"
									 "b1\",\"name\":\"x.gguf\","
									 "\"size\":7,\"sha256\":"
									 "\"" DIGEST("2") "\"}")),
	     &m);
	assert_string_equal(m.hub.files[0].path, "a/x.gguf");
	assert_string_equal(m.hub.files[1].path, "b/x.gguf");
	CLEANUP(json_release) json_t *root = api_hub_tree(&m.hub, "", false);
	assert_int_equal(json_array_size(root), 2);
	assert_string_equal(json_text(json_array_get(root, 0), "type"), "directory");
	CLEANUP(json_release) json_t *folder = api_hub_tree(&m.hub, "b", false);
	assert_string_equal(json_text(json_array_get(folder, 0), "path"), "b/x.gguf");
	assert_null(api_hub_tree(&m.hub, "c", true));
	CLEANUP(json_release) json_t *all = api_hub_tree(&m.hub, "", true);
	assert_int_equal(json_array_size(all), 4);
}

static void a_file_that_two_variants_share_is_listed_once(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("", VARIANT("a", "",
			      FILE_OF("x.gguf", "", "1")) "," VARIANT("b", "",
								      FILE_OF("x.gguf", "", "1"))),
	     &m);
	assert_int_equal(m.hub.count, 1);
	assert_string_equal(m.hub.files[0].path, "x.gguf");
}

static void a_withdrawn_variant_is_not_listed(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("", VARIANT("a", "\"withdrawn\":{\"reason\":\"wrong\"},",
			      FILE_OF("x.gguf", "", "1")) "," VARIANT("b", "",
								      FILE_OF("y.gguf", "", "2"))),
	     &m);
	assert_int_equal(m.hub.count, 1);
	assert_null(api_hub_find(&m.hub, "x.gguf"));
}

static void the_commit_changes_with_the_files_and_with_nothing_else(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made a, b, c;
	make(CARD("", VARIANT("a", "", FILE_OF("x.gguf", "", "1"))), &a);
	make(CARD("\"title\":\"Another\",", VARIANT("a", "", FILE_OF("x.gguf", "", "1"))), &b);
	make(CARD("", VARIANT("a", "", FILE_OF("x.gguf", "", "2"))), &c);
	assert_int_equal(strlen(a.hub.commit), 40);
	assert_string_equal(a.hub.commit, b.hub.commit);
	assert_string_not_equal(a.hub.commit, c.hub.commit);
}

static void a_revision_is_main_or_the_beginning_of_the_commit(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("", VARIANT("a", "", FILE_OF("x.gguf", "", "1"))), &m);
	char text[API_HUB_COMMIT];
	assert_true(api_hub_is_revision(&m.hub, "main"));
	assert_true(api_hub_is_revision(&m.hub, m.hub.commit));
	memcpy(text, m.hub.commit, sizeof text);
	text[7] = '\0';
	assert_true(api_hub_is_revision(&m.hub, text));
	text[6] = '\0';
	assert_false(api_hub_is_revision(&m.hub, text));
	assert_false(api_hub_is_revision(&m.hub, ""));
	memset(text, '0', 40);
	text[40] = '\0';
	assert_false(api_hub_is_revision(&m.hub, text));
}

/* The name is what git 2.39 made (git hash-object) of the pointer with this digest and size. */
static void a_file_has_the_name_that_git_gives_to_its_pointer(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("", VARIANT("a", "", FILE_OF("x.gguf", "", "1"))), &m);
	CLEANUP(json_release) json_t *tree = api_hub_tree(&m.hub, "", true);
	const json_t *f = json_array_get(tree, 0);
	assert_string_equal(json_text(f, "oid"), "a9e777300a774dacb7db59dc9fe7d51a46dea323");
	assert_string_equal(json_text(json_object_get(f, "lfs"), "oid"), DIGEST("1"));
	assert_int_equal(json_number(json_object_get(f, "lfs"), "pointerSize"), 126);
}

static void times_have_fractions_as_pythons_client_needs_them(void **state)
{
	(void)state;
	CLEANUP(made_release) struct made m;
	make(CARD("\"updated\":\"2026-01-02T03:04:05Z\",",
		  VARIANT("a", "", FILE_OF("x.gguf", "", "1"))),
	     &m);
	CLEANUP(json_release) json_t *model = api_hub_model(&m.hub);
	assert_string_equal(json_text(model, "lastModified"), "2026-01-02T03:04:05.000Z");
	assert_string_equal(json_text(model, "id"), "acme/m");
	assert_null(json_text(model, "createdAt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			models_are_listed_before_projectors_and_those_before_other_companions),
		cmocka_unit_test(
			files_of_one_name_with_other_contents_are_in_folders_of_their_variants),
		cmocka_unit_test(a_file_that_two_variants_share_is_listed_once),
		cmocka_unit_test(a_withdrawn_variant_is_not_listed),
		cmocka_unit_test(the_commit_changes_with_the_files_and_with_nothing_else),
		cmocka_unit_test(a_revision_is_main_or_the_beginning_of_the_commit),
		cmocka_unit_test(a_file_has_the_name_that_git_gives_to_its_pointer),
		cmocka_unit_test(times_have_fractions_as_pythons_client_needs_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
