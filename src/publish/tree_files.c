#include "publish/tree_files.h"

#include "publish/tree_source.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

size_t tree_index(const struct tree *t, const struct repository_file *f)
{
	return (size_t)(f - t->files.at);
}

const struct repository_file *tree_find(const struct tree *t, const char *key)
{
	return repository_files_find(&t->files, key);
}

const struct buf *tree_small(const struct tree *t, const struct repository_file *f)
{
	return f->class == REPOSITORY_OBJECT ? NULL : &t->small[tree_index(t, f)];
}

int tree_files_damaged(const char *path, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s does not match the signed metadata; it was not published",
		path);
	return err_hint(e, "the file in the tree is damaged: `ferry catalog add` of the prepared "
			   "model puts the right one there; other files are written by `ferry "
			   "catalog sign`");
}

int tree_files_read(const struct repository_file *f, const char *path, struct buf *out,
		    struct err *e)
{
	struct digest got;
	int rc = file_read_all(path, out, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(out), out->len, &got);
	return out->len == f->size && digest_equal(&got, &f->sha256) ? 0
								     : tree_files_damaged(path, e);
}

char *tree_target_path(const struct repository_file *f)
{
	char hash[DIGEST_HEX + 2], hex[DIGEST_HEX];
	snprintf(hash, sizeof hash, "%s.", digest_hex(hex, &f->sha256));
	const char *at = strstr(f->key, hash);
	if (f->class != REPOSITORY_OBJECT || !str_starts(f->key, "targets/") || !at)
		return NULL;
	const char *dir = f->key + strlen("targets/");
	return mem_printf("%.*s%s", (int)(at - dir), dir, at + strlen(hash));
}

int tree_read_small(const struct tree *t, const struct repository_file *f, struct buf *out,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, f->key);
	struct err missing = ERR_INIT;
	int rc = tree_files_read(f, path, out, t->source ? &missing : e);
	return rc < 0 && t->source ? tree_source_keep(t, f, out, e) : rc;
}
