/*
 * tree: the publisher's copy of the repository for push and verify: the list of files for every
 * mirror, and their bytes, which are verified while they are read. For sync it is a folder that has
 * only the small files; the objects are read from the mirror that it was copied from.
 *
 * What always holds here: a byte of the tree is sent to a mirror only after its digest (of the
 * file, or of its piece) was compared with the signed metadata. Metadata, catalog.json and
 * timestamp.json are read once, by tree_open(), so that one run publishes one release even if the
 * tree changes meanwhile.
 *
 * A tree may be read by several threads at once.
 */
#ifndef FERRY_PUBLISH_TREE_H
#define FERRY_PUBLISH_TREE_H

#include "catalog/manifest.h"
#include "repository/repository.h"
#include "mirror/mirror.h"
#include "util/retry.h"

struct tree {
	char *dir;
	struct repository_files files;
	struct buf *small; /* the bytes of each file; empty for objects */
	const struct repository_file *timestamp;
	struct tree_packs *packs; /* tree_pack.h; NULL: they were not added */
	uint64_t version;         /* of timestamp.json */
	int64_t expires_s;
	/* Set by the caller. */
	const struct cancel *cancel; /* NULL: nothing stops reading */
	struct mirror *source;       /* the objects are there, not in dir; NULL: all is in dir */
	const struct retry *retry;   /* of reading from there */
};
void tree_release(struct tree *t);
void tree_packs_free(struct tree_packs *p);

/* The tree as it was last signed. The errors of repository_published(); ERR_INTEGRITY
 * when a small file is not what the metadata says. */
WARN_UNUSED int tree_open(const char *dir, struct tree *out, struct err *e);
/* The same from a given list; always takes *files. */
WARN_UNUSED int tree_from_files(const char *dir, struct repository_files *files, struct tree *out,
				struct err *e);

size_t tree_index(const struct tree *t, const struct repository_file *f);
const struct repository_file *tree_find(const struct tree *t, const char *key); /* or NULL */
/* The bytes of metadata, pointer or timestamp; NULL for an object. */
const struct buf *tree_small(const struct tree *t, const struct repository_file *f);

/* The target path of an object, "models/m/m.gguf" for "targets/models/m/HASH.m.gguf"; NULL for
 * another file. The caller frees it. */
char *tree_target_path(const struct repository_file *f);
/* Reads a small object, such as a card, and verifies it: at most out->max bytes. ERR_INTEGRITY if
 * it does not match the signed metadata, ERR_NOT_FOUND if it is missing. */
WARN_UNUSED int tree_read_small(const struct tree *t, const struct repository_file *f,
				struct buf *out, struct err *e);

/* Reads the manifest of a file (manifest_key is not NULL) and checks it. ERR_INTEGRITY if it is
 * damaged or does not match the signed metadata, ERR_NOT_FOUND if it is missing. */
WARN_UNUSED int tree_manifest_load(const struct tree *t, const struct repository_file *f,
				   struct manifest *out, struct err *e);

/* The piece digests of a file. A file of one piece needs no manifest. */
struct tree_pieces {
	struct grid grid;
	struct digest *at;  /* grid.count; NULL: several pieces, but no manifest */
	struct digest root; /* pieces_sha256, if `at` is not NULL */
};
void tree_pieces_release(struct tree_pieces *p);
/* From its manifest; the errors of tree_manifest_load(). */
WARN_UNUSED int tree_pieces_load(const struct tree *t, const struct repository_file *f,
				 struct tree_pieces *out, struct err *e);

/* An object opened for reading, piece by piece. */
struct tree_object {
	const struct tree *tree;
	const struct repository_file *file;
	char *path;
	int fd;                    /* -1: it is on tree->source */
	struct tree_pieces pieces; /* `at` is there */
};
/* A larger file without a manifest is read once here to compute its pieces. ERR_INTEGRITY, naming
 * the local file or the mirror, when it does not match the signed metadata. */
WARN_UNUSED int tree_object_open(const struct tree *t, const struct repository_file *f,
				 struct tree_object *out, struct err *e);
void tree_object_close(struct tree_object *o);
/* Reads a piece (grid_length() bytes) and verifies it. ERR_INTEGRITY as above. */
WARN_UNUSED int tree_object_read(const struct tree_object *o, uint32_t piece, void *data,
				 struct err *e);

#endif
