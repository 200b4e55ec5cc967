/*
 * gguf: reads and judges GGUF model files, versions 2 and 3.
 *
 * What always holds here:
 *  - no count, length, offset or product from a file is trusted: each is checked against
 *    the file's size and against the limits below before anything is sized by it;
 *  - the work is linear in the header (n log n in its keys), and memory stays under
 *    GGUF_MAX_KEPT plus a few MiB, whatever the file says;
 *  - a file that llama.cpp would refuse, or that contradicts the format, is refused:
 *    ERR_INTEGRITY with one message. What engines may accept but a person should know about is a
 *    finding;
 *  - tensor data is never read, except the padding between tensors when asked; who reads the file
 *    for another reason can show it (gguf_data_add).
 *
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; the loader's limits are those
 * of ggml/src/gguf.cpp in llama.cpp.
 */
#ifndef FERRY_GGUF_GGUF_H
#define FERRY_GGUF_GGUF_H

#include "hash/sha256.h"
#include "json/json.h"
#include "util/base.h"
#include "util/err.h"
#include "util/text.h"

#define GGUF_MAX_HEADER (256 * MIB) /* everything before the tensor data */
#define GGUF_MAX_KEPT (32 * MIB)    /* keys, names and values held in memory */
#define GGUF_MAX_KEYS 65536
#define GGUF_MAX_TENSORS 65536
#define GGUF_MAX_KEY_BYTES 65535
#define GGUF_MAX_NAME_BYTES 63
#define GGUF_MAX_DIMS 4
#define GGUF_MAX_ALIGNMENT MIB
#define GGUF_MAX_STRING GIB
#define GGUF_MAX_ELEMENTS ((uint64_t)1 << 30)
/* Values that are kept; longer ones are checked, measured and hashed only. */
#define GGUF_KEEP_STRING (4 * MIB)
#define GGUF_KEEP_NUMBERS 8192
#define GGUF_KEEP_STRINGS 1024

/* ---- where the bytes come from ------------------------------------------------------ */

struct gguf_input {
	/* Exactly len bytes at offset, or an error. Never asked for bytes past the end. */
	int (*read_at)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	void *ctx;
	uint64_t size; /* of the whole file */
	size_t window; /* bytes for one read; 0: 64 KiB */
};

/* The open file; ctx is the address of fd, which must live as long as the source. */
WARN_UNUSED int gguf_input_fd(struct gguf_input *out, const int *fd, const char *what,
			      struct err *e);

/* ---- types -------------------------------------------------------------------------- */

enum gguf_value {
	GGUF_U8,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
	GGUF_VALUES
};
const char *gguf_value_name(enum gguf_value type); /* "u32" */

/* Numbers in the blocks of a tensor type that must be finite. */
enum gguf_number {
	GGUF_NUMBER_NONE,
	GGUF_NUMBER_F16,
	GGUF_NUMBER_BF16,
	GGUF_NUMBER_F32,
	GGUF_NUMBER_F64,
	GGUF_NUMBER_E8M0,
	GGUF_NUMBER_SPLIT, /* an F16 in four parts, in the scales of iq1_m */
};
struct gguf_numbers {
	enum gguf_number number;
	unsigned count, at[2]; /* of scales: bytes into the block; count 0: the values themselves */
};

/* ggml's tensor types. NULL for an id without a row (removed or unknown). */
struct gguf_type {
	uint32_t id;
	const char *name; /* "q4_K" */
	uint32_t block;   /* elements of a block */
	uint32_t bytes;   /* bytes of a block */
	const char *fork; /* the program that has it; NULL: ggml, and so all engines */
	struct gguf_numbers numbers;
};
#define GGUF_TYPE_IDS 400 /* ids are below this */
const struct gguf_type *gguf_type(uint32_t id);
const struct gguf_type *gguf_type_named(const char *name); /* any case */
/* Was the id in use once ("q4_2", "q4_0_4_4")? The name, or NULL. */
const char *gguf_type_removed(uint32_t id);

/* A type that only a fork of llama.cpp has ("iq4_k" of ik_llama.cpp); bytes is the least. */
const struct gguf_type *gguf_type_foreign(uint32_t id);

/* general.file_type as llama.cpp names it, "Q4_K_M"; NULL if unknown. The flag 1024 ("guessed")
 * is ignored. */
const char *gguf_file_type_name(uint64_t file_type);
/* The reverse, in any case; -1 if unknown. */
int gguf_file_type_named(const char *name);

#define GGUF_FILE_TYPE_MADE 1    /* `llama-quantize --help` lists it */
#define GGUF_FILE_TYPE_IMATRIX 2 /* only with an importance matrix */
#define GGUF_MAIN_TYPES 4
struct gguf_file_type {
	const char *name;                   /* NULL in a gap */
	const char *types[GGUF_MAIN_TYPES]; /* that most weights may have */
	unsigned flags;
};
/* By general.file_type, from 0 on; NULL after the last one. */
const struct gguf_file_type *gguf_file_type_at(size_t index);

/* ---- an open file ------------------------------------------------------------------- */

/* A scalar or an array. Texts are NUL-terminated, borrowed from the file, and foreign: escape
 * them before printing. */
struct gguf_text {
	const char *s;
	size_t len;
};
struct gguf_kv {
	struct gguf_text key;
	enum gguf_value type;    /* GGUF_ARRAY for arrays */
	enum gguf_value element; /* of an array */
	uint64_t count;          /* elements of an array; 1 for a scalar */
	uint64_t bytes;          /* of the value in the file, elements only */
	bool kept;               /* else only sha256 of those bytes is known */
	union {
		uint64_t u; /* u8 to u64, bool */
		int64_t i;  /* i8 to i64 */
		double f;   /* f32, f64 */
		struct gguf_text string;
		const uint8_t *numbers; /* little-endian elements, as in the file */
		const struct gguf_text *strings;
	} as;
	struct digest sha256;
};

struct gguf_tensor {
	struct gguf_text name;
	const struct gguf_type *type;
	unsigned dimensions;           /* 0 for a scalar: shape is then all 1 */
	uint64_t shape[GGUF_MAX_DIMS]; /* shape[0] is the row; unused ones are 1 */
	uint64_t elements;
	uint64_t offset;       /* in the file, not in the data section */
	uint64_t size, padded; /* bytes; of a foreign type all up to the next tensor */
};

struct gguf_finding {
	const char *code; /* stable: "trailing-bytes"; part of the JSON output */
	char *text;       /* for people; may hold foreign bytes */
	bool note;        /* informational; does not change the verdict to warnings */
};
struct gguf_findings {
	struct gguf_finding *at;
	size_t count, cap;
	size_t dropped; /* more than GGUF_MAX_FINDINGS */
};
#define GGUF_MAX_FINDINGS 100
void gguf_findings_release(struct gguf_findings *f);

struct gguf_options {
	bool padding; /* read the padding between tensors, too */
};

struct gguf {
	uint32_t version;
	uint32_t alignment;
	uint64_t header_end;  /* end of the tensor list */
	uint64_t data_offset; /* header_end, padded; where tensor data starts */
	uint64_t data_end;    /* end of the last tensor, padding included */
	uint64_t file_size;
	struct gguf_kv *kvs; /* in the file's order */
	size_t kv_count;
	struct gguf_tensor *tensors; /* in the file's order, which is that of offsets:
					they neither overlap nor leave gaps */
	size_t tensor_count;
	struct gguf_findings findings;
	struct gguf_private *private;
};

/*
 * Reads the header and checks everything that can be checked from it. `what` names the file in
 * messages. A NULL opts is all zeroes. The source is not used after the call. ERR_INTEGRITY for a
 * file that is refused; the source's own errors pass through.
 */
WARN_UNUSED int gguf_open(const struct gguf_input *source, const char *what,
			  const struct gguf_options *opts, struct gguf **out, struct err *e);
WARN_UNUSED int gguf_open_fd(int fd, const char *what, struct gguf **out, struct err *e);
void gguf_free(struct gguf *g);
DEFINE_CLEANUP(struct gguf, gguf_free);

/* Do the first bytes of a file have the magic? */
bool gguf_is_magic(const void *data, size_t len);

const struct gguf_kv *gguf_find(const struct gguf *g, const char *key);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);

/* Typed access: false or NULL when the key is missing or of another kind. Any integer type is
 * accepted if its value is in the range. */
bool gguf_get_u64(const struct gguf *g, const char *key, uint64_t *out);
const char *gguf_get_string(const struct gguf *g, const char *key);
/* The array, kept, with elements of that type; or NULL. */
const struct gguf_kv *gguf_get_array(const struct gguf *g, const char *key,
				     enum gguf_value element);
/* An element of a kept array of integers; index < kv->count. */
bool gguf_array_u64(const struct gguf_kv *kv, size_t index, uint64_t *out);
/* "<architecture>.<suffix>"; NULL when there is no architecture. */
const struct gguf_kv *gguf_find_arch(const struct gguf *g, const char *suffix);
bool gguf_get_arch_u64(const struct gguf *g, const char *suffix, uint64_t *out);

/* ---- what it is: metadata ----------------------------------------------------------- */

/* Texts are borrowed from the file; NULL and 0 mean that the file does not have the value. */
struct gguf_metadata {
	const char *architecture, *type, *name, *basename, *size_label, *finetune, *version;
	const char *author, *organization, *quantized_by, *description, *url, *source_url;
	const char *source_repo, *license, *license_name, *license_link;
	const struct gguf_kv *tags, *languages; /* kept string arrays */
	const struct gguf_kv *licenses;         /* general.license, where it is such an array */
	const char *quantization;               /* "Q4_K_M" */
	uint64_t parameters;                    /* elements of all tensors */
	uint64_t context_length, embedding_length, block_count, feed_forward_length;
	uint64_t head_count, head_count_kv; /* the largest, where layers differ */
	uint64_t expert_count, expert_used_count;
	uint64_t vocabulary_size;
	const char *tokenizer_model, *tokenizer_pre;
	bool has_tokenizer;
	struct digest tokenizer_sha256; /* over tokens, token types, scores and merges:
					   equal for files that share a tokenizer */
	uint64_t split_no, split_count; /* count 0: not a shard */
};
void gguf_metadata(const struct gguf *g, struct gguf_metadata *out);
/* "Q4_K_M": that of general.file_type, else the type of most weights in capitals, over all shards
 * of a model; NULL without tensors. The caller frees. */
char *gguf_quantization(const struct gguf *const *files, size_t count);

/* The member "gguf" of a manifest, and of `--json` output: metadata, census, chat template
 * (without its text), tensor count. Texts over 4 KiB are cut, lists after 256 entries. The
 * caller owns it. */
json_t *gguf_json(const struct gguf *g);

/* The first of its types that only a fork of llama.cpp has, or NULL. */
const struct gguf_type *gguf_foreign(const struct gguf *g);

/* ---- what it is for: kind ------------------------------------------------------------ */

enum gguf_kind {
	GGUF_KIND_MODEL, /* also a shard of one */
	GGUF_KIND_ADAPTER,
	GGUF_KIND_CONTROL_VECTOR,
	GGUF_KIND_PROJECTOR,
	GGUF_KIND_IMATRIX,
	GGUF_KIND_VOCABULARY,
};
/* From general.type and the content; file names do not matter. */
enum gguf_kind gguf_kind(const struct gguf *g);
bool gguf_kind_knows(const char *type);          /* a value of general.type */
const char *gguf_kind_name(enum gguf_kind kind); /* "adapter", as in cards */
const char *gguf_kind_is(enum gguf_kind kind);   /* "a LoRA adapter" */
const char *gguf_kind_use(enum gguf_kind kind);  /* what it is used for; "" for a model */

/* ---- what it is made of: census ----------------------------------------------------- */

struct gguf_census_row {
	const struct gguf_type *type;
	uint64_t tensors, elements, bytes;
};
struct gguf_census {
	struct gguf_census_row rows[GGUF_TYPE_IDS]; /* most bytes first */
	size_t count;
	uint64_t tensors, elements, bytes;
	double bits_per_weight;            /* 0 when there are no tensors */
	const struct gguf_type *main_type; /* of most weights, embeddings and output
					      aside; NULL without tensors */
};
/* Over one file, or all shards of a model. */
void gguf_census(const struct gguf *const *files, size_t count, struct gguf_census *out);

/*
 * Findings where the tensors differ from the quantization ("Q4_K_M"; NULL: that of
 * general.file_type): rows that are not a multiple of 256 and silently fell back to another type,
 * or a different main type. Codes "fallback", "file-type".
 */
void gguf_census_check(const struct gguf *const *files, size_t count, const char *quantization,
		       struct gguf_findings *out);

/* ---- what is in the tensors: data --------------------------------------------------- */

/*
 * Looks at the bytes of a file on their way to something else, such as its digest: numbers
 * (F64, F32, F16, BF16, the scales of blocks) that are NaN or infinite, and long runs of zeros in a
 * matrix. Codes "not-finite", "zeros". g must live as long.
 */
struct gguf_data *gguf_data_new(const struct gguf *g);
void gguf_data_free(struct gguf_data *d);
DEFINE_CLEANUP(struct gguf_data, gguf_data_free);
/* The next bytes of the file, from its start; the length of all but the last a multiple of 8. */
void gguf_data_add(struct gguf_data *d, const void *data, size_t len);
/* After all bytes. */
void gguf_data_findings(const struct gguf_data *d, struct gguf_findings *out);

/* ---- chat template ------------------------------------------------------------------ */

/*
 * A template is a Jinja program that engines run. Suspicious is what exploits need and chat
 * templates do not: CVE-2024-34359, CVE-2026-5760.
 */
enum {
	GGUF_TEMPLATE_DUNDER = 1,      /* "__" */
	GGUF_TEMPLATE_IMPORT = 2,      /* import, include, from, extends */
	GGUF_TEMPLATE_SYSTEM = 4,      /* os., sys., subprocess, popen, socket, open( */
	GGUF_TEMPLATE_EVAL = 8,        /* eval, exec, compile( */
	GGUF_TEMPLATE_ATTRIBUTE = 16,  /* |attr, getattr, mro, globals, builtins, lipsum */
	GGUF_TEMPLATE_ESCAPE = 32,     /* "\x5f" and the like inside an expression */
	GGUF_TEMPLATE_HUGE_RANGE = 64, /* range() of seven digits or more */
	GGUF_TEMPLATE_TOO_LONG = 128,  /* longer than GGUF_KEEP_STRING: not looked at */
	GGUF_TEMPLATE_CONTROL = 256,   /* control characters, invalid UTF-8, bidi overrides */
};
struct gguf_template {
	const char *key;       /* "tokenizer.chat_template", "….tool_use" */
	struct gguf_text text; /* borrowed; NULL when too long */
	uint64_t bytes;
	struct digest sha256; /* of the text's bytes */
	unsigned flags;
};
#define GGUF_MAX_TEMPLATES 16
/* The index-th template of the file; false past the last. Only the first GGUF_MAX_TEMPLATES are
 * checked. */
bool gguf_template(const struct gguf *g, size_t index, struct gguf_template *out);
/* For texts from elsewhere, e.g. tokenizer_config.json. */
unsigned gguf_template_flags(const char *text, size_t len);
/* The flags as text, "double underscores, import"; into out, cut to fit. */
const char *gguf_template_describe(unsigned flags, char *out, size_t size);

/* ---- how much memory ---------------------------------------------------------------- */

/*
 * Memory of llama.cpp on the CPU, as its tools run it by default: one sequence, f16 cache,
 * batches of 512, flash attention, sliding windows as windows. weights and kv_cache are exact,
 * overhead (compute and output buffers) is an upper bound. If an architecture keeps anything
 * other than keys and values for each token (recurrent, MLA), or is unknown, known is false and
 * reason says why; weights is still correct.
 */
struct gguf_ram {
	bool known;
	uint64_t context;                            /* tokens, after rounding up to 256 */
	uint64_t weights, kv_cache, overhead, total; /* bytes; 0 when not known */
	uint64_t token;                              /* bytes that each further token needs */
	char reason[160];                            /* "" when known */
};
/* context 0: the model's own context length. */
void gguf_ram(const struct gguf *const *files, size_t count, uint64_t context,
	      struct gguf_ram *out);

/* ---- file names --------------------------------------------------------------------- */

/*
 * [mmproj-|mtp-]Base-Size-FineTune-vX.Y-Encoding-[LoRA|vocab]-00001-of-00003.gguf. Real names
 * often differ: unrecognised parts become part of base or fine_tune. Fields are "" when absent.
 */
struct gguf_name {
	char prefix[8]; /* "mmproj", "mtp" */
	char base[128], size[32], fine_tune[128], version[32], encoding[32], kind[8];
	char flavor[8];         /* of the encoding: "UD" (Unsloth's mixtures), "i1", "imat" */
	unsigned shard, shards; /* from 1; 0 of 0: not a shard */
	bool conforms;          /* base, size, version and encoding are there */
};
/* `name` without folders. False when it does not end in ".gguf". */
bool gguf_name_parse(const char *name, struct gguf_name *out);
/* "_K_M" of "Q4_K_M": what follows the class, the kind of number and its bits. */
const char *gguf_after_class(const char *label);
/* Have the labels the same class, as "Q4_K_M" and "Q4_0", "FP16" and "F16"? */
bool gguf_same_class(const char *a, const char *b);
/* Is the label of a name ("Q6_K_L") not one that a file of this quantization may have? */
bool gguf_contradicts(const char *label, const char *quantization);

/* ---- shards ------------------------------------------------------------------------- */

/*
 * Do these files make one model? files[i] is called names[i] in messages; any order. ERR_INTEGRITY
 * when they do not: a shard missing, given twice or wrongly numbered, counts that disagree, a
 * tensor in two shards. One file that is not a shard is fine.
 */
WARN_UNUSED int gguf_shards_check(const struct gguf *const *files, const char *const *names,
				  size_t count, struct err *e);

/*
 * Findings where blocks (layers) that block_count promises have no tensors, in the middle or at
 * the end, or only some of those that all others have, or where there are more; and where the
 * embeddings or the last normalisation are missing. Over one file, or all shards of a model. Codes
 * "blocks", "missing-tensor".
 */
void gguf_blocks_check(const struct gguf *const *files, size_t count, struct gguf_findings *out);

/* ---- the verdict on one file -------------------------------------------------------- */

enum gguf_verdict { GGUF_OK, GGUF_WARNINGS, GGUF_REFUSED };
const char *gguf_verdict_name(enum gguf_verdict v); /* "ok", "warnings", "refused" */

struct gguf_report {
	enum gguf_verdict verdict;
	struct err reason;             /* set when refused */
	struct gguf_findings findings; /* of the file, its census, template and name */
	struct gguf *file;             /* NULL when refused */
};
/*
 * Everything above on one file. `name` is its file name or path. A refusal is a verdict and
 * returns 0; an error means that the file could not be read. Tensor types of forks are refused
 * unless `foreign`, and then a finding, code "foreign-types".
 */
WARN_UNUSED int gguf_check(const struct gguf_input *source, const char *name, bool foreign,
			   struct gguf_report *out, struct err *e);
WARN_UNUSED int gguf_check_path(const char *path, bool foreign, struct gguf_report *out,
				struct err *e);
void gguf_report_release(struct gguf_report *r);

#endif
