#include "stats/log_follow.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEAD_MAX 4096 /* bytes at the start by which a log is known */
#define TAIL_MAX 1024 /* bytes before the place where reading ended */
#define BUFFER (512 * KIB)
#define NAMES_MAX 8 /* logs whose first lines are the same */
#define PROBE_LINES 100

struct follow {
	const struct log_follow *f;
	struct log_parser *parser;
	struct log_counts counts; /* since the last settling */
	struct log_followed *out;
	bool *fatal;

	char *buf;
	uint64_t base;            /* where buf[0] is in the log */
	size_t pos, scanned, end; /* the next line; up to where it has no line feed; the bytes */
	bool at_end, too_long;

	uint64_t origin; /* of the first line that is no comment */
	char head[HEAD_MAX];
	size_t head_len;
	char mark[LOG_MARK_NAME];
	uint64_t settled; /* bytes from origin on that the mark says; 0: there is no mark */
	bool known, recognised;
};

/* ---- lines ------------------------------------------------------------------------- */

static int settle(struct follow *w, struct err *e);

static int fill(struct follow *w, struct err *e)
{
	size_t keep = w->pos > TAIL_MAX ? w->pos - TAIL_MAX : 0, got = 0;
	if (keep && w->end == BUFFER) {
		memmove(w->buf, w->buf + keep, w->end - keep);
		w->base += keep;
		w->pos -= keep;
		w->scanned -= keep;
		w->end -= keep;
	}
	int rc = cancel_check(w->f->cancel, e);
	if (rc < 0) {
		*w->fatal = true;
		return rc;
	}
	rc = log_stream_read(w->f->stream, w->buf + w->end, BUFFER - w->end, &got, e);
	if (rc < 0)
		return rc;
	w->at_end = got == 0;
	w->end += got;
	if (w->f->progress)
		w->f->progress(w->f->progress_ctx);
	return 0;
}

/* A log that was emptied while a server writes to it at its old place begins with zeros. */
static void skip_zeros(struct follow *w)
{
	if (w->scanned != w->pos || w->too_long)
		return;
	while (w->pos < w->end && w->buf[w->pos] == '\0')
		w->pos++;
	w->scanned = w->pos;
}

static void end_line(struct follow *w, size_t next, struct request_text *line)
{
	*line = (struct request_text){ w->buf + w->pos, next - w->pos };
	w->pos = w->scanned = next;
}

/* 1: a line with its line feed, if it has one, or with at == NULL one that is too long. 0: the
 * end. */
static int next_line(struct follow *w, struct request_text *line, struct err *e)
{
	for (;;) {
		skip_zeros(w);
		const char *feed = memchr(w->buf + w->scanned, '\n', w->end - w->scanned);
		if (feed || (w->at_end && w->f->whole && w->end > w->pos)) {
			end_line(w, feed ? (size_t)(feed - w->buf) + 1 : w->end, line);
			if (w->too_long || line->len > LOG_LINE_MAX + 1)
				line->at = NULL;
			w->too_long = false;
			return 1;
		}
		w->scanned = w->end;
		int rc = 0;
		if (w->end - w->pos > LOG_LINE_MAX) {
			/* The place before it cannot be marked later: its bytes are dropped. */
			if (!w->too_long && w->counts.lines)
				rc = settle(w, e);
			w->too_long = true;
			w->pos = w->end;
		}
		if (rc == 0 && w->at_end)
			return 0;
		if (rc == 0)
			rc = fill(w, e);
		if (rc < 0)
			return rc;
	}
}

/* ---- marks ------------------------------------------------------------------------- */

/* "1 OFFSET HEAD-LENGTH HEAD-SHA256 TAIL-LENGTH TAIL-SHA256"; the offset is from the first line
 * on. */
struct place {
	uint64_t offset, head_len, tail_len;
	struct digest head, tail;
};

static int parse_place(const struct follow *w, const char *text, struct place *out, struct err *e)
{
	char head[DIGEST_HEX], tail[DIGEST_HEX];
	int length = 0;
	bool ok = sscanf(text, "1 %19" SCNu64 " %4" SCNu64 " %64s %4" SCNu64 " %64s%n",
			 &out->offset, &out->head_len, head, &out->tail_len, tail, &length) == 5 &&
		  text[length] == '\0' && digest_parse(&out->head, head) &&
		  digest_parse(&out->tail, tail) && out->head_len <= HEAD_MAX &&
		  out->tail_len <= TAIL_MAX && out->tail_len <= out->offset &&
		  out->head_len <= out->offset;
	if (!ok)
		return err_set(e, ERR_INTEGRITY, "the mark of %s is damaged", w->f->name);
	return 0;
}

static int sink_failed(struct follow *w, int rc)
{
	*w->fatal = true;
	return rc;
}

/* Everything up to the next line is settled. */
static int settle(struct follow *w, struct err *e)
{
	char value[LOG_MARK_VALUE], head[DIGEST_HEX], tail[DIGEST_HEX];
	struct digest head_sha, tail_sha;
	uint64_t offset = w->base + w->pos - w->origin;
	if (!w->recognised && !w->known)
		return 0;
	if (offset > w->settled) {
		size_t head_len = (size_t)MIN(offset, w->head_len);
		size_t tail_len = (size_t)MIN(offset, TAIL_MAX);
		sha256_of(w->head, head_len, &head_sha);
		sha256_of(w->buf + w->pos - tail_len, tail_len, &tail_sha);
		snprintf(value, sizeof value, "1 %" PRIu64 " %zu %s %zu %s", offset, head_len,
			 digest_hex(head, &head_sha), tail_len, digest_hex(tail, &tail_sha));
		int rc = w->f->sink->mark_put(w->f->sink->ctx, w->mark, value, e);
		if (rc < 0)
			return sink_failed(w, rc);
		w->settled = offset;
		w->out->changed = true;
	}
	int rc = w->f->sink->settled(w->f->sink->ctx, w->f->name, &w->counts, e);
	if (rc < 0)
		return sink_failed(w, rc);
	struct log_counts *all = &w->out->counts;
	all->lines += w->counts.lines;
	all->requests += w->counts.requests;
	all->malformed += w->counts.malformed;
	all->nothing += w->counts.nothing;
	all->bytes += w->counts.bytes;
	w->counts = (struct log_counts){ 0 };
	return 0;
}

/* ---- where to begin ---------------------------------------------------------------- */

enum found {
	FOUND_NOTHING = 0, /* no mark: a new log */
	FOUND_HERE = 1,    /* w->pos is the first new line */
	FOUND_OTHER = 2,   /* the mark is of another log that begins with the same line */
	FOUND_SHORT = 3,   /* this is only the first part of what was read already */
};

/* Reads on to this place, with the bytes before it in the buffer. 0: the log is too short. */
static int go_to(struct follow *w, uint64_t at, size_t tail_len, struct err *e)
{
	int rc = 0;
	if (at > w->base + w->end && log_stream_can_seek(w->f->stream)) {
		rc = log_stream_seek(w->f->stream, at - tail_len, e);
		w->base = at - tail_len;
		w->pos = w->scanned = w->end = 0;
	}
	while (rc == 0 && at > w->base + w->end && !w->at_end) {
		w->pos = w->scanned = w->end;
		rc = fill(w, e);
	}
	if (rc < 0)
		return rc;
	if (at > w->base + w->end)
		return 0;
	w->pos = w->scanned = (size_t)(at - w->base);
	return 1;
}

static int check_place(struct follow *w, const struct place *p, struct err *e)
{
	struct digest found;
	if (p->head_len > w->head_len)
		return FOUND_SHORT;
	sha256_of(w->head, (size_t)p->head_len, &found);
	if (!digest_equal(&found, &p->head))
		return FOUND_OTHER;
	int rc = go_to(w, w->origin + p->offset, (size_t)p->tail_len, e);
	if (rc <= 0)
		return rc < 0 ? rc : FOUND_SHORT;
	sha256_of(w->buf + w->pos - p->tail_len, (size_t)p->tail_len, &found);
	if (!digest_equal(&found, &p->tail))
		return FOUND_OTHER;
	w->settled = p->offset;
	w->known = true;
	return FOUND_HERE;
}

/* Back to the first line. */
static int go_back(struct follow *w, struct err *e)
{
	if (w->origin >= w->base) {
		w->pos = w->scanned = (size_t)(w->origin - w->base);
		return 0;
	}
	if (!log_stream_can_rewind(w->f->stream)) {
		err_set(e, ERR_INTEGRITY,
			"%s begins like a log that was read before, but continues differently",
			w->f->name);
		return err_hint(e, "write it to a file and import that");
	}
	int rc = log_stream_seek(w->f->stream, 0, e);
	w->base = 0;
	w->pos = w->scanned = w->end = 0;
	w->at_end = false;
	if (rc == 0 && go_to(w, w->origin, 0, e) <= 0)
		rc = e->class ? -(int)e->class
			      : err_set(e, ERR_SYSTEM, "%s has become shorter", w->f->name);
	return rc;
}

static int find_mark(struct follow *w, const char *first, struct err *e)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		char value[LOG_MARK_VALUE];
		struct place p;
		snprintf(w->mark, sizeof w->mark, i ? "log:%s:%u" : "log:%s", first, i);
		int rc = w->f->sink->mark_get(w->f->sink->ctx, w->mark, value, e);
		if (rc < 0)
			return sink_failed(w, rc);
		if (rc == 0)
			return FOUND_NOTHING;
		rc = parse_place(w, value, &p, e);
		if (rc == 0)
			rc = check_place(w, &p, e);
		if (rc != FOUND_OTHER)
			return rc;
		rc = go_back(w, e);
		if (rc < 0)
			return rc;
	}
	return err_set(e, ERR_INTEGRITY, "%s: %d other logs begin with the same line", w->f->name,
		       NAMES_MAX);
}

/* The first line that is no comment is at w->pos: keeps it and what follows as the head. */
static int keep_head(struct follow *w, struct err *e)
{
	int rc = 0;
	while (rc == 0 && w->end - w->pos < HEAD_MAX && !w->at_end)
		rc = fill(w, e);
	w->origin = w->base + w->pos;
	w->head_len = MIN((size_t)HEAD_MAX, w->end - w->pos);
	memcpy(w->head, w->buf + w->pos, w->head_len);
	return rc;
}

static bool is_comment(struct request_text line)
{
	return line.at && (line.at[0] == '#' || line.at[0] == '\n' || line.at[0] == '\r');
}

static int binary(const struct follow *w, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s is not a log: it has no lines of text", w->f->name);
	return err_hint(e, "logs may be plain, or compressed with gzip, zstd, xz or bzip2");
}

/* Reads the comments, whose columns are needed also when the log is read on. 1: w->pos is where
 * reading has to begin. 0: there is nothing to read. */
static int find_start(struct follow *w, struct err *e)
{
	struct request_text line;
	struct log_counts comments = { 0 };
	struct request ignored;
	int rc = 0;
	while ((rc = next_line(w, &line, e)) == 1 && is_comment(line)) {
		log_parse(w->parser, line.at, line.len - (line.at[line.len - 1] == '\n'), &ignored);
		comments.lines++;
		comments.nothing++;
		comments.bytes += line.len;
	}
	if (rc == 0 && w->too_long)
		return binary(w, e);
	if (rc <= 0)
		return rc;
	if (!line.at)
		return binary(w, e);
	char hex[DIGEST_HEX];
	struct digest first;
	size_t len = line.len - (line.at[line.len - 1] == '\n');
	sha256_of(line.at, MIN(len, (size_t)HEAD_MAX), &first);
	w->pos = w->scanned = (size_t)(line.at - w->buf);
	rc = keep_head(w, e);
	if (rc == 0)
		rc = find_mark(w, digest_hex(hex, &first), e);
	if (rc == FOUND_NOTHING)
		w->counts = comments;
	return rc < 0 || rc == FOUND_SHORT ? MIN(rc, 0) : 1;
}

/* ---- reading ----------------------------------------------------------------------- */

static int unknown_format(const struct follow *w, struct request_text line, struct err *e)
{
	if (w->counts.malformed == 1 && line.at && log_is_error_log(line.at, line.len))
		w->out->is_error_log = true;
	if (w->out->is_error_log)
		return err_set(e, ERR_INTEGRITY, "%s is an error log, not an access log",
			       w->f->name);
	if (w->f->format != LOG_UNKNOWN)
		err_set(e, ERR_INTEGRITY, "%s: line %" PRIu64 " is not in the format '%s'",
			w->f->name, w->counts.nothing + 1, log_format_name(w->f->format));
	else
		err_set(e, ERR_INTEGRITY,
			"%s: line %" PRIu64 " is in none of the known formats: %s", w->f->name,
			w->counts.nothing + 1, log_format_names);
	return err_hint(e, "ferry-logs(7) describes the formats, and has the log_format for nginx");
}

static int take_line(struct follow *w, struct request_text line, struct err *e)
{
	struct request r;
	enum log_line what = LOG_MALFORMED;
	if (line.at) {
		size_t len = line.len - (line.len && line.at[line.len - 1] == '\n');
		what = log_parse(w->parser, line.at, len, &r);
	}
	w->counts.lines++;
	w->counts.bytes += line.len;
	w->counts.malformed += what == LOG_MALFORMED;
	w->counts.nothing += what == LOG_NOTHING;
	w->counts.requests += what == LOG_REQUEST;
	if (what == LOG_MALFORMED && !w->recognised && !w->known) {
		bool error_log = w->counts.malformed == 1 && line.at &&
				 log_is_error_log(line.at, line.len);
		if (error_log || w->counts.malformed >= PROBE_LINES)
			return unknown_format(w, line, e);
	}
	/* An event that was no request is in a known format, too; a comment is not. */
	if (what != LOG_MALFORMED && line.at && !is_comment(line))
		w->recognised = true;
	if (what != LOG_REQUEST)
		return 0;
	int rc = w->f->sink->request(w->f->sink->ctx, &r, e);
	return rc < 0 ? sink_failed(w, rc) : 0;
}

static int read_lines(struct follow *w, struct err *e)
{
	struct request_text line;
	int rc;
	while ((rc = next_line(w, &line, e)) == 1) {
		rc = take_line(w, line, e);
		if (rc == 0 && w->counts.lines >= LOG_BATCH)
			rc = settle(w, e);
		if (rc < 0)
			return rc;
	}
	w->out->torn = rc == 0 && (w->end > w->pos || w->too_long);
	/* What cannot be read further still counts up to there. */
	struct err why = *e;
	if (*w->fatal)
		return rc;
	if (rc == 0 && w->counts.malformed && !w->recognised && !w->known)
		return unknown_format(w, (struct request_text){ 0 }, e);
	err_clear(e);
	int last = w->counts.lines ? settle(w, e) : 0;
	if (last == 0 && rc < 0)
		*e = why;
	return last < 0 ? last : rc;
}

int log_follow(const struct log_follow *f, struct log_followed *out, bool *fatal, struct err *e)
{
	*out = (struct log_followed){ 0 };
	*fatal = false;
	struct follow w = { .f = f, .out = out, .fatal = fatal };
	w.parser = log_parser_new(f->format);
	w.buf = mem_alloc(BUFFER);
	int rc = find_start(&w, e);
	if (rc == 0)
		out->torn = w.end > w.pos;
	if (rc > 0)
		rc = read_lines(&w, e);
	free(w.buf);
	log_parser_free(w.parser);
	return rc;
}
