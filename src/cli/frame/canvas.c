#include "cli/frame/canvas.h"

#include "cli/frame/internal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct cli_screen screen_of(const struct cli_canvas *c)
{
	struct winsize size;
	struct cli_screen s = { .columns = 80, .rows = 24, .colour = c->colour };
	if (ioctl(fileno(c->out), TIOCGWINSZ, &size) < 0)
		return s;
	s.columns = size.ws_col ? size.ws_col : s.columns;
	s.rows = size.ws_row ? size.ws_row : s.rows;
	return s;
}

/* A job of the background. */
static bool is_behind(const struct cli_canvas *c)
{
	pid_t group = tcgetpgrp(fileno(c->out));
	return group >= 0 && group != getpgrp();
}

/* While the process was stopped (Ctrl-Z), others have written below the lines. */
static bool is_lost(const struct cli_canvas *c)
{
	return !c->count || c->continued != cli_continued();
}

/* Rows above the cursor that the lines take now: a terminal that becomes narrower wraps them. */
static size_t rows_above(const struct cli_canvas *c, const struct cli_screen *s)
{
	size_t rows = 0;
	for (size_t i = 0; i < c->count; i++)
		rows += MAX((c->widths[i] + s->columns - 1) / s->columns, 1u);
	return rows ? MIN(rows, s->rows) - 1 : 0;
}

/* To the first column of the first line. */
static void move_back(struct buf *out, const struct cli_canvas *c, const struct cli_screen *s)
{
	size_t rows = rows_above(c, s);
	buf_addc(out, '\r');
	if (rows)
		buf_addf(out, "\033[%zuA", rows);
}

static void put_out(struct cli_canvas *c, const struct buf *out)
{
	fwrite(buf_str(out), 1, out->len, c->out);
	fflush(c->out);
}

void cli_canvas_erase(struct cli_canvas *c)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(KIB);
	struct cli_screen s = screen_of(c);
	if (!is_lost(c)) {
		move_back(&out, c, &s);
		buf_adds(&out, rows_above(c, &s) ? "\033[J" : "\033[K");
		put_out(c, &out);
	}
	c->count = 0;
}

static void write_frame(struct cli_canvas *c, const struct buf *text, size_t count)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	struct cli_screen s = screen_of(c);
	bool lost = is_lost(c);
	size_t above = rows_above(c, &s);
	if (lost)
		buf_addc(&out, '\r');
	else
		move_back(&out, c, &s);
	buf_add(&out, buf_str(text), text->len);
	if (!lost && above >= count)
		buf_adds(&out, "\033[J");
	put_out(c, &out);
}

void cli_canvas_draw(struct cli_canvas *c, const struct cli_board *b)
{
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct cli_screen s = screen_of(c);
	size_t widths[LINES_MOST] = { 0 };
	if (is_behind(c))
		return;
	cli_lines(b, &s, &lines, widths);
	for (size_t i = 0; i < lines.count; i++)
		buf_addf(&text, "%s%s\033[K", i ? "\n" : "", lines.at[i]);
	if (!is_lost(c) && !strcmp(buf_str(&text), buf_str(&c->text)))
		return;
	write_frame(c, &text, lines.count);
	memcpy(c->widths, widths, sizeof widths);
	c->count = lines.count;
	c->continued = cli_continued();
	buf_release(&c->text);
	c->text = text;
	text = (struct buf)BUF_INIT(0);
}

void cli_canvas_release(struct cli_canvas *c)
{
	buf_release(&c->text);
}
