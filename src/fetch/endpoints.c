#include "fetch/endpoints.h"

#include "tuf/claim.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/threads.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

void endpoints_init(struct endpoints *t, struct source_list *sources)
{
	*t = (struct endpoints){ .sources = sources };
}

static const char *const state_names[ENDPOINT_STATES] = {
	[ENDPOINT_UNKNOWN] = "unknown",       [ENDPOINT_OK] = "ok",     [ENDPOINT_STALE] = "stale",
	[ENDPOINT_INCOMPLETE] = "incomplete", [ENDPOINT_SLOW] = "slow", [ENDPOINT_DOWN] = "down",
	[ENDPOINT_REJECTED] = "rejected",
};

const char *endpoints_state_name(enum endpoint_state s)
{
	return state_names[s];
}

static void drop_candidates(struct endpoints *t)
{
	for (size_t i = 0; i < t->candidate_count; i++)
		buf_release(&t->candidates[i].bytes);
	t->candidate_count = 0;
}

void endpoints_release(struct endpoints *t)
{
	drop_candidates(t);
	free(t->candidates);
	free(t->endpoints);
	free(t->tried);
	free(t->name);
	*t = (struct endpoints){ 0 };
}

/* -- the endpoints ------------------------------------------------------------------------ */

static PRINTF_LIKE(3, 4) void settle(struct endpoint *p, enum endpoint_state state, const char *fmt,
				     ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(p->fault, sizeof p->fault, fmt, ap);
	va_end(ap);
	p->state = state;
}

static bool is_endpoint(const struct endpoints *t, const struct source *s)
{
	for (size_t i = 0; i < t->endpoint_count; i++)
		if (t->endpoints[i].source == s)
			return true;
	return false;
}

size_t endpoints_extend(struct endpoints *t)
{
	size_t before = t->endpoint_count;
	for (size_t i = 0; i < t->sources->count; i++) {
		struct source *s = t->sources->at[i];
		if (!s->metadata || is_endpoint(t, s))
			continue;
		t->endpoints = mem_grow(t->endpoints, t->endpoint_count, &t->endpoint_cap,
					sizeof *t->endpoints);
		struct endpoint *p = &t->endpoints[t->endpoint_count++];
		*p = (struct endpoint){ .source = s };
		if (source_is_pausing(t->sources, s))
			settle(p, ENDPOINT_DOWN, "%s", s->detail[FAULT_UNREACHABLE]);
	}
	/* What pointed to endpoints of the last request. */
	drop_candidates(t);
	mem_free_ptr(&t->name);
	t->preferred = t->gave = t->unnamed = NULL;
	t->again = false;
	free(t->tried);
	t->tried = mem_alloc(t->endpoint_count + 1);
	return t->endpoint_count - before;
}

const struct endpoint *endpoints_all(struct endpoints *t, size_t *count)
{
	if (!t->tried)
		endpoints_extend(t);
	*count = t->endpoint_count;
	return t->endpoints;
}

static bool is_next_root(const char *name)
{
	return tuf_name_version(name, "root") > 1;
}

static bool is_for_all(const char *name)
{
	return strcmp(name, TUF_NAME_TIMESTAMP) == 0 || tuf_name_version(name, "root");
}

static void reject(struct endpoint *p, const char *why)
{
	source_note_fault(p->source, FAULT_METADATA, "%s", why);
	settle(p, ENDPOINT_REJECTED, "%s", why);
	p->source->metadata = false;
}

/* The hint for the first rejected answer. */
static void keep_hint(struct endpoints *t, const struct err *why)
{
	if (!t->hint[0])
		snprintf(t->hint, sizeof t->hint, "%s", why->hint);
}

/* What a failed request means for the endpoint. */
static void note_failure(struct endpoints *t, struct endpoint *p, const char *name,
			 const struct err *why)
{
	struct source *s = p->source;
	/* The end of the chain of roots is not a failure. Some stores answer 403 instead of 404
	 * to hide what exists; a real refusal also refuses the timestamp. */
	bool absent = why->class == ERR_NOT_FOUND || (why->class == ERR_AUTH && is_next_root(name));
	t->missing |= absent;
	if (absent && is_next_root(name))
		return;
	enum source_fault fault = source_fault_of(why, 0);
	CLEANUP(mem_free_ptr) char *told = mem_printf("%s: %s", name, why->text + why->core);
	source_note_cause(s, why);
	if (why->class == ERR_INTEGRITY && fault == FAULT_WRONG_ANSWER) {
		t->rejected = true;
		keep_hint(t, why);
		reject(p, told);
		return;
	}
	s->failures += why->class == ERR_NETWORK;
	/* Neither a certificate nor what a proxy or this machine does changes in a moment. */
	if (!absent && !err_is_transient(why) && why->cause)
		s->metadata = false;
	source_note_pause(t->sources, s, why);
	source_note_fault(s, fault, "%s", told);
	settle(p,
	       absent                   ? ENDPOINT_INCOMPLETE
	       : fault == FAULT_STALLED ? ENDPOINT_SLOW
					: ENDPOINT_DOWN,
	       "%s", told);
}

/* The endpoint to ask next: first the one that the timestamp came from, then those that are as
 * new, then the rest, and last those that did not answer before. */
static struct endpoint *next(struct endpoints *t, bool with_silent)
{
	struct endpoint *best = NULL;
	for (size_t i = 0; i < t->endpoint_count; i++) {
		struct endpoint *p = &t->endpoints[i];
		if (!p->source->metadata || t->tried[i] || (!with_silent && p->source->failures) ||
		    source_is_pausing(t->sources, p->source))
			continue;
		if (p == t->preferred)
			return p;
		if (!best || (p->state == ENDPOINT_OK && best->state != ENDPOINT_OK))
			best = p;
	}
	return best;
}

/* -- one file after another ----------------------------------------------------------------- */

static void begin(struct endpoints *t, const char *name)
{
	size_t count;
	bool same = t->again && t->name && strcmp(t->name, name) == 0;
	t->again = false;
	if (same)
		return;
	if (t->name && strcmp(t->name, TUF_NAME_TIMESTAMP) == 0)
		endpoints_finish(t);
	drop_candidates(t);
	endpoints_all(t, &count);
	memset(t->tried, 0, count * sizeof *t->tried);
	free(t->name);
	t->name = mem_strdup(name);
	t->gave = t->unnamed = NULL;
	t->asked_all = t->missing = t->rejected = false;
	t->hint[0] = '\0';
}

static bool has_metadata(const struct source *s)
{
	return s->metadata;
}

/* Waits, then all may be asked again; 1: no more rounds. */
static int next_round(struct endpoints *t, struct retry *rounds, struct err *e)
{
	int rc = source_list_next_round(t->sources, has_metadata, rounds, e);
	if (rc == 0)
		memset(t->tried, 0, t->endpoint_count * sizeof *t->tried);
	return rc;
}

/* An endpoint sent something that does not verify, and no other endpoint may have the file
 * later. */
static bool is_matter_of_trust(const struct endpoints *t)
{
	for (size_t i = 0; i < t->endpoint_count; i++) {
		enum endpoint_state s = t->endpoints[i].state;
		if (s == ENDPOINT_DOWN || s == ENDPOINT_SLOW)
			return false;
	}
	return t->rejected;
}

static int nobody_has(struct endpoints *t, const char *name, struct err *e)
{
	if (t->missing && is_next_root(name))
		return err_set(e, ERR_NOT_FOUND, "no endpoint has %s", name);
	source_list_err(t->sources, name, e);
	if (is_matter_of_trust(t))
		err_class_set(e, ERR_INTEGRITY);
	/* The first check's error says more than that all have failed. */
	if (err_is(e, ERR_INTEGRITY) && (t->rejected || !e->hint[0]))
		snprintf(e->hint, sizeof e->hint, "%s",
			 t->hint[0]
				 ? t->hint
				 : "these endpoints serve something other than what the publisher "
				   "signed: tell the publisher, or add another endpoint");
	else if (t->missing && !strcmp(name, TUF_NAME_TIMESTAMP))
		snprintf(e->hint, sizeof e->hint,
			 "check the URL of the mirror: metadata/ and targets/ must be below it");
	return -(int)e->class;
}

/* 1 when no untried endpoint gave an answer. */
static int round_of_one(struct endpoints *t, const char *name, const char *key, bool with_silent,
			unsigned round, struct buf *out, struct err *e)
{
	struct endpoint *p;
	while (!source_list_is_late(t->sources) && (p = next(t, with_silent))) {
		struct err why = ERR_INIT;
		struct mirror *m;
		t->tried[p - t->endpoints] = true;
		int rc = source_open(t->sources, p->source, &m, &why);
		if (rc == 0)
			rc = mirror_get_small(m, key,
					      source_list_deadline(t->sources,
								   t->endpoint_count > 1, out->max,
								   round),
					      out, &why);
		if (rc == 0) {
			p->source->failures = 0;
			t->gave = p;
			return 0;
		}
		if (rc == -ERR_CANCELLED) {
			*e = why;
			return rc;
		}
		note_failure(t, p, name, &why);
	}
	return 1;
}

static int get_from_one(struct endpoints *t, const char *name, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	bool first = true; /* otherwise something was rejected: each is asked only once */
	for (size_t i = 0; i < t->endpoint_count; i++)
		first &= !t->tried[i];
	struct retry rounds = source_list_rounds(t->sources);
	int rc = round_of_one(t, name, key, false, 0, out, e);
	if (rc == 1)
		rc = round_of_one(t, name, key, true, 0, out, e);
	while (rc == 1 && first && !t->missing) {
		rc = next_round(t, &rounds, e);
		if (rc != 0)
			break;
		rc = round_of_one(t, name, key, true, rounds.tries, out, e);
	}
	return rc == 1 ? nobody_has(t, name, e) : rc;
}

/* -- one file from all ------------------------------------------------------------------------ */

/* One endpoint's part in a request to all. */
struct answer {
	struct endpoint *from;
	int rc; /* what mirror_get_small() returned, with why */
	struct err why;
	struct buf bytes;
};

/* Only this thread uses the answer and its source's mirror. */
struct question {
	struct source_list *sources;
	struct answer *answers;
	const char *key;
	uint64_t deadline_ms;
};

static void ask(void *ctx, size_t i)
{
	const struct question *q = ctx;
	struct answer *a = &q->answers[i];
	struct mirror *m;
	a->rc = source_open(q->sources, a->from->source, &m, &a->why);
	if (a->rc < 0)
		return;
	a->rc = mirror_get_small(m, q->key, q->deadline_ms, &a->bytes, &a->why);
}

static void add_candidate(struct endpoints *t, const char *name, struct answer *a)
{
	struct endpoints_candidate c = { .from = a->from, .bytes = a->bytes };
	a->bytes = (struct buf)BUF_INIT(0);
	a->from->source->failures = 0;
	if (strcmp(name, TUF_NAME_TIMESTAMP) == 0) {
		c.version = tuf_claim_version(buf_str(&c.bytes), c.bytes.len);
		a->from->version = c.version;
		a->from->has_version = c.version > 0;
	}
	t->candidates = mem_grow(t->candidates, t->candidate_count, &t->candidate_cap,
				 sizeof *t->candidates);
	t->candidates[t->candidate_count++] = c;
}

static int take_answers(struct endpoints *t, const char *name, struct answer *answers, size_t count,
			struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct answer *a = &answers[i];
		if (a->rc == -ERR_CANCELLED) {
			*e = a->why;
			return a->rc;
		}
		if (a->rc == 0)
			add_candidate(t, name, a);
		else
			note_failure(t, a->from, name, &a->why);
	}
	return 0;
}

static int ask_all(struct endpoints *t, const char *name, size_t max, unsigned round, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	struct answer *answers = mem_alloc((t->endpoint_count + 1) * sizeof *answers);
	/* A single endpoint has none but that of the whole refresh. */
	uint64_t deadline = source_list_deadline(t->sources, t->endpoint_count > 1, 0, round);
	size_t count = 0;
	struct endpoint *p;
	while ((p = next(t, round > 0))) {
		t->tried[p - t->endpoints] = true;
		answers[count++] = (struct answer){ .from = p, .bytes = BUF_INIT(max) };
	}
	struct question q = { t->sources, answers, key, deadline };
	threads_run(THREADS_MAX, count, ask, &q);
	int rc = take_answers(t, name, answers, count, e);
	for (size_t i = 0; i < count; i++)
		buf_release(&answers[i].bytes);
	free(answers);
	return rc;
}

static int gather(struct endpoints *t, const char *name, size_t max, struct err *e)
{
	struct retry rounds = source_list_rounds(t->sources);
	int rc;
	do
		rc = ask_all(t, name, max, rounds.tries, e);
	while (rc == 0 && !t->candidate_count && !t->missing &&
	       (rc = next_round(t, &rounds, e)) == 0);
	return MIN(rc, 0);
}

static int get_from_all(struct endpoints *t, const char *name, struct buf *out, struct err *e)
{
	struct endpoints_candidate *best = NULL;
	int rc = t->asked_all ? 0 : gather(t, name, out->max, e);
	if (rc < 0)
		return rc;
	t->asked_all = true;
	for (size_t i = 0; i < t->candidate_count; i++) {
		struct endpoints_candidate *c = &t->candidates[i];
		if (!c->offered && (!best || c->version > best->version))
			best = c;
	}
	if (!best)
		return nobody_has(t, name, e);
	best->offered = true;
	t->gave = best->from;
	buf_clear(out);
	buf_add(out, best->bytes.data, best->bytes.len);
	return 0;
}

/* -- what became of them ------------------------------------------------------------------ */

/* An answer that was not needed, compared with the one that verified. */
static void compare(const struct endpoints_candidate *c, const struct endpoints_candidate *best)
{
	if (c->version == best->version && c->bytes.len == best->bytes.len &&
	    memcmp(buf_str(&c->bytes), buf_str(&best->bytes), c->bytes.len) == 0) {
		settle(c->from, ENDPOINT_OK, "%s", "");
	} else if (c->version == 0) {
		reject(c->from, TUF_NAME_TIMESTAMP " is not a timestamp");
	} else if (c->version < best->version) {
		settle(c->from, ENDPOINT_STALE, "timestamp version %llu, the newest is %llu",
		       (ull)c->version, (ull)best->version);
		source_note_fault(c->from->source, FAULT_STALE, "%s", c->from->fault);
	} else {
		CLEANUP(mem_free_ptr) char *why =
			mem_printf("timestamp version %llu differs from the one that verified",
				   (ull)c->version);
		reject(c->from, why);
	}
}

void endpoints_finish(struct endpoints *t)
{
	const struct endpoints_candidate *accepted = NULL;
	if (!t->name || strcmp(t->name, TUF_NAME_TIMESTAMP) != 0)
		return;
	for (size_t i = 0; i < t->candidate_count; i++)
		if (t->candidates[i].from == t->gave)
			accepted = &t->candidates[i];
	for (size_t i = 0; accepted && i < t->candidate_count; i++)
		if (!t->candidates[i].offered || &t->candidates[i] == accepted)
			compare(&t->candidates[i], accepted);
	if (accepted)
		t->preferred = accepted->from;
	drop_candidates(t);
}

/* -- what the TUF client calls ---------------------------------------------------------- */

static int transport_get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct endpoints *t = ctx;
	begin(t, name);
	if (!is_for_all(name) && !t->keep_end)
		t->sources->end_ms = 0;
	return is_for_all(name) ? get_from_all(t, name, out, e) : get_from_one(t, name, out, e);
}

static bool transport_rejected(void *ctx, const char *name, const struct err *why)
{
	struct endpoints *t = ctx;
	(void)name;
	if (!t->gave)
		return false;
	reject(t->gave, why->text);
	t->rejected = true;
	keep_hint(t, why);
	/* The error of a single endpoint is enough; for several, the final error names each. */
	t->again = t->endpoint_count > 1;
	t->unnamed = t->again ? NULL : t->gave;
	t->gave = NULL;
	return t->again;
}

struct tuf_transport endpoints_tuf(struct endpoints *t)
{
	return (struct tuf_transport){
		.get = transport_get,
		.rejected = transport_rejected,
		.ctx = t,
		.cancel = t->sources->cancel,
	};
}

int endpoints_first_root(struct endpoints *t, const struct digest *sha256, struct buf *out,
			 struct err *e)
{
	for (;;) {
		struct digest got;
		struct err why = ERR_INIT;
		int rc = transport_get(t, TUF_NAME_FIRST_ROOT, out, e);
		if (rc < 0)
			return rc;
		sha256_of(buf_str(out), out->len, &got);
		if (digest_equal(&got, sha256))
			return 0;
		char there[DIGEST_HEX], pinned[DIGEST_HEX];
		err_set(&why, ERR_INTEGRITY,
			"the " TUF_NAME_FIRST_ROOT " of the mirror has the SHA-256 %s, but the "
			"pinned root-sha256 is %s",
			digest_hex(there, &got), digest_hex(pinned, sha256));
		err_hint(&why, "compare both with what the publisher announces: the pin may be "
			       "mistyped, or the mirror holds another repository");
		if (transport_rejected(t, TUF_NAME_FIRST_ROOT, &why))
			continue;
		*e = why;
		return -(int)e->class;
	}
}
