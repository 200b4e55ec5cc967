/* X-Forwarded-For. The first byte says how many fronts there are. */
#include "serve/client.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct settings_serve_net front;
	uint8_t address[16], again[16];
	char text[CLIENT_TEXT], network[CLIENT_NETWORK];
	if (!len || !settings_serve_net_parse("10.0.0.0/8", &front) ||
	    !settings_serve_address("10.0.0.1", address))
		return 0;
	CLEANUP(mem_free_ptr) char *list = mem_strndup((const char *)data + 1, len - 1);
	serve_client_forwarded(&front, data[0] % 2, list, address);
	serve_client_text(address, text);
	serve_client_network(address, network);
	if (!settings_serve_address(text, again) || memcmp(address, again, sizeof again) != 0)
		abort();
	if (data[0] % 2 == 0 && strcmp(text, "10.0.0.1") != 0)
		abort();
	return 0;
}
