#include "cli/session.h"
#include "cli/placeholders.h"
#include "cli/values.h"
#include "store/use.h"
#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ; /* POSIX: not in a header */
extern const struct command cmd_run;

struct run_opts {
	bool offline, without_path, yes;
	struct fetch_options fetch;
	struct fitting_opts fitting;
	struct network_opts network;
};

static const struct opt run_opts[] = {
	OPT_ENTRY(OPT_FLAG, run_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_ENTRY(OPT_FLAG, run_opts, without_path, 0, "without-path", NULL,
		  "run a program that finds the model by itself: its arguments need no {}"),
	OPT_ENTRY(OPT_SIZE, run_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	NETWORK_OPTS(run_opts, network),
	OPT_ENTRY(OPT_FLAG, run_opts, fetch.withdrawn, 0, "withdrawn", NULL,
		  "also a version that the publisher has withdrawn"),
	FITTING_OPTS(run_opts, fitting),
	OPT_ENTRY(OPT_FLAG, run_opts, yes, 'y', "yes", NULL,
		  "download without asking, also if it replaces a model in the store"),
	OPT_LAST,
};

static struct placeholders arguments(const struct cli *cli, int first)
{
	int count = cli->count - first - 1;
	return (struct placeholders){ cli->operands + first + 1, count > 0 ? (size_t)count : 0 };
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
	const struct placeholders args = arguments(cli, first);
	if (placeholders_has_model(&args) || o->without_path)
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

/* Until the program ends: the descriptors are never closed here. */
static int hold(const struct store *s, const struct fetch_result *r, struct err *e)
{
	CLEANUP(mem_free_ptr) struct store_file *files = mem_alloc((r->count + 1) * sizeof *files);
	struct store_use_hold h;
	for (size_t i = 0; i < r->count; i++)
		files[i] = (struct store_file){
			.name = (char *)r->files[i].name,
			.sha256 = r->files[i].sha256,
			.size = r->files[i].size,
		};
	int rc = store_use_hold(s, files, r->count, &h, e);
	if (rc == 0)
		free(h.fds);
	return rc;
}

/* What the arguments ask for must be there before it is downloaded. */
struct asking {
	const struct placeholders *args;
	struct retrieval asks; /* its confirm and ctx */
};

static int confirm(void *ctx, const struct retrieval *r, const struct reference *reference,
		   struct fetch_want *w, const char **instead, struct err *e)
{
	const struct asking *a = ctx;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s:%s", w->model->id, w->variant->id);
	int rc = placeholders_check_card(a->args, name, w->variant, e);
	return rc < 0 || !a->asks.confirm
		       ? rc
		       : a->asks.confirm(a->asks.ctx, r, reference, w, instead, e);
}

static int retrieve(struct retrieval *r, const struct placeholders *args,
		    const struct reference *reference, const struct fetch_options *options,
		    struct retrieved *out, struct err *e)
{
	struct asking a = { .args = args, .asks = { .confirm = r->confirm, .ctx = r->ctx } };
	r->confirm = confirm;
	r->ctx = &a;
	int rc = retrieve_model(r, reference, options, out, e);
	if (rc < 0)
		return rc;
	/* It may be what the store has, without the catalog. */
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s:%s", out->model, out->variant);
	return placeholders_check(args, name, &out->files, e);
}

/* The words of the program's command line. */
static int locate(struct cli *cli, const struct run_opts *o, int first,
		  const struct reference *reference, struct str_list *words, struct err *e)
{
	const struct placeholders args = arguments(cli, first);
	CLEANUP(retrieve_close) struct retrieval r = { 0 };
	CLEANUP(retrieve_release) struct retrieved model = { 0 };
	int rc = session_retrieve(cli, reference, 1, o->offline, NULL, &r, e);
	if (rc < 0)
		return rc;
	r.fitting = o->fitting;
	r.yes = o->yes;
	r.runs = true;
	rc = retrieve(&r, &args, reference, &o->fetch, &model, e);
	session_tell_sources(cli, &r.client);
	session_tell_faults(cli, &r.client);
	if (rc == 0)
		rc = hold(&r.client.store, &model.files, e);
	str_list_add(words, cli->operands[first]);
	for (size_t i = 0; rc == 0 && i < args.count; i++)
		str_list_take(words, placeholders_fill(args.args[i], &model.files));
	return rc;
}

/* Of private keys and mirrors, which the program has no business with. */
static void forget_secrets(void)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	for (char **v = environ; *v; v++)
		if (str_starts(*v, "FERRY_") && child_is_secret(*v))
			str_list_take(&names, mem_strndup(*v, strcspn(*v, "=")));
	for (size_t i = 0; i < names.count; i++)
		unsetenv(names.at[i]);
}

/* Replaces this process by the program, so exit status and signals are its own. */
static int become(struct cli *cli, struct str_list *words, struct err *e)
{
	str_list_take(words, NULL);
	int rc = cancel_check(cli->cancel, e);
	if (rc < 0)
		return rc;
	forget_secrets();
	child_default_signals();
	execvp(words->at[0], words->at);
	return err_sys(e, errno, "cannot run %s", words->at[0]);
}

static int run(struct cli *cli, struct err *e)
{
	const struct run_opts *o = cli->opts;
	CLEANUP(reference_release) struct reference r = { 0 };
	CLEANUP(str_list_release) struct str_list words = { 0 };
	int first = cli->count > 1 && strcmp(cli->operands[1], "--") == 0 ? 2 : 1;
	if (cli->json)
		return err_set(e, ERR_USAGE,
			       "--json cannot be used, because the output is that of the program");
	cli->network = &o->network;
	int rc = check_words(cli, first, e);
	if (rc == 0)
		rc = network_check(&o->network, NULL, e);
	if (rc == 0)
		rc = reference_parse(cli->operands[0], &r, e);
	if (rc == 0)
		rc = check_program(cli->operands[first], e);
	if (rc == 0)
		rc = locate(cli, o, first, &r, &words, e);
	return rc < 0 ? rc : become(cli, &words, e);
}

const struct command cmd_run = {
	.name = "run",
	.summary = "fetch a model if needed and run a program on it",
	.synopsis = (const char *const[]){ "MODEL[:VARIANT][@VERSION] [--] PROGRAM [ARGUMENT…]",
					   NULL },
	.description =
		"Fetches the model unless it is in the store, then replaces itself with the "
		"program. Every {} in the program's arguments is replaced by the path of "
		"the model (of its first shard), {projector}, {adapter}, {draft} and {imatrix} "
		"by those of the variant's other files; without any {}, nothing is run unless "
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
	.values = values_run,
};
