#include "cli/frame/internal.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024

static int from_file(const char *path, struct buf *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(64 * KIB);
	int rc = file_read_named(path, &text, e);
	if (rc < 0) {
		err_context(e, "passphrase file");
		return err_class_set(e, ERR_USAGE);
	}
	size_t len = strcspn(buf_str(&text), "\r\n");
	buf_add(out, buf_str(&text), len);
	return 0;
}

static int ask(int tty, const char *prompt, const struct cancel *cancel, struct buf *out,
	       struct err *e)
{
	struct termios kept, hidden;
	if (tcgetattr(tty, &kept) < 0)
		return err_sys(e, errno, "the terminal");
	int rc = file_write(tty, prompt, strlen(prompt), "the terminal", e);
	if (rc == 0)
		rc = file_write(tty, ": ", 2, "the terminal", e);
	if (rc < 0)
		return rc;
	hidden = kept;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, TCSAFLUSH, &hidden);
	rc = cli_read_line(tty, "the passphrase", cancel, out, e);
	tcsetattr(tty, TCSAFLUSH, &kept);
	struct err ignored = ERR_INIT;
	if (file_write(tty, "\n", 1, "the terminal", &ignored) < 0)
		return rc;
	return rc;
}

static int from_terminal(const char *prompt, bool confirm, const struct cancel *cancel,
			 struct buf *out, struct err *e)
{
	CLEANUP(file_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		err_set(e, ERR_USAGE,
			"a passphrase is needed, but there is no terminal to prompt on");
		return err_hint(e, "set FERRY_PASSPHRASE, or use --passphrase-file FILE");
	}
	int rc = ask(tty, prompt, cancel, out, e);
	if (rc < 0 || !confirm)
		return rc;
	CLEANUP(buf_wipe) struct buf again = BUF_INIT(PASSPHRASE_MAX);
	CLEANUP(mem_free_ptr) char *second = mem_printf("%s again", prompt);
	rc = ask(tty, second, cancel, &again, e);
	if (rc == 0 && strcmp(buf_str(&again), buf_str(out)) != 0)
		rc = err_set(e, ERR_USAGE, "the two passphrases differ");
	return rc;
}

int cli_passphrase(struct cli *cli, const char *path, const char *prompt, bool confirm,
		   struct buf *out, struct err *e)
{
	buf_init(out, PASSPHRASE_MAX);
	const char *set = getenv("FERRY_PASSPHRASE");
	int rc = 0;
	if (path)
		rc = from_file(path, out, e);
	else if (set)
		buf_adds(out, set);
	else
		rc = from_terminal(prompt, confirm, cli->cancel, out, e);
	if (rc == 0 && out->overflow)
		rc = err_set(e, ERR_USAGE, "the passphrase is longer than %d bytes",
			     PASSPHRASE_MAX);
	if (rc < 0)
		buf_wipe(out);
	return rc;
}
