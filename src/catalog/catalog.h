/*
 * catalog: the documents of a repository: repository.json, cards (card.h), the index of all models
 * (index.h), the complete catalog.json, manifests of files (manifest.h), lists of digests (sums.h),
 * Metalink (metalink.h), references to models, and the linter (lint.h).
 *
 * What always holds here: nothing opens a connection; parsers check every known member and accept
 * unknown ones. A parsed document is not trusted yet: what a client uses was verified by the TUF
 * client (tuf/client.h).
 *
 * The catalog has all cards of a repository and the mirrors that serve it. If it would be too
 * large, it is a stub without models. repository.json has the same without the cards: a reader of
 * one model needs only it and the card, which is a target, too. Schemas:
 * schemas/catalog.schema.json, schemas/repository.schema.json.
 *
 *   { "format": "model-ferry-catalog", "version": 1, "name", "title", "updated",
 *     "mirrors": [ { "id", "kind", "url", "region", "priority", "holds", "part_size",
 *                  "places", "template", "models" (places.h) } ],
 *     "models": [ cards, as card.h has them, each with at least one variant, and each
 *                 variant with at least one file ] }
 *
 *   of a stub: "complete": false, "index": "index.jsonl.zst", and only models without a card
 *
 *   { "format": "model-ferry-repository", "version": 1, "name", "title", "updated", "mirrors" }
 *
 * A mirror of an unknown kind is kept and ignored.
 */
#ifndef FERRY_CATALOG_CATALOG_H
#define FERRY_CATALOG_CATALOG_H

#include "catalog/card.h"
#include "catalog/holds.h"

#define CATALOG_FORMAT "model-ferry-catalog"
#define CATALOG_VERSION 1
#define CATALOG_TARGET "catalog.json"
#define CATALOG_HEAD_FORMAT "model-ferry-repository"
#define CATALOG_HEAD_TARGET "repository.json"
#define CATALOG_HEAD_MAX_BYTES (1 * MIB)
#define CATALOG_PRIORITY 50 /* the default */
#define CATALOG_MAX_BYTES (64 * MIB)
#define CATALOG_MAX_MIRRORS 64
#define CATALOG_MAX_TITLE 200

struct catalog_mirror {
	const char *id, *kind, *url, *region; /* region or NULL */
	enum mirror_holds holds;
	uint64_t priority;
	uint64_t part_size; /* GitHub: bytes of an asset; 0 */
	const json_t *json;
};

/* Does it hold what is asked for, OBJECTS or METADATA, with its URL and '/' in front of each key?
 * Releases on GitHub and registries, for example, have other URLs. */
bool catalog_mirror_has(const struct catalog_mirror *m, enum mirror_holds what);

struct catalog {
	json_t *json;      /* owned */
	const char *name;  /* of the repository: "ai-brother" */
	const char *title; /* or NULL */
	const char *updated;
	struct card *models; /* sorted by id; none in repository.json */
	size_t model_count;
	struct catalog_mirror *mirrors; /* sorted by priority, then id */
	size_t mirror_count;
};
void catalog_release(struct catalog *c);
/* Frees the models, nearly all of it, for those who need only the head and the mirrors. Not if
 * others share its JSON. */
void catalog_forget_models(struct catalog *c);

WARN_UNUSED int catalog_parse(const void *data, size_t len, const char *what, struct catalog *out,
			      struct err *e);
WARN_UNUSED int catalog_from_json(json_t *object, struct catalog *out, struct err *e);

/* Sorts the models by id, as catalog_model() needs them. */
void catalog_sort(struct catalog *c);
const struct card *catalog_model(const struct catalog *c, const char *id);

/* Instead of a variant's id: the largest one that fits into the memory (fit.h). No variant has this
 * id. */
#define REFERENCE_AUTO "auto"

/* [repository/]model[:variant][@version], in lower case; "Phi-2:Q4_K_M" is the same reference. */
struct reference {
	char *repository; /* or NULL */
	char *model;
	char *variant; /* or NULL */
	char *version; /* for card_version(), or NULL */
};
/* ERR_USAGE when it does not parse. */
WARN_UNUSED int reference_parse(const char *text, struct reference *out, struct err *e);
void reference_release(struct reference *r);

/* Finds model, variant and version (the caller handles the repository). ERR_NOT_FOUND, with the
 * nearest name, or the existing variants or versions, in the hint. */
WARN_UNUSED int catalog_resolve(const struct catalog *c, const struct reference *r,
				const struct card **model, const struct card_variant **variant,
				struct err *e);
/* Finds the version of a variant in one card; NULL: the default variant, the current version.
 * ERR_NOT_FOUND, as above. */
WARN_UNUSED int reference_resolve(const struct card *model, const char *variant,
				  const char *version, const struct card_variant **out,
				  struct err *e);
/* Does it name a variant as files are named, "phi-2-q8_0" or "phi-2-q8_0.gguf"? */
bool reference_names_variant(const char *wanted, const char *model, const char *variant);
/* ERR_NOT_FOUND for a model that `where` ("the catalog 'lab'") does not have, with the nearest of
 * its names in the hint. */
int reference_no_model(const char *where, const char *id, const char *const *names, size_t count,
		       struct err *e);

#endif
