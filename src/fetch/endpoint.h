/*
 * The metadata endpoints of a repository: asking all of them the same question at once,
 * and what each turned out to be in this run.
 */
#ifndef FERRY_FETCH_ENDPOINT_H
#define FERRY_FETCH_ENDPOINT_H

#include "fetch/source.h"

enum endpoint_state {
	ENDPOINT_UNKNOWN,       /* was not asked, or not as far as its timestamp */
	ENDPOINT_OK,            /* has the newest timestamp */
	ENDPOINT_STALE,         /* has an older one */
	ENDPOINT_INCOMPLETE,    /* lacks a file that should be there */
	ENDPOINT_SLOW,          /* gave no answer in time */
	ENDPOINT_DOWN,          /* cannot be reached, fails, or refuses */
	ENDPOINT_REJECTED,      /* gave something that does not verify */
	ENDPOINT_STATES,
};
/* "ok", "stale", …: stable, part of the JSON output. */
const char *endpoint_state_name(enum endpoint_state s);

struct endpoint {
	struct source *source;  /* borrowed */
	enum endpoint_state state;
	bool has_version;
	uint64_t version;       /* of its timestamp, as it claims: verified only when ok */
	char fault[200];        /* why it is not ok, without escapes; or "" */
};

/* One endpoint's part in a question to several. */
struct endpoint_answer {
	struct endpoint *from;
	int rc;                 /* as mirror_get_small() returned it, with why */
	struct err why;
	struct buf bytes;
};
void endpoint_answer_release(struct endpoint_answer *a);

/*
 * Asks every one of `answers` (with `from` set, all else zero) for the key at the same time,
 * up to THREADS_MAX of them at once, and returns when each has its answer or its failure, at the
 * latest after deadline_ms (0: when the mirror gives up by itself). Bodies of more than
 * max_bytes are ERR_INTEGRITY.
 */
void endpoint_ask_all(struct source_list *sources, struct endpoint_answer *answers, size_t count,
		      const char *key, size_t max_bytes, uint64_t deadline_ms);

#endif
