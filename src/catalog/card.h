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
 *     "withdrawn": { "reason", "replacement", "since" },
 *     "variants": [
 *       { "id", "title", "summary", "kind", "engine", "quantization", "default", "size", "tags",
 *         "ram": { "context", "bytes", "token_bytes" } or { "unknown": reason },
 *         "min_ram", "recommended_ram" (bytes),
 *         "version", "label", "released", "changes": [], "withdrawn",
 *         "files": [ { "path", "name", "role", "size", "sha256" } ],
 *         "superseded": [ earlier versions, the newest first, each like a variant ] } ] }
 *
 * Required are format, version, id and variants, and in a variant id and files. A variant without
 * files is planned: it is in the card but not in the signed catalog. The JSON object is kept
 * unchanged, unknown members included; the structs below are views of it.
 *
 * The version of a variant counts up from 1 with each change of its files. A file that changed gets
 * a new path, so that the earlier one stays a target beside it. Its name on the reader's disk is
 * "name", or without it the last part of the path.
 *
 * A file without a role is the model, or a shard of it; these come first. A file with a role is a
 * companion, which is used together with the model: they are one variant, so they are signed,
 * fetched and removed together. Programs that do not know roles see further files.
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
#define CARD_MAX_SUPERSEDED 64

/* Target paths are "models/ID/NAME". */
#define CARD_TARGETS "models/"
char *card_target(const char *id, const char *name); /* the caller frees */

struct card_file {
	const char *path; /* target path: "models/phi-2/phi-2-q4_k_m.gguf" */
	const char *name; /* on the reader's disk; unique within a variant */
	const char *role; /* one of CARD_ROLES, or one that is not known here; NULL: the model */
	uint64_t size;    /* at least 1 */
	struct digest sha256;
};

/* What a companion is for. Only of adapters may a variant have several. */
#define CARD_PROJECTOR "projector"
#define CARD_ADAPTER "adapter"
#define CARD_DRAFT "draft" /* a smaller model that guesses ahead */
#define CARD_IMATRIX "imatrix"
#define CARD_ROLES CARD_PROJECTOR " " CARD_ADAPTER " " CARD_DRAFT " " CARD_IMATRIX
bool card_role_known(const char *role);
/* May a variant have several files of this role? */
bool card_role_repeats(const char *role);

/* A recall by the publisher. */
struct card_withdrawal {
	const char *reason;      /* NULL: it is not withdrawn */
	const char *replacement; /* "model[:variant[@version]]", or NULL */
};

struct card_variant {
	const char *id;           /* "q4_k_m" */
	const char *kind;         /* "adapter", "projector", …; NULL: a model */
	const char *engine;       /* the only program that can load it, or NULL */
	const char *quantization; /* "Q4_K_M", or NULL */
	bool is_default;          /* at most one of a card */
	uint64_t size;            /* bytes of all files; 0: planned */
	bool ram_known;
	uint64_t ram_bytes, ram_context; /* bytes at this many tokens of context */
	uint64_t ram_token;              /* bytes of each further token; 0: not known */
	struct card_file *files;         /* shards in order, the first is the one to open; then
					    companions */
	size_t file_count;
	uint64_t version;                 /* from 1 */
	const char *label;                /* the publisher's own name of the version, or NULL */
	const char *released;             /* or NULL */
	struct card_withdrawal withdrawn; /* this version */
	struct card_variant *superseded;  /* earlier versions, the newest first; they have none */
	size_t superseded_count;
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
	struct card_withdrawal withdrawn;             /* all variants and versions */
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

/* The version of a variant: a number, a label, or "sha256:" with 12 or more digits of the digest
 * of one of its files; NULL: the current one. NULL when there is none. */
const struct card_variant *card_version(const struct card_variant *v, const char *version);

/* The recall of the version, or of the whole model. reason NULL: it may be used. */
struct card_withdrawal card_withdrawn(const struct card *c, const struct card_variant *v);

/* Checks what holds for a card that is a target: its id is `id`, its files are directly in
 * models/ID/, and it does not name mirrors or roles. ERR_INTEGRITY. */
WARN_UNUSED int card_check_own(const struct card *c, const char *id, struct err *e);
/* "models/ID/ID.card.json"; caller frees. */
char *card_document(const char *id);

/* A walk through the files of all variants and versions: set only the card, then use variant and
 * file after each call that returns true. */
struct card_walk {
	const struct card *card;
	const struct card_variant *variant; /* the current version, or a superseded one */
	const struct card_file *file;
	size_t next_variant, next_version, next_file;
};
bool card_next_file(struct card_walk *w);

/* The name of a member that no card may have, for example "mirrors"; NULL: there is none. */
const char *card_foreign_member(const json_t *card);

/* How many of its files are the model: all that have no role, which come first. */
size_t card_model_files(const struct card_variant *v);

/* An array of the roles of its companions, in their order; NULL: there are none. The caller owns
 * it. */
json_t *card_roles(const struct card_variant *v);

/* Do the files have the same names, roles and contents, in the same order? */
bool card_same_files(const struct card_variant *a, const struct card_variant *b);

/* Adds the variants of `from` to `into` or replaces them there, and adds members that `into`
 * lacks. What a person wrote in `into` is kept; of a replaced variant these are title, summary,
 * tags, default, min_ram and recommended_ram. A planned variant never replaces another. `updated`
 * becomes the later date. Both are card objects. ERR_USAGE when they are cards of different
 * models. */
WARN_UNUSED int card_merge(json_t *into, const json_t *from, struct err *e);

/*
 * Sets the versions in what card_merge() made of `before` (NULL: there was no card) and `added`. A
 * variant whose files are others than before becomes a new version, and the one before is kept in
 * "superseded"; one with the same files keeps its version, and gets the label if it has none.
 * ERR_USAGE for a label that is not valid, or that another version has.
 */
struct card_versioning {
	int64_t now_s;
	size_t keep;       /* how many superseded versions, at most CARD_MAX_SUPERSEDED */
	const char *label; /* NULL: that of the added card, if any */
	/* The highest version that the variant has ever had, 0: none. NULL: `before` knows it. */
	uint64_t (*highest)(const void *ctx, const char *variant);
	const void *ctx; /* of highest */
};
WARN_UNUSED int card_set_versions(json_t *merged, const struct card *before,
				  const struct card *added, const struct card_versioning *how,
				  struct err *e);

/* "key=value" with dotted keys: "title=Phi 2", "license.id=MIT", "tags=chat,small",
 * "parameters=2.7B", "variants.q4_k_m.summary=…". An empty value removes the member. ERR_USAGE
 * when the key cannot be set, or the value is not valid for it. */
WARN_UNUSED int card_set(json_t *card, const char *assignment, struct err *e);
/* Would it be possible in a card that has the variant? */
WARN_UNUSED int card_set_check(const char *assignment, struct err *e);

#endif
