/*
 * import: files that are on this machine already become models in the store, if the catalog knows
 * them: those of a folder, or of what another program has downloaded.
 *
 *   find      every file below the paths; no link is followed out of a folder
 *   catalog   the files of all models and versions, for their sizes and digests
 *   run       hashes the files whose size the catalog knows, several at a time; takes those whose
 *             digest it knows (store/adopt.h), and records each model that is complete
 *
 * What always holds here:
 *  - a file counts by its bytes, which are hashed in this run before they become a blob. A name
 *    that has a digest in it (Ollama, Hugging Face) only saves hashing what the store has already;
 *  - no model file is downloaded, and no file that the catalog does not know is touched;
 *  - a run that is cut leaves a valid store: what was taken stays, and what its models lack is
 *    expected (store_expect()), so that nothing is collected before the next import or fetch.
 */
#ifndef FERRY_FETCH_IMPORT_H
#define FERRY_FETCH_IMPORT_H

#include "fetch/fetch.h"
#include "store/adopt.h"

/* ---- files: import_find.c ---- */

#define IMPORT_MAX_FILES 500000
#define IMPORT_MAX_DEPTH 64

enum import_state {
	IMPORT_FOUND,      /* not looked at yet */
	IMPORT_IGNORED,    /* no GGUF file, and not in the catalog */
	IMPORT_UNKNOWN,    /* a GGUF file that is not in the catalog */
	IMPORT_DIFFERS,    /* the catalog has a file of this size, but with other bytes */
	IMPORT_IMPORTED,   /* or would be, in a dry run */
	IMPORT_STORED,     /* the store had it before */
	IMPORT_WITHDRAWN,  /* only versions that were withdrawn have it */
	IMPORT_NEEDS_COPY, /* it can only be copied, which was not allowed; not hashed */
	IMPORT_FAILED,     /* why: it could not be read or taken */
	IMPORT_OUTSIDE,    /* a link that leads out of the folder; not followed */
};
/* "found", "ignored", "unknown", "differs", "imported", "stored", "withdrawn", "needs-copy",
 * "failed", "outside". */
const char *import_state_name(enum import_state s);

struct import_file {
	struct str_list names; /* its paths, links to it included; the first is for people */
	char *path;            /* that of the file itself */
	uint64_t size, device, inode;
	size_t order; /* in which it was found */
	bool claims;  /* a name says its digest */
	struct digest claimed;
	enum import_state state;
	/* Of import_run(): */
	enum store_adopt_how how; /* if IMPORTED */
	const struct import_entry
		*entry; /* what it is; if DIFFERS or NEEDS_COPY, what has its size */
	bool hashed;
	struct digest sha256;
	bool removed; /* by import_options.move */
	struct err why;
};
struct import_files {
	struct import_file *at;
	size_t count, cap;
};
void import_files_release(struct import_files *f);

/*
 * Finds what is at the paths: files, and all regular files below folders, each once, whatever its
 * names. A link given as path is followed. One in a folder is followed to a file in the same
 * folder, or from models--X/snapshots to models--X/blobs, as the cache of Hugging Face has them;
 * any other that leads to a folder or to a GGUF file is listed as OUTSIDE; one that leads to a file
 * of the store as STORED. Folders that cannot be read, or are nested too deeply, are listed as
 * FAILED. The store itself, and what is neither a file nor a folder, is left out.
 *
 * ERR_NOT_FOUND when there is nothing at a path; ERR_USAGE for a path in the store, for what is
 * neither a file nor a folder, and for more than IMPORT_MAX_FILES.
 */
WARN_UNUSED int import_find(const struct store *s, char *const *paths, size_t count,
			    struct import_files *out, struct err *e);

/* Does the name end in ".gguf"? */
bool import_is_gguf_name(const char *name);

/* ---- what the catalog has: import_catalog.c ---- */

/* A version of a variant. */
struct import_model {
	struct remote *remote; /* borrowed, like the next two */
	const struct card *model;
	const struct card_variant *variant;
	bool versioned; /* fetch_options.versioned: it is not the current version, or another one
			   is pinned */
	/* Of import_run(): */
	size_t promised; /* its files that may be among those that were found, or are stored */
	bool expected;   /* its files were taken, or would be, although not all are there yet */
	bool complete;   /* all its files are in the store, or would be */
	bool recorded;   /* under its name, or would be */
	struct err why;  /* class 0, or why it was not recorded */
};
struct import_entry {
	size_t model; /* index */
	const struct card_file *file;
	bool there; /* of import_run(): its bytes are in the store, or would be */
};
struct import_catalog {
	struct import_model *models;
	size_t model_count, model_cap;
	struct import_entry *entries; /* by size, then digest, then in the order of the models */
	size_t entry_count, entry_cap;
};
void import_catalog_release(struct import_catalog *c);

/*
 * Reads the cards of the remotes. In a repository with more than IMPORT_ALL_CARDS models, only
 * those that can have one of the files: as the complete catalog says, else the index.
 * ERR_INTEGRITY, ERR_NETWORK … as of remote_each_model() and remote_model(); a card that cannot
 * be had offline is left out, with a note.
 */
#define IMPORT_ALL_CARDS 200
WARN_UNUSED int import_catalog_read(const struct remotes *all, const struct import_files *files,
				    struct import_catalog *out, struct err *e);
/* The first entry with this size, and with NULL no matter which digest; *count of them. NULL: there
 * is none. */
const struct import_entry *import_catalog_find(const struct import_catalog *c, uint64_t size,
					       const struct digest *d, size_t *count);

/* ---- the run: import_run.c ---- */

struct import_options {
	bool dry_run; /* hashes, but changes nothing */
	bool copy;    /* clone or copy; else clone or link */
	bool move;    /* clone, link or copy, and remove the file afterwards */
};

/*
 * Sets the state of each file and each model. A file that several models have is recorded for each
 * of them that is complete; if none is, for the one that lacks least. Of several repositories that
 * have it, the first counts. Negative only when it was cancelled, or the store is read-only.
 */
WARN_UNUSED int import_run(const struct store *s, struct import_files *files,
			   struct import_catalog *catalog, const struct import_options *options,
			   struct err *e);

#endif
