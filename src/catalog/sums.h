/*
 * SHA256SUMS: lists of digests as sha256sum writes and checks them
 * (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html).
 *
 *   <64 hex>  <name>          or " *" before the name (binary mode: the same here)
 *   \<64 hex>  <name>         the name has \\ \n \r escaped
 *   SHA256 (<name>) = <hex>   BSD format; only read
 *
 * Names are relative to the folder of the list; one that leads out of it is refused.
 */
#ifndef FERRY_CATALOG_SUMS_H
#define FERRY_CATALOG_SUMS_H

#include "catalog/manifest.h"

#define SUMS_NAME "SHA256SUMS"
#define SUMS_MAX_BYTES (16 * MIB)
#define SUMS_MAX_ENTRIES 100000

struct sums_entry {
	char *name; /* without a "./" in front; may hold control characters */
	struct digest sha256;
};
struct sums {
	struct sums_entry *at; /* in the order of the list, each name once */
	size_t count, cap;
};
void sums_release(struct sums *s);

/* Empty lines and lines that start with '#' are skipped. Any other line that has none of the
 * formats is ERR_INTEGRITY "<what>:3: …", and so is a name with two digests. */
WARN_UNUSED int sums_parse(const void *data, size_t len, const char *what, struct sums *out,
			   struct err *e);
WARN_UNUSED int sums_load(const char *path, struct sums *out, struct err *e);

/* Adds an entry, or replaces the digest of the one with this name. */
void sums_set(struct sums *s, const char *name, const struct digest *sha256);

/* GNU's form. Appends to out. */
void sums_format(const struct sums *s, struct buf *out);
WARN_UNUSED int sums_save(const struct sums *s, const char *path, struct err *e);

/* The name of `file` in the list `list`. Both exist, or their folders do. ERR_USAGE when the file
 * is not below the list's folder. The caller frees. */
WARN_UNUSED int sums_name_for(const char *list, const char *file, char **out, struct err *e);
/* A relative name that stays within its folder: no empty part, no "..". */
bool sums_name_ok(const char *name);
/* Is it the file name of such a list? "SHA256SUMS", "SHA256SUMS.txt", "*.sha256", … */
bool sums_is_list(const char *name);

/* MANIFEST_OK, _MISSING or _CONTENT, without a piece. */
WARN_UNUSED int sums_check(const struct sums_entry *entry, const char *path, struct report *report,
			   const struct cancel *cancel, struct manifest_verdict *out,
			   struct err *e);

#endif
