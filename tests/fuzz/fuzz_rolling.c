/* The state of a rolling audit: what is accepted is used in a run, and written the same way again.
 * A checksum that fits is out of a fuzzer's reach: each input gets one. */
#include "health/rolling_pass.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_nothing(void *ctx, const struct rolling_object *o, uint32_t piece,
			struct audit *out, struct err *e)
{
	unsigned *reads = ctx;
	switch (++*reads % 4) {
	case 0:
		return err_set(e, ERR_NETWORK, "refused");
	case 1:
		return err_set(e, ERR_NOT_FOUND, "missing");
	default:
		*out = (struct audit){ .bytes = rolling_sequence_length(o, piece), .pieces = 1 };
		out->bad_count = *reads % 4 == 2;
		return 0;
	}
}

static void encode_and_compare(const struct rolling *r, const struct buf *before)
{
	CLEANUP(buf_release) struct buf after = BUF_INIT(2 * MIB);
	CLEANUP_PTR(rolling_free) struct rolling *again = NULL;
	struct err e = ERR_INIT;
	rolling_encode(r, &after);
	if (rolling_parse(after.data, after.len, &again, &e) < 0 ||
	    (before &&
	     (before->len != after.len || memcmp(before->data, after.data, after.len) != 0)))
		abort();
}

static void use(struct rolling *r)
{
	CLEANUP(rolling_sequence_release) struct rolling_sequence s = { 0 };
	CLEANUP(rolling_report_release) struct rolling_report out = { 0 };
	struct rolling_options o = { .budget = 64 * MIB, .window_s = 86400 };
	struct repository_file f = { .size = 100000000 };
	char key[] = "targets/a";
	unsigned reads = 0;
	struct rolling_reader reader = { read_nothing, &reads };
	struct err e = ERR_INIT;
	f.key = f.manifest_key = key;
	for (uint8_t i = 0; i < 3; i++) {
		memset(f.sha256.bytes, i, sizeof f.sha256.bytes);
		rolling_sequence_add(&s, r->key, &f, i);
	}
	if (rolling_pass(r, &s, &reader, &o, &out, &e) < 0)
		abort();
	rolling_pass_sum_up(r, &s, &o, &out);
	encode_and_compare(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(2 * MIB), once = BUF_INIT(2 * MIB);
	CLEANUP_PTR(rolling_free) struct rolling *r = NULL;
	struct digest sum;
	struct err e = ERR_INIT;
	if (rolling_parse(data, size, &r, &e) == 0) {
		rolling_free(r);
		r = NULL;
	}
	err_clear(&e);
	buf_add(&b, data, size);
	sha256_of(data, size, &sum);
	buf_add(&b, sum.bytes, sizeof sum.bytes);
	if (rolling_parse(b.data, b.len, &r, &e) < 0)
		return 0;
	rolling_encode(r, &once);
	encode_and_compare(r, &once);
	use(r);
	return 0;
}
