/* The bytes of the tensors: numbers that are no numbers, and zeros where weights should be. */
#include "gguf/internal.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* Zeros are looked for at both ends of such a piece; it is read as a whole only when it begins
 * with them. */
#define PIECE 4096
#define RUN_MIN (64 * KIB)
/* Biases are often all zero. */
#define VECTOR_RUN_MIN MIB
/* Zeros that belong to the next or previous row by chance. */
#define ROW_SLACK 64

struct fault {
	const struct gguf_tensor *tensor; /* the first */
	uint64_t amount;                  /* there: numbers, or bytes in a row */
	size_t tensors;
};

struct gguf_data {
	const struct gguf *g;
	uint64_t pos;               /* in the file */
	size_t index;               /* of the tensor at pos, or of the next one */
	uint64_t bad;               /* numbers of this tensor that are not finite */
	uint64_t zero_from;         /* in the tensor: after the last byte that is not zero */
	uint64_t run_from, run_len; /* the longest run of zeros */
	struct fault not_finite, zeros;
};

/* ---- numbers ------------------------------------------------------------------------ */

/* A number is finite unless all bits of its exponent are set. `mask` has these bits, `one` the
 * lowest of them, for each number in a word: the sum carries into the sign. */
struct exponent {
	uint64_t mask, one;
	unsigned bytes;
};

static struct exponent exponent_of(enum gguf_number n)
{
	switch (n) {
	case GGUF_NUMBER_F16:
		return (struct exponent){ 0x7c007c007c007c00, 0x0400040004000400, 2 };
	case GGUF_NUMBER_BF16:
		return (struct exponent){ 0x7f807f807f807f80, 0x0080008000800080, 2 };
	case GGUF_NUMBER_F64:
		return (struct exponent){ 0x7ff0000000000000, 0x0010000000000000, 8 };
	default:
		return (struct exponent){ 0x7f8000007f800000, 0x0080000000800000, 4 };
	}
}

/* One bit for each number of the word that is not finite. */
static uint64_t not_finite(uint64_t word, const struct exponent *x)
{
	return ((word & x->mask) + x->one) & ~x->mask & (x->mask << 1);
}

static uint64_t last_word(const uint8_t *p, size_t len)
{
	uint8_t word[8] = { 0 };
	memcpy(word, p, len);
	return le64(word);
}

static bool has_not_finite(const uint8_t *p, size_t words, struct exponent x)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < words; i++)
		sum |= (le64(p + 8 * i) & x.mask) + x.one;
	return sum & ~x.mask & (x.mask << 1);
}

static uint64_t count_values(const uint8_t *p, size_t len, enum gguf_number n)
{
	struct exponent x = exponent_of(n);
	uint64_t count = 0;
	size_t words = len / 8;
	if (has_not_finite(p, words, x))
		for (size_t i = 0; i < words; i++)
			count += (uint64_t)__builtin_popcountll(not_finite(le64(p + 8 * i), &x));
	return count +
	       (uint64_t)__builtin_popcountll(not_finite(last_word(p + 8 * words, len % 8), &x));
}

static unsigned scale_bytes(enum gguf_number n)
{
	return n == GGUF_NUMBER_E8M0 ? 1 : n == GGUF_NUMBER_SPLIT ? 8 : exponent_of(n).bytes;
}

static bool is_bad_scale(const uint8_t *p, enum gguf_number n)
{
	switch (n) {
	case GGUF_NUMBER_E8M0:
		return *p == 0xff;
	case GGUF_NUMBER_F32:
		return (p[3] & 0x7f) == 0x7f && p[2] & 0x80;
	/* iq1_m: four bits at the top of each of four words. */
	case GGUF_NUMBER_SPLIT:
		return (p[7] & 0x70) == 0x70 && (p[5] & 0xc0) == 0xc0;
	default:
		return (p[1] & 0x7c) == 0x7c;
	}
}

/* Scales at `at` of each block; `from` is where p is in the tensor. */
static uint64_t count_scales(const uint8_t *p, size_t len, uint64_t from, size_t block, size_t at,
			     enum gguf_number n)
{
	uint64_t count = 0;
	size_t bytes = scale_bytes(n);
	size_t first = (size_t)((at + block - from % block) % block);
	for (size_t i = first; i + bytes <= len; i += block)
		count += is_bad_scale(p + i, n);
	return count;
}

static uint64_t count_bad(const struct gguf_tensor *t, const uint8_t *p, size_t len, uint64_t from)
{
	const struct gguf_numbers *l = &t->type->numbers;
	uint64_t count = 0;
	if (l->number == GGUF_NUMBER_NONE)
		return 0;
	for (unsigned i = 0; i < l->count; i++)
		count += count_scales(p, len, from, t->type->bytes, l->at[i], l->number);
	return l->count ? count : count_values(p, len, l->number);
}

/* ---- zeros -------------------------------------------------------------------------- */

static void end_run(struct gguf_data *d, uint64_t end)
{
	if (end - d->zero_from <= d->run_len)
		return;
	d->run_from = d->zero_from;
	d->run_len = end - d->zero_from;
}

static void look_for_zeros(struct gguf_data *d, const uint8_t *p, size_t len, uint64_t from)
{
	size_t first = 0, last = len;
	while (first + 8 <= len && le64(p + first) == 0)
		first += 8;
	while (first < len && p[first] == 0)
		first++;
	if (first == len)
		return;
	while (p[last - 1] == 0)
		last--;
	end_run(d, from + first);
	d->zero_from = from + last;
}

/* Rows of tokens that are not used are zero in many models. */
static bool is_whole_rows(const struct gguf_tensor *t, uint64_t from, uint64_t len)
{
	uint64_t row = t->shape[0] / t->type->block * t->type->bytes;
	return (row - from % row) % row <= ROW_SLACK && (from + len) % row <= ROW_SLACK;
}

static bool is_suspicious(const struct gguf_tensor *t, uint64_t from, uint64_t len)
{
	if (t->elements == t->shape[0])
		return len >= VECTOR_RUN_MIN;
	if (gguf_is_embedding(t) && len < t->size / 4 && is_whole_rows(t, from, len))
		return false;
	return len >= RUN_MIN || (len >= PIECE && len >= t->size / 4);
}

/* ---- tensors ------------------------------------------------------------------------ */

static void begin_tensor(struct gguf_data *d)
{
	d->bad = d->zero_from = d->run_from = d->run_len = 0;
}

static void add_fault(struct fault *f, const struct gguf_tensor *t, uint64_t amount)
{
	if (!f->tensors++)
		*f = (struct fault){ t, amount, 1 };
}

static void end_tensor(struct gguf_data *d, const struct gguf_tensor *t)
{
	end_run(d, t->size);
	if (d->bad)
		add_fault(&d->not_finite, t, d->bad);
	if (is_suspicious(t, d->run_from, d->run_len))
		add_fault(&d->zeros, t, d->run_len);
}

/* Some bytes of the tensor at d->index; `from` is where they are in it. */
static void add_bytes(struct gguf_data *d, const uint8_t *p, size_t len, uint64_t from)
{
	const struct gguf_tensor *t = &d->g->tensors[d->index];
	for (size_t at = 0; at < len; at += PIECE) {
		size_t n = MIN(len - at, (size_t)PIECE);
		look_for_zeros(d, p + at, n, from + at);
		d->bad += count_bad(t, p + at, n, from + at);
	}
}

struct gguf_data *gguf_data_new(const struct gguf *g)
{
	struct gguf_data *d = NEW(struct gguf_data);
	d->g = g;
	return d;
}

void gguf_data_free(struct gguf_data *d)
{
	free(d);
}

void gguf_data_add(struct gguf_data *d, const void *data, size_t len)
{
	uint64_t end = d->pos + len;
	for (; d->index < d->g->tensor_count; d->index++) {
		const struct gguf_tensor *t = &d->g->tensors[d->index];
		if (t->offset >= end)
			break;
		uint64_t from = MAX(t->offset, d->pos), to = MIN(t->offset + t->size, end);
		if (from == t->offset)
			begin_tensor(d);
		if (from < to)
			add_bytes(d, (const uint8_t *)data + (from - d->pos), (size_t)(to - from),
				  from - t->offset);
		if (to < t->offset + t->size)
			break;
		end_tensor(d, t);
	}
	d->pos = end;
}

static const char *others(const struct fault *f, char *out, size_t size)
{
	out[0] = '\0';
	if (f->tensors > 1)
		snprintf(out, size, ", and so do %zu other tensor%s", f->tensors - 1,
			 f->tensors == 2 ? "" : "s");
	return out;
}

void gguf_data_findings(const struct gguf_data *d, struct gguf_findings *out)
{
	const struct fault *bad = &d->not_finite, *zeros = &d->zeros;
	char more[64], size[SIZE_TEXT];
	if (bad->tensors)
		gguf_finding_add(out, "not-finite",
				 "tensor '%.*s' (%s) has %llu number%s that %s NaN or infinite%s: "
				 "the model gives wrong answers",
				 SHOW(bad->tensor->name), bad->tensor->type->name,
				 (unsigned long long)bad->amount, bad->amount == 1 ? "" : "s",
				 bad->amount == 1 ? "is" : "are", others(bad, more, sizeof more));
	if (zeros->tensors)
		gguf_finding_add(out, "zeros",
				 "tensor '%.*s' (%s) has %s of zeros in a row%s%s: a part of the "
				 "file may never have been written",
				 SHOW(zeros->tensor->name), zeros->tensor->type->name,
				 format_size(size, zeros->amount),
				 zeros->amount == zeros->tensor->size ? ", all of it" : "",
				 others(zeros, more, sizeof more));
}
