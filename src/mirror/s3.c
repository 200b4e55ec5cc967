#include "mirror/s3.h"

#include "mirror/kinds.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

/* https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, and the same for R2:
 * https://developers.cloudflare.com/r2/platform/limits/ */
#define MAX_OBJECT (5 * 1024 * GIB)

static const char *const s3_keys[] = { "bucket",     "prefix",          "endpoint",
				       "profile",    "path-style",      "storage-class",
				       "max-object", "request-metrics", MIRROR_S3_SETUP_KEYS,
				       NULL };
static const char *const r2_keys[] = {
	"account",    "jurisdiction",       "bucket", "prefix", "profile", "endpoint",
	"max-object", MIRROR_S3_SETUP_KEYS, NULL
};

/* -- opening ---------------------------------------------------------------------- */

static int read_prefix(struct mirror_s3 *s, const struct conf *c, const struct conf_section *sec,
		       struct err *e)
{
	const char *given = conf_get(sec, "prefix");
	size_t len = given ? strlen(given) : 0;
	while (len && given[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *bare = mem_strndup(given ? given : "", len);
	if (len && !path_is_key(bare))
		return conf_err(c, sec, "prefix", e, "'%.100s' is not a valid prefix", given);
	s->prefix = mem_printf("%s%s", bare, len ? "/" : "");
	return 0;
}

static int read_style(const struct conf *c, const struct conf_section *sec, enum s3_style *out,
		      struct err *e)
{
	bool path = false;
	int rc = conf_get_bool(c, sec, "path-style", &path, e);
	if (rc == 0 && conf_get(sec, "path-style"))
		*out = path ? S3_STYLE_PATH : S3_STYLE_HOST;
	return rc;
}

static void read_env(struct mirror *m, struct mirror_s3 *s)
{
	s->http.stall_s = m->env.stall_s;
	s->http.rate = m->env.rate;
	s->http.cancel = m->env.cancel;
	s->http.clock = m->env.clock;
}

static int open_place(struct mirror *m, const struct conf *c, const struct conf_section *sec,
		      struct s3_place_options *o, struct err *e)
{
	struct mirror_s3 *s = NEW(struct mirror_s3);
	m->state = s;
	/* Until it was probed: it may report digests, and has nothing that a write relies on. */
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_SHA256 |
		 MIRROR_CAN_PIECES_SHA256;
	m->max_object = MAX_OBJECT;
	read_env(m, s);
	s->profile = conf_get(sec, "profile") ? mem_strdup(conf_get(sec, "profile")) : NULL;
	if (conf_get(sec, "storage-class"))
		s->storage_class = mem_strdup(conf_get(sec, "storage-class"));
	if (conf_get(sec, "request-metrics"))
		s->metrics = mem_strdup(conf_get(sec, "request-metrics"));
	m->has_traffic = s->metrics;
	o->bucket = conf_get(sec, "bucket");
	if (!o->bucket)
		return conf_err(c, sec, NULL, e, "a mirror of kind %s needs 'bucket'",
				m->ops->kind);
	o->credentials.profile = s->profile;
	o->credentials.cancel = m->env.cancel;
	o->credentials.clock = m->env.clock;
	int rc = conf_get_size(c, sec, "max-object", &m->max_object, e);
	if (rc == 0)
		rc = read_prefix(s, c, sec, e);
	if (rc == 0)
		rc = mirror_s3_setup_read(c, sec, &s->setup, e);
	if (rc == 0)
		rc = s3_place_open(&s->place, o, e);
	if (rc < 0)
		return rc;
	m->place = mem_printf("%s/%s/%s", s->place.endpoint ? s->place.endpoint : "aws",
			      s->place.bucket, s->prefix);
	mirror_s3_load_traits(m);
	return 0;
}

/* FERRY_ENDPOINT_S3_EU, for [mirror.s3-eu], takes precedence over the file. */
static const char *endpoint_of(const struct mirror *m, const struct conf_section *sec)
{
	const char *set = mirror_variable(m, "FERRY_ENDPOINT_", "");
	return set ? set : conf_get(sec, "endpoint");
}

static int s3_open(struct mirror *m, const struct conf *c, const struct conf_section *sec,
		   struct err *e)
{
	struct s3_place_options o = { .endpoint = endpoint_of(m, sec), .region = m->region };
	int rc = read_style(c, sec, &o.style, e);
	return rc < 0 ? rc : open_place(m, c, sec, &o, e);
}

/* https://developers.cloudflare.com/r2/api/s3/api/ */
static int r2_endpoint(const struct conf *c, const struct conf_section *sec, char **out,
		       struct err *e)
{
	const char *account = conf_get(sec, "account"), *where = conf_get(sec, "jurisdiction");
	if (!account)
		account = getenv("CLOUDFLARE_ACCOUNT_ID");
	if (!account || !*account) {
		conf_err(c, sec, NULL, e, "a mirror of kind r2 needs 'account'");
		return err_hint(e, "it is the account id in Cloudflare's dashboard; or set "
				   "CLOUDFLARE_ACCOUNT_ID");
	}
	/* Parts of a host name: a '/' would lead to another host. */
	if (!path_is_id(account))
		return conf_err(c, sec, NULL, e, "'%.100s' is not a valid account", account);
	if (where && !path_is_id(where))
		return conf_err(c, sec, NULL, e, "'%.100s' is not a valid jurisdiction", where);
	*out = mem_printf("https://%s%s%s.r2.cloudflarestorage.com", account, where ? "." : "",
			  where ? where : "");
	return 0;
}

static int r2_open(struct mirror *m, const struct conf *c, const struct conf_section *sec,
		   struct err *e)
{
	const char *given = endpoint_of(m, sec);
	CLEANUP(mem_free_ptr) char *endpoint = given ? mem_strdup(given) : NULL;
	int rc = endpoint ? 0 : r2_endpoint(c, sec, &endpoint, e);
	struct s3_place_options o = { .endpoint = endpoint,
				      .region = "auto",
				      .style = S3_STYLE_PATH };
	return rc < 0 ? rc : open_place(m, c, sec, &o, e);
}

static void s3_close(struct mirror *m)
{
	struct mirror_s3 *s = m->state;
	s3_place_release(&s->place);
	mirror_s3_setup_free(s->setup);
	free(s->prefix);
	free(s->storage_class);
	free(s->profile);
	free(s->metrics);
	free(s);
	m->state = NULL;
}

static int s3_connect(struct mirror_connection *c, struct err *e)
{
	const struct mirror_s3 *s = c->mirror->state;
	struct http_client *client = NULL;
	int rc = http_client_new(&s->http, &client, e);
	c->state = client;
	return rc;
}

static void s3_disconnect(struct mirror_connection *c)
{
	http_client_free(c->state);
}

/* -- stat ------------------------------------------------------------------------- */

static int s3_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		   struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, key);
	return mirror_s3_head(c, name, out, &r, e);
}

/* -- get -------------------------------------------------------------------------- */

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct mirror_sink *sink = ctx;
	return sink->write(sink->ctx, data, len, e);
}

/* A range that starts at the end is empty: not every server reports the size when it refuses it. */
static int s3_get(struct mirror_connection *c, const struct mirror_range *range,
		  const struct mirror_sink *sink, struct err *e)
{
	struct err why = ERR_INIT;
	struct mirror_stat st;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, range->key);
	struct s3_request q = {
		.method = "GET",
		.key = name,
		.offset = range->offset,
		.length = range->length == UINT64_MAX ? 0 : range->length,
		.deadline_ms = range->deadline_ms,
		.cancel = range->cancel,
		.write = on_write,
		.ctx = (void *)sink,
	};
	int rc = mirror_s3_call(c, &q, &r, &why);
	if (rc == -ERR_INTEGRITY && r.status == 416 && !q.length &&
	    mirror_s3_head(c, name, &st, &r, e) == 0 && st.size == range->offset)
		return 0;
	if (rc == -ERR_NOT_FOUND)
		return mirror_s3_absent(c, &why, e);
	if (rc < 0 && !e->class)
		*e = why;
	return rc;
}

/* -- list ------------------------------------------------------------------------- */

struct listing {
	mirror_entry_fn *fn;
	void *ctx;
	const struct mirror_s3 *s;
	const char *folder;      /* with delimiters: the one that is being listed, */
	struct s3_page all;      /* everything, to be sorted, */
	struct str_list folders; /* and what is still to be listed */
};

static void listing_release(struct listing *l)
{
	s3_page_release(&l->all);
	str_list_release(&l->folders);
}

/* Names that are not valid keys (path_is_key) are not ours. */
static int tell(const struct listing *l, const struct s3_item *i, struct err *e)
{
	const char *prefix = l->s->prefix;
	if (!str_starts(i->name, prefix) || !path_is_key(i->name + strlen(prefix)))
		return 0;
	struct mirror_entry entry = { .key = i->name + strlen(prefix) };
	entry.stat.size = i->size;
	entry.stat.modified_s = i->time_s;
	snprintf(entry.stat.etag, sizeof entry.stat.etag, "%s", i->etag);
	return l->fn(l->ctx, &entry, e);
}

static int on_item(void *ctx, const struct s3_item *i, struct err *e)
{
	const struct listing *l = ctx;
	return i->kind == S3_ITEM_OBJECT ? tell(l, i, e) : 0;
}

static int on_item_or_folder(void *ctx, const struct s3_item *i, struct err *e)
{
	struct listing *l = ctx;
	struct s3_page *all = &l->all;
	(void)e;
	/* One that is not inside the folder would be listed for ever. */
	if (!str_starts(i->name, l->folder))
		return 0;
	if (i->kind == S3_ITEM_FOLDER && strlen(i->name) > strlen(l->folder)) {
		str_list_add(&l->folders, i->name);
	} else if (i->kind == S3_ITEM_OBJECT) {
		all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
		all->at[all->count++] = (struct s3_item){ .name = mem_strdup(i->name),
							  .etag = mem_strdup(i->etag),
							  .size = i->size,
							  .time_s = i->time_s };
	}
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct s3_item *x = a, *y = b;
	return strcmp(x->name, y->name);
}

/* For servers that list only one folder at a time. */
static int list_folders(struct mirror_connection *c, struct listing *l, const char *prefix,
			struct err *e)
{
	struct mirror_s3_list how = { .list = MIRROR_S3_OBJECTS,
				      .prefix = prefix,
				      .folders = true };
	l->folder = prefix;
	int rc = mirror_s3_list(c, &how, on_item_or_folder, l, e);
	for (size_t i = 0; rc == 0 && i < l->folders.count; i++) {
		CLEANUP(mem_free_ptr) char *folder = mem_strdup(l->folders.at[i]);
		how.prefix = l->folder = folder;
		rc = mirror_s3_list(c, &how, on_item_or_folder, l, e);
	}
	if (rc == 0 && l->all.count)
		qsort(l->all.at, l->all.count, sizeof *l->all.at, compare_items);
	for (size_t i = 0; rc == 0 && i < l->all.count; i++)
		rc = tell(l, &l->all.at[i], e);
	return rc;
}

static int s3_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn, void *ctx,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, prefix);
	CLEANUP(listing_release) struct listing l = { .fn = fn, .ctx = ctx, .s = c->mirror->state };
	struct mirror_s3_list how = { .list = MIRROR_S3_OBJECTS, .prefix = name };
	if (mirror_s3_has(c->mirror, S3_LISTS_FOLDERS))
		return list_folders(c, &l, name, e);
	return mirror_s3_list(c, &how, on_item, &l, e);
}

/* -- copy and remove -------------------------------------------------------------- */

static int s3_copy(struct mirror_connection *c, const char *from, const char *to, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mem_free_ptr) char *source_name = mirror_s3_name(c->mirror, from);
	CLEANUP(mem_free_ptr) char *source = mirror_s3_source(c->mirror, source_name);
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, to);
	struct sigv4_pair header = { "x-amz-copy-source", source };
	struct s3_request q = { .method = "PUT",
				.key = name,
				.headers = &header,
				.header_count = 1,
				.root = "CopyObjectResult",
				.works = true,
				.into = &answer };
	return mirror_s3_call(c, &q, NULL, e);
}

static int s3_remove(struct mirror_connection *c, const char *key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, key);
	struct s3_request q = { .method = "DELETE", .key = name };
	struct err why = ERR_INIT;
	int rc = mirror_s3_call(c, &q, NULL, &why);
	if (rc == 0 || rc == -ERR_NOT_FOUND)
		return 0;
	*e = why;
	return rc;
}

static int s3_presign_key(struct mirror_connection *c, const char *key, uint64_t expires_s,
			  char **out, struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(c->mirror, key);
	return s3_presign(&s->place, name, expires_s, out, e);
}

/* -- the kinds -------------------------------------------------------------------- */

/* Do both have the same server, and the same account? */
static bool s3_copies_from(const struct mirror *m, const struct mirror *from)
{
	if (from->ops != &mirror_s3 && from->ops != &mirror_r2)
		return false;
	const struct mirror_s3 *a = m->state, *b = from->state;
	bool same_server = a->place.aws ? b->place.aws
					: !b->place.aws &&
						  strcmp(a->place.endpoint, b->place.endpoint) == 0;
	bool same_profile = a->profile && b->profile ? strcmp(a->profile, b->profile) == 0
						     : !a->profile && !b->profile;
	return same_server && same_profile && mirror_s3_has(m, S3_COPIES_PARTS);
}

#define S3_FUNCTIONS \
	.small_connections = 16, .close = s3_close, .connect = s3_connect, \
	.disconnect = s3_disconnect, .stat = s3_stat, .get = s3_get, .list = s3_list, \
	.copy = s3_copy, .remove = s3_remove, .presign = s3_presign_key, \
	.upload_open = mirror_s3_upload_open, .upload_put = mirror_s3_upload_put, \
	.upload_commit = mirror_s3_upload_commit, .upload_close = mirror_s3_upload_close, \
	.upload_abandon = mirror_s3_upload_abandon, .upload_copy = mirror_s3_upload_copy, \
	.copies_from = s3_copies_from, .leftovers = mirror_s3_leftovers, \
	.leftover_remove = mirror_s3_leftover_remove, .preflight = mirror_s3_preflight, \
	.probe = mirror_s3_probe, .setup = mirror_s3_setup

const struct mirror_ops mirror_s3 = {
	.kind = "s3",
	.keys = s3_keys,
	.open = s3_open,
	.traffic = mirror_s3_traffic,
	S3_FUNCTIONS,
};

const struct mirror_ops mirror_r2 = {
	.kind = "r2",
	.keys = r2_keys,
	.open = r2_open,
	S3_FUNCTIONS,
};
