#include "stats/days.h"

#include "util/mem.h"
#include "util/os.h"

#include <string.h>

#define BLOCK 64

void stats_days_release(struct stats_days *d)
{
	if (d->at)
		mem_wipe(d->at, d->cap * sizeof *d->at);
	free(d->at);
	*d = (struct stats_days){ 0 };
}

/* ---- HMAC ---- */

static void start(struct sha256_chain *c, const uint8_t *salt, uint8_t pad)
{
	uint8_t block[BLOCK];
	memset(block, pad, sizeof block);
	for (size_t i = 0; i < STATS_SALT; i++)
		block[i] ^= salt[i];
	sha256_chain_init(c);
	sha256_chain_add(c, block, sizeof block);
	mem_wipe(block, sizeof block);
}

uint64_t stats_day_hmac(const struct stats_day *d, const void *data, size_t len)
{
	struct sha256_chain c = d->inner;
	struct digest digest;
	sha256_chain_add(&c, data, len);
	sha256_chain_final(&c, &digest);
	c = d->outer;
	sha256_chain_add(&c, digest.bytes, sizeof digest.bytes);
	sha256_chain_final(&c, &digest);
	uint64_t key;
	memcpy(&key, digest.bytes, sizeof key);
	return key;
}

/* ---- the list ---- */

static size_t position(const struct stats_days *d, int64_t day)
{
	size_t low = 0, high = d->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (d->at[middle].day < day)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct stats_day *stats_days_find(const struct stats_days *d, int64_t day)
{
	size_t i = position(d, day);
	return i < d->count && d->at[i].day == day ? &d->at[i] : NULL;
}

/* salt: NULL for a closed day. */
static void insert(struct stats_days *d, int64_t day, const uint8_t *salt)
{
	size_t i = position(d, day);
	if (i == d->count || d->at[i].day != day) {
		d->at = mem_grow(d->at, d->count, &d->cap, sizeof *d->at);
		memmove(&d->at[i + 1], &d->at[i], (d->count++ - i) * sizeof *d->at);
	}
	struct stats_day *new = &d->at[i];
	*new = (struct stats_day){ .day = day, .open = salt != NULL };
	if (!salt)
		return;
	start(&new->inner, salt, 0x36);
	start(&new->outer, salt, 0x5c);
	new->scatter = stats_day_hmac(new, "addresses", 9);
}

static int insert_row(struct stats_days *d, struct db_statement *s, struct err *e)
{
	size_t len = 0;
	int64_t day = db_i64(s, 0);
	const uint8_t *salt = db_blob(s, 1, &len);
	if (!db_is_null(s, 1) && len != STATS_SALT)
		return err_set(e, ERR_INTEGRITY, "a salt in the statistics is damaged");
	insert(d, day, db_is_null(s, 1) ? NULL : salt);
	return 0;
}

static int read_rows(struct stats_days *d, struct db_statement *s, struct err *e)
{
	int rc;
	while ((rc = db_step(s, e)) > 0)
		if (insert_row(d, s, e) < 0) {
			db_reset(s);
			return -(int)e->class;
		}
	return rc;
}

int stats_days_load(struct stats_days *d, struct db *db, struct err *e)
{
	struct db_statement *s;
	stats_days_release(d);
	int rc = db_prepare(db, "SELECT day, salt FROM stats_day ORDER BY day", &s, e);
	return rc < 0 ? rc : read_rows(d, s, e);
}

/* ---- new days ---- */

static int add_salt(struct db *db, int64_t day, struct err *e)
{
	struct db_statement *s;
	uint8_t salt[STATS_SALT];
	if (!os_random(salt, sizeof salt))
		return err_set(e, ERR_SYSTEM, "the system has no random numbers");
	int rc = db_prepare(db,
			    "INSERT INTO stats_day (day, salt) VALUES ($1, $2) "
			    "ON CONFLICT (day) DO NOTHING",
			    &s, e);
	if (rc == 0) {
		db_bind_i64(s, 1, day);
		db_bind_blob(s, 2, salt, sizeof salt);
		rc = db_run(s, NULL, e);
	}
	mem_wipe(salt, sizeof salt);
	return rc;
}

static int read_day(struct stats_days *d, struct db *db, int64_t day, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "SELECT day, salt FROM stats_day WHERE day = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, day);
	return read_rows(d, s, e);
}

static int add_days(struct stats_days *d, struct db *db, int64_t day, struct err *e)
{
	int rc = db_begin(db, e);
	for (int64_t at = day - 1; at <= day && rc == 0; at++) {
		rc = add_salt(db, at, e);
		if (rc == 0)
			rc = read_day(d, db, at, e);
	}
	if (rc == 0)
		rc = db_commit(db, e);
	if (rc < 0)
		db_rollback(db);
	return rc;
}

int stats_days_get(struct stats_days *d, struct db *db, int64_t day, const struct stats_day **out,
		   struct err *e)
{
	int rc = stats_days_find(d, day) ? 0 : add_days(d, db, day, e);
	if (rc < 0)
		return rc;
	*out = stats_days_find(d, day);
	return 0;
}

/* ---- the end of a day ---- */

bool stats_day_is_over(int64_t day, int64_t now_s)
{
	return now_s >= (day + 1) * STATS_DAY_S + STATS_LATE_S;
}

int stats_day_close(struct stats_days *d, struct db *db, int64_t day, struct err *e)
{
	struct db_statement *s;
	int rc = db_prepare(db, "UPDATE stats_day SET salt = NULL WHERE day = $1", &s, e);
	if (rc < 0)
		return rc;
	db_bind_i64(s, 1, day);
	rc = db_run(s, NULL, e);
	if (rc == 0)
		insert(d, day, NULL);
	return rc;
}
