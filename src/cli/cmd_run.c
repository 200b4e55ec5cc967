#include "cli/session.h"
#include "fetch/fetch.h"
#include "util/child.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

extern const struct command cmd_run;

struct run_opts {
	bool offline;
	struct fetch_options fetch;
};

static const struct opt run_opts[] = {
	OPT_ENTRY(OPT_FLAG, run_opts, offline, 0, "offline", NULL,
		  "do not use the network: use only the store"),
	OPT_ENTRY(OPT_SIZE, run_opts, fetch.limit_rate, 0, "limit-rate", "SIZE",
		  "maximum bytes per second: 500K, 10M"),
	OPT_LAST,
};

/* Check this before gigabytes are downloaded. */
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

static int fetch_path(struct cli *cli, const struct run_opts *o, const struct reference *r,
		      char **out, struct err *e)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(fetch_result_release) struct fetch_result result = { 0 };
	struct remote *c;
	const struct card *model;
	const struct card_variant *variant;
	int rc = session_open(cli, r->repository, o->offline, &s, e);
	if (rc < 0)
		return rc;
	rc = remotes_resolve(&s.remotes, r, &c, &model, &variant, e);
	if (rc == 0)
		rc = fetch_variant(c, model, variant, &o->fetch, &result, e);
	session_tell_faults(cli, &s);
	if (rc == 0)
		*out = STEAL(result.files[0].path);
	return rc;
}

static int stored_path(struct cli *cli, const struct reference *r, char **out, struct err *e)
{
	CLEANUP(store_close) struct store s = { 0 };
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	const struct store_variant *v;
	int rc = session_store(cli, &s, e);
	if (rc == 0)
		rc = fetch_from_store(&s, r->repository, r->model, r->variant, &all, &v, e);
	if (rc == 0)
		*out = path_join(v->dir, v->files[0].name);
	return rc;
}

/* A model that was verified when it was stored can be run if no endpoint answers, but not if
 * trust has failed. */
static int locate(struct cli *cli, const struct run_opts *o, const struct reference *r, char **out,
		  struct err *e)
{
	struct err ignored = ERR_INIT, why = ERR_INIT;
	int rc = fetch_path(cli, o, r, out, &why);
	if (rc == 0)
		return 0;
	bool may = rc == -ERR_NETWORK || (o->offline && (rc == -ERR_NOT_FOUND || rc == -ERR_USAGE));
	if (!may || stored_path(cli, r, out, &ignored) < 0) {
		*e = why;
		return rc;
	}
	if (!o->offline)
		report_warn(cli->report, "%s; using the model in the store", why.text);
	return 0;
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
	if (first >= cli->count) {
		err_set(e, ERR_USAGE, "the program to run is missing");
		return err_hint(e, "for example: ferry run %s -- llama-server -m {}",
				cli->operands[0]);
	}
	int rc = reference_parse(cli->operands[0], &r, e);
	if (rc == 0)
		rc = check_program(cli->operands[first], e);
	if (rc == 0)
		rc = locate(cli, o, &r, &path, e);
	return rc < 0 ? rc : become(cli, first, path, e);
}

const struct command cmd_run = {
	.name = "run",
	.summary = "fetch a model if needed and run a program on it",
	.synopsis = (const char *const[]){ "[REPOSITORY/]MODEL[:VARIANT] [--] PROGRAM [ARGUMENT…]",
					   NULL },
	.description = "Fetches the model unless it is in the store, then replaces itself with the "
		       "program. Every {} in the program's arguments is replaced by the path of "
		       "the model (of its first shard). No shell is involved. If no mirror "
		       "answers, the model in the store is used.",
	.opts = run_opts,
	.opts_size = sizeof(struct run_opts),
	.stop_at_operand = true,
	.operand_hint = HINT_MODEL,
	.min_operands = 1,
	.max_operands = -1,
	.run = run,
};
