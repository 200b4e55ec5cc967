/*
 * The parts of window_next(), which decides what a thread does next. Those with a task `out` mark
 * what they hand out as taken; false: there is nothing of the kind to be done.
 */
#ifndef FERRY_FETCH_WINDOW_INTERNAL_H
#define FERRY_FETCH_WINDOW_INTERNAL_H

#include "fetch/engine_internal.h"

/* -- window_sources.c ----------------------------------------------------------------------- */
/* Can it be asked for the file now, and does no better one stand before it? */
bool window_is_fit(struct engine *g, const struct lane *l, const struct file *f, uint64_t now_ms);
/* The same for a piece of it. */
bool window_may_bring(struct engine *g, const struct lane *l, const struct file *f, uint32_t piece,
		      uint64_t now_ms);
/* Is a source asked for this file, now or after a pause? Not one that was banned, does not have it,
 * or stands behind better ones. */
bool window_is_asked(struct engine *g, const struct lane *l, const struct file *f);
/* Can any source be asked for it, now or later? *wait_ms as in window_lane_serves(). */
bool window_is_served(struct engine *g, const struct file *f, uint64_t *wait_ms);
/* Bytes per second of the other sources that can be asked. */
double window_others_rate(struct engine *g, const struct lane *l, const struct file *f);
/* The fastest source for the piece, of those that may be asked now. */
struct lane *window_fastest(struct engine *g, const struct file *f, uint32_t piece);
/* Is there a source that would have it long before this one? */
bool window_is_outclassed(struct engine *g, const struct lane *l, const struct file *f,
			  uint32_t piece);

/* -- window_pieces.c ------------------------------------------------------------------------ */
/* The n-th piece of a file that somebody waits for. False: there are no more. */
bool window_wanted(const struct file *f, size_t n, uint32_t *piece, bool *ahead);
bool window_has_missing(struct file *f);
/* A range of a flight that this source has, or that nobody has any more. */
bool window_go_on(struct engine *g, struct lane *l, bool only_wanted, struct task *out);
/* A piece that somebody waits for; with_ahead: or is going to. */
bool window_begin_wanted(struct engine *g, struct lane *l, bool with_ahead, struct task *out);
/* The next piece of the file, or one behind it for a slow source. */
bool window_begin_piece(struct engine *g, struct lane *l, struct task *out);
/* Sources that each leave a piece to the others would leave it for ever. */
bool window_begin_left(struct engine *g, struct task *out);
/* Is the next piece for the digest of the whole file still to come? */
bool window_is_late(const struct file *f);
/* A piece whose flight is late, once more. */
bool window_race(struct engine *g, struct lane *l, struct task *out);

/* -- window_arrived.c ----------------------------------------------------------------------- */
/* A piece that somebody waits for is not verified in its turn, but now. */
bool window_verify_wanted(struct engine *g, struct task *out);
/* The next piece of a file; when all are there, its end. */
bool window_verify_next(struct engine *g, struct task *out);
/* The first piece of a source is verified at once: if it lies, it is banned before it has sent
 * more. */
bool window_prove(struct engine *g, struct task *out);
/* The flight of a waiting piece that is farthest from its turn, if its turn cannot come soon. */
bool window_spill(struct engine *g, struct task *out);
/* A piece that others take from here does not wait for those before it which are still to come. */
bool window_spill_shared(struct engine *g, struct task *out);
/* What has arrived of a file is kept. */
bool window_spill_of(struct engine *g, const struct file *f, struct task *out);
bool window_open(struct engine *g, struct task *out);

#endif
