#include "site/site_mirrors.h"

#include "site/chart.h"
#include "util/text.h"

#include <string.h>

#define DAY_S 86400
#define FAILURES_MAX 7 /* days that are listed of a mirror */

/* ---- how it is ---- */

static void put_state(struct markup *m, enum site_state state)
{
	static const struct {
		const char *class, *text;
	} states[] = {
		[SITE_UNKNOWN] = { "state unknown", "? not known" },
		[SITE_OK] = { "state ok", "✔ works" },
		[SITE_WARNING] = { "state warning", "▲ works, with faults" },
		[SITE_CRITICAL] = { "state critical", "✖ does not work" },
	};
	markup_element(m, "span", states[state].class, states[state].text);
}

static void put_fact(struct markup *m, const char *name, const char *value)
{
	if (!value)
		return;
	markup_element(m, "dt", NULL, name);
	markup_element(m, "dd", NULL, value);
}

static void put_url(struct page *p, const char *url)
{
	if (!url)
		return;
	markup_element(&p->m, "dt", NULL, "Address");
	markup_open(&p->m, "dd");
	page_link_out(p, str_starts(url, "http") ? url : NULL, url);
	markup_close(&p->m, "dd");
}

static void put_first_byte(struct markup *m, uint64_t us)
{
	if (!us)
		return;
	markup_element(m, "dt", NULL, "First byte after");
	markup_open(m, "dd");
	if (us < 1000)
		markup_text(m, "less than 1 ms");
	else
		markup_textf(m, "%llu ms", (unsigned long long)(us / 1000));
	markup_close(m, "dd");
}

/* ---- how it was ---- */

static void put_failure(struct markup *m, const struct site_day *d, int64_t day_s)
{
	char time[TIME_TEXT];
	format_time(time, day_s);
	markup_open(m, "li");
	markup_textf(m, "%.10s: %u of %u checks failed", time, d->runs - MIN(d->up, d->runs),
		     d->runs);
	markup_close(m, "li");
}

static size_t count_failures(const struct site_mirror *mirror)
{
	size_t count = 0;
	for (size_t i = 0; i < SITE_DAYS; i++)
		count += mirror->days[i].up < mirror->days[i].runs;
	return count;
}

/* For those who do not see the strip; the newest first. */
static void put_failures(struct markup *m, const struct site_mirror *mirror, int64_t now_s)
{
	size_t count = count_failures(mirror), listed = 0;
	if (!count)
		return;
	markup_open(m, "details");
	markup_open(m, "summary");
	markup_textf(m, count == 1 ? "%zu day with failures" : "%zu days with failures", count);
	markup_close(m, "summary");
	markup_open(m, "ul");
	for (size_t i = SITE_DAYS; i-- > 0 && listed < FAILURES_MAX;) {
		const struct site_day *d = &mirror->days[i];
		if (d->up >= d->runs)
			continue;
		put_failure(m, d, now_s - (int64_t)(SITE_DAYS - 1 - i) * DAY_S);
		listed++;
	}
	markup_close(m, "ul");
	if (count > listed)
		markup_element(m, "p", "muted", "Earlier ones are not listed.");
	markup_close(m, "details");
}

static void put_uptime(struct markup *m, const struct site_mirror *mirror)
{
	unsigned parts = 0;
	markup_open(m, "figure");
	chart_uptime(m, mirror);
	markup_open(m, "figcaption");
	if (chart_uptime_parts(mirror, &parts))
		markup_textf(m, "Up in %u.%02u %% of the checks of the last %d days", parts / 100,
			     parts % 100, SITE_DAYS);
	else
		markup_textf(m, "Not checked in the last %d days", SITE_DAYS);
	markup_close(m, "figcaption");
	markup_close(m, "figure");
}

/* ---- the page ---- */

struct facts {
	const char *url, *region, *kind;
	uint64_t first_byte_us;
};

static void put_facts(struct page *p, const struct facts *f)
{
	struct markup *m = &p->m;
	markup_open(m, "dl");
	markup_attr(m, "class", "facts");
	put_url(p, f->url);
	put_fact(m, "Region", f->region);
	put_fact(m, "Kind", f->kind);
	put_first_byte(m, f->first_byte_us);
	markup_close(m, "dl");
}

static void put_mirror(struct page *p, const struct site_mirror *mirror, int64_t now_s)
{
	struct markup *m = &p->m;
	bool bad = mirror->state == SITE_CRITICAL;
	markup_open(m, "section");
	markup_attr(m, "class", "mirror");
	markup_open(m, "h2");
	markup_text(m, mirror->id);
	markup_text(m, " ");
	put_state(m, mirror->state);
	markup_close(m, "h2");
	if (mirror->reason && mirror->state != SITE_OK)
		markup_element(m, "p", bad ? "notice bad" : "notice warn", mirror->reason);
	put_uptime(m, mirror);
	put_failures(m, mirror, now_s);
	put_facts(p, &(struct facts){ mirror->url, mirror->region, mirror->kind,
				      mirror->first_byte_us });
	markup_close(m, "section");
}

static void put_from_catalog(struct page *p, const struct catalog_mirror *mirror)
{
	markup_open(&p->m, "section");
	markup_attr(&p->m, "class", "mirror");
	markup_element(&p->m, "h2", NULL, mirror->id);
	put_facts(p, &(struct facts){ mirror->url, mirror->region, mirror->kind, 0 });
	markup_close(&p->m, "section");
}

static void put_key(struct markup *m, const char *class, const char *text)
{
	markup_open(m, "li");
	chart_swatch(m, NULL, class);
	markup_text(m, text);
	markup_close(m, "li");
}

static void put_legend(struct markup *m)
{
	markup_element(m, "p", "muted", "Each column is a day (UTC); today is on the right.");
	markup_open(m, "ul");
	markup_attr(m, "class", "legend");
	put_key(m, "up", " no check failed");
	put_key(m, "part", " some checks failed");
	put_key(m, "down", " all checks failed");
	put_key(m, "none", " not checked");
	markup_close(m, "ul");
}

static void put_history(struct page *p, const struct site *s)
{
	char time[TIME_TEXT];
	if (s->health_s) {
		format_time(time, s->health_s);
		markup_open(&p->m, "p");
		markup_textf(&p->m, "Last checked: %.10s, %.5s UTC.", time, time + 11);
		markup_close(&p->m, "p");
	}
	put_legend(&p->m);
	for (size_t i = 0; i < s->mirror_count; i++)
		put_mirror(p, &s->mirrors[i], s->time_s);
}

static void put_all(struct page *p, const struct site *s)
{
	size_t count = s->mirrors ? s->mirror_count : s->catalog->mirror_count;
	markup_element(&p->m, "h1", NULL, "Mirrors");
	if (count)
		markup_element(
			&p->m, "p", "lead",
			"Each mirror has a copy of the models. ferry verifies everything that "
			"it downloads, so a mirror that is down, or serves wrong bytes, costs "
			"time and nothing else.");
	else
		markup_element(&p->m, "p", "lead", "This repository has no public mirrors.");
	if (s->mirrors && count)
		put_history(p, s);
	for (size_t i = 0; !s->mirrors && i < count; i++)
		put_from_catalog(p, &s->catalog->mirrors[i]);
}

int site_mirrors_page(const struct site_build *b, struct err *e)
{
	static const struct page_head head = {
		.path = SITE_MIRRORS_PATH,
		.title = "Mirrors",
		.summary = "The mirrors of the models, how they are now, and their uptime.",
		.place = PAGE_MIRRORS,
		.dated = true,
	};
	CLEANUP(page_release) struct page p;
	page_open(&p, b, &head);
	put_all(&p, b->site);
	return page_close(&p, e);
}
