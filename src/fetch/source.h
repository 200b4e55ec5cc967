/*
 * A place to read from, with how it did in this run: a mirror of the signed catalog, an endpoint of
 * the configuration, or both.
 */
#ifndef FERRY_FETCH_SOURCE_H
#define FERRY_FETCH_SOURCE_H

#include "hash/sha256.h"
#include "mirror/mirror.h"
#include "util/buf.h"
#include "util/retry.h"

enum source_fault {
	FAULT_WRONG_BYTES,      /* a digest did not match: banned for the run */
	FAULT_WRONG_ANSWER,     /* not what was asked for, or from whom: nonsense, another size,
				   a certificate that does not verify: banned, too */
	FAULT_METADATA,         /* an endpoint gave metadata that does not verify */
	FAULT_STALE,            /* an endpoint's timestamp is older than another's */
	FAULT_DROPPED,          /* the connection ended early */
	FAULT_STALLED,          /* nothing came for too long */
	FAULT_UNREACHABLE,      /* no answer, or a server error */
	FAULT_MISSING,          /* not there */
	FAULT_REFUSED,          /* permission, payment, credentials */
	FAULT_UNUSABLE,         /* anything else: bad URL, unknown answer */
	FAULT_KINDS,
};
/* "wrong-bytes", …: stable, part of the JSON output. */
const char *source_fault_name(enum source_fault f);

struct source {
	char *id;               /* the mirror's, or the endpoint's URL without secrets */
	char *url;
	bool endpoint;          /* a base URL of ferry.conf */
	bool metadata;          /* asked for metadata */
	bool objects;           /* asked for model files */
	struct mirror *mirror;  /* opened when first asked; owned */

	uint64_t bytes;         /* came from here and were verified */
	uint64_t wasted;        /* came from here and were thrown away */
	unsigned faults[FAULT_KINDS];           /* how often */
	char detail[FAULT_KINDS][200];          /* the first one's text */

	bool banned;            /* it lied, or talks nonsense */
	bool given_up;          /* for this file: missing, refused, failed too often */
	unsigned failures;      /* in a row, without a byte of use in between */
	uint64_t not_before_ms; /* backing off until then */
};

struct source_list {
	const struct mirror_ops *const *kinds;
	const struct cancel *cancel;    /* NULL: nothing stops it */
	const struct clock *clock;      /* NULL: the real one */
	const struct random *random;    /* NULL: the real one */
	uint64_t stall_s;       /* 0: the mirror's default */
	unsigned max_failures;  /* in a row, then it is given up; at least 1 */
	struct source **at;     /* in the order in which they are asked */
	size_t count, cap;
};
void source_list_release(struct source_list *l);

/* Appends a source; one with the same URL (but for a slash at the end) is there only once: it
 * takes the new id unless the new one is an endpoint. Nothing is opened. */
struct source *source_add(struct source_list *l, const char *id, const char *url,
			  bool endpoint);

/* Opens it if it is not open. */
WARN_UNUSED int source_open(struct source_list *l, struct source *s, struct mirror **out,
			    struct err *e);

/* How all sources are asked for the same thing once more when every line was bad: a few times,
 * with pauses. */
struct retry source_list_rounds(const struct source_list *l);

/* Begins another file: who was given up gets one more chance, who lied does not. */
void source_list_begin_file(struct source_list *l);

/* The source for model files that should be asked now: not banned nor given up, fewest
 * faults first, then the list's order. NULL with *wait_ms > 0: all that are left
 * are backing off; NULL with *wait_ms 0: none is left. */
struct source *source_choose(struct source_list *l, uint64_t *wait_ms);

/* Did work: what failed before does not count against it any more. */
void source_did_well(struct source *s);
/* Bytes from there have another digest than the signed one: notes it and bans the source. */
void source_lied(struct source *s, const struct err *why);
/* Records why a request failed after `received` bytes of use, and what follows from it:
 * a ban for ERR_INTEGRITY, giving up, or backing off. */
void source_failed(struct source_list *l, struct source *s, const struct err *why,
		   uint64_t received);
/* What an error means for a source that had brought `received` bytes of use. */
enum source_fault source_fault_of(const struct err *why, uint64_t received);
void source_note_fault(struct source *s, enum source_fault f, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* "wrong bytes in piece 3; connection dropped 15 times". Appends; nothing if it did well. */
void source_describe(const struct source *s, struct buf *out);
bool source_has_faults(const struct source *s);

/* The error when none is left: ERR_INTEGRITY or ERR_AUTH when that was the fault of all of
 * them, else ERR_NETWORK; names each with its faults. */
int source_list_err(const struct source_list *l, const char *what, struct err *e);

/* A whole small object with known length and digest, from the first source that has it
 * right: metadata endpoints first, those with faults last. When nobody gave it, those whose
 * line was bad are asked again, twice and after a pause. Replaces out. */
WARN_UNUSED int source_get_small(struct source_list *l, const char *key, uint64_t length,
				 const struct digest *sha256, struct buf *out, struct err *e);

#endif
