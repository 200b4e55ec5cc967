#include "util/cancel.h"

#include <stdatomic.h>
#include <string.h>

void cancel_ask(struct cancel *c, int signal)
{
	atomic_store(&c->signal, signal);
}

int cancel_signal(const struct cancel *c)
{
	int signal = 0;
	for (; c && !signal; c = c->also) {
		signal = atomic_load(&c->signal);
		if (!signal && c->asks)
			signal = c->asks(c->ctx);
	}
	return signal;
}

int cancel_check(const struct cancel *c, struct err *e)
{
	int signal = cancel_signal(c);
	if (!signal)
		return 0;
	err_set(e, ERR_CANCELLED, "stopped by signal %d (%s)", signal, strsignal(signal));
	if (e->class == ERR_CANCELLED)
		e->sys = signal;
	return -(int)e->class;
}
