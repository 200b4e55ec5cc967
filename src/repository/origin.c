#include "repository/origin.h"

#include "catalog/provenance.h"
#include "repository/internal.h"
#include "sign/attest.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

char *origin_path(const char *dir, const char *model, const struct card_file *f)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/cards/%s/%s.%s" PROVENANCE_SUFFIX, dir, model,
			  digest_hex(hex, &f->sha256), f->name);
}

char *origin_target(const struct card_file *f)
{
	return mem_printf("%s" PROVENANCE_SUFFIX, f->path);
}

struct mark origin_mark(const char *dir, const char *model, const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	struct mark m;
	return mark_of(path, false, &m) ? m : (struct mark){ 0 };
}

/* ---- reading ------------------------------------------------------------------------ */

static int load(const char *path, const struct card_file *f, struct provenance *out, struct err *e)
{
	CLEANUP(provenance_release) struct provenance p = { 0 };
	int rc = provenance_load(path, &p, e);
	if (rc == 0 && !provenance_is_of(&p, &f->sha256))
		rc = err_set(e, ERR_INTEGRITY, "%s is the provenance of other files", path);
	if (rc < 0)
		return err_hint(e, "prepare the model again, or remove this file: a model can do "
				   "without it");
	*out = p;
	p = (struct provenance){ 0 };
	return 0;
}

int origin_check(const char *dir, const char *model, const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(provenance_release) struct provenance p = { 0 };
	return file_exists(path) ? load(path, f, &p, e) : 0;
}

/* ---- from prepare ------------------------------------------------------------------- */

/* All of the statement but when it was. */
static bool same_but_for_time(const json_t *a, const json_t *b)
{
	CLEANUP(json_release) json_t *x = json_deep_copy(a), *y = json_deep_copy(b);
	json_t *both[] = { x, y };
	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		json_object_del(json_object_get(json_object_get(both[i], "predicate"),
						"runDetails"),
				"metadata");
	return json_equal(x, y);
}

/* Then the record of the first time stays, and so do its signatures. */
static bool says_the_same(const char *path, const struct card_file *f, const struct provenance *p)
{
	CLEANUP(provenance_release) struct provenance have = { 0 };
	struct err unread = ERR_INIT;
	return file_exists(path) && load(path, f, &have, &unread) == 0 &&
	       same_but_for_time(have.statement, p->statement);
}

int origin_take(const char *dir, const char *model, const struct card_file *f, const char *from,
		bool *changed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *beside = mem_printf("%s" PROVENANCE_SUFFIX, from);
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(provenance_release) struct provenance p = { 0 };
	if (!file_exists(beside))
		return 0;
	int rc = load(beside, f, &p, e);
	if (rc < 0 || says_the_same(path, f, &p))
		return rc;
	*changed = true;
	rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_copy(beside, path, FILE_MODE, NULL, e);
}

/* ---- in the metadata ---------------------------------------------------------------- */

bool origin_listed(const char *dir, const struct writer *w, const char *role, const char *model,
		   const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(mem_free_ptr) char *target = origin_target(f);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, target);
	return file_exists(path) &&
	       (role ? strcmp(owner, role) == 0 : !writer_delegates_to(w, owner));
}

int origin_list(const char *dir, struct writer *w, const char *role, const char *model,
		const struct card_file *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(mem_free_ptr) char *target = origin_target(f);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, target);
	CLEANUP(buf_release) struct buf text = BUF_INIT(PROVENANCE_MAX_BYTES);
	struct digest sha256;
	if (!origin_listed(dir, w, role, model, f))
		return 0;
	int rc = origin_check(dir, model, f, e);
	if (rc == 0)
		rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&text), text.len, &sha256);
	rc = repository_put(dir, target, text.data, text.len, &sha256, e);
	return rc < 0 ? rc
		      : writer_target_set(w, role ? role : owner, target, text.len, &sha256, e);
}

/* ---- signatures --------------------------------------------------------------------- */

bool origin_is_unsigned(const char *dir, const struct writer *w, const char *model,
			const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(provenance_release) struct provenance p = { 0 };
	struct err unread = ERR_INIT;
	return origin_listed(dir, w, NULL, model, f) && load(path, f, &p, &unread) == 0 &&
	       !p.envelope;
}

int origin_sign(const char *dir, const char *model, const struct card_file *f,
		struct signer *const *signers, size_t count, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = origin_path(dir, model, f);
	CLEANUP(provenance_release) struct provenance p = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(ATTEST_MAX_BYTES);
	int rc = load(path, f, &p, e);
	if (rc == 0)
		rc = attest_sign(signers, count, p.payload.data, p.payload.len, &text, e);
	return rc < 0 ? rc : file_write_atomic(path, text.data, text.len, FILE_MODE, e);
}
