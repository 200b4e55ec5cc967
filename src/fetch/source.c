#include "fetch/source.h"

#include "catalog/pack.h"
#include "fetch/pauses.h"
#include "http/url.h"
#include "mirror/kinds.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* If a server asks for a longer pause, it is no longer used for this file. */
#define LONGEST_WISH_S 60
#define SLOWEST_BYTES_PER_MS 64 /* that another source is not preferred to */
/* The least a failed request must have transferred to count as progress. */
#define USEFUL_BYTES (256 * KIB)

static const struct {
	const char *name, *text;
} fault_names[FAULT_KINDS] = {
	[FAULT_WRONG_BYTES] = { "wrong-bytes", "wrong bytes" },
	[FAULT_WRONG_ANSWER] = { "wrong-answer", "wrong answer" },
	[FAULT_METADATA] = { "bad-metadata", "metadata that does not verify" },
	[FAULT_STALE] = { "stale", "stale metadata" },
	[FAULT_DROPPED] = { "dropped", "connection dropped" },
	[FAULT_STALLED] = { "stalled", "stalled" },
	[FAULT_UNREACHABLE] = { "unreachable", "unreachable" },
	[FAULT_MISSING] = { "missing", "missing" },
	[FAULT_REFUSED] = { "refused", "refused" },
	[FAULT_TLS] = { "tls", "not trusted" },
	[FAULT_PROXY] = { "proxy", "not reached because of a proxy" },
	[FAULT_PORTAL] = { "portal", "not reached because of a login page" },
	[FAULT_LOCAL] = { "local", "failed on this machine" },
	[FAULT_CHANGED] = { "changed", "no longer this version" },
	[FAULT_SLOW] = { "slow", "slow" },
	[FAULT_NO_RANGES] = { "no-ranges", "cannot resume" },
	[FAULT_UNUSABLE] = { "unusable", "unusable" },
};

const char *source_fault_name(enum source_fault f)
{
	return fault_names[f].name;
}

static void entry_free(struct catalog_mirror *entry)
{
	if (entry)
		json_decref((json_t *)entry->json);
	free(entry);
}

static void source_free(struct source *s)
{
	mirror_close(s->mirror);
	free(s->id);
	free(s->url);
	entry_free(s->entry);
	free(s->pack_key);
	buf_release(&s->pack);
	free(s);
}

void source_list_release(struct source_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		source_free(l->at[i]);
	free(l->at);
	free(l->pauses);
	free(l->history);
	*l = (struct source_list){ 0 };
}

static bool same_url(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	while (la && a[la - 1] == '/')
		la--;
	while (lb && b[lb - 1] == '/')
		lb--;
	return la == lb && strncmp(a, b, la) == 0;
}

static char *endpoint_id(const char *url)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	return text_escaped(shown);
}

/* A pause that the server asked for in an earlier run. */
static void recall_pause(const struct source_list *l, struct source *s)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	char until[TIME_TEXT];
	int64_t now_s = clock_wall_s(l->clock);
	uint64_t left_s = l->pauses ? pauses_left_s(l->pauses, s->url, now_s, &path) : 0;
	if (!left_s)
		return;
	format_time(until, now_s + (int64_t)left_s);
	s->pause_ends_ms = clock_now_ms(l->clock) + left_s * 1000;
	source_note_fault(s, FAULT_UNREACHABLE, "in an earlier run it asked for a pause until %s",
			  until);
	snprintf(s->hint, sizeof s->hint,
		 "try again at %s; to ask now, remove %s and run the command again", until, path);
}

struct source *source_add(struct source_list *l, const char *id, const char *url, bool endpoint)
{
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		if (!same_url(s->url, url))
			continue;
		if (!endpoint) {
			free(s->id);
			s->id = mem_strdup(id);
		}
		s->endpoint |= endpoint;
		return s;
	}
	struct source *s = NEW(struct source);
	s->id = endpoint ? endpoint_id(url) : mem_strdup(id);
	s->url = mem_strdup(url);
	s->endpoint = endpoint;
	s->added = l->count;
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = s;
	const struct http_access *access = http_access_find_text(l->access, url);
	s->connections = access ? access->connections : 0;
	recall_pause(l, s);
	return s;
}

struct source *source_add_entry(struct source_list *l, const struct catalog_mirror *m)
{
	struct source *s = source_add(l, m->id, m->url, false);
	if (!s->entry) {
		/* Its texts are in the JSON object. */
		s->entry = NEW(struct catalog_mirror);
		*s->entry = *m;
		json_incref((json_t *)m->json);
	}
	return s;
}

/* Its list is a small object like others: while it is read, this source is not asked, and after
 * that each source is as it was. */
static int read_places(struct source_list *l, struct source *s, struct err *e)
{
	CLEANUP(mem_free_ptr) bool *given_up = mem_alloc(l->count + 1);
	if (!l->read_places || !s->entry || !json_text(s->entry->json, "places"))
		return 0;
	for (size_t i = 0; i < l->count; i++)
		given_up[i] = l->at[i]->given_up;
	s->opening = true;
	int rc = l->read_places(l->places_ctx, s, s->mirror, e);
	s->opening = false;
	for (size_t i = 0; i < l->count; i++)
		l->at[i]->given_up = given_up[i];
	return rc;
}

int source_open(struct source_list *l, struct source *s, struct mirror **out, struct err *e)
{
	if (!s->mirror) {
		struct mirror_env env = {
			.stall_s = l->stall_s,
			.cancel = l->cancel,
			.clock = l->clock,
			.access = l->access,
		};
		int rc = s->entry ? mirror_open_entry(l->kinds, &env, s->entry, &s->mirror, e)
				  : mirror_open_url(l->kinds, &env, s->id, s->url, &s->mirror, e);
		if (rc == 0 && (rc = read_places(l, s, e)) < 0) {
			mirror_close(s->mirror);
			s->mirror = NULL;
		}
		if (rc < 0)
			return rc;
	}
	*out = s->mirror;
	return 0;
}

void source_list_set_end(struct source_list *l)
{
	l->end_ms = clock_now_ms(l->clock) + 2 * l->deadline_ms;
}

bool source_list_is_late(const struct source_list *l)
{
	return l->end_ms && clock_now_ms(l->clock) >= l->end_ms;
}

uint64_t source_list_deadline(const struct source_list *l, bool others, uint64_t bytes,
			      unsigned round)
{
	uint64_t deadline_ms = 0, now_ms = clock_now_ms(l->clock);
	if ((others || l->end_ms) && l->deadline_ms)
		deadline_ms = (l->deadline_ms + bytes / SLOWEST_BYTES_PER_MS) *
			      (2 * (uint64_t)round + 1);
	if (!l->end_ms)
		return deadline_ms;
	uint64_t left_ms = l->end_ms > now_ms ? l->end_ms - now_ms : 1;
	return deadline_ms ? MIN(deadline_ms, left_ms) : left_ms;
}

void source_note_pause(const struct source_list *l, struct source *s, const struct err *why)
{
	if (why->retry_after_s && l->pauses)
		pauses_note(l->pauses, s->url, clock_wall_s(l->clock), why->retry_after_s);
	if (why->retry_after_s)
		s->pause_ends_ms = clock_now_ms(l->clock) + MIN(why->retry_after_s, 86400) * 1000;
}

bool source_is_pausing(const struct source_list *l, const struct source *s)
{
	return s->pause_ends_ms > clock_now_ms(l->clock);
}

struct retry source_list_rounds(const struct source_list *l)
{
	return (struct retry){
		.max_tries = 3,
		.base_ms = 500,
		.cap_ms = 1000,
		.max_retry_after_s = LONGEST_WISH_S,
		.clock = l->clock,
		.random = l->random,
		.cancel = l->cancel,
	};
}

void source_list_begin_file(struct source_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		s->given_up = false;
		if (s->failures >= l->max_failures)
			s->failures = l->max_failures - 1;
	}
}

unsigned source_demerits(const struct source *s)
{
	return s->faults[FAULT_DROPPED] + s->faults[FAULT_STALLED] + s->faults[FAULT_UNREACHABLE] +
	       s->faults[FAULT_STALE] + s->faults[FAULT_METADATA] + s->faults[FAULT_PROXY] +
	       s->faults[FAULT_PORTAL];
}

bool source_is_away(const struct source_list *l, const struct source *s)
{
	return s->pause_ends_ms > clock_now_ms(l->clock) + (uint64_t)LONGEST_WISH_S * 1000;
}

void source_did_well(struct source *s)
{
	s->failures = 0;
	s->not_before_ms = 0;
}

void source_note_fault(struct source *s, enum source_fault f, const char *fmt, ...)
{
	if (s->faults[f]++ > 0)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->detail[f], sizeof s->detail[f], fmt, ap);
	va_end(ap);
}

void source_note_cause(struct source *s, const struct err *why)
{
	bool wrongly_set = why->cause == CAUSE_PROXY || why->cause == CAUSE_SETTINGS;
	bool others = wrongly_set || why->cause == CAUSE_PORTAL || why->cause == CAUSE_TLS ||
		      err_is(why, ERR_SYSTEM) || err_is(why, ERR_AUTH);
	if (wrongly_set && !s->settings_class)
		s->settings_class = why->class;
	if (others && !s->hint[0])
		snprintf(s->hint, sizeof s->hint, "%s", why->hint);
}

enum source_fault source_fault_of(const struct err *why, uint64_t received)
{
	if (why->cause == CAUSE_CHANGED)
		return FAULT_CHANGED;
	if (why->cause == CAUSE_PROXY)
		return FAULT_PROXY;
	if (why->cause == CAUSE_PORTAL)
		return FAULT_PORTAL;
	if (why->cause == CAUSE_TLS)
		return FAULT_TLS;
	switch (why->class) {
	case ERR_INTEGRITY:
		return FAULT_WRONG_ANSWER;
	case ERR_NOT_FOUND:
		return FAULT_MISSING;
	case ERR_AUTH:
		return FAULT_REFUSED;
	case ERR_NETWORK:
		if (why->cause == CAUSE_STALLED)
			return FAULT_STALLED;
		return received || why->cause == CAUSE_DROPPED ? FAULT_DROPPED : FAULT_UNREACHABLE;
	case ERR_SYSTEM:
		return FAULT_LOCAL;
	default:
		return FAULT_UNUSABLE;
	}
}

void source_lied(struct source *s, const struct err *why)
{
	source_note_fault(s, FAULT_WRONG_BYTES, "%s", why->text + why->core);
	s->banned = true;
}

void source_changed(struct source *s, const struct err *why)
{
	source_note_fault(s, FAULT_CHANGED, "%s", why->text + why->core);
	s->given_up = true;
}

static void back_off(struct source_list *l, struct source *s, uint64_t retry_after_s, bool useful)
{
	struct retry retry = {
		.max_tries = l->max_failures,
		.base_ms = 250,
		.cap_ms = 15000,
		.max_retry_after_s = LONGEST_WISH_S,
		.random = l->random,
		.tries = useful ? 0 : s->failures,
	};
	uint64_t pause_ms;
	if (retry_pause(&retry, retry_after_s, &pause_ms))
		s->not_before_ms = clock_now_ms(l->clock) + pause_ms;
	else
		s->given_up = true;
	s->failures = retry.tries;
}

void source_failed(struct source_list *l, struct source *s, const struct err *why,
		   uint64_t received)
{
	enum source_fault f = source_fault_of(why, received);
	source_note_fault(s, f, "%s", why->text + why->core);
	source_note_cause(s, why);
	source_note_pause(l, s, why);
	switch (f) {
	case FAULT_WRONG_ANSWER:
	case FAULT_TLS:
		s->banned = true;
		break;
	case FAULT_MISSING:
	case FAULT_REFUSED:
	case FAULT_PORTAL:
	case FAULT_LOCAL:
	case FAULT_CHANGED:
	case FAULT_UNUSABLE:
		s->given_up = true;
		break;
	case FAULT_PROXY:
		if (!err_is_transient(why)) {
			s->given_up = true;
			break;
		}
		back_off(l, s, why->retry_after_s, received >= USEFUL_BYTES);
		break;
	default:
		back_off(l, s, why->retry_after_s, received >= USEFUL_BYTES);
	}
}

bool source_has_faults(const struct source *s)
{
	for (size_t f = 0; f < FAULT_KINDS; f++)
		if (s->faults[f])
			return true;
	return false;
}

void source_describe(const struct source *s, struct buf *out)
{
	const char *separator = "";
	for (size_t f = 0; f < FAULT_KINDS; f++) {
		if (!s->faults[f])
			continue;
		buf_addf(out, "%s%s", separator, fault_names[f].text);
		if (s->faults[f] > 1)
			buf_addf(out, " %u times", s->faults[f]);
		if (s->detail[f][0])
			buf_addf(out, " (%s%s)", s->faults[f] > 1 ? "first: " : "", s->detail[f]);
		separator = "; ";
	}
}

static enum err_class common_class(const struct source_list *l)
{
	size_t asked = 0, lied = 0, refused = 0, local = 0, wrongly_set = 0;
	for (size_t i = 0; i < l->count; i++) {
		const struct source *s = l->at[i];
		if (!source_has_faults(s))
			continue;
		asked++;
		lied += s->banned || s->faults[FAULT_METADATA] || s->faults[FAULT_TLS];
		refused += s->faults[FAULT_REFUSED] || s->settings_class == ERR_AUTH;
		wrongly_set += s->settings_class == ERR_USAGE;
		local += s->faults[FAULT_LOCAL] > 0;
	}
	if (asked && local == asked)
		return ERR_SYSTEM;
	if (asked && wrongly_set == asked)
		return ERR_USAGE;
	if (asked && lied == asked)
		return ERR_INTEGRITY;
	return asked && refused == asked ? ERR_AUTH : ERR_NETWORK;
}

/* If what kept every source from being asked is none of their own: its hint, else NULL. */
static const char *common_hint(const struct source_list *l)
{
	const char *hint = NULL;
	for (size_t i = 0; i < l->count; i++) {
		const struct source *s = l->at[i];
		if (!source_has_faults(s))
			continue;
		if (!s->hint[0])
			return NULL;
		hint = hint ? hint : s->hint;
	}
	return hint;
}

/* Faults that keep nothing from being asked for. */
static bool is_harmless(enum source_fault f)
{
	return f == FAULT_SLOW || f == FAULT_NO_RANGES;
}

/* Did every answer say that there is no such file, or none of this version? */
static bool only_missing(const struct source_list *l)
{
	bool any = false;
	for (size_t i = 0; i < l->count; i++) {
		const struct source *s = l->at[i];
		for (size_t f = 0; f < FAULT_KINDS; f++)
			if (f != FAULT_MISSING && f != FAULT_CHANGED && s->faults[f] &&
			    !is_harmless(f))
				return false;
		any |= s->faults[FAULT_MISSING] || s->faults[FAULT_CHANGED];
	}
	return any;
}

/* The end of the longest pause that a server asks for, in seconds from now; 0: none does. */
static uint64_t longest_pause_s(const struct source_list *l)
{
	uint64_t now_ms = clock_now_ms(l->clock), longest_ms = 0;
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i]->pause_ends_ms > now_ms)
			longest_ms = MAX(longest_ms, l->at[i]->pause_ends_ms - now_ms);
	return (longest_ms + 999) / 1000;
}

int source_list_err(const struct source_list *l, const char *what, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(8 * KIB);
	for (size_t i = 0; i < l->count; i++) {
		if (!source_has_faults(l->at[i]))
			continue;
		buf_addf(&text, "%s%s: ", text.len ? "; " : "", l->at[i]->id);
		source_describe(l->at[i], &text);
	}
	enum err_class class = common_class(l);
	err_set(e, class, "%s: every source failed: %s", what,
		text.len ? buf_str(&text) : "there are no sources");
	const char *hint = common_hint(l);
	if (hint)
		return err_hint(e, "%s", hint);
	if (class == ERR_INTEGRITY)
		return err_hint(e, "no source sent what was signed. If a login page or a proxy "
				   "answers instead of them, fix that; otherwise tell the "
				   "publisher. Verified pieces are kept");
	if (class == ERR_AUTH)
		return err_hint(e, "check the URLs of the mirrors and your access rights; ask the "
				   "publisher for access or another mirror");
	uint64_t pause_s = longest_pause_s(l);
	if (pause_s)
		return err_hint(e, "a server asks for a pause of %llu seconds: try again later",
				(unsigned long long)pause_s);
	if (only_missing(l))
		return err_hint(e, "if the URLs are correct, the mirrors are incomplete: tell the "
				   "publisher, or try again later");
	return err_hint(e, "check the network and run the same command again later: verified "
			   "pieces are kept");
}

/* The files of a model are asked for one after the other. */
static int get_pack(struct source *s, struct mirror *m, const char *key, uint64_t deadline_ms,
		    struct err *e)
{
	if (s->pack_key && strcmp(s->pack_key, key) == 0)
		return 0;
	mem_free_ptr(&s->pack_key);
	buf_release(&s->pack);
	buf_init(&s->pack, PACK_MAX_BYTES);
	int rc = mirror_get_small(m, key, deadline_ms, &s->pack, e);
	if (rc == 0)
		s->pack_key = mem_strdup(key);
	return rc;
}

static int get_bytes(struct source *s, struct mirror *m, const struct source_small *what,
		     uint64_t deadline_ms, struct buf *out, struct err *e)
{
	struct pack_file found;
	if (!m->ops->packs || !what->pack_key)
		return mirror_get_small(m, what->key, deadline_ms, out, e);
	int rc = get_pack(s, m, what->pack_key, deadline_ms, e);
	if (rc == 0)
		rc = pack_find(&s->pack, what->key, &found, e);
	if (rc < 0)
		return rc;
	buf_clear(out);
	buf_add(out, found.data, found.len);
	return buf_ok(out, "the file in the pack", e);
}

static int get_from(struct source_list *l, struct source *s, const struct source_small *what,
		    uint64_t deadline_ms, struct buf *out, bool *lied, struct err *e)
{
	struct mirror *m;
	struct digest got;
	int rc = source_open(l, s, &m, e);
	if (rc == 0)
		rc = get_bytes(s, m, what, deadline_ms, out, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(out), out->len, &got);
	*lied = out->len != what->length || !digest_equal(&got, &what->sha256);
	if (out->len != what->length)
		return err_set(e, ERR_INTEGRITY, "%zu bytes instead of %llu", out->len,
			       (unsigned long long)what->length);
	if (*lied)
		return err_set(e, ERR_INTEGRITY, "its SHA-256 differs from the signed one");
	return 0;
}

static bool has_others(const struct source_list *l)
{
	size_t usable = 0;
	for (size_t i = 0; i < l->count; i++)
		usable += !l->at[i]->banned && !l->at[i]->given_up;
	return usable > 1;
}

/* 1 when no usable source had it. */
static int ask_each(struct source_list *l, const struct source_small *what, unsigned round,
		    struct buf *got, struct err *e)
{
	CLEANUP(mem_free_ptr) bool *tried = mem_alloc(l->count + 1);
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < l->count; i++) {
			struct source *s = l->at[i];
			struct err why = ERR_INIT;
			int turn = source_demerits(s) ? 2 : s->endpoint ? 0 : 1;
			if (s->banned || s->given_up || tried[i] || turn != pass ||
			    source_is_pausing(l, s) || source_list_is_late(l))
				continue;
			bool lied = false;
			uint64_t limit_ms = source_list_deadline(l, has_others(l), what->length,
								 round);
			tried[i] = true;
			int rc = get_from(l, s, what, limit_ms, got, &lied, &why);
			if (rc == 0) {
				s->bytes += got->len;
				source_did_well(s);
				return 0;
			}
			if (rc == -ERR_CANCELLED) {
				*e = why;
				return rc;
			}
			if (lied)
				source_lied(s, &why);
			else
				source_failed(l, s, &why, 0);
		}
	}
	return 1;
}

/* Which of the usable sources may be asked again first; NULL: there is none. */
static const struct source *first_to_ask(const struct source_list *l,
					 bool (*usable)(const struct source *s))
{
	const struct source *first = NULL;
	for (size_t i = 0; i < l->count; i++)
		if (usable(l->at[i]) && (!first || l->at[i]->pause_ends_ms < first->pause_ends_ms))
			first = l->at[i];
	return first;
}

int source_list_next_round(const struct source_list *l, bool (*usable)(const struct source *s),
			   struct retry *rounds, struct err *e)
{
	const struct source *first = first_to_ask(l, usable);
	uint64_t now_ms = clock_now_ms(l->clock), pause_s = 0, pause_ms;
	if (first && first->pause_ends_ms > now_ms)
		pause_s = (first->pause_ends_ms - now_ms + 999) / 1000;
	if (!first || !retry_pause(rounds, pause_s, &pause_ms) ||
	    (l->end_ms && now_ms + pause_s * 1000 + l->deadline_ms >= l->end_ms))
		return 1;
	if (pause_s * 1000 >= SOURCE_LONG_WAIT_MS)
		report_note(l->report, "%s asks for a pause of %llu seconds: waiting", first->id,
			    (unsigned long long)pause_s);
	return clock_sleep_ms(l->clock, pause_ms, l->cancel, e);
}

/* Sources with network errors may have it in a moment. */
static bool is_usable(const struct source *s)
{
	return !s->banned && !s->given_up;
}

/* Nothing but model files is read from places of others. */
static void begin_small(struct source_list *l)
{
	source_list_begin_file(l);
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		if (s->opening || s->excluded ||
		    (s->entry && !s->metadata && mirror_entry_is_of_others(l->kinds, s->entry)))
			s->given_up = true;
	}
}

int source_get_small(struct source_list *l, const struct source_small *what, struct buf *out,
		     struct err *e)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(what->length);
	struct retry rounds = source_list_rounds(l);
	int rc;
	begin_small(l);
	do
		rc = ask_each(l, what, rounds.tries, &got, e);
	while (rc == 1 && (rc = source_list_next_round(l, is_usable, &rounds, e)) == 0);
	if (rc == 1)
		return source_list_err(l, what->key, e);
	if (rc < 0)
		return rc;
	buf_release(out);
	*out = got;
	got = (struct buf)BUF_INIT(0);
	return 0;
}
