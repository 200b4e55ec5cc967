/*
 * Packs: the small files of a model (its card, the manifests of its files, statements about them)
 * in one object, for mirrors that count their objects. Its key follows from that of the card, so a
 * reader who knows the card's digest knows where to look:
 *
 *   targets/models/phi-2/<SHA-256 of the card>.phi-2.card.json
 *   targets/models/phi-2/<SHA-256 of the card>.phi-2.pack
 *
 * It is a line of JSON, then the files one after the other:
 *
 *   { "format": "model-ferry-pack", "version": 1, "files": [ { "key", "size" } ] }
 *
 * The signed metadata does not list it. It proves nothing: each file in it is verified as it would
 * be without a pack.
 */
#ifndef FERRY_CATALOG_PACK_H
#define FERRY_CATALOG_PACK_H

#include "util/buf.h"
#include "util/err.h"

#define PACK_FORMAT "model-ferry-pack"
#define PACK_VERSION 1
#define PACK_SUFFIX ".pack"
#define PACK_MAX_BYTES (128 * MIB)
#define PACK_MAX_FILES 200000
#define PACK_MAX_HEADER (32 * MIB)

/* Does a file with this target path belong in the pack of its model? */
bool pack_takes(const char *path);
/* The key of the pack for the key of a card; NULL if it is not one. The caller frees it. */
char *pack_key(const char *card_key);

struct pack_file {
	const char *key;
	const void *data;
	size_t len;
};
/* Sets *out, up to its maximum size: ERR_USAGE if it is exceeded. The same files give the same
 * bytes. */
WARN_UNUSED int pack_write(const struct pack_file *files, size_t count, struct buf *out,
			   struct err *e);
/* Finds a file; *out is borrowed from the pack. ERR_INTEGRITY when the pack is malformed,
 * ERR_NOT_FOUND when it does not have the file. */
WARN_UNUSED int pack_find(const struct buf *pack, const char *key, struct pack_file *out,
			  struct err *e);

#endif
