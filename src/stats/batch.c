#include "stats/batch.h"

#include "util/mem.h"

#include <string.h>

void stats_batch_release(struct stats_batch *b)
{
	free(b->at);
	*b = (struct stats_batch){ 0 };
}

void stats_batch_add(struct stats_batch *b, const struct stats_batch_request *r)
{
	b->at = mem_grow(b->at, b->count, &b->cap, sizeof *b->at);
	b->at[b->count++] = *r;
}

/* ---- the database ---- */

int stats_batch_load(struct db *db, int64_t day, int64_t object, struct stats_groups *out,
		     struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT requests FROM stats_open WHERE day = $1 AND object = $2",
			    &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, day);
	db_bind_i64(s, 2, object);
	rc = db_step(s, e);
	if (rc > 0) {
		size_t len = 0;
		const void *data = db_blob(s, 0, &len);
		rc = stats_groups_decode(data, len, out, e);
	}
	db_reset(s);
	return rc;
}

int stats_batch_store(struct db *db, int64_t day, int64_t object, const struct stats_groups *g,
		      struct err *e)
{
	CLEANUP(buf_release) struct buf blob = BUF_INIT(STATS_GROUPS_MAX_BYTES);
	struct db_statement *s;
	stats_groups_encode(g, &blob);
	int rc = buf_ok(&blob, "the list of requests of one day", e);
	if (rc == 0)
		rc = db_prepare(db,
				"INSERT INTO stats_open (day, object, requests) "
				"VALUES ($1, $2, $3) ON CONFLICT (day, object) "
				"DO UPDATE SET requests = excluded.requests",
				&s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, day);
	db_bind_i64(s, 2, object);
	db_bind_blob(s, 3, blob.data, blob.len);
	return db_run(s, NULL, e);
}

/* ---- by object, day and client ---- */

/* A request's place in the order; the index makes it stable. */
struct place {
	uint64_t list;   /* object and day */
	uint64_t client; /* and index */
};

static int compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	if (a->list != b->list)
		return a->list < b->list ? -1 : 1;
	return a->client < b->client ? -1 : a->client > b->client;
}

static struct place *sort(const struct stats_batch *b, const struct stats_identities *clients)
{
	struct place *at = mem_alloc((b->count + 1) * sizeof *at);
	for (size_t i = 0; i < b->count; i++) {
		const struct stats_batch_request *r = &b->at[i];
		const struct stats_identity *c = stats_identities_at(clients, r->identity);
		at[i].list = (uint64_t)r->object << 32 | (uint32_t)c->day;
		at[i].client = (uint64_t)r->identity << 32 | i;
	}
	qsort(at, b->count, sizeof *at, compare_places);
	return at;
}

static void gather(const struct stats_batch *b, const struct stats_identities *clients,
		   const struct place *at, size_t count, struct stats_groups *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct stats_batch_request *r = &b->at[(uint32_t)at[i].client];
		const struct stats_event v = { r->second, r->mirror, r->kind, r->first, r->bytes };
		if (i == 0 || at[i].client >> 32 != at[i - 1].client >> 32)
			stats_groups_begin(out, &stats_identities_at(clients, r->identity)->group);
		stats_groups_event(out, &v);
	}
	stats_groups_settle(out);
}

/* All of one object and day. */
static int write_list(const struct stats_batch *b, const struct stats_identities *clients,
		      const struct place *at, size_t count, int64_t day, int64_t object,
		      struct db *db, struct err *e)
{
	CLEANUP(stats_groups_release) struct stats_groups new = { 0 }, old = { 0 }, all = { 0 };
	int rc = stats_batch_load(db, day, object, &old, e);
	if (rc < 0)
		return rc;
	gather(b, clients, at, count, &new);
	stats_groups_merge(&old, &new, &all);
	return stats_batch_store(db, day, object, &all, e);
}

int stats_batch_write(struct stats_batch *b, const struct stats_identities *clients,
		      const struct stats_known *known, const struct stats_days *days, struct db *db,
		      uint64_t *late, struct err *e)
{
	CLEANUP(mem_free_ptr) struct place *at = sort(b, clients);
	int rc = 0;
	for (size_t i = 0, end; i < b->count && rc == 0; i = end) {
		for (end = i; end < b->count && at[end].list == at[i].list;)
			end++;
		const struct stats_batch_request *r = &b->at[(uint32_t)at[i].client];
		int64_t number = stats_identities_at(clients, r->identity)->day;
		const struct stats_day *day = stats_days_find(days, number);
		if (day && day->open)
			rc = write_list(b, clients, at + i, end - i, number,
					known->at[r->object].id, db, e);
		else
			*late += end - i;
	}
	b->count = 0;
	return rc;
}
