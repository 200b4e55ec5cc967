/*
 * The manifest of a file: size, SHA-256, grid, and for GGUF the metadata and the digest of each
 * tensor. Schema: schemas/manifest.schema.json. It is itself a signed target, so every piece
 * digest is authenticated.
 */
#ifndef FERRY_CATALOG_MANIFEST_H
#define FERRY_CATALOG_MANIFEST_H

#include "gguf/gguf.h"
#include "hash/grid.h"
#include "json/json.h"
#include "util/cancel.h"
#include "util/report.h"

#include <sys/types.h>

#define MANIFEST_SUFFIX ".manifest.json"
#define MANIFEST_MAX_BYTES (16 * MIB)
#define MANIFEST_MAX_TENSORS 65536

struct manifest_tensor {
	char *name;
	char *type; /* ggml's name, "q4_K" */
	uint64_t shape[4];
	unsigned dimensions;
	uint64_t offset, size; /* bytes, in the file */
	struct digest sha256;
};

struct manifest {
	char *name; /* file name, without folders */
	struct digest sha256;
	struct grid grid;
	struct digest pieces_sha256;
	struct digest *pieces;       /* grid.count */
	json_t *gguf;                /* the "gguf" member without header and tensors, or NULL */
	struct digest header_sha256; /* of the bytes before the first tensor, if gguf */
	uint64_t header_size;
	struct manifest_tensor *tensors; /* sorted by offset, with only padding between them */
	size_t tensor_count;
};
void manifest_release(struct manifest *m);

/* Reads the file once and fills the manifest. A file whose name ends in .gguf or that
 * starts with the magic must be a valid GGUF (ERR_INTEGRITY otherwise). */
WARN_UNUSED int manifest_create(const char *path, struct report *report,
				const struct cancel *cancel, struct manifest *out, struct err *e);

/* The same; what is wrong with the data of a GGUF (gguf_data_new) is added to findings. */
WARN_UNUSED int manifest_create_findings(const char *path, struct report *report,
					 const struct cancel *cancel, struct manifest *out,
					 struct gguf_findings *findings, struct err *e);

/* The same for a copy: the file `to` gets the bytes as they are read and hashed; atomic, mode
 * given. ERR_INTEGRITY when `from` is written to meanwhile. The caller checks the space. */
WARN_UNUSED int manifest_create_copy(const char *from, const char *to, mode_t mode,
				     struct report *report, const struct cancel *cancel,
				     struct manifest *out, struct gguf_findings *findings,
				     struct err *e);

/*
 * Checks everything: the grid must be that of the size, the pieces must have the digest
 * pieces_sha256, and the tensors must be in order after the header and within the file. Unknown
 * members are ignored; a version above 1 is ERR_INTEGRITY.
 */
WARN_UNUSED int manifest_parse(const void *data, size_t len, const char *what, struct manifest *out,
			       struct err *e);
WARN_UNUSED int manifest_load(const char *path, struct manifest *out, struct err *e);
/* Does it belong to a file with this size and digest? */
bool manifest_is_of(const struct manifest *m, uint64_t size, const struct digest *sha256);
/* The JSON document; the caller owns it. */
json_t *manifest_json(const struct manifest *m);
WARN_UNUSED int manifest_save(const struct manifest *m, const char *path, struct err *e);

/* The result of checking one file. */
enum manifest_fault { MANIFEST_OK, MANIFEST_MISSING, MANIFEST_SIZE, MANIFEST_CONTENT };
struct manifest_verdict {
	enum manifest_fault fault;
	uint64_t actual_size;
	bool has_piece; /* with MANIFEST_CONTENT: the first piece that differs */
	uint32_t piece;
	uint64_t piece_offset;
};
/* Faults are verdicts, not errors. ERR_INTEGRITY when all pieces are right but the whole file is
 * not: the manifest contradicts itself. */
WARN_UNUSED int manifest_check(const struct manifest *m, const char *path, struct report *report,
			       const struct cancel *cancel, struct manifest_verdict *out,
			       struct err *e);
/* The same for an open file of the right size, named `what` in messages. copy_to (or NULL) is an
 * empty file that gets the bytes as they are read. */
WARN_UNUSED int manifest_check_open(const struct manifest *m, int fd, const char *what,
				    const int *copy_to, struct report *report,
				    const struct cancel *cancel, struct manifest_verdict *out,
				    struct err *e);

#endif
