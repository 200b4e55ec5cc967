/* What is done with pieces that are there: verified in their turn, or before it; and with files:
 * opened, and finished. */
#include "fetch/window_internal.h"

#include <stdatomic.h>

#define SPILL_US 300000         /* a head that has stood still for less is not late */
#define SPILL_BYTES (256 * MIB) /* that are hashed in about this time */

/* -- files and pieces that are there ---------------------------------------------------------- */

static struct flight *landed_flight(struct engine *g, const struct file *f, uint32_t piece)
{
	for (struct flight *t = g->flights; t; t = t->next)
		if (t->landed && !t->over && !t->users && t->file == f && t->piece == piece)
			return t;
	return NULL;
}

static bool hash_head(struct engine *g, struct file *f, struct task *out)
{
	if (f->hashing || f->head >= f->job->grid.count)
		return false;
	uint8_t state = f->pieces[f->head].state;
	struct flight *t = state == PIECE_ARRIVED ? landed_flight(g, f, f->head) : NULL;
	if (!t && state != PIECE_CLAIMED && state != PIECE_WRITTEN)
		return false;
	f->hashing = true;
	f->users++;
	if (t)
		t->users++;
	if (t && t->lane)
		t->lane->proving = true;
	*out = (struct task){ .kind = TASK_HASH, .file = f, .flight = t };
	return true;
}

bool window_verify_next(struct engine *g, struct task *out)
{
	while (g->first < g->file_count && g->files[g->first].state == FILE_OVER)
		g->first++;
	for (size_t i = g->first; i < g->file_count && g->files[i].state != FILE_WAITING; i++) {
		struct file *f = &g->files[i];
		if (f->state != FILE_OPEN)
			continue;
		if (hash_head(g, f, out))
			return true;
		if (f->head == f->job->grid.count && !f->users) {
			f->state = FILE_FINISHING;
			*out = (struct task){ .kind = TASK_FINISH, .file = f };
			return true;
		}
	}
	return false;
}

bool window_open(struct engine *g, struct task *out)
{
	unsigned open = 0;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		open += f->state != FILE_OVER;
		if (open > ENGINE_OPEN_FILES)
			return false;
		if (f->state != FILE_WAITING)
			continue;
		f->state = FILE_OPENING;
		*out = (struct task){ .kind = TASK_OPEN, .file = f };
		return true;
	}
	return false;
}

static void take_spill(struct flight *t, struct task *out)
{
	if (t->lane)
		t->lane->proving = true;
	t->users++;
	t->file->users++;
	*out = (struct task){ .kind = TASK_SPILL, .file = t->file, .flight = t };
}

static bool is_waiting(const struct flight *t)
{
	return t->landed && !t->over && !t->users && t->file->state == FILE_OPEN;
}

bool window_prove(struct engine *g, struct task *out)
{
	for (struct flight *t = g->flights; t; t = t->next) {
		if (!is_waiting(t) || !t->lane || t->lane->proving)
			continue;
		take_spill(t, out);
		return true;
	}
	return false;
}

/* One that somebody waits for does not wait for its turn. */
static bool check_wanted(struct engine *g, struct file *f, uint32_t piece, struct task *out)
{
	uint8_t state = f->pieces[piece].state;
	struct flight *t = state == PIECE_ARRIVED ? landed_flight(g, f, piece) : NULL;
	if (piece == f->head)
		return false;
	if (t)
		take_spill(t, out);
	if (t || state != PIECE_CLAIMED)
		return t;
	f->pieces[piece].state = PIECE_CHECKED;
	f->users++;
	*out = (struct task){ .kind = TASK_CHECK, .file = f, .piece = piece };
	return true;
}

bool window_verify_wanted(struct engine *g, struct task *out)
{
	for (size_t i = g->first; i < g->file_count; i++) {
		uint32_t piece;
		bool ahead;
		for (size_t n = 0; window_wanted(&g->files[i], n, &piece, &ahead); n++)
			if (check_wanted(g, &g->files[i], piece, out))
				return true;
	}
	return false;
}

/* Is the turn of a waiting piece soon? Verifying it alone means to read and hash it twice. */
static bool is_soon(const struct engine *g, const struct flight *t)
{
	const struct file *f = t->file;
	uint64_t bytes = (uint64_t)(t->piece - f->head) * f->job->grid.piece_length;
	if (t->piece <= f->head)
		return true;
	return engine_now_us(g) - f->head_us < SPILL_US && bytes <= SPILL_BYTES;
}

bool window_spill(struct engine *g, struct task *out)
{
	struct flight *last = NULL;
	for (struct flight *t = g->flights; t; t = t->next)
		if (is_waiting(t) && !is_soon(g, t) &&
		    (!last || t->piece - t->file->head > last->piece - last->file->head))
			last = t;
	if (last)
		take_spill(last, out);
	return last;
}

bool window_spill_shared(struct engine *g, struct task *out)
{
	for (struct flight *t = g->flights; t; t = t->next) {
		if (!t->file->job->shared || !is_waiting(t) || !window_is_late(t->file))
			continue;
		take_spill(t, out);
		return true;
	}
	return false;
}

/* What has arrived is kept. */
bool window_spill_of(struct engine *g, const struct file *f, struct task *out)
{
	for (struct flight *t = g->flights; t; t = t->next) {
		if (t->file != f || !is_waiting(t))
			continue;
		take_spill(t, out);
		return true;
	}
	return false;
}
