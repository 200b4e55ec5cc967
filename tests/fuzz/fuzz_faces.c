/* Any bytes as lines: a path, a query, an Accept, an Authorization and a body of a request to an
 * edge that serves nothing. Every answer is complete, and says nothing about credentials but in the
 * token. */
#include "serve/face/registry.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *lines[5] = { NULL };
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	char *at = text;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		lines[i] = at ? strsep(&at, "\n") : NULL;
	const struct face_views none = { NULL, 0 };
	struct auth_who who = { .name = (char *)"" };
	struct face_answer a = { 0 };
	const struct face_request r = { .method = "GET",
					.path = lines[0],
					.query = lines[1],
					.accept = lines[2],
					.base = "https://edge.example",
					.body = lines[4],
					.body_len = lines[4] ? strlen(lines[4]) : 0,
					.may_work = true,
					.who = &who };
	if (lines[0][0] == '/') {
		face_answer(&none, &r, &a);
		must(a.status && a.type && a.cache && !a.is_file && a.body.len);
		face_answer_release(&a);
	}
	face_registry_token(lines[3], &a);
	must(a.status == 200 && a.body.len && !a.etag);
	face_answer_release(&a);
	return 0;
}
