/* ferry manifest: create manifests, and check files against them and against SHA256SUMS. */
#include "cli/several.h"

#include "check/check.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

extern const struct command cmd_manifest;

/* ---- create ------------------------------------------------------------------------- */

struct create_opts {
	const char *output, *sums;
	bool to_stdout;
};

static const struct opt create_options[] = {
	OPT_HINTED(OPT_STRING, create_opts, output, 'o', "output", "PATH", HINT_FILE,
		   "write the manifest here (FILE" MANIFEST_SUFFIX "); only with one FILE"),
	OPT_ENTRY(OPT_FLAG, create_opts, to_stdout, 0, "stdout", NULL,
		  "print the manifest instead; only with one FILE"),
	OPT_HINTED(OPT_STRING, create_opts, sums, 0, "sums", "LIST", HINT_FILE,
		   "also write the digests to this SHA256SUMS; entries of other files are kept"),
	OPT_LAST,
};

struct create {
	struct cli *cli;
	const struct create_opts *opts;
	struct sums sums;
	json_t *files; /* borrowed from the document */
};

static int check_create(const struct create_opts *o, const struct cli *cli, struct err *e)
{
	if (o->to_stdout && o->output)
		return err_set(e, ERR_USAGE, "--stdout and --output exclude each other");
	if (o->to_stdout && cli->json)
		return err_set(e, ERR_USAGE,
			       "--stdout and --json exclude each other: the manifest is JSON");
	if ((o->to_stdout || o->output) && cli->count > 1)
		return err_set(e, ERR_USAGE, "%s takes one FILE only",
			       o->output ? "--output" : "--stdout");
	return 0;
}

/* Check this before hours of hashing. */
static int check_place(const char *out, const char *file, struct err *e)
{
	struct stat a, b;
	CLEANUP(mem_free_ptr) char *dir = path_dir(out);
	if (file_is_dir(out))
		return err_set(e, ERR_USAGE, "%s is a folder; the name of a file is needed", out);
	if (stat(out, &a) == 0 && stat(file, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return err_set(e, ERR_USAGE, "the manifest %s would replace the file itself", out);
	if (access(dir, W_OK | X_OK) < 0)
		return err_sys(e, errno, "cannot write %s", out);
	return 0;
}

static char *manifest_path(const struct create_opts *o, const char *file)
{
	return o->output ? mem_strdup(o->output) : mem_printf("%s%s", file, MANIFEST_SUFFIX);
}

static int open_list(struct create *c, struct err *e)
{
	const char *list = c->opts->sums;
	int rc = list ? check_place(list, "", e) : 0;
	return rc == 0 && list && file_exists(list) ? sums_load_to_change(list, &c->sums, e) : rc;
}

/* What can be checked before the first file is read. */
static int check_one(void *ctx, int i, struct err *e)
{
	const struct create *c = ctx;
	const char *file = c->cli->operands[i], *list = c->opts->sums;
	CLEANUP(mem_free_ptr) char *out = manifest_path(c->opts, file);
	CLEANUP(mem_free_ptr) char *name = NULL;
	int rc = file_exists(file) ? 0 : err_sys(e, ENOENT, "%s", file);
	if (rc == 0 && !c->opts->to_stdout)
		rc = check_place(out, file, e);
	if (rc == 0 && list)
		rc = check_place(list, file, e);
	if (rc == 0 && list)
		rc = sums_name_for(list, file, &name, e);
	return rc;
}

static void put_created(json_t *object, const struct manifest *m, const char *file,
			const char *path)
{
	json_put_string(object, "path", file);
	json_put_string(object, "manifest", path);
	json_put_u64(object, "size", m->grid.size);
	json_put_hex(object, "sha256", m->sha256.bytes, DIGEST_SIZE);
	json_put_u64(object, "piece_length", m->grid.piece_length);
	json_put_u64(object, "pieces", m->grid.count);
	json_put_bool(object, "gguf", m->gguf != NULL);
	if (m->gguf)
		json_put_u64(object, "tensors", m->tensor_count);
}

static int print_manifest(struct cli *cli, const struct manifest *m, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(json_release) json_t *document = manifest_json(m);
	int rc = json_rows(document, &text, e);
	cli_aloud(cli, true);
	if (rc == 0)
		cli_raw(cli, buf_str(&text));
	cli_aloud(cli, false);
	return rc;
}

static int create_one(void *ctx, int i, struct err *e)
{
	struct create *c = ctx;
	const char *file = c->cli->operands[i];
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(mem_free_ptr) char *path = manifest_path(c->opts, file);
	CLEANUP(mem_free_ptr) char *name = NULL;
	int rc = manifest_create(file, c->cli->report, c->cli->cancel, &m, e);
	if (rc == 0 && c->opts->sums)
		rc = sums_name_for(c->opts->sums, file, &name, e);
	if (rc < 0)
		return rc;
	if (name)
		sums_set(&c->sums, name, &m.sha256);
	if (c->opts->to_stdout)
		return print_manifest(c->cli, &m, e);
	rc = manifest_save(&m, path, e);
	if (rc < 0)
		return rc;
	json_t *object = json_push_object(c->files);
	put_created(object, &m, file, path);
	cli_say(c->cli, object, "{manifest}");
	return 0;
}

static void create_release(struct create *c)
{
	sums_release(&c->sums);
}

static int run_create(struct cli *cli, struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(create_release) struct create c = { .cli = cli, .opts = cli->opts };
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	c.files = json_put_array(document, "files");
	int rc = check_create(c.opts, cli, e);
	if (rc == 0)
		rc = open_list(&c, e);
	if (rc == 0)
		rc = several_each(&all, check_one, &c, e);
	if (rc == 0)
		rc = several_each(&all, create_one, &c, e);
	if (rc == 0 && c.opts->sums && json_array_size(c.files))
		rc = sums_save(&c.sums, c.opts->sums, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "sums", json_array_size(c.files) ? c.opts->sums : NULL);
	return several_result(&all, document, e);
}

static const struct command create_command = {
	.name = "create",
	.summary = "hash files and write their manifests",
	.synopsis = (const char *const[]){ "FILE…", NULL },
	.description =
		"Reads each file once and writes FILE" MANIFEST_SUFFIX
		" beside it: size, SHA-256, the SHA-256 of each piece, and for a GGUF its metadata "
		"and the SHA-256 of each tensor. A GGUF that is not valid is refused.",
	.opts = create_options,
	.opts_size = sizeof(struct create_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = -1,
	.run = run_create,
};

/* ---- check -------------------------------------------------------------------------- */

struct check_opts {
	bool quick, ignore_extra;
};

static const struct opt check_options[] = {
	OPT_ENTRY(OPT_FLAG, check_opts, quick, 0, "quick", NULL,
		  "check only sizes; report matching files as 'unverified'"),
	OPT_ENTRY(OPT_FLAG, check_opts, ignore_extra, 0, "ignore-extra", NULL,
		  "in folders, do not report files that no manifest or list covers"),
	OPT_LAST,
};

static void put_item(json_t *object, const struct check_item *item)
{
	const struct manifest_verdict *v = &item->verdict;
	enum check_status s = item->status;
	json_put_string(object, "path", item->path);
	json_put_string(object, "status", check_status_name(s));
	json_put_string(object, "manifest", item->manifest);
	json_put_string(object, "list", item->list);
	if (item->manifest && s != CHECK_UNREADABLE && s != CHECK_INVALID)
		json_put_u64(object, "size", item->size);
	if (s == CHECK_SIZE)
		json_put_u64(object, "actual_size", v->actual_size);
	if (s == CHECK_CONTENT && v->has_piece) {
		json_put_u64(object, "piece", v->piece);
		json_put_u64(object, "pieces", item->pieces);
		json_put_u64(object, "offset", v->piece_offset);
	}
	json_put_string(object, "reason", item->reason);
}

static const char *line_of(const struct check_item *item)
{
	switch (item->status) {
	case CHECK_UNVERIFIED:
		return "{path}: {status}: {manifest?the size is right:it exists}";
	case CHECK_SIZE:
		return "{path}: {status}: {actual_size} bytes, not {size}";
	case CHECK_CONTENT:
		return item->verdict.has_piece ? "{path}: {status}: the first wrong piece is "
						 "{piece}, at byte {offset}"
					       : "{path}: {status}: its SHA-256 is wrong";
	case CHECK_EXTRA:
		return "{path}: {status}: not in any manifest or list";
	default:
		return item->reason ? "{path}: {status}: {reason}" : "{path}: {status}";
	}
}

static json_t *checked(struct cli *cli, const struct check *c)
{
	json_t *document = cli_document(cli), *files = json_put_array(document, "files");
	json_t *summary = json_put_object(document, "summary");
	for (size_t i = 0; i < c->count; i++)
		put_item(json_push_object(files), &c->at[i]);
	for (int s = 0; s < CHECK_STATUSES; s++)
		json_put_u64(summary, check_status_name((enum check_status)s),
			     check_count(c, (enum check_status)s));
	if (c->notes.count)
		json_put(document, "notes", json_strings(&c->notes));
	return document;
}

static void print_checked(struct cli *cli, const struct check *c, json_t *document)
{
	CLEANUP(buf_release) struct buf counts = BUF_INIT(KIB);
	const json_t *files = json_object_get(document, "files");
	json_t *count;
	const char *status;
	for (size_t i = 0; i < c->count; i++) {
		enum check_status s = c->at[i].status;
		if (!cli->quiet || (s != CHECK_OK && s != CHECK_UNVERIFIED))
			cli_say(cli, json_array_get(files, i), line_of(&c->at[i]));
	}
	json_object_foreach (json_object_get(document, "summary"), status, count)
		if (json_integer_value(count))
			buf_addf(&counts, ", %lld %s", (long long)json_integer_value(count),
				 status);
	CLEANUP(mem_free_ptr) char *text = cli_fill(document, "{files#file}");
	if (cli->json)
		return;
	for (size_t i = 0; i < c->notes.count; i++)
		report_note(cli->report, "%s", c->notes.at[i]);
	report_note(cli->report, "%s%s", text, buf_str(&counts));
}

struct operands {
	struct cli *cli;
	struct check *check;
};

static int add_operand(void *ctx, int i, struct err *e)
{
	struct operands *o = ctx;
	return check_add(o->check, o->cli->operands[i], e);
}

static int add_operands(struct several *all, struct check *c, struct err *e)
{
	struct operands o = { all->cli, c };
	int rc = all->cli->count ? several_each(all, add_operand, &o, e) : check_add(c, ".", e);
	if (rc < 0 || c->count || all->failed)
		return rc;
	err_set(e, ERR_NOT_FOUND, "there is nothing to check");
	return err_hint(e, "give a manifest, a digest list, a file with its manifest beside it, "
			   "or a folder with some of these");
}

static int run_check(struct cli *cli, struct err *e)
{
	const struct check_opts *o = cli->opts;
	CLEANUP(several_release) struct several all;
	several_init(&all, cli);
	CLEANUP(check_release) struct check c = {
		.quick = o->quick,
		.ignore_extra = o->ignore_extra,
		.cancel = cli->cancel,
	};
	int rc = add_operands(&all, &c, e);
	if (rc == 0)
		rc = check_run(&c, cli->report, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = checked(cli, &c);
	json_put_bool(document, "ok", !check_found_fault(&c) && !all.failed);
	if (c.count)
		print_checked(cli, &c, document);
	rc = several_result(&all, document, e);
	return rc == 0 && check_found_fault(&c) ? -ERR_FAULT : rc;
}

static const struct command check_command = {
	.name = "check",
	.asked = true,
	.summary = "compare files with their manifests or SHA256SUMS",
	.synopsis = (const char *const[]){ "[MANIFEST|FILE|SHA256SUMS|DIR]…", NULL },
	.description = "Checks the file of each MANIFEST, each FILE against the manifest beside "
		       "it, each file that is listed in a SHA256SUMS, and all of these in a DIR "
		       "and its subfolders (by default the current folder), where other files are "
		       "reported as extra. Digest lists of other tools and of Windows are read, "
		       "too. Reports missing files, wrong sizes, and where the content first "
		       "differs. The exit status is 1 if anything is wrong.",
	.opts = check_options,
	.opts_size = sizeof(struct check_opts),
	.operand_hint = HINT_FILE,
	.max_operands = -1,
	.run = run_check,
};

const struct command cmd_manifest = {
	.name = "manifest",
	.summary = "create and check manifests and SHA256SUMS",
	.subs = (const struct command *const[]){ &create_command, &check_command, NULL },
};
