#include "cli/bundling.h"

#include "publish/bundle.h"
#include "publish/only.h"
#include "util/mem.h"

static json_t *bundled(struct cli *cli, const struct publisher *p, const struct tree *t,
		       const struct bundling *b, const struct bundle_result *r)
{
	json_t *document = cli_document(cli);
	json_put_string(document, "repository", p->name);
	json_put_u64(document, "release", t->version);
	json_put_bool(document, "dry_run", b->dry_run);
	json_put_bool(document, "partial", b->only->count > 0);
	json_t *bundle = json_put_object(document, "bundle");
	json_put_string(bundle, "path", b->file);
	json_put_u64(bundle, "objects", r->objects);
	json_put_u64(bundle, "size", r->size);
	json_put_u64(bundle, "kept", r->kept);
	return document;
}

static int tell(struct cli *cli, json_t *document, struct err *e)
{
	const json_t *bundle = json_object_get(document, "bundle");
	cli_aloud(cli, json_flag(document, "dry_run"));
	cli_say(cli, document,
		json_flag(document, "dry_run")
			? "would write {bundle.path}: release {release}, {bundle.objects} files, "
			  "{bundle.size:size}"
			: "wrote {bundle.path}: release {release}, {bundle.objects} files, "
			  "{bundle.size:size}");
	if (json_number(bundle, "kept"))
		cli_say(cli, bundle, "{kept:size} were kept from an earlier run");
	cli_aloud(cli, false);
	return cli_result(cli, document, e);
}

static int check(const struct bundling *b, struct err *e)
{
	if (!*b->file)
		return err_set(e, ERR_USAGE, "--bundle: give the name of a file");
	if (!b->who->mirrors.count)
		return 0;
	return err_set(e, ERR_USAGE,
		       "--bundle and --mirror exclude each other: a bundle is "
		       "written in place of a push");
}

int bundling_run(struct cli *cli, const struct bundling *b, struct err *e)
{
	CLEANUP(publisher_release) struct publisher p = { 0 };
	CLEANUP(tree_release) struct tree t = { 0 };
	CLEANUP(mem_free_ptr) bool *only = NULL;
	struct bundle_result result = { 0 };
	int rc = check(b, e);
	if (rc == 0)
		rc = publisher_open(cli, b->who, true, false, &p, e);
	if (rc == 0)
		rc = tree_open(p.dir, &t, e);
	if (rc == 0 && b->only->count)
		rc = only_resolve(&t, b->only->at, b->only->count, &only, e);
	if (rc < 0)
		return rc;
	t.cancel = cli->cancel;
	const struct bundle_options o = {
		.only = only,
		.repository = p.name,
		.dry_run = b->dry_run,
		.report = cli->report,
	};
	rc = bundle_write(&t, b->file, &o, &result, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *document = bundled(cli, &p, &t, b, &result);
	return tell(cli, document, e);
}
