#include "serve/exchange_internal.h"

#include "serve/client.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

const char *exchange_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_framing(void *ctx, enum MHD_ValueKind kind, const char *name,
				     const char *value)
{
	unsigned *found = ctx; /* of Host, Content-Length, Transfer-Encoding */
	(void)kind;
	(void)value;
	found[0] += str_eq_nocase(name, "Host");
	found[1] += str_eq_nocase(name, "Content-Length");
	found[2] += str_eq_nocase(name, "Transfer-Encoding");
	return MHD_YES;
}

bool exchange_is_ambiguous(const struct exchange *x)
{
	unsigned found[3] = { 0 };
	(void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_framing, found);
	return found[0] > 1 || found[1] + found[2] > 1;
}

static bool is_front(const struct edge *e, const uint8_t bytes[16])
{
	return serve_client_is_front(e->set->fronts, e->set->front_count, bytes);
}

static enum MHD_Result add_forwarded(void *ctx, enum MHD_ValueKind kind, const char *name,
				     const char *value)
{
	struct buf *list = ctx;
	(void)kind;
	if (value && str_eq_nocase(name, "X-Forwarded-For")) {
		buf_addc(list, ',');
		buf_adds(list, value);
	}
	return MHD_YES;
}

/* One of several headers is not enough: a front may add its own behind that of the client. */
static void look_behind_fronts(struct exchange *x)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(CLIENT_FORWARDED);
	(void)MHD_get_connection_values(x->connection, MHD_HEADER_KIND, add_forwarded, &list);
	if (list.overflow)
		return;
	serve_client_forwarded(x->edge->set->fronts, x->edge->set->front_count, buf_str(&list),
			       x->bytes);
	serve_client_text(x->bytes, x->address);
}

static bool is_host(const char *host)
{
	size_t len = strlen(host);
	return len > 0 && len < 300 &&
	       strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    ".-_:[]") == len;
}

void exchange_know_caller(struct exchange *x)
{
	struct exchange_caller *c = x->caller;
	bool front = is_front(x->edge, c->bytes);
	memcpy(x->address, c->address, sizeof x->address);
	memcpy(x->bytes, c->bytes, sizeof x->bytes);
	if (front)
		look_behind_fronts(x);
	if (x->edge->set->url) {
		x->base = mem_strdup(x->edge->set->url);
		return;
	}
	const char *host = exchange_header(x, "Host");
	const char *scheme = front ? exchange_header(x, "X-Forwarded-Proto") : NULL;
	bool secure = scheme && strcmp(scheme, "https") == 0;
	x->base = mem_printf("%s://%s", secure ? "https" : "http",
			     host && is_host(host) ? host : "localhost");
}

/* "key NAME", without what printf() takes for each request. No address has a blank: a key cannot be
 * named like one. */
static char *named(const char *name)
{
	static const char front[] = "key ";
	size_t len = strlen(name) + 1;
	char *text = mem_alloc(sizeof front - 1 + len);
	memcpy(text, front, sizeof front - 1);
	memcpy(text + sizeof front - 1, name, len);
	return text;
}

void exchange_know_client(struct exchange *x)
{
	char network[CLIENT_NETWORK];
	free(x->client);
	if (x->who.known && x->who.name && *x->who.name) {
		x->client = named(x->who.name);
		return;
	}
	serve_client_network(x->bytes, network);
	x->client = mem_strdup(network);
}

/* Connections from fronts, and those with a key, count by the requests that are being answered. */
bool exchange_count_request(struct exchange *x)
{
	if (!x->edge->set->connections || x->who.trusted || (x->caller->counted && !x->who.known))
		return true;
	x->counted = limit_connect(x->edge->limit, x->client);
	return x->counted;
}

/* Those of a front are its clients', which nobody can tell apart before their requests. */
void exchange_count_caller(struct exchange_caller *c)
{
	struct edge *e = c->lot->edge;
	char client[CLIENT_NETWORK];
	serve_client_network(c->bytes, client);
	if (!e->set->connections || c->trusted || is_front(e, c->bytes))
		return;
	c->counted = limit_connect(e->limit, client);
	c->refused = !c->counted;
}

void exchange_discount_caller(struct exchange_caller *c)
{
	char client[CLIENT_NETWORK];
	serve_client_network(c->bytes, client);
	if (c->counted)
		limit_disconnect(c->lot->edge->limit, client);
}
