#include "cli/frame/cli.h"
#include <stdarg.h>

#include "util/mem.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

struct cli_table {
	size_t columns;
	char **titles;
	char **cells;           /* rows * columns */
	size_t count, cap;
};

struct cli_table *cli_table_new(const char *const *titles, size_t columns)
{
	struct cli_table *t = NEW(struct cli_table);
	t->columns = columns;
	t->titles = mem_alloc(columns * sizeof *t->titles);
	for (size_t i = 0; i < columns; i++)
		t->titles[i] = mem_strdup(titles[i]);
	return t;
}

void cli_table_add(struct cli_table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->columns; i++) {
		t->cells = mem_grow(t->cells, t->count, &t->cap, sizeof *t->cells);
		t->cells[t->count++] = text_escaped(cells[i] ? cells[i] : "");
	}
}

/* Columns on a terminal; bytes where the text is not in the locale's encoding. */
static size_t shown_width(const char *s)
{
	size_t width = 0, len = strlen(s);
	mbstate_t state = { 0 };
	while (len) {
		wchar_t c;
		size_t n = mbrtowc(&c, s, len, &state);
		if (n == 0 || n > len)
			return width + len;
		int w = wcwidth(c);
		width += w > 0 ? (size_t)w : 0;
		s += n;
		len -= n;
	}
	return width;
}

static size_t table_width(const struct cli_table *t, const size_t *widths)
{
	size_t total = 0;
	for (size_t i = 0; i < t->columns; i++)
		total += widths[i] ? widths[i] + 2 : 0;
	return total ? total - 2 : 0;
}

/* A width of 0 leaves a column out. */
static void measure(const struct cli_table *t, bool terminal, size_t *widths)
{
	for (size_t i = 0; i < t->columns; i++) {
		bool empty = terminal;
		widths[i] = terminal ? shown_width(t->titles[i] + (t->titles[i][0] == '>')) : 0;
		for (size_t k = i; k < t->count; k += t->columns) {
			empty = empty && (!*t->cells[k] || strcmp(t->cells[k], "-") == 0);
			widths[i] = MAX(widths[i], shown_width(t->cells[k]));
		}
		if (empty)
			widths[i] = 0;
	}
}

static size_t last_column(const struct cli_table *t, const size_t *widths)
{
	size_t last = t->columns - 1;
	while (last > 0 && !widths[last])
		last--;
	return last;
}

/* ---- too wide for the terminal --------------------------------------------------- */

#define DIGEST_KEPT 12

/* A digest is known by its beginning. */
static void shorten_digests(char *s)
{
	static const char dots[] = "…";
	while (*s) {
		size_t hex = strspn(s, "0123456789abcdef");
		if (hex == 64) {
			memcpy(s + DIGEST_KEPT, dots, sizeof dots - 1);
			memmove(s + DIGEST_KEPT + sizeof dots - 1, s + hex, strlen(s + hex) + 1);
			hex = DIGEST_KEPT;
		}
		s += hex ? hex : 1;
	}
}

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Leaves `width` columns of a cell: its two ends, which tell the most. */
static void cut_middle(char **cell, size_t width)
{
	const char *s = *cell, *head = s, *tail = s;
	size_t front = (width - 1) / 2;
	if (shown_width(s) <= width)
		return;
	for (size_t n = 1; n <= front; n++)
		while (is_inside(*++head))
			continue;
	while (is_inside(*tail) || shown_width(tail) > width - 1 - front)
		tail++;
	char *cut = mem_printf("%.*s…%s", (int)(head - s), s, tail);
	free(*cell);
	*cell = cut;
}

/* The last column is left to the terminal, which folds it: it holds what a person must
 * be able to read in full, such as the reason of a failure. */
static void fit(struct cli_table *t, size_t *widths, size_t room)
{
	static const size_t least = 30;
	if (table_width(t, widths) > room) {
		for (size_t k = 0; k < t->count; k++)
			shorten_digests(t->cells[k]);
		measure(t, true, widths);
	}
	size_t widest = 0, width = table_width(t, widths), last = last_column(t, widths);
	for (size_t i = 0; i < last; i++)
		if (t->titles[i][0] != '>' && widths[i] > widths[widest])
			widest = i;
	if (width <= room || widths[widest] <= least)
		return;
	size_t over = MIN(width - room, widths[widest] - least);
	for (size_t k = widest; k < t->count; k += t->columns)
		cut_middle(&t->cells[k], widths[widest] - over);
	measure(t, true, widths);
}

/* ---- printing -------------------------------------------------------------------- */

static void print_row(struct cli *cli, const struct cli_table *t, char *const *row,
		      const size_t *widths, bool terminal)
{
	size_t last = last_column(t, widths);
	for (size_t i = 0; i <= last; i++) {
		bool right = t->titles[i][0] == '>';
		const char *cell = row[i] + (row == t->titles && right);
		size_t pad = widths[i] - MIN(widths[i], shown_width(cell));
		if (!widths[i] && terminal)
			continue;
		if (right)
			cli_print(cli, "%*s%s%s", (int)pad, "", cell, i == last ? "" : "  ");
		else if (i == last)
			cli_print(cli, "%s", cell);
		else
			cli_print(cli, "%s%*s", cell, (int)pad + 2, "");
	}
	cli_print(cli, "\n");
}

void cli_table_print(struct cli *cli, struct cli_table *t)
{
	size_t *widths = mem_alloc(t->columns * sizeof *widths);
	size_t rows = t->count / t->columns, room = cli_terminal_width(cli->out);
	bool terminal = rows && room;
	measure(t, terminal, widths);
	if (terminal) {
		fit(t, widths, room);
		print_row(cli, t, t->titles, widths, true);
	}
	for (size_t r = 0; r < rows; r++)
		print_row(cli, t, t->cells + r * t->columns, widths, terminal);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	for (size_t i = 0; i < t->columns; i++)
		free(t->titles[i]);
	free(t->cells);
	free(t->titles);
	free(widths);
	free(t);
}

void cli_print(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(cli->out, fmt, ap);
	va_end(ap);
}

void cli_print_line(struct cli *cli, const char *fmt, ...)
{
	char *plain = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&plain, fmt, ap);
	va_end(ap);
	CLEANUP(mem_free_ptr) char *shown = len < 0 ? NULL : text_escaped(plain);
	free(plain);
	fprintf(cli->out, "%s\n", shown ? shown : "");
}

int cli_print_json(struct cli *cli, json_t *document, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(256 * MIB);
	int rc = json_pretty(document, &text, e);
	json_decref(document);
	if (rc == 0)
		fwrite(text.data, 1, text.len, cli->out);
	return rc;
}
