#include "prepare/tools.h"

#include "gguf/gguf.h"
#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PROBE_TIMEOUT_S 30
#define WHERE_QUANTIZE \
	"install llama.cpp's tools (https://github.com/ggml-org/llama.cpp) so that " \
	"llama-quantize is on PATH, or set llama-quantize = FILE in [prepare] of ferry.conf"
#define WHERE_CONVERT \
	"get llama.cpp's source (https://github.com/ggml-org/llama.cpp), which contains " \
	"convert_hf_to_gguf.py, and put it on PATH or set convert-hf-to-gguf = FILE in [prepare] " \
	"of ferry.conf"

/* ---- finding ------------------------------------------------------------------------ */

static int find(const char *conf, const char *const *names, const char *hint, char **out,
		struct err *e)
{
	*out = conf ? mem_strdup(conf) : NULL;
	for (const char *const *n = names; !*out && *n; n++)
		*out = child_on_path(*n);
	if (*out)
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s is not installed", names[0]);
	return err_hint(e, "%s", hint);
}

/* ---- explaining --------------------------------------------------------------------- */

/* The most informative line: the last with one of these marks, else the last that is not empty.
 * The caller frees. */
static char *telling_line(const struct buf *output, const char *const *marks)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(output), "\r\n");
	const char *found = NULL;
	for (const char *const *m = marks; *m && !found; m++)
		for (size_t i = lines.count; i > 0 && !found; i--)
			if (strstr(lines.at[i - 1], *m))
				found = lines.at[i - 1];
	for (size_t i = lines.count; i > 0 && !found; i--)
		if (strspn(lines.at[i - 1], " \t") < strlen(lines.at[i - 1]))
			found = lines.at[i - 1];
	return text_escaped(found ? found : "(no output)");
}

/* The end of a tool's output, for a message. */
static void show_output(const struct buf *output, const char *name, struct report *report)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	str_list_split(&lines, buf_str(output), "\r\n");
	for (size_t i = lines.count > 15 ? lines.count - 15 : 0; i < lines.count; i++)
		report_note(report, "%s: %s", name, lines.at[i]);
}

static bool disk_is_full(const struct buf *output, const char *path)
{
	struct err ignored = ERR_INIT;
	uint64_t space;
	if (strstr(buf_str(output), "No space left"))
		return true;
	return file_space(path, &space, &ignored) == 0 && space < MIB;
}

/* The error for a tool that failed. */
static int tool_failed(const struct child_result *r, const char *name, const char *output_path,
		       const char *const *marks, struct report *report, struct err *e)
{
	char how[160];
	CLEANUP(mem_free_ptr) char *line = telling_line(&r->output, marks);
	bool exited = !r->timed_out && (r->status & 0x7f) == 0;
	show_output(&r->output, name, report);
	if (disk_is_full(&r->output, output_path)) {
		err_set(e, ERR_SYSTEM, "%s: the disk is full", name);
		return err_hint(e, "free some space or choose another disk with -o, then run the "
				   "same command again");
	}
	err_set(e, exited ? ERR_INTEGRITY : ERR_SYSTEM, "%s %s: %.300s", name,
		child_describe(r, how, sizeof how), line);
	return err_hint(e, "run again with -v to see all its messages; the file that it wrote was "
			   "removed");
}

/* ---- llama-quantize ----------------------------------------------------------------- */

/* The names of the types that llama-quantize makes; the caller frees the array. */
static const char **quantize_types(size_t *count)
{
	const struct gguf_file_type *type;
	size_t cap = 0;
	const char **names = NULL;
	*count = 0;
	for (size_t i = 0; (type = gguf_file_type_at(i)); i++)
		if (type->name && type->flags & GGUF_FILE_TYPE_MADE) {
			names = mem_grow(names, *count, &cap, sizeof *names);
			names[(*count)++] = type->name;
		}
	return names;
}

static int unknown_type(const char *type, struct err *e)
{
	size_t count;
	CLEANUP(mem_free_ptr) const char **names = quantize_types(&count);
	const char *near = text_nearest(type, names, count);
	err_set(e, ERR_USAGE, "--quantize: unknown type '%s'", type);
	return err_hint(e, near ? "did you mean %s?" : "for example %s", near ? near : "Q4_K_M");
}

int tools_check_type(const char *name, bool has_imatrix, struct err *e)
{
	int index = gguf_file_type_named(name);
	unsigned flags = index < 0 ? 0 : gguf_file_type_at((size_t)index)->flags;
	if (!(flags & GGUF_FILE_TYPE_MADE))
		return unknown_type(name, e);
	if (has_imatrix || !(flags & GGUF_FILE_TYPE_IMATRIX))
		return 0;
	err_set(e, ERR_USAGE, "--quantize %s needs an importance matrix", name);
	return err_hint(e, "make one with llama-imatrix and give it with --imatrix FILE");
}

uint64_t tools_quantized_bytes(const char *type, uint64_t elements)
{
	const char *digit = type + strcspn(type, "0123456789");
	unsigned bits = (unsigned)strtoul(digit, NULL, 10);
	/* Scales and tensors of larger types add about one and a half bits. */
	uint64_t eighths = toupper((unsigned char)type[0]) == 'F' ||
					   toupper((unsigned char)type[0]) == 'B'
				   ? bits * 8
				   : bits * 8 + 12;
	return elements / 64 * eighths + 16 * MIB;
}

static int find_quantize(const struct settings_prepare *set, char **path, struct err *e)
{
	static const char *const names[] = { "llama-quantize", NULL };
	return find(set->llama_quantize, names, WHERE_QUANTIZE, path, e);
}

char *tools_quantize_path(const struct settings_prepare *set)
{
	char *path = NULL;
	struct err missing = ERR_INIT;
	return find_quantize(set, &path, &missing) < 0 ? NULL : path;
}

int tools_need_quantize(const struct settings_prepare *set, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	return find_quantize(set, &path, e);
}

/* `--help` exits with status 1; its output shows whether it is the right program. */
static int probe_quantize(const char *path, const struct tools_quantize *q, struct report *report,
			  struct err *e)
{
	const char *argv[] = { path, "--help", NULL };
	struct child c = { .argv = argv, .timeout_s = PROBE_TIMEOUT_S, .cancel = q->cancel };
	CLEANUP(child_result_release) struct child_result r = { 0 };
	int rc = child_run(&c, &r, e);
	if (rc < 0)
		return rc;
	const char *text = buf_str(&r.output);
	if (!strcasestr(text, "usage") || !strcasestr(text, "quantiz")) {
		char how[160];
		show_output(&r.output, "llama-quantize", report);
		err_set(e, ERR_USAGE, "%s does not behave like llama-quantize: with --help it %s",
			path, child_describe(&r, how, sizeof how));
		return err_hint(e, "%s", WHERE_QUANTIZE);
	}
	if (strcasestr(text, "quantization types") && !strcasestr(text, q->type)) {
		err_set(e, ERR_USAGE, "this llama-quantize does not support %s", q->type);
		return err_hint(e, "use a newer llama.cpp than %s", path);
	}
	return 0;
}

/* "main: build = 8123 (1a2b3c4)" → "8123 (1a2b3c4)". */
static char *build_of(const struct buf *head)
{
	const char *at = strstr(buf_str(head), "build = ");
	if (!at)
		return NULL;
	at += strlen("build = ");
	size_t len = strcspn(at, "\r\n");
	CLEANUP(mem_free_ptr) char *raw = mem_strndup(at, MIN(len, (size_t)60));
	return text_escaped(raw);
}

#define MAX_WORDS 10 /* of a command line, with the NULL at its end */

static void quantize_words(const char *path, const struct tools_quantize *q, const char *imatrix,
			   const char *input, const char *output, const char **argv)
{
	size_t n = 0;
	argv[n++] = path;
	if (q->allow_requantize)
		argv[n++] = "--allow-requantize";
	if (imatrix) {
		argv[n++] = "--imatrix";
		argv[n++] = imatrix;
	}
	argv[n++] = input;
	argv[n++] = output;
	argv[n++] = q->type;
	argv[n] = NULL;
}

int tools_run_quantize(const struct settings_prepare *set, const struct tools_quantize *q,
		       struct report *report, char **build, struct err *e)
{
	static const char *const marks[] = { "failed to quantize:", "error:", "Please do not",
					     "failed", NULL };
	CLEANUP(mem_free_ptr) char *path = NULL;
	CLEANUP(mem_free_ptr) char *input = path_absolute(q->input);
	CLEANUP(mem_free_ptr) char *output = path_absolute(q->output);
	CLEANUP(mem_free_ptr) char *imatrix = q->imatrix ? path_absolute(q->imatrix) : NULL;
	CLEANUP(mem_free_ptr) char *task = mem_printf("quantize to %s", q->type);
	CLEANUP(child_result_release) struct child_result r = { 0 };
	int rc = find_quantize(set, &path, e);
	if (rc == 0)
		rc = probe_quantize(path, q, report, e);
	if (rc < 0)
		return rc;
	const char *argv[MAX_WORDS];
	quantize_words(path, q, imatrix, input, output, argv);
	struct child c = {
		.argv = argv,
		.report = report,
		.task = task,
		.watch = output,
		.expected = q->expected_bytes,
		.cancel = q->cancel,
	};
	rc = child_run(&c, &r, e);
	if (rc < 0)
		return rc;
	if (!child_ok(&r))
		return tool_failed(&r, "llama-quantize", output, marks, report, e);
	*build = build_of(&r.head);
	return 0;
}

/* ---- convert_hf_to_gguf.py ---------------------------------------------------------- */

int tools_check_outtype(const char *outtype, struct err *e)
{
	static const char *const types[] = {
		"f32", "f16", "bf16", "q8_0", "tq1_0", "tq2_0", "auto",
	};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(outtype, types[i]) == 0)
			return 0;
	CLEANUP(buf_release) struct buf list = BUF_INIT(KIB);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		buf_addf(&list, "%s%s",
			 i == 0                     ? ""
			 : i + 1 < ARRAY_LEN(types) ? ", "
						    : " or ",
			 types[i]);
	err_set(e, ERR_USAGE, "--outtype: unknown type '%s'", outtype);
	return err_hint(e, "%s; for smaller ones add --quantize TYPE", buf_str(&list));
}

/* The reason of a failed Python program, if the traceback shows it. */
static int explain_python(const char *python, const struct buf *output, struct err *e)
{
	const char *text = buf_str(output);
	const char *module = strstr(text, "No module named ");
	if (module) {
		module += strlen("No module named ");
		CLEANUP(mem_free_ptr) char *raw =
			mem_strndup(module, MIN(strcspn(module, "\r\n"), (size_t)60));
		CLEANUP(mem_free_ptr) char *name = text_escaped(raw);
		err_set(e, ERR_NOT_FOUND,
			"%s lacks the module %s, which convert_hf_to_gguf.py needs", python, name);
		return err_hint(e, "install llama.cpp's requirements.txt into a virtual "
				   "environment and set python = FILE in [prepare] of ferry.conf");
	}
	const char *model = strstr(text, "is not supported");
	if (strstr(text, "NotImplementedError") || (model && strstr(text, "Model "))) {
		static const char *const marks[] = { "is not supported", "not supported",
						     "NotImplementedError", NULL };
		CLEANUP(mem_free_ptr) char *line = telling_line(output, marks);
		err_set(e, ERR_INTEGRITY, "convert_hf_to_gguf.py cannot convert this model: %.300s",
			line);
		return err_hint(e, "a newer llama.cpp may support this architecture");
	}
	return 0;
}

/* *python is NULL for a wrapper without .py, which has its own interpreter. */
static int find_convert(const struct settings_prepare *set, char **script, char **python,
			struct err *e)
{
	static const char *const names[] = { "convert_hf_to_gguf.py", "convert-hf-to-gguf.py",
					     "convert-hf-to-gguf", NULL };
	static const char *const pythons[] = { "python3", "python", NULL };
	int rc = find(set->convert_hf_to_gguf, names, WHERE_CONVERT, script, e);
	if (rc == 0 && (set->python || str_ends(*script, ".py")))
		rc = find(set->python, pythons,
			  "install Python 3, or set python = PATH in [prepare] of ferry.conf",
			  python, e);
	return rc;
}

char *tools_convert_path(const struct settings_prepare *set)
{
	CLEANUP(mem_free_ptr) char *python = NULL;
	char *script = NULL;
	struct err missing = ERR_INIT;
	if (find_convert(set, &script, &python, &missing) < 0)
		mem_free_ptr(&script);
	return script;
}

static void convert_words(const char *python, const char *script, const struct tools_convert *q,
			  const char *dir, const char *output, const char **argv)
{
	size_t n = 0;
	if (python)
		argv[n++] = python;
	argv[n++] = script;
	argv[n++] = dir;
	argv[n++] = "--outfile";
	argv[n++] = output;
	if (q->outtype) {
		argv[n++] = "--outtype";
		argv[n++] = q->outtype;
	}
	argv[n] = NULL;
}

int tools_run_convert(const struct settings_prepare *set, const struct tools_convert *q,
		      struct report *report, struct err *e)
{
	static const char *const marks[] = { "Error: ", "ERROR:", NULL };
	CLEANUP(mem_free_ptr) char *script = NULL;
	CLEANUP(mem_free_ptr) char *python = NULL;
	CLEANUP(mem_free_ptr) char *dir = path_absolute(q->dir);
	CLEANUP(mem_free_ptr) char *output = path_absolute(q->output);
	CLEANUP(child_result_release) struct child_result r = { 0 };
	int rc = find_convert(set, &script, &python, e);
	if (rc < 0)
		return rc;
	const char *argv[MAX_WORDS];
	convert_words(python, script, q, dir, output, argv);
	struct child c = {
		.argv = argv,
		.report = report,
		.task = "convert to GGUF",
		.watch = output,
		.expected = q->expected_bytes,
		.cancel = q->cancel,
	};
	rc = child_run(&c, &r, e);
	if (rc < 0 || child_ok(&r))
		return rc;
	rc = explain_python(python ? python : script, &r.output, e);
	return rc < 0 ? rc : tool_failed(&r, "convert_hf_to_gguf.py", output, marks, report, e);
}
