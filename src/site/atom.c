#include "site/atom.h"

#include "hash/sha256.h"
#include "site/markup.h"
#include "site/page.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define NAMESPACE "http://www.w3.org/2005/Atom"
#define XHTML "http://www.w3.org/1999/xhtml"
/* What a hostile card can make of an entry. */
#define TEXT_MAX 300
#define VERSIONS_MAX 20
#define CHANGES_MAX 5

/* ---- what happened ---- */

struct event {
	int64_t time_s;
	bool withdrawn; /* else released */
	const struct card *card;
	const struct card_variant *variant; /* NULL: the model as a whole */
	const struct card_variant *version; /* the variant, or one of its earlier versions */
	size_t order;
};

struct events {
	const struct site *s;
	struct event *at;
	size_t count, cap;
};

static void add(struct events *l, struct event what)
{
	if (!what.time_s || what.time_s > l->s->time_s)
		return; /* who dates a card in advance would always be first */
	what.order = l->count;
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof(*l->at));
	l->at[l->count++] = what;
}

/* The first of these that is a time; 0: none is. */
static int64_t time_of(const char *const *texts, size_t count)
{
	int64_t time_s = 0;
	for (size_t i = 0; i < count; i++)
		if (texts[i] && parse_time(texts[i], &time_s))
			return time_s;
	return 0;
}

/* What has no date of its own is left out: at the date of the release it would be news again and
 * again. */
static void add_withdrawn(struct events *l, struct event what, const json_t *json)
{
	const char *times[] = { json_text(json_object_get(json, "withdrawn"), "since"),
				json_text(what.card->json, "updated") };
	what.withdrawn = true;
	what.time_s = time_of(times, ARRAY_LEN(times));
	add(l, what);
}

static void add_version(struct events *l, struct event what)
{
	const char *times[] = { what.version->released, json_text(what.card->json, "created") };
	bool current = what.version == what.variant;
	what.time_s = time_of(times, current ? 2 : 1);
	add(l, what);
	if (what.version->withdrawn.reason)
		add_withdrawn(l, what, what.version->json);
}

static void add_card(struct events *l, const struct card *card)
{
	for (size_t i = 0; i < card->variant_count; i++) {
		const struct card_variant *v = &card->variants[i];
		if (v->file_count)
			add_version(l, (struct event){ .card = card, .variant = v, .version = v });
		for (size_t k = 0; k < v->superseded_count; k++)
			add_version(l, (struct event){ .card = card,
						       .variant = v,
						       .version = &v->superseded[k] });
	}
	if (card->withdrawn.reason)
		add_withdrawn(l, (struct event){ .card = card }, card->json);
}

/* The newest first; what is one entry stands together. */
static int compare(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	if (x->time_s != y->time_s)
		return x->time_s > y->time_s ? -1 : 1;
	if (x->card != y->card)
		return x->card < y->card ? -1 : 1;
	if (x->withdrawn != y->withdrawn)
		return x->withdrawn ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static bool same_entry(const struct event *a, const struct event *b)
{
	return a->time_s == b->time_s && a->card == b->card && a->withdrawn == b->withdrawn;
}

/* ---- elements ---- */

struct feed {
	const struct site *s;
	struct markup m;
};

/* The same for the same words, and for no others. */
static void put_id(struct feed *f, const char *what, const char *model, const char *time)
{
	const char *words[] = {
		"model-ferry-feed", f->s->root_sha256, f->s->name, what, model, time
	};
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct digest d;
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		buf_adds(&text, words[i] ? words[i] : "");
		buf_addc(&text, '\0');
	}
	sha256_of(text.data, text.len, &d);
	d.bytes[6] = (d.bytes[6] & 0x0F) | 0x80; /* version 8 */
	d.bytes[8] = (d.bytes[8] & 0x3F) | 0x80; /* variant 10 */
	digest_hex(hex, &d);
	markup_open(&f->m, "id");
	markup_textf(&f->m, "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		     hex + 20);
	markup_close(&f->m, "id");
}

static void put_link(struct feed *f, const char *rel, const char *path)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s%s", f->s->url, path);
	markup_void(&f->m, "link");
	markup_attr(&f->m, "rel", rel);
	markup_link(&f->m, "href", url);
}

static void put_text(struct markup *m, const char *text)
{
	CLEANUP(mem_free_ptr) char *cut = page_cut(text, TEXT_MAX);
	markup_text(m, cut);
}

/* ---- an entry ---- */

static void put_title(struct feed *f, const struct event *at, size_t count)
{
	struct markup *m = &f->m;
	markup_open(m, "title");
	put_text(m, at->card->title);
	if (at->withdrawn && !at->variant)
		markup_text(m, " is withdrawn");
	else if (count == 1)
		markup_textf(m, ": %s version %llu%s", at->variant->id,
			     (unsigned long long)at->version->version,
			     at->withdrawn ? " is withdrawn" : "");
	else
		markup_textf(m,
			     at->withdrawn ? ": %zu versions are withdrawn" : ": %zu new versions",
			     count);
	markup_close(m, "title");
}

static void put_changes(struct markup *m, const struct card_variant *version)
{
	const json_t *changes = json_object_get(version->json, "changes");
	for (size_t i = 0; i < MIN(json_array_size(changes), CHANGES_MAX); i++) {
		const char *text = json_string_value(json_array_get(changes, i));
		markup_text(m, i ? " " : ": ");
		put_text(m, text ? text : "");
	}
}

static void put_reason(struct markup *m, const struct card_withdrawal *w)
{
	markup_text(m, ": ");
	put_text(m, w->reason);
	if (w->replacement) {
		markup_text(m, " Replacement: ");
		put_text(m, w->replacement);
	}
}

static void put_event(struct markup *m, const struct event *what)
{
	char size[SIZE_TEXT];
	markup_open(m, "li");
	if (!what->variant) {
		markup_text(m, "All versions");
		put_reason(m, &what->card->withdrawn);
	} else {
		markup_textf(m, "%s version %llu", what->variant->id,
			     (unsigned long long)what->version->version);
		if (what->version->label)
			markup_textf(m, " (%s)", what->version->label);
		markup_textf(m, ", %s", format_size(size, what->version->size));
		if (what->withdrawn)
			put_reason(m, &what->version->withdrawn);
		else
			put_changes(m, what->version);
	}
	markup_close(m, "li");
}

static void put_content(struct markup *m, const struct event *at, size_t count)
{
	markup_open(m, "content");
	markup_attr(m, "type", "xhtml");
	markup_open(m, "div");
	markup_attr(m, "xmlns", XHTML);
	if (*at->card->summary) {
		markup_open(m, "p");
		put_text(m, at->card->summary);
		markup_close(m, "p");
	}
	markup_open(m, "ul");
	for (size_t i = 0; i < MIN(count, VERSIONS_MAX); i++)
		put_event(m, &at[i]);
	if (count > VERSIONS_MAX) {
		markup_open(m, "li");
		markup_textf(m, "and %zu more", count - VERSIONS_MAX);
		markup_close(m, "li");
	}
	markup_close(m, "ul");
	markup_close(m, "div");
	markup_close(m, "content");
}

static void put_entry(struct feed *f, const struct event *at, size_t count)
{
	CLEANUP(mem_free_ptr) char *page = page_model_path(at->card->id);
	const char *what = at->withdrawn ? "withdrawn" : "released";
	char time[TIME_TEXT];
	format_time(time, at->time_s);
	markup_open(&f->m, "entry");
	put_title(f, at, count);
	put_id(f, what, at->card->id, time);
	put_link(f, "alternate", page);
	markup_element(&f->m, "published", NULL, time);
	markup_element(&f->m, "updated", NULL, time);
	markup_void(&f->m, "category");
	markup_attr(&f->m, "term", what);
	put_content(&f->m, at, count);
	markup_close(&f->m, "entry");
	markup_text(&f->m, "\n");
}

/* ---- the feed ---- */

static void put_head(struct feed *f, const char *updated)
{
	struct markup *m = &f->m;
	const char *title = page_site_title(f->s);
	markup_element(m, "title", NULL, title);
	put_id(f, "feed", NULL, NULL);
	put_link(f, "self", ATOM_PATH);
	put_link(f, "alternate", "index.html");
	markup_element(m, "updated", NULL, updated);
	markup_open(m, "author");
	markup_element(m, "name", NULL, title);
	markup_close(m, "author");
	markup_element(m, "generator", NULL, "Model Ferry");
	markup_text(m, "\n");
}

static void put_entries(struct feed *f, const struct events *l)
{
	size_t entries = 0;
	for (size_t i = 0, n; i < l->count && entries < ATOM_ENTRIES; i += n, entries++) {
		for (n = 1; i + n < l->count && same_entry(&l->at[i], &l->at[i + n]);)
			n++;
		put_entry(f, &l->at[i], n);
	}
}

void atom_write(const struct site *s, struct buf *out)
{
	struct feed f = { .s = s };
	struct events l = { .s = s };
	char updated[TIME_TEXT];
	for (size_t i = 0; i < s->catalog->model_count; i++)
		add_card(&l, &s->catalog->models[i]);
	if (l.count)
		qsort(l.at, l.count, sizeof(*l.at), compare);
	format_time(updated, l.count ? l.at[0].time_s : time_of(&s->catalog->updated, 1));
	markup_xml(&f.m, out);
	markup_open(&f.m, "feed");
	markup_attr(&f.m, "xmlns", NAMESPACE);
	put_head(&f, updated);
	put_entries(&f, &l);
	markup_close(&f.m, "feed");
	buf_addc(out, '\n');
	free(l.at);
}
