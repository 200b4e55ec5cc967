#include "mirror/mirror.h"

#include "http/access.h"
#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* -- opening --------------------------------------------------------------------- */

struct mirror *mirror_new(const struct mirror_ops *ops, const char *id)
{
	struct mirror *m = NEW(struct mirror);
	m->ops = ops;
	m->id = mem_strdup(id);
	m->priority = 50;
	m->connections = ops->connections ? ops->connections : MIRROR_CONNECTIONS;
	m->small_connections = ops->small_connections;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void connection_free(struct mirror_connection *c)
{
	if (c->mirror->ops->disconnect)
		c->mirror->ops->disconnect(c);
	free(c);
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	for (struct mirror_connection *c = m->idle, *next; c; c = next) {
		next = c->next;
		connection_free(c);
	}
	if (m->state)
		m->ops->close(m);
	pthread_mutex_destroy(&m->lock);
	free(m->id);
	free(m->url);
	free(m->place);
	free(m->region);
	str_list_release(&m->closed);
	places_free(m->places);
	free(m);
}

static const struct mirror_ops *kind_for(const struct mirror_ops *const *kinds, const char *url)
{
	for (; *kinds; kinds++)
		for (const char *const *s = (*kinds)->schemes; s && *s; s++)
			if (str_starts_nocase(url, *s) &&
			    (!(*kinds)->reads || (*kinds)->reads(url)))
				return *kinds;
	return NULL;
}

/* Takes m, which has its settings. */
static int open_to_read(struct mirror *m, struct mirror **out, struct err *e)
{
	CLEANUP_PTR(mirror_close) struct mirror *own = m;
	int rc = m->ops->open(m, NULL, NULL, e);
	m->entry = NULL;
	if (rc < 0)
		return err_context(e, "mirror %s", m->id);
	m->can &= ~(unsigned)(MIRROR_CAN_WRITE | MIRROR_CAN_COPY | MIRROR_CAN_CREATE_ONLY |
			      MIRROR_CAN_REPLACE_IF | MIRROR_CAN_COPY_PIECES);
	*out = STEAL(own);
	return 0;
}

int mirror_open_url(const struct mirror_ops *const *kinds, const struct mirror_env *env,
		    const char *id, const char *url, struct mirror **out, struct err *e)
{
	const struct mirror_ops *ops = kind_for(kinds, url);
	if (!ops) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url);
		err_set(e, ERR_USAGE, "'%.100s' is not a supported URL", shown);
		if (strcmp(id, url) != 0)
			err_context(e, "mirror %s", id);
		return err_hint(e, "use a file://, http://, https:// or oci:// URL");
	}
	struct mirror *m = mirror_new(ops, id);
	m->url = mem_strdup(url);
	if (env)
		m->env = *env;
	return open_to_read(m, out, e);
}

/* The kind that reads such entries, or NULL. */
static const struct mirror_ops *entry_kind(const struct mirror_ops *const *kinds, const char *kind)
{
	for (; *kinds; kinds++)
		if ((*kinds)->reads_entries && strcmp((*kinds)->kind, kind) == 0)
			return *kinds;
	return NULL;
}

bool mirror_reads_entry(const struct mirror_ops *const *kinds, const struct catalog_mirror *entry,
			enum mirror_holds what)
{
	if (entry_kind(kinds, entry->kind))
		return entry->holds == MIRROR_HOLDS_ALL || entry->holds == what;
	return catalog_mirror_has(entry, what) && kind_for(kinds, entry->url);
}

bool mirror_entry_is_of_others(const struct mirror_ops *const *kinds,
			       const struct catalog_mirror *entry)
{
	const struct mirror_ops *ops = entry_kind(kinds, entry->kind);
	return ops && ops->others_files;
}

int mirror_open_entry(const struct mirror_ops *const *kinds, const struct mirror_env *env,
		      const struct catalog_mirror *entry, struct mirror **out, struct err *e)
{
	const struct mirror_ops *ops = entry_kind(kinds, entry->kind);
	if (!ops)
		return mirror_open_url(kinds, env, entry->id, entry->url, out, e);
	struct mirror *m = mirror_new(ops, entry->id);
	m->url = mem_strdup(entry->url);
	m->holds = entry->holds;
	m->entry = entry->json;
	if (env)
		m->env = *env;
	return open_to_read(m, out, e);
}

int mirror_read_places(struct mirror *m, const void *data, size_t len, const char *what,
		       struct err *e)
{
	if (!m->places)
		m->places = NEW(struct places);
	int rc = places_read(data, len, what, m->places, e);
	return rc < 0 ? err_context(e, "mirror %s", m->id) : 0;
}

bool mirror_has(const struct mirror *m, const char *key)
{
	return !m->ops->has || m->ops->has(m, key);
}

bool mirror_has_credentials(const struct mirror *m)
{
	const struct http_access *a = m->url ? http_access_find_text(m->env.access, m->url) : NULL;
	CLEANUP(url_release) struct url url = { 0 };
	struct err ignored = ERR_INIT;
	if (a && (a->token || a->netrc || a->cert))
		return true;
	if (m->url && url_parse(m->url, &url, &ignored) == 0 && (url.user || url.password))
		return true;
	return m->ops->has_credentials && m->ops->has_credentials(m);
}

bool mirror_has_server(const struct mirror *m)
{
	return m->ops->connect;
}

unsigned mirror_threads(const struct mirror *m)
{
	return MAX(m->connections, m->small_connections);
}

bool mirror_can(const struct mirror *m, unsigned what)
{
	return (m->can & what) == what;
}

/* -- connections ----------------------------------------------------------------- */

static int take_connection(struct mirror *m, struct mirror_connection **out, struct err *e)
{
	pthread_mutex_lock(&m->lock);
	struct mirror_connection *c = m->idle;
	if (c)
		m->idle = c->next;
	pthread_mutex_unlock(&m->lock);
	if (!c) {
		c = NEW(struct mirror_connection);
		c->mirror = m;
		int rc = m->ops->connect ? m->ops->connect(c, e) : 0;
		if (rc < 0) {
			free(c);
			return rc;
		}
	}
	*out = c;
	return 0;
}

static void give_back(struct mirror_connection *c)
{
	struct mirror *m = c->mirror;
	pthread_mutex_lock(&m->lock);
	c->next = m->idle;
	m->idle = c;
	pthread_mutex_unlock(&m->lock);
}

/* -- calls ----------------------------------------------------------------------- */

static int check(struct mirror *m, const char *key, bool able, const char *verb, struct err *e)
{
	if (!able)
		return err_set(e, ERR_USAGE, "mirror %s: this mirror, of kind %s, cannot %s", m->id,
			       m->ops->kind, verb);
	if (key && !path_is_key(key)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(key);
		return err_set(e, ERR_USAGE, "mirror %s: '%.200s' is not a valid key of an object",
			       m->id, shown);
	}
	return 0;
}

/* A connection for one call, or an error that names the mirror. */
static int begin(struct mirror *m, const char *key, bool able, const char *verb,
		 struct mirror_connection **c, struct err *e)
{
	int rc = check(m, key, able, verb, e);
	if (rc == 0 && (rc = take_connection(m, c, e)) < 0)
		return err_context(e, "mirror %s", m->id);
	return rc;
}

static int end(struct mirror_connection *c, const char *key, int rc, struct err *e)
{
	struct mirror *m = c->mirror;
	give_back(c);
	if (rc == 0)
		return 0;
	if (key)
		err_context(e, "%s", key);
	return err_context(e, "mirror %s", m->id);
}

int mirror_stat_key(struct mirror *m, const char *key, struct mirror_stat *out, struct err *e)
{
	struct mirror_connection *c;
	struct mirror_stat st = { 0 };
	int rc = begin(m, key, m->ops->stat, "report the size of an object", &c, e);
	if (rc < 0)
		return rc;
	rc = m->ops->stat(c, key, &st, e);
	if (rc == 0 && out)
		*out = st;
	return end(c, key, rc, e);
}

/* Counts the bytes, so that a short answer is noticed. */
struct counted {
	const struct mirror_sink *sink;
	uint64_t got;
};

static int counted_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct counted *c = ctx;
	c->got += len;
	return c->sink->write(c->sink->ctx, data, len, e);
}

static int get_counted(struct mirror_connection *c, const struct mirror_range *r,
		       const struct mirror_sink *sink, struct err *e)
{
	struct counted counted = { .sink = sink };
	struct mirror_sink counting = { .write = counted_write, .ctx = &counted };
	bool all = r->length == UINT64_MAX;
	uint64_t last;
	if (!all && !add_u64(r->offset, r->length, &last))
		return err_set(e, ERR_INTEGRITY, "the range overflows");
	int rc = c->mirror->ops->get(c, r, &counting, e);
	if (rc == 0 && !all && counted.got != r->length)
		rc = err_set(e, ERR_INTEGRITY, "sent %llu bytes, but %llu were requested",
			     (unsigned long long)counted.got, (unsigned long long)r->length);
	return rc;
}

int mirror_get(struct mirror *m, const struct mirror_range *r, const struct mirror_sink *sink,
	       struct err *e)
{
	struct mirror_connection *c;
	int rc = check(m, r->key, m->ops->get, "be read", e);
	if (rc < 0 || r->length == 0)
		return rc;
	rc = begin(m, r->key, true, "be read", &c, e);
	return rc < 0 ? rc : end(c, r->key, get_counted(c, r, sink, e), e);
}

static int into_buf(void *ctx, const void *data, size_t len, struct err *e)
{
	struct buf *b = ctx;
	buf_add(b, data, len);
	return buf_ok(b, "the object", e);
}

int mirror_get_small(struct mirror *m, const char *key, uint64_t deadline_ms, struct buf *out,
		     struct err *e)
{
	struct mirror_range r = { .key = key, .length = UINT64_MAX, .deadline_ms = deadline_ms };
	buf_clear(out);
	return mirror_get(m, &r, &(struct mirror_sink){ .write = into_buf, .ctx = out }, e);
}

int mirror_copy(struct mirror *m, const char *from, const char *to, struct err *e)
{
	struct mirror_connection *c;
	bool able = m->ops->copy && mirror_can(m, MIRROR_CAN_COPY);
	int rc = check(m, to, able, "copy", e);
	if (rc == 0)
		rc = begin(m, from, able, "copy", &c, e);
	return rc < 0 ? rc : end(c, from, m->ops->copy(c, from, to, e), e);
}

int mirror_list(struct mirror *m, const char *prefix, mirror_entry_fn *fn, void *ctx, struct err *e)
{
	struct mirror_connection *c;
	bool able = m->ops->list && mirror_can(m, MIRROR_CAN_LIST);
	int rc = begin(m, NULL, able, "be listed", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->list(c, prefix, fn, ctx, e), e);
}

int mirror_remove(struct mirror *m, const char *key, struct err *e)
{
	struct mirror_connection *c;
	bool able = m->ops->remove && mirror_can(m, MIRROR_CAN_WRITE);
	int rc = begin(m, key, able, "be written to", &c, e);
	return rc < 0 ? rc : end(c, key, m->ops->remove(c, key, e), e);
}

int mirror_presign(struct mirror *m, const char *key, uint64_t expires_s, char **out, struct err *e)
{
	struct mirror_connection *c;
	if (!expires_s || expires_s > MIRROR_PRESIGN_MAX_S)
		return err_set(e, ERR_USAGE, "a signed URL is valid for 1 second to 7 days");
	int rc = begin(m, key, m->ops->presign, "sign URLs", &c, e);
	return rc < 0 ? rc : end(c, key, m->ops->presign(c, key, expires_s, out, e), e);
}

int mirror_downloads(struct mirror *m, mirror_downloads_fn *fn, void *ctx, struct err *e)
{
	struct mirror_connection *c;
	int rc = begin(m, NULL, m->ops->downloads, "tell how often its objects were downloaded", &c,
		       e);
	return rc < 0 ? rc : end(c, NULL, m->ops->downloads(c, fn, ctx, e), e);
}

bool mirror_has_downloads(const struct mirror *m)
{
	return m->ops->downloads;
}

int mirror_traffic(struct mirror *m, int64_t from_s, int64_t to_s, mirror_traffic_fn *fn, void *ctx,
		   struct err *e)
{
	struct mirror_connection *c;
	bool able = m->ops->traffic && m->has_traffic;
	int rc = begin(m, NULL, able, "tell its traffic", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->traffic(c, from_s, to_s, fn, ctx, e), e);
}

int mirror_quota(struct mirror *m, struct mirror_quota *out, struct err *e)
{
	struct mirror_connection *c;
	int rc = begin(m, NULL, m->ops->quota, "tell its quota", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->quota(c, out, e), e);
}

int mirror_probe(struct mirror *m, struct mirror_findings *out, struct err *e)
{
	struct mirror_connection *c;
	int rc = begin(m, NULL, m->ops->probe, "be probed", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->probe(c, out, e), e);
}

int mirror_setup(struct mirror *m, bool dry_run, struct mirror_findings *out, struct err *e)
{
	struct mirror_connection *c;
	if (!m->ops->setup) {
		mirror_findings_add(out, "set-up", MIRROR_FINDING_OK, "there is nothing to set up");
		return 0;
	}
	int rc = begin(m, NULL, true, "be set up", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->setup(c, dry_run, out, e), e);
}

int mirror_readers(struct mirror *m, struct mirror_findings *out, struct err *e)
{
	struct mirror_connection *c;
	if (!m->ops->readers)
		return 0;
	int rc = begin(m, NULL, true, "be checked", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->readers(c, out, e), e);
}

int mirror_preflight(struct mirror *m, const struct mirror_need *need, struct mirror_findings *out,
		     struct err *e)
{
	struct mirror_connection *c;
	struct err why = ERR_INIT;
	if (!m->ops->preflight)
		return 0;
	int rc = begin(m, NULL, true, "be checked", &c, &why);
	if (rc == 0)
		rc = end(c, NULL, m->ops->preflight(c, need, out, &why), &why);
	if (rc == -ERR_CANCELLED)
		*e = why;
	else if (rc < 0)
		mirror_findings_fault(out, "connection", &why);
	return rc == -ERR_CANCELLED ? rc : 0;
}

int mirror_publish(struct mirror *m, const struct mirror_publication *p,
		   struct mirror_findings *out, struct err *e)
{
	struct mirror_connection *c;
	if (!m->ops->publish)
		return 0;
	int rc = begin(m, NULL, mirror_can(m, MIRROR_CAN_WRITE), "be written to", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->publish(c, p, out, e), e);
}

int mirror_leftovers(struct mirror *m, mirror_leftover_fn *fn, void *ctx, struct err *e)
{
	struct mirror_connection *c;
	if (!m->ops->leftovers)
		return 0;
	int rc = begin(m, NULL, true, "be listed", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->leftovers(c, fn, ctx, e), e);
}

int mirror_leftover_remove(struct mirror *m, const struct mirror_leftover *left, struct err *e)
{
	struct mirror_connection *c;
	bool able = m->ops->leftover_remove && mirror_can(m, MIRROR_CAN_WRITE);
	int rc = begin(m, NULL, able, "be written to", &c, e);
	return rc < 0 ? rc : end(c, NULL, m->ops->leftover_remove(c, left, e), e);
}

/* -- uploads --------------------------------------------------------------------- */

static int check_put(struct mirror *m, const char *key, const struct mirror_put *how, struct err *e)
{
	bool able = m->ops->upload_open && mirror_can(m, MIRROR_CAN_WRITE);
	int rc = check(m, key, able, "be written to", e);
	if (rc == 0 && how->only_if_absent)
		rc = check(m, key, mirror_can(m, MIRROR_CAN_CREATE_ONLY),
			   "create without replacing", e);
	if (rc == 0 && how->only_if_etag)
		rc = check(m, key, mirror_can(m, MIRROR_CAN_REPLACE_IF), "replace on a condition",
			   e);
	if (rc == 0 && m->ops->no_empty && how->grid.size == 0)
		rc = check(m, key, false, "hold an empty object", e);
	if (rc == 0 && m->max_object && how->grid.size > m->max_object)
		rc = err_set(e, ERR_USAGE,
			     "mirror %s: %s: has %llu bytes, more than the limit of %llu there",
			     m->id, key, (unsigned long long)how->grid.size,
			     (unsigned long long)m->max_object);
	if (rc == 0 && !how->pieces && how->grid.count > 1)
		rc = err_set(e, ERR_BUG, "mirror %s: %s: the digests of its %u pieces are missing",
			     m->id, key, (unsigned)how->grid.count);
	return rc;
}

void mirror_upload_advance(struct mirror_upload *u, int64_t bytes)
{
	if (!u->how.task || !bytes)
		return;
	pthread_mutex_lock(&u->lock);
	u->told += bytes;
	pthread_mutex_unlock(&u->lock);
	report_advance(u->how.report, u->how.task, bytes);
}

void mirror_upload_close(struct mirror_upload *u)
{
	if (!u)
		return;
	mirror_upload_advance(u, -u->told);
	if (u->state)
		u->mirror->ops->upload_close(u);
	pthread_mutex_destroy(&u->lock);
	free(u->there);
	free(u->key);
	free(u);
}

int mirror_upload_open(struct mirror *m, const char *key, const struct mirror_put *how,
		       struct mirror_upload **out, struct err *e)
{
	struct mirror_connection *c;
	CLEANUP_PTR(mirror_upload_close) struct mirror_upload *u = NULL;
	int rc = check_put(m, key, how, e);
	if (rc == 0)
		rc = begin(m, key, true, "be written to", &c, e);
	if (rc < 0)
		return rc;
	u = NEW(struct mirror_upload);
	*u = (struct mirror_upload){
		.mirror = m,
		.key = mem_strdup(key),
		.how = *how,
		.missing = how->grid.count,
	};
	u->there = mem_alloc(how->grid.count + 1);
	pthread_mutex_init(&u->lock, NULL);
	rc = end(c, key, m->ops->upload_open(c, u, e), e);
	if (rc == 0)
		*out = STEAL(u);
	return rc;
}

bool mirror_upload_has(struct mirror_upload *u, uint32_t piece)
{
	pthread_mutex_lock(&u->lock);
	bool has = u->there[piece];
	pthread_mutex_unlock(&u->lock);
	return has;
}

const struct digest *mirror_upload_digest(const struct mirror_upload *u, uint32_t piece)
{
	return u->how.pieces ? &u->how.pieces[piece] : &u->how.sha256;
}

static void set_there(struct mirror_upload *u, uint32_t piece)
{
	pthread_mutex_lock(&u->lock);
	u->missing -= !u->there[piece];
	u->there[piece] = true;
	pthread_mutex_unlock(&u->lock);
}

void mirror_upload_found(struct mirror_upload *u, uint32_t piece)
{
	uint64_t len = grid_length(&u->how.grid, piece);
	set_there(u, piece);
	pthread_mutex_lock(&u->lock);
	u->resumed += len;
	pthread_mutex_unlock(&u->lock);
	mirror_upload_advance(u, (int64_t)len);
}

int mirror_upload_put(struct mirror_upload *u, uint32_t piece, const void *data, struct err *e)
{
	struct mirror *m = u->mirror;
	struct mirror_connection *c;
	if (piece >= u->how.grid.count)
		return err_set(e, ERR_BUG, "%s: there is no piece %u", u->key, (unsigned)piece);
	if (mirror_can(m, MIRROR_IN_ORDER) && piece && !mirror_upload_has(u, piece - 1))
		return err_set(e, ERR_BUG, "%s: piece %u is not the next one", u->key,
			       (unsigned)piece);
	int rc = begin(m, u->key, true, "be written to", &c, e);
	if (rc == 0)
		rc = end(c, u->key, m->ops->upload_put(c, u, piece, data, e), e);
	if (rc == 0)
		set_there(u, piece);
	return rc;
}

bool mirror_copies_from(const struct mirror *m, const struct mirror *from)
{
	if (!m->ops->upload_copy || !mirror_can(m, MIRROR_CAN_WRITE))
		return false;
	if (m == from)
		return mirror_can(m, MIRROR_CAN_COPY_PIECES);
	return m->ops->copies_from && m->ops->copies_from(m, from);
}

int mirror_upload_copy(struct mirror_upload *u, uint32_t piece, const struct mirror_source *from,
		       struct err *e)
{
	struct mirror *m = u->mirror;
	struct mirror_connection *c;
	if (piece >= u->how.grid.count)
		return err_set(e, ERR_BUG, "%s: there is no piece %u", u->key, (unsigned)piece);
	int rc = begin(m, from->key, mirror_copies_from(m, from->mirror), "copy pieces", &c, e);
	if (rc == 0)
		rc = end(c, u->key, m->ops->upload_copy(c, u, piece, from, e), e);
	if (rc == 0)
		set_there(u, piece);
	return rc;
}

/* Does the mirror report that the object is there? */
static bool is_there(struct mirror_connection *c, const struct mirror_upload *u,
		     struct mirror_stat *st)
{
	struct err ignored = ERR_INIT;
	struct digest root;
	*st = (struct mirror_stat){ 0 };
	if (c->mirror->ops->stat(c, u->key, st, &ignored) < 0 || st->size != u->how.grid.size)
		return false;
	if (st->has_sha256)
		return digest_equal(&st->sha256, &u->how.sha256);
	if (!st->has_pieces_sha256 || !u->how.pieces)
		return false;
	grid_root(u->how.pieces, u->how.grid.count, &root);
	return digest_equal(&st->pieces_sha256, &root);
}

static int commit(struct mirror_connection *c, struct mirror_upload *u, struct mirror_stat *st,
		  struct err *e)
{
	int rc = c->mirror->ops->upload_commit(c, u, st, e);
	if (rc == 0 || u->how.was_wrong || !err_is_transient(e) || !is_there(c, u, st))
		return rc;
	err_clear(e);
	return 0;
}

int mirror_upload_commit(struct mirror_upload *u, struct mirror_stat *out, struct err *e)
{
	struct mirror_connection *c;
	struct mirror_stat st = { 0 };
	if (u->missing)
		return err_set(e, ERR_BUG, "%s: %u pieces are missing", u->key,
			       (unsigned)u->missing);
	int rc = begin(u->mirror, u->key, true, "be written to", &c, e);
	if (rc == 0)
		rc = end(c, u->key, commit(c, u, &st, e), e);
	if (rc < 0)
		return rc;
	u->told = 0;
	if (out)
		*out = st;
	return 0;
}

int mirror_upload_abandon(struct mirror_upload *u, struct err *e)
{
	struct mirror *m = u->mirror;
	struct mirror_connection *c;
	int rc = begin(m, u->key, true, "be written to", &c, e);
	return rc < 0 ? rc : end(c, u->key, m->ops->upload_abandon(c, u, e), e);
}

struct memory {
	const uint8_t *data;
	struct grid grid;
};

static int copy_again(void *ctx, uint32_t piece, void *data, struct err *e)
{
	const struct memory *m = ctx;
	(void)e;
	memcpy(data, m->data + grid_offset(&m->grid, piece), (size_t)grid_length(&m->grid, piece));
	return 0;
}

static int put_pieces(struct mirror_upload *u, const uint8_t *data, struct err *e)
{
	int rc = 0;
	for (uint32_t i = 0; i < u->how.grid.count && rc == 0; i++)
		if (!u->there[i])
			rc = mirror_upload_put(u, i, data + grid_offset(&u->how.grid, i), e);
	return rc;
}

int mirror_put_small(struct mirror *m, const char *key, const void *data, size_t len,
		     const struct mirror_put *how, struct mirror_stat *out, struct err *e)
{
	/* Declared first, so that it is freed when the upload that borrows it is closed. */
	CLEANUP(mem_free_ptr) struct digest *pieces = NULL;
	CLEANUP_PTR(mirror_upload_close) struct mirror_upload *u = NULL;
	struct memory memory = { .data = data };
	struct mirror_put put = how ? *how : (struct mirror_put){ 0 };
	int rc = grid_for(len, &put.grid, e);
	if (rc < 0)
		return rc;
	memory.grid = put.grid;
	put.again = copy_again;
	put.again_ctx = &memory;
	sha256_of(data, len, &put.sha256);
	if (put.grid.count > 1)
		pieces = mem_alloc(put.grid.count * sizeof *pieces);
	for (uint32_t i = 0; pieces && i < put.grid.count; i++)
		sha256_of((const uint8_t *)data + grid_offset(&put.grid, i),
			  (size_t)grid_length(&put.grid, i), &pieces[i]);
	put.pieces = pieces;
	rc = mirror_upload_open(m, key, &put, &u, e);
	if (rc == 0)
		rc = put_pieces(u, data, e);
	return rc < 0 ? rc : mirror_upload_commit(u, out, e);
}
