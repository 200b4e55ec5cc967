#include "stats/log_source_internal.h"

#include "hash/sha256.h"
#include "mirror/mirror.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger objects are kept on the disk while they are read, in a file without a name. */
#define IN_MEMORY (32 * MIB)
/* New objects of one import; the next import reads on. */
#define MAX_OBJECTS 1000000

struct object {
	char *key;
	uint64_t size;
	char done[LOG_MARK_NAME];
};

struct objects {
	struct log_import *i;
	const struct mirror *m;
	struct object *at;
	size_t count, cap;
};

static void objects_release(struct objects *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].key);
	free(l->at);
}

/* An object with the same place, size and ETag has the same bytes. */
static void name_mark(const struct mirror *m, const struct mirror_entry *entry,
		      char out[LOG_MARK_NAME])
{
	char hex[DIGEST_HEX];
	struct digest d;
	CLEANUP(mem_free_ptr) char *text = mem_printf("%s\n%s\n%s\n%" PRIu64,
						      m->place ? m->place : m->id, entry->key,
						      entry->stat.etag, entry->stat.size);
	sha256_of(text, strlen(text), &d);
	snprintf(out, LOG_MARK_NAME, "object:%s", digest_hex(hex, &d));
}

static int on_object(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct objects *l = ctx;
	struct object o = { .size = entry->stat.size };
	if (entry->stat.size == 0 || l->count >= MAX_OBJECTS)
		return 0;
	name_mark(l->m, entry, o.done);
	int rc = log_source_was_read(l->i, o.done, e);
	if (rc != 0)
		return MIN(rc, 0);
	o.key = mem_strdup(entry->key);
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = o;
	return 0;
}

struct download {
	int fd;
	const char *name;
};

static int on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct download *d = ctx;
	return file_write(d->fd, data, len, d->name, e);
}

static int open_scratch(uint64_t size, int *fd, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	*fd = size <= IN_MEMORY ? os_memory_file() : os_nameless_file(dir && *dir ? dir : "/tmp");
	return *fd < 0 ? err_sys(e, errno, "a scratch file for a log") : 0;
}

static int read_object(struct log_import *i, struct mirror *m, const struct object *o,
		       struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s:%s", m->id, o->key);
	struct mirror_range range = { .key = o->key, .length = UINT64_MAX, .cancel = i->o->cancel };
	int rc = open_scratch(o->size, &fd, e);
	struct download d = { fd, name };
	struct mirror_sink sink = { on_data, &d };
	if (rc == 0)
		rc = mirror_get(m, &range, &sink, e);
	if (rc < 0 && (err_is(e, ERR_CANCELLED) || err_is(e, ERR_SYSTEM)))
		return rc;
	if (rc < 0) {
		i->t->logs++;
		return log_source_failed(i, name, rc, e);
	}
	struct log_one one = { fd, name, true, o->done };
	return log_source_one(i, &one, e);
}

int log_source_read_mirror(struct mirror *m, const char *prefix, const struct log_source_options *o,
			   const struct log_sink *s, struct log_totals *t, struct err *e)
{
	/* A file below the prefix that is a log of errors is no fault, as in a folder. */
	struct log_import i = { .o = o, .s = s, .t = t, .in_folder = true };
	CLEANUP(objects_release) struct objects l = { .i = &i, .m = m };
	if (!mirror_can(m, MIRROR_CAN_LIST))
		return err_set(e, ERR_USAGE,
			       "logs cannot be read from mirror %s: it has no list of its objects",
			       m->id);
	int rc = mirror_list(m, prefix, on_object, &l, e);
	for (size_t k = 0; rc == 0 && k < l.count; k++) {
		rc = cancel_check(o->cancel, e);
		if (rc == 0)
			rc = read_object(&i, m, &l.at[k], e);
	}
	return rc;
}
