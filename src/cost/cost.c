#include "cost/cost.h"

#include <stdio.h>
#include <string.h>

#define CENT (SETTINGS_COST_UNIT / 100)
#define MILLION 1000000

/* ---- arithmetic that does not wrap around ---- */

uint64_t cost_add(uint64_t a, uint64_t b)
{
	return a > COST_MAX - b ? COST_MAX : a + b;
}

uint64_t cost_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* A product of 128 bits, of four products of 32 bits. */
static void multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low)
{
	uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
	uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
	uint64_t other = a0 * b1 + (middle & UINT32_MAX);
	*high = a1 * b1 + (middle >> 32) + (other >> 32);
	*low = a * b;
}

/* Bit by bit: not every compiler has integers of 128 bits. */
uint64_t cost_share(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t rest, low, quotient = 0;
	multiply(a, b, &rest, &low);
	if (rest >= c)
		return COST_MAX;
	for (int bit = 63; bit >= 0; bit--) {
		bool carry = rest >> 63;
		rest = rest << 1 | (low >> bit & 1);
		quotient <<= 1;
		if (carry || rest >= c) {
			rest -= c;
			quotient |= 1;
		}
	}
	return rest >= c - rest ? cost_add(quotient, 1) : quotient;
}

/* ---- bills ---- */

static uint64_t whole_units(uint64_t amount, uint64_t unit)
{
	uint64_t missing = amount % unit ? unit - amount % unit : 0;
	return cost_add(amount, missing);
}

uint64_t cost_of(const struct settings_cost_scale *s, uint64_t amount, uint64_t unit, bool round_up)
{
	uint64_t sum = 0, from = 0;
	amount = round_up ? whole_units(amount, unit) : amount;
	for (size_t i = 0; i < s->count && amount > from; i++) {
		const struct settings_cost_step *step = &s->at[i];
		uint64_t until = MIN(amount, step->until);
		sum = cost_add(sum, cost_share(until - from, step->nano, unit));
		from = until;
	}
	return sum;
}

void cost_bill(const struct settings_cost_price *p, const struct cost_usage *u,
	       struct cost_bill *out)
{
	*out = (struct cost_bill){
		.storage = cost_of(&p->storage, u->stored, p->gigabyte, p->round_up),
		.writes = cost_of(&p->write, u->writes, MILLION, p->round_up),
		.reads = cost_of(&p->read, u->reads, MILLION, p->round_up),
		.egress = cost_of(&p->egress, u->egress, p->gigabyte, p->round_up),
	};
	out->total = cost_add(cost_add(out->storage, out->writes),
			      cost_add(out->reads, out->egress));
}

void cost_bill_add(struct cost_bill *sum, const struct cost_bill *b)
{
	sum->storage = cost_add(sum->storage, b->storage);
	sum->writes = cost_add(sum->writes, b->writes);
	sum->reads = cost_add(sum->reads, b->reads);
	sum->egress = cost_add(sum->egress, b->egress);
	sum->total = cost_add(sum->total, b->total);
}

void cost_reorder(const struct cost_usage *before, const size_t *from, const size_t *to,
		  size_t count, struct cost_usage *after)
{
	for (size_t i = 0; i < count; i++) {
		after[to[i]] = before[to[i]];
		after[to[i]].reads = before[from[i]].reads;
		after[to[i]].egress = before[from[i]].egress;
	}
}

/* ---- texts ---- */

const char *cost_exact(char out[COST_TEXT], uint64_t nano)
{
	snprintf(out, COST_TEXT, "%llu.%09llu", (unsigned long long)(nano / SETTINGS_COST_UNIT),
		 (unsigned long long)(nano % SETTINGS_COST_UNIT));
	size_t len = strlen(out), least = len - 7;
	while (len > least && out[len - 1] == '0')
		out[--len] = '\0';
	return out;
}

const char *cost_rounded(char out[COST_TEXT], uint64_t nano)
{
	uint64_t cents = nano / CENT + (nano % CENT >= CENT / 2);
	if (nano == COST_MAX)
		snprintf(out, COST_TEXT, ">%llu",
			 (unsigned long long)(COST_MAX / SETTINGS_COST_UNIT));
	else if (nano && !cents)
		snprintf(out, COST_TEXT, "<0.01");
	else
		snprintf(out, COST_TEXT, "%llu.%02u", (unsigned long long)(cents / 100),
			 (unsigned)(cents % 100));
	return out;
}
