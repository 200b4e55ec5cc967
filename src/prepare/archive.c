#include "prepare/archive.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define READ_BLOCK (256 * KIB)

struct extraction {
	struct archive *archive;
	const char *name, *dir;
	const struct archive_limits *limits;
	struct report *report;
	const struct cancel *cancel;
	char *task;
	struct str_list *files;
	uint64_t packed; /* bytes of the archive */
	uint64_t written, shown;
	uint32_t entries;
	char *block;
};

/* ---- what libarchive says ----------------------------------------------------------- */

static int encrypted(const struct extraction *x, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s is encrypted", x->name);
	return err_hint(e, "unpack it with its password and use the model in it as SOURCE");
}

static int library_failed(struct extraction *x, struct err *e)
{
	const char *text = archive_error_string(x->archive);
	int sys = archive_errno(x->archive);
	if (!text)
		text = "no reason given";
	if (sys == ENOMEM || sys == EIO)
		return err_sys(e, sys, "%s", x->name);
	if (strcasestr(text, "encrypt") || strcasestr(text, "passphrase"))
		return encrypted(x, e);
	if (strcasestr(text, "truncated") || strcasestr(text, "premature end")) {
		err_set(e, ERR_INTEGRITY, "%s ends early: %s", x->name, text);
		return err_hint(e, "the archive is incomplete: download it again");
	}
	err_set(e, ERR_INTEGRITY, "%s cannot be unpacked: %s", x->name, text);
	return err_hint(e, "the archive is damaged, or its format is not supported; supported are "
			   "tar, zip and 7z");
}

static int reader_open(struct extraction *x, int fd, struct err *e)
{
	struct archive *a = x->archive;
	/* Not …_all(): that would run external programs such as lrzip and grzip. */
	int (*const support[])(struct archive *) = {
		archive_read_support_filter_gzip, archive_read_support_filter_xz,
		archive_read_support_filter_lzma, archive_read_support_filter_bzip2,
		archive_read_support_filter_zstd, archive_read_support_filter_lz4,
		archive_read_support_format_tar,  archive_read_support_format_zip,
		archive_read_support_format_7zip, archive_read_support_format_raw,
	};
	for (size_t i = 0; i < ARRAY_LEN(support); i++) {
		/* ARCHIVE_WARN: libarchive was built without that library and would run an
		 * external program. */
		int rc = support[i](a);
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return library_failed(x, e);
	}
	if (archive_read_open_fd(a, fd, READ_BLOCK) != ARCHIVE_OK)
		return library_failed(x, e);
	return 0;
}

/* ---- names -------------------------------------------------------------------------- */

static int refuse(const struct extraction *x, const char *entry, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(entry);
	err_set(e, ERR_INTEGRITY, "%s: the entry \"%.200s\" %s", x->name, shown, why);
	return err_hint(e, "archives of models do not need this, so do not trust this one; or "
			   "unpack it yourself and use the model in it as SOURCE");
}

static const char *name_fault(const char *name)
{
	if (name[0] == '/')
		return "has an absolute name";
	unsigned depth = 1;
	for (const char *p = name; *p;) {
		size_t part = strcspn(p, "/");
		if (part == 2 && strncmp(p, "..", 2) == 0)
			return "leads out of the archive's folder with \"..\"";
		depth += p[part] == '/';
		p += part + (p[part] == '/');
	}
	if (depth > ARCHIVE_MAX_DEPTH)
		return "is in too many nested folders";
	return path_is_key(name) ? NULL : "has a name that is too long or not allowed";
}

/* "./a//b/" → "a/b"; "" for the folder itself. */
static char *tidy_name(const char *raw)
{
	char *name = mem_strdup(raw), *to = name;
	const char *from = raw;
	if (*from == '/')
		*to++ = *from++;
	while (*from) {
		size_t part = strcspn(from, "/");
		if (part && !(part == 1 && *from == '.')) {
			if (to > name && to[-1] != '/')
				*to++ = '/';
			memmove(to, from, part);
			to += part;
		}
		from += part + (from[part] == '/');
	}
	*to = '\0';
	return name;
}

/* A compressed file contains no name: use the archive's name without its ending. */
static char *raw_name(const char *archive)
{
	static const char *const endings[] = { ".gz", ".xz", ".zst", ".bz2", ".lzma", ".lz4" };
	char *name = mem_strdup(path_base(archive));
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (str_ends(name, endings[i]) && strlen(name) > strlen(endings[i])) {
			name[strlen(name) - strlen(endings[i])] = '\0';
			break;
		}
	return name;
}

static int entry_name(struct extraction *x, struct archive_entry *entry, char **out, struct err *e)
{
	if (archive_format(x->archive) == ARCHIVE_FORMAT_RAW) {
		/* The last filter is always "none". */
		if (archive_filter_count(x->archive) < 2) {
			err_set(e, ERR_INTEGRITY, "%s is not an archive", x->name);
			return err_hint(e, "supported are tar, zip and 7z");
		}
		*out = raw_name(x->name);
		return 0;
	}
	/* In the C locale, names outside ASCII are available only as UTF-8. */
	const char *raw = archive_entry_pathname_utf8(entry);
	if (!raw)
		raw = archive_entry_pathname(entry);
	if (!raw)
		return refuse(x, "?", "has a name in an unknown encoding", e);
	CLEANUP(mem_free_ptr) char *name = tidy_name(raw);
	const char *fault = *name ? name_fault(name) : NULL;
	if (fault)
		return refuse(x, raw, fault, e);
	*out = STEAL(name);
	return 0;
}

/* ---- entries ------------------------------------------------------------------------ */

static const char *type_fault(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry) || archive_entry_hardlink_utf8(entry))
		return "is a hard link";
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
		return NULL;
	case AE_IFLNK:
		return "is a symbolic link";
	case AE_IFCHR:
	case AE_IFBLK:
		return "is a device";
	case AE_IFIFO:
		return "is a FIFO";
	case AE_IFSOCK:
		return "is a socket";
	default:
		return "is neither a file nor a folder";
	}
}

static int check_bytes(const struct extraction *x, uint64_t bytes, struct err *e)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];
	const struct archive_limits *l = x->limits;
	uint64_t most;
	if (bytes > l->max_bytes) {
		err_set(e, ERR_INTEGRITY, "%s unpacks to more than %s", x->name,
			format_size(a, l->max_bytes));
		return err_hint(e, "if this size is intended, raise archive-max-size in [prepare] "
				   "of ferry.conf");
	}
	if (bytes > ARCHIVE_RATIO_FROM && mul_u64(x->packed, l->max_ratio, &most) && bytes > most) {
		err_set(e, ERR_INTEGRITY, "%s (%s) unpacks to more than %s: it is an archive bomb",
			x->name, format_size(a, x->packed), format_size(b, most));
		return err_hint(e, "weights do not compress this well: do not trust this archive");
	}
	return 0;
}

static void show_progress(struct extraction *x)
{
	int64_t at = archive_filter_bytes(x->archive, -1);
	uint64_t now = MIN(at < 0 ? 0 : (uint64_t)at, x->packed);
	if (now > x->shown) {
		report_advance(x->report, x->task, (int64_t)(now - x->shown));
		x->shown = now;
	}
}

static int copy_data(struct extraction *x, int fd, const char *path, struct err *e)
{
	for (;;) {
		int rc = cancel_check(x->cancel, e);
		if (rc < 0)
			return rc;
		la_ssize_t n = archive_read_data(x->archive, x->block, READ_BLOCK);
		if (n == ARCHIVE_RETRY)
			continue;
		if (n < 0)
			return library_failed(x, e);
		if (n == 0)
			return 0;
		x->written += (uint64_t)n;
		rc = check_bytes(x, x->written, e);
		if (rc == 0)
			rc = file_write(fd, x->block, (size_t)n, path, e);
		if (rc < 0)
			return rc;
		show_progress(x);
	}
}

static int write_file(struct extraction *x, struct archive_entry *entry, const char *name,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(x->dir, name);
	if (archive_entry_is_encrypted(entry) == 1)
		return encrypted(x, e);
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0) {
		uint64_t size = (uint64_t)archive_entry_size(entry), total;
		if (!add_u64(x->written, size, &total))
			total = UINT64_MAX;
		int rc = check_bytes(x, total, e);
		if (rc == 0)
			rc = file_need_size(x->dir, size, e);
		if (rc == 0)
			rc = file_need_space(x->dir, size, e);
		if (rc < 0)
			return rc;
	}
	/* mkdirs fails if a file has the name of a folder, which is the archive's fault. */
	if (file_mkdirs_for(path, FILE_DIR_MODE, e) < 0)
		return e->sys == ENOTDIR || e->sys == EEXIST ? err_class_set(e, ERR_INTEGRITY)
							     : -(int)e->class;
	CLEANUP(file_close) int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0 && errno == EEXIST)
		return refuse(x, name, "appears twice", e);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	str_list_add(x->files, name);
	return copy_data(x, fd, path, e);
}

static int extract_entry(struct extraction *x, struct archive_entry *entry, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = NULL;
	if (++x->entries > x->limits->max_entries) {
		err_set(e, ERR_INTEGRITY, "%s has more than %u entries", x->name,
			x->limits->max_entries);
		return err_hint(e, "unpack it yourself and use the model in it as SOURCE");
	}
	int rc = entry_name(x, entry, &name, e);
	const char *fault = rc == 0 ? type_fault(entry) : NULL;
	if (fault)
		return refuse(x, name, fault, e);
	/* Folders are created when a file needs them; empty ones are not needed. */
	if (rc < 0 || archive_entry_filetype(entry) == AE_IFDIR)
		return rc;
	if (!*name)
		return refuse(x, ".", "is a file without a name", e);
	return write_file(x, entry, name, e);
}

static int extract_all(struct extraction *x, int fd, struct err *e)
{
	int rc = reader_open(x, fd, e);
	while (rc == 0 && (rc = cancel_check(x->cancel, e)) == 0) {
		struct archive_entry *entry;
		int got = archive_read_next_header(x->archive, &entry);
		if (got == ARCHIVE_EOF)
			break;
		if (got == ARCHIVE_RETRY)
			continue;
		/* A warning means that a name or a date could not be converted; the name is
		 * checked separately. */
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return library_failed(x, e);
		rc = extract_entry(x, entry, e);
	}
	if (rc == 0 && x->files->count == 0) {
		err_set(e, ERR_INTEGRITY, "%s contains no files", x->name);
		err_hint(e, "check that it is the right archive");
		rc = -ERR_INTEGRITY;
	}
	return rc;
}

static void remove_extracted(const char *dir)
{
	struct err ignored = ERR_INIT;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (file_list_dir(dir, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		file_remove_tree(path);
	}
}

int archive_extract(const char *path, const char *name, const char *dir,
		    const struct archive_limits *limits, struct report *report,
		    const struct cancel *cancel, struct str_list *files, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(str_list_release) struct str_list found = { 0 };
	struct extraction x = {
		.name = name,
		.dir = dir,
		.limits = limits,
		.report = report,
		.cancel = cancel,
		.files = &found,
	};
	int rc = file_open_regular(path, &fd, &x.packed, e);
	if (rc < 0)
		return rc;
	x.archive = archive_read_new();
	if (!x.archive)
		return err_set(e, ERR_SYSTEM, "out of memory");
	x.block = mem_alloc(READ_BLOCK);
	x.task = mem_printf("unpack %s", path_base(name));
	report_begin(report, x.task, x.packed, 0);
	rc = extract_all(&x, fd, e);
	if (rc == 0)
		report_advance(report, x.task, (int64_t)(x.packed - x.shown));
	report_end(report, x.task, rc == 0);
	archive_read_free(x.archive);
	free(x.block);
	free(x.task);
	if (rc < 0)
		remove_extracted(dir);
	for (size_t i = 0; rc == 0 && i < found.count; i++)
		str_list_add(files, found.at[i]);
	return rc;
}
