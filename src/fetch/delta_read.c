/* The header of the new file, from an older one and small requests to the sources. */
#include "fetch/delta_header.h"
#include "fetch/delta_internal.h"

#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define SOURCES_TRIED 3
#define DEADLINE_MS 10000 /* of a request: the header can also be downloaded */

struct reading {
	struct delta *d;
	struct source_list *sources;
	const char *key;
	struct rate *rate;
	size_t next;           /* source to be tried */
	unsigned tried;        /* sources */
	struct source *source; /* NULL: none yet */
	struct mirror *mirror;

	/* The request under way. */
	uint8_t *to;
	size_t left;
	uint64_t received; /* of this source */
};

static int on_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct reading *r = ctx;
	int rc = rate_take(r->rate, len, r->sources->cancel, e);
	if (rc < 0)
		return rc;
	if (len > r->left)
		return err_set(e, ERR_INTEGRITY, "more bytes than were requested");
	memcpy(r->to, data, len);
	r->to += len;
	r->left -= len;
	r->received += len;
	return 0;
}

static bool is_usable(struct reading *r, struct source *s)
{
	struct err none = ERR_INIT;
	return s->objects && !s->banned && !s->given_up && !source_is_pausing(r->sources, s) &&
	       source_open(r->sources, s, &r->mirror, &none) == 0 &&
	       mirror_can(r->mirror, MIRROR_CAN_RANGE) && mirror_has(r->mirror, r->key);
}

/* False when there is no other source to be tried. */
static bool next_source(struct reading *r)
{
	if (r->source)
		r->source->wasted += r->received;
	r->d->received += r->received;
	r->received = 0;
	r->source = NULL;
	while (r->next < r->sources->count && r->tried < SOURCES_TRIED) {
		struct source *s = r->sources->at[r->next++];
		if (!is_usable(r, s))
			continue;
		r->source = s;
		r->tried++;
		return true;
	}
	return false;
}

static int read_range(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct reading *r = ctx;
	const struct mirror_sink sink = { .write = on_bytes, .ctx = r };
	const struct mirror_range range = {
		.key = r->key,
		.offset = offset,
		.length = len,
		.deadline_ms = DEADLINE_MS,
	};
	while (r->source || next_source(r)) {
		struct err why = ERR_INIT;
		r->to = data;
		r->left = len;
		int rc = mirror_get(r->mirror, &range, &sink, &why);
		if (rc == 0 && r->left == 0)
			return 0;
		if (rc == -ERR_CANCELLED) {
			*e = why;
			return rc;
		}
		if (!next_source(r))
			break;
	}
	return err_set(e, ERR_NETWORK, "no source answers");
}

static int old_header(const struct delta_file *f, uint8_t **out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	void *data;
	int rc = file_open_regular(f->path, &fd, &size, e);
	if (rc == 0)
		rc = mem_array(&data, f->header_size, 1, DELTA_HEADER_MAX, f->path, e);
	if (rc < 0)
		return rc;
	rc = file_pread(fd, data, (size_t)f->header_size, 0, f->path, e);
	if (rc < 0)
		free(data);
	else
		*out = data;
	return rc;
}

static int make(struct reading *r, uint8_t **out, struct err *e)
{
	const struct delta_file *f = &r->d->files.at[r->d->donor];
	CLEANUP(mem_free_ptr) uint8_t *old = NULL;
	int rc = old_header(f, &old, e);
	const struct delta_header h = {
		.wanted = r->d->wanted,
		.old = old,
		.old_size = (size_t)f->header_size,
		.read = read_range,
		.ctx = r,
	};
	return rc < 0 ? rc : delta_header_make(&h, out, e);
}

static int keep(struct delta *d, const uint8_t *header, struct err *e)
{
	int fd = delta_scratch(d);
	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "%s: cannot make a scratch file", d->dir);
	return file_pwrite(fd, header, (size_t)d->wanted->header_size, DELTA_ZEROS, d->dir, e);
}

int delta_read_header(struct delta *d, struct source_list *sources, const char *key,
		      struct rate *rate, struct err *e)
{
	struct reading r = { .d = d, .sources = sources, .key = key, .rate = rate };
	CLEANUP(mem_free_ptr) uint8_t *header = NULL;
	struct err why = ERR_INIT;
	if (d->donor == DELTA_SCRATCH || d->has_tried)
		return 0;
	d->has_tried = true;
	int rc = make(&r, &header, &why);
	if (rc == 0)
		rc = keep(d, header, &why);
	d->has_header = rc == 0;
	if (r.source && d->has_header)
		r.source->bytes += r.received;
	else if (r.source)
		r.source->wasted += r.received;
	d->received += r.received;
	if (d->has_header)
		delta_arrange(d);
	else if (rc == -ERR_CANCELLED)
		*e = why;
	else
		report_detail(d->report, "%s: %s", d->wanted->name, why.text);
	return rc == -ERR_CANCELLED ? rc : 0;
}
