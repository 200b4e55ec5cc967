#include "prepare/archive_write.h"

#include "util/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

struct archive_writer {
	struct archive *archive;
	const char *name;
};

static int failed(struct archive_writer *w, struct err *e)
{
	int sys = archive_errno(w->archive);
	const char *text = archive_error_string(w->archive);
	if (sys > 0)
		return err_sys(e, sys, "%s", w->name);
	return err_set(e, ERR_SYSTEM, "%s cannot be written: %s", w->name,
		       text ? text : "no reason given");
}

int archive_writer_new(int fd, const char *name, struct archive_writer **out, struct err *e)
{
	CLEANUP_PTR(archive_writer_free) struct archive_writer *w = NEW(struct archive_writer);
	w->archive = archive_write_new();
	w->name = name;
	if (!w->archive)
		return err_set(e, ERR_SYSTEM, "out of memory");
	if (archive_write_add_filter_zstd(w->archive) != ARCHIVE_OK ||
	    archive_write_set_format_pax_restricted(w->archive) != ARCHIVE_OK ||
	    archive_write_open_fd(w->archive, fd) != ARCHIVE_OK)
		return failed(w, e);
	*out = STEAL(w);
	return 0;
}

int archive_writer_file(struct archive_writer *w, const char *path, uint64_t size, struct err *e)
{
	struct archive_entry *entry = archive_entry_new();
	if (!entry)
		return err_set(e, ERR_SYSTEM, "out of memory");
	archive_entry_set_pathname_utf8(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, 0, 0);
	int rc = archive_write_header(w->archive, entry) == ARCHIVE_OK ? 0 : failed(w, e);
	archive_entry_free(entry);
	return rc;
}

int archive_writer_data(struct archive_writer *w, const void *data, size_t len, struct err *e)
{
	return archive_write_data(w->archive, data, len) == (la_ssize_t)len ? 0 : failed(w, e);
}

int archive_writer_end(struct archive_writer *w, struct err *e)
{
	return archive_write_close(w->archive) == ARCHIVE_OK ? 0 : failed(w, e);
}

void archive_writer_free(struct archive_writer *w)
{
	if (w && w->archive)
		archive_write_free(w->archive);
	free(w);
}
