#include "serve/have.h"

#include "serve/cache/peers.h"

#include <string.h>

static bool may_have(const struct route_request *r, const struct view *v, const struct view_file *f)
{
	return !f->bytes && !f->withdrawn &&
	       auth_may(r->who, AUTH_PULL, view_repository(v), f->model);
}

/* The object of a repository that the caller may pull; NULL: there is none. */
static struct cache_blob *open_for(struct edge *e, const struct route_request *r,
				   const struct digest *d)
{
	for (size_t i = 0; i < r->views->count; i++) {
		struct view *v = r->views->at[i];
		struct view_file f;
		for (size_t nth = 0; view_find_digest(v, d, nth, &f); nth++) {
			struct cache_blob *b;
			struct err ignored = ERR_INIT;
			if (may_have(r, v, &f) &&
			    cache_open(e->cache, v, &f, CACHE_HAVE, &b, &ignored) == 0)
				return b;
		}
	}
	return NULL;
}

static int write_answer(struct edge *e, struct cache_blob *b, struct buf *out)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT(PEERS_MAP), flying = BUF_INIT(PEERS_MAP);
	struct err ignored = ERR_INIT;
	struct grid grid;
	int rc = grid_for(cache_blob_size(b), &grid, &ignored);
	if (rc == 0)
		rc = cache_blob_map(b, &have, &ignored);
	if (rc == 0)
		rc = cache_blob_flying(b, &flying, &ignored);
	return rc < 0 ? rc
		      : peers_have_write(peers_self(e->peers), grid.count, &have, &flying, out,
					 &ignored);
}

void have_answer(struct edge *e, const struct route_request *r, struct face_answer *out,
		 struct route_stream **stream)
{
	const char *hex = r->path + strlen(HAVE_PATH);
	struct digest d;
	(void)stream;
	struct cache_blob *b = digest_parse(&d, hex) ? open_for(e, r, &d) : NULL;
	*out = (struct face_answer){ .status = b ? 200 : 404,
				     .type = "application/json",
				     .cache = "no-store",
				     .body = BUF_INIT(PEERS_ANSWER_MAX) };
	if (!b || write_answer(e, b, &out->body) < 0) {
		out->status = 404;
		buf_clear(&out->body);
		buf_adds(&out->body, "{}\n");
	}
	cache_close(b);
}
