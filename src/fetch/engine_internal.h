/*
 * The parts of the engine (engine.h). All of it is protected by engine.lock, unless it says
 * otherwise.
 *
 * Prefixes: engine_, flight_, window_, landing_, request_.
 */
#ifndef FERRY_FETCH_ENGINE_INTERNAL_H
#define FERRY_FETCH_ENGINE_INTERNAL_H

#include "fetch/engine.h"
#include "fetch/lane.h"
#include "fetch/pool.h"

#include <pthread.h>

#define ENGINE_THREADS 64
#define ENGINE_HELPERS 4     /* threads beside one for each connection: they hash and write */
#define ENGINE_OPEN_FILES 32 /* that are worked on at a time */
#define FLIGHT_RANGES 64

enum piece_state {
	PIECE_MISSING,
	PIECE_CLAIMED, /* an earlier run says that it is there */
	PIECE_CHECKED, /* a claimed one that is being verified alone */
	PIECE_FLYING,  /* at least one flight has it */
	PIECE_ARRIVED, /* a flight has all of its bytes */
	PIECE_WRITING, /* verified, being written */
	PIECE_WRITTEN, /* verified and written, but not in the digest of the whole file yet */
	PIECE_DONE,
};

struct piece {
	uint8_t state;
	bool alone;    /* must come from a single source */
	bool no_local; /* must be downloaded as a whole */
};

struct file {
	struct engine_job *job;
	enum { FILE_WAITING, FILE_OPENING, FILE_OPEN, FILE_FINISHING, FILE_OVER } state;
	struct piece *pieces;
	uint32_t head;    /* the pieces before it are in the digest of the whole file */
	uint64_t head_us; /* when it moved last */
	uint32_t scan;    /* none before it is missing */
	bool hashing;     /* a thread has the digest of the whole file */
	unsigned users;   /* flights and threads that use its partial file */
	bool *given_up;   /* per lane: it does not have this file */
	bool begun;       /* its task was reported */
	bool landed;      /* a piece is there */
};

struct range {
	uint64_t at, length; /* within the piece */
	_Atomic uint64_t fill;
	bool taken; /* a thread is at it */
};

struct flight {
	struct flight *next;
	struct file *file;
	uint32_t piece;
	struct lane *lane; /* that it comes from; NULL: nobody any more */
	struct lane *last; /* that it came from before it was NULL */
	struct pool_piece room;
	struct cancel cancel; /* of its requests */
	struct range ranges[FLIGHT_RANGES];
	size_t count;   /* 0: it is not known yet what the store has of it */
	unsigned users; /* threads that are at it */
	uint64_t began_us;
	uint64_t local; /* bytes that came from the store */
	bool mixed;     /* from several sources */
	bool rival;     /* a late piece that another flight has, too */
	bool landed;    /* all is there */
	bool over;      /* its bytes are not wanted any more */
};

struct engine {
	struct source_list *sources;
	const struct engine_options *options;
	struct report *report;
	struct lane *lanes; /* of the sources with objects, by rank */
	size_t lane_count;
	uint64_t began_us;
	bool *tried; /* of the lanes, for window_next() */
	struct file *files;
	size_t file_count;
	size_t first; /* file that is not over */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pool pool;
	struct flight *flights;
	unsigned flight_count;
	pthread_t threads[ENGINE_THREADS];
	unsigned thread_count;
	unsigned busy;        /* threads that work on something */
	unsigned idle;        /* threads that wait for work */
	bool sleeping;        /* a thread waits for the clock */
	bool stopped;         /* cancelled */
	struct cancel ending; /* of all requests; the caller's stops it, too */
	struct err stop;
	uint64_t told_ms; /* a long wait was reported */
};

/* What a thread does next. */
struct task {
	enum {
		TASK_NONE, /* nothing now; wait_ms: until a source may be asked, 0: not known */
		TASK_QUIT,
		TASK_OPEN,
		TASK_FINISH,
		TASK_HASH,  /* the file's head */
		TASK_SPILL, /* a flight that arrived: verify it alone */
		TASK_CHECK, /* a claimed piece: the same */
		TASK_LOAD,  /* a new flight: its local parts; then perhaps a range */
		TASK_RANGE,
	} kind;
	struct file *file;
	struct flight *flight;
	struct range *range;
	struct lane *lane;
	uint32_t piece;    /* of TASK_CHECK */
	uint64_t began_us; /* of a range */
	bool whole;        /* its source ignores ranges: it goes on with the next pieces */
	uint64_t wait_ms;
};

/* -- flight.c ------------------------------------------------------------------------------ */
uint64_t engine_now_us(const struct engine *g);
void engine_piece(struct engine *g, struct file *f, uint32_t piece, enum piece_state state);
void engine_release(struct engine *g, struct file *f); /* a user of the file ends */
void engine_end(struct engine *g, struct file *f);     /* job->why is its result */
void engine_fail(struct engine *g, struct file *f, const struct err *why);
/* A new flight for a piece, or NULL when there is no room for it, or *e says why. */
struct flight *flight_new(struct engine *g, struct file *f, uint32_t piece, struct lane *lane,
			  struct err *e);
/* All of it is still to come: as ranges for so many connections as there should be. */
void flight_split(struct engine *g, struct flight *t);
/* Releases it if nobody uses it. */
void flight_drop(struct engine *g, struct flight *t);
/* So many bytes of it came in vain: of a source, and of the store. */
void flight_take_back(struct engine *g, struct flight *t, uint64_t bytes, uint64_t local);
/* Its bytes are not wanted: its requests end. */
void flight_end(struct engine *g, struct flight *t);
/* The same; the piece is missing again, unless another flight has it. */
void flight_give_up(struct engine *g, struct flight *t);
/* Is there a flight for this piece, other than one (NULL: any)? */
bool flight_exists(const struct engine *g, const struct file *f, uint32_t piece,
		   const struct flight *but);
uint64_t flight_got(const struct flight *t);
uint64_t flight_size(const struct flight *t);
bool flight_is_complete(const struct flight *t);

/* -- window.c (and window_internal.h): decides; marks what it hands out as taken ------------- */
void window_next(struct engine *g, struct task *out);
/* A source that turns out to ignore ranges goes on with one connection: every request but the first
 * reads what is in front of its piece, too. */
void window_notice(struct engine *g, struct lane *l);
/* Can a lane be asked now for this file? *wait_ms: a lower bound until it can, if it is smaller. */
bool window_lane_serves(struct engine *g, const struct lane *l, const struct file *f,
			uint64_t now_ms, uint64_t *wait_ms);

/* -- landing.c ------------------------------------------------------------------------------ */
/* A flight has all of its bytes. */
void landing_arrived(struct engine *g, struct flight *t);
/* Without the lock. The file's head: verifies it, and takes it into the digest of the whole file; a
 * piece that arrived, or one on the disk. */
void landing_flight(struct engine *g, struct flight *t);
void landing_disk(struct engine *g, struct file *f);
/* The same for a piece whose turn has not come: verifies it alone. */
void landing_spill(struct engine *g, struct flight *t);
void landing_check(struct engine *g, struct file *f, uint32_t piece);

/* -- request.c: without the lock ------------------------------------------------------------ */
void request_load(struct engine *g, struct flight *t);
void request_range(struct engine *g, const struct task *task);

#endif
