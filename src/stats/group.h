/*
 * What one object's readers did on one day: the form in which requests are kept until their
 * sessions are final (session.h).
 *
 * A group is a client: all its requests for the object on that UTC day. Clients are keys, never
 * addresses: a fetch token, or an HMAC with the salt of the day. So that a session may pass
 * midnight, a group also knows the key that the client had on the day before.
 *
 * What always holds here: the order in which requests were added makes no difference; two lists of
 * the same requests are the same bytes.
 *
 * Prefix: stats_group.
 */
#ifndef FERRY_STATS_GROUP_H
#define FERRY_STATS_GROUP_H

#include "util/base.h"
#include "util/buf.h"
#include "util/err.h"

enum stats_event_kind {
	STATS_RANGE,  /* these bytes were sent */
	STATS_BYTES,  /* so many bytes were sent, which ones is not known */
	STATS_FAILED, /* 4xx or 5xx */
};

struct stats_event {
	uint32_t second; /* of the day */
	uint16_t mirror; /* its number, below STATS_MIRRORS */
	uint16_t kind;   /* enum stats_event_kind */
	uint64_t first;  /* of STATS_RANGE */
	uint64_t bytes;  /* 0 of STATS_FAILED */
};

#define STATS_MIRRORS 64

struct stats_group {
	uint64_t key;
	uint64_t before;    /* if has_before */
	uint64_t addresses; /* of a token: a bit for each address, of 64 (some share one) */
	uint32_t taken;     /* what is earlier than this second belongs to a session that began on
			       the day before, and was counted */
	uint8_t agent;      /* enum stats_agent_class */
	bool token;         /* the key is a fetch token */
	bool has_before;
	char country[2];    /* of the first request; zeroes: not known */
	size_t from, count; /* its events, sorted */
};

struct stats_groups {
	struct stats_group *at; /* sorted by token, key */
	size_t count, cap;
	struct stats_event *events;
	size_t event_count, event_cap;
};
void stats_groups_release(struct stats_groups *g);

/* Appends a group, to whose events stats_groups_event() then adds; neither has to be sorted. */
void stats_groups_begin(struct stats_groups *g, const struct stats_group *head);
void stats_groups_event(struct stats_groups *g, const struct stats_event *v);
/* Sorts and joins what was appended. */
void stats_groups_settle(struct stats_groups *g);

/* Both are settled and of the same object and day; *out is empty, and settled then. */
void stats_groups_merge(const struct stats_groups *a, const struct stats_groups *b,
			struct stats_groups *out);

/* The bytes that are stored. ERR_INTEGRITY for bytes that nothing here wrote. */
#define STATS_GROUPS_MAX_BYTES (512 * MIB)
void stats_groups_encode(const struct stats_groups *g, struct buf *out);
WARN_UNUSED int stats_groups_decode(const void *data, size_t len, struct stats_groups *out,
				    struct err *e);

#endif
