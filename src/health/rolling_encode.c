/* The state as bytes: little-endian, a head of fixed size, then arcs, notes and groups, and the
 * SHA-256 of all that. */
#include "health/rolling_state.h"
#include "util/mem.h"

#include <string.h>

#define MAGIC "ferryaud\1"
#define WHAT "the state of the rolling audit"

/* ---- writing -------------------------------------------------------------------- */

static void put(struct buf *out, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_addc(out, (char)(value >> 8 * i));
}

static void put_head(const struct rolling *r, struct buf *out)
{
	const struct rolling_totals *t = &r->totals;
	buf_add(out, MAGIC, sizeof MAGIC - 1);
	buf_add(out, r->key, sizeof r->key);
	put(out, r->began_s, 4);
	put(out, r->last_s, 4);
	put(out, r->budget.begun, 1);
	put(out, (uint64_t)r->budget.has[ROLLING_SIDE], 8);
	put(out, (uint64_t)r->budget.has[ROLLING_LAP], 8);
	put(out, t->right, 8);
	put(out, t->wrong, 8);
	put(out, t->missing, 8);
	put(out, t->unread, 8);
	put(out, t->bytes, 8);
	put(out, r->arcs.cursor, 8);
	put(out, r->arcs.count, 4);
	put(out, r->notes.count, 4);
	put(out, r->group_count, 4);
}

static void put_note(const struct rolling_note *n, struct buf *out)
{
	put(out, n->position, 8);
	put(out, n->time_s, 4);
	put(out, n->since_s, 4);
	put(out, n->kind, 1);
	put(out, n->tries, 1);
}

void rolling_encode(const struct rolling *r, struct buf *out)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(ROLLING_MAX_BYTES);
	struct digest sum;
	put_head(r, &b);
	for (size_t k = 0; k < r->arcs.count; k++) {
		put(&b, r->arcs.at[k].end, 8);
		put(&b, r->arcs.at[k].time_s, 4);
	}
	for (size_t k = 0; k < r->notes.count; k++)
		put_note(&r->notes.at[k], &b);
	for (size_t g = 0; g < r->group_count; g++) {
		put(&b, r->groups[g].id, 2);
		put(&b, r->groups[g].sum, 4);
		put(&b, r->groups[g].seen_s, 4);
	}
	sha256_of(b.data, b.len, &sum);
	buf_add(&b, sum.bytes, sizeof sum.bytes);
	buf_add(out, b.data, b.len);
}

/* ---- reading -------------------------------------------------------------------- */

struct input {
	const uint8_t *at;
	size_t left;
	bool short_of; /* it was: all values since are 0 */
};

static uint64_t get(struct input *in, size_t bytes)
{
	uint64_t value = 0;
	if (in->left < bytes) {
		in->left = 0;
		in->short_of = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)in->at[i] << 8 * i;
	in->at += bytes;
	in->left -= bytes;
	return value;
}

struct counts {
	size_t arcs, notes, groups;
};

static int64_t get_amount(struct input *in)
{
	int64_t most = ROLLING_DEBT_DAYS * (int64_t)ROLLING_BUDGET_MAX;
	int64_t amount = (int64_t)get(in, 8);
	return MAX(-most, MIN(amount, most));
}

static bool get_head(struct rolling *r, struct input *in, struct counts *n)
{
	struct rolling_totals *t = &r->totals;
	for (size_t i = 0; i < sizeof r->key; i++)
		r->key[i] = (uint8_t)get(in, 1);
	r->began_s = (uint32_t)get(in, 4);
	r->last_s = (uint32_t)get(in, 4);
	r->budget.begun = get(in, 1);
	r->budget.has[ROLLING_SIDE] = get_amount(in);
	r->budget.has[ROLLING_LAP] = get_amount(in);
	t->right = get(in, 8);
	t->wrong = get(in, 8);
	t->missing = get(in, 8);
	t->unread = get(in, 8);
	t->bytes = get(in, 8);
	r->arcs.cursor = get(in, 8);
	n->arcs = get(in, 4);
	n->notes = get(in, 4);
	n->groups = get(in, 4);
	return n->arcs && n->arcs <= ROLLING_ARCS && n->notes <= ROLLING_NOTES &&
	       n->groups <= ROLLING_GROUPS && (!r->last_s || r->began_s <= r->last_s);
}

static bool get_arcs(struct rolling *r, struct input *in, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		r->arcs.at[k].end = get(in, 8);
		r->arcs.at[k].time_s = (uint32_t)get(in, 4);
	}
	r->arcs.count = count;
	return rolling_arcs_valid(&r->arcs, r->last_s);
}

static bool get_note(struct rolling *r, struct input *in, size_t k)
{
	struct rolling_note *n = &r->notes.at[k];
	n->position = get(in, 8);
	n->time_s = (uint32_t)get(in, 4);
	n->since_s = (uint32_t)get(in, 4);
	n->kind = (uint8_t)get(in, 1);
	n->tries = (uint8_t)get(in, 1);
	return (!k || n->position > n[-1].position) && n->kind <= ROLLING_KIND_RIGHT &&
	       n->time_s <= r->last_s && n->since_s <= n->time_s && n->tries;
}

static bool get_notes(struct rolling *r, struct input *in, size_t count)
{
	bool valid = true;
	if (!count)
		return true;
	r->notes.at = mem_alloc(count * sizeof *r->notes.at);
	r->notes.count = r->notes.cap = count;
	for (size_t k = 0; valid && k < count; k++)
		valid = get_note(r, in, k);
	return valid;
}

static bool get_group(struct rolling *r, struct input *in, size_t k)
{
	struct rolling_group *g = &r->groups[k];
	g->id = (uint16_t)get(in, 2);
	g->sum = (uint32_t)get(in, 4);
	g->seen_s = (uint32_t)get(in, 4);
	return (!k || g->id > g[-1].id) && g->seen_s <= r->last_s;
}

static bool get_groups(struct rolling *r, struct input *in, size_t count)
{
	bool valid = true;
	if (!count)
		return true;
	r->groups = mem_alloc(count * sizeof *r->groups);
	r->group_count = count;
	for (size_t k = 0; valid && k < count; k++)
		valid = get_group(r, in, k);
	return valid;
}

static bool is_whole(struct input *in)
{
	struct digest sum;
	if (in->left < sizeof MAGIC - 1 + sizeof sum)
		return false;
	in->left -= sizeof sum;
	sha256_of(in->at, in->left, &sum);
	if (memcmp(in->at + in->left, sum.bytes, sizeof sum) != 0 ||
	    memcmp(in->at, MAGIC, sizeof MAGIC - 1) != 0)
		return false;
	in->at += sizeof MAGIC - 1;
	in->left -= sizeof MAGIC - 1;
	return true;
}

int rolling_parse(const void *data, size_t len, struct rolling **out, struct err *e)
{
	CLEANUP_PTR(rolling_free) struct rolling *r = NEW(struct rolling);
	struct input in = { data, len, false };
	struct counts n = { 0 };
	if (len > ROLLING_MAX_BYTES || !is_whole(&in) || !get_head(r, &in, &n) ||
	    !get_arcs(r, &in, n.arcs) || !get_notes(r, &in, n.notes) ||
	    !get_groups(r, &in, n.groups) || in.short_of || in.left)
		return err_set(e, ERR_INTEGRITY, WHAT " is damaged");
	*out = STEAL(r);
	return 0;
}
