/*
 * The model card: what a person or an app needs to choose a model, and which target
 * paths its variants are made of. Schema: schemas/card.schema.json. `ferry prepare`
 * writes it, a person may edit it, the catalog is made of them.
 *
 * The JSON object is kept as it is, unknown members included; the structs below are
 * views of it.
 */
#ifndef FERRY_CATALOG_CARD_H
#define FERRY_CATALOG_CARD_H

#include "hash/sha256.h"
#include "json/json.h"
#include "util/text.h"

#define CARD_SUFFIX ".card.json"
#define CARD_MAX_BYTES (1 * MIB)

struct card_file {
	const char *path;       /* target path: "models/phi-2/phi-2-q4_k_m.gguf" */
	const char *name;       /* its last part */
	uint64_t size;
	struct digest sha256;
};

struct card_variant {
	const char *id;                 /* "q4_k_m" */
	const char *quantization;       /* "Q4_K_M", or NULL */
	const char *title, *summary;    /* or NULL */
	bool is_default;
	uint64_t size;                  /* bytes of all files */
	bool ram_known;
	uint64_t ram_bytes, ram_context;
	struct card_file *files;        /* shards in order; the first is the one to open */
	size_t file_count;
	const json_t *json;
};

struct card {
	json_t *json;                   /* owned */
	const char *id, *title, *summary, *family;
	const char *license;            /* SPDX expression, or NULL */
	uint64_t parameters, context_length;    /* 0: unknown */
	bool deprecated;
	const char *deprecation_reason, *replacement;   /* or NULL */
	struct card_variant *variants;
	size_t variant_count;
};
void card_release(struct card *c);

/* Checks every member that the views need and the schema's rules; takes a reference to
 * the object. `at` names it in messages ("models[2]"). */
WARN_UNUSED int card_from_json(json_t *object, const char *at, struct card *out,
			       struct err *e);
WARN_UNUSED int card_load(const char *path, struct card *out, struct err *e);
WARN_UNUSED int card_save(const struct card *c, const char *path, struct err *e);

/* The variant by id; with NULL the default one: marked so, or the only one, or the first. */
const struct card_variant *card_variant(const struct card *c, const char *id);

/* Adds or replaces the variants of `from` in `into`, and members that `into` lacks; what a
 * person wrote in `into` is kept. Both are card objects. */
WARN_UNUSED int card_merge(json_t *into, const json_t *from, struct err *e);
/* "key=value" with dotted keys ("license.id=MIT", "tags=chat,small"); ERR_USAGE when the
 * key is not one of a card, or the value does not fit. */
WARN_UNUSED int card_set(json_t *card, const char *assignment, struct err *e);

/* Findings of a linter, for people: what is missing or doubtful. Appends. */
void card_lint(const struct card *c, struct str_list *findings);

#endif
