#include "mirror_mem.h"

#include "known_sha256.h"
#include "util/mem.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_OBJECT GIB

struct object {
	char *key;
	struct buf data;
	uint64_t version; /* of the store's clock when it was set */
	int64_t modified_s;
};

/* What an upload has brought over; survives it. */
struct left {
	struct digest sha256;
	char *key;
	int64_t opened_s;
	bool open; /* not committed since */
	struct buf data;
	bool there[64];
	struct left *next;
};

struct mirror_mem {
	pthread_mutex_t lock;   /* held by each call */
	struct object *objects; /* sorted by key */
	size_t count, cap;
	struct left *left;
	struct mem_fault *faults;
	size_t fault_count, fault_cap;
	struct str_list calls;
	uint64_t clock;
	unsigned pieces;

	pthread_mutex_t door; /* of what follows */
	pthread_cond_t came;
	unsigned at_once, most_at_once;
	struct {
		enum mem_call call;
		const char *key;
		unsigned wanted, there;
		bool given_up;
	} gather;
};

/* -- the store ------------------------------------------------------------------- */

struct mirror_mem *mirror_mem_new(void)
{
	struct mirror_mem *s = NEW(struct mirror_mem);
	pthread_mutexattr_t recursive;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	pthread_mutex_init(&s->door, NULL);
	pthread_cond_init(&s->came, NULL);
	return s;
}

static void object_release(struct object *o)
{
	free(o->key);
	buf_release(&o->data);
}

void mirror_mem_free(struct mirror_mem *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		object_release(&s->objects[i]);
	for (struct left *l = s->left, *next; l; l = next) {
		next = l->next;
		buf_release(&l->data);
		free(l->key);
		free(l);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->door);
	pthread_cond_destroy(&s->came);
	free(s->objects);
	free(s->faults);
	str_list_release(&s->calls);
	free(s);
}

/* The place of key, or where it belongs. */
static size_t place(const struct mirror_mem *s, const char *key, bool *found)
{
	size_t i = 0;
	while (i < s->count && strcmp(s->objects[i].key, key) < 0)
		i++;
	*found = i < s->count && strcmp(s->objects[i].key, key) == 0;
	return i;
}

static struct object *find(const struct mirror_mem *s, const char *key)
{
	bool found;
	size_t i = place(s, key, &found);
	return found ? &s->objects[i] : NULL;
}

const struct buf *mirror_mem_object(const struct mirror_mem *s, const char *key)
{
	const struct object *o = find(s, key);
	return o ? &o->data : NULL;
}

/* Takes the data. */
static struct object *set(struct mirror_mem *s, const char *key, struct buf *data)
{
	bool found;
	size_t i = place(s, key, &found);
	if (!found) {
		s->objects = mem_grow(s->objects, s->count, &s->cap, sizeof *s->objects);
		memmove(s->objects + i + 1, s->objects + i, (s->count - i) * sizeof *s->objects);
		s->objects[i] = (struct object){ .key = mem_strdup(key) };
		s->count++;
	}
	buf_release(&s->objects[i].data);
	s->objects[i].data = *data;
	s->objects[i].version = ++s->clock;
	s->objects[i].modified_s = 0;
	buf_init(data, data->max);
	return &s->objects[i];
}

void mirror_mem_set(struct mirror_mem *s, const char *key, const void *data, size_t len)
{
	struct buf b = BUF_INIT(MAX_OBJECT);
	buf_add(&b, data, len);
	set(s, key, &b);
}

void mirror_mem_set_modified(struct mirror_mem *s, const char *key, int64_t modified_s)
{
	find(s, key)->modified_s = modified_s;
}

void mirror_mem_remove(struct mirror_mem *s, const char *key)
{
	bool found;
	size_t i = place(s, key, &found);
	if (!found)
		return;
	object_release(&s->objects[i]);
	s->count--;
	memmove(s->objects + i, s->objects + i + 1, (s->count - i) * sizeof *s->objects);
}

/* -- calls and faults ------------------------------------------------------------ */

void mirror_mem_fault(struct mirror_mem *s, const struct mem_fault *fault)
{
	s->faults = mem_grow(s->faults, s->fault_count, &s->fault_cap, sizeof *s->faults);
	s->faults[s->fault_count] = *fault;
	if (!s->faults[s->fault_count].times)
		s->faults[s->fault_count].times = 1;
	if (!s->faults[s->fault_count].class)
		s->faults[s->fault_count].class = ERR_NETWORK;
	s->fault_count++;
}

void mirror_mem_mend(struct mirror_mem *s)
{
	s->fault_count = 0;
}

const struct str_list *mirror_mem_calls(const struct mirror_mem *s)
{
	return &s->calls;
}

void mirror_mem_forget_calls(struct mirror_mem *s)
{
	str_list_release(&s->calls);
}

static const struct mem_fault *strike(struct mirror_mem *s, enum mem_call call, const char *key)
{
	for (size_t i = 0; i < s->fault_count; i++) {
		struct mem_fault *f = &s->faults[i];
		if ((f->call != MEM_ANY && f->call != call) || f->times == 0 ||
		    (f->key && strcmp(f->key, key) != 0))
			continue;
		if (f->skip) {
			f->skip--;
			continue;
		}
		if (f->times != UINT_MAX)
			f->times--;
		return f;
	}
	return NULL;
}

/* -- calls at the same time ------------------------------------------------------ */

void mirror_mem_gather(struct mirror_mem *s, enum mem_call call, const char *key, unsigned n)
{
	s->gather.call = call;
	s->gather.key = key;
	s->gather.wanted = n;
	s->gather.there = 0;
	s->gather.given_up = false;
}

bool mirror_mem_gathered(struct mirror_mem *s)
{
	return s->gather.there == s->gather.wanted && !s->gather.given_up;
}

unsigned mirror_mem_most_at_once(struct mirror_mem *s)
{
	return s->most_at_once;
}

unsigned mirror_mem_pieces(struct mirror_mem *s)
{
	return s->pieces;
}

static void wait_for_the_others(struct mirror_mem *s)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	s->gather.there++;
	pthread_cond_broadcast(&s->came);
	while (s->gather.there < s->gather.wanted && !s->gather.given_up)
		if (pthread_cond_timedwait(&s->came, &s->door, &end) != 0)
			s->gather.given_up = true;
}

static void come(struct mirror_mem *s, enum mem_call call, const char *key)
{
	pthread_mutex_lock(&s->door);
	s->at_once++;
	if (s->at_once > s->most_at_once)
		s->most_at_once = s->at_once;
	if (s->gather.there < s->gather.wanted && s->gather.call == call &&
	    (str_ends(s->gather.key, "/") ? str_starts(key, s->gather.key)
					  : strcmp(s->gather.key, key) == 0))
		wait_for_the_others(s);
	pthread_mutex_unlock(&s->door);
}

static void go(struct mirror_mem *s)
{
	pthread_mutex_lock(&s->door);
	s->at_once--;
	pthread_mutex_unlock(&s->door);
}

/* Writes the call down, unless line is NULL; *fault is what shall happen to it, or NULL. One call
 * at a time works on the store. */
static int enter(struct mirror_connection *c, enum mem_call call, const char *key, char *line,
		 const struct mem_fault **fault, struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	come(s, call, key);
	pthread_mutex_lock(&s->lock);
	if (line)
		str_list_take(&s->calls, line);
	*fault = strike(s, call, key);
	if (*fault && (*fault)->harm == MEM_FAIL)
		return err_set(e, (*fault)->class, "injected failure");
	return 0;
}

static int leave(struct mirror_connection *c, const struct mem_fault *fault, int rc, struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	pthread_mutex_unlock(&s->lock);
	go(s);
	if (rc == 0 && fault && fault->harm == MEM_AFTER)
		return err_set(e, fault->class, "injected failure of the answer");
	return rc;
}

/* -- the operations -------------------------------------------------------------- */

static void tell(const struct object *o, struct mirror_stat *out)
{
	*out = (struct mirror_stat){
		.size = o->data.len,
		.modified_s = o->modified_s,
		.has_sha256 = true,
	};
	snprintf(out->etag, sizeof out->etag, "\"%llu\"", (unsigned long long)o->version);
	known_sha256_of(buf_str(&o->data), o->data.len, &out->sha256);
}

static int must_find(struct mirror *m, const char *key, struct object **out, struct err *e)
{
	*out = find(m->state, key);
	return *out ? 0 : err_set(e, ERR_NOT_FOUND, "not found");
}

static int mem_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		    struct err *e)
{
	const struct mem_fault *fault;
	struct object *o;
	int rc = enter(c, MEM_STAT, key, mem_printf("stat %s", key), &fault, e);
	if (rc == 0)
		rc = must_find(c->mirror, key, &o, e);
	if (rc == 0)
		tell(o, out);
	return leave(c, fault, rc, e);
}

/* In small parts, so that the sink is called more than once. */
static int send(const char *data, uint64_t len, const struct mirror_sink *sink, struct err *e)
{
	int rc = 0;
	for (uint64_t at = 0; at < len && rc == 0; at += 64 * KIB)
		rc = sink->write(sink->ctx, data + at, (size_t)MIN(64 * KIB, len - at), e);
	return rc;
}

/* Waits, at most until the deadline. */
static int dawdle(uint64_t deadline_ms, const struct mem_fault *fault, struct err *e)
{
	uint64_t ms = fault->at;
	bool late = deadline_ms && ms > deadline_ms;
	if (late)
		ms = deadline_ms;
	struct timespec t = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
	nanosleep(&t, NULL);
	if (!late)
		return 0;
	err_set(e, fault->class, "stalled: no complete answer within %llu ms",
		(unsigned long long)ms);
	return err_cause(e, CAUSE_STALLED, 0);
}

static int send_harmed(const struct object *o, uint64_t offset, uint64_t len,
		       const struct mem_fault *fault, const struct mirror_sink *sink, struct err *e)
{
	if (fault->harm == MEM_CUT) {
		int rc = send(o->data.data + offset, MIN(len, fault->at), sink, e);
		return rc < 0 ? rc
			      : err_set(e, fault->class, "injected cut after %llu bytes",
					(unsigned long long)fault->at);
	}
	CLEANUP(mem_free_ptr) char *copy = mem_strndup(buf_str(&o->data), o->data.len);
	if (fault->harm == MEM_FLIP && fault->at < o->data.len)
		copy[fault->at] ^= 1;
	return send(copy + offset, len, sink, e);
}

static int send_object(struct mirror_connection *c, const struct mirror_range *r,
		       const struct mem_fault *fault, const struct mirror_sink *sink, struct err *e)
{
	struct object *o;
	int rc = must_find(c->mirror, r->key, &o, e);
	if (rc < 0)
		return rc;
	uint64_t size = o->data.len, len = r->length;
	if (r->offset > size || (len != UINT64_MAX && len > size - r->offset))
		return err_set(e, ERR_INTEGRITY, "has only %llu bytes there",
			       (unsigned long long)size);
	if (len == UINT64_MAX)
		len = size - r->offset;
	return fault ? send_harmed(o, r->offset, len, fault, sink, e)
		     : send(buf_str(&o->data) + r->offset, len, sink, e);
}

static int mem_get(struct mirror_connection *c, const struct mirror_range *r,
		   const struct mirror_sink *sink, struct err *e)
{
	const struct mem_fault *fault;
	char *line = mem_printf("get %s %llu %lld", r->key, (unsigned long long)r->offset,
				(long long)r->length);
	int rc = enter(c, MEM_GET, r->key, line, &fault, e);
	if (rc == 0 && fault && fault->harm == MEM_SLOW)
		rc = dawdle(r->deadline_ms, fault, e);
	if (rc == 0)
		rc = send_object(c, r, fault, sink, e);
	return leave(c, fault, rc, e);
}

static int check_condition(struct mirror *m, const char *key, const struct mirror_put *how,
			   struct err *e)
{
	const struct object *o = find(m->state, key);
	struct mirror_stat st = { 0 };
	if (o)
		tell(o, &st);
	if (how->only_if_absent && o)
		return err_set(e, ERR_CONFLICT, "exists already");
	if (how->only_if_etag && strcmp(st.etag, how->only_if_etag) != 0)
		return err_set(e, ERR_CONFLICT, "was changed by another publisher");
	return 0;
}

static struct left *left_of(struct mirror_mem *s, const struct mirror_upload *u)
{
	for (struct left *l = s->left; l; l = l->next)
		if (digest_equal(&l->sha256, &u->how.sha256))
			return l;
	struct left *l = NEW(struct left);
	l->sha256 = u->how.sha256;
	buf_init(&l->data, MAX_OBJECT);
	memset(buf_reserve(&l->data, (size_t)u->how.grid.size + 1), 0,
	       (size_t)u->how.grid.size + 1);
	buf_commit(&l->data, (size_t)u->how.grid.size);
	l->next = s->left;
	s->left = l;
	return l;
}

static bool is_right(const struct mirror_upload *u, const struct left *l, uint32_t piece)
{
	struct digest got;
	known_sha256_of(l->data.data + grid_offset(&u->how.grid, piece),
			(size_t)grid_length(&u->how.grid, piece), &got);
	return digest_equal(&got, mirror_upload_digest(u, piece));
}

static int mem_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	const struct mem_fault *fault;
	int rc = enter(c, MEM_OPEN, u->key, NULL, &fault, e);
	if (rc == 0)
		rc = check_condition(c->mirror, u->key, &u->how, e);
	if (rc == 0) {
		struct left *l = left_of(c->mirror->state, u);
		free(l->key);
		l->key = mem_strdup(u->key);
		l->opened_s = clock_wall_s(c->mirror->env.clock);
		l->open = true;
		for (uint32_t i = 0; i < u->how.grid.count; i++)
			if (l->there[i] && is_right(u, l, i))
				mirror_upload_found(u, i);
		u->state = c->mirror->state;
	}
	return leave(c, fault, rc, e);
}

static int mem_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const void *data, struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	const struct mem_fault *fault;
	int rc = enter(c, MEM_PIECE, u->key, NULL, &fault, e);
	uint64_t len = grid_length(&u->how.grid, piece);
	if (rc == 0) {
		struct left *l = left_of(c->mirror->state, u);
		memcpy(l->data.data + grid_offset(&u->how.grid, piece), data, (size_t)len);
		s->pieces++;
		l->there[piece] = true;
		mirror_upload_advance(u, (int64_t)len);
	}
	return leave(c, fault, rc, e);
}

/* The bytes of the source; the store that they are in is locked only meanwhile. */
static int read_source(const struct mirror_source *from, uint64_t len, struct buf *out,
		       struct err *e)
{
	struct mirror_mem *s = from->mirror->state;
	struct object *o;
	pthread_mutex_lock(&s->lock);
	int rc = must_find(from->mirror, from->key, &o, e);
	if (rc == 0 && (from->offset > o->data.len || len > o->data.len - from->offset))
		rc = err_set(e, ERR_INTEGRITY, "%s has only %zu bytes", from->key, o->data.len);
	if (rc == 0)
		buf_add(out, o->data.data + from->offset, (size_t)len);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int mem_upload_copy(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			   const struct mirror_source *from, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(MAX_OBJECT);
	const struct mem_fault *fault = NULL;
	struct digest got;
	uint64_t offset = grid_offset(&u->how.grid, piece), len = grid_length(&u->how.grid, piece);
	int rc = read_source(from, len, &data, e);
	if (rc < 0)
		return rc;
	char *line = mem_printf("copy-piece %s %u %s %llu", u->key, (unsigned)piece, from->key,
				(unsigned long long)from->offset);
	rc = enter(c, MEM_COPY_PIECE, u->key, line, &fault, e);
	if (rc == 0 && fault && fault->harm == MEM_FLIP && fault->at >= offset &&
	    fault->at - offset < len)
		data.data[fault->at - offset] ^= 1;
	known_sha256_of(data.data, data.len, &got);
	if (rc == 0 && !digest_equal(&got, mirror_upload_digest(u, piece)))
		rc = err_set(e, ERR_INTEGRITY, "the copy of piece %u is wrong", (unsigned)piece);
	if (rc == 0) {
		struct left *l = left_of(c->mirror->state, u);
		memcpy(l->data.data + offset, data.data, data.len);
		l->there[piece] = true;
		mirror_upload_advance(u, (int64_t)len);
	}
	return leave(c, fault, rc, e);
}

static bool mem_copies_from(const struct mirror *m, const struct mirror *from)
{
	return from->ops == m->ops;
}

/* The bytes stay, for another upload of the same content that is open. */
static void forget_left(struct left *l)
{
	memset(l->there, 0, sizeof l->there);
	l->open = false;
}

static int mem_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			     struct mirror_stat *out, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(MAX_OBJECT);
	const struct mem_fault *fault;
	int rc = enter(c, MEM_PUT, u->key, mem_printf("put %s", u->key), &fault, e);
	if (rc == 0)
		rc = check_condition(c->mirror, u->key, &u->how, e);
	if (rc == 0 && fault && fault->harm == MEM_CUT)
		rc = err_set(e, fault->class, "injected cut");
	if (rc == 0) {
		const struct buf *left = &left_of(c->mirror->state, u)->data;
		buf_add(&data, buf_str(left), left->len);
		if (fault && fault->harm == MEM_FLIP && fault->at < data.len)
			data.data[fault->at] ^= 1;
		tell(set(c->mirror->state, u->key, &data), out);
		forget_left(left_of(c->mirror->state, u));
	}
	return leave(c, fault, rc, e);
}

static void mem_upload_close(struct mirror_upload *u)
{
	u->state = NULL;
}

static int mem_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	(void)e;
	pthread_mutex_lock(&s->lock);
	forget_left(left_of(s, u));
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int mem_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			 struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	int rc = 0;
	pthread_mutex_lock(&s->lock);
	for (const struct left *l = s->left; l && rc == 0; l = l->next) {
		char id[DIGEST_HEX];
		const struct mirror_leftover left = {
			.key = l->key,
			.id = digest_hex(id, &l->sha256),
			.started_s = l->opened_s,
		};
		if (l->open)
			rc = fn(ctx, &left, e);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int mem_leftover_remove(struct mirror_connection *c, const struct mirror_leftover *left,
			       struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	(void)e;
	pthread_mutex_lock(&s->lock);
	for (struct left *l = s->left; l; l = l->next) {
		char id[DIGEST_HEX];
		if (strcmp(digest_hex(id, &l->sha256), left->id) == 0)
			forget_left(l);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int copy_object(struct mirror *m, const char *from, const char *to, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(MAX_OBJECT);
	struct object *o;
	int rc = must_find(m, from, &o, e);
	if (rc < 0)
		return rc;
	buf_add(&data, o->data.data, o->data.len);
	set(m->state, to, &data);
	return 0;
}

static int mem_copy(struct mirror_connection *c, const char *from, const char *to, struct err *e)
{
	const struct mem_fault *fault;
	int rc = enter(c, MEM_COPY, from, mem_printf("copy %s %s", from, to), &fault, e);
	if (rc == 0)
		rc = copy_object(c->mirror, from, to, e);
	return leave(c, fault, rc, e);
}

static int mem_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn, void *ctx,
		    struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	const struct mem_fault *fault;
	int rc = enter(c, MEM_LIST, prefix, mem_printf("list %s", prefix), &fault, e);
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		struct mirror_entry entry = { .key = s->objects[i].key };
		if (!str_starts(entry.key, prefix))
			continue;
		tell(&s->objects[i], &entry.stat);
		rc = fn(ctx, &entry, e);
	}
	return leave(c, fault, rc, e);
}

static int mem_remove(struct mirror_connection *c, const char *key, struct err *e)
{
	const struct mem_fault *fault;
	int rc = enter(c, MEM_REMOVE, key, mem_printf("remove %s", key), &fault, e);
	if (rc == 0)
		mirror_mem_remove(c->mirror->state, key);
	return leave(c, fault, rc, e);
}

static void mem_close(struct mirror *m)
{
	m->state = NULL;
}

static const struct mirror_ops mem_ops = {
	.kind = "mem",
	.connections = 1,
	.close = mem_close,
	.stat = mem_stat,
	.get = mem_get,
	.list = mem_list,
	.copy = mem_copy,
	.remove = mem_remove,
	.upload_open = mem_upload_open,
	.upload_put = mem_upload_put,
	.upload_commit = mem_upload_commit,
	.upload_close = mem_upload_close,
	.upload_abandon = mem_upload_abandon,
	.upload_copy = mem_upload_copy,
	.copies_from = mem_copies_from,
	.leftovers = mem_leftovers,
	.leftover_remove = mem_leftover_remove,
};

struct mirror *mirror_mem_open(struct mirror_mem *s, const char *id)
{
	struct mirror *m = mirror_new(&mem_ops, id);
	m->state = s;
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_COPY |
		 MIRROR_CAN_CREATE_ONLY | MIRROR_CAN_REPLACE_IF | MIRROR_CAN_SHA256 |
		 MIRROR_CAN_COPY_PIECES;
	return m;
}
