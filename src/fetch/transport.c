#include "fetch/transport.h"

#include "json/json.h"
#include "util/cancel.h"
#include "util/mem.h"

#include <string.h>

#define TIMESTAMP "timestamp.json"
#define FIRST_ROOT "1.root.json"
#define ROUNDS 3        /* when nobody answers */
#define ROUND_PAUSE_MS 500

void transport_init(struct transport *t, struct source_list *sources, struct report *report)
{
	*t = (struct transport){ .sources = sources, .report = report };
}

static void drop_answers(struct transport *t)
{
	for (size_t i = 0; i < t->answer_count; i++)
		buf_release(&t->answers[i].bytes);
	t->answer_count = 0;
}

void transport_release(struct transport *t)
{
	drop_answers(t);
	free(t->answers);
	free(t->tried);
	free(t->name);
	*t = (struct transport){ 0 };
}

/* What the endpoints that answered turned out to be, now that one answer was accepted. */
void transport_finish(struct transport *t)
{
	const struct transport_answer *accepted = NULL;
	for (size_t i = 0; i < t->answer_count; i++)
		if (t->answers[i].from == t->gave && t->answers[i].offered)
			accepted = &t->answers[i];
	for (size_t i = 0; accepted && i < t->answer_count; i++) {
		const struct transport_answer *a = &t->answers[i];
		if (a->offered || a->version >= accepted->version)
			continue;
		source_note_fault(a->from, FAULT_STALE, "timestamp version %llu, the newest is "
				  "%llu", (unsigned long long)a->version,
				  (unsigned long long)accepted->version);
		report_detail(t->report, "%s is behind: timestamp version %llu, the newest is %llu",
			    a->from->id, (unsigned long long)a->version,
			    (unsigned long long)accepted->version);
	}
	if (accepted)
		t->preferred = accepted->from;
	drop_answers(t);
}

static bool was_tried(const struct transport *t, const struct source *s)
{
	for (size_t i = 0; i < t->tried_count; i++)
		if (t->tried[i] == s)
			return true;
	return false;
}

static void set_tried(struct transport *t, struct source *s)
{
	if (was_tried(t, s))
		return;
	t->tried = mem_grow(t->tried, t->tried_count, &t->tried_cap, sizeof *t->tried);
	t->tried[t->tried_count++] = s;
}

static void begin(struct transport *t, const char *name)
{
	bool same = t->again && t->name && strcmp(t->name, name) == 0;
	t->again = false;
	if (same)
		return;
	if (t->name && strcmp(t->name, TIMESTAMP) == 0)
		transport_finish(t);
	free(t->name);
	t->name = mem_strdup(name);
	t->tried_count = 0;
	t->gave = NULL;
}

static int ask(struct transport *t, struct source *s, const char *name, struct buf *out,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) char *key = mem_printf("metadata/%s", name);
	struct mirror *m;
	int rc = source_open(t->sources, s, &m, e);
	if (rc == 0)
		rc = mirror_get_small(m, key, out, e);
	if (rc == 0)
		s->failures = 0;
	return rc;
}

static bool is_next_root(const char *name)
{
	return str_ends(name, ".root.json") && strcmp(name, FIRST_ROOT) != 0;
}

/* What a failed request says about the endpoint. */
static void note_failure(struct transport *t, struct source *s, const char *name,
			 const struct err *why)
{
	if (why->class == ERR_NOT_FOUND && is_next_root(name))
		return;
	if (why->class == ERR_NETWORK)
		s->failures++;
	enum source_fault f = why->class == ERR_INTEGRITY ? FAULT_METADATA
							  : source_fault_of(why, 0);
	if (why->class == ERR_INTEGRITY)
		s->metadata = false;
	source_note_fault(s, f, "%s", why->text);
	report_detail(t->report, "%s", why->text);
}

/* The endpoint to ask next: those that answered before come first. */
static struct source *next(struct transport *t, bool with_silent)
{
	if (t->preferred && t->preferred->metadata && !was_tried(t, t->preferred))
		return t->preferred;
	for (size_t i = 0; i < t->sources->count; i++) {
		struct source *s = t->sources->at[i];
		if (s->metadata && !was_tried(t, s) && (with_silent || !s->failures))
			return s;
	}
	return NULL;
}

/* One answer; 1 when somebody said that there is no such file, 2 when nobody answered. */
static int round_of(struct transport *t, const char *name, bool with_silent, struct buf *out,
		    struct err *e)
{
	struct source *s;
	int outcome = 2;
	while ((s = next(t, with_silent))) {
		struct err why = ERR_INIT;
		int rc = ask(t, s, name, out, &why);
		set_tried(t, s);
		if (rc == 0) {
			t->gave = s;
			return 0;
		}
		if (rc == -ERR_CANCELLED) {
			*e = why;
			return rc;
		}
		note_failure(t, s, name, &why);
		if (rc == -ERR_NOT_FOUND)
			outcome = 1;
	}
	return outcome;
}

static int get_one(struct transport *t, const char *name, struct buf *out, struct err *e)
{
	const struct source_clock *clock = t->sources->clock;
	bool retry = t->tried_count == 0;
	int rc = round_of(t, name, false, out, e);
	for (int i = 1; i <= ROUNDS && rc == 2; i++) {
		/* Nobody who answered before has it; those who did not get another chance. */
		if (i > 1) {
			if (!retry)
				break;
			t->tried_count = 0;
			rc = clock->sleep_ms(clock->ctx, ROUND_PAUSE_MS * (i - 1), e);
			if (rc < 0)
				return rc;
		}
		rc = round_of(t, name, true, out, e);
	}
	if (rc <= 0)
		return rc;
	/* The end of a chain of roots is no failure; anything else should be there. */
	if (rc == 1 && is_next_root(name))
		return err_set(e, ERR_NOT_FOUND, "no endpoint has %s", name);
	return source_list_err(t->sources, name, e);
}

/* -- timestamp ------------------------------------------------------------------------- */

/* As it claims, before anything is verified: only to choose whom to believe first. */
static uint64_t claimed_version(const struct buf *bytes)
{
	const struct json_limits limits = { .max_bytes = bytes->max };
	CLEANUP(json_release) json_t *json = NULL;
	struct err ignored = ERR_INIT;
	json_t *inner;
	uint64_t version;
	if (json_parse(buf_str(bytes), bytes->len, &limits, "", &json, &ignored) < 0 ||
	    !json_is_object(json) || json_get_object(json, "", "signed", &inner, &ignored) < 0 ||
	    json_get_u64(inner, "", "version", &version, &ignored) < 0)
		return 0;
	return version;
}

static int offer(struct transport *t, struct buf *out, struct err *e)
{
	struct transport_answer *best = NULL;
	for (size_t i = 0; i < t->answer_count; i++)
		if (!t->answers[i].offered && (!best || t->answers[i].version > best->version))
			best = &t->answers[i];
	if (!best)
		return source_list_err(t->sources, TIMESTAMP, e);
	best->offered = true;
	t->gave = best->from;
	buf_clear(out);
	buf_add(out, best->bytes.data, best->bytes.len);
	return 0;
}

static int get_timestamp(struct transport *t, struct buf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(out->max);
	if (t->tried_count)
		return offer(t, out, e);
	/* The first answer tells who is there at all, the others who is newer. */
	int rc = get_one(t, TIMESTAMP, &got, e);
	while (rc == 0) {
		struct transport_answer a = { .from = t->gave, .version = claimed_version(&got),
					      .bytes = got };
		got = (struct buf)BUF_INIT(out->max);
		t->answers = mem_grow(t->answers, t->answer_count, &t->answer_cap,
				      sizeof *t->answers);
		t->answers[t->answer_count++] = a;
		rc = round_of(t, TIMESTAMP, false, &got, e);
	}
	return rc < 0 ? rc : offer(t, out, e);
}

/* -- what the TUF client calls ---------------------------------------------------------- */

static int transport_get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct transport *t = ctx;
	begin(t, name);
	return strcmp(name, TIMESTAMP) == 0 ? get_timestamp(t, out, e)
					    : get_one(t, name, out, e);
}

static bool transport_rejected(void *ctx, const char *name, const struct err *why)
{
	struct transport *t = ctx;
	if (!t->gave)
		return false;
	source_note_fault(t->gave, FAULT_METADATA, "%s", why->text);
	report_detail(t->report, "%s: %s", t->gave->id, why->text);
	t->gave->metadata = false;
	t->gave = NULL;
	bool more = next(t, true);
	if (strcmp(name, TIMESTAMP) == 0) {
		more = false;
		for (size_t i = 0; i < t->answer_count; i++)
			more |= !t->answers[i].offered;
	}
	t->again = more;
	return more;
}

struct tuf_transport transport_tuf(struct transport *t)
{
	return (struct tuf_transport){ .get = transport_get, .rejected = transport_rejected,
				       .ctx = t };
}

int transport_first_root(struct transport *t, const struct digest *sha256, struct buf *out,
			 struct err *e)
{
	for (;;) {
		struct digest got;
		struct err why = ERR_INIT;
		int rc = transport_get(t, FIRST_ROOT, out, e);
		if (rc < 0)
			return rc;
		sha256_of(buf_str(out), out->len, &got);
		if (digest_equal(&got, sha256))
			return 0;
		char hex[DIGEST_HEX];
		err_set(&why, ERR_INTEGRITY, FIRST_ROOT " has another SHA-256 than root-sha256 "
			"says: %s", digest_hex(hex, &got));
		if (transport_rejected(t, FIRST_ROOT, &why))
			continue;
		*e = why;
		return err_hint(e, "compare root-sha256 in ferry.conf with what the publisher tells");
	}
}
