#include "screen.h"

#include "unit.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void screen_init(struct screen *s, size_t columns)
{
	*s = (struct screen){ .columns = columns };
}

static void clear(struct screen *s, size_t row, size_t column)
{
	for (; column < SCREEN_COLUMNS; column++)
		s->rows[row][column] = 0;
}

/* After ESC [ ; returns the bytes that belong to it. */
static size_t sequence(struct screen *s, const char *text)
{
	size_t len = strspn(text, "0123456789;");
	unsigned long count = strtoul(text, NULL, 10);
	if (text[len] == 'A') {
		assert_true(count <= s->row);
		s->row -= count;
	} else if (text[len] == 'm') {
		assert_true(len < sizeof s->colour);
		memcpy(s->colour, text, len);
		s->colour[len] = '\0';
	} else {
		assert_true(len == 0 && (text[len] == 'K' || text[len] == 'J'));
		clear(s, s->row, s->column);
		for (size_t row = s->row + 1; text[len] == 'J' && row < SCREEN_ROWS; row++)
			clear(s, row, 0);
	}
	return len + 1;
}

static size_t character(struct screen *s, const char *text, size_t len)
{
	wchar_t c;
	mbstate_t state = { 0 };
	size_t n = mbrtowc(&c, text, len, &state);
	assert_true(n > 0 && n <= len);
	int width = wcwidth(c);
	assert_true(width >= 0 && s->column + (size_t)width <= s->columns);
	if (width > 0)
		s->rows[s->row][s->column++] = (int)c;
	if (width == 2)
		s->rows[s->row][s->column++] = -1;
	return n;
}

void screen_write(struct screen *s, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *c = text + at;
		if (*c == '\r' || *c == '\n') {
			s->column = 0;
			s->row += *c == '\n';
			assert_true(s->row < SCREEN_ROWS);
			at++;
		} else if (*c == '\033') {
			assert_true(c[1] == '[');
			at += 2 + sequence(s, c + 2);
		} else {
			at += character(s, c, len - at);
		}
	}
}

static void add_row(struct buf *out, const int *row)
{
	size_t end = SCREEN_COLUMNS;
	while (end && !row[end - 1])
		end--;
	for (size_t i = 0; i < end; i++)
		if (row[i] >= 0)
			buf_addf(out, "%lc", (wint_t)(row[i] ? row[i] : ' '));
	while (out->len && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	buf_addc(out, '\n');
}

char *screen_text(const struct screen *s)
{
	struct buf out = BUF_INIT(MIB);
	size_t last = 0;
	for (size_t i = 0; i < SCREEN_ROWS; i++) {
		add_row(&out, s->rows[i]);
		if (out.len > 1 && out.data[out.len - 2] != '\n')
			last = out.len;
	}
	if (!out.data)
		return buf_steal(&out);
	out.data[last] = '\0';
	out.len = last;
	return buf_steal(&out);
}
