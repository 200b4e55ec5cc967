#include "http/internal.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>

#define NETRC_MAX MIB

bool http_netrc_is_plain(void)
{
	const char *home = getenv("HOME");
	CLEANUP(mem_free_ptr) char *path = path_join(home ? home : "/", ".netrc");
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(NETRC_MAX);
	struct err ignored = ERR_INIT;
	if (file_read_all(path, &text, &ignored) < 0)
		return true;
	size_t len = text.len;
	encoding_to_utf8(&text);
	return text.len == len;
}
