#include "check/check.h"

#include "catalog/card.h"
#include "sign/minisig.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 32
#define MAX_ITEMS 1000000

/* Takes ownership of path. */
static struct check_item *add(struct check *c, char *path, enum check_status status)
{
	c->at = mem_grow(c->at, c->count, &c->cap, sizeof *c->at);
	struct check_item *item = &c->at[c->count++];
	*item = (struct check_item){ .path = path, .status = status };
	return item;
}

static int add_invalid(struct check *c, const char *path, const struct err *why)
{
	struct check_item *item = add(c, mem_strdup(path), CHECK_INVALID);
	if (err_is(why, ERR_SYSTEM))
		item->status = CHECK_UNREADABLE;
	item->reason = mem_strdup(why->text);
	return 0;
}

/* Leaves out "." in paths, as people write them. */
static char *below(const char *dir, const char *name)
{
	return strcmp(dir, ".") == 0 ? mem_strdup(name) : path_join(dir, name);
}

/*
 * The file of a manifest, beside it: named like the manifest without its suffix, or as the
 * manifest says, or with its digest in front of that name, as in a repository.
 */
static char *file_of(const char *manifest, const struct manifest *m)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *dir = path_dir(manifest);
	char *beside = mem_strndup(manifest, strlen(manifest) - strlen(MANIFEST_SUFFIX));
	if (file_exists(beside))
		return beside;
	free(beside);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.%s", digest_hex(hex, &m->sha256),
						      m->name);
	char *hashed = below(dir, name);
	if (file_exists(hashed))
		return hashed;
	free(hashed);
	return below(dir, m->name);
}

static int add_manifest(struct check *c, const char *path)
{
	CLEANUP(manifest_release) struct manifest m = { 0 };
	struct err why = ERR_INIT;
	if (manifest_load(path, &m, &why) < 0)
		return add_invalid(c, path, &why);
	add(c, file_of(path, &m), CHECK_OK)->manifest = mem_strdup(path);
	return 0;
}

static int add_list(struct check *c, const char *path)
{
	CLEANUP(sums_release) struct sums s = { 0 };
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	struct err why = ERR_INIT;
	if (sums_load(path, &s, &why) < 0)
		return add_invalid(c, path, &why);
	for (size_t i = 0; i < s.count; i++) {
		struct check_item *item = add(c, below(dir, s.at[i].name), CHECK_OK);
		item->list = mem_strdup(path);
		item->listed = s.at[i].sha256;
	}
	return 0;
}

static int add_dir(struct check *c, const char *dir, unsigned depth, struct err *e);

/* Of a file that lies beside it. */
static bool is_signature(const char *path)
{
	if (!str_ends(path, MINISIG_SUFFIX))
		return false;
	CLEANUP(mem_free_ptr) char *of = mem_strndup(path, strlen(path) - strlen(MINISIG_SUFFIX));
	return file_exists(of);
}

static int add_entry(struct check *c, const char *path, unsigned depth, struct err *e)
{
	const char *name = path_base(path);
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return add_dir(c, path, depth + 1, e);
	if (str_ends(name, MANIFEST_SUFFIX))
		return add_manifest(c, path);
	if (sums_is_list(name))
		return add_list(c, path);
	if (!c->ignore_extra && !str_ends(name, CARD_SUFFIX) && !is_signature(path) &&
	    !file_is_dir(path))
		add(c, mem_strdup(path), CHECK_EXTRA);
	return 0;
}

static int add_dir(struct check *c, const char *dir, unsigned depth, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err why = ERR_INIT;
	int rc = cancel_check(c->cancel, e);
	if (rc < 0)
		return rc;
	if (depth > MAX_DEPTH || c->count > MAX_ITEMS)
		return err_set(e, ERR_USAGE, "%s: too many folders or files to check", dir);
	if (file_list_dir(dir, &names, &why) < 0)
		return add_invalid(c, dir, &why);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = below(dir, names.at[i]);
		if (names.at[i][0] != '.')
			rc = add_entry(c, path, depth, e);
	}
	return rc;
}

static int add_file(struct check *c, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s%s", path, MANIFEST_SUFFIX);
	if (file_exists(manifest)) {
		add(c, mem_strdup(path), CHECK_OK)->manifest = STEAL(manifest);
		return 0;
	}
	if (!file_exists(path))
		return err_sys(e, ENOENT, "%s", path);
	err_set(e, ERR_USAGE, "there is no manifest beside %s", path);
	return err_hint(e,
			"'ferry manifest create %s' makes one; lists must be named %s or *.sha256",
			path, SUMS_NAME);
}

int check_add(struct check *c, const char *path, struct err *e)
{
	if (file_is_dir(path)) {
		size_t len = strlen(path);
		while (len > 1 && path[len - 1] == '/')
			len--;
		CLEANUP(mem_free_ptr) char *dir = mem_strndup(path, len);
		return add_dir(c, dir, 0, e);
	}
	bool manifest = str_ends(path, MANIFEST_SUFFIX), list = sums_is_list(path_base(path));
	if (!manifest && !list)
		return add_file(c, path, e);
	if (!file_exists(path))
		return err_sys(e, ENOENT, "%s", path);
	return manifest ? add_manifest(c, path) : add_list(c, path);
}
