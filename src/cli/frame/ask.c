/* Lines that a person types on the terminal. */
#include "cli/frame/internal.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 4096

int cli_read_line(int fd, const char *what, const struct cancel *cancel, struct buf *out,
		  struct err *e)
{
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR) {
			int rc = cancel_check(cancel, e);
			if (rc < 0)
				return rc;
			continue;
		}
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", what);
		if (n == 0 && !out->len)
			return err_set(e, ERR_USAGE, "the input ended before %s", what);
		if (n == 0 || c == '\n')
			return 0;
		buf_add(out, &c, 1);
	}
}

bool cli_can_ask(const struct cli *cli)
{
	return !cli->json && !cli_progress_is_json(cli->report) && isatty(STDIN_FILENO);
}

int cli_ask(struct cli *cli, const char *question, struct buf *out, struct err *e)
{
	CLEANUP(file_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	CLEANUP(mem_free_ptr) char *prompt = mem_printf("%s: ", question);
	if (tty < 0)
		return err_set(e, ERR_USAGE, "there is no terminal to ask on");
	buf_init(out, ANSWER_MAX);
	int rc = file_write(tty, prompt, strlen(prompt), "the terminal", e);
	if (rc == 0)
		rc = cli_read_line(tty, "the answer", cli->cancel, out, e);
	struct err ignored = ERR_INIT;
	/* What follows starts on a line of its own. */
	if (rc < 0 && file_write(tty, "\n", 1, "the terminal", &ignored) < 0)
		return rc;
	return rc < 0 ? rc : buf_ok(out, "the answer", e);
}
