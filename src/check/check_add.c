#include "check/internal.h"

#include "catalog/card.h"
#include "catalog/provenance.h"
#include "sign/minisig.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>

#define MAX_DEPTH 32
#define MAX_ITEMS 1000000

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
	char *hashed = check_below(dir, name);
	if (file_exists(hashed))
		return hashed;
	free(hashed);
	return check_below(dir, m->name);
}

static int add_manifest(struct check *c, const char *path)
{
	CLEANUP(manifest_release) struct manifest m = { 0 };
	struct err why = ERR_INIT;
	if (manifest_load(path, &m, &why) < 0)
		return check_add_invalid(c, path, &why);
	check_add_item(c, file_of(path, &m), CHECK_OK)->manifest = mem_strdup(path);
	return 0;
}

static int add_dir(struct check *c, const char *dir, unsigned depth, struct err *e);

/* Of a file that lies beside it. */
static bool is_signature(const char *path)
{
	static const char *const ends[] = { MINISIG_SUFFIX, ".asc",      ".sig",          ".gpg",
					    ".sign",        ".sigstore", ".sigstore.json" };
	size_t len = strlen(path);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t end = strlen(ends[i]);
		if (len <= end || !str_eq_nocase(path + len - end, ends[i]))
			continue;
		CLEANUP(mem_free_ptr) char *of = mem_strndup(path, len - end);
		if (file_exists(of))
			return true;
	}
	return false;
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
		return check_add_list(c, path);
	if (sums_is_other_list(name)) {
		str_list_take(&c->notes, mem_printf("%s: a list by another algorithm than SHA-256, "
						    "which is not checked",
						    path));
		return 0;
	}
	if (!c->ignore_extra && !str_ends(name, CARD_SUFFIX) &&
	    !str_ends(name, PROVENANCE_SUFFIX) && !is_signature(path) && !file_is_dir(path))
		check_add_item(c, mem_strdup(path), CHECK_EXTRA);
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
		return check_add_invalid(c, dir, &why);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = check_below(dir, names.at[i]);
		if (names.at[i][0] != '.')
			rc = add_entry(c, path, depth, e);
	}
	return rc;
}

static int add_file(struct check *c, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *manifest = mem_printf("%s%s", path, MANIFEST_SUFFIX);
	struct err why = ERR_INIT;
	if (file_exists(manifest)) {
		check_add_item(c, mem_strdup(path), CHECK_OK)->manifest = STEAL(manifest);
		return 0;
	}
	if (!file_exists(path))
		return err_sys(e, ENOENT, "%s", path);
	if (check_is_list(path, &why))
		return check_add_list(c, path);
	err_set(e, ERR_USAGE, "there is no manifest beside %s%s%s", path,
		why.text[0] ? ", and " : "", why.text);
	return err_hint(e, "'ferry manifest create %s' makes one", path);
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
	return manifest ? add_manifest(c, path) : check_add_list(c, path);
}
