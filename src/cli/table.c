#include "cli/cli.h"

#include "util/mem.h"

#include <string.h>
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

static void print_row(struct cli *cli, const struct cli_table *t, char *const *row,
		      const size_t *widths, bool header)
{
	for (size_t i = 0; i < t->columns; i++) {
		bool right = t->titles[i][0] == '>';
		const char *cell = row[i] + (header && right);
		size_t pad = widths[i] - shown_width(cell);
		bool last = i + 1 == t->columns;
		if (right)
			cli_print(cli, "%*s%s%s", (int)pad, "", cell, last ? "" : "  ");
		else if (last)
			cli_print(cli, "%s", cell);
		else
			cli_print(cli, "%s%*s", cell, (int)pad + 2, "");
	}
	cli_print(cli, "\n");
}

void cli_table_print(struct cli *cli, struct cli_table *t)
{
	size_t *widths = mem_alloc(t->columns * sizeof *widths);
	size_t rows = t->count / t->columns;
	bool header = rows && isatty(fileno(cli->out));
	for (size_t i = 0; i < t->columns; i++) {
		if (header)
			widths[i] = shown_width(t->titles[i] + (t->titles[i][0] == '>'));
		for (size_t r = 0; r < rows; r++)
			widths[i] = MAX(widths[i], shown_width(t->cells[r * t->columns + i]));
	}
	if (header)
		print_row(cli, t, t->titles, widths, true);
	for (size_t r = 0; r < rows; r++)
		print_row(cli, t, t->cells + r * t->columns, widths, false);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	for (size_t i = 0; i < t->columns; i++)
		free(t->titles[i]);
	free(t->cells);
	free(t->titles);
	free(widths);
	free(t);
}
