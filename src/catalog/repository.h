/*
 * The repository as a publisher has it on disk: a tree that is published as it stands.
 *
 *   metadata/   1.root.json … timestamp.json  N.snapshot.json  N.targets.json
 *   targets/    <sha256>.catalog.json, models/<model>/<sha256>.<file>[.manifest.json]
 *   cards/      <model>.card.json   the editable source of the catalog; not published
 *   catalog.json                    the catalog once more under its plain name
 *
 * Every change is atomic: objects first, metadata next, timestamp.json last.
 */
#ifndef FERRY_CATALOG_REPOSITORY_H
#define FERRY_CATALOG_REPOSITORY_H

#include "catalog/catalog.h"
#include "hash/grid.h"

enum repository_class {
	REPOSITORY_OBJECT,      /* named by its content: never changes */
	REPOSITORY_METADATA,    /* versioned: never changes */
	REPOSITORY_POINTER,     /* catalog.json: replaced */
	REPOSITORY_TIMESTAMP,   /* timestamp.json: replaced, always last */
};

struct repository_file {
	char *key;              /* in the tree and on every mirror */
	enum repository_class class;
	uint64_t size;
	struct digest sha256;
	char *manifest_key;     /* of a model file: where its pieces are listed; or NULL */
};

struct repository_files {
	struct repository_file *at;     /* in the order in which they must be published */
	size_t count, cap;
};
void repository_files_release(struct repository_files *f);

/* All that the current signed metadata of the tree refers to. Verifies the metadata
 * (signatures by the tree's own root chain, hashes, versions; not expiry) but does not read the
 * objects. ERR_NOT_FOUND when the tree was never signed. */
WARN_UNUSED int repository_published(const char *dir, struct repository_files *out,
				     struct err *e);

#endif
