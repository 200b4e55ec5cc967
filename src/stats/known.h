/*
 * The objects that are counted: model files that a catalog of ours has, or had. They are kept in
 * the database, so that those of earlier versions stay known.
 *
 * Prefix: stats_known.
 */
#ifndef FERRY_STATS_KNOWN_H
#define FERRY_STATS_KNOWN_H

#include "catalog/catalog.h"
#include "db/db.h"

struct stats_known_object {
	int64_t id; /* in the database */
	uint64_t size;
	char *model;
	bool first; /* of its variant: downloads of the variant are those of this file */
};

struct stats_known_path {
	char hex[2 * DIGEST_SIZE];
	char *folder, *file; /* "models/phi-2", "phi-2-q4_k_m.gguf" */
	uint32_t object;
	uint32_t next; /* + 1; of the same digest. 0: none */
};

struct stats_known {
	struct stats_known_object *at;
	size_t count, cap;
	struct stats_known_path *paths;
	size_t path_count, path_cap;
	uint32_t *places; /* of paths, + 1, by digest; 0: free */
	size_t size;      /* a power of two */
};
void stats_known_release(struct stats_known *k);

WARN_UNUSED int stats_known_load(struct stats_known *k, struct db *db, struct err *e);
/* Adds what the catalog has, all versions of all models, to the database. Within a transaction.
 * *added: files that were not known. */
WARN_UNUSED int stats_known_learn(struct db *db, const struct catalog *c, uint64_t *added,
				  struct err *e);

enum stats_known_kind {
	STATS_KNOWN_OBJECT,
	STATS_KNOWN_DOCUMENT, /* metadata, catalog, card, manifest: ours, but no model */
	STATS_KNOWN_FOREIGN,
};

/*
 * What the path of a request names, still percent-encoded; *object only for an object. These do:
 *  - …/targets/models/<model>/<sha256>.<file>, whatever is in front of it;
 *  - …/blobs/sha256:<sha256>, of a registry.
 */
enum stats_known_kind stats_known_find(const struct stats_known *k, const char *path, size_t len,
				       uint32_t *object);

#endif
