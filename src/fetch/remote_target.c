#include "fetch/remote_internal.h"

#include "catalog/pack.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* -- finding ------------------------------------------------------------------------------- */

static int offline_hint(const struct remote *r, struct err *e)
{
	if (!r->offline ||
	    (!err_is(e, ERR_NOT_FOUND) && !err_is(e, ERR_INTEGRITY) && !err_is(e, ERR_SYSTEM)))
		return -(int)e->class;
	return r->read_only
		       ? err_hint(e,
				  "it cannot be downloaded because the store %s is read-only: make "
				  "it writable, or set FERRY_HOME to another folder",
				  r->store->home)
		       : err_hint(e, "run the same command once without --offline");
}

int remote_fault(struct remote *r, struct err *e)
{
	if (r->offline || !err_is(e, ERR_INTEGRITY))
		return offline_hint(r, e);
	if (r->endpoints.unnamed)
		err_context(e, "%s", r->endpoints.unnamed->source->id);
	return err_hint(e, "this is not what the publisher signed: add the URL of another mirror "
			   "to 'metadata', or tell the publisher");
}

bool remote_is_no_answer(const struct err *why)
{
	return err_is(why, ERR_NETWORK) || err_is(why, ERR_AUTH) || err_is(why, ERR_NOT_FOUND) ||
	       err_is(why, ERR_INTEGRITY);
}

int remote_find(struct remote *r, const char *path, const char *signer, struct tuf_target *out,
		struct err *e)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	int rc = tuf_client_target(r->tuf, path, &t, e);
	if (rc < 0)
		return remote_fault(r, e);
	if (signer && strcmp(t.signer, signer) != 0) {
		err_set(e, ERR_INTEGRITY,
			"%s is signed by the role %s, but its card by the role %s", path, t.signer,
			signer);
		return err_hint(e, "a card can name only files of its own role: tell the "
				   "publisher");
	}
	*out = t;
	t = (struct tuf_target){ 0 };
	return 0;
}

/* -- small targets --------------------------------------------------------------------------- */

char *remote_target_key(const struct remote *r, const char *path, const struct tuf_target *t)
{
	CLEANUP(mem_free_ptr) char *name = tuf_client_target_name(r->tuf, path, t);
	return mem_printf("targets/%s", name);
}

char *remote_cache_path(const struct remote *r, const struct digest *d)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *dir = store_cache_dir(r->store, r->repository);
	return path_join(dir, digest_hex(hex, d));
}

static bool cache_load(const char *path, const struct tuf_target *t, struct buf *out)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(t->length);
	struct err ignored = ERR_INIT;
	struct digest d;
	if (file_read_all(path, &got, &ignored) < 0)
		return false;
	sha256_of(buf_str(&got), got.len, &d);
	if (got.len != t->length || !digest_equal(&d, &t->sha256))
		return false;
	/* gc removes what was not used for a long time. */
	utimensat(AT_FDCWD, path, NULL, 0);
	buf_release(out);
	*out = got;
	got = (struct buf)BUF_INIT(0);
	return true;
}

char *remote_pack_key(struct remote *r, const char *path)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	struct err ignored = ERR_INIT;
	const char *id = path + strlen(CARD_TARGETS);
	if (!r->has_cards || !pack_takes(path))
		return NULL;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(id, strcspn(id, "/"));
	CLEANUP(mem_free_ptr) char *card = card_document(name);
	if (tuf_client_target(r->tuf, card, &t, &ignored) < 0)
		return NULL;
	CLEANUP(mem_free_ptr) char *key = remote_target_key(r, card, &t);
	return pack_key(key);
}

/* What is damaged after a power failure is downloaded again, so nothing is synced. */
int remote_cache_keep(const char *path, const struct buf *bytes, struct err *e)
{
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_make_way(path, e);
	return rc < 0 ? rc : file_write_unsynced(path, buf_str(bytes), bytes->len, FILE_MODE, e);
}

static int download(struct remote *r, const char *path, const struct tuf_target *t,
		    const char *cached, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = remote_target_key(r, path, t);
	CLEANUP(mem_free_ptr) char *pack = r->offline ? NULL : remote_pack_key(r, path);
	struct source_small what = { key, pack, t->length, t->sha256 };
	if (r->offline) {
		enum err_class class = r->store->read_only ? ERR_SYSTEM : ERR_NOT_FOUND;
		err_set(e, class, "%s: %s is not in the store", r->repository, path);
		return offline_hint(r, e);
	}
	uint64_t end_ms = r->sources.end_ms;
	if (r->hurry && !end_ms)
		source_list_set_end(&r->sources);
	int rc = source_get_small(&r->sources, &what, out, e);
	r->sources.end_ms = end_ms;
	return rc < 0 ? rc : remote_cache_keep(cached, out, e);
}

int remote_target(struct remote *r, const char *path, const char *signer, uint64_t max_bytes,
		  struct buf *out, struct err *e)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	int rc = remote_find(r, path, signer, &t, e);
	if (rc < 0)
		return rc;
	if (t.length > max_bytes)
		return err_set(e, ERR_INTEGRITY, "%s: %llu bytes; the maximum is %llu", path,
			       (unsigned long long)t.length, (unsigned long long)max_bytes);
	CLEANUP(mem_free_ptr) char *cached = remote_cache_path(r, &t.sha256);
	if (cache_load(cached, &t, out))
		return 0;
	report_wait(r->report, path_base(path));
	rc = download(r, path, &t, cached, out, e);
	report_waited(r->report, path_base(path));
	return rc;
}

bool remote_target_cached(struct remote *r, const char *path, const char *signer,
			  uint64_t max_bytes, struct buf *out)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	struct err none = ERR_INIT;
	if (remote_find(r, path, signer, &t, &none) < 0 || t.length > max_bytes)
		return false;
	CLEANUP(mem_free_ptr) char *cached = remote_cache_path(r, &t.sha256);
	return cache_load(cached, &t, out);
}
