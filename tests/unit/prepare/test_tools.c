#include "prepare/tools.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>

struct world {
	char *dir, *input, *output;
	struct settings_prepare settings;
	struct tools_quantize q;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	w->input = path_join(w->dir, "in.gguf");
	w->output = path_join(w->dir, "out.gguf");
	w->q = (struct tools_quantize){ .input = w->input, .output = w->output, .type = "Q4_K_M" };
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	scratch_free(w->dir);
	settings_prepare_release(&w->settings);
	free(w->input);
	free(w->output);
	free(w);
	return 0;
}

/* A tool that is this shell script; the caller frees its path. */
static char *make_tool(struct world *w, const char *name, const char *script)
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("#!/bin/sh\n%s\n", script);
	scratch_write(w->dir, name, text, strlen(text));
	char *path = path_join(w->dir, name);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

#define HELP "case $1 in --help) echo usage: llama-quantize model-f32.gguf; exit 1;; esac\n"

static void arguments_reach_the_tool_as_they_are(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) char *build = NULL;
	CLEANUP(mem_free_ptr) char *args = path_join(w->dir, "args");
	CLEANUP(mem_free_ptr) char *script =
		mem_printf(HELP "printf '%%s\\n' \"$@\" > '%s'\necho 'main: build = 8123 (abc)'",
			   args);
	w->settings.llama_quantize = make_tool(w, "llama-quantize", script);
	w->q.imatrix = "/x y/$(touch z).dat";
	w->q.allow_requantize = true;
	assert_ok(tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e), &w->e);
	assert_string_equal(build, "8123 (abc)");
	struct buf b = BUF_INIT(4096);
	assert_ok(file_read_all(args, &b, &w->e), &w->e);
	CLEANUP(mem_free_ptr) char *want =
		mem_printf("--allow-requantize\n--imatrix\n/x y/$(touch z).dat\n%s\n%s\nQ4_K_M\n",
			   w->input, w->output);
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
}

static void a_failure_tells_the_telling_line(void **state)
{
	struct world *w = *state;
	char *build = NULL;
	w->settings.llama_quantize = make_tool(w, "llama-quantize",
					       HELP "echo 'llama_model_quantize: failed to "
						    "quantize: tensor type q4_0 not allowed'\n"
						    "echo 'main: bye'; exit 1");
	assert_int_equal(tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e),
			 -ERR_INTEGRITY);
	assert_string_equal(w->e.text, "llama-quantize ended with status 1: llama_model_quantize: "
				       "failed to quantize: tensor type q4_0 not allowed");
	assert_null(build);
}

static void a_crash_is_explained(void **state)
{
	struct world *w = *state;
	char *build = NULL;
	w->settings.llama_quantize =
		make_tool(w, "llama-quantize",
			  HELP "echo 'GGML_ASSERT(n_head > 0) failed'; kill -ABRT $$");
	assert_int_equal(tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e), -ERR_SYSTEM);
	assert_non_null(strstr(w->e.text, "SIGABRT"));
	assert_non_null(strstr(w->e.text, "GGML_ASSERT(n_head > 0)"));
}

static void a_full_disk_is_named(void **state)
{
	struct world *w = *state;
	char *build = NULL;
	w->settings.llama_quantize = make_tool(w, "llama-quantize",
					       HELP
					       "echo 'write: No space left on device'; exit 1");
	assert_int_equal(tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e), -ERR_SYSTEM);
	assert_non_null(strstr(w->e.text, "the disk is full"));
}

static void another_program_of_that_name_is_not_run(void **state)
{
	struct world *w = *state;
	char *build = NULL;
	w->settings.llama_quantize = make_tool(w, "llama-quantize", "echo hello");
	assert_int_equal(tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e), -ERR_USAGE);
	assert_non_null(strstr(w->e.text, "does not behave like llama-quantize"));
}

static void a_missing_tool_says_what_to_install(void **state)
{
	struct world *w = *state;
	char *build = NULL;
	CLEANUP(mem_free_ptr) char *kept = mem_strdup(getenv("PATH"));
	setenv("PATH", w->dir, 1);
	int rc = tools_run_quantize(&w->settings, &w->q, NULL, &build, &w->e);
	setenv("PATH", kept, 1);
	assert_int_equal(rc, -ERR_NOT_FOUND);
	assert_string_equal(w->e.text, "llama-quantize is not installed");
	assert_non_null(strstr(w->e.hint, "[prepare]"));
}

static void types_are_checked_before_anything_runs(void **state)
{
	struct world *w = *state;
	assert_ok(tools_check_type("q4_k_m", false, &w->e), &w->e);
	assert_int_equal(tools_check_type("Q4_KM", false, &w->e), -ERR_USAGE);
	assert_string_equal(w->e.hint, "did you mean Q4_K_M?");
	struct err e = ERR_INIT;
	assert_int_equal(tools_check_type("IQ2_XS", false, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "importance matrix"));
	struct err none = ERR_INIT;
	assert_ok(tools_check_type("IQ2_XS", true, &none), &none);
}

static void sizes_are_estimated_not_too_low(void **state)
{
	(void)state;
	/* 7.24 billion weights: 4.37 GB as Q4_K_M, 7.70 GB as Q8_0, 14.5 GB as F16. */
	uint64_t n = 7241732096;
	assert_in_range(tools_quantized_bytes("Q4_K_M", n), 4370000000, 5200000000);
	assert_in_range(tools_quantized_bytes("Q8_0", n), 7700000000, 8800000000);
	assert_in_range(tools_quantized_bytes("f16", n), 14480000000, 14600000000);
}

static void missing_python_modules_are_named(void **state)
{
	struct world *w = *state;
	w->settings.convert_hf_to_gguf = make_tool(w, "convert_hf_to_gguf.py", "exit 0");
	w->settings.python =
		make_tool(w, "python",
			  "echo 'Traceback (most recent call last):'\n"
			  "echo \"ModuleNotFoundError: No module named 'torch'\"; exit 1");
	struct tools_convert c = { .dir = w->dir, .output = w->output };
	assert_int_equal(tools_run_convert(&w->settings, &c, NULL, &w->e), -ERR_NOT_FOUND);
	assert_non_null(strstr(w->e.text, "lacks the module 'torch'"));
	assert_non_null(strstr(w->e.hint, "requirements.txt"));
}

static void an_unknown_architecture_is_named(void **state)
{
	struct world *w = *state;
	w->settings.convert_hf_to_gguf = make_tool(w, "convert_hf_to_gguf.py", "exit 0");
	w->settings.python =
		make_tool(w, "python",
			  "echo 'ERROR:hf-to-gguf:Model FooForCausalLM is not supported'; exit 1");
	struct tools_convert c = { .dir = w->dir, .output = w->output };
	assert_int_equal(tools_run_convert(&w->settings, &c, NULL, &w->e), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "Model FooForCausalLM is not supported"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(arguments_reach_the_tool_as_they_are),
		TEST(a_failure_tells_the_telling_line),
		TEST(a_crash_is_explained),
		TEST(a_full_disk_is_named),
		TEST(another_program_of_that_name_is_not_run),
		TEST(a_missing_tool_says_what_to_install),
		TEST(types_are_checked_before_anything_runs),
		TEST(sizes_are_estimated_not_too_low),
		TEST(missing_python_modules_are_named),
		TEST(an_unknown_architecture_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
