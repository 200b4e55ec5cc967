#include "serve/cache/peers.h"
#include "serve/cache/peers_srv.h"

#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(str_list_release) struct str_list urls = { 0 };
	struct err e = ERR_INIT;
	(void)!peers_srv_parse(data, size, &urls, &e);
	if (urls.count > PEERS_MAX)
		__builtin_trap();
	for (size_t i = 0; i < urls.count; i++) {
		CLEANUP(url_release) struct url u = { 0 };
		err_clear(&e);
		/* A port 0 is none; all else is a URL without a user. */
		if (url_parse(urls.at[i], &u, &e) == 0 && u.user)
			__builtin_trap();
	}
	return 0;
}
