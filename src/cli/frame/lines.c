#include "cli/frame/lines.h"

#include "cli/frame/colour.h"
#include "cli/frame/output.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* The right part of a line, beside the name and the bar. */
enum column { PERCENT, AMOUNT, RATE, LAST, COLUMNS };

#define CELL_MAX 48

struct line {
	char *name;
	const struct cli_count *count; /* for a bar; or NULL */
	char cells[COLUMNS][CELL_MAX];
	enum cli_colour colour; /* of the last cell */
};

struct sheet {
	struct line at[LINES_MOST];
	size_t count;
	size_t widths[COLUMNS]; /* 0: the column is left out */
	size_t name, bar;
};

static void sheet_release(struct sheet *s)
{
	while (s->count)
		free(s->at[--s->count].name);
}

static struct line *add(struct sheet *s, const char *indent, const char *name)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name);
	struct line *l = &s->at[s->count++];
	*l = (struct line){ .name = mem_printf("%s%s", indent, shown) };
	return l;
}

/* ---- cells ------------------------------------------------------------------------ */

/* "1.2 of 2.6 GiB": in the unit of the total, so that it keeps its width. */
static void amount_of_bytes(char out[CELL_MAX], const struct cli_count *c)
{
	static const char units[] = "BKMGTPE";
	char total[SIZE_TEXT];
	format_size(total, c->total ? c->total : c->shown);
	const char *unit = strchr(total, ' ');
	const char *which = unit ? strchr(units, unit[1]) : NULL;
	if (!c->total || !which) {
		snprintf(out, CELL_MAX, "%s", total);
		return;
	}
	double size = (double)((uint64_t)1 << (10 * (which - units)));
	bool tenths = memchr(total, '.', (size_t)(unit - total));
	double most = (double)c->total / size, done = (double)c->shown / size;
	snprintf(out, CELL_MAX, "%.*f of %s", tenths, MIN(done, most), total);
}

static void amount_of_files(char out[CELL_MAX], const struct cli_count *c)
{
	if (c->total)
		snprintf(out, CELL_MAX, "%llu of %llu files", (unsigned long long)c->shown,
			 (unsigned long long)c->total);
	else
		snprintf(out, CELL_MAX, "%llu files", (unsigned long long)c->shown);
}

static void put_rate(char out[CELL_MAX], double rate, bool files)
{
	char size[SIZE_TEXT];
	if (rate >= 1 && files)
		snprintf(out, CELL_MAX, "%.0f/s", rate);
	else if (rate >= 1)
		snprintf(out, CELL_MAX, "%s/s", format_size(size, (uint64_t)rate));
}

static void put_gauge(char cells[COLUMNS][CELL_MAX], const struct cli_gauge *g, bool files)
{
	char left[DURATION_TEXT];
	const struct cli_count *c = &g->count;
	if (c->total)
		snprintf(cells[PERCENT], CELL_MAX, "%3u %%", cli_count_percent(c));
	if (files)
		amount_of_files(cells[AMOUNT], c);
	else
		amount_of_bytes(cells[AMOUNT], c);
	put_rate(cells[RATE], g->rate, files);
	if (cli_gauge_left_s(g))
		snprintf(cells[LAST], CELL_MAX, "ETA %s",
			 format_duration(left, cli_gauge_left_s(g)));
}

void cli_lines_describe(struct buf *out, const struct cli_gauge *g, bool files)
{
	char cells[COLUMNS][CELL_MAX] = { 0 };
	put_gauge(cells, g, files);
	for (size_t i = 0; i < COLUMNS; i++)
		if (*cells[i])
			buf_addf(out, "%s%s", out->len ? "  " : "", cells[i]);
}

void cli_lines_whole_name(struct buf *out, const struct cli_board *b)
{
	if (b->announced)
		buf_addf(out, "%zu of %zu files", MIN(b->ended, b->announced), b->announced);
	else
		buf_adds(out, "all");
}

/* ---- which lines ------------------------------------------------------------------ */

static void add_task(struct sheet *s, const struct cli_task *t)
{
	struct line *l = add(s, "", t->name);
	put_gauge(l->cells, &t->gauge, t->files);
	l->count = t->gauge.count.total ? &t->gauge.count : NULL;
}

static void add_source(struct sheet *s, const struct cli_board *b, const struct cli_source *source)
{
	char size[SIZE_TEXT];
	struct line *l = add(s, "  ", source->id);
	snprintf(l->cells[PERCENT], CELL_MAX, "%3u %%", cli_board_share(b, source));
	snprintf(l->cells[AMOUNT], CELL_MAX, "%s", format_size(size, source->gauge.count.shown));
	put_rate(l->cells[RATE], source->gauge.rate, false);
	snprintf(l->cells[LAST], CELL_MAX, "%s", source->state);
	l->colour = cli_colour_of_state(source->state);
}

static void add_whole(struct sheet *s, const struct cli_board *b)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT(KIB);
	cli_lines_whole_name(&name, b);
	struct line *l = add(s, "", buf_str(&name));
	put_gauge(l->cells, &b->whole, b->whole_files);
	l->count = b->whole.count.total ? &b->whole.count : NULL;
}

static void add_more(struct sheet *s, const char *indent, size_t count)
{
	char text[CELL_MAX];
	snprintf(text, sizeof text, "and %zu more", count);
	if (count)
		add(s, indent, text);
}

/* How many of `count` are shown in so many lines, the last of which says how many more there
 * are. */
static size_t shown(size_t count, size_t lines)
{
	return count <= lines ? count : lines ? lines - 1 : 0;
}

static bool is_used(const struct cli_source *s)
{
	return s->gauge.count.shown || s->state[0];
}

static size_t used_sources(const struct cli_board *b)
{
	size_t count = 0;
	for (size_t i = 0; i < b->source_count; i++)
		count += is_used(&b->sources[i]);
	return count;
}

static void add_sources(struct sheet *s, const struct cli_board *b, size_t lines)
{
	size_t used = used_sources(b), room = shown(used, lines), left = room;
	for (size_t i = 0; i < b->source_count && left; i++) {
		if (!is_used(&b->sources[i]))
			continue;
		add_source(s, b, &b->sources[i]);
		left--;
	}
	add_more(s, "  ", lines ? used - room : 0);
}

static void fill(struct sheet *s, const struct cli_board *b, size_t rows)
{
	size_t most = MIN(rows > 2 ? rows - 1 : 1, LINES_MOST);
	bool whole = cli_board_has_whole(b);
	size_t room = most - whole;
	size_t sources = MIN(used_sources(b),
			     b->count ? room - MIN(b->count, (room + 1) / 2) : room);
	size_t tasks = MIN(b->count, room - sources);
	/* What the tasks do not need. */
	sources = MIN(used_sources(b), room - tasks);
	size_t named = shown(b->count, tasks);
	for (size_t i = 0; i < named; i++)
		add_task(s, &b->tasks[i]);
	add_more(s, "", tasks ? b->count - named : 0);
	add_sources(s, b, sources);
	if (whole)
		add_whole(s, b);
}

/* ---- how wide --------------------------------------------------------------------- */

#define GAP 2
#define NAME_LEAST 14
#define NAME_BESIDE_BAR 14
#define BAR_LEAST 10
#define BAR_MOST 20
#define BAR_EDGES 2

static size_t right_width(const struct sheet *s)
{
	size_t width = 0;
	for (size_t i = 0; i < COLUMNS; i++)
		width += s->widths[i] ? s->widths[i] + GAP : 0;
	return width;
}

static bool has_bars(const struct sheet *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].count)
			return true;
	return false;
}

/* Room for what is not known yet, so that the columns stay where they are. */
static void reserve(struct sheet *s)
{
	if (has_bars(s)) {
		s->widths[RATE] = strlen("310 MiB/s");
		s->widths[LAST] = strlen("ETA 10s");
	}
}

static void measure(struct sheet *s)
{
	reserve(s);
	for (size_t i = 0; i < s->count; i++) {
		const struct line *l = &s->at[i];
		s->name = MAX(s->name, cli_width(l->name));
		for (size_t k = 0; k < COLUMNS; k++)
			s->widths[k] = MAX(s->widths[k], strlen(l->cells[k]));
	}
}

static void fit_bar(struct sheet *s, size_t room)
{
	static const size_t least = BAR_LEAST + BAR_EDGES + GAP;
	if (!has_bars(s))
		return;
	if (room >= s->name + least)
		s->bar = MIN(BAR_MOST, room - s->name - BAR_EDGES - GAP);
	else if (room < s->name && room >= NAME_BESIDE_BAR + least)
		s->bar = BAR_LEAST;
}

static void fit(struct sheet *s, size_t width)
{
	static const enum column less[] = { AMOUNT, RATE, LAST };
	size_t least = MIN(s->name, NAME_LEAST);
	for (size_t i = 0; i < ARRAY_LEN(less) && least + right_width(s) > width; i++)
		s->widths[less[i]] = 0;
	size_t room = width > right_width(s) ? width - right_width(s) : 0;
	fit_bar(s, room);
	room -= s->bar ? s->bar + BAR_EDGES + GAP : 0;
	/* Fewer columns of a name say nothing. */
	s->name = room >= MIN(s->name, 4) ? MIN(s->name, room) : 0;
}

/* ---- text ------------------------------------------------------------------------- */

struct writer {
	struct buf *out;
	size_t width; /* so far */
	size_t owed;  /* blanks before what comes next, so that no line ends with them */
	bool colour;
};

static void pay(struct writer *w)
{
	buf_addf(w->out, "%*s", (int)w->owed, "");
	w->width += w->owed;
	w->owed = 0;
}

static void put(struct writer *w, const char *text, enum cli_colour c)
{
	if (!*text)
		return;
	pay(w);
	buf_addf(w->out, "%s%s%s", cli_colour(w->colour, c), text, cli_colour_end(w->colour, c));
	w->width += cli_width(text);
}

static void put_name(struct writer *w, const struct sheet *s, const struct line *l)
{
	CLEANUP(mem_free_ptr) char *name = cli_cut(l->name, s->name);
	put(w, name, COLOUR_NONE);
	w->owed = s->name - MIN(s->name, w->width) + GAP;
}

static void put_bar(struct writer *w, const struct sheet *s, const struct line *l)
{
	const struct cli_count *c = l->count;
	if (!c) {
		w->owed += s->bar + BAR_EDGES + GAP;
		return;
	}
	size_t full = (size_t)((double)c->shown * (double)s->bar / (double)c->total);
	pay(w);
	buf_addf(w->out, "[%.*s%*s]", (int)full, "====================", (int)(s->bar - full), "");
	w->width += s->bar + BAR_EDGES;
	w->owed = GAP;
}

/* Numbers stand below each other. */
static void put_cells(struct writer *w, const struct sheet *s, const struct line *l)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t own = strlen(l->cells[i]), more = s->widths[i] - MIN(own, s->widths[i]);
		if (!s->widths[i])
			continue;
		w->owed += i == LAST ? 0 : more;
		put(w, l->cells[i], i == LAST ? l->colour : COLOUR_NONE);
		w->owed += GAP + (own ? 0 : s->widths[i] - more);
	}
}

static size_t write_line(struct buf *out, const struct sheet *s, const struct line *l, bool colour)
{
	struct writer w = { .out = out, .colour = colour };
	if (s->name)
		put_name(&w, s, l);
	if (s->bar)
		put_bar(&w, s, l);
	put_cells(&w, s, l);
	return w.width;
}

/* "waiting for the metadata of demo  4s" */
static void add_wait(const struct cli_board *b, size_t columns, struct str_list *lines,
		     size_t *width)
{
	char took[DURATION_TEXT];
	CLEANUP(mem_free_ptr) char *what = text_escaped(b->wait);
	CLEANUP(mem_free_ptr)
	char *line = mem_printf("waiting for %s  %s", what,
				format_duration(took, (uint64_t)(b->now_ms - b->wait_ms) / 1000));
	CLEANUP(mem_free_ptr) char *fits = cli_cut(line, columns);
	*width = cli_width(fits);
	str_list_add(lines, fits);
}

void cli_lines(const struct cli_board *b, const struct cli_screen *screen, struct str_list *lines,
	       size_t widths[LINES_MOST])
{
	CLEANUP(sheet_release) struct sheet s = { 0 };
	size_t columns = screen->columns > 3 ? screen->columns - 3 : 0;
	if (cli_board_waits(b, b->now_ms)) {
		add_wait(b, columns, lines, &widths[0]);
		return;
	}
	fill(&s, b, screen->rows);
	measure(&s);
	fit(&s, columns);
	for (size_t i = 0; i < s.count; i++) {
		CLEANUP(buf_release) struct buf line = BUF_INIT(4 * KIB);
		widths[i] = write_line(&line, &s, &s.at[i], screen->colour);
		str_list_add(lines, buf_str(&line));
	}
}
