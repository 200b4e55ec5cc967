#include "util/cancel.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	if (asked) {
		signal(number, SIG_DFL);
		raise(number);
	}
	asked = number;
}

void cancel_install(void)
{
	/* No SA_RESTART: a blocking call returns, and its caller looks at the flag. */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigaction(SIGXFSZ, &act, NULL);
}

int cancel_signal(void)
{
	return asked;
}

int cancel_check(struct err *e)
{
	if (!asked)
		return 0;
	return err_set(e, ERR_CANCELLED, "stopped by signal %d (%s)", (int)asked,
		       strsignal(asked));
}

void cancel_reset_child(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}
