#include "cli/catalog/backup.h"

#include "cli/catalog/place.h"
#include "repository/backup.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/owner.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

struct backup_opts {
	struct catalog_opts common; /* first: its options are these */
	bool objects, with_keys, plain_keys;
	bool replace;
};

/* ---- backup ---- */

static const struct opt backup_opts[] = {
	OPT_ENTRY(OPT_FLAG, backup_opts, objects, 0, "objects", NULL,
		  "with the model files; without them, they can be fetched from a mirror again"),
	OPT_ENTRY(OPT_FLAG, backup_opts, with_keys, 0, "with-keys", NULL,
		  "with the folder of keys: private keys must be encrypted"),
	OPT_ENTRY(OPT_FLAG, backup_opts, plain_keys, 0, "plain-keys", NULL,
		  "with the folder of keys, even if private keys are not encrypted: keep the "
		  "backup where nobody else can read it"),
	CATALOG_OPT_PLACE,
	CATALOG_OPT_KEYS,
	OPT_LAST,
};

/* A path in ferry.conf that also works elsewhere, because it is relative; else `otherwise`. */
static char *name_in(const char *dir, const char *path, const char *otherwise)
{
	CLEANUP(mem_free_ptr) char *base = path_absolute(dir ? dir : ".");
	CLEANUP(mem_free_ptr) char *full = path_absolute(path);
	size_t len = strlen(base);
	bool inside = str_starts(full, base) && full[len] == '/' && path_is_key(full + len + 1) &&
		      full[len + 1] != '.' && !strstr(full + len, "/.");
	return mem_strdup(inside ? full + len + 1 : otherwise);
}

/* Of the folders in the archive. */
struct names {
	char *dir, *keys;
};

static void names_release(struct names *n)
{
	free(n->dir);
	free(n->keys);
}

static int fill(struct cli *cli, const struct backup_opts *o, const struct place *p,
		struct names *names, struct backup *b, struct err *e)
{
	const struct conf *conf;
	int rc = cli_conf(cli, &conf, e);
	if (rc < 0)
		return rc;
	bool keys = o->with_keys || o->plain_keys;
	if (keys && !p->keys) {
		err_set(e, ERR_USAGE, "no folder of keys is configured");
		return err_hint(e, "set keys in [repository.NAME], or use --keys DIR");
	}
	if (!file_is_dir(p->dir)) {
		err_set(e, ERR_NOT_FOUND, "%s: there is no repository", p->dir);
		return err_hint(e, "`ferry catalog init` creates one");
	}
	names->dir = name_in(conf->dir, p->dir, "repository");
	names->keys = keys ? name_in(conf->dir, p->keys, "keys") : NULL;
	*b = (struct backup){
		.repository = p->name,
		.dir = p->dir,
		.dir_name = names->dir,
		.keys = keys ? p->keys : NULL,
		.keys_name = names->keys,
		.conf = p->name ? conf->path : NULL,
		.objects = o->objects,
		.plain_keys = o->plain_keys,
		.now_s = (int64_t)time(NULL),
		.cancel = cli->cancel,
		.report = cli->report,
	};
	return 0;
}

static int tell_backup(struct cli *cli, const struct backup *b, const struct backup_result *r,
		       struct err *e)
{
	CLEANUP(json_release) json_t *document = cli_document(cli);
	uint64_t size = 0;
	int rc = file_size(cli->operands[0], &size, e);
	if (rc < 0)
		return rc;
	json_put_string(document, "path", cli->operands[0]);
	json_put_string(document, "repository", b->repository);
	json_put_u64(document, "release", r->release);
	json_put_u64(document, "files", r->files);
	json_put_u64(document, "keys", r->keys);
	json_put_bool(document, "objects", b->objects);
	json_put_u64(document, "bytes", r->bytes);
	json_put_u64(document, "size", size);
	cli_say(cli, document, "wrote {path}: release {release}, {files#file}, {size:size}");
	cli_say(cli, document,
		r->keys ? "with {keys} files of keys: keep it where nobody else can read it"
			: "without keys (--with-keys saves them, too)");
	return cli_result(cli, document, e);
}

static int run_backup(struct cli *cli, struct err *e)
{
	const struct backup_opts *o = cli->opts;
	CLEANUP(place_release) struct place p = { 0 };
	CLEANUP(names_release) struct names names = { 0 };
	struct backup b = { 0 };
	struct backup_result result = { 0 };
	int rc = place_load(cli, &o->common, &p, e);
	if (rc == 0)
		rc = fill(cli, o, &p, &names, &b, e);
	if (rc == 0)
		rc = backup_write(&b, cli->operands[0], &result, e);
	return rc < 0 ? rc : tell_backup(cli, &b, &result, e);
}

const struct command cmd_catalog_backup = {
	.name = "backup",
	.summary = "save what is needed to publish from another machine",
	.synopsis = (const char *const[]){ "FILE.tar.zst", NULL },
	.description =
		"Writes cards, drafts, metadata, catalog, ferry.conf and what push keeps to "
		"one archive. Model files and keys are saved only on request. `ferry catalog "
		"restore` puts them back.",
	.opts = backup_opts,
	.opts_size = sizeof(struct backup_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_backup,
};

/* ---- restore ---- */

static const struct opt restore_opts[] = {
	OPT_ENTRY(OPT_FLAG, backup_opts, common.dry_run, 'n', "dry-run", NULL,
		  "check the backup and show what would be put in place; change nothing"),
	OPT_ENTRY(OPT_FLAG, backup_opts, replace, 0, "replace", NULL,
		  "cards and drafts in the folder that differ from those of the backup are "
		  "replaced or removed"),
	OPT_LAST,
};

static json_t *restored(struct cli *cli, const char *dir, const struct backup_opts *o,
			const struct backup_restored *r)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "path", cli->operands[0]);
	json_put_string(document, "directory", dir);
	json_put_string(document, "repository", r->repository);
	json_put_string(document, "tree", r->tree);
	json_put_string(document, "keys", r->keys);
	json_put_u64(document, "release", r->release);
	json_put_bool(document, "dry_run", o->common.dry_run);
	json_put_u64(document, "files", r->files);
	json_put_u64(document, "placed", r->placed);
	json_put_u64(document, "bytes", r->bytes);
	json_put(document, "kept", json_strings(&r->kept));
	return document;
}

static void print_restored(struct cli *cli, const json_t *document)
{
	const json_t *path;
	size_t i;
	cli_aloud(cli, json_flag(document, "dry_run"));
	cli_say(cli, document,
		"release {release}: {dry_run?would put:put} {placed} of {files#file} into "
		"{directory}");
	json_array_foreach (json_object_get(document, "kept"), i, path)
		cli_say(cli, path, "{} differs from that of the backup and stays");
	cli_aloud(cli, false);
	if (!json_flag(document, "dry_run"))
		cli_note(cli, document,
			 "next: `ferry catalog status`; `ferry verify` shows whether a mirror has "
			 "a newer release");
}

static int run_restore(struct cli *cli, struct err *e)
{
	const struct backup_opts *o = cli->opts;
	CLEANUP(backup_restored_release) struct backup_restored result = { 0 };
	const struct backup_restoring how = {
		.dir = cli->count > 1 ? cli->operands[1] : ".",
		.replace = o->replace,
		.dry_run = o->common.dry_run,
		.cancel = cli->cancel,
		.report = cli->report,
	};
	/* What is in it decides which programs run. */
	int rc = owner_check(cli->operands[0], cli_trust(cli), e);
	if (rc < 0)
		return err_hint(e, "if you trust it, make a copy of it that belongs to you");
	rc = backup_restore(cli->operands[0], &how, &result, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = restored(cli, how.dir, o, &result);
	print_restored(cli, document);
	return cli_result(cli, document, e);
}

const struct command cmd_catalog_restore = {
	.name = "restore",
	.summary = "put a backup back",
	.synopsis = (const char *const[]){ "FILE.tar.zst [DIR]", NULL },
	.description =
		"Unpacks and verifies the archive, then puts ferry.conf, the repository's tree and "
		"the keys into DIR (default: the current folder). A tree that is newer, or that is "
		"another repository, is not touched; ferry.conf and keys that are there stay.",
	.opts = restore_opts,
	.opts_size = sizeof(struct backup_opts),
	.operand_hint = HINT_FILE,
	.min_operands = 1,
	.max_operands = 2,
	.run = run_restore,
};
