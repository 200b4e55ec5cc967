#include "prepare/archive_stream.h"

#include "util/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define STREAM_BLOCK (128 * KIB)

struct archive_stream {
	struct archive *archive;
	struct archive_input input;
	struct err failed; /* of the input */
	const char *name;
	const void *first;
	size_t first_len;
	char block[STREAM_BLOCK];
};

bool archive_stream_is(const void *magic, size_t len)
{
	static const struct {
		size_t len;
		const char *bytes;
	} all[] = {
		{ 2, "\x1f\x8b" },
		{ 4, "\x28\xb5\x2f\xfd" },
		{ 3, "BZh" },
		{ 6, "\xfd"
		     "7zXZ\0" },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (len >= all[i].len && memcmp(magic, all[i].bytes, all[i].len) == 0)
			return true;
	return false;
}

static la_ssize_t give_block(struct archive *a, void *ctx, const void **data)
{
	struct archive_stream *s = ctx;
	if (s->first_len) {
		size_t len = s->first_len;
		*data = s->first;
		s->first_len = 0;
		return (la_ssize_t)len;
	}
	size_t got = 0;
	if (s->input.read(s->input.ctx, s->block, sizeof s->block, &got, &s->failed) < 0) {
		archive_set_error(a, EIO, "%s", s->failed.text);
		return -1;
	}
	*data = s->block;
	return (la_ssize_t)got;
}

static int stream_failed(const struct archive_stream *s, struct err *e)
{
	if (s->failed.class) {
		*e = s->failed;
		return -(int)e->class;
	}
	const char *text = archive_error_string(s->archive);
	int sys = archive_errno(s->archive);
	if (!text)
		text = "no reason given";
	if (sys == ENOMEM)
		return err_sys(e, sys, "%s", s->name);
	if (strcasestr(text, "truncated") || strcasestr(text, "premature end"))
		return err_set(e, ERR_INTEGRITY, "%s ends early: %s", s->name, text);
	return err_set(e, ERR_INTEGRITY, "%s cannot be decompressed: %s", s->name, text);
}

int archive_stream_open(const struct archive_input *input, const char *name, const void *first,
			size_t len, struct archive_stream **out, struct err *e)
{
	CLEANUP_PTR(archive_stream_free) struct archive_stream *s = NEW(struct archive_stream);
	s->input = *input;
	s->name = name;
	s->first = first;
	s->first_len = len;
	s->archive = archive_read_new();
	if (!s->archive)
		return err_set(e, ERR_SYSTEM, "out of memory");
	int (*const support[])(struct archive *) = {
		archive_read_support_filter_gzip, archive_read_support_filter_zstd,
		archive_read_support_filter_xz,   archive_read_support_filter_bzip2,
		archive_read_support_format_raw,  archive_read_support_format_empty,
	};
	for (size_t i = 0; i < ARRAY_LEN(support); i++) {
		/* ARCHIVE_WARN: libarchive was built without that library. */
		int rc = support[i](s->archive);
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return stream_failed(s, e);
	}
	struct archive_entry *entry;
	if (archive_read_open(s->archive, s, NULL, give_block, NULL) != ARCHIVE_OK)
		return stream_failed(s, e);
	int got = archive_read_next_header(s->archive, &entry);
	/* The end at once: it is empty when decompressed. */
	if (got != ARCHIVE_OK && got != ARCHIVE_WARN && got != ARCHIVE_EOF)
		return stream_failed(s, e);
	if (got == ARCHIVE_EOF) {
		archive_read_free(s->archive);
		s->archive = NULL;
	}
	*out = STEAL(s);
	return 0;
}

int archive_stream_read(struct archive_stream *s, void *data, size_t len, size_t *got,
			struct err *e)
{
	la_ssize_t n = 0;
	if (s->archive)
		do
			n = archive_read_data(s->archive, data, len);
		while (n == ARCHIVE_RETRY);
	if (n < 0)
		return stream_failed(s, e);
	*got = (size_t)n;
	return 0;
}

void archive_stream_free(struct archive_stream *s)
{
	if (!s)
		return;
	if (s->archive)
		archive_read_free(s->archive);
	free(s);
}
