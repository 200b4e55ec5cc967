/*
 * tree: an XML document of S3 as a tree of elements. Parts of it can be changed, and the rest is
 * sent back unchanged. Attributes are not kept: the documents that are sent back have none but the
 * namespace.
 */
#ifndef FERRY_S3_TREE_H
#define FERRY_S3_TREE_H

#include "util/buf.h"

struct s3_tree {
	char *name;
	char *text; /* "" when it has children */
	struct s3_tree **children;
	size_t count, cap;
};

/* A new element; text NULL: "". */
struct s3_tree *s3_tree_new(const char *name, const char *text);
void s3_tree_free(struct s3_tree *t);
DEFINE_CLEANUP(struct s3_tree, s3_tree_free);

/* Limits and errors as in xml.h. */
WARN_UNUSED int s3_tree_parse(const char *data, size_t len, struct s3_tree **out, struct err *e);
/* Appends the document, escaped, with the namespace of S3. */
void s3_tree_write(struct buf *out, const struct s3_tree *t);

/* Appends a new child, and returns it; or appends one that the tree then owns. */
struct s3_tree *s3_tree_add(struct s3_tree *parent, const char *name, const char *text);
void s3_tree_take(struct s3_tree *parent, struct s3_tree *child);
/* Removes and frees the n-th child. */
void s3_tree_remove(struct s3_tree *parent, size_t n);

/* The first child of this name, or NULL; and its text, or NULL. Both also of a NULL tree. */
struct s3_tree *s3_tree_child(const struct s3_tree *t, const char *name);
const char *s3_tree_text(const struct s3_tree *t, const char *name);

/* Do both have the same names, texts and children, in any order (S3 does not keep the order)? Empty
 * elements count as missing; white space around texts is ignored. */
bool s3_tree_equal(const struct s3_tree *a, const struct s3_tree *b);

#endif
