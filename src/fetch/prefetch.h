/*
 * prefetch: small targets that are going to be needed, several at a time: the cards of models, and
 * then the manifests of their files. Otherwise each would be a round trip after another.
 *
 * It only fills the cache of the remote. What it does not get is got, and its failure reported, by
 * remote_target(), with all sources and retries.
 */
#ifndef FERRY_FETCH_PREFETCH_H
#define FERRY_FETCH_PREFETCH_H

#include "fetch/remote.h"

/* Asks the first source that is usable, and stops at its first failure, which is recorded there;
 * what it sent was verified. Nothing offline, and for fewer than two targets. Targets that are
 * unknown, cached or large are left out. */
void prefetch_targets(struct remote *r, const struct str_list *paths);

#endif
