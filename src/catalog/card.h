/*
 * The model card: what a person or an app needs to choose a model, and the target paths of its
 * variants. Schema: schemas/card.schema.json. `ferry prepare` writes cards, people may edit them,
 * and the catalog consists of them.
 *
 *   { "format": "model-ferry-card", "version": 1, "id": "phi-2",
 *     "title", "summary", "description", "family", "parameters", "context_length",
 *     "license": { "id" (SPDX expression), "name", "url" },
 *     "source": { "url", "author", "revision", "sha256" },
 *     "tags": [], "languages": [], "created", "updated",
 *     "deprecated": { "reason", "replacement", "since" },
 *     "variants": [ { "id", "title", "summary", "kind", "engine", "quantization", "default",
 * "size", "tags", "ram": { "context", "bytes" } or { "unknown": reason }, "min_ram",
 * "recommended_ram" (bytes), "files": [ { "path", "size", "sha256" } ] } ] }
 *
 * Required are format, version, id and variants, and in a variant id and files. A variant without
 * files is planned: it is in the card but not in the signed catalog. The JSON object is kept
 * unchanged, unknown members included; the structs below are views of it.
 */
#ifndef FERRY_CATALOG_CARD_H
#define FERRY_CATALOG_CARD_H

#include "hash/sha256.h"
#include "json/json.h"
#include "util/text.h"

#define CARD_FORMAT "model-ferry-card"
#define CARD_VERSION 1
#define CARD_SUFFIX ".card.json"
#define CARD_MAX_BYTES (1 * MIB)
#define CARD_MAX_VARIANTS 256
#define CARD_MAX_FILES 1000 /* of a variant */

/* Target paths are "models/ID/NAME". */
#define CARD_TARGETS "models/"
char *card_target(const char *id, const char *name); /* the caller frees */

struct card_file {
	const char *path; /* target path: "models/phi-2/phi-2-q4_k_m.gguf" */
	const char *name; /* its last part; unique within a variant */
	uint64_t size;    /* at least 1 */
	struct digest sha256;
};

struct card_variant {
	const char *id;           /* "q4_k_m" */
	const char *kind;         /* "adapter", "projector", …; NULL: a model */
	const char *engine;       /* the only program that can load it, or NULL */
	const char *quantization; /* "Q4_K_M", or NULL */
	bool is_default;          /* at most one of a card */
	uint64_t size;            /* bytes of all files; 0: planned */
	bool ram_known;
	uint64_t ram_bytes, ram_context;
	struct card_file *files; /* shards in order; the first is the one to open */
	size_t file_count;
	const json_t *json;
};

struct card {
	json_t *json;                        /* owned */
	const char *id, *title;              /* title: the id when the card has none */
	const char *summary, *family;        /* "" when the card has none */
	const char *license;                 /* SPDX expression, or NULL */
	uint64_t parameters, context_length; /* 0: unknown */
	bool deprecated;
	const char *deprecation_reason, *replacement; /* or NULL */
	struct card_variant *variants;                /* ids differ */
	size_t variant_count;
};
void card_release(struct card *c);

/* A card object with format, version and id, and no variants; the caller owns it. */
json_t *card_new(const char *id);

/* Checks every member that the schema knows; takes a reference to the object. `at` names it
 * in messages ("models[2]"; "" at the top). ERR_INTEGRITY. */
WARN_UNUSED int card_from_json(json_t *object, const char *at, struct card *out, struct err *e);
WARN_UNUSED int card_parse(const void *data, size_t len, const char *what, struct card *out,
			   struct err *e);
WARN_UNUSED int card_load(const char *path, struct card *out, struct err *e);
WARN_UNUSED int card_save(const struct card *c, const char *path, struct err *e);

/* The variant by id; with NULL the default one: marked so, or the first model that is not planned,
 * or the first that is not planned, or the first. NULL when there is none. */
const struct card_variant *card_variant(const struct card *c, const char *id);

/* Adds the variants of `from` to `into` or replaces them there, and adds members that `into`
 * lacks. What a person wrote in `into` is kept; of a replaced variant these are title, summary,
 * tags, default, min_ram and recommended_ram. A planned variant never replaces another. `updated`
 * becomes the later date. Both are card objects. ERR_USAGE when they are cards of different
 * models. */
WARN_UNUSED int card_merge(json_t *into, const json_t *from, struct err *e);

/* "key=value" with dotted keys: "title=Phi 2", "license.id=MIT", "tags=chat,small",
 * "parameters=2.7B", "variants.q4_k_m.summary=…". An empty value removes the member. ERR_USAGE
 * when the key cannot be set, or the value is not valid for it. */
WARN_UNUSED int card_set(json_t *card, const char *assignment, struct err *e);
/* Would it be possible in a card that has the variant? */
WARN_UNUSED int card_set_check(const char *assignment, struct err *e);

#endif
