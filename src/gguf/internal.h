/*
 * Shared by the files of this folder: memory for the kept parts of a header, and a cursor that
 * reads a source forwards and never beyond its end.
 */
#ifndef FERRY_GGUF_INTERNAL_H
#define FERRY_GGUF_INTERNAL_H

#include "gguf/gguf.h"

/* ---- kept memory ---- */

/* Chunks that are freed with the struct gguf; addresses stay valid. */
struct arena {
	struct arena_chunk *chunks;
	size_t used; /* bytes given out, all chunks */
};
/* Zeroed and aligned for any type; ERR_INTEGRITY when GGUF_MAX_KEPT is passed. */
WARN_UNUSED int arena_take(struct arena *a, size_t size, void **out, struct err *e);
void arena_release(struct arena *a);

/* An index by name: sorted hashes, so that finding equal names takes n log n steps even if a
 * hostile file makes hashes collide. */
struct name_index {
	struct name_entry {
		uint64_t hash;
		uint32_t at;
	} * entries;
	size_t count;
};

struct gguf_private {
	struct arena arena;
	struct name_index keys, names;
};

/* ---- the cursor ---- */

struct cursor {
	const struct gguf_input *source;
	uint64_t pos, end; /* end: of the file or of the header cap, whichever is less */
	uint8_t *window;
	size_t window_size;
	uint64_t window_at; /* file offset of window[0] */
	size_t window_len;
	struct sha256 *sha; /* hashes what is read while `hashing` */
	bool hashing;
	uint64_t hashed_to;
};
void cursor_init(struct cursor *c, const struct gguf_input *source);
void cursor_release(struct cursor *c);

/* ERR_INTEGRITY when fewer than len bytes are left. */
WARN_UNUSED int cursor_need(const struct cursor *c, uint64_t len, struct err *e);
/* Copies len bytes and advances. */
WARN_UNUSED int cursor_read(struct cursor *c, void *out, size_t len, struct err *e);
WARN_UNUSED int cursor_u32(struct cursor *c, uint32_t *out, struct err *e);
WARN_UNUSED int cursor_u64(struct cursor *c, uint64_t *out, struct err *e);
/* Some of the next len bytes, at least one, in place; advances past them. len > 0. */
WARN_UNUSED int cursor_span(struct cursor *c, uint64_t len, const uint8_t **data, size_t *got,
			    struct err *e);
/* All of the next len bytes in place; only for len <= CURSOR_PEEK. */
#define CURSOR_PEEK 4096
WARN_UNUSED int cursor_take(struct cursor *c, size_t len, const uint8_t **data, struct err *e);
/* Starts a SHA-256 over what is read from here on; hash_end gives it. */
WARN_UNUSED int cursor_hash_begin(struct cursor *c, struct err *e);
void cursor_hash_end(struct cursor *c, struct digest *out);

static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* ---- the steps of gguf_open ---- */

/* ERR_INTEGRITY that says what the file is, if its first bytes tell that it is no GGUF
 * of a version that we read. head holds the first len bytes, at least 1 KiB if the
 * file has as many. */
WARN_UNUSED int gguf_sniff(const uint8_t *head, size_t len, uint64_t file_size, struct err *e);

/* One key and its value, from the cursor into *kv. */
WARN_UNUSED int gguf_read_kv(struct gguf *g, struct cursor *c, struct gguf_kv *kv, struct err *e);
/* A length-prefixed text that is kept; ERR_INTEGRITY when over max. */
WARN_UNUSED int gguf_read_text(struct gguf *g, struct cursor *c, uint64_t max,
			       struct gguf_text *out, struct err *e);
/* Tensor list, then the layout of the data section. */
WARN_UNUSED int gguf_read_tensors(struct gguf *g, struct cursor *c, struct err *e);
WARN_UNUSED int gguf_check_layout(struct gguf *g, struct err *e);
/* Checks types and relations of the keys that engines read. */
WARN_UNUSED int gguf_check_keys(struct gguf *g, struct err *e);
/* Does it have a row for each token? Quantizers treat these tensors differently, and in a small
 * model with a large vocabulary they are most of the file. */
bool gguf_is_embedding(const struct gguf_tensor *t);
/* ERR_INTEGRITY when a shard is followed by another one in the same file. */
WARN_UNUSED int gguf_check_end(const struct gguf *g, const struct gguf_input *source,
			       struct err *e);
/* Padding: ERR_* only of the source. */
WARN_UNUSED int gguf_check_padding(struct gguf *g, const struct gguf_input *source,
				   bool between_tensors, struct err *e);

/* Builds the index; ERR_INTEGRITY if a name appears twice. texts are count structs of `stride`
 * bytes that start with a struct gguf_text. */
WARN_UNUSED int name_index_build(struct name_index *x, const void *texts, size_t stride,
				 size_t count, const char *kind, struct err *e);
/* The index of the name or -1. */
long name_index_find(const struct name_index *x, const void *texts, size_t stride,
		     const char *name);

/* ---- findings ---- */

void gguf_finding_add(struct gguf_findings *f, const char *code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void gguf_finding_note(struct gguf_findings *f, const char *code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Moves all of `from` to the end of `to`. */
void gguf_findings_move(struct gguf_findings *to, struct gguf_findings *from);

/* Width and text of a foreign name for "%.*s"; long names are cut. */
#define SHOW(t) (int)MIN((t).len, (size_t)80), (t).s

#endif
