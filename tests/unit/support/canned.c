#include "canned.h"

#include "unit.h"
#include "util/mem.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST (4 * 1024 * 1024)

struct canned_server {
	const struct canned *script;
	size_t count;
	atomic_size_t served;
	atomic_bool ending;
	int listening;
	unsigned port;
	char url[64];
	char complaint[4096];
	char *request;
	pthread_t thread;
};

static bool readable(struct canned_server *s, int fd)
{
	while (!s->ending) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 20) > 0)
			return true;
	}
	return false;
}

/* Reads one request, its body included; false at the end of the connection. */
static bool read_request(struct canned_server *s, int fd)
{
	size_t len = 0, want = 0;
	while (want == 0 || len < want) {
		if (!readable(s, fd) || len + 1 >= MAX_REQUEST)
			return false;
		ssize_t n = read(fd, s->request + len, MAX_REQUEST - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		s->request[len] = '\0';
		char *end = strstr(s->request, "\r\n\r\n");
		if (end && want == 0) {
			const char *body = strstr(s->request, "Content-Length: ");
			want = (size_t)(end + 4 - s->request) +
			       (body && body < end ? strtoul(body + 16, NULL, 10) : 0);
		}
	}
	return true;
}

static void judge(struct canned_server *s, const struct canned *c, size_t number)
{
	bool missing = c->want && !strstr(s->request, c->want);
	bool extra = c->forbid && strstr(s->request, c->forbid);
	if ((missing || extra) && !s->complaint[0])
		snprintf(s->complaint, sizeof s->complaint, "request %zu %s '%s':\n%.2000s", number,
			 missing ? "lacks" : "holds", missing ? c->want : c->forbid, s->request);
}

static void trickle(struct canned_server *s, int fd)
{
	while (!s->ending && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		usleep(100000);
}

/* False when the connection is over. */
static bool answer(struct canned_server *s, int fd)
{
	static const struct canned extra = {
		.reply = "HTTP/1.1 599 Unexpected\r\n"
			 "Content-Length: 0\r\n\r\n",
	};
	size_t number = s->served++;
	const struct canned *c = number < s->count ? &s->script[number] : &extra;
	judge(s, c, number);
	size_t len = c->len ? c->len : strlen(c->reply);
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, c->reply + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	if (c->then == CANNED_STALL)
		readable(s, fd);
	if (c->then == CANNED_TRICKLE)
		trickle(s, fd);
	return c->then == CANNED_KEEP;
}

static void *serve(void *ctx)
{
	struct canned_server *s = ctx;
	while (readable(s, s->listening)) {
		int fd = accept(s->listening, NULL, NULL);
		if (fd < 0)
			continue;
		while (read_request(s, fd) && answer(s, fd))
			;
		close(fd);
	}
	return NULL;
}

struct canned_server *canned_start(const struct canned *script, size_t count)
{
	struct canned_server *s = NEW(struct canned_server);
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof at;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->script = script;
	s->count = count;
	s->request = mem_alloc(MAX_REQUEST);
	s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listening < 0 || bind(s->listening, (struct sockaddr *)&at, sizeof at) < 0 ||
	    listen(s->listening, 8) < 0 ||
	    getsockname(s->listening, (struct sockaddr *)&at, &len) < 0)
		fail_msg("the canned server cannot listen");
	s->port = ntohs(at.sin_port);
	snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", s->port);
	if (pthread_create(&s->thread, NULL, serve, s) != 0)
		fail_msg("the canned server has no thread");
	return s;
}

const char *canned_url(const struct canned_server *s)
{
	return s->url;
}

unsigned canned_port(const struct canned_server *s)
{
	return s->port;
}

size_t canned_served(const struct canned_server *s)
{
	return s->served;
}

void canned_stop(struct canned_server *s)
{
	char complaint[4096];
	s->ending = true;
	pthread_join(s->thread, NULL);
	size_t served = s->served, count = s->count;
	memcpy(complaint, s->complaint, sizeof complaint);
	close(s->listening);
	free(s->request);
	free(s);
	if (complaint[0])
		fail_msg("%s", complaint);
	assert_int_equal(served, count);
}
