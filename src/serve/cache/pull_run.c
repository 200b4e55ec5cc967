/* One pull, from the manifest to the blob. */
#include "fetch/engine.h"
#include "serve/cache/pull_internal.h"
#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PULL_MEMORY (32 * MIB) /* of the pieces of one pull, at least */

/* -- small objects ----------------------------------------------------------------------------- */

static void count_sources(struct pulls *p, const struct source_list *l)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < l->count; i++) {
		const struct source *s = l->at[i];
		p->stats.wasted_bytes += s->wasted;
		p->stats.wrong_pieces += s->faults[FAULT_WRONG_BYTES];
	}
	pthread_mutex_unlock(&p->lock);
}

int pulls_read_small(struct pulls *p, struct view *v, const struct view_file *f, struct buf *out,
		     struct err *e)
{
	const struct source_small what = {
		.key = f->file->key,
		.pack_key = f->file->pack_key,
		.length = f->file->size,
		.sha256 = f->file->sha256,
	};
	struct source_list *l = pull_sources_take(p->sources, v);
	int rc = source_get_small(l, &what, out, e);
	count_sources(p, l);
	pthread_mutex_lock(&p->lock);
	p->stats.fetched_bytes += rc == 0 ? f->file->size : 0;
	pthread_mutex_unlock(&p->lock);
	pull_sources_give(p->sources, l);
	return rc;
}

static int read_manifest(void *ctx, struct view *v, const struct view_file *f, struct buf *out,
			 struct err *e)
{
	struct pull *p = ctx;
	const struct pulls_options *o = &p->pulls->o;
	return o->small ? o->small(o->ctx, v, f, out, e) : pulls_read_small(p->pulls, v, f, out, e);
}

/* Without a manifest, the pieces of a larger file are not known: it is verified as a whole. */
static int find_pieces(struct pull *p, struct err *e)
{
	const struct view_read how = { read_manifest, p };
	struct tree_pieces found = { 0 };
	if (p->pieces || (p->grid.count > 1 && !p->file.file->manifest_key))
		return 0;
	int rc = view_pieces(p->view, &p->file, &how, &found, e);
	if (rc < 0)
		return rc;
	p->pieces = found.at;
	p->by_piece = true;
	return 0;
}

/* -- the file, on the engine's threads --------------------------------------------------------- */

static bool is_same_file(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* In another run, what readers were told of must still be there. */
static int keep_descriptor(struct pull *p, int of, struct err *e)
{
	int old = atomic_load(&p->fd);
	if (old >= 0 && is_same_file(old, of))
		return 0;
	if (old >= 0 && p->landed_ms)
		return err_set(e, ERR_CONFLICT, "%s: another process replaced the unfinished file",
			       p->name);
	int fd = old >= 0 ? dup2(of, old) : fcntl(of, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot read %s", p->name);
	atomic_store(&p->fd, fd);
	return 0;
}

/* It came into the store by another way. */
static int open_blob(struct pull *p, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(p->pulls->o.store, &p->sha256);
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	return rc < 0 ? rc : keep_descriptor(p, fd, e);
}

static int open_file(struct engine_job *j, struct err *e)
{
	struct pull *p = j->ctx;
	const struct store *s = p->pulls->o.store;
	atomic_store(&p->sealed_ns, 0);
	j->done = store_has_verified(s, &p->sha256, p->grid.size);
	if (j->done)
		return open_blob(p, e);
	p->single = partial_open_single(s, p->name, &p->sha256, &p->grid, p->pieces, &p->partial);
	int rc = p->single ? 0
			   : partial_open(s, p->name, &p->sha256, &p->grid, p->pieces,
					  p->pulls->o.report, &p->partial, &j->done, e);
	if (rc == 0 && j->done)
		return open_blob(p, e);
	if (rc == 0)
		j->partial = &p->partial;
	return rc == 0 ? keep_descriptor(p, p->partial.fd, e) : rc;
}

static int finish_file(struct engine_job *j, struct err *e)
{
	struct pull *p = j->ctx;
	struct stat st;
	/* From here on, it gets the name by which others find it. */
	if (fstat(p->partial.fd, &st) == 0)
		atomic_store(&p->sealed_ns, os_modified_ns(&st));
	return p->single ? partial_finish_single(&p->partial, e) : partial_finish(&p->partial, e);
}

static uint32_t wants(struct engine_job *j, size_t n, bool *ahead)
{
	return pull_wanted(j->ctx, n, ahead);
}

/* Without a source, an earlier run had fetched it. */
static uint64_t *count_of(struct pulls *p, const struct source *from)
{
	if (!from)
		return &p->stats.resumed_bytes;
	return from->peer ? &p->stats.peer_bytes : &p->stats.fetched_bytes;
}

static void landed(struct engine_job *j, uint32_t piece, const struct source *from)
{
	struct pull *p = j->ctx;
	struct pulls *all = p->pulls;
	pthread_mutex_lock(&all->lock);
	*count_of(all, from) += grid_length(&p->grid, piece);
	pthread_mutex_unlock(&all->lock);
	pull_landed(p, piece);
}

static void lost(struct engine_job *j, uint32_t piece)
{
	pull_lost(j->ctx, piece);
}

static void flies(struct engine_job *j, uint32_t piece, bool on_its_way)
{
	struct pull *p = j->ctx;
	atomic_store(&p->flying[piece], on_its_way);
}

static bool may(struct engine_job *j, const struct source *s, uint32_t piece)
{
	struct pull *p = j->ctx;
	return fleet_may(p->fleet, s, piece, pull_is_wanted(p, piece));
}

/* -- the run ----------------------------------------------------------------------------------- */

static int make_room(struct pull *p, struct err *e)
{
	const struct pulls_options *o = &p->pulls->o;
	struct err ignored = ERR_INIT;
	uint64_t there = 0;
	if (partial_expect(o->store, &p->sha256, &p->grid, &there, &ignored) < 0)
		there = 0;
	if (!o->room)
		return 0;
	return o->room(o->ctx, &p->sha256, p->grid.size - MIN(there, p->grid.size), e);
}

static int run_engine(struct pull *p, struct err *e)
{
	struct pulls *all = p->pulls;
	const struct settings_fetch *fetch = &all->fetch;
	uint64_t memory = (fetch->max_memory ? fetch->max_memory : POOL_MEMORY) / all->o.pulls;
	const struct engine_options options = {
		.rate = &all->rate,
		.report = all->o.report,
		.connections = fetch->connections,
		.max_memory = MAX(memory, PULL_MEMORY),
	};
	struct engine_job job = {
		.key = p->file.file->key,
		.name = p->name,
		.grid = p->grid,
		.open = open_file,
		.finish = finish_file,
		.wants = wants,
		.landed = landed,
		.lost = lost,
		.flies = flies,
		.may = all->o.peers ? may : NULL,
		.ctx = p,
	};
	struct source_list *l = pull_sources_take(all->sources, p->view);
	const struct fleet_what what = { all->o.peers, p->sha256, p->grid, l, all->o.clock };
	p->fleet = p->by_piece ? fleet_begin(&what) : NULL;
	job.shared = p->fleet;
	int rc = engine_run(l, &job, 1, &options, e);
	fleet_end(p->fleet);
	p->fleet = NULL;
	partial_close(&p->partial);
	count_sources(all, l);
	pull_sources_give(all->sources, l);
	return rc;
}

/* -- small files of models -------------------------------------------------------------------- */

/* Some mirrors have them in packs only, of which the engine knows nothing. */
static bool is_small(const struct pull *p)
{
	return p->file.file->pack_key && p->grid.count == 1;
}

static int keep_small(struct pull *p, const struct buf *bytes, struct err *e)
{
	const struct store *s = p->pulls->o.store;
	CLEANUP(file_close) int fd = store_single_open(s);
	if (fd < 0)
		return err_sys(e, errno, "%s: cannot be kept", p->name);
	int rc = file_write(fd, buf_str(bytes), bytes->len, p->name, e);
	if (rc == 0)
		rc = store_single_commit(s, &p->sha256, bytes->len, fd, e);
	return rc < 0 ? rc : open_blob(p, e);
}

static int run_small(struct pull *p, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	if (store_has_verified(p->pulls->o.store, &p->sha256, p->grid.size))
		return open_blob(p, e);
	int rc = pulls_read_small(p->pulls, p->view, &p->file, &bytes, e);
	return rc < 0 ? rc : keep_small(p, &bytes, e);
}

int pull_run(struct pull *p, struct err *e)
{
	bool small = is_small(p);
	int rc = small ? 0 : find_pieces(p, e);
	if (rc == 0)
		rc = make_room(p, e);
	if (rc < 0)
		return rc;
	return small ? run_small(p, e) : run_engine(p, e);
}
