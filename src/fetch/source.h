/*
 * A place to read from, with its record in this run: a mirror of the signed catalog, an endpoint of
 * the configuration, or both.
 */
#ifndef FERRY_FETCH_SOURCE_H
#define FERRY_FETCH_SOURCE_H

#include "hash/sha256.h"
#include "mirror/mirror.h"
#include "util/buf.h"
#include "util/retry.h"

enum source_fault {
	FAULT_WRONG_BYTES,  /* a digest did not match: banned for the run */
	FAULT_WRONG_ANSWER, /* not what was requested: malformed, wrong size: also banned */
	FAULT_METADATA,     /* an endpoint sent metadata that does not verify */
	FAULT_STALE,        /* an endpoint's timestamp is older than another's */
	FAULT_DROPPED,      /* the connection ended early */
	FAULT_STALLED,      /* no data for too long */
	FAULT_UNREACHABLE,  /* no answer, or a server error */
	FAULT_MISSING,      /* not there */
	FAULT_REFUSED,      /* permission, payment, credentials */
	FAULT_TLS,          /* its certificate does not verify: banned */
	FAULT_PROXY,        /* a proxy failed or refused: nothing is known about the source */
	FAULT_PORTAL,       /* a network that wants a login answered in its place */
	FAULT_LOCAL,        /* this machine failed: no descriptors, memory, ports, or disk */
	FAULT_CHANGED,      /* a file of others is no longer the version that is signed */
	FAULT_SLOW,         /* much slower than the others: late pieces came from those */
	FAULT_NO_RANGES,    /* it ignores ranges: it cannot resume */
	FAULT_UNUSABLE,     /* anything else: bad URL, unknown answer */
	FAULT_KINDS,
};
/* "wrong-bytes", …: stable, part of the JSON output. */
const char *source_fault_name(enum source_fault f);

struct source {
	char *id; /* the mirror's, or the endpoint's URL without secrets */
	char *url;
	struct catalog_mirror *entry; /* of the signed catalog, owned; NULL: only a URL */
	bool endpoint;                /* a base URL of ferry.conf */
	bool metadata;                /* used for metadata */
	bool objects;                 /* used for model files */
	bool peer;             /* another edge: beside the mirrors, not before or behind them */
	bool excluded;         /* asked for nothing (rank.h) */
	size_t added;          /* how many sources were there before it */
	unsigned connections;  /* at most, as its [access.NAME] says; 0: not limited */
	bool opening;          /* its list of places is being read */
	struct mirror *mirror; /* opened on first use; owned */
	char *pack_key;        /* of the pack that was read last, or NULL */
	struct buf pack;

	uint64_t bytes;                /* received and verified */
	uint64_t wasted;               /* received and discarded */
	unsigned faults[FAULT_KINDS];  /* how often */
	char detail[FAULT_KINDS][200]; /* text of the first one */
	enum err_class settings_class; /* of the first fault of a proxy, or of what is set for it */
	char hint[300];                /* of the first fault that is none of the source's own */

	bool banned;            /* it sent wrong bytes or malformed answers */
	bool given_up;          /* for this file: missing, refused, failed too often */
	unsigned failures;      /* in a row, without a useful byte in between */
	uint64_t not_before_ms; /* backing off until then */
	uint64_t pause_ends_ms; /* no request before, as the server asked */

	double rate; /* bytes per second, measured in this run; 0: not measured */
};

#define SOURCE_LONG_WAIT_MS 3000 /* a wait that is worth a message */

struct source_list {
	const struct mirror_ops *const *kinds;
	char *pauses;                    /* of earlier runs (pauses.h); owned; NULL: not kept */
	char *history;                   /* the same (history.h) */
	struct http_access_list *access; /* borrowed: how servers are reached; NULL: none is set */
	const struct cancel *cancel;     /* NULL: nothing stops it */
	const struct clock *clock;       /* NULL: the real one */
	const struct random *random;     /* NULL: the real one */
	struct report *report;           /* of long waits; NULL: they are silent */
	uint64_t stall_s;                /* 0: the mirror's default */
	unsigned max_failures;           /* in a row before it is given up; at least 1 */
	uint64_t deadline_ms;            /* for a small object while another source is there, beside
					    the time for its bytes; 0: none */
	uint64_t end_ms; /* of the clock: when small objects must be there; 0: never */
	/* Reads the signed list of places of a mirror that was just opened, and whose entry names
	 * one. NULL: lists are not read. */
	int (*read_places)(void *ctx, const struct source *s, struct mirror *m, struct err *e);
	void *places_ctx;
	struct source **at; /* in the order in which they are used */
	size_t count, cap;
};
void source_list_release(struct source_list *l);

/* Appends a source. A URL (apart from a trailing slash) is listed only once: the source gets the
 * new id unless the new one is an endpoint. Nothing is opened. */
struct source *source_add(struct source_list *l, const char *id, const char *url, bool endpoint);

/* Appends a mirror of the signed catalog, which is copied; as source_add(). */
struct source *source_add_entry(struct source_list *l, const struct catalog_mirror *m);

/* Opens it if it is not open. */
WARN_UNUSED int source_open(struct source_list *l, struct source *s, struct mirror **out,
			    struct err *e);

/* How long a request for a small object of at most this size may take in this round (0 is the
 * first); 0: for ever. `others`: another source is there. What is to be there by l->end_ms can be
 * done without: then, too, no request may take all of the time. */
uint64_t source_list_deadline(const struct source_list *l, bool others, uint64_t bytes,
			      unsigned round);
/* From now on, small objects must be there within the deadlines of two requests. */
void source_list_set_end(struct source_list *l);
/* Has l->end_ms passed? */
bool source_list_is_late(const struct source_list *l);
/* The server asks for a pause: the source is not asked for small objects before its end. */
void source_note_pause(const struct source_list *l, struct source *s, const struct err *why);
bool source_is_pausing(const struct source_list *l, const struct source *s);

/* Retries of a request to all sources after network errors: a few times, with pauses. */
struct retry source_list_rounds(const struct source_list *l);
/* Waits until the first of the usable sources may be asked in another round, and says so if that
 * takes long. 1: no more rounds, or they would end after l->end_ms. */
WARN_UNUSED int source_list_next_round(const struct source_list *l,
				       bool (*usable)(const struct source *s), struct retry *rounds,
				       struct err *e);

/* Starts another file: sources that were given up get another chance, banned ones do not. */
void source_list_begin_file(struct source_list *l);

/* Does it ask for a pause that is too long to wait for? */
bool source_is_away(const struct source_list *l, const struct source *s);

/* After a success: earlier failures no longer count. */
void source_did_well(struct source *s);
/* The source sent bytes with a wrong digest: records it and bans the source. */
void source_lied(struct source *s, const struct err *why);
/* The same of a file that others keep there: it was replaced, and is not asked for again. */
void source_changed(struct source *s, const struct err *why);
/* Records why a request failed after `received` useful bytes, and acts on it: a ban for
 * ERR_INTEGRITY, giving up, or backing off. */
void source_failed(struct source_list *l, struct source *s, const struct err *why,
		   uint64_t received);
/* The fault that an error means for a source after `received` useful bytes. */
enum source_fault source_fault_of(const struct err *why, uint64_t received);
void source_note_fault(struct source *s, enum source_fault f, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Keeps of a fault what source_list_err() needs beside the texts. */
void source_note_cause(struct source *s, const struct err *why);

/* "wrong bytes in piece 3; connection dropped 15 times". Appends; nothing if there were no
 * faults. */
void source_describe(const struct source *s, struct buf *out);
bool source_has_faults(const struct source *s);
/* How many faults that make another source preferable: bad connections, stale metadata. */
unsigned source_demerits(const struct source *s);

/* The error when no source is left: ERR_INTEGRITY, ERR_AUTH, ERR_SYSTEM or (by a proxy's settings)
 * ERR_USAGE if all of them failed so, else ERR_NETWORK; names each with its faults. If a proxy, a
 * portal or this machine kept all of them from being asked, the hint is about that. */
int source_list_err(const struct source_list *l, const char *what, struct err *e);

/* A small object with what is known of it. */
struct source_small {
	const char *key;
	const char *pack_key; /* the pack that has it on mirrors with packs (catalog/pack.h); NULL:
				 it is in none */
	uint64_t length;
	struct digest sha256;
};
/* All of it, from the first source that has the right bytes: metadata endpoints first, sources with
 * faults last. If none had it, sources with network errors are tried twice more, after a pause.
 * Replaces out. */
WARN_UNUSED int source_get_small(struct source_list *l, const struct source_small *what,
				 struct buf *out, struct err *e);

#endif
