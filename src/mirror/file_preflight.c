/* What a run needs of a folder, checked before its first byte. */
#include "mirror/file.h"

#include "mirror/folder.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- writing --------------------------------------------------------------------- */

static int check_folder(const char *path, struct err *e)
{
	if (!file_is_dir(path))
		return err_set(e, ERR_SYSTEM, "%s is not a folder", path);
	if (access(path, W_OK | X_OK) == 0)
		return 0;
	err_sys(e, errno, "cannot write to %s", path);
	return err_class_set(e, ERR_SYSTEM);
}

static void check_write(const struct file_mirror *f, struct mirror_findings *out)
{
	static const char *const below[] = { "targets", "metadata", FILE_MIRROR_PRIVATE };
	CLEANUP(mem_free_ptr) char *top = file_nearest(f->path);
	struct err why = ERR_INIT;
	int rc = check_folder(top, &why);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(below); i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(f->path, below[i]);
		if (file_exists(path))
			rc = check_folder(path, &why);
	}
	err_hint(&why, "change the owner or the mode of the folder, or path in ferry.conf");
	if (rc < 0)
		mirror_findings_fault(out, "write", &why);
	else
		mirror_findings_add(out, "write", MIRROR_FINDING_OK, "%s", f->path);
}

/* ---- space ----------------------------------------------------------------------- */

/* What interrupted uploads left: the next ones continue there. */
static uint64_t partial_bytes(const struct file_mirror *f)
{
	CLEANUP(mem_free_ptr) char *folder = path_join(f->path, FILE_MIRROR_PRIVATE "/partial");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	uint64_t bytes = 0;
	if (file_list_dir(folder, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(folder, names.at[i]);
		struct stat st;
		if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

static void check_space(const struct file_mirror *f, const struct mirror_need *need,
			struct mirror_findings *out)
{
	struct err why = ERR_INIT;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	uint64_t have, partial = partial_bytes(f);
	int rc = file_space(f->path, &have, &why);
	if (rc == 0)
		rc = file_need_space(f->path, need->bytes - MIN(need->bytes, partial), &why);
	if (rc < 0)
		mirror_findings_fault(out, "space", &why);
	else if (have < UINT64_MAX)
		mirror_findings_add(out, "space", MIRROR_FINDING_OK, "%s needed, %s free",
				    format_size(a, need->bytes), format_size(b, have));
}

/* ---- the largest file ------------------------------------------------------------ */

static void check_largest(const struct file_mirror *f, const struct mirror_need *need,
			  struct mirror_findings *out)
{
	struct err why = ERR_INIT;
	char text[SIZE_TEXT];
	const char *whose;
	uint64_t limit = file_max_size(f->path, &whose);
	if (file_need_size(f->path, need->largest, &why) < 0) {
		mirror_findings_fault(out, "file size", &why);
	} else if (limit) {
		mirror_findings_add(out, "file size", MIRROR_FINDING_OK, "at most %s",
				    format_size(text, limit));
	}
}

int mirror_file_preflight(struct mirror_connection *c, const struct mirror_need *need,
			  struct mirror_findings *out, struct err *e)
{
	const struct file_mirror *f = c->mirror->state;
	if (need->write || need->remove)
		check_write(f, out);
	if (need->write) {
		check_space(f, need, out);
		check_largest(f, need, out);
	}
	return cancel_check(c->mirror->env.cancel, e);
}
