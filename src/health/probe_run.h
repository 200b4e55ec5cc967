/* Shared by the files of probe alone: a probe while it runs. */
#ifndef FERRY_HEALTH_PROBE_RUN_H
#define FERRY_HEALTH_PROBE_RUN_H

#include "health/probe.h"

/* What is sent as Origin, to see whether pages of other web sites may read. */
#define PROBE_RUN_ORIGIN "https://example.org"
#define PROBE_RUN_TIMESTAMP "metadata/timestamp.json"

struct probe_run {
	const struct probe_subject *s;
	struct probe_options o; /* with the defaults */
	struct mirror *m;
	struct probe *out;
	uint64_t limit_ms; /* from its beginning to the deadline; UINT64_MAX: none */

	/* The mirror as readers without credentials see it, below a plain URL: m itself, or one of
	 * its own. NULL: there is no such URL. */
	struct mirror *reader, *own;
	struct http_client *client; /* for requests whose answers are judged; with a reader, or an
				       address */
	char *address;              /* of the server, if that is all that is known; or NULL */

	struct buf timestamp;        /* what was read; empty: nothing */
	struct http_response first;  /* the answer to the first request; status 0: none */
	struct http_response object; /* and to a range of a model file */

	bool lost;     /* nothing more can be asked */
	char why[400]; /* then: for what was not checked */
};

/* -- probe_run.c ---- */
WARN_UNUSED int probe_run_open(struct probe_run *r, struct err *e);
void probe_run_close(struct probe_run *r);
/* The deadline of one request; 0: none. ERR_CANCELLED when there is no time. */
WARN_UNUSED int probe_run_time_left(const struct probe_run *r, uint64_t *out_ms, struct err *e);
/* One request to the key's plain URL (NULL: to r->address), in the time that is left. */
WARN_UNUSED int probe_run_ask(struct probe_run *r, const char *key, struct http_request *q,
			      struct http_response *out, struct err *e);
/* A whole small file: at its plain URL, else through the kind. */
WARN_UNUSED int probe_run_read(struct probe_run *r, const char *key, struct buf *out,
			       struct err *e);
/* The mirror that is asked about objects: the reader, or m. */
struct mirror *probe_run_mirror(const struct probe_run *r);
/* Is this file meant to be there? */
bool probe_run_wants(const struct probe_run *r, const struct repository_file *f);
/* A failure becomes a finding: of this state, but unknown if it is one of this machine or its
 * network, and a warning if the server only asks for fewer requests. After those that would hit
 * every other request as well, the run is lost. Negative only when it was cancelled. */
WARN_UNUSED int probe_run_fault(struct probe_run *r, enum health_check check,
				enum health_state state, const struct err *why, struct err *e);
/* Would it hit every other request as well? */
bool probe_run_hits_all(const struct probe_run *r, const struct err *why);
/* What a person is told of it. */
void probe_run_describe(const struct probe_run *r, const struct err *why, char out[400]);
/* "19 days", "5 hours", "3 minutes". */
#define PROBE_RUN_SPAN 32
const char *probe_run_span(char out[PROBE_RUN_SPAN], int64_t s);

/* -- the checks: each adds its findings; negative only when it was cancelled ---- */
WARN_UNUSED int probe_reach(struct probe_run *r, struct err *e);    /* and certificate, clock */
void probe_metadata(struct probe_run *r);                           /* release */
WARN_UNUSED int probe_pointers(struct probe_run *r, struct err *e); /* catalog */
WARN_UNUSED int probe_ranges(struct probe_run *r, struct err *e);
void probe_headers(struct probe_run *r);
WARN_UNUSED int probe_objects(struct probe_run *r, struct err *e);

/* -- probe_state.c ---- */
/* Names a file in struct probe_state. */
uint64_t probe_state_hash(const char *key);
/* Its place in the mirror's order. */
uint64_t probe_state_place(const struct probe_state *s, uint64_t hash);
bool probe_state_has(const struct probe_state *s, uint64_t hash);
/* Replaces what was found; takes the array. */
void probe_state_set(struct probe_state *s, uint64_t *found, size_t count);

#endif
