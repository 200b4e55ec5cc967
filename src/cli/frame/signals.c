#include "cli/frame/internal.h"

#include <signal.h>
#include <stdatomic.h>

/* The only mutable globals of the project, because a signal handler can access nothing else. */
static struct cancel stop;
static atomic_uint continued;

static void on_signal(int number)
{
	if (cancel_signal(&stop)) {
		signal(number, SIG_DFL);
		raise(number);
	}
	cancel_ask(&stop, number);
}

static void on_continue(int number)
{
	(void)number;
	atomic_fetch_add(&continued, 1);
}

unsigned cli_continued(void)
{
	return atomic_load(&continued);
}

const struct cancel *cli_signals(void)
{
	/* No SA_RESTART: a blocking call returns, so that its caller can check the token. */
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = on_continue;
	act.sa_flags = SA_RESTART;
	sigaction(SIGCONT, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigaction(SIGXFSZ, &act, NULL);
	return &stop;
}
