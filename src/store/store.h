/*
 * store: the client's content-addressed folder of verified files.
 *
 *   blobs/sha256/<hex>                              verified, read-only
 *   partial/                                        unfinished downloads (store/partials.h)
 *   models/<repository>/<model>/<variant>/<file>    links to the blobs, under the names
 *                                                   that engines expect, side by side;
 *                                                   copies, or none for a single file, where
 *                                                   the file system has no links
 *                                                   <variant>@<N>: version N, fetched by it or
 *                                                   kept when it was replaced (store/kept.h)
 *   models/<repository>/<model>/<variant>/.variant.json   what was fetched, and when
 *   models/<repository>/<model>/<variant>/.pending.json   what is being fetched
 *   models/<repository>/<model>/<variant>/.used     when it was used last (store/use.h)
 *   models/<repository>/<model>/<variant>/.pinned         it stays as it is (store/pinned.h)
 *   marks/<hex>                                     size, time and inode of the verified blob
 *   links/<16 hex>.json                             layouts made for engines (store/links.h)
 *   edge/                                           of `ferry serve` (serve/cache/): where it is,
 *                                                   blobs that no model needs are the edge's
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
	bool edge_too;         /* store_gc() also removes blobs that only the edge needs */
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
 * folder synced; removes the partial's files, and those that other processes left for the same
 * blob. fd is the partial that the caller verified. Succeeds if another process was faster; then
 * its blob stays. ERR_CONFLICT if other processes removed both the partial and the blob.
 *
 * The open file gets the name, whatever its old name now refers to.
 *
 * After a power failure: the bytes were on the disk before they had the blob's name, so a blob is
 * whole or not there. Of a partial, what was received in the last seconds may be gone, together
 * with its records in the journal or without them: neither is synced until the file is whole,
 * because both are checked before they are used.
 */
struct store_partial;
WARN_UNUSED int store_commit(const struct store *s, const struct store_partial *p, int fd,
			     struct err *e);

/* A file without a name, for a blob of one piece; -1 where the system has none. */
int store_single_open(const struct store *s);
/* Syncs the verified file and makes it the blob, as store_commit(), but does not sync the folder:
 * store_link_all() does. Succeeds if another process was faster. */
WARN_UNUSED int store_single_commit(const struct store *s, const struct digest *d, uint64_t size,
				    int fd, struct err *e);

struct store_file {
	char *name; /* the name that engines see */
	struct digest sha256;
	uint64_t size;
	char *role; /* as in the card: what it is beside the model; NULL: the model, or a shard */
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
	int64_t replaced_s; /* when a later version took its plain name; 0: it did not */
	bool complete;      /* every blob is there */
};
void store_variant_release(struct store_variant *v);

/* Records that the variant is being fetched (files, names, sizes), so that gc and remove keep its
 * blobs until it is linked. Call it before looking for or making the first blob. */
WARN_UNUSED int store_expect(const struct store *s, const struct store_variant *v, struct err *e);

/* Links the variant's blobs, which must all exist, under their names. Replaces an older set of
 * the same variant, file by file, the record last; then nothing is expected any more. Another
 * version that is replaced is kept as VARIANT@N (store/kept.h). dir, complete and size of *v are
 * not read. ERR_CONFLICT when another process removed a blob meanwhile, or pinned another version.
 */
WARN_UNUSED int store_link(const struct store *s, const struct store_variant *v, struct err *e);
/* The same for several variants at once, with few syncs: first the names of all blobs, then all
 * records, then all folders. Each has an error of its own; one that has it already is left out. */
struct store_linking {
	const struct store_variant *variant;
	struct err *why; /* class 0: it is linked */
	uint64_t kept;   /* out: the version that it replaced, which is kept; 0: none */
};
void store_link_all(const struct store *s, struct store_linking *all, size_t count);
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
/* A version that was fetched by its number, or kept when another replaced it, has the number behind
 * the plain name of the variant: "q4_k_m@2". */
bool store_variant_is_numbered(const struct store_variant *v);
/* "q4_k_m" of both forms. The caller frees. */
char *store_variant_plain(const struct store_variant *v);
/* Is this its plain name? */
bool store_variant_is_of(const struct store_variant *v, const char *plain);
/* Do they have the same repository, model and plain name? */
bool store_variant_is_beside(const struct store_variant *a, const struct store_variant *b);
/* ERR_NOT_FOUND, with the command that completes it. */
WARN_UNUSED int store_variant_check_complete(const struct store_variant *v, struct err *e);
/* Do they share a file? */
bool store_variant_has_any(const struct store_variant *v, const struct store_variant *of);
/* The same files under the same names, with the same roles? */
bool store_variant_equal(const struct store_variant *a, const struct store_variant *b);
/* Is it this variant in this version: a number, or "sha256:" and digits of a file's digest? Variant
 * NULL: any. Version NULL: the one that is stored under the variant's plain name. */
bool store_variant_is(const struct store_variant *v, const char *variant, const char *version);
/* Removes what a process killed near the end of store_link(v) left: the pending record, and names
 * of an older version. In a read-only store nothing is removed. */
void store_tidy_variant(const struct store *s, const struct store_variant *v);

struct store_variants {
	struct store_variant *at;
	size_t count, cap;
};
void store_variants_release(struct store_variants *v);
/* Sorted by repository, model, variant. A variant whose record is damaged is listed
 * without files, as not complete. */
WARN_UNUSED int store_list(const struct store *s, struct store_variants *out, struct err *e);
/* The same of a repository, and of a model (NULL: of all): no others are looked at. */
WARN_UNUSED int store_list_model(const struct store *s, const char *repository, const char *model,
				 struct store_variants *out, struct err *e);

/* Unlinks the variant and removes the blobs that no other variant uses. Adds the freed bytes to
 * *freed. ERR_NOT_FOUND when there is no such variant; ERR_CONFLICT when it is pinned. */
WARN_UNUSED int store_remove(const struct store *s, const char *repository, const char *model,
			     const char *variant, uint64_t *freed, struct err *e);

struct store_gc {
	uint64_t blobs, partials, temporaries; /* files removed (or that would be) */
	uint64_t bytes;
	uint64_t kept, kept_bytes; /* unfinished downloads that stay */
	uint64_t edge, edge_bytes; /* blobs that stay because the edge may need them */
};
/* Is it also the store of an edge? */
bool store_has_edge(const struct store *s);

/* Removes blobs that no variant links to or waits for (in the store of an edge only with
 * s->edge_too), damaged blobs, temporary files older than a day, partials that the store has as
 * blobs, others (and their pending records) not changed for partial_age_s (UINT64_MAX: none) that
 * no process works on, and cached manifests not used for 30 days. dry_run only counts. */
WARN_UNUSED int store_gc(const struct store *s, uint64_t partial_age_s, bool dry_run,
			 struct store_gc *out, struct err *e);

/* Hashes a blob again. ERR_INTEGRITY when it is damaged: it is renamed to
 * blobs/sha256/<hex>.damaged, so that the next fetch can reuse the pieces that are still
 * correct. */
WARN_UNUSED int store_verify(const struct store *s, const struct digest *d, struct err *e);
/* The same as a task of the store's report. Several threads may verify different blobs at once. */
WARN_UNUSED int store_verify_task(const struct store *s, const struct digest *d, const char *task,
				  struct err *e);

#endif
