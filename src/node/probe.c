#include "node/probe.h"

#include "serve/socket.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MS 2000
#define TICK_MS 200

/* ---- the request ---- */

/* The word at *at, which ends with the blank. False if there is none in the line. */
static bool word(const char **at, const char *end, const char **out, size_t *len)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at));
	if (!blank || blank == *at)
		return false;
	*out = *at;
	*len = (size_t)(blank - *at);
	*at = blank + 1;
	return true;
}

static bool is(const char *text, size_t len, const char *wanted)
{
	return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

unsigned node_probe_parse(const char *data, size_t len, struct node_probe_request *out)
{
	const char *end = len ? memchr(data, '\r', len) : NULL, *method, *target;
	size_t method_len, target_len;
	*out = (struct node_probe_request){ 0 };
	if (!end || !word(&data, end, &method, &method_len) ||
	    !word(&data, end, &target, &target_len) || target[0] != '/' ||
	    (!is(data, (size_t)(end - data), "HTTP/1.1") &&
	     !is(data, (size_t)(end - data), "HTTP/1.0")))
		return 400;
	out->head = is(method, method_len, "HEAD");
	if (!out->head && !is(method, method_len, "GET"))
		return 405;
	const char *query = memchr(target, '?', target_len);
	size_t path_len = query ? (size_t)(query - target) : target_len;
	if (path_len > NODE_PROBE_PATH || memchr(target, '\0', path_len))
		return 404;
	memcpy(out->path, target, path_len);
	return 0;
}

/* ---- one connection ---- */

struct connection {
	int fd;
	uint64_t end_ms;
};

static bool wait_for(const struct connection *c, short what)
{
	struct pollfd p = { .fd = c->fd, .events = what };
	uint64_t now_ms = clock_now_ms(NULL);
	int rc;
	do
		rc = now_ms < c->end_ms ? poll(&p, 1, (int)(c->end_ms - now_ms)) : 0;
	while (rc < 0 && errno == EINTR);
	return rc > 0;
}

/* Up to the empty line. 0: it did not come, or is too long. */
static size_t receive(const struct connection *c, char head[NODE_PROBE_HEAD + 1])
{
	size_t len = 0;
	while (len < NODE_PROBE_HEAD && wait_for(c, POLLIN)) {
		ssize_t n = recv(c->fd, head + len, NODE_PROBE_HEAD - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return 0;
		len += (size_t)n;
		head[len] = '\0';
		if (strstr(head, "\r\n\r\n"))
			return len;
	}
	return 0;
}

static void send_all(const struct connection *c, const void *data, size_t len)
{
	const char *at = data;
	while (len && wait_for(c, POLLOUT)) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		at += n;
		len -= (size_t)n;
	}
}

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

static void answer(const struct connection *c, const struct node_probe_answer *a, bool head)
{
	CLEANUP(mem_free_ptr)
	char *line = mem_printf("HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
				"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
				"%sConnection: close\r\n\r\n",
				a->status, reason_of(a->status), a->type, a->body.len,
				a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	send_all(c, line, strlen(line));
	if (!head)
		send_all(c, a->body.data, a->body.len);
	shutdown(c->fd, SHUT_WR);
}

static int converse(const struct connection *c, node_probe_fn *fn, void *ctx, struct err *e)
{
	char head[NODE_PROBE_HEAD + 1];
	struct node_probe_request q;
	struct node_probe_answer a = { .type = "text/plain; charset=utf-8",
				       .body = BUF_INIT(NODE_PROBE_BODY) };
	size_t len = receive(c, head);
	int rc = 0;
	if (!len)
		return 0;
	a.status = node_probe_parse(head, len, &q);
	if (!a.status) {
		a.status = 404;
		rc = fn(ctx, q.path, &a, e);
	}
	if (rc == 0) {
		/* What was asked may have taken longer than the client has to read the answer. */
		const struct connection fresh = { c->fd, clock_now_ms(NULL) + CONNECTION_MS };
		answer(&fresh, &a, q.head);
	}
	buf_release(&a.body);
	return rc;
}

/* ---- the server ---- */

static int take(const struct serve_socket *s, node_probe_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(file_close) int fd = accept(s->fd, NULL, NULL);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return 0;
	const struct connection c = { fd, clock_now_ms(NULL) + CONNECTION_MS };
	return converse(&c, fn, ctx, e);
}

static int serve(const struct serve_sockets *all, node_probe_fn *fn, void *ctx,
		 const struct cancel *cancel, struct err *e)
{
	struct pollfd p[SERVE_SOCKETS];
	int rc = 0;
	for (size_t i = 0; i < all->count; i++)
		p[i] = (struct pollfd){ .fd = all->at[i].fd, .events = POLLIN };
	while (rc == 0 && !cancel_signal(cancel)) {
		int ready = poll(p, all->count, TICK_MS);
		for (size_t i = 0; rc == 0 && ready > 0 && i < all->count; i++)
			if (p[i].revents)
				rc = take(&all->at[i], fn, ctx, e);
	}
	return rc;
}

int node_probe_serve(const char *listen, node_probe_fn *fn, void *ctx, struct report *report,
		     const struct cancel *cancel, struct err *e)
{
	CLEANUP(settings_serve_release) struct settings_serve set = { 0 };
	struct serve_sockets sockets = { 0 };
	if (!settings_serve_place_add(&set, listen)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(listen);
		return err_set(e, ERR_USAGE,
			       "--listen %s: must be HOST:PORT or unix:/PATH, as 127.0.0.1:8481",
			       shown);
	}
	int rc = serve_sockets_open(&set, &sockets, e);
	for (size_t i = 0; rc == 0 && i < sockets.count; i++)
		report_note(report, "answering at %s", sockets.at[i].shown);
	if (rc == 0) {
		serve_notify("READY=1");
		rc = serve(&sockets, fn, ctx, cancel, e);
		serve_notify("STOPPING=1");
	}
	serve_sockets_release(&sockets);
	return rc;
}
