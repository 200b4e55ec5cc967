/* The first trusted root. */
#include "tuf/client.h"

#include "tuf/folder.h"
#include "util/file.h"
#include "util/mem.h"

static int write_pin(const char *dir, const void *root, size_t len, struct err *e)
{
	struct digest digest;
	sha256_of(root, len, &digest);
	return tuf_folder_pin(dir, &digest, e);
}

static int store_pinned(const char *dir, const void *root, size_t len, struct err *e)
{
	int rc = tuf_folder_write(dir, "root", root, len, e);
	return rc < 0 ? rc : write_pin(dir, root, len, e);
}

bool tuf_client_pinned(const char *trust_dir, struct digest *out)
{
	return tuf_folder_pinned(trust_dir, out);
}

static bool is_pinned(const char *dir, const void *root, size_t len)
{
	struct digest digest, pinned;
	sha256_of(root, len, &digest);
	return tuf_folder_pinned(dir, &pinned) && digest_equal(&pinned, &digest);
}

/* Did the older root's keys sign the newer one? */
static bool vouches(const struct tuf_metadata *older, const struct tuf_metadata *newer)
{
	struct err ignored = ERR_INIT;
	return tuf_metadata_verify(newer, &older->roles[TUF_ROOT], &older->keys, "root", "",
				   &ignored) == 0;
}

/* 1: the given root replaces the stored one; 0: the stored one stays. */
static int choose_root(const char *dir, const struct tuf_metadata *stored,
		       const struct tuf_metadata *given, const void *root, size_t len,
		       struct err *e)
{
	if (is_pinned(dir, root, len) ||
	    (given->version <= stored->version && vouches(given, stored)))
		return 0;
	if (given->version > stored->version && vouches(stored, given))
		return 1;
	err_set(e, ERR_CONFLICT, "%s contains the trusted root of a different repository", dir);
	return err_hint(e,
			"if the publisher has started a new repository, verify its root with the "
			"publisher, then remove %s",
			dir);
}

int tuf_client_init(const char *trust_dir, const void *root, size_t len, struct err *e)
{
	CLEANUP(tuf_trusted_release) struct tuf_trusted given = { 0 }, stored = { 0 };
	if (len > tuf_limits_default.root)
		return err_set(e, ERR_INTEGRITY, "the pinned root is larger than %zu bytes",
			       tuf_limits_default.root);
	int rc = tuf_trusted_root_first(&given, root, len, "the pinned root", e);
	if (rc < 0)
		return err_hint(e, "get the root file from the publisher again");
	rc = file_mkdirs(trust_dir, FILE_DIR_MODE, e);
	if (rc < 0)
		return rc;
	struct err why = ERR_INIT;
	if (tuf_folder_root(trust_dir, tuf_limits_default.root, &stored, &why) == 0) {
		struct digest known;
		struct err ignored = ERR_INIT;
		rc = choose_root(trust_dir, stored.root, given.root, root, len, e);
		/* Later, its keys may no longer have signed the stored root. */
		if (rc == 0 && !tuf_folder_pinned(trust_dir, &known) &&
		    write_pin(trust_dir, root, len, &ignored) < 0)
			err_clear(&ignored);
		if (rc <= 0)
			return rc;
	} else if (!err_is(&why, ERR_NOT_FOUND) && !err_is(&why, ERR_INTEGRITY)) {
		*e = why;
		return -(int)e->class;
	}
	return store_pinned(trust_dir, root, len, e);
}

bool tuf_client_is_initialised(const char *trust_dir)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(trust_dir, "root");
	return file_exists(path);
}
