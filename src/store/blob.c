#include "store/blob.h"

#include "util/file.h"
#include "util/mark.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000u

static char *mark_path(const struct store *s, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/marks/%s", s->home, digest_hex(hex, d));
}

void blob_vouch(const struct store *s, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, d);
	CLEANUP(mem_free_ptr) char *path = mark_path(s, d);
	struct err ignored = ERR_INIT;
	char text[MARK_TEXT];
	struct mark m;
	if (s->read_only || !mark_of(blob, false, &m) ||
	    file_mkdirs_for(path, FILE_DIR_MODE, &ignored) < 0)
		return;
	mark_text(text, &m);
	/* Not synced: a record that a power failure has damaged counts as none. */
	if (file_make_way(path, &ignored) == 0)
		(void)!file_write_unsynced(path, text, strlen(text), FILE_MODE, &ignored);
}

void blob_forget(const struct store *s, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *path = mark_path(s, d);
	unlink(path);
}

void blob_forget_gone(const struct store *s)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "marks");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	struct digest d;
	(void)!file_list_dir(dir, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		if (!digest_parse(&d, names.at[i]))
			continue;
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &d);
		if (!file_exists(blob))
			blob_forget(s, &d);
	}
}

static bool load(const struct store *s, const struct digest *d, struct mark *out)
{
	CLEANUP(mem_free_ptr) char *path = mark_path(s, d);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MARK_TEXT);
	struct err ignored = ERR_INIT;
	return file_read_all(path, &text, &ignored) == 0 && mark_parse(buf_str(&text), out);
}

bool blob_has_mark(const struct store *s, const struct digest *d)
{
	struct mark m;
	return load(s, d, &m);
}

/* Tools that copy a store (tar, some layers of containers) keep whole seconds only. */
static bool same_time(uint64_t was_ns, uint64_t is_ns)
{
	return was_ns == is_ns ||
	       (is_ns % SECOND_NS == 0 && was_ns / SECOND_NS == is_ns / SECOND_NS);
}

bool blob_is_as_verified(const struct store *s, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, d);
	struct mark was, is;
	struct stat st;
	if (lstat(blob, &st) < 0 || !mark_of(blob, false, &is))
		return false;
	if (load(s, d, &was))
		return was.size == is.size && same_time(was.modified_ns, is.modified_ns) &&
		       (s->read_only || was.inode == is.inode);
	if (st.st_nlink == 1)
		blob_vouch(s, d);
	return st.st_nlink == 1;
}
