#include "serve/accept.h"

#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 20   /* until it tries again, when it could take nothing */
#define BEGIN_MS 1000 /* the daemons are waited for at most so long */

struct accept {
	struct accept_options o;
	pthread_t thread;
	int wakes[2];
	size_t next; /* daemon */
	unsigned given;
};

/* A burst comes faster than the daemons begin it. */
static bool is_full(const struct accept *a)
{
	unsigned coming = a->given - atomic_load(a->o.begun);
	return atomic_load(a->o.connections) + coming >= a->o.most;
}

/* False: nothing can be taken for a while. */
static bool take(struct accept *a)
{
	struct sockaddr_storage address;
	unsigned len;
	if (is_full(a))
		return false;
	int fd = os_accept(a->o.fd, &address, &len);
	if (fd < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
	/* It closes the connection if that fails. */
	if (MHD_add_connection(a->o.daemons[a->next++ % a->o.count], fd,
			       (struct sockaddr *)&address, (socklen_t)len) == MHD_YES)
		a->given++;
	return true;
}

static void *take_all(void *ctx)
{
	struct accept *a = ctx;
	bool can = true;
	for (;;) {
		struct pollfd at[] = { { .fd = a->wakes[0], .events = POLLIN },
				       { .fd = a->o.fd, .events = POLLIN } };
		(void)poll(at, can ? 2 : 1, can ? -1 : PAUSE_MS);
		if (at[0].revents)
			return NULL;
		can = take(a);
	}
}

/* A daemon that is stopped before it has begun a connection closes it unanswered, and reads its
 * list of such connections without a lock (seen in libmicrohttpd 0.9.75). If it has no memory for
 * one, it never begins it: hence the limit of time. */
static void wait_until_begun(const struct accept *a)
{
	struct err ignored = ERR_INIT;
	for (int i = 0; i < BEGIN_MS && atomic_load(a->o.begun) != a->given; i++)
		if (clock_sleep_ms(NULL, 1, NULL, &ignored) < 0)
			err_clear(&ignored);
}

static void release(struct accept *a)
{
	file_close(&a->wakes[0]);
	file_close(&a->wakes[1]);
	free(a);
}

int accept_begin(const struct accept_options *o, struct accept **out, struct err *e)
{
	struct accept *a = NEW(struct accept);
	a->o = *o;
	a->wakes[0] = a->wakes[1] = -1;
	int sys = os_pipe(a->wakes) < 0 ? errno : pthread_create(&a->thread, NULL, take_all, a);
	if (sys) {
		release(a);
		return err_sys(e, sys, "a thread that accepts connections");
	}
	*out = a;
	return 0;
}

void accept_end(struct accept *a)
{
	if (!a)
		return;
	file_close(&a->wakes[1]);
	pthread_join(a->thread, NULL);
	wait_until_begun(a);
	release(a);
}
