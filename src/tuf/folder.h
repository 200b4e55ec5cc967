/*
 * The trust folder: verified metadata under unversioned names, byte for byte as it was
 * received ("root.json", a delegated role's name percent-encoded), a lock, and the digest of
 * the root that was pinned.
 */
#ifndef FERRY_TUF_FOLDER_H
#define FERRY_TUF_FOLDER_H

#include "tuf/trusted.h"

/* Where a role's file is; caller frees. */
char *tuf_folder_path(const char *dir, const char *role);

/* Its bytes, unverified. ERR_NOT_FOUND; ERR_INTEGRITY when it is larger than out->max or not a
 * file. */
WARN_UNUSED int tuf_folder_load(const char *dir, const char *role, struct buf *out, struct err *e);
/* 1 when the role is stored, 0 when it is missing or tuf_folder_load() would refuse it. */
WARN_UNUSED int tuf_folder_read(const char *dir, const char *role, struct buf *out, struct err *e);
/* Atomic. */
WARN_UNUSED int tuf_folder_write(const char *dir, const char *role, const void *data, size_t len,
				 struct err *e);
WARN_UNUSED int tuf_folder_forget(const char *dir, const char *role, struct err *e);

/* Waits until no other process writes there. */
WARN_UNUSED int tuf_folder_lock(const char *dir, const struct cancel *cancel, int *fd,
				struct err *e);

/* Verifies the stored root with its own keys and starts the trusted set with it. ERR_NOT_FOUND:
 * there is none. */
WARN_UNUSED int tuf_folder_root(const char *dir, size_t max, struct tuf_trusted *t, struct err *e);

/* The SHA-256 of the first trusted root; false when it is unknown. */
WARN_UNUSED int tuf_folder_pin(const char *dir, const struct digest *root, struct err *e);
bool tuf_folder_pinned(const char *dir, struct digest *out);

/* Removes files that a killed process left incomplete. Only files older than an hour, because
 * another process may be writing now (while it creates the folder, or where locks do not work). */
WARN_UNUSED int tuf_folder_tidy(const char *dir, struct err *e);

#endif
