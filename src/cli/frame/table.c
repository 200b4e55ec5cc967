#include "cli/frame/internal.h"

#include "util/mem.h"

#include <string.h>

json_t *cli_rows(const json_t *objects, const char *list, const char *member, const char *name)
{
	json_t *rows = json_array(), *object, *element;
	size_t i, k;
	json_array_foreach (objects, i, object)
		json_array_foreach (json_object_get(object, list), k, element) {
			json_t *row = json_copy(element);
			json_put(row, name, json_incref(json_object_get(object, member)));
			json_push(rows, row);
		}
	return rows;
}

struct table {
	const struct cli_column *columns;
	size_t width; /* number of columns */
	char **cells; /* rows * width */
	size_t count;
};

static void table_init(struct table *t, const json_t *rows, const struct cli_column *columns,
		       size_t width)
{
	size_t i;
	json_t *row;
	*t = (struct table){ .columns = columns, .width = width };
	t->cells = mem_alloc((json_array_size(rows) * width + 1) * sizeof *t->cells);
	json_array_foreach (rows, i, row)
		for (size_t k = 0; k < width; k++) {
			CLEANUP(mem_free_ptr) char *text = columns[k].cell
								   ? columns[k].cell(row)
								   : cli_fill(row, columns[k].text);
			t->cells[t->count++] = text_escaped(text ? text : "");
		}
}

static void table_release(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
}

static bool is_right(const struct table *t, size_t column)
{
	return t->columns[column].title[0] == '>';
}

static const char *title(const struct table *t, size_t column)
{
	return t->columns[column].title + is_right(t, column);
}

static size_t table_width(const struct table *t, const size_t *widths)
{
	size_t total = 0;
	for (size_t i = 0; i < t->width; i++)
		total += widths[i] ? widths[i] + 2 : 0;
	return total ? total - 2 : 0;
}

/* A width of 0 leaves a column out. */
static void measure(const struct table *t, bool terminal, size_t *widths)
{
	for (size_t i = 0; i < t->width; i++) {
		bool empty = terminal;
		widths[i] = terminal ? cli_width(title(t, i)) : 0;
		for (size_t k = i; k < t->count; k += t->width) {
			empty = empty && (!*t->cells[k] || strcmp(t->cells[k], "-") == 0);
			widths[i] = MAX(widths[i], cli_width(t->cells[k]));
		}
		if (empty)
			widths[i] = 0;
	}
}

static size_t last_column(const struct table *t, const size_t *widths)
{
	size_t last = t->width - 1;
	while (last > 0 && !widths[last])
		last--;
	return last;
}

/* ---- too wide for the terminal --------------------------------------------------- */

#define DIGEST_KEPT 12

/* A digest can be recognised by its start. */
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

/* Shortens a cell to `width` columns, keeping its two ends. */
static void cut_middle(char **cell, size_t width)
{
	const char *s = *cell, *head = s, *tail = s;
	size_t front = (width - 1) / 2;
	if (cli_width(s) <= width)
		return;
	for (size_t n = 1; n <= front; n++)
		while (is_inside(*++head))
			continue;
	while (is_inside(*tail) || cli_width(tail) > width - 1 - front)
		tail++;
	char *cut = mem_printf("%.*s…%s", (int)(head - s), s, tail);
	free(*cell);
	*cell = cut;
}

char *cli_shortened(const char *text, size_t width)
{
	char *s = text_escaped(text);
	shorten_digests(s);
	cut_middle(&s, width);
	return s;
}

/* The terminal wraps the last column, because it contains text that must be readable in full,
 * such as the reason for a failure. */
static void fit(struct table *t, size_t *widths, size_t room)
{
	static const size_t least = 30;
	if (table_width(t, widths) > room) {
		for (size_t k = 0; k < t->count; k++)
			shorten_digests(t->cells[k]);
		measure(t, true, widths);
	}
	size_t widest = 0, width = table_width(t, widths), last = last_column(t, widths);
	for (size_t i = 0; i < last; i++)
		if (!is_right(t, i) && widths[i] > widths[widest])
			widest = i;
	if (width <= room || widths[widest] <= least)
		return;
	size_t over = MIN(width - room, widths[widest] - least);
	for (size_t k = widest; k < t->count; k += t->width)
		cut_middle(&t->cells[k], widths[widest] - over);
	measure(t, true, widths);
}

/* ---- printing -------------------------------------------------------------------- */

/* row NULL: the titles. */
static void print_row(FILE *out, const struct table *t, char *const *row, const size_t *widths,
		      bool terminal)
{
	size_t last = last_column(t, widths);
	for (size_t i = 0; i <= last; i++) {
		const char *cell = row ? row[i] : title(t, i);
		int pad = (int)(widths[i] - MIN(widths[i], cli_width(cell)));
		if (!widths[i] && terminal)
			continue;
		if (is_right(t, i))
			fprintf(out, "%*s%s%s", pad, "", cell, i == last ? "" : "  ");
		else
			fprintf(out, "%s%*s", cell, i == last ? 0 : pad + 2, "");
	}
	fputc('\n', out);
}

void cli_table(struct cli *cli, const json_t *rows, const struct cli_column *columns, size_t count)
{
	size_t room = cli_terminal_width(cli->out);
	bool terminal = json_array_size(rows) && room;
	if (cli->json || cli->silent)
		return;
	cli_progress_hold(cli->report);
	CLEANUP(table_release) struct table t = { 0 };
	CLEANUP(mem_free_ptr) size_t *widths = mem_alloc(count * sizeof *widths);
	table_init(&t, rows, columns, count);
	measure(&t, terminal, widths);
	if (terminal) {
		fit(&t, widths, room);
		print_row(cli->out, &t, NULL, widths, true);
	}
	for (size_t k = 0; k < t.count; k += count)
		print_row(cli->out, &t, t.cells + k, widths, terminal);
	cli_progress_go_on(cli->report);
}
