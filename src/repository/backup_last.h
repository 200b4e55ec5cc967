/*
 * backup_last: when the tree was last backed up, in its file .ferry/backup.json: { "format":
 * "model-ferry-last-backup", "version": 1, "time", "release", "root", "keys", "path" }. It is not
 * part of a backup: the same tree gives the same bytes.
 */
#ifndef FERRY_REPOSITORY_BACKUP_LAST_H
#define FERRY_REPOSITORY_BACKUP_LAST_H

#include "util/err.h"

#define BACKUP_LAST ".ferry/backup.json"

struct backup_last {
	int64_t time_s;
	uint64_t release; /* of the tree; 0: it was never signed */
	uint64_t root;    /* version of its root; 0: none */
	uint64_t keys;    /* files of keys that were saved, too */
	char *path;       /* absolute; perhaps it is elsewhere by now. Owned */
};
void backup_last_release(struct backup_last *b);

/* dir: the tree. ERR_NOT_FOUND when there was no backup yet, or by an earlier version of ferry;
 * ERR_INTEGRITY when the file is damaged. */
WARN_UNUSED int backup_last_read(const char *dir, struct backup_last *out, struct err *e);
/* Atomic. */
WARN_UNUSED int backup_last_write(const char *dir, const struct backup_last *b, struct err *e);

/* The version of the newest root in the tree; 0: none. */
uint64_t backup_last_root(const char *dir);

#endif
