#include "hash/pieces.h"

#include "util/file.h"
#include "util/mem.h"

void pieces_init(struct pieces *p, const struct grid *grid, const struct digest *want,
		 const struct digest *sha256)
{
	*p = (struct pieces){ .grid = *grid, .want = want, .sha256 = sha256 };
	sha256_chain_init(&p->whole);
}

/* The check uses a copy of the whole file's hash, so that a wrong piece has no effect on it. */
void pieces_begin(const struct pieces *p, uint32_t index, struct pieces_check *out)
{
	*out = (struct pieces_check){
		.index = index,
		.left = grid_length(&p->grid, index),
		.of_piece = p->want,
		.of_whole = p->sha256 && index == p->next,
		.whole = p->whole,
	};
	sha256_chain_init(&out->piece);
}

size_t pieces_add(struct pieces_check *c, const void *data, size_t len)
{
	size_t n = (size_t)MIN(len, c->left);
	if (c->of_piece && c->of_whole)
		sha256_chain_add_both(&c->piece, &c->whole, data, n);
	else if (c->of_piece)
		sha256_chain_add(&c->piece, data, n);
	else if (c->of_whole)
		sha256_chain_add(&c->whole, data, n);
	c->left -= n;
	return n;
}

static bool chain_is(struct sha256_chain c, const struct digest *want)
{
	struct digest got;
	sha256_chain_final(&c, &got);
	return digest_equal(&got, want);
}

bool pieces_end(struct pieces *p, const struct pieces_check *c)
{
	if (c->left || (c->of_piece && !chain_is(c->piece, &p->want[c->index])))
		return false;
	/* Unless another check of this piece was faster. */
	if (c->of_whole && c->index == p->next) {
		p->whole = c->whole;
		p->next++;
	}
	return true;
}

int pieces_read(struct pieces *p, uint32_t index, int fd, const char *path,
		const struct cancel *cancel, bool *right, struct err *e)
{
	enum { CHUNK = 1 << 20 };
	struct pieces_check c;
	pieces_begin(p, index, &c);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(MIN(c.left, CHUNK));
	for (uint64_t at = grid_offset(&p->grid, index); c.left;) {
		size_t len = (size_t)MIN(c.left, CHUNK);
		int rc = cancel_check(cancel, e);
		if (rc == 0)
			rc = file_pread(fd, data, len, at, path, e);
		if (rc < 0)
			return rc;
		at += pieces_add(&c, data, len);
	}
	*right = pieces_end(p, &c);
	return 0;
}

bool pieces_are_whole(const struct pieces *p)
{
	return p->next == p->grid.count && chain_is(p->whole, p->sha256);
}
