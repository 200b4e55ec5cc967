#include "gguf/internal.h"

#include "util/file.h"
#include "util/mem.h"

#include <string.h>
#include <sys/stat.h>
#include <errno.h>

#define DEFAULT_WINDOW (64 * KIB)

static int read_fd(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	return file_pread(*(const int *)ctx, data, len, offset, "file", e);
}

int gguf_input_fd(struct gguf_input *out, const int *fd, const char *what, struct err *e)
{
	struct stat st;
	if (fstat(*fd, &st) < 0)
		return err_sys(e, errno, "cannot read %s", what);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SYSTEM, "%s is not a regular file", what);
	*out = (struct gguf_input){
		.read_at = read_fd,
		.ctx = (void *)(uintptr_t)fd,
		.size = (uint64_t)st.st_size,
	};
	return 0;
}

void cursor_init(struct cursor *c, const struct gguf_input *source)
{
	*c = (struct cursor){ .source = source, .end = MIN(source->size, GGUF_MAX_HEADER) };
	c->window_size = MAX(source->window ? source->window : DEFAULT_WINDOW,
			     (size_t)2 * CURSOR_PEEK);
	c->window = mem_alloc(c->window_size);
}

void cursor_release(struct cursor *c)
{
	free(c->window);
	sha256_free(c->sha);
	*c = (struct cursor){ 0 };
}

int cursor_need(const struct cursor *c, uint64_t len, struct err *e)
{
	if (len <= c->end - c->pos)
		return 0;
	if (c->end == GGUF_MAX_HEADER)
		return err_set(e, ERR_INTEGRITY, "the header is larger than %llu MiB",
			       (unsigned long long)(GGUF_MAX_HEADER / MIB));
	err_set(e, ERR_INTEGRITY,
		"it needs %llu bytes at offset %llu, but the file ends at %llu: truncated or "
		"damaged",
		(unsigned long long)len, (unsigned long long)c->pos, (unsigned long long)c->end);
	return err_hint(e, "download the file again");
}

static size_t in_window(const struct cursor *c)
{
	uint64_t used = c->pos - c->window_at;
	return used < c->window_len ? c->window_len - (size_t)used : 0;
}

static void hash_window(struct cursor *c)
{
	if (!c->hashing || c->pos == c->hashed_to)
		return;
	sha256_add(c->sha, c->window + (c->hashed_to - c->window_at),
		   (size_t)(c->pos - c->hashed_to));
	c->hashed_to = c->pos;
}

/* Ensures that at least `need` bytes from pos on are in the window. */
static int refill(struct cursor *c, size_t need, struct err *e)
{
	hash_window(c);
	size_t keep = in_window(c);
	if (keep)
		memmove(c->window, c->window + (c->pos - c->window_at), keep);
	c->window_at = c->pos;
	c->window_len = keep;
	size_t want = (size_t)MIN((uint64_t)c->window_size, c->end - c->pos);
	if (want < need)
		return cursor_need(c, need, e);
	int rc = c->source->read_at(c->source->ctx, c->pos + keep, c->window + keep, want - keep,
				    e);
	if (rc == 0)
		c->window_len = want;
	return rc;
}

int cursor_span(struct cursor *c, uint64_t len, const uint8_t **data, size_t *got, struct err *e)
{
	int rc = cursor_need(c, len, e);
	if (rc == 0 && in_window(c) == 0)
		rc = refill(c, 1, e);
	if (rc)
		return rc;
	*data = c->window + (c->pos - c->window_at);
	*got = (size_t)MIN((uint64_t)in_window(c), len);
	c->pos += *got;
	return 0;
}

int cursor_take(struct cursor *c, size_t len, const uint8_t **data, struct err *e)
{
	int rc = cursor_need(c, len, e);
	if (rc == 0 && in_window(c) < len)
		rc = refill(c, len, e);
	if (rc)
		return rc;
	*data = c->window + (c->pos - c->window_at);
	c->pos += len;
	return 0;
}

int cursor_read(struct cursor *c, void *out, size_t len, struct err *e)
{
	uint8_t *to = out;
	int rc = cursor_need(c, len, e);
	while (rc == 0 && len) {
		const uint8_t *data;
		size_t got;
		rc = cursor_span(c, len, &data, &got, e);
		if (rc)
			break;
		memcpy(to, data, got);
		to += got;
		len -= got;
	}
	return rc;
}

int cursor_u32(struct cursor *c, uint32_t *out, struct err *e)
{
	const uint8_t *p;
	int rc = cursor_take(c, 4, &p, e);
	if (rc == 0)
		*out = le32(p);
	return rc;
}

int cursor_u64(struct cursor *c, uint64_t *out, struct err *e)
{
	const uint8_t *p;
	int rc = cursor_take(c, 8, &p, e);
	if (rc == 0)
		*out = le64(p);
	return rc;
}

/* Bytes that were read before are not hashed: the window must contain pos. */
int cursor_hash_begin(struct cursor *c, struct err *e)
{
	if (!c->sha)
		c->sha = sha256_new();
	if (c->pos < c->end && in_window(c) == 0) {
		int rc = refill(c, 1, e);
		if (rc)
			return rc;
	}
	sha256_reset(c->sha);
	c->hashing = true;
	c->hashed_to = c->pos;
	return 0;
}

void cursor_hash_end(struct cursor *c, struct digest *out)
{
	hash_window(c);
	c->hashing = false;
	sha256_final(c->sha, out);
}
