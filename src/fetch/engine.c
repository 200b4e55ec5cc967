#include "fetch/engine.h"

#include "fetch/pool.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct engine {
	struct source_list *sources;
	const struct engine_job *job;
	struct partial *p;
	struct report *report;
	struct rate *rate;

	/* The piece in flight; it outlives a request that fails in the middle. */
	struct pool_piece room;
	bool flying;
	struct pieces_check check;
	uint64_t fill;       /* bytes received so far */
	struct source *from; /* which source sent them */
	bool mixed;          /* from several sources */
	bool alone;          /* this piece must come from a single source */

	/* The request under way. */
	struct source *source;
	uint64_t received;
	bool wrong;           /* it ended because a piece was wrong */
	bool local;           /* it ended because of a local failure, not the source's */
	struct err local_why; /* before the mirror's name was put in front */
};

static void drop_flight(struct engine *g)
{
	if (g->flying && g->from)
		g->from->wasted += g->fill;
	report_advance(g->report, g->p->name, -(int64_t)g->fill);
	g->flying = false;
	g->fill = 0;
	g->from = NULL;
	g->mixed = false;
}

static void begin_flight(struct engine *g, uint32_t piece)
{
	bool goes_on = g->flying && g->check.index == piece;
	if (goes_on && g->from != g->source && g->fill) {
		g->mixed = !g->alone;
		goes_on = g->mixed;
	}
	if (g->flying && !goes_on)
		drop_flight(g);
	if (!goes_on)
		pieces_begin(&g->p->pieces, piece, &g->check);
	g->flying = true;
	g->from = g->source;
}

static int failed_here(struct engine *g, int rc, const struct err *e)
{
	g->local = true;
	g->local_why = *e;
	return rc;
}

/* Checks a complete piece. */
static int land_piece(struct engine *g, struct err *e)
{
	uint32_t piece = g->check.index;
	bool right;
	int rc = partial_put(g->p, &g->check, g->room.data, &right, e);
	if (rc < 0)
		return failed_here(g, rc, e);
	if (!right) {
		g->wrong = true;
		return err_set(e, ERR_INTEGRITY, "piece %u, at byte %llu", (unsigned)piece,
			       (unsigned long long)grid_offset(&g->p->pieces.grid, piece));
	}
	g->source->bytes += g->fill;
	source_did_well(g->source);
	g->flying = g->mixed = g->alone = false;
	g->fill = 0;
	return 0;
}

static int on_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct engine *g = ctx;
	const unsigned char *at = data;
	int rc = cancel_check(g->sources->cancel, e);
	if (rc == 0)
		rc = rate_take(g->rate, len, g->sources->cancel, e);
	if (rc < 0)
		return failed_here(g, rc, e);
	partial_alive(g->p);
	while (len) {
		if (!g->flying)
			begin_flight(g, g->check.index + 1);
		size_t part = pieces_add(&g->check, at, len);
		memcpy(g->room.data + g->fill, at, part);
		g->fill += part;
		g->received += part;
		report_advance(g->report, g->p->name, (int64_t)part);
		at += part;
		len -= part;
		if (!g->check.left && (rc = land_piece(g, e)) < 0)
			return rc;
	}
	return 0;
}

/* Handles a failed request, for the piece in flight and for the source. */
static void judge(struct engine *g, const struct err *why)
{
	bool shared = g->mixed;
	if (g->wrong) {
		drop_flight(g);
		g->alone = true;
		if (shared) {
			report_detail(g->report,
				      "%s: %s: wrong, but it came from several sources; fetching "
				      "it again from one",
				      g->p->name, why->text);
			return;
		}
	}
	bool others = g->source->mirror && g->source->mirror->ops->others_files;
	if (g->wrong && others)
		source_changed(g->source, why);
	else if (g->wrong)
		source_lied(g->source, why);
	else
		source_failed(g->sources, g->source, why, g->received);
	if (g->source->given_up && g->source->faults[FAULT_CHANGED])
		report_note(g->report, "%s: %s: no longer this version (%s)", g->source->id,
			    g->p->name, g->source->detail[FAULT_CHANGED]);
	else if (g->source->banned)
		report_note(g->report, "%s: %s: %s (%s); this source is not used again",
			    g->source->id, g->p->name, g->wrong ? "wrong bytes" : "wrong answer",
			    g->source->detail[g->wrong ? FAULT_WRONG_BYTES : FAULT_WRONG_ANSWER]);
	else
		report_detail(g->report, "%s", why->text);
}

static int request(struct engine *g, uint32_t first, uint32_t count, struct err *e)
{
	const struct grid *grid = &g->p->pieces.grid;
	struct mirror_sink sink = { .write = on_bytes, .ctx = g };
	struct mirror *m;
	struct err why = ERR_INIT;
	begin_flight(g, first);
	g->received = 0;
	g->wrong = g->local = false;
	uint64_t offset = grid_offset(grid, first) + g->fill;
	uint32_t last = first + count - 1;
	uint64_t end = grid_offset(grid, last) + grid_length(grid, last);
	struct mirror_range range = {
		.key = g->job->key,
		.offset = offset,
		.length = end - offset,
	};
	int rc = source_open(g->sources, g->source, &m, &why);
	if (rc == 0)
		rc = mirror_get(m, &range, &sink, &why);
	if (rc == 0)
		return 0;
	if (g->local || rc == -ERR_CANCELLED) {
		*e = g->local ? g->local_why : why;
		return rc;
	}
	judge(g, &why);
	return 0;
}

/* It is not meant to have the file, or cannot be opened. */
static bool is_passed_over(struct engine *g)
{
	struct mirror *m;
	struct err why = ERR_INIT;
	if (source_open(g->sources, g->source, &m, &why) < 0) {
		source_failed(g->sources, g->source, &why, 0);
		return true;
	}
	g->source->given_up |= !mirror_has(m, g->job->key);
	return g->source->given_up;
}

static int choose(struct engine *g, struct err *e)
{
	const struct source_list *l = g->sources;
	for (;;) {
		uint64_t wait_ms;
		int rc = cancel_check(l->cancel, e);
		if (rc < 0)
			return rc;
		g->source = source_choose(g->sources, &wait_ms);
		if (g->source && is_passed_over(g))
			continue;
		if (g->source)
			return 0;
		if (!wait_ms)
			return source_list_err(l, g->p->name, e);
		if (wait_ms >= SOURCE_LONG_WAIT_MS)
			report_note(g->report,
				    "%s: waiting for the servers; trying again in %llu seconds",
				    g->p->name, (unsigned long long)(wait_ms + 999) / 1000);
		rc = clock_sleep_ms(l->clock, wait_ms, l->cancel, e);
		if (rc < 0)
			return rc;
	}
}

static int run(struct engine *g, struct err *e)
{
	uint32_t first, count;
	int rc = 0;
	while (rc == 0 && partial_next_run(g->p, &first, &count)) {
		rc = choose(g, e);
		if (rc == 0)
			rc = request(g, first, count, e);
	}
	return rc;
}

int engine_run(struct source_list *sources, const struct engine_job *job,
	       const struct engine_options *options, struct err *e)
{
	struct partial *p = job->partial;
	const struct grid *grid = &p->pieces.grid;
	CLEANUP(mem_free_ptr) char *dir = path_dir(p->path);
	struct engine g = {
		.sources = sources,
		.job = job,
		.p = p,
		.report = options->report,
		.rate = options->rate,
	};
	if (!p->missing)
		return 0;
	source_list_begin_file(sources);
	report_begin(g.report, p->name, grid->size, grid->size - partial_missing_bytes(p));
	int rc = pool_piece_open(&g.room, MIN(grid->piece_length, grid->size), dir, e);
	if (rc == 0)
		rc = run(&g, e);
	report_end(g.report, p->name, rc == 0);
	pool_piece_close(&g.room);
	return rc == -ERR_CANCELLED
		       ? err_hint(e, "run the same command again: verified pieces are kept")
		       : rc;
}
