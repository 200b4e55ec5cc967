#include "fetch/plan.h"

#include "fetch/partial.h"
#include "util/file.h"
#include "util/mem.h"

void fetch_plan_release(struct fetch_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->files[i].key);
		manifest_release(&p->files[i].manifest);
	}
	free(p->files);
	*p = (struct fetch_plan){ 0 };
}

static char *manifest_path(const struct card_file *f)
{
	return mem_printf("%s" MANIFEST_SUFFIX, f->path);
}

void fetch_plan_needs(const struct remote *remote, const struct card_variant *variant,
		      struct str_list *paths)
{
	for (size_t i = 0; i < variant->file_count; i++) {
		const struct card_file *f = &variant->files[i];
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(remote->store, &f->sha256);
		if (!file_exists(blob))
			str_list_take(paths, manifest_path(f));
	}
}

static int disagree(const struct remote *remote, const char *path, const char *what, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s: %s: the %s does not match the signed target",
		remote->repository, path, what);
	return err_hint(e, "the publisher's repository is inconsistent: tell the publisher");
}

/* The card is a signed target like the file itself; they must agree. */
static int check_target(struct remote *remote, const char *signer, struct fetch_plan_file *f,
			struct err *e)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	int rc = remote_find(remote, f->card->path, signer, &t, e);
	if (rc < 0)
		return rc;
	if (t.length != f->card->size || !digest_equal(&t.sha256, &f->card->sha256))
		return disagree(remote, f->card->path, remote->has_cards ? "card" : "catalog", e);
	f->key = remote_target_key(remote, f->card->path, &t);
	return 0;
}

static int load_manifest(struct remote *remote, const char *signer, struct fetch_plan_file *f,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = manifest_path(f->card);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	int rc = remote_target(remote, path, signer, MANIFEST_MAX_BYTES, &bytes, e);
	if (rc == 0)
		rc = manifest_parse(buf_str(&bytes), bytes.len, path, &f->manifest, e);
	if (rc < 0)
		return rc;
	if (!manifest_is_of(&f->manifest, f->card->size, &f->card->sha256))
		return disagree(remote, path, "manifest", e);
	return 0;
}

static int count_missing(struct remote *remote, struct fetch_plan_file *f, struct err *e)
{
	const struct grid *grid = &f->manifest.grid;
	uint64_t there;
	int rc = partial_expect(remote->store, &f->card->sha256, grid, &there, e);
	if (rc == 0)
		f->to_fetch = grid->size - there;
	return rc;
}

static int not_here(const struct remote *remote, const struct fetch_plan_file *f, struct err *e)
{
	if (remote->read_only) {
		err_set(e, ERR_SYSTEM, "%s is not in the store, and the store %s is read-only",
			f->card->name, remote->store->home);
		return err_hint(e, "choose another store with FERRY_HOME, or make it writable");
	}
	err_set(e, ERR_NOT_FOUND, "%s is not in the store", f->card->name);
	return err_hint(e, "run the same command without --offline");
}

static int plan_one(struct remote *remote, const char *signer, struct fetch_plan_file *f,
		    bool check_blobs, struct err *e)
{
	int rc = check_target(remote, signer, f, e);
	if (rc < 0)
		return rc;
	f->in_store = store_has(remote->store, &f->card->sha256, f->card->size);
	if (f->in_store && check_blobs) {
		struct err why = ERR_INIT;
		rc = store_verify(remote->store, &f->card->sha256, &why);
		if (rc < 0 && rc != -ERR_INTEGRITY) {
			*e = why;
			return rc;
		}
		if (rc < 0)
			report_warn(remote->report, "%s", why.text);
		f->in_store = rc == 0;
	}
	if (f->in_store)
		return 0;
	if (remote->offline)
		return not_here(remote, f, e);
	rc = load_manifest(remote, signer, f, e);
	return rc < 0 ? rc : count_missing(remote, f, e);
}

int fetch_plan_make(struct remote *remote, const struct card *model,
		    const struct card_variant *variant, bool check_blobs, struct fetch_plan *out,
		    struct err *e)
{
	CLEANUP(fetch_plan_release) struct fetch_plan p = { .model = model, .variant = variant };
	p.files = mem_alloc((variant->file_count + 1) * sizeof *p.files);
	for (size_t i = 0; i < variant->file_count; i++) {
		struct fetch_plan_file *f = &p.files[p.count++];
		f->card = &variant->files[i];
		int rc = plan_one(remote, remote_signer(remote, model), f, check_blobs, e);
		if (rc < 0)
			return rc;
		p.to_fetch += f->to_fetch;
	}
	*out = p;
	p = (struct fetch_plan){ 0 };
	return 0;
}
