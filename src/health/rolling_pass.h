/*
 * rolling_pass: the readings of one run of the rolling audit (rolling.h), whoever reads.
 */
#ifndef FERRY_HEALTH_ROLLING_PASS_H
#define FERRY_HEALTH_ROLLING_PASS_H

#include "health/rolling_state.h"
#include "publish/audit.h"

struct rolling_reader {
	/* Reads a piece and compares it. Negative: it could not be read; ERR_NOT_FOUND if the
	 * object is missing. */
	int (*read)(void *ctx, const struct rolling_object *o, uint32_t piece, struct audit *out,
		    struct err *e);
	void *ctx;
};

/* As rolling_run(), with a sequence that rolling_sequence_add() has made with r->key. Fills
 * pieces, bytes, reading_us, mended, error, promise_days and began_s of *out. */
WARN_UNUSED int rolling_pass(struct rolling *r, struct rolling_sequence *s,
			     const struct rolling_reader *reader, const struct rolling_options *o,
			     struct rolling_report *out, struct err *e);
/* The rest: what is known now. */
void rolling_pass_sum_up(const struct rolling *r, const struct rolling_sequence *s,
			 const struct rolling_options *o, struct rolling_report *out);

#endif
