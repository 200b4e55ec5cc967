/*
 * Recognises a file by its first bytes: a model, an archive, or what people often get instead of
 * a model (a login page, a Git LFS pointer, an error message).
 */
#ifndef FERRY_GGUF_SNIFF_H
#define FERRY_GGUF_SNIFF_H

#include "util/base.h"
#include "util/err.h"

#define SNIFF_BYTES 4096

#define GGUF_MAGIC "GGUF"

enum sniff {
	SNIFF_UNKNOWN,
	SNIFF_EMPTY,
	SNIFF_GGUF,
	SNIFF_ARCHIVE, /* tar, zip, 7z, or something compressed */
	SNIFF_SAFETENSORS,
	SNIFF_GGML_OLD,    /* the formats before GGUF */
	SNIFF_IMATRIX_OLD, /* an importance matrix, likewise */
	SNIFF_PICKLE,      /* a bare Python pickle */
	SNIFF_RAR,
	SNIFF_FOREIGN, /* another known kind: a program, a PDF */
	SNIFF_HTML,
	SNIFF_LFS_POINTER,
	SNIFF_JSON,
	SNIFF_XML,
	SNIFF_TEXT,
};

/* From the first `len` bytes of a file; SNIFF_BYTES are always enough. */
enum sniff sniff_bytes(const void *data, size_t len);
/* Of a regular file. */
WARN_UNUSED int sniff_file(const char *path, enum sniff *out, struct err *e);

/* Sets the error for a kind that is not a model: ERR_INTEGRITY with what it is, the start of its
 * text where that helps, and a hint. `what` names the file or the URL, or is "it". */
int sniff_refuse(enum sniff kind, const void *data, size_t len, const char *what, struct err *e);
/* The same for a file whose kind is known. */
int sniff_refuse_file(enum sniff kind, const char *path, const char *what, struct err *e);

#endif
