#include "serve/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MAX_HOPS 32

bool serve_client_is_front(const struct settings_serve_net *fronts, size_t count,
			   const uint8_t address[16])
{
	for (size_t i = 0; i < count; i++)
		if (settings_serve_net_has(&fronts[i], address))
			return true;
	return false;
}

/* Some fronts write "192.0.2.1:1234" and "[2001:db8::1]:1234". */
static bool hop_address(const char *text, size_t len, uint8_t out[16])
{
	char host[CLIENT_TEXT];
	const char *end;
	if (len && *text == '[') {
		end = memchr(text, ']', len);
		text++;
	} else {
		end = memchr(text, ':', len);
		if (end && memchr(end + 1, ':', len - (size_t)(end + 1 - text)))
			end = NULL; /* IPv6 */
		end = end ? end : text + len;
	}
	if (!end || (size_t)(end - text) >= sizeof host)
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	return settings_serve_address(host, out);
}

/* The last hop of the list; its length is then that of what is before. */
static bool last_hop(const char *list, size_t *len, uint8_t out[16])
{
	size_t end = *len, start;
	while (end && strchr(", \t", list[end - 1]))
		end--;
	for (start = end; start && !strchr(", \t", list[start - 1]);)
		start--;
	*len = start;
	return end > start && hop_address(list + start, end - start, out);
}

void serve_client_forwarded(const struct settings_serve_net *fronts, size_t count, const char *list,
			    uint8_t address[16])
{
	size_t len = strnlen(list, CLIENT_FORWARDED + 1);
	uint8_t hop[16];
	if (len > CLIENT_FORWARDED)
		return;
	for (unsigned i = 0; i < MAX_HOPS; i++) {
		if (!serve_client_is_front(fronts, count, address) || !last_hop(list, &len, hop))
			return;
		memcpy(address, hop, sizeof hop);
	}
}

static bool is_mapped(const uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	return memcmp(address, mapped, sizeof mapped) == 0;
}

void serve_client_text(const uint8_t address[16], char out[CLIENT_TEXT])
{
	bool v4 = is_mapped(address);
	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, out, CLIENT_TEXT))
		out[0] = '\0';
}

void serve_client_network(const uint8_t address[16], char out[CLIENT_NETWORK])
{
	uint8_t network[16] = { 0 };
	char text[CLIENT_TEXT];
	bool v4 = is_mapped(address);
	memcpy(network, address, v4 ? 16 : 8);
	serve_client_text(network, text);
	snprintf(out, CLIENT_NETWORK, "%s%s", text, v4 ? "" : "/64");
}
