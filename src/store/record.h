/*
 * The record of a variant in its folder: what store_link_all() linked (.variant.json), or
 * what a fetch is waiting for (.pending.json). Both have one form:
 *
 *   {"format": "model-ferry-variant", "version": 1, "repository", "model", "variant",
 *    "variant_version": 2, "fetched": "2026-01-02T03:04:05Z",
 *    "replaced": "2026-01-02T03:04:05Z",
 *    "files": [{"name", "role", "sha256", "size"}]}
 *
 * Without variant_version it is 1; a file without a role is the model. "replaced" is in that of a
 * version that was kept (store/kept.h).
 */
#ifndef FERRY_STORE_RECORD_H
#define FERRY_STORE_RECORD_H

#include "store/store.h"
#include "util/file.h"

#define RECORD_NAME ".variant.json"
#define RECORD_PENDING ".pending.json"
#define RECORD_MAX_BYTES (4 * MIB)
#define RECORD_MAX_FILES 10000

/* ERR_USAGE unless these names are valid for folders and files below models/. */
WARN_UNUSED int record_check_names(const struct store_variant *v, struct err *e);

/* Writes it, but for the sync and the name, which are the caller's. */
WARN_UNUSED int record_write(const char *dir, const char *name, const struct store_variant *v,
			     struct file_new *out, struct err *e);
/* Atomic, but a power failure may lose or damage it. */
WARN_UNUSED int record_save_unsynced(const char *dir, const char *name,
				     const struct store_variant *v, struct err *e);

/* Fills out's names, files, size and time; dir and complete are the caller's. ERR_NOT_FOUND
 * when there is none, ERR_INTEGRITY when it is damaged. */
WARN_UNUSED int record_load(const char *dir, const char *name, struct store_variant *out,
			    struct err *e);

/* Calls fn for every folder models/<repository>/<model>/<variant> in order of name; a
 * negative return stops and is returned. */
typedef int record_folder_fn(void *ctx, const char *dir, const char *repository, const char *model,
			     const char *variant, struct err *e);
WARN_UNUSED int record_each_folder(const struct store *s, record_folder_fn *fn, void *ctx,
				   struct err *e);
/* Only those of a repository and of a model (NULL: of all). */
WARN_UNUSED int record_each_folder_of(const struct store *s, const char *repository,
				      const char *model, record_folder_fn *fn, void *ctx,
				      struct err *e);

/* Digests that are in use. */
struct record_refs {
	struct digest *at;
	size_t count, cap;
};
void record_refs_release(struct record_refs *r);
bool record_refs_has(const struct record_refs *r, const struct digest *d);
/* All digests in records, complete or pending, and links, sorted. If a record is damaged, its links
 * still count. */
WARN_UNUSED int record_refs_collect(const struct store *s, struct record_refs *out, struct err *e);
/* The same without those of one variant's folder. */
WARN_UNUSED int record_refs_collect_but(const struct store *s, const char *dir,
					struct record_refs *out, struct err *e);

#endif
