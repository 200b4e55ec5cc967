#include "cli/frame/internal.h"

#include <signal.h>

/* The only mutable global of the project, because a signal handler can access nothing else. */
static struct cancel stop;

static void on_signal(int number)
{
	if (cancel_signal(&stop)) {
		signal(number, SIG_DFL);
		raise(number);
	}
	cancel_ask(&stop, number);
}

const struct cancel *cli_signals(void)
{
	/* No SA_RESTART: a blocking call returns, so that its caller can check the token. */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigaction(SIGXFSZ, &act, NULL);
	return &stop;
}
