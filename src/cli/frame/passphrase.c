#include "cli/frame/internal.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024
#define ATTEMPTS 3

static int from_file(const char *path, struct buf *out, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(64 * KIB);
	int rc = file_read_named(path, &text, e);
	if (rc < 0) {
		err_context(e, "passphrase file");
		return err_class_set(e, ERR_USAGE);
	}
	encoding_to_utf8(&text);
	size_t len = strcspn(buf_str(&text), "\r\n");
	buf_add(out, buf_str(&text), len);
	return 0;
}

static int ask(int tty, const char *prompt, const struct cancel *cancel, struct buf *out,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) char *question = mem_printf("%s: ", prompt);
	struct termios kept, hidden;
	struct err ignored = ERR_INIT;
	if (tcgetattr(tty, &kept) < 0)
		return err_sys(e, errno, "the terminal");
	/* Before the question: nothing that is typed after it is shown or lost. */
	hidden = kept;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, TCSAFLUSH, &hidden);
	int rc = file_write(tty, question, strlen(question), "the terminal", e);
	if (rc == 0)
		rc = cli_read_line(tty, "the passphrase", cancel, out, e);
	tcsetattr(tty, TCSADRAIN, &kept);
	if (file_write(tty, "\n", 1, "the terminal", &ignored) < 0)
		return rc;
	return rc;
}

/* Asks twice. *fault: what is wrong with the answers, or NULL. */
static int ask_twice(int tty, const char *prompt, const struct cancel *cancel, struct buf *out,
		     const char **fault, struct err *e)
{
	CLEANUP(buf_wipe) struct buf again = BUF_INIT(PASSPHRASE_MAX);
	CLEANUP(mem_free_ptr) char *second = mem_printf("%s again", prompt);
	*fault = "the passphrase is empty";
	int rc = ask(tty, prompt, cancel, out, e);
	if (rc < 0 || !out->len)
		return rc;
	rc = ask(tty, second, cancel, &again, e);
	*fault = strcmp(buf_str(&again), buf_str(out)) != 0 ? "the two passphrases differ" : NULL;
	return rc;
}

static int ask_new(int tty, const char *prompt, const struct cancel *cancel, struct buf *out,
		   struct err *e)
{
	const char *fault;
	int rc = ask_twice(tty, prompt, cancel, out, &fault, e);
	for (int left = ATTEMPTS - 1; rc == 0 && fault && left > 0; left--) {
		CLEANUP(mem_free_ptr) char *text = mem_printf("%s; try again\n", fault);
		buf_wipe(out);
		buf_init(out, PASSPHRASE_MAX);
		rc = file_write(tty, text, strlen(text), "the terminal", e);
		if (rc == 0)
			rc = ask_twice(tty, prompt, cancel, out, &fault, e);
	}
	return rc == 0 && fault ? err_set(e, ERR_USAGE, "%s", fault) : rc;
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
	return confirm ? ask_new(tty, prompt, cancel, out, e) : ask(tty, prompt, cancel, out, e);
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
