#include "serve/exchange_internal.h"

#include "util/mem.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MAX_HOPS 32 /* of X-Forwarded-For that are looked at */

const char *exchange_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static bool is_front(const struct edge *e, const uint8_t bytes[16])
{
	const struct settings_serve *set = e->set;
	for (size_t i = 0; i < set->front_count; i++)
		if (settings_serve_net_has(&set->fronts[i], bytes))
			return true;
	return false;
}

/* From the right: each front added the address that it got the request from. The first that is not
 * a front's is the client's; what is further left anybody may have written. */
static void look_behind_fronts(struct exchange *x)
{
	const char *header = exchange_header(x, "X-Forwarded-For");
	CLEANUP(str_list_release) struct str_list hops = { 0 };
	if (!header || strlen(header) > 4096)
		return;
	str_list_split(&hops, header, ", \t");
	for (size_t i = hops.count; i > 0 && hops.count - i < MAX_HOPS; i--) {
		uint8_t bytes[16];
		if (!settings_serve_address(hops.at[i - 1], bytes))
			return;
		snprintf(x->address, sizeof x->address, "%s", hops.at[i - 1]);
		if (!is_front(x->edge, bytes))
			return;
	}
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

/* A subscriber of IPv6 has at least all addresses of a /64. */
static char *network_of(const char *address)
{
	uint8_t bytes[16];
	char text[INET6_ADDRSTRLEN];
	if (!strchr(address, ':') || !settings_serve_address(address, bytes))
		return mem_strdup(address);
	memset(bytes + 8, 0, 8);
	return mem_printf("%s/64", inet_ntop(AF_INET6, bytes, text, sizeof text));
}

void exchange_know_client(struct exchange *x)
{
	free(x->client);
	/* No address has a blank: a key cannot be named like one. */
	x->client = x->who.known && x->who.name && *x->who.name ? mem_printf("key %s", x->who.name)
								: network_of(x->address);
}

/* Those of a front are its clients', which nobody can tell apart before their requests. */
void exchange_count_caller(struct exchange_caller *c)
{
	struct edge *e = c->lot->edge;
	CLEANUP(mem_free_ptr) char *client = network_of(c->address);
	if (!e->set->connections || c->trusted || is_front(e, c->bytes))
		return;
	c->counted = limit_connect(e->limit, client);
	c->refused = !c->counted;
}

void exchange_discount_caller(struct exchange_caller *c)
{
	CLEANUP(mem_free_ptr) char *client = network_of(c->address);
	if (c->counted)
		limit_disconnect(c->lot->edge->limit, client);
}
