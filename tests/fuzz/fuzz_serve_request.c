/* What a client sends to the edge: a target, and headers of ranges and conditions, one a line. */
#include "serve/log.h"
#include "serve/range.h"
#include "serve/route.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	const char *lines[7] = { 0 };
	size_t count = 0;
	for (char *at = text; at && count < ARRAY_LEN(lines); count++) {
		lines[count] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}
	CLEANUP(mem_free_ptr) char *path = NULL;
	const char *query = NULL;
	if (route_path(lines[0], &path, &query) && (path[0] != '/' || strstr(path, "/../")))
		abort();
	const struct serve_conditions c = { true,     lines[1], lines[2], lines[3],
					    lines[4], lines[5], lines[6] };
	const struct serve_entity n = { "\"abc\"", 784111777, size };
	struct serve_part p = serve_range(&c, &n);
	if (p.first + p.length > size || (p.status == 206 && p.length == 0))
		abort();
	CLEANUP(buf_release) struct buf line = BUF_INIT(MIB);
	const struct serve_log_entry entry = {
		.address = "::1", .method = "GET", .target = lines[0], .agent = lines[1]
	};
	serve_log_format(&line, &entry);
	for (size_t i = 0; i + 1 < line.len; i++)
		if (line.data[i] < 0x20 || line.data[i] >= 0x7f)
			abort();
	return 0;
}
