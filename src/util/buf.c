#include "util/buf.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_release(struct buf *b)
{
	free(b->data);
	size_t max = b->max;
	buf_init(b, max);
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		mem_wipe(b->data, b->cap);
	buf_release(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data)
		b->data[0] = '\0';
}

void *buf_reserve(struct buf *b, size_t len)
{
	if (b->overflow || len > b->max - b->len) {
		b->overflow = true;
		return NULL;
	}
	size_t need = b->len + len + 1;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : 64;
		while (cap < need)
			cap *= 2;
		if (cap - 1 > b->max)
			cap = b->max + 1;
		b->data = mem_realloc(b->data, cap);
		b->cap = cap;
		/* Bytes that are reserved but not committed must not be visible as text. */
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	void *room = buf_reserve(b, len);
	if (!room)
		return;
	if (len)
		memcpy(room, data, len);
	buf_commit(b, len);
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	char most[256]; /* formats most texts at once; the C library is slow without room */
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(most, sizeof most, fmt, ap);
	va_end(ap);
	char *room = len < 0 ? NULL : buf_reserve(b, (size_t)len);
	if (room) {
		if ((size_t)len < sizeof most)
			memcpy(room, most, (size_t)len + 1);
		else
			vsnprintf(room, (size_t)len + 1, fmt, again);
		buf_commit(b, (size_t)len);
	}
	va_end(again);
}

int buf_ok(const struct buf *b, const char *what, struct err *e)
{
	if (!b->overflow)
		return 0;
	return err_set(e, ERR_INTEGRITY, "%s is larger than %zu bytes", what, b->max);
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b)
{
	char *data = b->data ? b->data : mem_strdup("");
	b->data = NULL;
	buf_release(b);
	return data;
}
