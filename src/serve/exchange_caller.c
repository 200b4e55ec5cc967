#include "serve/exchange_internal.h"

#include "serve/client.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* What the server keeps of a header beside its text, and the four bytes around that. */
#define HEADER_BYTES 60

const char *exchange_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct framing {
	unsigned hosts, lengths; /* Content-Length and Transfer-Encoding together */
	bool unclear, coded;
	size_t bytes; /* of the connection's memory */
};

static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *name,
				      size_t name_len, const char *value, size_t value_len)
{
	struct framing *f = ctx;
	bool coding = str_eq_nocase(name, "Transfer-Encoding");
	(void)kind;
	f->bytes += name_len + value_len + HEADER_BYTES;
	f->hosts += str_eq_nocase(name, "Host");
	f->lengths += coding || str_eq_nocase(name, "Content-Length");
	f->coded |= coding;
	f->unclear |= strpbrk(name, " \t") ||
		      (coding && !(value && str_eq_nocase(value, "chunked")));
	return MHD_YES;
}

unsigned exchange_framing_fault(const struct exchange *x, const char *version)
{
	size_t line = strlen(x->target);
	struct framing f = { .bytes = line };
	(void)MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, look_at_header, &f);
	/* RFC 9112, 6.1: HTTP/1.0 has no codings. */
	if (f.unclear || f.hosts > 1 || f.lengths > 1 ||
	    (f.coded && strcmp(version, "HTTP/1.0") == 0))
		return 400;
	if (f.bytes <= EXCHANGE_MAX_HEADERS)
		return 0;
	return line > EXCHANGE_MAX_HEADERS / 2 ? 414 : 431;
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

/* All of these headers are read: a front may add one of its own behind that of the client. */
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

/* The URL that the client knows the edge by. */
static void find_base(struct exchange *x, bool front)
{
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

void exchange_know_caller(struct exchange *x)
{
	struct exchange_caller *c = x->caller;
	bool front = is_front(x->edge, c->bytes);
	memcpy(x->address, c->address, sizeof x->address);
	memcpy(x->bytes, c->bytes, sizeof x->bytes);
	if (front)
		look_behind_fronts(x);
	find_base(x, front);
}

/* The limits know a client as "key NAME" or by its network, which has no blank in it. */
static struct limit_client *hold_key(struct limit *l, const char *key)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("key %s", key);
	return limit_hold(l, name);
}

static struct limit_client *hold_address(struct limit *l, const uint8_t bytes[16])
{
	char network[CLIENT_NETWORK];
	serve_client_network(bytes, network);
	return limit_hold(l, network);
}

/* The client of this key, or of this address without one, is the one that the connection has. */
static bool is_remembered(const struct exchange_caller *c, const char *key, const uint8_t bytes[16])
{
	if (!c->knows_client || !key != !c->client_key)
		return false;
	return key ? strcmp(key, c->client_key) == 0
		   : memcmp(bytes, c->client_bytes, sizeof c->client_bytes) == 0;
}

static void forget_client(struct exchange_caller *c)
{
	limit_release(c->client);
	free(c->client_key);
	c->client = NULL;
	c->client_key = NULL;
	c->knows_client = false;
}

static void remember_client(struct exchange_caller *c, const char *key, const uint8_t bytes[16])
{
	struct limit *l = c->lot->edge->limit;
	c->client = key ? hold_key(l, key) : hold_address(l, bytes);
	c->client_key = key ? mem_strdup(key) : NULL;
	c->knows_client = true;
	memcpy(c->client_bytes, bytes, sizeof c->client_bytes);
}

void exchange_know_client(struct exchange *x)
{
	struct exchange_caller *c = x->caller;
	const char *key = x->who.known && x->who.name && *x->who.name ? x->who.name : NULL;
	if (!is_remembered(c, key, x->bytes)) {
		forget_client(c);
		remember_client(c, key, x->bytes);
	}
	x->client = c->client;
}

/* A connection from an address counts as long as it is open. Behind a front, and with a key, what
 * counts is requests that are being answered. */
bool exchange_count_request(struct exchange *x)
{
	if (!x->edge->set->connections || x->who.trusted || (x->caller->counted && !x->who.known))
		return true;
	if (!limit_connect(x->edge->limit, x->client))
		return false;
	x->counted = x->client;
	return true;
}

/* Connections from a front are of its clients, who are known only by their requests. */
void exchange_count_caller(struct exchange_caller *c)
{
	struct edge *e = c->lot->edge;
	if (!e->set->connections || c->trusted || is_front(e, c->bytes))
		return;
	remember_client(c, NULL, c->bytes);
	c->refused = !limit_connect(e->limit, c->client);
	c->counted = c->refused ? NULL : c->client;
}

void exchange_forget_caller(struct exchange_caller *c)
{
	limit_disconnect(c->lot->edge->limit, c->counted);
	forget_client(c);
	auth_memo_release(&c->memo);
}
