#include "http/http.h"

#include <stdlib.h>
#include <string.h>

void http_response_release(struct http_response *r)
{
	free(r->url);
	free(r->proxy);
	str_list_release(&r->headers);
	*r = (struct http_response){ 0 };
}

const char *http_response_header(const struct http_response *r, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < r->headers.count; i++) {
		const char *line = r->headers.at[i];
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 2;
	}
	return NULL;
}
