/*
 * store: the client's content-addressed folder of verified files.
 *
 *   blobs/sha256/<hex>                              verified, read-only
 *   partial/<hex>.part <hex>.journal <hex>.lock unfinished downloads
 *   models/<repository>/<model>/<variant>/<file>    links to the blobs, under the names
 *                                                   that engines expect, side by side;
 *                                                   copies, or none for a single file, where
 *                                                   the file system has no links
 *                                                   <variant>@<N>: version N, fetched by it
 *   models/<repository>/<model>/<variant>/.variant.json   what was fetched, and when
 *   models/<repository>/<model>/<variant>/.pending.json   what is being fetched
 *   marks/<hex>                                     size, time and inode of the verified blob
 *   trust/<repository>/                             TUF metadata as received
 *   trust/<repository>/cache/                       verified copies of the catalog and manifests
 *
 * What always holds here:
 *  - a file below blobs/ has the SHA-256 in its name, was verified before it got that name, and
 *    is never changed. (A process that lost a race may still write the same verified bytes to the
 *    same place: see store_commit());
 *  - several processes may use one store at once, even if locks do not work: at worst, work is
 *    done twice;
 *  - nothing that can be resumed is removed, except by gc on request.
 */
#ifndef FERRY_STORE_STORE_H
#define FERRY_STORE_STORE_H

#include "hash/sha256.h"
#include "json/json.h"
#include "util/clock.h"
#include "util/report.h"
#include "util/text.h"

struct store {
	char *home;
	bool read_only; /* nothing can be written; existing files can be used */
	/* Set by the caller: what stops reading and waiting (NULL: nothing), and the clock (NULL:
	 * the real one). */
	const struct cancel *cancel;
	const struct clock *clock;
	struct report *report; /* NULL: none */
	bool by_size;          /* store_has() looks at sizes only */
};

/* $FERRY_HOME, else $XDG_DATA_HOME/ferry, else ~/.local/share/ferry. Caller frees. */
WARN_UNUSED int store_home(char **out, struct err *e);
/* Creates missing folders. A read-only store can be opened for reading. */
WARN_UNUSED int store_open(const char *home, struct store *out, struct err *e);
void store_close(struct store *s);

/* Paths; the caller frees. They need not exist. */
char *store_blob_path(const struct store *s, const struct digest *d);
char *store_damaged_path(const struct store *s, const struct digest *d);
char *store_part_path(const struct store *s, const struct digest *d);
char *store_journal_path(const struct store *s, const struct digest *d);
char *store_lock_path(const struct store *s, const struct digest *d);
char *store_cache_dir(const struct store *s, const char *repository);
char *store_trust_dir(const struct store *s, const char *repository);
char *store_variant_dir(const struct store *s, const char *repository, const char *model,
			const char *variant);

/* What the file system of the store has. Where nothing can be tried, everything. */
struct store_traits {
	bool symlinks, links, clones, locks, modes;
};
void store_traits(const struct store *s, struct store_traits *out);
/* Appends what it does not have: "hard links, modes". */
void store_traits_describe(const struct store_traits *t, struct buf *out);

/* Does the blob exist with this size? Its content was verified when it was stored; if its size,
 * time or inode moved since, it is hashed now, and a damaged one is set aside as by
 * store_verify(). */
bool store_has(const struct store *s, const struct digest *d, uint64_t size);

/*
 * Turns the complete, verified, synced partial into the blob: read-only, under its final name,
 * folder synced; removes partial, journal and lock file. fd is the partial that the caller
 * verified. Succeeds if another process was faster; ERR_CONFLICT if other processes removed both
 * the partial and the blob.
 *
 * Where locks do not work, another process may have the same partial open, or have created a new
 * one under the same name. Therefore the open file gets the name, whatever the old name now
 * refers to. A partial is only extended to its final size, never truncated, and only verified
 * pieces are written to it; writing to a blob therefore changes no byte.
 */
WARN_UNUSED int store_commit(const struct store *s, const struct digest *d, int fd, struct err *e);

struct store_file {
	char *name; /* the name that engines see */
	struct digest sha256;
	uint64_t size;
};

struct store_variant {
	char *repository, *model;
	char *variant;       /* "q4_k_m", or "q4_k_m@2" if this version was asked for */
	uint64_t version;    /* of the catalog, from 1 */
	char *kind, *engine; /* as in the card: what is no model, and the only engine; or NULL */
	char *dir;           /* where the links are */
	struct store_file *files;
	size_t file_count;
	uint64_t size; /* of all files */
	int64_t fetched_s;
	bool complete; /* every blob is there */
};
void store_variant_release(struct store_variant *v);

/* Records that the variant is being fetched (files, names, sizes), so that gc and remove keep its
 * blobs until it is linked. Call it before looking for or making the first blob. */
WARN_UNUSED int store_pin(const struct store *s, const struct store_variant *v, struct err *e);

/* Links the variant's blobs, which must all exist, under their names. Replaces an older set of
 * the same variant, file by file, the record last; then removes the pin. dir, complete and size
 * of *v are not read. ERR_CONFLICT when another process removed a blob meanwhile. */
WARN_UNUSED int store_link(const struct store *s, const struct store_variant *v, struct err *e);
/* Does each name in v->dir lead to its blob? A copy is hashed. A single file without a name is as
 * it should be where there are no links, and in a read-only store. */
bool store_is_linked(const struct store *s, const struct store_variant *v);
/* Appends the path of each file of a complete variant: its name in v->dir, which is linked again
 * if it does not lead to the blob; where that cannot be done, the blob. */
void store_paths(const struct store *s, const struct store_variant *v, struct str_list *out);
/* The file that engines open: under its name in the folder of its variant, or the blob itself where
 * there is no link. The caller frees. */
char *store_file_path(const struct store *s, const char *dir, const struct store_file *f);
/* The files were moved out of the store: forgets the variant, and what is waiting for it. */
WARN_UNUSED int store_forget(const struct store *s, const struct store_variant *v, struct err *e);
/* Do they share a file? */
bool store_variant_has_any(const struct store_variant *v, const struct store_variant *of);
/* The same files under the same names? */
bool store_variant_equal(const struct store_variant *a, const struct store_variant *b);
/* Is it this variant in this version: a number, or "sha256:" and digits of a file's digest? Variant
 * NULL: any. Version NULL: the one that is stored under the variant's plain name. */
bool store_variant_is(const struct store_variant *v, const char *variant, const char *version);
/* Removes what a process killed near the end of store_link(v) left: the pin, and names of an
 * older version. In a read-only store nothing is removed. */
void store_tidy_variant(const struct store *s, const struct store_variant *v);

struct store_variants {
	struct store_variant *at;
	size_t count, cap;
};
void store_variants_release(struct store_variants *v);
/* Sorted by repository, model, variant. A variant whose record is damaged is listed
 * without files, as not complete. */
WARN_UNUSED int store_list(const struct store *s, struct store_variants *out, struct err *e);

/* Unlinks the variant and removes the blobs that no other variant uses. Adds the freed bytes to
 * *freed. ERR_NOT_FOUND when there is no such variant. */
WARN_UNUSED int store_remove(const struct store *s, const char *repository, const char *model,
			     const char *variant, uint64_t *freed, struct err *e);

struct store_gc {
	uint64_t blobs, partials, temporaries; /* files removed (or that would be) */
	uint64_t bytes;
};
/* Removes blobs that no variant links to or waits for, damaged blobs, temporary files older than
 * a day, unlocked partials (and their pins) not changed for partial_age_s (UINT64_MAX: none), and
 * cached manifests not used for 30 days. dry_run only counts. */
WARN_UNUSED int store_gc(const struct store *s, uint64_t partial_age_s, bool dry_run,
			 struct store_gc *out, struct err *e);

/* Hashes a blob again. ERR_INTEGRITY when it is damaged: it is renamed to
 * blobs/sha256/<hex>.damaged, so that the next fetch can reuse the pieces that are still
 * correct. */
WARN_UNUSED int store_verify(const struct store *s, const struct digest *d, struct err *e);

#endif
