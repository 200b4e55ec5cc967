#include "repository/plain.h"

#include "catalog/catalog.h"
#include "repository/internal.h"
#include "repository/minisign.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TARGETS "targets"

static int write_if_new(const char *path, const struct buf *text, struct err *e)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT(CATALOG_MAX_BYTES);
	struct err missing = ERR_INIT;
	if (file_read_all(path, &have, &missing) == 0 && have.len == text->len &&
	    memcmp(buf_str(&have), buf_str(text), have.len) == 0)
		return 0;
	return file_write_atomic(path, text->data, text->len, 0644, e);
}

bool repository_plain_is(const char *dir, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *plain = path_join(dir, CATALOG_TARGET);
	struct err missing = ERR_INIT;
	struct digest have;
	uint64_t size;
	return sha256_of_file(plain, NULL, &have, &size, &missing) == 0 && digest_equal(&have, sha256);
}

int repository_plain_settle(const char *dir, const struct writer *w,
			    const struct repository_signing *how, struct keyring_signers *signers,
			    struct err *e)
{
	CLEANUP(catalog_release) struct catalog catalog = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	struct published_target t;
	if (!writer_target_get(w, TARGETS, CATALOG_TARGET, &t))
		return 0;
	CLEANUP(mem_free_ptr) char *object = repository_object_path(dir, t.path, &t.sha256);
	CLEANUP(mem_free_ptr) char *plain = path_join(dir, CATALOG_TARGET);
	if (!file_exists(object))
		return 0;
	int rc = file_read_all(object, &text, e);
	if (rc == 0)
		rc = catalog_parse(buf_str(&text), text.len, object, &catalog, e);
	if (rc < 0)
		return rc;
	const struct repository_minisig m = {
		.dir = dir, .name = catalog.name, .version = writer_version(w, TARGETS),
		.catalog = buf_str(&text), .catalog_len = text.len, .now_s = how->now_s,
		.signers = signers, .keys = how->keys,
	};
	bool changed = false;
	rc = repository_minisig_settle(&m, &changed, e);
	return rc < 0 ? rc : write_if_new(plain, &text, e);
}
