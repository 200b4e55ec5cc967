#include "serve/door.h"

#include "serve/accept.h"
#include "serve/client.h"
#include "serve/exchange.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A connection's memory for the headers of a request and those of its answer: more is answered with
 * 431 or 414. */
#define CONNECTION_MEMORY (13 * KIB / 2)
#define THREAD_STACK (512 * KIB)
#define MOST_THREADS 4 /* by default */
#define OTHER_FILES 256

#define MAX_THREADS 64

struct entrance {
	struct door *door;
	const struct serve_socket *socket;
	struct MHD_Daemon *daemons[MAX_THREADS]; /* each has one thread */
	size_t count;
	struct accept *accept;
	atomic_uint own;          /* connections */
	atomic_uint *connections; /* those that are limited together */
	atomic_uint begun;
};

struct door {
	struct edge *edge;
	struct exchange_lot lot;
	struct entrance at[SERVE_SOCKETS];
	size_t count;
	atomic_uint connections; /* of all entrances but that for administration */
	bool quiet;              /* it accepts no more */
	pthread_mutex_t lock;    /* of callers */
	struct exchange_caller *callers;
	atomic_ullong left_us; /* when the last connection ended */
};

/* ---- connections ---- */

static void describe(struct exchange_caller *c, const struct sockaddr *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (address && address->sa_family == AF_INET) {
		memcpy(c->bytes, mapped, sizeof mapped);
		memcpy(c->bytes + 12,
		       &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
	} else if (address && address->sa_family == AF_INET6) {
		memcpy(c->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
		       16);
	} else {
		memcpy(c->address, "unix", sizeof "unix");
		return;
	}
	serve_client_text(c->bytes, c->address);
}

static void arrive(struct entrance *n, struct MHD_Connection *connection, void **ctx)
{
	struct door *d = n->door;
	struct exchange_caller *c = NEW(struct exchange_caller);
	c->lot = &d->lot;
	c->trusted = n->socket->admin;
	c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	describe(c, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			    ->client_addr);
	c->idle_since_us = clock_now_us(d->edge->clock);
	exchange_count_caller(c);
	atomic_fetch_add(n->connections, 1);
	atomic_fetch_add(&n->begun, 1);
	atomic_fetch_add(&d->edge->counts.connections, 1);
	atomic_fetch_add(&d->edge->counts.accepted, 1);
	pthread_mutex_lock(&d->lock);
	c->next = d->callers;
	c->at = &d->callers;
	if (c->next)
		c->next->at = &c->next;
	d->callers = c;
	pthread_mutex_unlock(&d->lock);
	*ctx = c;
}

static void leave(struct entrance *n, void **ctx)
{
	struct door *d = n->door;
	struct exchange_caller *c = *ctx;
	*ctx = NULL;
	if (!c)
		return;
	pthread_mutex_lock(&d->lock);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	pthread_mutex_unlock(&d->lock);
	exchange_forget_caller(c);
	atomic_store(&d->left_us, clock_now_us(d->edge->clock));
	atomic_fetch_sub(&d->edge->counts.connections, 1);
	atomic_fetch_sub(n->connections, 1);
	free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **of_socket,
			  enum MHD_ConnectionNotificationCode what)
{
	struct entrance *n = ctx;
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		arrive(n, connection, of_socket);
	else
		leave(n, of_socket);
}

/* Its thread notices that it is shut down. The descriptor is still open: leave() is called before
 * it is closed. */
void door_sweep(struct door *d)
{
	uint64_t now_us = clock_now_us(d->edge->clock),
		 limit_us = d->edge->set->timeout_s * 1000000;
	pthread_mutex_lock(&d->lock);
	for (struct exchange_caller *c = d->callers; c; c = c->next) {
		uint64_t since_us = c->idle_since_us;
		if (since_us && since_us + limit_us < now_us)
			shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&d->lock);
}

/* What the kernel has not sent yet is thrown away: connecting to nowhere resets a connection
 * (tcp(7): AF_UNSPEC). */
static void cut(void *ctx, const struct cache_blob *b)
{
	struct door *d = ctx;
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	pthread_mutex_lock(&d->lock);
	for (struct exchange_caller *c = d->callers; c; c = c->next) {
		if (atomic_load(&c->sends) != b)
			continue;
		(void)connect(c->fd, &nowhere, sizeof nowhere);
		shutdown(c->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&d->lock);
}

uint64_t door_idle_ms(struct door *d)
{
	if (atomic_load(&d->edge->counts.connections))
		return 0;
	return (clock_now_us(d->edge->clock) - atomic_load(&d->left_us)) / 1000;
}

unsigned door_requesting(struct door *d)
{
	return atomic_load(&d->edge->counts.requesting);
}

/* ---- servers ---- */

static PRINTF_LIKE(2, 0) void on_log(void *ctx, const char *fmt, va_list ap)
{
	struct door *d = ctx;
	CLEANUP(mem_free_ptr) char *text = mem_vprintf(fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	report_detail(d->edge->report, "%s", text);
}

/* The path and the query stay as they were sent: what they mean is decided in one place
 * (route_path()). */
static size_t on_unescape(void *ctx, struct MHD_Connection *connection, char *text)
{
	(void)ctx;
	(void)connection;
	return strlen(text);
}

/* A connection has its socket, and perhaps a file. */
static unsigned most_connections(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 384;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 128;
	if (limit.rlim_cur <= 2 * OTHER_FILES)
		return (unsigned)MAX(limit.rlim_cur / 4, (rlim_t)16);
	return (unsigned)(MIN(limit.rlim_cur, (rlim_t)200000) - OTHER_FILES) / 2;
}

static unsigned threads_for(const struct edge *e, const struct serve_socket *s)
{
	if (s->admin)
		return 1;
	return e->set->threads ? e->set->threads : MIN(os_processors(), MOST_THREADS);
}

/* Connections are limited where they are accepted: a thread of libmicrohttpd 0.9.75 that gets one
 * more than its own limit waits for itself, for ever. */
static struct MHD_Daemon *start_daemon(struct entrance *n)
{
	struct door *d = n->door;
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
					MHD_USE_TURBO,
				0, NULL, NULL, exchange_handle, &d->lot, MHD_OPTION_EXTERNAL_LOGGER,
				on_log, d, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, &d->lot,
				MHD_OPTION_NOTIFY_COMPLETED, exchange_end, &d->lot,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, n,
				MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)d->edge->set->timeout_s,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,
				MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static int start(struct door *d, const struct serve_socket *s, struct err *e)
{
	struct entrance *n = &d->at[d->count++];
	unsigned threads = MIN(threads_for(d->edge, s), MAX_THREADS);
	unsigned most = most_connections() / (unsigned)(s->admin ? 16 : 1);
	n->door = d;
	n->socket = s;
	n->connections = s->admin ? &n->own : &d->connections;
	for (n->count = 0; n->count < threads; n->count++) {
		n->daemons[n->count] = start_daemon(n);
		if (!n->daemons[n->count])
			return err_sys(e, errno, "the server at %s cannot be started", s->shown);
	}
	const struct accept_options o = { .fd = s->fd,
					  .daemons = n->daemons,
					  .count = n->count,
					  .connections = n->connections,
					  .most = most,
					  .begun = &n->begun };
	return accept_begin(&o, &n->accept, e);
}

int door_open(struct edge *edge, const struct serve_sockets *sockets, struct door **out,
	      struct err *e)
{
	struct door *d = NEW(struct door);
	d->edge = edge;
	d->left_us = clock_now_us(edge->clock);
	pthread_mutex_init(&d->lock, NULL);
	exchange_lot_init(&d->lot, edge);
	int rc = cache_guard(edge->cache, cut, d, e);
	for (size_t i = 0; i < sockets->count && rc == 0; i++)
		rc = start(d, &sockets->at[i], e);
	if (rc < 0) {
		door_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

/* A socket of systemd's still takes connections, which the next edge answers. */
void door_quiesce(struct door *d)
{
	for (size_t i = 0; i < d->count && !d->quiet; i++) {
		accept_end(d->at[i].accept);
		if (d->at[i].socket->ours)
			shutdown(d->at[i].socket->fd, SHUT_RDWR);
	}
	d->quiet = true;
}

/* The server must not be stopped while a connection is suspended: those that wait for a worker are
 * resumed when that is ready. */
static void wait_for_parked(struct door *d)
{
	struct err ignored = ERR_INIT;
	while (exchange_lot_parked(&d->lot))
		if (clock_sleep_ms(NULL, 5, NULL, &ignored) < 0)
			err_clear(&ignored);
}

void door_close(struct door *d)
{
	if (!d)
		return;
	door_quiesce(d);
	exchange_lot_end(&d->lot);
	wait_for_parked(d);
	for (size_t i = 0; i < d->count; i++)
		for (size_t j = 0; j < d->at[i].count; j++)
			MHD_stop_daemon(d->at[i].daemons[j]);
	cache_unguard(d->edge->cache);
	exchange_lot_release(&d->lot);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
