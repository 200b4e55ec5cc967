/*
 * Many connections that ask for random parts of a file at once, and how long each waits for the
 * first byte of an answer: wrk, hey and h2load do not say.
 *
 *   first-byte URL --size BYTES [--length BYTES] [--connections N] [--seconds S] [--seed N]
 *
 * Prints {"requests", "bytes", "seconds", "bytes_per_second", "errors", "p50_ms", "p99_ms",
 * "max_ms", "read_p99_ms"}. An answer that is no 206, or is short, is an error.
 *
 * The first byte is there when the kernel has it (socket(7), SO_TIMESTAMP): many clients would not
 * share one thread that reads for all of them, so that the time until this one reads it, which
 * read_p99_ms has, is not the server's. Parts that followed at once may have moved the kernel's
 * time: what is measured is never too short.
 */
#include "util/base.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define CHUNK (256 * KIB)
#define MAX_SAMPLES 2000000

struct options {
	char host[64], path[1024];
	uint64_t port, size, length, connections, seconds, seed;
};

struct connection {
	int fd;
	bool connecting, in_body;
	uint64_t asked_us; /* on the wall clock, which the kernel uses, too */
	uint64_t left;     /* of the body */
	bool waiting;      /* for the first byte */
	char head[HEAD_MAX];
	size_t head_len;
};

struct run {
	const struct options *o;
	struct sockaddr_in address;
	int epoll;
	uint64_t random, requests, bytes, errors;
	uint32_t *samples_us, *reads_us;
	size_t samples;
	char *chunk;
};

/* xorshift64*, https://en.wikipedia.org/wiki/Xorshift */
static uint64_t next_random(struct run *r)
{
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return r->random * 0x2545F4914F6CDD1DULL;
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void open_connection(struct run *r, struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct connection){ .connecting = true };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&r->address, sizeof r->address) < 0 &&
			  errno != EINPROGRESS)) {
		fprintf(stderr, "first-byte: %s\n", strerror(errno));
		exit(1);
	}
	if (setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMP, &(int){ 1 }, sizeof(int)) < 0)
		exit(1);
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = c };
	epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

static void fail(struct run *r, struct connection *c)
{
	r->errors++;
	open_connection(r, c);
}

static void ask(struct run *r, struct connection *c)
{
	const struct options *o = r->o;
	char text[2048];
	uint64_t first = next_random(r) % (o->size - o->length + 1);
	int len = snprintf(text, sizeof text,
			   "GET %s HTTP/1.1\r\nHost: %s:%llu\r\nRange: bytes=%llu-%llu\r\n\r\n",
			   o->path, o->host, (unsigned long long)o->port, (unsigned long long)first,
			   (unsigned long long)(first + o->length - 1));
	c->in_body = false;
	c->head_len = 0;
	c->waiting = true;
	c->asked_us = now_us();
	if (send(c->fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		fail(r, c);
}

static uint32_t since(const struct connection *c, uint64_t us)
{
	return (uint32_t)MIN(us > c->asked_us ? us - c->asked_us : 0, (uint64_t)UINT32_MAX);
}

static void got_first(struct run *r, struct connection *c, uint64_t arrived_us)
{
	c->waiting = false;
	if (r->samples == MAX_SAMPLES)
		return;
	r->reads_us[r->samples] = since(c, now_us());
	r->samples_us[r->samples++] = since(c, arrived_us);
}

/* recv(), and when the last of it came. */
static ssize_t receive(struct run *r, const struct connection *c, size_t len, uint64_t *arrived_us)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct timeval))];
		struct cmsghdr align;
	} control;
	struct iovec part = { r->chunk, len };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	ssize_t got = recvmsg(c->fd, &m, 0);
	const struct cmsghdr *h = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	struct timeval t;
	*arrived_us = now_us();
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMP) {
		memcpy(&t, CMSG_DATA(h), sizeof t);
		*arrived_us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
	}
	return got;
}

/* How many bytes of these belong to the body; -1: a wrong answer; 0 also: the head goes on. */
static ssize_t take_head(struct run *r, struct connection *c, const char *data, size_t len)
{
	size_t before = c->head_len, room = sizeof c->head - 1 - before;
	size_t copied = MIN(room, len);
	memcpy(c->head + before, data, copied);
	c->head_len += copied;
	c->head[c->head_len] = '\0';
	const char *end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_len == sizeof c->head - 1 ? -1 : 0;
	if (strncmp(c->head, "HTTP/1.1 206 ", 13) != 0)
		return -1;
	c->in_body = true;
	c->left = r->o->length;
	return (ssize_t)(len - ((size_t)(end + 4 - c->head) - before));
}

static void take(struct run *r, struct connection *c, const char *data, size_t len)
{
	if (!c->in_body) {
		ssize_t body = take_head(r, c, data, len);
		if (body < 0) {
			fail(r, c);
			return;
		}
		len = (size_t)body;
	}
	if (len > c->left && c->in_body) {
		fail(r, c);
		return;
	}
	c->left -= c->in_body ? len : 0;
	r->bytes += len;
	if (c->in_body && c->left == 0) {
		r->requests++;
		ask(r, c);
	}
}

static void on_event(struct run *r, struct connection *c, uint32_t events)
{
	if (c->connecting && (events & (EPOLLOUT | EPOLLERR))) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
		c->connecting = false;
		epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &ev);
		ask(r, c);
	}
	/* One read each time, so that no connection waits long for others; the first is of one
	 * byte, whose time it tells. */
	uint64_t arrived_us;
	ssize_t got = receive(r, c, c->waiting ? 1 : CHUNK, &arrived_us);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		fail(r, c);
		return;
	}
	if (c->waiting)
		got_first(r, c, arrived_us);
	take(r, c, r->chunk, (size_t)got);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double percentile(const struct run *r, const uint32_t *us, double part)
{
	return r->samples ? us[(size_t)((double)(r->samples - 1) * part)] / 1e3 : 0;
}

static void print(struct run *r, double seconds)
{
	qsort(r->samples_us, r->samples, sizeof *r->samples_us, compare);
	qsort(r->reads_us, r->samples, sizeof *r->reads_us, compare);
	printf("{\"requests\": %llu, \"bytes\": %llu, \"seconds\": %.2f, "
	       "\"bytes_per_second\": %.0f, \"errors\": %llu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
	       "\"max_ms\": %.2f, \"read_p99_ms\": %.2f}\n",
	       (unsigned long long)r->requests, (unsigned long long)r->bytes, seconds,
	       (double)r->bytes / seconds, (unsigned long long)r->errors,
	       percentile(r, r->samples_us, 0.5), percentile(r, r->samples_us, 0.99),
	       percentile(r, r->samples_us, 1), percentile(r, r->reads_us, 0.99));
}

static void run(struct run *r)
{
	const struct options *o = r->o;
	struct connection *all = mem_alloc(o->connections * sizeof *all);
	struct epoll_event events[64];
	uint64_t start_us = clock_now_us(NULL), end_us = start_us + o->seconds * 1000000;
	for (size_t i = 0; i < o->connections; i++) {
		all[i].fd = -1;
		open_connection(r, &all[i]);
	}
	while (clock_now_us(NULL) < end_us) {
		int count = epoll_wait(r->epoll, events, ARRAY_LEN(events), 100);
		for (int i = 0; i < count; i++)
			on_event(r, events[i].data.ptr, events[i].events);
	}
	print(r, (double)(clock_now_us(NULL) - start_us) / 1e6);
	free(all);
}

static bool read_url(const char *url, struct options *o)
{
	unsigned port = 80;
	if (sscanf(url, "http://%63[^:/]:%u%1023s", o->host, &port, o->path) != 3)
		return false;
	o->port = port;
	return true;
}

int main(int argc, char **argv)
{
	static struct options o = {
		.length = 8 * MIB, .connections = 1000, .seconds = 60, .seed = 1
	};
	const struct {
		const char *name;
		uint64_t *out;
	} all[] = { { "--size", &o.size },
		    { "--length", &o.length },
		    { "--connections", &o.connections },
		    { "--seconds", &o.seconds },
		    { "--seed", &o.seed } };
	bool ok = argc > 1 && read_url(argv[1], &o);
	for (int i = 2; ok && i + 1 < argc; i += 2) {
		bool known = false;
		for (size_t j = 0; j < ARRAY_LEN(all); j++)
			if (strcmp(argv[i], all[j].name) == 0)
				known = parse_u64(argv[i + 1], all[j].out);
		ok = known;
	}
	if (!ok || o.size < o.length || o.connections > 100000 || o.seed == 0) {
		fputs("usage: first-byte http://ADDRESS:PORT/PATH --size BYTES [--length BYTES] "
		      "[--connections N] [--seconds S] [--seed N]\n",
		      stderr);
		return 2;
	}
	struct run r = { .o = &o, .epoll = epoll_create1(EPOLL_CLOEXEC), .random = o.seed };
	r.address.sin_family = AF_INET;
	r.address.sin_port = htons((uint16_t)o.port);
	if (inet_pton(AF_INET, o.host, &r.address.sin_addr) != 1)
		return 2;
	r.samples_us = mem_alloc(MAX_SAMPLES * sizeof *r.samples_us);
	r.reads_us = mem_alloc(MAX_SAMPLES * sizeof *r.reads_us);
	r.chunk = mem_alloc(CHUNK);
	run(&r);
	free(r.samples_us);
	free(r.reads_us);
	free(r.chunk);
	close(r.epoll);
	return r.errors ? 1 : 0;
}
