#include "publish/share.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static bool parse(const char *text, struct share *out)
{
	const char *slash = strchr(text, '/');
	uint64_t index, count;
	if (!slash)
		return false;
	CLEANUP(mem_free_ptr) char *first = mem_strndup(text, (size_t)(slash - text));
	if (!parse_u64(first, &index) || !parse_u64(slash + 1, &count) || index < 1 ||
	    index > count || count > SHARE_MAX)
		return false;
	*out = (struct share){ .index = (uint32_t)index, .count = (uint32_t)count };
	return true;
}

int share_parse(const char *text, struct share *out, struct err *e)
{
	if (parse(text, out))
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	err_set(e, ERR_USAGE, "'%.40s' is not a share of the objects", shown);
	return err_hint(e, "give I/N, from 1/N to N/N: 3/16 is the third of sixteen shares");
}

bool share_has(const struct share *s, const struct repository_file *f)
{
	uint64_t hash = 0;
	if (!s->count || f->class != REPOSITORY_OBJECT)
		return true;
	for (size_t i = 0; i < 8; i++)
		hash = hash << 8 | f->sha256.bytes[i];
	return hash % s->count == s->index - 1;
}

bool *share_select(const struct share *s, const struct repository_files *files)
{
	bool *chosen = s->count ? mem_alloc(files->count + 1) : NULL;
	for (size_t i = 0; chosen && i < files->count; i++)
		chosen[i] = files->at[i].class == REPOSITORY_OBJECT && share_has(s, &files->at[i]);
	return chosen;
}
