#include "prepare/shard_urls.h"

#include "gguf/gguf.h"
#include "prepare/download_probe.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define SHARDS_MAX 1000

void shard_urls_release(struct shard_urls *g)
{
	for (size_t i = 0; i < g->count; i++) {
		str_list_release(&g->at[i].urls);
		free(g->at[i].name);
	}
	free(g->at);
	*g = (struct shard_urls){ 0 };
}

/* The URL of another shard, made from this one; NULL when it does not contain the number. */
static char *sibling_url(const char *url, unsigned number, unsigned shards)
{
	char mark[32];
	snprintf(mark, sizeof mark, "-of-%05u.gguf", shards);
	const char *at = NULL;
	size_t end = strcspn(url, "?#");
	for (const char *p = strcasestr(url, mark); p && (size_t)(p - url) < end;
	     p = strcasestr(p + 1, mark))
		at = p;
	if (!at || at - url < 6)
		return NULL;
	return mem_printf("%.*s%05u%s", (int)(at - url - 5), url, number, at);
}

/* The number of shards according to the names in the URLs; 0 when they are not the shards of one
 * model. */
static unsigned shards_of(const char *const *urls, size_t count)
{
	unsigned shards = 0;
	for (size_t i = 0; i < count; i++) {
		struct gguf_name n;
		CLEANUP(mem_free_ptr) char *name = download_probe_name(urls[i]);
		CLEANUP(mem_free_ptr) char *sibling = NULL;
		if (!gguf_name_parse(name, &n) || n.shards < 2 || n.shards > SHARDS_MAX ||
		    (shards && n.shards != shards))
			return 0;
		shards = n.shards;
		sibling = sibling_url(urls[i], 1, shards);
		if (!sibling)
			return 0;
	}
	return shards;
}

static void group_shards(const char *const *urls, size_t count, unsigned shards,
			 struct shard_urls *out)
{
	out->at = mem_alloc(shards * sizeof *out->at);
	out->count = shards;
	for (size_t i = 0; i < count; i++) {
		struct gguf_name n;
		CLEANUP(mem_free_ptr) char *name = download_probe_name(urls[i]);
		if (gguf_name_parse(name, &n) && n.shard >= 1 && n.shard <= shards)
			str_list_add(&out->at[n.shard - 1].urls, urls[i]);
	}
	for (unsigned k = 0; k < shards; k++)
		for (size_t i = 0; i < count && out->at[k].urls.count < count; i++) {
			char *url = sibling_url(urls[i], k + 1, shards);
			if (url && !str_list_has(&out->at[k].urls, url))
				str_list_take(&out->at[k].urls, url);
			else
				free(url);
		}
}

void shard_urls_make(const char *const *urls, size_t count, struct shard_urls *out)
{
	unsigned shards = shards_of(urls, count);
	if (shards) {
		group_shards(urls, count, shards, out);
	} else {
		out->at = mem_alloc(sizeof *out->at);
		out->count = 1;
		for (size_t i = 0; i < count; i++)
			str_list_add(&out->at[0].urls, urls[i]);
	}
	for (size_t i = 0; i < out->count; i++)
		out->at[i].name = download_probe_name(out->at[i].urls.at[0]);
}
