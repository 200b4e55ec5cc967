#include "serve/log.h"

#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAX (4 * MIB) /* that wait to be written */
#define LOG_MODE 0640
#define LOG_MAX_TEXT 4096 /* of a text in a line */
#define LOG_WAIT_MS 200

typedef unsigned long long ull;

struct serve_log {
	char *path;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct buf lines;
	bool ending, reopen;
	uint64_t lost;
	int fd; /* of the thread */
};

/* ---- lines ---- */

/* Every byte of it can be told from the line, and none does anything to a terminal. */
static void add_text(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, ",\"%s\":\"", name);
	for (size_t i = 0; text[i] && i < LOG_MAX_TEXT; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(out, "\\u%04x", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

/* In a path, other bytes than ASCII are written as %XX, which means the same. */
static void add_target(struct buf *out, const char *name, const char *target)
{
	CLEANUP(mem_free_ptr) char *redacted = strchr(target, '?') ? url_redact(target) : NULL;
	CLEANUP(buf_release) struct buf plain = BUF_INIT(3 * LOG_MAX_TEXT);
	if (redacted)
		target = redacted;
	for (size_t i = 0; target[i] && i < LOG_MAX_TEXT; i++) {
		unsigned char c = (unsigned char)target[i];
		if (c <= 0x20 || c >= 0x7f)
			buf_addf(&plain, "%%%02X", c);
		else
			buf_addc(&plain, (char)c);
	}
	add_text(out, name, buf_str(&plain));
}

void serve_log_format(struct buf *out, const struct serve_log_entry *n)
{
	buf_addf(out, "{\"msec\":%lld.%03d", (long long)(n->time_ms / 1000),
		 (int)(n->time_ms % 1000));
	add_text(out, "remote_addr", n->address);
	add_text(out, "request_method", n->method);
	add_target(out, "request_uri", n->file ? n->file : n->target);
	if (n->file)
		add_target(out, "asked", n->target);
	buf_addf(out, ",\"status\":%u,\"body_bytes_sent\":%llu", n->status, (ull)n->bytes);
	if (n->partial)
		buf_addf(out, ",\"sent_http_content_range\":\"bytes %llu-%llu/%llu\"",
			 (ull)n->first, (ull)(n->first + n->length - 1), (ull)n->total);
	if (n->agent)
		add_text(out, "http_user_agent", n->agent);
	if (n->who && *n->who)
		add_text(out, "who", n->who);
	if (n->face)
		add_text(out, "face", n->face);
	if (n->hit)
		add_text(out, "hit", n->hit);
	buf_addf(out, ",\"first_byte\":%.6f,\"request_time\":%.6f}\n",
		 (double)n->first_byte_us / 1e6, (double)n->duration_us / 1e6);
}

void serve_log_add(struct serve_log *l, const struct serve_log_entry *n)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT(64 * KIB);
	if (!l)
		return;
	serve_log_format(&line, n);
	pthread_mutex_lock(&l->lock);
	if (line.overflow || l->lines.len + line.len > LOG_MAX)
		l->lost++;
	else
		buf_add(&l->lines, line.data, line.len);
	pthread_mutex_unlock(&l->lock);
}

/* ---- writing ---- */

static bool is_standard(const struct serve_log *l)
{
	return strcmp(l->path, "-") == 0;
}

static void open_again(struct serve_log *l)
{
	int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, LOG_MODE);
	if (fd < 0)
		return; /* The old one is still there. */
	file_close(&l->fd);
	l->fd = fd;
}

static void write_lines(struct serve_log *l, struct buf *lines)
{
	struct err why = ERR_INIT;
	if (lines->len && file_write(l->fd, lines->data, lines->len, "the access log", &why) < 0) {
		pthread_mutex_lock(&l->lock);
		for (size_t i = 0; i < lines->len; i++)
			l->lost += lines->data[i] == '\n';
		pthread_mutex_unlock(&l->lock);
	}
	buf_clear(lines);
}

/* Lines are written a few times a second, many at once. */
static void *write_all(void *ctx)
{
	struct serve_log *l = ctx;
	CLEANUP(buf_release) struct buf lines = BUF_INIT(LOG_MAX);
	bool ending = false;
	while (!ending) {
		pthread_mutex_lock(&l->lock);
		if (!l->ending && !l->reopen)
			os_cond_wait(&l->more, &l->lock, LOG_WAIT_MS);
		struct buf full = l->lines;
		l->lines = lines;
		lines = full;
		bool reopen = l->reopen;
		l->reopen = false;
		ending = l->ending;
		pthread_mutex_unlock(&l->lock);
		write_lines(l, &lines);
		if (reopen && !is_standard(l))
			open_again(l);
	}
	return NULL;
}

int serve_log_open(const char *path, struct serve_log **out, struct err *e)
{
	struct serve_log *l = NEW(struct serve_log);
	l->path = mem_strdup(path);
	l->fd = is_standard(l) ? dup(STDOUT_FILENO)
			       : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, LOG_MODE);
	buf_init(&l->lines, LOG_MAX);
	pthread_mutex_init(&l->lock, NULL);
	os_cond_init(&l->more);
	int rc = 0;
	if (l->fd < 0)
		rc = err_sys(e, errno, "the access log %s cannot be opened", path);
	else if (pthread_create(&l->thread, NULL, write_all, l) != 0)
		rc = err_set(e, ERR_SYSTEM, "no thread can be made for the access log");
	if (rc < 0) {
		file_close(&l->fd);
		free(l->path);
		free(l);
		return rc;
	}
	*out = l;
	return 0;
}

void serve_log_close(struct serve_log *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	pthread_cond_destroy(&l->more);
	pthread_mutex_destroy(&l->lock);
	file_close(&l->fd);
	buf_release(&l->lines);
	free(l->path);
	free(l);
}

void serve_log_reopen(struct serve_log *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->reopen = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
}

uint64_t serve_log_lost(struct serve_log *l)
{
	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	uint64_t lost = l->lost;
	pthread_mutex_unlock(&l->lock);
	return lost;
}
