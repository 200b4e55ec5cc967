#include "gguf/sniff.h"

#include "gguf/internal.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct magic {
	enum sniff kind;
	size_t offset, len;
	const char *bytes;
	const char *is; /* NULL: what its kind is called */
};

#define MAGIC(kind, offset, bytes, is) BRACES(kind, offset, sizeof(bytes) - 1, bytes, is)
#define BIG_ENDIAN_GGML "a big-endian ggml file, older than GGUF"
static const struct magic magics[] = {
	MAGIC(SNIFF_GGUF, 0, GGUF_MAGIC, NULL),
	MAGIC(SNIFF_ARCHIVE, 0, "PK\3\4",
	      "a zip archive (PyTorch checkpoints are zip archives, too)"),
	MAGIC(SNIFF_ARCHIVE, 0, "PK\5\6", "an empty zip archive"),
	MAGIC(SNIFF_ARCHIVE, 0, "7z\xbc\xaf\x27\x1c", "a 7z archive"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x1f\x8b", "gzip-compressed data"),
	MAGIC(SNIFF_ARCHIVE, 0, "\xfd\x37zXZ\0", "xz-compressed data"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x28\xb5\x2f\xfd", "zstd-compressed data"),
	MAGIC(SNIFF_ARCHIVE, 0, "BZh", "bzip2-compressed data"),
	MAGIC(SNIFF_ARCHIVE, 0, "\x04\x22\x4d\x18", "lz4-compressed data"),
	MAGIC(SNIFF_ARCHIVE, 257, "ustar", "a tar archive"),
	MAGIC(SNIFF_RAR, 0, "Rar!\x1a\x07", NULL),
	/* "ggml" and similar magics as little-endian numbers, then as big-endian ones. */
	MAGIC(SNIFF_GGML_OLD, 0, "lmgg", "a ggml file, older than GGUF (magic 'ggml')"),
	MAGIC(SNIFF_GGML_OLD, 0, "fmgg", "a ggml file, older than GGUF (magic 'ggmf')"),
	MAGIC(SNIFF_GGML_OLD, 0, "tjgg", "a ggml file, older than GGUF (magic 'ggjt')"),
	MAGIC(SNIFF_GGML_OLD, 0, "algg", "a LoRA adapter, older than GGUF (magic 'ggla')"),
	MAGIC(SNIFF_GGML_OLD, 0, "ggml", BIG_ENDIAN_GGML),
	MAGIC(SNIFF_GGML_OLD, 0, "ggjt", BIG_ENDIAN_GGML),
	MAGIC(SNIFF_LFS_POINTER, 0, "version https://git-lfs.github.com/spec/", NULL),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x02", NULL),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x03", NULL),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x04", NULL),
	MAGIC(SNIFF_PICKLE, 0, "\x80\x05", NULL),
	MAGIC(SNIFF_FOREIGN, 0, "FUGG",
	      "a GGUF with reversed magic, as a byte-swapping tool would write it"),
	MAGIC(SNIFF_FOREIGN, 0, "\x89HDF", "an HDF5 (Keras) file"),
	MAGIC(SNIFF_FOREIGN, 0, "\x7f\x45LF", "a Linux program"),
	MAGIC(SNIFF_FOREIGN, 0, "%PDF", "a PDF document"),
};

static const struct magic *magic_of(const void *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if (len >= magics[i].offset + magics[i].len &&
		    memcmp((const char *)data + magics[i].offset, magics[i].bytes, magics[i].len) ==
			    0)
			return &magics[i];
	return NULL;
}

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

/* A number of entries, then for each the length of a tensor's name, and the name. */
static bool is_old_imatrix(const unsigned char *data, size_t len)
{
	static const char end[] = ".weight";
	uint32_t entries = len < 8 ? 0 : le32(data), name = len < 8 ? 0 : le32(data + 4);
	return entries && entries <= GGUF_MAX_TENSORS && name >= sizeof end &&
	       name <= GGUF_MAX_NAME_BYTES && len >= 8 + name &&
	       memcmp(data + 8 + name - strlen(end), end, strlen(end)) == 0;
}

/* Old tar files have no magic: use the checksum of the header. */
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
		if (!s[i] || (iscntrl((unsigned char)s[i]) && !strchr("\t\r\n\f", s[i])))
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
	const struct magic *magic = magic_of(data, len);
	if (magic)
		return magic->kind;
	if (is_safetensors(data, len))
		return SNIFF_SAFETENSORS;
	if (is_old_imatrix(data, len))
		return SNIFF_IMATRIX_OLD;
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
	bool quote; /* show the start of its text */
};

static const struct refusal refusals[] = {
	{ SNIFF_EMPTY, "empty", "download the file again", false },
	{ SNIFF_HTML, "an HTML page, not a model",
	  "use the URL of the file itself (on Hugging Face /resolve/, not /blob/); if the model is "
	  "gated, log in and download it by hand",
	  false },
	{ SNIFF_JSON, "JSON, not a model",
	  "servers often send this when they refuse access: check the URL and the access rights",
	  true },
	{ SNIFF_XML, "XML, not a model",
	  "object stores often send this when they refuse access: check the URL and the access "
	  "rights",
	  true },
	{ SNIFF_TEXT, "text, not a model", "check the URL or the file name", true },
	{ SNIFF_GGML_OLD, "a ggml file, older than GGUF",
	  "engines no longer support it: get the GGUF of this model, or convert its original "
	  "weights",
	  false },
	{ SNIFF_IMATRIX_OLD, "an importance matrix in the format before GGUF, not a model",
	  "quantize a model with it: --quantize TYPE --imatrix FILE", false },
	{ SNIFF_PICKLE, "a Python pickle, which can run arbitrary code when it is opened",
	  "get the model as safetensors or GGUF", false },
	{ SNIFF_RAR, "a RAR archive, which is not supported", "unpack it and use the file in it",
	  false },
	{ SNIFF_SAFETENSORS, "a safetensors file, not a GGUF",
	  "give `ferry prepare` the folder with config.json, the tokenizer and the *.safetensors "
	  "files",
	  false },
	{ SNIFF_GGUF, "a GGUF, which is not expected here", "give the GGUF itself as the source",
	  false },
	{ SNIFF_ARCHIVE, "a tar archive", "give `ferry prepare` the archive itself, or unpack it",
	  false },
	{ SNIFF_FOREIGN, "a different kind of file", "check that it is the right file", false },
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

static int refuse_pointer(const char *data, size_t len, const char *what, struct err *e)
{
	unsigned long long size = 0;
	char text[512];
	size_t n = MIN(len, sizeof text - 1);
	memcpy(text, data, n);
	text[n] = '\0';
	const char *line = strstr(text, "\nsize ");
	if (line && sscanf(line, "\nsize %20llu", &size) == 1)
		err_set(e, ERR_INTEGRITY,
			"%s is a Git LFS pointer to a file of %llu bytes, not the file itself",
			what, size);
	else
		err_set(e, ERR_INTEGRITY, "%s is a Git LFS pointer, not the file itself", what);
	return err_hint(e,
			"run `git lfs pull` in that repository, or download the file by its URL");
}

static int refuse_unknown(const unsigned char *data, size_t len, const char *what, struct err *e)
{
	size_t zeros = 0;
	while (zeros < len && data[zeros] == 0)
		zeros++;
	if (zeros && zeros == len) {
		err_set(e, ERR_INTEGRITY,
			"%s begins with %zu zero bytes: probably space that was reserved for a "
			"download that did not complete",
			what, zeros);
		return err_hint(e, "download the file again");
	}
	err_set(e, ERR_INTEGRITY,
		"%s is neither a GGUF nor an archive: it begins with %02x %02x %02x %02x", what,
		len ? data[0] : 0, len > 1 ? data[1] : 0, len > 2 ? data[2] : 0,
		len > 3 ? data[3] : 0);
	return err_hint(e, "check that it is the right file and complete");
}

int sniff_refuse(enum sniff kind, const void *data, size_t len, const char *what, struct err *e)
{
	const struct magic *magic = magic_of(data, len);
	const struct refusal *r = NULL;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].kind == kind)
			r = &refusals[i];
	if (kind == SNIFF_LFS_POINTER)
		return refuse_pointer(data, len, what, e);
	if (!r)
		return refuse_unknown(data, len, what, e);
	const char *is = magic && magic->kind == kind && magic->is ? magic->is : r->is;
	if (r->quote) {
		CLEANUP(mem_free_ptr) char *text = quote_text(data, len);
		err_set(e, ERR_INTEGRITY, "%s is %s; it starts with: %s", what, is, text);
	} else {
		err_set(e, ERR_INTEGRITY, "%s is %s%s", what, is,
			magic && is == magic->is ? ", not a GGUF" : "");
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
