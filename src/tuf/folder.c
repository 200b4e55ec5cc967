#include "tuf/folder.h"

#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <time.h>

#define LEFTOVER_AGE_S 3600
#define LOCK_FILE "lock"
#define LOCK_WAIT_MS 10000 /* it is held only while files are written */
#define PIN_FILE "pinned"  /* hex SHA-256 of the root that the chain began with */

char *tuf_folder_path(const char *dir, const char *role)
{
	CLEANUP(mem_free_ptr) char *file = tuf_name_file(role, 0);
	return path_join(dir, file);
}

/* Anything but a regular file counts as damaged: reading a pipe could block, reading a device
 * could be endless. */
static int read_file(const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_INTEGRITY, "%s is not a file", path);
	if (file_read_all(path, out, e) < 0 && err_is(e, ERR_SYSTEM))
		return err_hint(e, "make it readable for you, or remove it: missing metadata is "
				   "downloaded and verified again");
	return -(int)e->class;
}

static int cannot_write(struct err *e)
{
	if (err_is(e, ERR_SYSTEM))
		err_hint(e, e->sys == EISDIR ? "remove that folder: it is in the place of a file"
					     : "the trust folder must be writable for you");
	return -(int)e->class;
}

static int write_file(const char *path, const void *data, size_t len, struct err *e)
{
	int rc = file_write_own(path, data, len, FILE_MODE, e);
	return rc < 0 ? cannot_write(e) : 0;
}

int tuf_folder_load(const char *dir, const char *role, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(dir, role);
	return read_file(path, out, e);
}

int tuf_folder_read(const char *dir, const char *role, struct buf *out, struct err *e)
{
	struct err why = ERR_INIT;
	if (tuf_folder_load(dir, role, out, &why) == 0)
		return 1;
	if (err_is(&why, ERR_NOT_FOUND) || err_is(&why, ERR_INTEGRITY))
		return 0;
	*e = why;
	return -(int)e->class;
}

int tuf_folder_write(const char *dir, const char *role, const void *data, size_t len, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(dir, role);
	return write_file(path, data, len, e);
}

int tuf_folder_forget(const char *dir, const char *role, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(dir, role);
	int rc = file_remove(path, e);
	return rc < 0 ? cannot_write(e) : 0;
}

int tuf_folder_lock(const char *dir, const struct cancel *cancel, int *fd, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, LOCK_FILE);
	int rc = file_lock(path, LOCK_WAIT_MS, cancel, fd, e);
	if (rc == -ERR_CONFLICT)
		return err_hint(e, "wait until it has finished, or end it if it hangs");
	return rc < 0 ? cannot_write(e) : 0;
}

static int trusted_root_hint(const char *dir, struct err *e)
{
	return err_hint(e,
			"the trust folder %s is damaged; remove it and start again with the root "
			"that the publisher gave you",
			dir);
}

int tuf_folder_root(const char *dir, size_t max, struct tuf_trusted *t, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = tuf_folder_path(dir, "root");
	CLEANUP(buf_release) struct buf raw = BUF_INIT(max);
	struct err why = ERR_INIT;
	int rc = read_file(path, &raw, &why);
	if (rc == -ERR_NOT_FOUND) {
		err_set(e, ERR_NOT_FOUND, "there is no trusted root in %s", dir);
		return err_hint(e, "configure the root file that the publisher gave you, or its "
				   "SHA-256");
	}
	if (rc < 0)
		*e = why;
	else
		rc = tuf_trusted_root_first(t, buf_str(&raw), raw.len, path, e);
	return rc < 0 && err_is(e, ERR_INTEGRITY) ? trusted_root_hint(dir, e) : rc;
}

int tuf_folder_pin(const char *dir, const struct digest *root, struct err *e)
{
	char hex[DIGEST_HEX];
	digest_hex(hex, root);
	hex[DIGEST_HEX - 1] = '\n'; /* a text file, not a string */
	CLEANUP(mem_free_ptr) char *pin = path_join(dir, PIN_FILE);
	return write_file(pin, hex, DIGEST_HEX, e);
}

bool tuf_folder_pinned(const char *dir, struct digest *out)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, PIN_FILE);
	CLEANUP(buf_release) struct buf text = BUF_INIT(DIGEST_HEX);
	struct err ignored = ERR_INIT;
	if (read_file(path, &text, &ignored) < 0 || text.len < DIGEST_HEX - 1)
		return false;
	text.data[DIGEST_HEX - 1] = '\0';
	return digest_parse(out, text.data);
}

int tuf_folder_tidy(const char *dir, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct stat st;
		if (file_is_temporary(names.at[i]) && lstat(path, &st) == 0 &&
		    st.st_mtime + LEFTOVER_AGE_S < time(NULL))
			rc = file_remove(path, e);
	}
	return rc;
}
