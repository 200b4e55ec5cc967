/* What a file is that is not a GGUF: most often an error page saved under its name. */
#include "gguf/internal.h"

#include <stdio.h>
#include <string.h>

#define HEADER_BYTES 24

static bool starts(const uint8_t *head, size_t len, const char *magic, size_t magic_len)
{
	return len >= magic_len && memcmp(head, magic, magic_len) == 0;
}

static const struct { const char *magic; uint8_t len; const char *what; } magics[] = {
	{ "lmgg", 4, "a ggml file of the time before GGUF (magic 'ggml')" },
	{ "fmgg", 4, "a ggml file of the time before GGUF (magic 'ggmf')" },
	{ "tjgg", 4, "a ggml file of the time before GGUF (magic 'ggjt')" },
	{ "algg", 4, "a LoRA adapter of the time before GGUF (magic 'ggla')" },
	{ "ggml", 4, "a ggml file of the time before GGUF, in big-endian order" },
	{ "ggjt", 4, "a ggml file of the time before GGUF, in big-endian order" },
	{ "FUGG", 4, "a GGUF with its magic in reverse, as a byte-swapping tool would write it" },
	{ "PK\3\4", 4, "a zip archive (a PyTorch checkpoint is one, too)" },
	{ "\x1f\x8b", 2, "gzip-compressed data" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd-compressed data" },
	{ "\xfd" "7zXZ", 5, "xz-compressed data" },
	{ "7z\xbc\xaf\x27\x1c", 6, "a 7z archive" },
	{ "BZh", 3, "bzip2-compressed data" },
	{ "Rar!", 4, "a RAR archive" },
	{ "\x89HDF", 4, "an HDF5 (Keras) file" },
	{ "\x80\x02", 2, "a Python pickle (an old PyTorch checkpoint)" },
	{ "\x80\x03", 2, "a Python pickle" },
	{ "\x80\x04", 2, "a Python pickle" },
	{ "\x80\x05", 2, "a Python pickle" },
	{ "\x7f" "ELF", 4, "a Linux program" },
	{ "%PDF", 4, "a PDF document" },
};

/* The first line of a text, cut, for a message. */
static struct gguf_text first_line(const uint8_t *head, size_t len)
{
	size_t n = 0;
	while (n < len && n < 80 && head[n] != '\n' && head[n] != '\r')
		n++;
	return (struct gguf_text){ (const char *)head, n };
}

static bool is_text(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (head[i] < 0x20 && head[i] != '\n' && head[i] != '\r' && head[i] != '\t')
			return false;
	return true;
}

static bool has_nocase(const uint8_t *head, size_t len, const char *needle)
{
	size_t n = strlen(needle);
	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp((const char *)head + i, needle, n) == 0)
			return true;
	return false;
}

static int lfs_pointer(const uint8_t *head, size_t len, struct err *e)
{
	unsigned long long size = 0;
	char text[512];
	size_t n = MIN(len, sizeof text - 1);
	memcpy(text, head, n);
	text[n] = '\0';
	const char *line = strstr(text, "\nsize ");
	if (line && sscanf(line, "\nsize %20llu", &size) == 1)
		err_set(e, ERR_INTEGRITY, "it is a Git LFS pointer to a file of %llu bytes, not "
			"the file itself", size);
	else
		err_set(e, ERR_INTEGRITY, "it is a Git LFS pointer, not the file itself");
	return err_hint(e, "run `git lfs pull` in the clone, or download the file by its URL");
}

static int text_file(const uint8_t *head, size_t len, struct err *e)
{
	size_t skip = starts(head, len, "\xef\xbb\xbf", 3) ? 3 : 0;
	while (skip < len && strchr(" \t\r\n", head[skip]))
		skip++;
	head += skip;
	len -= skip;
	struct gguf_text line = first_line(head, len);
	const char *what = "plain text";
	if (starts(head, len, "{", 1) || starts(head, len, "[", 1))
		what = "JSON text";
	else if (has_nocase(head, len, "<html") || has_nocase(head, len, "<!doctype html"))
		what = "an HTML page";
	else if (starts(head, len, "<?xml", 5) || starts(head, len, "<Error", 6))
		what = "an XML document";
	err_set(e, ERR_INTEGRITY, "it is %s, not a model: '%.*s'", what, SHOW(line));
	return err_hint(e, "the server answered with a message in place of the file: check the "
			"URL, and whether it needs a login");
}

static int not_gguf(const uint8_t *head, size_t len, uint64_t file_size, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if (starts(head, len, magics[i].magic, magics[i].len)) {
			err_set(e, ERR_INTEGRITY, "it is %s, not a GGUF", magics[i].what);
			return err_hint(e, "convert or unpack it first");
		}
	if (starts(head, len, "version https://git-lfs", 23))
		return lfs_pointer(head, len, e);
	if (len > 265 && memcmp(head + 257, "ustar", 5) == 0)
		return err_set(e, ERR_INTEGRITY, "it is a tar archive, not a GGUF");
	if (len > 9 && head[8] == '{' && le64(head) < file_size) {
		err_set(e, ERR_INTEGRITY, "it is a safetensors file, not a GGUF");
		return err_hint(e, "convert the model's folder with convert_hf_to_gguf.py");
	}
	size_t zeros = 0;
	while (zeros < len && head[zeros] == 0)
		zeros++;
	if (zeros == len) {
		err_set(e, ERR_INTEGRITY, "it begins with %zu zero bytes: space was reserved for a "
			"download that never arrived", zeros);
		return err_hint(e, "get the file again");
	}
	if (is_text(head, len))
		return text_file(head, len, e);
	return err_set(e, ERR_INTEGRITY, "it is not a GGUF: it begins with %02x %02x %02x %02x",
		       head[0], len > 1 ? head[1] : 0, len > 2 ? head[2] : 0, len > 3 ? head[3] : 0);
}

static int check_version(uint32_t version, struct err *e)
{
	if (version == 2 || version == 3)
		return 0;
	/* A big-endian file has no flag: its version is byte-swapped, like everything
	 * else after the magic. */
	if (version && (version & 0xffff) == 0) {
		err_set(e, ERR_INTEGRITY, "it is a big-endian GGUF (version %u)",
			__builtin_bswap32(version));
		return err_hint(e, "convert it with gguf_convert_endian.py of llama.cpp");
	}
	if (version == 1) {
		err_set(e, ERR_INTEGRITY, "it is GGUF version 1, which no current engine reads");
		return err_hint(e, "convert the original model again");
	}
	return err_set(e, ERR_INTEGRITY, "it says GGUF version %u; there are versions 2 and 3",
		       version);
}

int gguf_sniff(const uint8_t *head, size_t len, uint64_t file_size, struct err *e)
{
	if (len == 0) {
		err_set(e, ERR_INTEGRITY, "the file is empty");
		return err_hint(e, "get the file again");
	}
	if (!gguf_is_magic(head, len)) {
		if (file_size < 4 && memcmp(head, "GGUF", len) == 0)
			return err_set(e, ERR_INTEGRITY, "the file is truncated: only %zu bytes of "
				       "a GGUF's magic", len);
		return not_gguf(head, len, file_size, e);
	}
	if (len < HEADER_BYTES) {
		err_set(e, ERR_INTEGRITY, "the file is truncated: only %zu bytes of a GGUF header",
			len);
		return err_hint(e, "get the file again");
	}
	return check_version(le32(head + 4), e);
}
