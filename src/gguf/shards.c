#include "gguf/internal.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

struct shard {
	const struct gguf *file;
	const char *name;
	uint64_t no, count, tensors;
	bool has_tensors; /* split.tensors.count is there */
};

static int by_number(const void *pa, const void *pb)
{
	const struct shard *a = pa, *b = pb;
	return a->no < b->no ? -1 : a->no > b->no;
}

static int read_shard(struct shard *s, size_t count, struct err *e)
{
	if (!gguf_get_u64(s->file, "split.count", &s->count) ||
	    !gguf_get_u64(s->file, "split.no", &s->no))
		return err_set(e, ERR_INTEGRITY,
			       "%s is not a shard: it has no split.no and split.count", s->name);
	s->has_tensors = gguf_get_u64(s->file, "split.tensors.count", &s->tensors);
	if (s->count != count) {
		err_set(e, ERR_INTEGRITY,
			"%s belongs to a model with %llu shards, but %zu %s given", s->name,
			(unsigned long long)s->count, count, count == 1 ? "is" : "are");
		return err_hint(e, "give all shards of the model, and nothing else");
	}
	if (s->no >= s->count)
		return err_set(e, ERR_INTEGRITY, "%s claims to be shard %llu of %llu", s->name,
			       (unsigned long long)s->no + 1, (unsigned long long)s->count);
	return 0;
}

static int check_numbers(const struct shard *s, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && s[i].no == s[i - 1].no)
			return err_set(e, ERR_INTEGRITY, "%s and %s are both shard %llu",
				       s[i - 1].name, s[i].name, (unsigned long long)s[i].no + 1);
		if (s[i].no != i)
			return err_set(e, ERR_INTEGRITY, "shard %zu of %zu is missing", i + 1,
				       count);
	}
	if (!gguf_get_string(s[0].file, "general.architecture"))
		return err_set(e, ERR_INTEGRITY, "%s, the first shard, has no general.architecture",
			       s[0].name);
	return 0;
}

static int check_tensors(const struct shard *s, size_t count, struct err *e)
{
	size_t total = 0, at = 0;
	for (size_t i = 0; i < count; i++)
		total += s[i].file->tensor_count;
	for (size_t i = 0; i < count; i++)
		if (s[i].has_tensors && s[i].tensors != total)
			return err_set(e, ERR_INTEGRITY,
				       "according to %s the model has %llu tensors, but its shards "
				       "have %zu",
				       s[i].name, (unsigned long long)s[i].tensors, total);
	CLEANUP(mem_free_ptr) struct gguf_text *names = mem_alloc(total * sizeof *names);
	for (size_t i = 0; i < count; i++)
		for (size_t t = 0; t < s[i].file->tensor_count; t++)
			names[at++] = s[i].file->tensors[t].name;
	struct name_index index = { 0 };
	int rc = name_index_build(&index, names, sizeof *names, total, "tensor", e);
	free(index.entries);
	return rc ? err_context(e, "in different shards") : 0;
}

static int check_sorted(struct shard *shards, const struct gguf *const *files,
			const char *const *names, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		shards[i] = (struct shard){ .file = files[i], .name = names[i] };
		int rc = read_shard(&shards[i], count, e);
		if (rc)
			return rc;
	}
	qsort(shards, count, sizeof *shards, by_number);
	int rc = check_numbers(shards, count, e);
	return rc ? rc : check_tensors(shards, count, e);
}

int gguf_shards_check(const struct gguf *const *files, const char *const *names, size_t count,
		      struct err *e)
{
	uint64_t n = 0;
	if (count == 0)
		return err_set(e, ERR_INTEGRITY, "the model has no files");
	if (count == 1 && (!gguf_get_u64(files[0], "split.count", &n) || n <= 1))
		return 0;
	CLEANUP(mem_free_ptr) struct shard *shards = mem_alloc(count * sizeof *shards);
	return check_sorted(shards, files, names, count, e);
}
