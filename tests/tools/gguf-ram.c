/* gguf-ram CONTEXT FILE…: what gguf_ram() says of a model, in bytes: weights, cache, overhead. */
#include "gguf/gguf.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>

static int open_path(const char *path, struct gguf **out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	int rc = file_open_regular(path, &fd, &size, e);
	return rc ? rc : gguf_open_fd(fd, path, out, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct gguf_ram ram;
	uint64_t context;
	if (argc < 3 || argc > 18 || !parse_u64(argv[1], &context))
		return 2;
	size_t count = (size_t)argc - 2;
	struct gguf *files[16] = { NULL };
	for (size_t i = 0; i < count; i++)
		if (open_path(argv[i + 2], &files[i], &e)) {
			fprintf(stderr, "%s\n", e.text);
			return (int)e.class;
		}
	gguf_ram((const struct gguf *const *)files, count, context, &ram);
	if (ram.known)
		printf("%llu %llu %llu\n", (unsigned long long)ram.weights,
		       (unsigned long long)ram.kv_cache, (unsigned long long)ram.overhead);
	else
		printf("unknown: %s\n", ram.reason);
	for (size_t i = 0; i < count; i++)
		gguf_free(files[i]);
	return 0;
}
