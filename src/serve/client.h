/*
 * client: the address that a request comes from, also behind the fronts of [serve] fronts.
 *
 * Pure functions on foreign bytes. Addresses are as in settings/serve.h: IPv4 is mapped.
 *
 * Prefixes: serve_client_.
 */
#ifndef FERRY_SERVE_CLIENT_H
#define FERRY_SERVE_CLIENT_H

#include "settings/serve.h"

#define CLIENT_TEXT 46             /* INET6_ADDRSTRLEN */
#define CLIENT_NETWORK 52          /* with "/64" */
#define CLIENT_FORWARDED (4 * KIB) /* bytes of X-Forwarded-For that are looked at */

/* Is it the address of a front? */
bool serve_client_is_front(const struct settings_serve_net *fronts, size_t count,
			   const uint8_t address[16]);

/* Changes the address of the connection to that of the client. The list is the values of all
 * headers X-Forwarded-For, joined with commas in their order (RFC 9110, section 5.3): a front may
 * add to the value, as nginx does, or add a header, as HAProxy does. It is read from the right:
 * each front added the address that it got the request from. The first that is no front's is the
 * client's; what is further left anybody may have written. What is no address ends it. */
void serve_client_forwarded(const struct settings_serve_net *fronts, size_t count, const char *list,
			    uint8_t address[16]);

/* "192.0.2.1", "2001:db8::1". */
void serve_client_text(const uint8_t address[16], char out[CLIENT_TEXT]);
/* Whom limits count: "192.0.2.1", or "2001:db8::/64", which a subscriber has at least. */
void serve_client_network(const uint8_t address[16], char out[CLIENT_NETWORK]);

#endif
