#include "cli/frame/output.h"

#include "cli/frame/internal.h"
#include "util/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENT_MAX (256 * MIB)

json_t *cli_document(const struct cli *cli)
{
	json_t *document = json_object();
	json_put_string(document, "command", cli->name);
	return document;
}

json_t *cli_error_json(const struct err *e)
{
	return json_error(e);
}

int cli_result(struct cli *cli, json_t *document, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	if (cli->json) {
		struct err failed = ERR_INIT;
		if (e->class)
			json_put(document, "error", cli_error_json(e));
		if (json_pretty(document, &text, &failed) == 0) {
			CLEANUP(buf_release) struct buf shown = BUF_INIT(2 * DOCUMENT_MAX);
			text_escape_json(&shown, buf_str(&text), text.len);
			fwrite(buf_str(&shown), 1, shown.len, cli->out);
			cli->answered = true;
		} else if (!e->class) {
			*e = failed;
		}
	}
	return -(int)e->class;
}

void cli_aloud(struct cli *cli, bool aloud)
{
	cli->silent = cli->quiet && !aloud && !cli->asked;
}

static bool prints(const struct cli *cli)
{
	return !cli->json && !cli->silent;
}

/* The display makes room for the result, which may go to the same terminal. */
static void print(struct cli *cli, const char *text, const char *end)
{
	cli_progress_hold(cli->report);
	fprintf(cli->out, "%s%s", text, end);
	cli_progress_go_on(cli->report);
}

void cli_raw(struct cli *cli, const char *text)
{
	if (prints(cli))
		print(cli, text, "");
}

static void print_line(struct cli *cli, const char *text)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	print(cli, shown, "\n");
}

void cli_line(struct cli *cli, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	CLEANUP(mem_free_ptr) char *text = prints(cli) ? mem_vprintf(fmt, ap) : NULL;
	va_end(ap);
	if (text)
		print_line(cli, text);
}

void cli_prose(struct cli *cli, size_t indent, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	CLEANUP(mem_free_ptr) char *text = prints(cli) ? mem_vprintf(fmt, ap) : NULL;
	va_end(ap);
	if (!text)
		return;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(text);
	CLEANUP(mem_free_ptr) char *lines = cli_wrap(shown, cli_terminal_width(cli->out), indent);
	print(cli, lines, "\n");
}

void cli_say(struct cli *cli, const json_t *object, const char *template)
{
	if (!prints(cli))
		return;
	CLEANUP(mem_free_ptr) char *text = cli_fill(object, template);
	print_line(cli, text);
}

void cli_note(struct cli *cli, const json_t *object, const char *template)
{
	if (cli->json)
		return;
	CLEANUP(mem_free_ptr) char *text = cli_fill(object, template);
	report_note(cli->report, "%s", text);
}

void cli_path(struct cli *cli, const char *path)
{
	bool person = isatty(fileno(cli->out));
	CLEANUP(mem_free_ptr) char *shown = person ? text_escaped(path) : NULL;
	if (prints(cli))
		print(cli, shown ? shown : path, "\n");
}

/* Nobody reads it any more: `ferry list | head -1` has all that it wanted. */
static bool is_closed_pipe(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	return poll(&out, 1, 0) == 1 && out.revents & POLLERR;
}

int cli_flush(struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	if (errno == EPIPE || is_closed_pipe())
		return 0;
	err_sys(e, errno, "cannot write to standard output");
	return err_class_set(e, ERR_SYSTEM);
}
