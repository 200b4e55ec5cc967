/*
 * What the store takes on the disk: the blocks of all its files and folders, as du(1) counts them;
 * a file with several names counts once. What shares its bytes with another file (a reflink)
 * counts for both, as the file system tells no more.
 */
#ifndef FERRY_STORE_DISK_H
#define FERRY_STORE_DISK_H

#include "store/store.h"

enum store_disk_part {
	STORE_DISK_MODELS,     /* blobs that a model needs, and the folders of the variants */
	STORE_DISK_UNFINISHED, /* partial/ */
	STORE_DISK_DAMAGED,    /* blobs that were set aside */
	STORE_DISK_UNUSED,     /* blobs that no model needs, and no edge either */
	STORE_DISK_EDGE,       /* blobs that only the edge needs, and edge/ */
	STORE_DISK_TRUST,      /* trust/: metadata, catalogs, manifests */
	STORE_DISK_LINKS,      /* links/: records */
	STORE_DISK_OTHER,      /* the other folders; what is not of the store */
	STORE_DISK_PARTS,
};

struct store_disk_blob {
	struct digest sha256;
	uint64_t bytes;
	size_t users; /* variants, complete or waiting */
};

struct store_disk {
	uint64_t parts[STORE_DISK_PARTS]; /* bytes */
	uint64_t total;
	struct store_disk_blob *blobs; /* that a model needs; sorted by digest */
	size_t blob_count, blob_cap;
	uint64_t *folders; /* of each variant: its folder, with copies of its files */
};
void store_disk_release(struct store_disk *d); /* safe twice; for CLEANUP */
/* all: of store_list(). What cannot be read counts nothing. */
WARN_UNUSED int store_disk_measure(const struct store *s, const struct store_variants *all,
				   struct store_disk *out, struct err *e);

/* What these variants (in[i]: that of all->at[i]) take together, and what of it no other variant
 * needs, which removing them would free. */
struct store_disk_sum {
	uint64_t bytes, own;
};
struct store_disk_sum store_disk_sum(const struct store_disk *d, const struct store_variants *all,
				     const bool *in);

#endif
