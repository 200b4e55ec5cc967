/*
 * Downloads a file with the engine in a grid of its own: in pieces as large as those of a file of
 * hundreds of GB, without such a file. For scripts/bench-fetch.
 *   fetch-grid STORE URL KEY FILE PIECE_BYTES
 * FILE has the bytes that the server has at URL/KEY: the digests are made from it.
 */
#include "fetch/engine.h"
#include "mirror/kinds.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>
#include <unistd.h>

#define AT_ONCE (1 * MIB)

struct wanted {
	struct grid grid;
	struct digest sha256, *pieces;
	struct store store;
	struct partial partial;
};

static void wanted_release(struct wanted *w)
{
	partial_close(&w->partial);
	store_close(&w->store);
	free(w->pieces);
}

static int hash_piece(int fd, const char *path, const struct grid *g, uint32_t index,
		      struct digest *out, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *hash = sha256_new();
	CLEANUP(mem_free_ptr) unsigned char *data = mem_alloc(AT_ONCE);
	uint64_t at = grid_offset(g, index), end = at + grid_length(g, index);
	int rc = 0;
	while (rc == 0 && at < end) {
		size_t len = end - at < AT_ONCE ? (size_t)(end - at) : AT_ONCE;
		rc = file_pread(fd, data, len, at, path, e);
		sha256_add(hash, data, len);
		at += len;
	}
	sha256_final(hash, out);
	return rc;
}

static int hash(const char *path, uint64_t piece_length, struct wanted *w, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = sha256_of_file(path, NULL, &w->sha256, &w->grid.size, e);
	if (rc == 0)
		rc = file_open_read(path, &fd, e);
	w->grid.piece_length = piece_length;
	w->grid.count = (uint32_t)((w->grid.size + piece_length - 1) / piece_length);
	w->pieces = mem_alloc(w->grid.count * sizeof *w->pieces);
	for (uint32_t i = 0; rc == 0 && i < w->grid.count; i++)
		rc = hash_piece(fd, path, &w->grid, i, &w->pieces[i], e);
	return rc;
}

static int open_partial(struct engine_job *j, struct err *e)
{
	struct wanted *w = j->ctx;
	int rc = partial_open(&w->store, j->name, &w->sha256, &w->grid, w->pieces, NULL,
			      &w->partial, &j->done, e);
	if (rc == 0 && !j->done)
		j->partial = &w->partial;
	return rc;
}

static int commit(struct engine_job *j, struct err *e)
{
	return partial_finish(j->partial, e);
}

static int fetch(struct wanted *w, const char *url, const char *key, struct err *e)
{
	CLEANUP(source_list_release) struct source_list sources = {
		.kinds = mirror_kinds_client,
		.max_failures = 1,
	};
	struct engine_job job = {
		.key = key,
		.name = key,
		.grid = w->grid,
		.open = open_partial,
		.finish = commit,
		.ctx = w,
	};
	source_add(&sources, url, url, true)->objects = true;
	return engine_run(&sources, &job, 1, &(struct engine_options){ 0 }, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	uint64_t piece_length;
	CLEANUP(wanted_release) struct wanted w = { .partial = PARTIAL_INIT };
	if (argc != 6 || !parse_u64(argv[5], &piece_length) || piece_length == 0) {
		fprintf(stderr, "usage: fetch-grid STORE URL KEY FILE PIECE_BYTES\n");
		return 2;
	}
	int rc = store_open(argv[1], &w.store, &e);
	if (rc == 0)
		rc = hash(argv[4], piece_length, &w, &e);
	if (rc == 0)
		rc = fetch(&w, argv[2], argv[3], &e);
	if (rc < 0)
		fprintf(stderr, "fetch-grid: %s\n", e.text);
	return rc < 0;
}
