#include "util/rate.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Shorter waits cost more than they help. */
#define SHORTEST_MS 20
#define DAY_MINUTES (24 * 60)
#define WEEK_MINUTES (7 * DAY_MINUTES)

/* ---- timetables ------------------------------------------------------------------ */

static bool read_limit(const char *text, uint64_t *out)
{
	*out = 0;
	return strcmp(text, "off") == 0 || (parse_size(text, out) && *out);
}

/* Skips "Mon-". */
static int skip_weekday(const char **text)
{
	static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
	CLEANUP(mem_free_ptr) char *start = mem_strndup(*text, MIN(strlen(*text), 3));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(start, names[i]) && (*text)[3] == '-') {
			*text += 4;
			return (int)i;
		}
	return -1;
}

/* "08:30"; *rest is what follows. */
static bool read_time(const char *text, unsigned *minute, const char **rest)
{
	const char *p = text;
	unsigned part[2] = { 0 };
	for (int i = 0; i < 2; i++) {
		int digits = 0;
		for (; *p >= '0' && *p <= '9' && digits < 2; digits++)
			part[i] = part[i] * 10 + (unsigned)(*p++ - '0');
		if (!digits || (i == 0 && *p++ != ':') || (i == 1 && digits != 2))
			return false;
	}
	*minute = part[0] * 60 + part[1];
	*rest = p;
	return part[0] < 24 && part[1] < 60;
}

/* "Mon-08:00,20MiB" */
static bool read_entry(const char *text, struct rate_entry *out)
{
	const char *rest;
	out->weekday = skip_weekday(&text);
	return read_time(text, &out->minute, &rest) && *rest == ',' &&
	       read_limit(rest + 1, &out->bytes_per_s);
}

static bool read_words(const struct str_list *words, struct rate_table *t)
{
	if (words->count == 1 && read_limit(words->at[0], &t->at[0].bytes_per_s)) {
		t->at[0].weekday = -1;
		t->count = 1;
		return true;
	}
	for (size_t i = 0; i < words->count; i++)
		if (t->count == RATE_MAX_ENTRIES || !read_entry(words->at[i], &t->at[t->count++]))
			return false;
	return t->count > 0;
}

bool rate_table_parse(const char *text, struct rate_table *out)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	struct rate_table t = { 0 };
	str_list_split(&words, text, " \t\r\n");
	if (!read_words(&words, &t))
		return false;
	*out = t;
	return true;
}

/* How long ago it began; the last time, if it does so every day. */
static unsigned age(const struct rate_entry *entry, unsigned minute)
{
	unsigned period = entry->weekday < 0 ? DAY_MINUTES : WEEK_MINUTES;
	unsigned start = entry->minute +
			 (entry->weekday < 0 ? 0 : (unsigned)entry->weekday) * DAY_MINUTES;
	return (minute % period + period - start) % period;
}

uint64_t rate_table_at(const struct rate_table *t, unsigned minute)
{
	const struct rate_entry *best = NULL;
	for (size_t i = 0; i < t->count; i++) {
		const struct rate_entry *entry = &t->at[i];
		unsigned mine = age(entry, minute), least = best ? age(best, minute) : UINT32_MAX;
		if (mine < least || (mine == least && entry->weekday > best->weekday))
			best = entry;
	}
	return best ? best->bytes_per_s : 0;
}

/* ---- the queue ------------------------------------------------------------------- */

static uint64_t limit_now(const struct rate *r)
{
	struct tm local;
	time_t now = (time_t)clock_wall_s(r->clock);
	if (r->table.count <= 1)
		return r->table.count ? r->table.at[0].bytes_per_s : r->bytes_per_s;
	localtime_r(&now, &local);
	return rate_table_at(&r->table, (unsigned)((local.tm_wday + 6) % 7 * DAY_MINUTES +
						   local.tm_hour * 60 + local.tm_min));
}

static uint64_t lowest(uint64_t a, uint64_t b)
{
	return a && b ? MIN(a, b) : MAX(a, b);
}

uint64_t rate_limit(const struct rate *r)
{
	uint64_t limit = 0;
	for (; r; r = r->within) {
		if (!r->table.count)
			limit = lowest(limit, r->bytes_per_s);
		for (size_t i = 0; i < r->table.count; i++)
			limit = lowest(limit, r->table.at[i].bytes_per_s);
	}
	return limit;
}

/* Adds the bytes to the queue; returns when they are due. */
static uint64_t enqueue(struct rate *r, uint64_t bytes, uint64_t now_us)
{
	uint64_t limit = limit_now(r), due = atomic_load(&r->due_us), mine;
	if (!limit)
		return now_us;
	do
		mine = MAX(due, now_us) + bytes * 1000000 / limit;
	while (!atomic_compare_exchange_weak(&r->due_us, &due, mine));
	return mine;
}

int rate_take(struct rate *r, uint64_t bytes, const struct cancel *cancel, struct err *e)
{
	if (!rate_limit(r))
		return 0;
	uint64_t now_us = clock_now_us(r->clock), due_us = now_us;
	for (struct rate *at = r; at; at = at->within) {
		uint64_t mine_us = enqueue(at, bytes, now_us);
		due_us = MAX(due_us, mine_us);
	}
	uint64_t ahead_ms = (due_us - now_us) / 1000;
	return ahead_ms < SHORTEST_MS ? 0 : clock_sleep_ms(r->clock, ahead_ms, cancel, e);
}
