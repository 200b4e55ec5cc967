#include "stats/log_stream.h"

#include "prepare/archive_stream.h"
#include "util/cancel.h"
#include "util/mem.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct log_stream {
	int fd;
	const char *name;
	const struct cancel *cancel;
	bool regular;
	char first[ARCHIVE_STREAM_MAGIC];
	size_t first_len, first_given;
	struct archive_stream *archive; /* NULL: it is not compressed */
};

#define TICK_MS 200

/* A pipe or a terminal may have nothing for long. */
static int await(const struct log_stream *s, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	int rc = 0;
	while (rc == 0 && poll(&p, 1, TICK_MS) <= 0)
		rc = cancel_check(s->cancel, e);
	return rc;
}

static int read_some(void *ctx, void *data, size_t len, size_t *got, struct err *e)
{
	const struct log_stream *s = ctx;
	ssize_t n;
	int rc = s->regular ? 0 : await(s, e);
	if (rc < 0)
		return rc;
	do
		n = read(s->fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "%s", s->name);
	*got = (size_t)n;
	return 0;
}

static int begin(struct log_stream *s, struct err *e)
{
	archive_stream_free(s->archive);
	s->archive = NULL;
	s->first_len = s->first_given = 0;
	size_t got = 1;
	int rc = 0;
	while (rc == 0 && got && s->first_len < sizeof s->first) {
		rc = read_some(s, s->first + s->first_len, sizeof s->first - s->first_len, &got, e);
		s->first_len += rc == 0 ? got : 0;
	}
	if (rc == 0 && archive_stream_is(s->first, s->first_len))
		rc = archive_stream_open(&(struct archive_input){ read_some, s }, s->name, s->first,
					 s->first_len, &s->archive, e);
	return rc;
}

static int set_place(struct log_stream *s, uint64_t offset, struct err *e)
{
	if (lseek(s->fd, (off_t)offset, SEEK_SET) < 0)
		return err_sys(e, errno, "%s", s->name);
	return 0;
}

int log_stream_open(int fd, const char *name, const struct cancel *cancel, struct log_stream **out,
		    struct err *e)
{
	struct stat st;
	CLEANUP_PTR(log_stream_free) struct log_stream *s = NEW(struct log_stream);
	s->fd = fd;
	s->name = name;
	s->cancel = cancel;
	s->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	int rc = s->regular ? set_place(s, 0, e) : 0;
	if (rc == 0)
		rc = begin(s, e);
	if (rc == 0)
		*out = STEAL(s);
	return rc;
}

void log_stream_free(struct log_stream *s)
{
	if (!s)
		return;
	archive_stream_free(s->archive);
	free(s);
}

bool log_stream_is_compressed(const struct log_stream *s)
{
	return s->archive;
}

bool log_stream_can_seek(const struct log_stream *s)
{
	return s->regular && !s->archive;
}

bool log_stream_can_rewind(const struct log_stream *s)
{
	return s->regular;
}

int log_stream_read(struct log_stream *s, void *data, size_t len, size_t *got, struct err *e)
{
	if (s->archive)
		return archive_stream_read(s->archive, data, len, got, e);
	if (s->first_given < s->first_len) {
		*got = MIN(len, s->first_len - s->first_given);
		memcpy(data, s->first + s->first_given, *got);
		s->first_given += *got;
		return 0;
	}
	return read_some(s, data, len, got, e);
}

int log_stream_seek(struct log_stream *s, uint64_t offset, struct err *e)
{
	if (!s->regular || (s->archive && offset))
		return err_set(e, ERR_BUG, "%s cannot be read from byte %llu on", s->name,
			       (unsigned long long)offset);
	int rc = set_place(s, offset, e);
	if (rc == 0 && s->archive)
		return begin(s, e);
	s->first_given = s->first_len;
	return rc;
}
