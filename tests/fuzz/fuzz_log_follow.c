/* A log that grows: read in two parts, it tells the same as when it is read at once. Bytes that are
 * no log, and damaged compressed ones, too. */
#include "prepare/archive_stream.h"
#include "stats/log_follow.h"
#include "util/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct memory {
	char name[16][LOG_MARK_NAME], value[16][LOG_MARK_VALUE];
	size_t count;
	uint64_t requests, malformed;
};

static int on_request(void *ctx, const struct request *r, struct err *e)
{
	(void)ctx, (void)r, (void)e;
	return 0;
}

static int on_settled(void *ctx, const char *log, const struct log_counts *since, struct err *e)
{
	struct memory *m = ctx;
	(void)log, (void)e;
	m->requests += since->requests;
	m->malformed += since->malformed;
	return 0;
}

static size_t place_of(const struct memory *m, const char *name)
{
	size_t i = 0;
	while (i < m->count && strcmp(m->name[i], name) != 0)
		i++;
	return i;
}

static int on_get(void *ctx, const char *name, char value[LOG_MARK_VALUE], struct err *e)
{
	const struct memory *m = ctx;
	size_t i = place_of(m, name);
	(void)e;
	if (i < m->count)
		snprintf(value, LOG_MARK_VALUE, "%s", m->value[i]);
	return i < m->count;
}

static int on_put(void *ctx, const char *name, const char *value, struct err *e)
{
	struct memory *m = ctx;
	size_t i = place_of(m, name);
	(void)e;
	if (i >= 16)
		abort();
	m->count += i == m->count;
	snprintf(m->name[i], LOG_MARK_NAME, "%s", name);
	snprintf(m->value[i], LOG_MARK_VALUE, "%s", value);
	return 0;
}

static void follow(int fd, struct memory *m)
{
	struct log_sink sink = { on_request, on_settled, on_get, on_put, NULL, m };
	struct err e = ERR_INIT;
	struct log_stream *stream = NULL;
	struct log_followed out;
	bool fatal;
	if (log_stream_open(fd, "fuzz", NULL, &stream, &e) < 0)
		return;
	struct log_follow f = { .stream = stream,
				.name = "fuzz",
				.whole = log_stream_is_compressed(stream),
				.sink = &sink };
	if (log_follow(&f, &out, &fatal, &e) < 0 && (fatal || !e.class))
		abort();
	log_stream_free(stream);
}

static void append(int fd, const uint8_t *data, size_t len)
{
	if (lseek(fd, 0, SEEK_END) < 0 || (len && write(fd, data, len) != (ssize_t)len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct memory parts, whole;
	if (len < 2)
		return 0;
	size_t cut = (data[0] << 8 | data[1]) % (len - 1);
	data += 2;
	len -= 2;
	memset(&parts, 0, sizeof parts);
	memset(&whole, 0, sizeof whole);
	int fd = os_memory_file();
	if (fd < 0)
		abort();
	append(fd, data, cut);
	follow(fd, &parts);
	append(fd, data + cut, len - cut);
	follow(fd, &parts);
	follow(fd, &whole);
	/* The columns of a "#Fields:" in the middle are not known when a log is read on. What is
	 * compressed and was cut ends early. */
	bool same = !memchr(data, '#', len) && !(len && archive_stream_is(data, len));
	if (same && (parts.requests != whole.requests || parts.malformed != whole.malformed))
		abort();
	follow(fd, &whole);
	if (same && parts.requests != whole.requests)
		abort();
	close(fd);
	return 0;
}
