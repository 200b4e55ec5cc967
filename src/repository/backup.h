/*
 * backup: what a publisher needs to go on elsewhere, in one archive (tar, compressed with zstd):
 *
 *   <tree>/       cards, drafts, metadata, catalog.json and its signature, the small objects, what
 *                 push and announce keep; the model files only on request
 *   <keys>/       only on request: *.pem, *.pub, *.command
 *   ferry.conf
 *   backup.json   the last entry: { "format": "model-ferry-backup", "version": 1, "repository",
 *                 "release", "root_sha256", "tree", "keys", "objects",
 *                 "files": [ { "path", "size", "sha256" } ] }
 *
 * The same tree and choice give the same bytes. Left out is what holds for one machine only: locks,
 * temporary files, and the marks of files that were verified (seen.h, staged.h).
 */
#ifndef FERRY_REPOSITORY_BACKUP_H
#define FERRY_REPOSITORY_BACKUP_H

#include "repository/repository.h"

#define BACKUP_FORMAT "model-ferry-backup"
#define BACKUP_VERSION 1
#define BACKUP_INDEX "backup.json"

/* What is saved. The names of tree and keys in the archive are relative paths, "repository". */
struct backup {
	const char *repository; /* its name; or NULL */
	const char *dir, *dir_name;
	const char *keys, *keys_name; /* keys NULL: none */
	const char *conf;             /* ferry.conf; or NULL */
	bool objects;                 /* with the model files */
	bool plain_keys;              /* also private keys that are not encrypted */
	int64_t now_s;                /* for the record of it (backup_last.h) */
	const struct cancel *cancel;
	struct report *report;
};
struct backup_result {
	uint64_t release; /* version of timestamp.json; 0: it was never signed */
	size_t files, keys;
	uint64_t bytes; /* of the files */
};

/*
 * Writes the archive `path`, atomically; with keys, only its owner can read it. The tree is locked
 * meanwhile. ERR_USAGE when a private key is not encrypted and plain_keys is not set, or when
 * `path` is inside the tree; ERR_INTEGRITY when an object is not what its name says.
 */
WARN_UNUSED int backup_write(const struct backup *b, const char *path, struct backup_result *out,
			     struct err *e);

/* How it is put back. */
struct backup_restoring {
	const char *dir; /* ferry.conf is put here, tree and keys below it */
	bool replace;    /* cards and drafts that differ from those of the backup, too */
	bool dry_run;
	const struct cancel *cancel;
	struct report *report;
};
struct backup_restored {
	char *repository;  /* or NULL */
	char *tree, *keys; /* where they are now; keys NULL: the backup has none */
	uint64_t release;
	size_t files, placed; /* placed: those that were not there */
	uint64_t bytes;       /* of all files */
	struct str_list kept; /* files of `dir` that differ and stay: ferry.conf, keys, records */
};
void backup_restored_release(struct backup_restored *r);

/*
 * Everything is unpacked beside its place, compared with backup.json, and the signatures of the
 * tree are verified; then each file is renamed, in the order in which they are published. A reader
 * of the folder sees the old release or the new one.
 *
 * ERR_INTEGRITY: it is damaged, or no backup. ERR_USAGE: there is another repository.
 * ERR_CONFLICT: the tree there is newer, or has cards or drafts that the backup does not have.
 */
WARN_UNUSED int backup_restore(const char *path, const struct backup_restoring *how,
			       struct backup_restored *out, struct err *e);

#endif
