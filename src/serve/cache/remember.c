#include "serve/cache/remember.h"

#include "serve/cache/cache_internal.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

/* A line has about 150 bytes. */
#define MAX_BYTES (256 * MIB)

/* ---- the format ---- */

void remember_write(const struct remembered *r, struct buf *out)
{
	char hex[DIGEST_HEX];
	typedef unsigned long long ull;
	buf_addf(out, "%s %llu %llu %llu %llu %llu %llu\n", digest_hex(hex, &r->sha256),
		 (ull)r->size, (ull)r->modified_ns, (ull)r->changed_ns, (ull)r->inode,
		 (ull)r->used_s, (ull)r->checked_s);
}

static bool parse_line(const char *line, struct remembered *out)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	struct remembered r;
	str_list_split(&words, line, " ");
	if (words.count != 7 || !digest_parse(&r.sha256, words.at[0]) ||
	    !parse_u64(words.at[1], &r.size) || !parse_u64(words.at[2], &r.modified_ns) ||
	    !parse_u64(words.at[3], &r.changed_ns) || !parse_u64(words.at[4], &r.inode) ||
	    !parse_u64(words.at[5], &r.used_s) || !parse_u64(words.at[6], &r.checked_s))
		return false;
	*out = r;
	return true;
}

void remember_parse(const char *text, size_t len, void (*fn)(void *ctx, const struct remembered *r),
		    void *ctx)
{
	const char *end = text + len, *newline;
	char line[REMEMBER_LINE];
	for (; (newline = memchr(text, '\n', (size_t)(end - text))) != NULL; text = newline + 1) {
		size_t n = (size_t)(newline - text);
		struct remembered r;
		if (n >= sizeof line || memchr(text, '\0', n))
			continue;
		memcpy(line, text, n);
		line[n] = '\0';
		if (parse_line(line, &r))
			fn(ctx, &r);
	}
}

/* ---- the file ---- */

static char *path_of(const struct cache *c)
{
	return mem_printf("%s/edge/objects", c->store.home);
}

static int64_t time_of(const struct cache *c, uint64_t s)
{
	int64_t now_s = clock_wall_s(c->o.clock);
	return s > (uint64_t)now_s ? now_s : (int64_t)s;
}

/* Lines are from the oldest to the newest, so each becomes the newest. */
static void recall(void *ctx, const struct remembered *r)
{
	struct cache *c = ctx;
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, &r->sha256);
	const struct stamp was = { r->size, r->modified_ns, r->changed_ns, r->inode };
	struct stamp is;
	if (!cache_stamp_at(path, &is))
		return;
	pthread_mutex_lock(&c->lock);
	if (!cache_object_find(c, &r->sha256)) {
		bool right = r->checked_s > 0 && cache_stamp_equal(&was, &is);
		struct object *o = cache_object_put(c, &r->sha256, &is, right);
		o->used_s = time_of(c, r->used_s);
		o->checked_s = right ? time_of(c, r->checked_s) : 0;
	}
	pthread_mutex_unlock(&c->lock);
}

void cache_recall(struct cache *c)
{
	CLEANUP(mem_free_ptr) char *path = path_of(c);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	struct err why = ERR_INIT;
	int rc = file_read_all(path, &text, &why);
	if (rc == 0)
		remember_parse(buf_str(&text), text.len, recall, c);
	else if (rc != -ERR_NOT_FOUND)
		report_warn(c->o.report, "the order of use in the cache is lost: %s", why.text);
}

/* With the lock, so that nothing is written meanwhile. */
static struct remembered *copy_all(struct cache *c, size_t *count)
{
	struct remembered *all = mem_alloc((c->objects.count + 1) * sizeof *all);
	*count = 0;
	for (const struct order_item *i = c->objects.oldest; i; i = i->newer) {
		const struct object *o = (const struct object *)i;
		all[(*count)++] = (struct remembered){
			.sha256 = i->sha256,
			.size = o->stamp.size,
			.modified_ns = o->stamp.modified_ns,
			.changed_ns = o->stamp.changed_ns,
			.inode = o->stamp.inode,
			.used_s = (uint64_t)MAX(o->used_s, 0),
			.checked_s = o->right ? (uint64_t)MAX(o->checked_s, 1) : 0,
		};
	}
	return all;
}

/* Not synced: after a power failure the files are compared with their marks. */
void cache_remember(struct cache *c)
{
	CLEANUP(mem_free_ptr) char *path = path_of(c);
	CLEANUP(mem_free_ptr) struct remembered *all = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	struct err ignored = ERR_INIT;
	size_t count = 0;
	pthread_mutex_lock(&c->lock);
	if (c->changed)
		all = copy_all(c, &count);
	c->changed = false;
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < count; i++)
		remember_write(&all[i], &text);
	if (all && !text.overflow)
		(void)!file_write_unsynced(path, buf_str(&text), text.len, FILE_MODE, &ignored);
}
