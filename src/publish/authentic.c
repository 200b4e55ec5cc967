#include "publish/authentic.h"

#include "tuf/metadata.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* "7.targets.json" is version 7 of "targets"; "timestamp.json" has none. Sets *name to the
 * part after the number. */
static uint64_t split(const char *key, const char **name)
{
	const char *base = path_base(key), *dot = strchr(base, '.');
	uint64_t version = 0;
	CLEANUP(mem_free_ptr) char *number = mem_strndup(base, dot ? (size_t)(dot - base) : 0);
	*name = dot && parse_u64(number, &version) ? dot + 1 : base;
	return version;
}

static const struct repository_file *newest_root(const struct tree *ours, uint64_t *version)
{
	const struct repository_file *found = NULL;
	*version = 0;
	for (size_t i = 0; i < ours->files.count; i++) {
		const struct repository_file *f = &ours->files.at[i];
		const char *name;
		uint64_t v = split(f->key, &name);
		if (f->class == REPOSITORY_METADATA && strcmp(name, "root.json") == 0 &&
		    v >= *version) {
			*version = v;
			found = f;
		}
	}
	return found;
}

char *conflict_next_root(const struct tree *ours)
{
	uint64_t version;
	(void)newest_root(ours, &version);
	return mem_printf("metadata/%llu.root.json", (unsigned long long)version + 1);
}

static bool type_of(const char *key, enum tuf_type *out)
{
	const char *name;
	split(key, &name);
	size_t len = strlen(name);
	if (!str_ends(name, ".json"))
		return false;
	CLEANUP(mem_free_ptr) char *role = mem_strndup(name, len - strlen(".json"));
	return tuf_type_from_name(role, out);
}

static bool is_signed(const struct tuf_metadata *m, const struct tuf_metadata *root)
{
	struct err ignored = ERR_INIT;
	unsigned count = 0;
	return tuf_metadata_count(m, &root->roles[m->type], &root->keys, &count, &ignored) == 0 &&
	       count > 0;
}

bool conflict_is_authentic(const struct tree *ours, const char *key, const void *data, size_t len)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *root = NULL;
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *theirs = NULL;
	struct err ignored = ERR_INIT;
	enum tuf_type type;
	uint64_t version;
	const struct repository_file *f = newest_root(ours, &version);
	if (!f || !type_of(key, &type))
		return true;
	const struct buf *bytes = tree_small(ours, f);
	if (tuf_metadata_parse(TUF_ROOT, buf_str(bytes), bytes->len, f->key, &root, &ignored) < 0)
		return true;
	if (tuf_metadata_parse(type, data, len, key, &theirs, &ignored) < 0)
		return false;
	return is_signed(theirs, type == TUF_ROOT ? theirs : root);
}
