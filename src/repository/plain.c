#include "repository/plain.h"

#include "catalog/catalog.h"
#include "repository/internal.h"
#include "repository/minisign.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"

/* catalog.json as listed in targets, published or draft. */
struct plain {
	struct buf text; /* its bytes; empty: the tree has no objects, or no catalog */
	struct catalog catalog;
};

static void plain_release(struct plain *p)
{
	buf_release(&p->text);
	catalog_release(&p->catalog);
}

static int load(const char *dir, const struct writer *w, struct plain *p, struct err *e)
{
	struct published_target t;
	*p = (struct plain){ .text = BUF_INIT(CATALOG_MAX_BYTES) };
	if (!writer_target_get(w, TARGETS, CATALOG_TARGET, &t))
		return 0;
	CLEANUP(mem_free_ptr) char *object = repository_object_path(dir, t.path, &t.sha256);
	if (!file_exists(object))
		return 0;
	int rc = file_read_all(object, &p->text, e);
	return rc < 0 ? rc : catalog_parse(buf_str(&p->text), p->text.len, object, &p->catalog, e);
}

static struct repository_minisign signature_of(const char *dir, const struct plain *p,
					       uint64_t version,
					       const struct repository_signing *how,
					       struct keyring_signers *signers)
{
	return (struct repository_minisign){
		.dir = dir,
		.name = p->catalog.name,
		.version = version,
		.catalog = buf_str(&p->text),
		.catalog_len = p->text.len,
		.now_s = how->now_s,
		.signers = signers,
		.keys = how->keys,
	};
}

static int write_if_new(const char *path, const struct buf *text, bool *changed, struct err *e)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT(CATALOG_MAX_BYTES);
	struct err missing = ERR_INIT;
	if (file_read_all(path, &have, &missing) == 0 && have.len == text->len &&
	    memcmp(buf_str(&have), buf_str(text), have.len) == 0)
		return 0;
	*changed = true;
	return file_write_atomic(path, text->data, text->len, FILE_PUBLIC_MODE, e);
}

bool repository_plain_is(const char *dir, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *plain = path_join(dir, CATALOG_TARGET);
	return sha256_file_is(plain, sha256);
}

int repository_plain_settle(const char *dir, const struct writer *w,
			    const struct repository_signing *how, struct keyring_signers *signers,
			    bool *changed, struct err *e)
{
	CLEANUP(plain_release) struct plain p;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, CATALOG_TARGET);
	int rc = load(dir, w, &p, e);
	if (rc < 0 || !p.catalog.name)
		return rc;
	const struct repository_minisign m = signature_of(dir, &p, writer_version(w, TARGETS), how,
							  signers);
	/* The signature first, so that readers of a new catalog.json find it. */
	rc = repository_minisign_settle(&m, changed, e);
	return rc < 0 ? rc : write_if_new(path, &p.text, changed, e);
}

int repository_plain_draft(const char *dir, struct writer *w, const struct repository_signing *how,
			   struct keyring_signers *signers, struct err *e)
{
	CLEANUP(plain_release) struct plain p;
	const struct writer_statuses *all;
	int rc = load(dir, w, &p, e);
	if (rc == 0)
		rc = writer_status(w, &all, e);
	if (rc < 0 || !p.catalog.name)
		return rc;
	const struct writer_status *targets = writer_status_of(all, TARGETS);
	const struct repository_minisign m = signature_of(dir, &p, targets->version, how, signers);
	return repository_minisign_draft(&m, &targets->keyids, e);
}
