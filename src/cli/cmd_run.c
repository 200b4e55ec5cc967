#include "cli/retrieve.h"
#include "cli/values.h"
#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct command cmd_run;

struct run_opts {
	bool offline, without_path;
	struct fetch_options fetch;
};

static const struct opt run_opts[] = {
	OPT_ENTRY(OPT_FLAG, run_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_ENTRY(OPT_FLAG, run_opts, without_path, 0, "without-path", NULL,
		  "run a program that finds the model by itself: its arguments need no {}"),
	OPT_ENTRY(OPT_SIZE, run_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	OPT_ENTRY(OPT_FLAG, run_opts, fetch.withdrawn, 0, "withdrawn", NULL,
		  "also a version that the publisher has withdrawn"),
	OPT_LAST,
};

static bool has_braces(const struct cli *cli, int first)
{
	for (int i = first + 1; i < cli->count; i++)
		if (strstr(cli->operands[i], "{}"))
			return true;
	return false;
}

/* What cannot be meant, before gigabytes are downloaded. */
static int check_words(const struct cli *cli, int first, struct err *e)
{
	const struct run_opts *o = cli->opts;
	const char *model = cli->operands[0];
	if (first >= cli->count) {
		err_set(e, ERR_USAGE, "the program to run is missing");
		return err_hint(e, "for example: ferry run %s -- llama-server -m {}", model);
	}
	const char *program = cli->operands[first];
	if (!program[0]) {
		err_set(e, ERR_USAGE, "the name of the program is empty");
		return err_hint(e, "is a variable of the script not set?");
	}
	if (program[0] == '-') {
		err_set(e, ERR_USAGE, "expected the program to run, not %s", program);
		return err_hint(e, "options of ferry run must come before the model");
	}
	if (has_braces(cli, first) || o->without_path)
		return 0;
	err_set(e, ERR_USAGE, "no argument of %s has {}, so it would not get the model", program);
	return err_hint(e,
			"write {} where the path of the model belongs: ferry run %s -- %s -m {}; "
			"for a program that needs no path, use --without-path before %s",
			model, program, model);
}

/* Check this, too, before that. */
static int check_program(const char *program, struct err *e)
{
	const char *path = getenv("PATH");
	CLEANUP(str_list_release) struct str_list dirs = { 0 };
	if (strchr(program, '/')) {
		if (access(program, X_OK) == 0)
			return 0;
		return err_sys(e, errno, "cannot run %s", program);
	}
	str_list_split(&dirs, path ? path : "/usr/bin:/bin", ":");
	for (size_t i = 0; i < dirs.count; i++) {
		CLEANUP(mem_free_ptr) char *at = path_join(dirs.at[i], program);
		if (access(at, X_OK) == 0 && !file_is_dir(at))
			return 0;
	}
	err_set(e, ERR_NOT_FOUND, "the program %s is not on PATH", program);
	return err_hint(e, "install it, or give its path");
}

static int locate(struct cli *cli, const struct run_opts *o, const struct reference *reference,
		  char **out, struct err *e)
{
	CLEANUP(retrieve_close) struct retrieval r = { 0 };
	CLEANUP(retrieve_release) struct retrieved model = { 0 };
	int rc = retrieve_open(cli, reference, 1, o->offline, NULL, &r, e);
	if (rc < 0)
		return rc;
	rc = retrieve_model(&r, reference, &o->fetch, &model, e);
	session_tell_faults(cli, &r.session);
	if (rc == 0)
		*out = STEAL(model.files.files[0].path);
	return rc;
}

static char *replace_braces(const char *arg, const char *path)
{
	struct buf b = BUF_INIT(16 * MIB);
	const char *at;
	for (; (at = strstr(arg, "{}")); arg = at + 2) {
		buf_add(&b, arg, (size_t)(at - arg));
		buf_adds(&b, path);
	}
	buf_adds(&b, arg);
	return buf_steal(&b);
}

/* Replaces this process by the program, so exit status and signals are its own. */
static int become(struct cli *cli, int first, const char *path, struct err *e)
{
	CLEANUP(str_list_release) struct str_list args = { 0 };
	str_list_add(&args, cli->operands[first]);
	for (int i = first + 1; i < cli->count; i++)
		str_list_take(&args, replace_braces(cli->operands[i], path));
	str_list_take(&args, NULL);
	int rc = cancel_check(cli->cancel, e);
	if (rc < 0)
		return rc;
	/* It protects private keys, which the program has no business with. */
	unsetenv("FERRY_PASSPHRASE");
	child_default_signals();
	execvp(args.at[0], args.at);
	return err_sys(e, errno, "cannot run %s", args.at[0]);
}

static int run(struct cli *cli, struct err *e)
{
	const struct run_opts *o = cli->opts;
	CLEANUP(reference_release) struct reference r = { 0 };
	CLEANUP(mem_free_ptr) char *path = NULL;
	int first = cli->count > 1 && strcmp(cli->operands[1], "--") == 0 ? 2 : 1;
	if (cli->json)
		return err_set(e, ERR_USAGE,
			       "--json cannot be used, because the output is that of the program");
	int rc = check_words(cli, first, e);
	if (rc == 0)
		rc = reference_parse(cli->operands[0], &r, e);
	if (rc == 0)
		rc = check_program(cli->operands[first], e);
	if (rc == 0)
		rc = locate(cli, o, &r, &path, e);
	return rc < 0 ? rc : become(cli, first, path, e);
}

const struct command cmd_run = {
	.name = "run",
	.summary = "fetch a model if needed and run a program on it",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT][@VERSION] [--] PROGRAM [ARGUMENT…]",
					   NULL },
	.description =
		"Fetches the model unless it is in the store, then replaces itself with the "
		"program. Every {} in the program's arguments is replaced by the path of "
		"the model (of its first shard); without any {}, nothing is run unless "
		"--without-path is given. No shell is involved. If the "
		"catalog cannot be refreshed, or no mirror has the model, the verified model "
		"in the store is used, with a warning.",
	.opts = run_opts,
	.opts_size = sizeof(struct run_opts),
	.stop_at_operand = true,
	.operand_hint = HINT_STORED,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
	.values = values_client,
};
