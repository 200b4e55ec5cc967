/*
 * Groups the URLs of a source: alternatives for one file, or one group for each shard of a model.
 */
#ifndef FERRY_PREPARE_SHARD_URLS_H
#define FERRY_PREPARE_SHARD_URLS_H

#include "util/text.h"

struct shard_urls_model {
	struct str_list urls; /* at least one */
	char *name;           /* of the file: download_probe_name() */
};
struct shard_urls {
	struct shard_urls_model *at;
	size_t count;
};
void shard_urls_release(struct shard_urls *g);

/* If all names are those of shards of one model ("…-00001-of-00003.gguf"), there is a group for
 * each shard, and missing URLs are derived from the given ones. Otherwise all URLs form one
 * group. */
void shard_urls_make(const char *const *urls, size_t count, struct shard_urls *out);

#endif
