#include "publish/feed_internal.h"

struct feed_demand *feed_demand(const struct feed *f, size_t reader, size_t file)
{
	return f->files[file].by ? &f->files[file].by[reader] : NULL;
}

static bool wants_file(const struct feed *f, size_t reader, size_t file)
{
	const struct feed_demand *d = feed_demand(f, reader, file);
	if (!d || f->readers[reader].ended)
		return false;
	/* One that is left behind opens the file again. */
	return d->state == BEGUN || (d->state == TO_COME && !f->readers[reader].behind);
}

static bool wants_piece(const struct feed *f, size_t reader, const struct feed_slot *s)
{
	const struct feed_demand *d = feed_demand(f, reader, s->file);
	if (!d || f->readers[reader].ended || f->readers[reader].behind)
		return false;
	if (d->state != BEGUN)
		return d->state == TO_COME;
	return d->next <= s->piece.index &&
	       (!d->upload || !mirror_upload_has(d->upload, s->piece.index));
}

static bool is_at(const struct feed_place *p, const struct feed_slot *s)
{
	return p->file == s->file && p->piece == s->piece.index;
}

bool feed_is_wanted(const struct feed *f, const struct feed_slot *s)
{
	for (const struct feed_taker *t = f->takers; t; t = t->next)
		if (is_at(&t->at, s))
			return true;
	for (size_t i = 0; i < f->reader_count; i++)
		if (wants_piece(f, i, s))
			return true;
	return false;
}

bool feed_takes_part(const struct feed *f, size_t reader)
{
	return !f->readers[reader].ended && !f->readers[reader].behind;
}

static bool before(struct feed_place a, struct feed_place b)
{
	return a.file != b.file ? a.file < b.file : a.piece < b.piece;
}

/* The first piece that no thread of the reader has asked for. */
static struct feed_place place_to_ask(struct feed *f, size_t reader)
{
	struct feed_reader *r = &f->readers[reader];
	for (; r->first < f->tree->files.count; r->first++) {
		const struct feed_demand *d = feed_demand(f, reader, r->first);
		if (d && (d->state == TO_COME || (d->state == BEGUN && d->next != FEED_NO_MORE)))
			return (struct feed_place){ r->first, d->next };
	}
	return (struct feed_place){ SIZE_MAX, 0 };
}

/* The first piece that the reader has not got. */
static struct feed_place place_to_get(struct feed *f, size_t reader)
{
	struct feed_place p = place_to_ask(f, reader);
	for (const struct feed_taker *t = f->takers; t; t = t->next)
		if (t->reader == reader && before(t->at, p))
			p = t->at;
	return p;
}

/* The first piece that the reader has not finished. */
static struct feed_place place_to_do(struct feed *f, size_t reader)
{
	struct feed_place p = place_to_get(f, reader);
	for (const struct feed_slot *s = f->slots; s; s = s->next)
		if (s->by[reader] && before((struct feed_place){ s->file, s->piece.index }, p))
			p = (struct feed_place){ s->file, s->piece.index };
	return p;
}

bool feed_is_first(struct feed *f, struct feed_place at)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (feed_takes_part(f, i) && before(place_to_get(f, i), at))
			return false;
	return true;
}

void feed_catch_up(struct feed *f, size_t reader)
{
	struct feed_reader *r = &f->readers[reader];
	r->behind = r->behind && feed_is_first(f, place_to_get(f, reader));
}

static void file_release(struct feed_file *file)
{
	if (file->open)
		tree_object_close(&file->object);
	file->open = false;
}

void feed_close_files(struct feed *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		bool wanted = f->files[i].opening || f->files[i].again;
		for (size_t r = 0; r < f->reader_count && !wanted; r++)
			wanted = wants_file(f, r, i);
		if (!wanted)
			file_release(&f->files[i]);
	}
}

void feed_leave_behind(struct feed *f, size_t reader)
{
	struct feed_place own = place_to_do(f, reader), last = own;
	for (size_t i = 0; i < f->reader_count; i++) {
		struct feed_place p = place_to_do(f, i);
		if (feed_takes_part(f, i) && before(p, last))
			last = p;
	}
	if (!before(last, own))
		return;
	for (size_t i = 0; i < f->reader_count; i++)
		if (feed_takes_part(f, i) && !before(last, place_to_do(f, i)))
			f->readers[i].behind = true;
	feed_close_files(f, 0, f->tree->files.count);
}
