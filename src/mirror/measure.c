#include "mirror/measure.h"

#include "catalog/catalog.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3
#define REQUESTS 5
#define OLD_S 3600
#define TIMESTAMP "metadata/timestamp.json"
#define CATALOG CATALOG_TARGET

struct measuring {
	struct mirror *m;
	struct report *report;
	const char *task;
	struct mirror_findings *out;
	struct mirror_record *r;
	uint8_t *data; /* of len bytes: what is put */
	size_t len;
	char keys[ROUNDS][sizeof MEASURE_PREFIX + 24];
	size_t put; /* of the keys */
};

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof *values, compare_u64);
	return values[count / 2];
}

static uint64_t now_us(const struct measuring *x)
{
	return clock_now_us(x->m->env.clock);
}

/* A fault of one measurement; negative when it was cancelled. */
static int failed(struct measuring *x, const char *what, const char *name, const struct err *why,
		  struct err *e)
{
	if (err_is(why, ERR_CANCELLED)) {
		*e = *why;
		return -ERR_CANCELLED;
	}
	mirror_record_forget(x->r, name);
	mirror_findings_fault(x->out, what, why);
	return 0;
}

static void tell_rate(struct measuring *x, const char *what, const char *name, uint64_t bytes,
		      uint64_t us)
{
	char text[SIZE_TEXT];
	uint64_t rate = bytes * 1000000 / MAX(us, 1);
	mirror_record_set_measured(x->r, name, rate);
	mirror_findings_add(x->out, what, MIRROR_FINDING_OK, "%s/s", format_size(text, rate));
}

/* -- writing and reading back ---------------------------------------------------- */

static int put_all(struct measuring *x, uint64_t us[ROUNDS], struct err *e)
{
	int rc = 0;
	for (x->put = 0; x->put < ROUNDS && rc == 0;) {
		uint64_t from = now_us(x);
		const struct mirror_put how = { .report = x->report, .task = x->task };
		rc = mirror_put_small(x->m, x->keys[x->put], x->data, x->len, &how, NULL, e);
		us[x->put++] = now_us(x) - from;
	}
	return rc;
}

static int advance(void *ctx, const void *data, size_t len, struct err *e)
{
	struct measuring *x = ctx;
	(void)data, (void)e;
	report_advance(x->report, x->task, (int64_t)len);
	return 0;
}

/* At most MEASURE_BYTES of an object. */
static int get_once(struct measuring *x, const char *key, uint64_t bytes, uint64_t *us,
		    struct err *e)
{
	const struct mirror_sink sink = { .write = advance, .ctx = x };
	const struct mirror_range range = { .key = key, .length = bytes };
	uint64_t from = now_us(x);
	int rc = mirror_get(x->m, &range, &sink, e);
	*us = now_us(x) - from;
	return rc;
}

static int get_all(struct measuring *x, uint64_t us[ROUNDS], struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < ROUNDS && rc == 0; i++)
		rc = get_once(x, x->keys[i], x->len, &us[i], e);
	return rc;
}

/* Some servers allow one write or removal per second of an object. */
static int remove_one(struct mirror *m, const char *key, struct err *e)
{
	struct retry retry = RETRY_DEFAULT;
	int rc;
	retry.clock = m->env.clock;
	retry.cancel = m->env.cancel;
	do {
		rc = mirror_remove(m, key, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

static int remove_all(struct measuring *x, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < x->put; i++) {
		struct err why = ERR_INIT;
		if (remove_one(x->m, x->keys[i], &why) < 0 && rc == 0)
			rc = failed(x, "remove", "", &why, e);
	}
	return rc;
}

struct old {
	struct str_list keys;
	int64_t before_s;
};

static int add_old(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct old *old = ctx;
	(void)e;
	if (entry->stat.modified_s && entry->stat.modified_s < old->before_s)
		str_list_add(&old->keys, entry->key);
	return 0;
}

/* Removes what a killed run left. A failure is not reported. */
static void remove_old(struct mirror *m)
{
	struct old old = { .before_s = clock_wall_s(m->env.clock) - OLD_S };
	struct err ignored = ERR_INIT;
	int rc = mirror_can(m, MIRROR_CAN_LIST)
			 ? mirror_list(m, MEASURE_PREFIX, add_old, &old, &ignored)
			 : 0;
	for (size_t i = 0; i < old.keys.count && rc == 0; i++)
		rc = mirror_remove(m, old.keys.at[i], &ignored);
	str_list_release(&old.keys);
}

/* Random keys and content, so that an answer cannot come from a cache. */
static int make_content(struct measuring *x, struct err *e)
{
	uint64_t id;
	x->len = (size_t)(x->m->max_object ? MIN(x->m->max_object, MEASURE_BYTES) : MEASURE_BYTES);
	x->data = mem_alloc(x->len);
	if (!os_random(x->data, x->len) || !os_random(&id, sizeof id))
		return err_set(e, ERR_SYSTEM, "the system has no random numbers");
	for (size_t i = 0; i < ROUNDS; i++)
		snprintf(x->keys[i], sizeof x->keys[i], MEASURE_PREFIX "%016llx-%zu",
			 (unsigned long long)id, i + 1);
	return 0;
}

/* *there: the first object can be used for further measurements. */
static int measure_writing(struct measuring *x, bool *there, struct err *e)
{
	struct err why = ERR_INIT;
	uint64_t us[ROUNDS];
	int rc = make_content(x, &why);
	if (rc == 0)
		rc = put_all(x, us, &why);
	*there = rc == 0;
	if (rc < 0)
		return failed(x, "upload", MIRROR_RECORD_UPLOAD, &why, e);
	tell_rate(x, "upload", MIRROR_RECORD_UPLOAD, x->len, median(us, ROUNDS));
	if (get_all(x, us, &why) < 0)
		return failed(x, "download", MIRROR_RECORD_DOWNLOAD, &why, e);
	tell_rate(x, "download", MIRROR_RECORD_DOWNLOAD, x->len, median(us, ROUNDS));
	return 0;
}

/* -- reading what is there ------------------------------------------------------- */

/* The largest file of the catalog, as the key of its object; NULL: there is none. */
static char *largest_file(const struct catalog *c, uint64_t *size)
{
	const struct card_file *largest = NULL;
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < c->model_count; i++)
		for (size_t k = 0; k < c->models[i].variant_count; k++) {
			const struct card_variant *v = &c->models[i].variants[k];
			for (size_t n = 0; n < v->file_count; n++)
				if (!largest || v->files[n].size > largest->size)
					largest = &v->files[n];
		}
	if (!largest)
		return NULL;
	*size = largest->size;
	return mem_printf("targets/%.*s%s.%s", (int)(largest->name - largest->path), largest->path,
			  digest_hex(hex, &largest->sha256), largest->name);
}

static char *find_file(struct mirror *m, uint64_t *size)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX_BYTES);
	CLEANUP(catalog_release) struct catalog c = { 0 };
	struct err ignored = ERR_INIT;
	if (mirror_get_small(m, CATALOG, 0, &text, &ignored) < 0 ||
	    catalog_parse(buf_str(&text), text.len, CATALOG, &c, &ignored) < 0)
		return NULL;
	return largest_file(&c, size);
}

static int measure_reading(struct measuring *x, struct err *e)
{
	uint64_t size = 0, us[ROUNDS];
	CLEANUP(mem_free_ptr) char *key = find_file(x->m, &size);
	struct err why = ERR_INIT;
	int rc = 0;
	if (!key) {
		mirror_findings_add(x->out, "download", MIRROR_FINDING_OK,
				    "not measured: there is no catalog.json with a model yet");
		mirror_record_forget(x->r, MIRROR_RECORD_DOWNLOAD);
		return 0;
	}
	size = MIN(size, MEASURE_BYTES);
	for (size_t i = 0; i < ROUNDS && rc == 0; i++)
		rc = get_once(x, key, size, &us[i], &why);
	if (rc < 0)
		return failed(x, "download", MIRROR_RECORD_DOWNLOAD, &why, e);
	tell_rate(x, "download", MIRROR_RECORD_DOWNLOAD, size, median(us, ROUNDS));
	return 0;
}

static int measure_latency(struct measuring *x, const char *key, struct err *e)
{
	uint64_t us[REQUESTS];
	struct err why = ERR_INIT;
	for (size_t i = 0; i < REQUESTS; i++) {
		uint64_t from = now_us(x);
		if (mirror_stat_key(x->m, key, NULL, &why) < 0)
			return failed(x, "latency", MIRROR_RECORD_LATENCY, &why, e);
		us[i] = now_us(x) - from;
	}
	uint64_t middle = median(us, REQUESTS);
	mirror_record_set_measured(x->r, MIRROR_RECORD_LATENCY, middle);
	mirror_findings_add(x->out, "latency", MIRROR_FINDING_OK, "%.1f ms", (double)middle / 1000);
	return 0;
}

/* -- all of it ------------------------------------------------------------------- */

/* Where the way to write says nothing about what readers get: a branch is not read as it is
 * written. */
static int measure_metadata(struct measuring *x, struct err *e)
{
	struct err absent = ERR_INIT;
	if (mirror_stat_key(x->m, TIMESTAMP, NULL, &absent) == 0)
		return mirror_measure_public(x->m, TIMESTAMP, NULL, 0, x->out, x->r, e);
	if (!err_is(&absent, ERR_NOT_FOUND))
		return failed(x, "read", "", &absent, e);
	mirror_findings_add(x->out, "public read", MIRROR_FINDING_OK,
			    "not tried: there is no release yet");
	return 0;
}

static int measure_all(struct measuring *x, struct err *e)
{
	bool mine = false;
	if (x->m->ops->metadata_only)
		return measure_metadata(x, e);
	int rc = mirror_can(x->m, MIRROR_CAN_WRITE) ? measure_writing(x, &mine, e)
						    : measure_reading(x, e);
	const char *key = mine ? x->keys[0] : TIMESTAMP;
	if (rc == 0)
		rc = measure_latency(x, key, e);
	if (rc == 0)
		rc = mirror_measure_public(x->m, key, mine ? x->data : NULL, mine ? x->len : 0,
					   x->out, x->r, e);
	return rc;
}

int mirror_measure(struct mirror *m, struct report *report, struct mirror_findings *out,
		   struct mirror_record *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *task = mem_printf("measure %s", m->id);
	struct measuring x = { .m = m, .report = report, .task = task, .out = out, .r = r };
	/* Test objects would count there, and make a release that nobody asked for. */
	if (m->ops->packs)
		return 0;
	bool writes = mirror_can(m, MIRROR_CAN_WRITE) && !m->ops->metadata_only;
	uint64_t times = m->ops->metadata_only ? 0 : writes ? 2 : 1;
	report_begin(report, task, times * ROUNDS * MEASURE_BYTES, 0);
	if (writes)
		remove_old(m);
	int rc = measure_all(&x, e);
	if (x.put) {
		struct err why = ERR_INIT;
		int removed = remove_all(&x, &why);
		if (rc == 0 && removed < 0) {
			*e = why;
			rc = removed;
		}
	}
	report_end(report, task, rc == 0);
	free(x.data);
	return rc;
}
