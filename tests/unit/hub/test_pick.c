#include "hub/pick.h"
#include "util/mem.h"

#include "unit.h"

#include <string.h>

/* Names with blanks between; each file has 1 KiB. */
static void list(const char *names, struct hub_files *out)
{
	CLEANUP(str_list_release) struct str_list split = { 0 };
	str_list_split(&split, names, " ");
	for (size_t i = 0; i < split.count; i++) {
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = (struct hub_file){
			.path = mem_strdup(split.at[i]),
			.size = KIB,
			.lfs = true,
		};
	}
}

/* The picked paths with blanks between, or what is wrong. Caller frees. */
static char *pick(const char *names, const char *file, struct err *e)
{
	char repo[] = "o/r", main[] = "main";
	const struct hub_name name = { .repo = repo, .revision = main, .file = (char *)file };
	CLEANUP(hub_files_release) struct hub_files files = { 0 };
	CLEANUP(hub_pick_release) struct hub_pick p = { 0 };
	CLEANUP(buf_release) struct buf out = BUF_INIT(64 * KIB);
	list(names, &files);
	if (hub_pick(&files, &name, "m", &p, e) < 0)
		return mem_printf("exit %d", (int)e->class);
	for (size_t i = 0; i < p.count; i++)
		buf_addf(&out, "%s%s", i ? " " : "", p.files[i]->path);
	assert_int_equal(p.size, p.count * KIB);
	return mem_strdup(buf_str(&out));
}

#define TWO "m-Q4_K_M.gguf m-Q4_K_S.gguf README.md"
#define SET "b/m-Q8_0-00002-of-00002.gguf b/m-Q8_0-00001-of-00002.gguf"
#define SORTED "b/m-Q8_0-00001-of-00002.gguf b/m-Q8_0-00002-of-00002.gguf"

static void the_files_of_one_model_are_picked(void **state)
{
	(void)state;
	static const struct {
		const char *names, *file, *picked;
	} cases[] = {
		{ "m.gguf README.md", NULL, "m.gguf" },
		{ "m.GGUF mmproj-m-f16.gguf imatrix.gguf", NULL, "m.GGUF" },
		{ "mmproj-m-f16.gguf", NULL, "mmproj-m-f16.gguf" },
		{ TWO, "q4_k_m", "m-Q4_K_M.gguf" },
		{ TWO, "m-Q4_K_S.gguf", "m-Q4_K_S.gguf" },
		{ TWO, "README.md", "README.md" },
		{ TWO, NULL, "exit 2" },
		{ TWO, "Q4_K", "exit 3" },
		{ "m.Q4_K_M.gguf m.Q8_0.gguf", "Q8_0", "m.Q8_0.gguf" },
		{ "m-Q4_K_XL.gguf m-UD-Q4_K_XL.gguf", "Q4_K_XL", "m-Q4_K_XL.gguf" },
		{ "m-Q4_K_XL.gguf m-UD-Q4_K_XL.gguf", "UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf" },
		{ "m-Q8_0.gguf mmproj-m-Q8_0.gguf", "Q8_0", "m-Q8_0.gguf" },
		{ "a-Q8_0.gguf b-Q8_0.gguf", "Q8_0", "exit 2" },
		{ "small/x.gguf large/x.gguf", "large", "large/x.gguf" },
		{ SET, NULL, SORTED },
		{ SET, "Q8_0", SORTED },
		{ SET, "b/m-Q8_0-00002-of-00002.gguf", SORTED },
		{ "m-00001-of-00002.gguf", NULL, "exit 6" },
		{ "m-00002-of-00002.gguf", NULL, "exit 6" },
		{ "config.json model.safetensors tokenizer.json x.py a.bin sub/config.json", NULL,
		  "config.json model.safetensors tokenizer.json" },
		{ "config.json consolidated.safetensors", NULL,
		  "config.json consolidated.safetensors" },
		{ "config.json model.safetensors m-Q8_0.gguf", NULL, "m-Q8_0.gguf" },
		{ "config.json", NULL, "exit 3" },
		{ "config.json pytorch_model.bin", NULL, "exit 6" },
		{ "", NULL, "exit 3" },
		{ "", "m.gguf", "exit 3" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(mem_free_ptr) char *picked = pick(cases[i].names, cases[i].file, &e);
		if (strcmp(picked, cases[i].picked) != 0)
			fail_msg("%s:%s: %s", cases[i].names, cases[i].file ? cases[i].file : "",
				 picked);
	}
}

static void several_are_listed_by_size_with_a_command(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	free(pick("a-Q8_0.gguf " SET, NULL, &e));
	assert_string_equal(e.text, "hf:o/r has several models: a-Q8_0.gguf (1.0 KiB), "
				    "b/m-Q8_0-00001-of-00002.gguf (2.0 KiB)");
	assert_string_equal(e.hint, "choose one, for example: ferry prepare m hf:o/r:a-Q8_0.gguf");
}

static void a_long_list_ends(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf names = BUF_INIT(64 * KIB);
	struct err e = ERR_INIT;
	for (int i = 0; i < 100; i++)
		buf_addf(&names, "a-model-with-a-long-name-number-%d-Q8_0.gguf ", i);
	free(pick(buf_str(&names), NULL, &e));
	assert_non_null(strstr(e.text, " more"));
	assert_true(e.class == ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_files_of_one_model_are_picked),
		cmocka_unit_test(several_are_listed_by_size_with_a_command),
		cmocka_unit_test(a_long_list_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
