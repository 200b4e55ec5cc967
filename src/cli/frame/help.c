/* Made from the option tables: --help and the option lists of man pages. */
#include "cli/frame/internal.h"

#include "util/mem.h"

#include <string.h>

static unsigned help_width(FILE *out)
{
	size_t columns = cli_terminal_width(out);
	return columns >= 40 ? (unsigned)MIN(columns, (size_t)100) : 80;
}

/* A paragraph, folded; "\n" in the text starts a new one. */
static void fold(FILE *out, const char *text, unsigned width)
{
	unsigned column = 0;
	while (*text) {
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
			text++;
			continue;
		}
		size_t word = strcspn(text, " \n");
		if (column && column + 1 + word > width) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "", (int)word, text);
		column += (unsigned)word + (column ? 1 : 0);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void man_name(FILE *out, const char *path)
{
	for (int words = 0; *path; path++) {
		if (*path == ' ' && ++words > 1)
			return;
		fputc(*path == ' ' ? '-' : *path, out);
	}
}

static void usage(FILE *out, const struct command *c, const char *path)
{
	fprintf(out, "%s - %s\n\nUsage:\n", path, c->summary);
	if (!c->synopsis && c->run)
		fprintf(out, "  %s [OPTION…]\n", path);
	if (c->subs)
		fprintf(out, "  %s COMMAND [OPTION…] …\n", path);
	for (const char *const *s = c->synopsis; s && *s; s++)
		fprintf(out, "  %s [OPTION…]%s%s\n", path, **s ? " " : "", *s);
}

void cli_help(FILE *out, const struct command *c, const char *path)
{
	unsigned width = help_width(out);
	usage(out, c, path);
	if (c->description) {
		fputc('\n', out);
		fold(out, c->description, width);
	}
	if (c->subs) {
		fputs("\nCommands:\n", out);
		for (const struct command *const *s = c->subs; *s; s++)
			fprintf(out, "  %-14s %s\n", (*s)->name, (*s)->summary);
	}
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	if (c->opts && c->opts[0].type != OPT_GROUP && c->opts[0].type != OPT_END)
		buf_adds(&text, "\nOptions:\n");
	opt_help(&text, c->opts, width);
	opt_help(&text, cli_common_opts, width);
	fputs(buf_str(&text), out);
	fputs("\nFor exit codes and details see: man ", out);
	man_name(out, path);
	fputc('\n', out);
}

/* ---- scdoc ---- */

static bool is_placeholder(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "--root FILE": options in bold, what a person puts in in italics. */
static void scdoc_form(struct buf *out, const char *form)
{
	while (*form) {
		size_t len = strspn(form, "-abcdefghijklmnopqrstuvwxyz0123456789");
		bool option = str_starts(form, "--");
		if (option) {
			buf_adds(out, "*");
			buf_add(out, form, len);
			buf_adds(out, "*");
		} else if (*form >= 'A' && *form <= 'Z') {
			for (len = 0; is_placeholder(form[len]);)
				len++;
			buf_adds(out, "_");
			buf_add(out, form, len);
			buf_adds(out, "_");
		} else {
			buf_addc(out, *form);
			len = 1;
		}
		form += len;
	}
}

static void scdoc_usage(struct buf *out, const struct command *c, const char *path, const char *end)
{
	if (!c->synopsis)
		buf_addf(out, "*%s* [_OPTION_…]%s", path, end);
	for (const char *const *s = c->synopsis; s && *s; s++) {
		buf_addf(out, "*%s* [_OPTION_…]%s", path, **s ? " " : "");
		scdoc_form(out, *s);
		buf_adds(out, end);
	}
}

/* Lines that are not filled, which end with "++". */
static void synopsis(struct buf *out, const struct command *c, const char *path)
{
	if (c->run)
		scdoc_usage(out, c, path, "++\n");
	for (const struct command *const *s = c->subs; s && *s; s++) {
		CLEANUP(mem_free_ptr) char *sub = mem_printf("%s %s", path, (*s)->name);
		synopsis(out, *s, sub);
	}
}

void cli_synopsis(FILE *out, const struct command *c)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *path = mem_printf("ferry %s", c->name);
	synopsis(&text, c, path);
	/* Not after the last line. */
	fwrite(buf_str(&text), 1, text.len - strlen("++\n"), out);
	fputc('\n', out);
}

static void scdoc_sub(struct buf *out, const struct command *c, const char *group)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s %s", group, c->name);
	buf_addf(out, "## %s\n\n", path);
	if (c->subs)
		buf_addf(out, "*%s* _COMMAND_ [_OPTION_…] …\n\n", path);
	else
		scdoc_usage(out, c, path, "\n\n");
	buf_addf(out, "%s\n\n", c->description ? c->description : c->summary);
	opt_scdoc(out, c->opts);
	for (const struct command *const *s = c->subs; s && *s; s++)
		scdoc_sub(out, *s, path);
}

void cli_scdoc(FILE *out, const struct command *c)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *path = mem_printf("ferry %s", c->name);
	if (c->run)
		opt_scdoc(&text, c->opts);
	for (const struct command *const *s = c->subs; s && *s; s++)
		scdoc_sub(&text, *s, path);
	opt_scdoc(&text, cli_common_opts);
	fputs(buf_str(&text), out);
}
