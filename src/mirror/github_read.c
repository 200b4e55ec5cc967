/* The reading half, for clients: the names follow from the key, so the public files need no request
 * to the API. Private ones are read through it, with the user's token. */
#include "mirror/github.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <string.h>

/* ---- public files ------------------------------------------------------------------ */

static bool is_known_split(struct mirror_github *s, const char *key)
{
	pthread_mutex_lock(&s->lock);
	bool is = str_list_has(&s->split, key);
	pthread_mutex_unlock(&s->lock);
	return is;
}

static void note_split(struct mirror_github *s, const char *key)
{
	pthread_mutex_lock(&s->lock);
	if (!str_list_has(&s->split, key))
		str_list_add(&s->split, key);
	pthread_mutex_unlock(&s->lock);
}

static char *url_of(const struct mirror *m, const char *key, unsigned part)
{
	CLEANUP(mem_free_ptr) char *tag = mirror_github_tag(m, key);
	CLEANUP(mem_free_ptr) char *asset = github_name_asset(key, part);
	CLEANUP(mem_free_ptr) char *at = mem_printf("%s/%s", tag, asset);
	return url_join(m->url, at);
}

static int stat_part(struct mirror_connection *c, const char *key, unsigned part,
		     struct mirror_stat *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_of(c->mirror, key, part);
	struct web_file f = { .url = url };
	return web_stat(c, &f, out, e);
}

/* The parts up to the first that is missing, or is not full. */
static int stat_parts(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		      struct err *e)
{
	const struct mirror_github *s = c->mirror->state;
	struct mirror_stat total = { 0 };
	for (unsigned n = 1; n <= GITHUB_NAME_MAX_ASSETS; n++) {
		struct mirror_stat st = { 0 };
		struct err why = ERR_INIT;
		int rc = stat_part(c, key, n, &st, &why);
		if (rc == -ERR_NOT_FOUND && n > 1)
			break;
		if (rc < 0) {
			*e = why;
			return rc;
		}
		total.size += st.size;
		total.modified_s = MAX(total.modified_s, st.modified_s);
		if (st.size < s->part_size)
			break;
	}
	*out = total;
	return 0;
}

static int public_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		       struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct err why = ERR_INIT;
	if (is_known_split(s, key))
		return stat_parts(c, key, out, e);
	int rc = stat_part(c, key, 0, out, &why);
	if (rc == -ERR_NOT_FOUND && stat_parts(c, key, out, e) == 0) {
		note_split(s, key);
		return 0;
	}
	if (rc < 0 && !e->class)
		*e = why;
	return -(int)e->class;
}

struct counted {
	const struct mirror_sink *sink;
	uint64_t got;
};

static int on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct counted *k = ctx;
	k->got += len;
	return k->sink->write(k->sink->ctx, data, len, e);
}

static int get_part(struct mirror_connection *c, const struct mirror_range *r, unsigned part,
		    struct counted *k, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_of(c->mirror, r->key, part);
	struct web_file f = { .url = url };
	struct mirror_sink sink = { .write = on_data, .ctx = k };
	return web_get(c, &f, r, &sink, e);
}

/* The range in this part; the rest of an unknown length ends with a part that is not full. */
static int get_parts(struct mirror_connection *c, const struct mirror_range *r, struct counted *k,
		     struct err *e)
{
	const struct mirror_github *s = c->mirror->state;
	bool to_end = r->length == UINT64_MAX;
	uint64_t first = r->offset / s->part_size, skip = r->offset % s->part_size;
	uint64_t left = r->length;
	for (uint64_t n = first; left && n < GITHUB_NAME_MAX_ASSETS; n++, skip = 0) {
		uint64_t room = s->part_size - skip, before = k->got;
		struct mirror_range one = *r;
		struct err why = ERR_INIT;
		one.offset = skip;
		one.length = to_end ? UINT64_MAX : MIN(left, room);
		int rc = get_part(c, &one, (unsigned)n + 1, k, &why);
		if (rc == -ERR_NOT_FOUND && to_end && n > first)
			return 0;
		if (rc < 0) {
			*e = why;
			return rc;
		}
		if (to_end && k->got - before < room)
			return 0;
		left -= to_end ? 0 : one.length;
	}
	return 0;
}

/* Only an object of one asset has no parts; it is not larger than a part. */
static bool may_be_whole(const struct mirror_github *s, const struct mirror_range *r)
{
	return r->length == UINT64_MAX ? r->offset <= s->part_size
				       : r->offset + r->length <= s->part_size;
}

static int public_get(struct mirror_connection *c, const struct mirror_range *r, struct counted *k,
		      struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct err why = ERR_INIT, parts = ERR_INIT;
	if (is_known_split(s, r->key) || !may_be_whole(s, r))
		return get_parts(c, r, k, e);
	int rc = get_part(c, r, 0, k, &why);
	if (rc != -ERR_NOT_FOUND || k->got) {
		*e = why;
		return rc;
	}
	rc = get_parts(c, r, k, &parts);
	if (rc == 0)
		note_split(s, r->key);
	if (rc == -ERR_NOT_FOUND)
		*e = why;
	else if (rc < 0)
		*e = parts;
	return rc;
}

/* ---- private files ------------------------------------------------------------------ */

/* GitHub answers 404 to those who may not see the repository. */
static bool may_be_private(const struct mirror_github *s, int rc)
{
	return rc == -ERR_NOT_FOUND && s->has_api && s->place.token;
}

static bool is_private(struct mirror_github *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->is_private;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static void note_private(struct mirror_github *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_private = true;
	pthread_mutex_unlock(&s->lock);
}

static int read_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		     struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct err why = ERR_INIT;
	if (is_private(s))
		return mirror_github_stat(c, key, out, e);
	int rc = public_stat(c, key, out, &why);
	if (!may_be_private(s, rc)) {
		*e = why;
		return rc;
	}
	rc = mirror_github_stat(c, key, out, e);
	if (rc == 0)
		note_private(s);
	return rc;
}

static int read_get(struct mirror_connection *c, const struct mirror_range *r,
		    const struct mirror_sink *sink, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct counted k = { .sink = sink };
	struct err why = ERR_INIT;
	if (is_private(s))
		return mirror_github_get(c, r, sink, e);
	int rc = public_get(c, r, &k, &why);
	if (!may_be_private(s, rc) || k.got) {
		*e = why;
		return rc;
	}
	rc = mirror_github_get(c, r, sink, e);
	if (rc == 0)
		note_private(s);
	return rc;
}

static int read_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	if (s)
		return conf_err(c, s, "kind", e,
				"this program reads a mirror of kind github only "
				"as its catalog names it");
	return mirror_github_open_entry(m, e);
}

static const char *const no_keys[] = { NULL };

const struct mirror_ops mirror_github_read = {
	.kind = "github",
	.keys = no_keys,
	.packs = true,
	.reads_entries = true,
	.open = read_open,
	.has_credentials = mirror_github_has_credentials,
	.close = mirror_github_close,
	.connect = web_connect,
	.disconnect = web_disconnect,
	.stat = read_stat,
	.get = read_get,
	.quota = mirror_github_quota,
};
