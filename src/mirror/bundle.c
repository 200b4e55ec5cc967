#include "mirror/bundle_index.h"

#include "http/url.h"
#include "mirror/file.h"
#include "mirror/kinds.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <sys/stat.h>

static const char *const keys[] = { "path", NULL };
static const char *const schemes[] = { "file:", NULL };

struct bundle {
	char *path;
	int fd; /* -1: not read yet; under the mirror's lock, as are: */
	int64_t modified_s;
	struct mirror_bundle_index index;
};

static bool is_bundle(const char *url)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	struct err ignored = ERR_INIT;
	struct stat st;
	return url_file_path(url, &path, &ignored) == 0 && stat(path, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

static int bundle_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		       struct err *e)
{
	char *path = s ? conf_get_path(c, s, "path") : NULL;
	if (!path && !m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind bundle needs 'path'");
	if (!path && url_file_path(m->url, &path, e) < 0)
		return -(int)e->class;
	struct bundle *b = NEW(struct bundle);
	*b = (struct bundle){ .path = path, .fd = -1 };
	m->state = b;
	if (!m->url)
		m->url = path_file_url(path);
	m->place = path_file_url(path);
	m->can = MIRROR_CAN_LIST | MIRROR_CAN_RANGE;
	return 0;
}

static void bundle_close(struct mirror *m)
{
	struct bundle *b = m->state;
	file_close(&b->fd);
	mirror_bundle_index_release(&b->index);
	free(b->path);
	mem_free_ptr(&m->state);
}

/* ---- the index ---- */

static int read_index(int fd, uint64_t size, struct mirror_bundle_index *out, struct err *e)
{
	uint8_t block[MIRROR_BUNDLE_BLOCK];
	size_t length;
	if (size < sizeof block)
		return err_set(e, ERR_INTEGRITY, "it is not a bundle of Model Ferry");
	int rc = file_pread(fd, block, sizeof block, 0, "the bundle", e);
	if (rc == 0)
		rc = mirror_bundle_head(block, &length, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *text = mem_alloc(length + 1);
	rc = file_pread(fd, text, length, sizeof block, "the bundle", e);
	return rc < 0 ? rc : mirror_bundle_parse(text, length, out, e);
}

static int check_complete(const struct mirror_bundle_index *x, uint64_t size, struct err *e)
{
	if (x->end <= size)
		return 0;
	err_set(e, ERR_INTEGRITY, "the bundle is incomplete: it has %llu of %llu bytes",
		(unsigned long long)size, (unsigned long long)x->end);
	return err_hint(e, "copy or download it again");
}

static int load(struct bundle *b, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(mirror_bundle_index_release) struct mirror_bundle_index x = { 0 };
	uint64_t size;
	struct stat st;
	int rc = file_open_regular(b->path, &fd, &size, e);
	if (rc == 0 && (rc = read_index(fd, size, &x, e)) == 0)
		rc = check_complete(&x, size, e);
	if (rc < 0)
		return err_context(e, "%s", b->path);
	b->modified_s = fstat(fd, &st) == 0 ? st.st_mtime : 0;
	b->index = x;
	x = (struct mirror_bundle_index){ 0 };
	b->fd = fd;
	fd = -1;
	return 0;
}

static int loaded(struct mirror *m, struct bundle **out, struct err *e)
{
	struct bundle *b = m->state;
	pthread_mutex_lock(&m->lock);
	int rc = b->fd < 0 ? load(b, e) : 0;
	pthread_mutex_unlock(&m->lock);
	*out = b;
	return rc;
}

static int find(struct mirror *m, const char *key, struct bundle **b,
		const struct mirror_bundle_object **out, struct err *e)
{
	int rc = loaded(m, b, e);
	if (rc < 0)
		return rc;
	*out = mirror_bundle_find(&(*b)->index, key);
	return *out ? 0 : err_set(e, ERR_NOT_FOUND, "the bundle does not have it");
}

/* ---- calls ---- */

static int bundle_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		       struct err *e)
{
	struct bundle *b;
	const struct mirror_bundle_object *o;
	int rc = find(c->mirror, key, &b, &o, e);
	/* The digest in the index is a claim, and not made from the bytes: verify reads them. */
	if (rc == 0)
		*out = (struct mirror_stat){ .size = o->size, .modified_s = b->modified_s };
	return rc;
}

static int bundle_get(struct mirror_connection *c, const struct mirror_range *r,
		      const struct mirror_sink *sink, struct err *e)
{
	struct bundle *b;
	const struct mirror_bundle_object *o;
	bool all = r->length == UINT64_MAX;
	int rc = find(c->mirror, r->key, &b, &o, e);
	if (rc < 0)
		return rc;
	if (r->offset > o->size || (!all && r->length > o->size - r->offset))
		return err_set(e, ERR_INTEGRITY, "has only %llu bytes",
			       (unsigned long long)o->size);
	return mirror_file_send(c->mirror, b->fd, o->offset + r->offset,
				all ? o->size - r->offset : r->length, sink, e);
}

static int bundle_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn,
		       void *ctx, struct err *e)
{
	struct bundle *b;
	int rc = loaded(c->mirror, &b, e);
	for (size_t i = 0; rc == 0 && i < b->index.count; i++) {
		const struct mirror_bundle_object *o = &b->index.at[i];
		const struct mirror_entry entry = {
			.key = o->key,
			.stat = { .size = o->size, .modified_s = b->modified_s },
		};
		if (str_starts(o->key, prefix))
			rc = fn(ctx, &entry, e);
	}
	return rc;
}

static int bundle_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct bundle *b;
	struct err why = ERR_INIT;
	(void)e;
	if (loaded(c->mirror, &b, &why) < 0)
		mirror_findings_fault(out, "read", &why);
	else
		mirror_findings_add(out, "read", MIRROR_FINDING_OK,
				    "release %llu, %zu objects (read-only)",
				    (unsigned long long)b->index.release, b->index.count);
	return 0;
}

const struct mirror_ops mirror_bundle = {
	.kind = "bundle",
	.keys = keys,
	.schemes = schemes,
	.reads = is_bundle,
	.open = bundle_open,
	.close = bundle_close,
	.stat = bundle_stat,
	.get = bundle_get,
	.list = bundle_list,
	.probe = bundle_probe,
};
