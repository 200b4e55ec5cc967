/*
 * tree: the publisher's own copy of the repository, as push and verify use it: what
 * has to be on every mirror, and its bytes, which are verified while they are read.
 *
 * What always holds here: no byte of the tree reaches a mirror before its digest was
 * compared with the signed metadata (of the file, or of the piece it lies in). Metadata,
 * catalog.json and timestamp.json are small: they are read once, by tree_open(), so
 * that one run publishes one release whatever happens to the tree meanwhile.
 *
 * A tree may be read by several threads at once.
 */
#ifndef FERRY_PUBLISH_TREE_H
#define FERRY_PUBLISH_TREE_H

#include "repository/repository.h"
#include "mirror/mirror.h"

struct tree {
	char *dir;
	struct repository_files files;
	struct buf *small;              /* for each file: its bytes; empty for objects */
	const struct repository_file **by_key;
	const struct repository_file *timestamp;
	uint64_t version;               /* of timestamp.json */
	int64_t expires_s;
};
void tree_release(struct tree *t);

/* The tree as it was last signed. The errors of repository_published(); ERR_INTEGRITY
 * when a small file is not what the metadata says. */
WARN_UNUSED int tree_open(const char *dir, struct tree *out, struct err *e);
/* The same from a list that is known already; takes *files, in any case. */
WARN_UNUSED int tree_from_files(const char *dir, struct repository_files *files,
				struct tree *out, struct err *e);

size_t tree_index(const struct tree *t, const struct repository_file *f);
const struct repository_file *tree_find(const struct tree *t, const char *key);  /* or NULL */
/* The bytes of metadata, pointer or timestamp; NULL for an object. */
const struct buf *tree_small(const struct tree *t, const struct repository_file *f);

/* How a file can be checked in parts. A file of one piece needs no manifest: its piece
 * is the whole. */
struct tree_pieces {
	struct grid grid;
	struct digest *at;              /* grid.count; NULL: larger, and no manifest */
	struct digest root;             /* pieces_sha256, when `at` is there */
};
void tree_pieces_release(struct tree_pieces *p);
/* Reads the manifest from the tree and checks it. ERR_INTEGRITY when it is damaged or
 * contradicts the signed metadata, ERR_NOT_FOUND when it is missing. */
WARN_UNUSED int tree_pieces_load(const struct tree *t, const struct repository_file *f,
				 struct tree_pieces *out, struct err *e);

/* A file opened for put(). body.read_at() gives verified bytes only: otherwise
 * ERR_INTEGRITY naming the local file, and `damaged` is set. Holds one piece in memory. */
struct tree_body {
	struct mirror_body body;
	bool damaged;
	char *path;
	int fd;
	struct tree_pieces pieces;
	struct buf const *small;
	uint8_t *piece;                 /* the piece that was read last */
	uint32_t piece_index;
	bool piece_valid;
};
/* ERR_INTEGRITY (and nothing else wrong) also sets nothing: the error says which file. */
WARN_UNUSED int tree_body_open(const struct tree *t, const struct repository_file *f,
			       struct tree_body *out, struct err *e);
void tree_body_close(struct tree_body *b);

#endif
