/*
 * The index: one short line for each model of a repository, for `list`, `search` and completion. It
 * is a target that the role targets signs, and is fetched only when all models are asked for.
 * Nothing in it counts for a download: that is in the card, the manifest and the signed metadata.
 *
 * JSON Lines, compressed with zstd (RFC 8878). The first line is the header, then the models follow
 * in the order of their ids. Schema: schemas/index.schema.json, for one line.
 *
 *   { "format": "model-ferry-index", "version": 1, "models": 2 }
 *   { "id", "title", "family", "license", "parameters", "context_length", "tags": [],
 *     "deprecated": true, "replacement", "withdrawn": true,
 *     "variants": [ { "id", "kind", "quantization", "size", "default", "version", "ram",
 *                     "withdrawn": true } ] }
 *
 * Members that say nothing (false, version 1, no tags) are left out. Unknown members are ignored.
 */
#ifndef FERRY_CATALOG_INDEX_H
#define FERRY_CATALOG_INDEX_H

#include "catalog/card.h"

#define INDEX_TARGET "index.jsonl.zst"
#define INDEX_FORMAT "model-ferry-index"
#define INDEX_VERSION 1
#define INDEX_MAX_BYTES (64 * MIB) /* compressed */
#define INDEX_MAX_TEXT (512 * MIB) /* decompressed; read in a stream */
#define INDEX_MAX_LINE ((size_t)128 * KIB)

struct index_variant {
	const char *id, *kind, *quantization; /* kind: NULL is a model; quantization may be NULL */
	uint64_t size, version, ram;          /* ram: bytes, or 0 */
	bool is_default, withdrawn;
};

struct index_model {
	const char *id, *title;
	const char *family, *license;        /* or NULL */
	uint64_t parameters, context_length; /* 0: unknown */
	const json_t *tags;                  /* array of strings, or NULL */
	bool deprecated, withdrawn;
	const char *replacement; /* or NULL */
	struct index_variant variants[CARD_MAX_VARIANTS];
	size_t variant_count;
};

/* Calls fn for each model, whose strings are borrowed for the call; a negative return ends it and
 * is returned. ERR_INTEGRITY: it is damaged, too large, not in order, or of a newer version. */
typedef int index_model_fn(void *ctx, const struct index_model *m, struct err *e);
WARN_UNUSED int index_read(const void *data, size_t len, const char *what, index_model_fn *fn,
			   void *ctx, struct err *e);

/* A model as the index has it; the strings are borrowed from the card. */
void index_model_of(const struct card *c, struct index_model *out);

/* ---- for the publisher ---- */

/* Appends the line of a card, with its newline. */
WARN_UNUSED int index_line(const struct card *c, struct buf *out, struct err *e);
/* Appends the lines of the models, without the header. */
WARN_UNUSED int index_lines(const void *data, size_t len, const char *what, struct buf *out,
			    struct err *e);
/* The id in a line that index_line() or index_lines() made, and the line after it; false at the
 * end. */
bool index_next(const char **text, const char **line, size_t *len, const char **id, size_t *id_len);
/* Puts the header before the lines, and compresses. Replaces out. */
WARN_UNUSED int index_pack(const struct buf *lines, size_t models, struct buf *out, struct err *e);

#endif
