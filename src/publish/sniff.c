#include "publish/sniff.h"

#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct magic {
	enum sniff kind;
	size_t offset, len;
	const char *bytes;
};

#define MAGIC(kind, offset, bytes) { kind, offset, sizeof(bytes) - 1, bytes }
static const struct magic magics[] = {
	MAGIC(SNIFF_GGUF, 0, "GGUF"),
	MAGIC(SNIFF_ARCHIVE, 0, "PK\3\4"),
	MAGIC(SNIFF_ARCHIVE, 0, "PK\5\6"),
	MAGIC(SNIFF_ARCHIVE, 0, "7z\xbc\xaf\x27\x1c"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x1f\x8b"),
	MAGIC(SNIFF_ARCHIVE, 0, "\xfd" "7zXZ\0"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x28\xb5\x2f\xfd"),
	MAGIC(SNIFF_ARCHIVE, 0, "BZh"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x04\x22\x4d\x18"),
	MAGIC(SNIFF_ARCHIVE, 257, "ustar"),
	MAGIC(SNIFF_RAR, 0, "Rar!\x1a\x07"),
	/* "ggml", "ggmf", "ggjt" and "ggla" as little-endian numbers. */
	MAGIC(SNIFF_GGML_OLD, 0, "lmgg"),
	MAGIC(SNIFF_GGML_OLD, 0, "fmgg"),
	MAGIC(SNIFF_GGML_OLD, 0, "tjgg"),
	MAGIC(SNIFF_GGML_OLD, 0, "algg"),
	MAGIC(SNIFF_LFS_POINTER, 0, "version https://git-lfs.github.com/spec/"),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x02"),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x04"),
};

static bool begins(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);
	return len >= n && strncasecmp(s, with, n) == 0;
}

/* A safetensors file is a little-endian length, then a JSON object of that length. */
static bool is_safetensors(const unsigned char *data, size_t len)
{
	if (len < 10 || data[8] != '{')
		return false;
	uint64_t header = 0;
	for (int i = 7; i >= 0; i--)
		header = header << 8 | data[i];
	return header >= 2 && header <= 100 * MIB;
}

/* An old tar has no magic; its header's checksum has to serve. */
static bool is_old_tar(const unsigned char *data, size_t len)
{
	if (len < 512 || !data[0])
		return false;
	unsigned long sum = 0, stored = 0;
	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : data[i];
	for (size_t i = 148; i < 156; i++)
		if (data[i] >= '0' && data[i] <= '7')
			stored = stored * 8 + (data[i] - '0');
	return stored == sum;
}

static bool is_text(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)s[i]) && !strchr("\t\r\n\f", s[i]))
			return false;
	return true;
}

static enum sniff sniff_text(const char *s, size_t len)
{
	if (begins(s, len, "\xef\xbb\xbf"))
		s += 3, len -= 3;
	while (len && isspace((unsigned char)*s))
		s++, len--;
	if (begins(s, len, "<!doctype html") || begins(s, len, "<html") ||
	    begins(s, len, "<head") || begins(s, len, "<body"))
		return SNIFF_HTML;
	if (begins(s, len, "<?xml") || begins(s, len, "<error"))
		return memmem(s, len, "<html", 5) ? SNIFF_HTML : SNIFF_XML;
	if (begins(s, len, "<!--") && memmem(s, len, "<html", 5))
		return SNIFF_HTML;
	if (begins(s, len, "{") || begins(s, len, "["))
		return SNIFF_JSON;
	return SNIFF_TEXT;
}

enum sniff sniff_bytes(const void *data, size_t len)
{
	if (len == 0)
		return SNIFF_EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if (len >= magics[i].offset + magics[i].len &&
		    memcmp((const char *)data + magics[i].offset, magics[i].bytes,
			   magics[i].len) == 0)
			return magics[i].kind;
	if (is_safetensors(data, len))
		return SNIFF_SAFETENSORS;
	if (is_old_tar(data, len))
		return SNIFF_ARCHIVE;
	return is_text(data, MIN(len, (size_t)512)) ? sniff_text(data, len) : SNIFF_UNKNOWN;
}

static int read_head(const char *path, char head[SNIFF_BYTES], size_t *len, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	int rc = file_open_regular(path, &fd, &size, e);
	if (rc < 0)
		return rc;
	*len = (size_t)MIN(size, (uint64_t)SNIFF_BYTES);
	return file_pread(fd, head, *len, 0, path, e);
}

int sniff_file(const char *path, enum sniff *out, struct err *e)
{
	char head[SNIFF_BYTES];
	size_t len;
	int rc = read_head(path, head, &len, e);
	if (rc == 0)
		*out = sniff_bytes(head, len);
	return rc;
}

struct refusal {
	enum sniff kind;
	const char *is;
	const char *hint;
	bool quote;         /* show how its text begins */
};

static const struct refusal refusals[] = {
	{ SNIFF_EMPTY, "is empty", "download it again", false },
	{ SNIFF_HTML, "is an HTML page, not a model",
	  "use the address of the file itself (on Hugging Face /resolve/, not /blob/), or log "
	  "in and download it by hand if the model is gated", false },
	{ SNIFF_LFS_POINTER, "is a Git LFS pointer, not the file it points to",
	  "run `git lfs pull` in that repository, or download the file itself", false },
	{ SNIFF_JSON, "is JSON, not a model",
	  "a server answers like that when it refuses: check the address and its access rights",
	  true },
	{ SNIFF_XML, "is XML, not a model",
	  "object stores answer like that when they refuse: check the address and its access "
	  "rights", true },
	{ SNIFF_TEXT, "is text, not a model", "check the address or the file's name", true },
	{ SNIFF_GGML_OLD, "is in a GGML format from before GGUF, which no engine reads any more",
	  "get the GGUF of this model, or convert its original weights", false },
	{ SNIFF_PICKLE, "is a Python pickle, which can run any code when it is opened",
	  "get the model as safetensors or GGUF", false },
	{ SNIFF_RAR, "is a RAR archive, which is not read here",
	  "unpack it and give the file in it", false },
	{ SNIFF_SAFETENSORS, "is a safetensors file without its folder",
	  "give the folder that holds config.json, the tokenizer and the *.safetensors files",
	  false },
	{ SNIFF_UNKNOWN, "is neither a GGUF nor an archive",
	  "check that it is the right file and that it was downloaded completely", false },
};

/* "starts with: …", one line of at most 120 bytes. */
static char *quote_text(const char *data, size_t len)
{
	char line[121];
	size_t n = 0;
	for (size_t i = 0; i < len && n < 120; i++) {
		bool blank = isspace((unsigned char)data[i]);
		if (!blank || (n && line[n - 1] != ' '))
			line[n++] = blank ? ' ' : data[i];
	}
	line[n] = '\0';
	return text_escaped(line);
}

int sniff_refuse(enum sniff kind, const void *data, size_t len, const char *what,
		 struct err *e)
{
	const struct refusal *r = &refusals[ARRAY_LEN(refusals) - 1];
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].kind == kind)
			r = &refusals[i];
	if (r->quote) {
		CLEANUP(mem_free_ptr) char *text = quote_text(data, len);
		err_set(e, ERR_INTEGRITY, "%s %s; it starts with: %s", what, r->is, text);
	} else {
		err_set(e, ERR_INTEGRITY, "%s %s", what, r->is);
	}
	return err_hint(e, "%s", r->hint);
}

int sniff_refuse_file(enum sniff kind, const char *path, const char *what, struct err *e)
{
	char head[SNIFF_BYTES];
	size_t len;
	int rc = read_head(path, head, &len, e);
	return rc < 0 ? rc : sniff_refuse(kind, head, len, what, e);
}
