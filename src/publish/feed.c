#include "publish/feed_internal.h"

#include "util/mem.h"
#include "util/os.h"

struct feed *feed_new(const struct tree *t, size_t readers, const struct feed_options *o)
{
	struct feed *f = NEW(struct feed);
	*f = (struct feed){ .tree = t, .reader_count = readers };
	f->memory = o && o->memory ? o->memory : FEED_MEMORY;
	f->patience_ms = o && o->patience_ms ? o->patience_ms : FEED_PATIENCE_MS;
	f->files = mem_alloc((t->files.count + 1) * sizeof *f->files);
	f->readers = mem_alloc((readers + 1) * sizeof *f->readers);
	for (size_t i = 0; i < readers; i++)
		f->readers[i].ended = true; /* until it needs a piece */
	pthread_mutex_init(&f->lock, NULL);
	os_cond_init(&f->changed);
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	feed_pool_free(f);
	for (size_t i = 0; i < f->tree->files.count; i++) {
		if (f->files[i].open)
			tree_object_close(&f->files[i].object);
		free(f->files[i].was_read);
		free(f->files[i].by);
	}
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->files);
	free(f->readers);
	free(f);
}

struct feed_stats feed_stats(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	struct feed_stats stats = f->stats;
	pthread_mutex_unlock(&f->lock);
	return stats;
}

uint64_t feed_reread_bytes(struct feed *f, size_t reader)
{
	pthread_mutex_lock(&f->lock);
	uint64_t bytes = f->readers[reader].reread_bytes;
	pthread_mutex_unlock(&f->lock);
	return bytes;
}

void feed_want(struct feed *f, size_t reader, size_t file)
{
	if (!f->files[file].by)
		f->files[file].by = mem_alloc(f->reader_count * sizeof *f->files[file].by);
	f->files[file].by[reader].state = TO_COME;
	f->readers[reader].ended = false;
}

static int open_file(struct feed *f, size_t file, struct err *e)
{
	struct feed_file *ff = &f->files[file];
	uint64_t waited_ms = 0;
	int rc = 0;
	while (rc == 0 && ff->opening)
		rc = feed_wait(f, &waited_ms, e);
	if (rc < 0 || ff->open)
		return rc;
	ff->opening = true;
	pthread_mutex_unlock(&f->lock);
	rc = tree_object_open(f->tree, &f->tree->files.at[file], &ff->object, e);
	pthread_mutex_lock(&f->lock);
	ff->opening = false;
	ff->open = rc == 0;
	return rc;
}

static void finish(struct feed *f, size_t reader, size_t file)
{
	*feed_demand(f, reader, file) = (struct feed_demand){ .state = FINISHED,
							      .next = FEED_NO_MORE };
	feed_close_files(f, file, file + 1);
}

int feed_begin(struct feed *f, size_t reader, size_t file, const struct tree_pieces **pieces,
	       struct err *e)
{
	pthread_mutex_lock(&f->lock);
	feed_demand(f, reader, file)->state = BEGUN;
	feed_catch_up(f, reader);
	int rc = open_file(f, file, e);
	if (rc < 0)
		finish(f, reader, file);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*pieces = &f->files[file].object.pieces;
	return rc;
}

static void skip_what_is_there(struct feed_demand *d, uint32_t count)
{
	while (d->next < count && mirror_upload_has(d->upload, d->next))
		d->next++;
	if (d->next >= count)
		d->next = FEED_NO_MORE;
}

int feed_next(struct feed *f, size_t reader, size_t file, struct mirror_upload *u,
	      const struct feed_piece **out, struct err *e)
{
	struct feed_slot *s = NULL;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	struct feed_demand *d = feed_demand(f, reader, file);
	uint32_t count = f->files[file].object.pieces.grid.count;
	d->upload = u;
	feed_catch_up(f, reader);
	skip_what_is_there(d, count);
	if (d->next != FEED_NO_MORE) {
		struct feed_taker t = { .reader = reader, .at = { file, d->next++ } };
		skip_what_is_there(d, count);
		rc = feed_take(f, &t, &s, e);
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*out = s ? &s->piece : NULL;
	return rc;
}

int feed_again(struct feed *f, size_t reader, size_t file, uint32_t piece, void *data,
	       struct err *e)
{
	struct feed_file *ff = &f->files[file];
	uint64_t len = 0;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	if (feed_demand(f, reader, file)->state != BEGUN || !ff->open)
		rc = err_set(e, ERR_CONFLICT, "the file is not being sent any more");
	ff->again += rc == 0;
	pthread_mutex_unlock(&f->lock);
	if (rc < 0)
		return rc;
	rc = tree_object_read(&ff->object, piece, data, e);
	pthread_mutex_lock(&f->lock);
	len = grid_length(&ff->object.pieces.grid, piece);
	f->stats.read_bytes += len;
	f->stats.reread_bytes += len;
	f->readers[reader].reread_bytes += len;
	ff->again--;
	feed_close_files(f, file, file + 1);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

void feed_give_back(struct feed *f, size_t reader, const struct feed_piece *p)
{
	pthread_mutex_lock(&f->lock);
	struct feed_slot *s = f->slots;
	while (&s->piece != p)
		s = s->next;
	feed_slot_leave(f, reader, s);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_finish(struct feed *f, size_t reader, size_t file)
{
	pthread_mutex_lock(&f->lock);
	finish(f, reader, file);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_end(struct feed *f, size_t reader)
{
	pthread_mutex_lock(&f->lock);
	f->readers[reader].ended = true;
	feed_close_files(f, 0, f->tree->files.count);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}
