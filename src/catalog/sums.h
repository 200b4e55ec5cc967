/*
 * SHA256SUMS: lists of digests as sha256sum writes and checks them
 * (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html), and as other
 * tools do. Only the first form is written.
 *
 *   <64 hex>  <name>            also " *" before the name, or one blank
 *   \<64 hex>  <name>           the name has \\ \n \r escaped
 *   SHA256 (<name>) = <hex>     BSD; openssl has SHA256(<name>)= and SHA2-256(<name>)=
 *   <64 hex>                    in FILE.sha256: of FILE
 *   PowerShell's Get-FileHash as table, list or CSV, and certutil -hashfile
 *
 * A list may be in UTF-16, have a byte order mark and CR LF, and be clear-signed by PGP; the
 * signature is not checked, and digests outside the signed text are not taken.
 *
 * Names are relative to the folder of the list; one that leads out of it is refused. Those two
 * tools of Windows and absolute Windows paths tell where the file was: see `moved`.
 */
#ifndef FERRY_CATALOG_SUMS_H
#define FERRY_CATALOG_SUMS_H

#include "catalog/manifest.h"

#define SUMS_NAME "SHA256SUMS"
#define SUMS_MAX_BYTES (16 * MIB)
#define SUMS_MAX_ENTRIES 100000
#define SUMS_MAX_FAULTS 1000

struct sums_entry {
	char *name; /* without a "./" in front; may hold control characters */
	struct digest sha256;
	bool moved; /* name was an absolute path: only its last parts hold in the list's folder */
};
/* A line from which no digest could be taken, but which was meant to give one; or a name with two
 * digests. */
struct sums_fault {
	char *name; /* of the file with two digests, or NULL */
	char *why;  /* for a message; without a name it begins with "line 3: " */
};
struct sums {
	struct sums_entry *at; /* in the order of the list, each name once */
	size_t count, cap;
	struct sums_fault *faults; /* the first SUMS_MAX_FAULTS */
	size_t fault_count, fault_cap;
	char *skipped; /* what was passed over, for a message; or NULL */
};
void sums_release(struct sums *s);

/*
 * Empty lines and comments are passed over. So are lines of other kinds and digests by other
 * algorithms, which `skipped` tells. When these are all there is, it is ERR_INTEGRITY; an empty
 * list is a list. `of`: the file to which a digest without a name belongs, or NULL.
 */
WARN_UNUSED int sums_parse(const void *data, size_t len, const char *what, const char *of,
			   struct sums *out, struct err *e);
WARN_UNUSED int sums_load(const char *path, struct sums *out, struct err *e);
/* The same for a list that will be written again: anything that would be lost is an error. */
WARN_UNUSED int sums_load_to_change(const char *path, struct sums *out, struct err *e);

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
/* Is it the file name of such a list? "SHA256SUMS", "checksums.txt", "*.sha256", "*_SHA256SUMS", …
 */
bool sums_is_list(const char *name);
/* Is it that of a list by another algorithm? "SHA512SUMS", "*.md5", … */
bool sums_is_other_list(const char *name);
/* The FILE of a list with the name FILE.sha256 or similar, or NULL. The caller frees. */
char *sums_file_of(const char *name);

/* MANIFEST_OK, _MISSING or _CONTENT, without a piece. */
WARN_UNUSED int sums_check(const struct sums_entry *entry, const char *path, struct report *report,
			   const struct cancel *cancel, struct manifest_verdict *out,
			   struct err *e);

#endif
