/* Builds GGUF files in memory, right ones and wrong ones. */
#ifndef FERRY_TESTS_GGUFBUILD_H
#define FERRY_TESTS_GGUFBUILD_H

#include "gguf/gguf.h"
#include "util/buf.h"

struct ggufbuild {
	struct buf kvs, tensors, out;
	uint64_t kv_count, tensor_count; /* what the header will claim */
	uint64_t data;                   /* bytes of tensor data so far */
	uint32_t version;
	uint32_t alignment; /* that offsets and data are padded to */
	uint64_t cut;       /* bytes to leave off at the end */
	uint64_t trail;     /* bytes to add at the end */
	uint8_t fill;       /* of padding and data */
	bool header_only;   /* no data section */
};

/* Version 3, alignment 32, nothing in it. */
void build_init(struct ggufbuild *b);
/* The same, with general.architecture "llama". */
void build_init_llama(struct ggufbuild *b);
void build_release(struct ggufbuild *b);

void build_u32(struct ggufbuild *b, const char *key, uint32_t value);
void build_f32(struct ggufbuild *b, const char *key, float value);
void build_string(struct ggufbuild *b, const char *key, const char *value);
/* Any scalar, as raw bytes. */
void build_raw(struct ggufbuild *b, const char *key, size_t key_len, uint32_t type,
	       const void *value, size_t len);
/* An array that claims `count` elements, with raw bytes. */
void build_array(struct ggufbuild *b, const char *key, uint32_t element, uint64_t count,
		 const void *data, size_t len);
void build_strings(struct ggufbuild *b, const char *key, const char *const *texts, size_t count);
/* `count` texts "t0", "t1", …. */
void build_tokens(struct ggufbuild *b, const char *key, size_t count);
/* Everything that llama.cpp needs of a llama, with 8 tokens, and its tensors in `type`;
 * rows of `embedding`. */
void build_whole_llama(struct ggufbuild *b, const char *type, uint64_t embedding);

void build_tensor(struct ggufbuild *b, const char *name, const char *type, uint64_t d0,
		  uint64_t d1);
/* Nothing derived, nothing checked. */
void build_tensor_raw(struct ggufbuild *b, const char *name, size_t name_len, uint32_t dimensions,
		      const uint64_t *shape, uint32_t type, uint64_t offset);
/* Adds what a tensor's data takes, padded, and returns where it was put. */
uint64_t build_data(struct ggufbuild *b, uint64_t bytes);

/* The file; valid until the next change. */
const struct buf *build_file(struct ggufbuild *b);

/* What gguf_open() reads, from memory. */
struct memory_input {
	const void *data;
	size_t len;
};
void memory_input_init(struct gguf_input *out, const struct memory_input *memory);

/* Opens what was built. */
int build_open(struct ggufbuild *b, struct gguf **out, struct err *e);
/* Fails unless it opens; the caller frees. */
struct gguf *build_open_ok(struct ggufbuild *b);
/* Fails unless it is refused as ERR_INTEGRITY with `text` in the message. */
void assert_refused_at(struct ggufbuild *b, const char *text, const char *file, int line);
#define assert_refused(b, text) assert_refused_at((b), (text), __FILE__, __LINE__)
/* The text of the first finding of that code, or NULL. */
const char *finding_text(const struct gguf_findings *f, const char *code);
/* Fails unless there is a finding of that code with `text` in it. */
void assert_finding_at(const struct gguf_findings *f, const char *code, const char *text,
		       const char *file, int line);
#define assert_finding(f, code, text) assert_finding_at((f), (code), (text), __FILE__, __LINE__)

#endif
