#include "prepare/from_hub.h"

#include "prepare/download.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

void from_hub_release(struct from_hub *s)
{
	hub_pick_release(&s->pick);
	hub_repo_release(&s->repo);
	hub_name_release(&s->name);
	hub_close(s->hub);
	*s = (struct from_hub){ 0 };
}

static void tell(const struct from_hub *s)
{
	char size[SIZE_TEXT];
	bool pinned = hub_name_is_commit(s->name.revision);
	CLEANUP(mem_free_ptr) char *files = s->pick.count == 1
						    ? mem_strdup(s->pick.files[0]->path)
						    : mem_printf("%zu files", s->pick.count);
	report_note(s->report, "hf:%s%s%s is commit %.12s: %s, %s", s->repo.model.repo,
		    pinned ? "" : "@", pinned ? "" : s->name.revision, s->repo.model.commit, files,
		    format_size(size, s->pick.size));
}

int from_hub_open(const char *operand, const char *id, struct report *report,
		  const struct cancel *cancel, struct from_hub *out, struct err *e)
{
	CLEANUP(from_hub_release) struct from_hub s = { .report = report, .cancel = cancel };
	const struct hub_options options = { .report = report, .cancel = cancel };
	int rc = hub_name_parse(operand, &s.name, e);
	if (rc == 0)
		rc = hub_open(&options, &s.hub, e);
	if (rc == 0)
		rc = hub_read(s.hub, &s.name, &s.repo, e);
	if (rc == 0)
		rc = hub_pick(&s.repo.files, &s.name, id, &s.pick, e);
	if (rc < 0)
		return rc;
	tell(&s);
	*out = s;
	s = (struct from_hub){ 0 };
	return 0;
}

int from_hub_check(const struct from_hub *s, const struct digest *sha256, size_t count,
		   struct err *e)
{
	char a[DIGEST_HEX], b[DIGEST_HEX];
	for (size_t i = 0; i < count && i < s->pick.count; i++) {
		const struct hub_file *f = s->pick.files[i];
		if (f->lfs && digest_equal(&f->sha256, &sha256[i]))
			continue;
		err_set(e, ERR_INTEGRITY, "hf:%s: the SHA-256 of %s is %s, not %s",
			s->repo.model.repo, f->path,
			f->lfs ? digest_hex(a, &f->sha256) : "not known",
			digest_hex(b, &sha256[i]));
		return err_hint(e, "the repository has another file than the one with the digest "
				   "given with --sha256: name its commit, @COMMIT");
	}
	return 0;
}

json_t *from_hub_identity(const struct from_hub *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->pick.count; i++) {
		const struct hub_file *f = s->pick.files[i];
		json_t *o = json_push_object(list);
		json_put_string(o, "path", f->path);
		if (f->lfs)
			json_put_hex(o, "sha256", f->sha256.bytes, DIGEST_SIZE);
		else
			json_put_hex(o, "git_blob", f->blob, sizeof f->blob);
	}
	return list;
}

/* ---- downloads ---------------------------------------------------------------------- */

static int explain(const void *ctx, const struct http_response *r, struct err *e)
{
	const struct from_hub *s = ctx;
	return hub_explain(s->hub, s->repo.model.repo, r, e);
}

static int not_as_listed(struct err *e)
{
	e->hint[0] = '\0';
	return err_hint(e, "this is not the file that the Hub lists for this commit: try again; if "
			   "it stays so, a proxy or a mirror in between changes it, or the file is "
			   "damaged there");
}

int from_hub_download(const struct from_hub *s, size_t i, const char *path, uint64_t *received,
		      struct err *e)
{
	const struct hub_file *f = s->pick.files[i];
	CLEANUP(mem_free_ptr) char *url = hub_file_url(s->hub, &s->repo, f);
	CLEANUP(download_result_release) struct download_result got = { 0 };
	const char *const urls[] = { url };
	const struct download d = {
		.urls = urls,
		.url_count = 1,
		.path = path,
		.sha256 = f->lfs ? &f->sha256 : NULL,
		.git_blob = f->lfs ? NULL : f->blob,
		.size = f->size,
		.any_kind = s->any_kind || s->pick.snapshot,
		.headers = hub_headers(s->hub),
		.explain = explain,
		.explain_ctx = s,
		.report = s->report,
		.cancel = s->cancel,
	};
	int rc = download_run(&d, &got, e);
	*received += got.received;
	return rc == -ERR_INTEGRITY ? not_as_listed(e) : rc;
}
