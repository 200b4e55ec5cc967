/*
 * Archives: tar (plain, or compressed with gzip, xz, zstd, bzip2, lz4), zip, 7z, and one
 * compressed file ("model.gguf.zst"), through libarchive. External programs, which libarchive
 * uses for rare compressions, are never run.
 *
 * The result is regular files in ordinary folders. Refused (ERR_INTEGRITY, with the entry's
 * name): absolute names, "..", names over 1,024 bytes or 16 folders deep, control characters,
 * symbolic and hard links, devices, FIFOs, sockets, a name given twice, more entries or bytes
 * than the limits, a compression ratio over the limit (a bomb), encryption, damage. After a
 * failure, nothing is left.
 */
#ifndef FERRY_PREPARE_ARCHIVE_H
#define FERRY_PREPARE_ARCHIVE_H

#include "util/base.h"
#include "util/cancel.h"
#include "util/err.h"
#include "util/report.h"
#include "util/text.h"

struct archive_limits {
	uint64_t max_bytes;   /* of all files together */
	uint64_t max_ratio;   /* of all files to the archive; checked above ARCHIVE_RATIO_FROM */
	uint32_t max_entries; /* folders included */
};
#define ARCHIVE_LIMITS_INIT BRACES(.max_bytes = 4096 * GIB, .max_ratio = 100, .max_entries = 4096)
#define ARCHIVE_RATIO_FROM (16 * MIB)
#define ARCHIVE_MAX_DEPTH 16

/*
 * Extracts into `dir`, an existing empty folder that nobody else writes to. Files get mode 0644
 * minus the umask; their names relative to dir are appended to `files` in the order of the
 * archive. `name` is the name of the archive for messages; for a single compressed file it also
 * determines the name ("x/m.gguf.zst" → "m.gguf"). Disk space is checked before each file.
 */
WARN_UNUSED int archive_extract(const char *path, const char *name, const char *dir,
				const struct archive_limits *limits, struct report *report,
				const struct cancel *cancel, struct str_list *files, struct err *e);

#endif
