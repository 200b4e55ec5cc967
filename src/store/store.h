/*
 * store: the client's content-addressed folder of verified files.
 *
 *   blobs/sha256/<hex>                              verified, read-only
 *   partial/<hex>.part  <hex>.journal  <hex>.lock   downloads in the making
 *   models/<repository>/<model>/<variant>/<file>    links to the blobs, under the names
 *                                                   that engines expect, side by side
 *   models/<repository>/<model>/<variant>/.variant.json   what was fetched, and when
 *   models/<repository>/<model>/<variant>/.pending.json   what is being fetched
 *   trust/<repository>/                             TUF metadata as received
 *   trust/<repository>/cache/                       verified copies of the catalog and manifests
 *
 * What always holds here:
 *  - a file below blobs/ has the SHA-256 that is its name, was verified before it got
 *    there, and is never changed again. (A process that lost the race for it may still write
 *    the same verified bytes to the same place: see store_commit());
 *  - two processes may use one store at once, with or without working locks: the worst
 *    that can happen is work done twice;
 *  - nothing resumable is removed unless asked (gc).
 */
#ifndef FERRY_STORE_STORE_H
#define FERRY_STORE_STORE_H

#include "hash/sha256.h"
#include "json/json.h"
#include "util/clock.h"
#include "util/text.h"

struct store {
	char *home;
	bool read_only;         /* nothing can be written: what is there can be used */
	/* Set by who opened it: what ends reading and waiting (NULL: nothing), and the time
	 * (NULL: the real one). */
	const struct cancel *cancel;
	const struct clock *clock;
};

/* $FERRY_HOME, else $XDG_DATA_HOME/ferry, else ~/.local/share/ferry. Caller frees. */
WARN_UNUSED int store_home(char **out, struct err *e);
/* Makes the folders if missing. A read-only store opens, too: reading from it works. */
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

/* Is the blob there with this size? (Its content was verified when it came.) */
bool store_has(const struct store *s, const struct digest *d, uint64_t size);

/*
 * Makes the complete, verified, synced partial the blob: read-only, under its final name,
 * folder synced; partial, journal and lock file removed. fd is the partial as the caller
 * verified it. Fine when another process was faster; ERR_CONFLICT when others took away
 * both the partial and the blob.
 *
 * Where locks do not work, another process may have the same partial open, or have made a new
 * one under the same name. So it is the open file that gets the name, whatever its old
 * name stands for by now; and a partial is only ever extended to its one size, never cut, and
 * only verified pieces are written to it: to a blob, the bytes that are there already.
 */
WARN_UNUSED int store_commit(const struct store *s, const struct digest *d, int fd,
			     struct err *e);

struct store_file {
	char *name;             /* under which engines see it */
	struct digest sha256;
	uint64_t size;
};

struct store_variant {
	char *repository, *model, *variant;
	char *dir;                      /* where the links are */
	struct store_file *files;
	size_t file_count;
	uint64_t size;                  /* of all files */
	int64_t fetched_s;
	bool complete;                  /* every blob is there */
};
void store_variant_release(struct store_variant *v);

/* Says that the variant is being fetched (files, names, sizes): its blobs are kept by gc
 * and remove until it is linked. Before the first blob is asked for or made. */
WARN_UNUSED int store_pin(const struct store *s, const struct store_variant *v, struct err *e);

/* Links the variant's blobs under their names, all of them present. Replaces an older set
 * of the same variant, file by file, the record last; then takes the pin away. dir,
 * complete and size of *v are not read. ERR_CONFLICT when another process removed a blob
 * meanwhile. */
WARN_UNUSED int store_link(const struct store *s, const struct store_variant *v,
			   struct err *e);
/* The same files under the same names? */
bool store_variant_equal(const struct store_variant *a, const struct store_variant *b);
/* Takes away what a process that was killed near the end of store_link(v) left: the pin, and
 * names of an older version. What cannot be removed (a read-only store) stays. */
void store_tidy_variant(const struct store *s, const struct store_variant *v);

struct store_variants {
	struct store_variant *at;
	size_t count, cap;
};
void store_variants_release(struct store_variants *v);
/* Sorted by repository, model, variant. A variant whose record is damaged is listed
 * without files, as not complete. */
WARN_UNUSED int store_list(const struct store *s, struct store_variants *out, struct err *e);

/* Unlinks the variant and removes the blobs that no other variant uses. Adds the bytes that
 * became free to *freed. ERR_NOT_FOUND when it is not there. */
WARN_UNUSED int store_remove(const struct store *s, const char *repository, const char *model,
			     const char *variant, uint64_t *freed, struct err *e);

struct store_gc {
	uint64_t blobs, partials, temporaries;  /* files removed (or that would be) */
	uint64_t bytes;
};
/* Removes blobs that no variant links to or is waiting for, damaged blobs, and temporary
 * files older than a day; partials (and what waits for them) not touched for partial_age_s
 * (UINT64_MAX: none) that nobody holds; cached manifests not used for 30 days. dry_run only
 * counts. */
WARN_UNUSED int store_gc(const struct store *s, uint64_t partial_age_s, bool dry_run,
			 struct store_gc *out, struct err *e);

/* Re-hashes a blob. ERR_INTEGRITY when it is damaged: it is moved to
 * blobs/sha256/<hex>.damaged, so that the next fetch mends it from what is still right. */
WARN_UNUSED int store_verify(const struct store *s, const struct digest *d, struct err *e);

#endif
