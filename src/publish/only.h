/*
 * only: the objects of some models of a tree, for `push --only`.
 */
#ifndef FERRY_PUBLISH_ONLY_H
#define FERRY_PUBLISH_ONLY_H

#include "publish/tree.h"

/*
 * Each pattern is a reference to a model (MODEL[:VARIANT]; without a variant, all of them) or, with
 * one of *?[ in it, a glob for target paths below models/ ("phi-*", "*-q4_k_m.gguf"; '*' also
 * matches '/'). A manifest belongs to its file. *out has a flag for each of the tree's files; the
 * caller frees it. ERR_NOT_FOUND for a pattern that matches nothing.
 */
WARN_UNUSED int only_resolve(const struct tree *t, const char *const *patterns, size_t count,
			     bool **out, struct err *e);

#endif
