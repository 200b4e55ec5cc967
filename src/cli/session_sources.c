#include "cli/session.h"

#include "http/url.h"
#include "util/mem.h"

#include <string.h>

/* Below this it was a question of metadata, or not of interest. */
#define LEAST MIB
/* Columns of an id that is a URL. */
#define ID_MOST 24u

struct walk {
	const struct client *s;
	size_t remote, source;
	const char *repository; /* of the one that is visited */
};

/* Each source of each repository; NULL at the end. */
static const struct source *next(struct walk *w)
{
	for (; w->remote < w->s->remotes.count; w->remote++, w->source = 0) {
		const struct remote *r = w->s->remotes.at[w->remote];
		w->repository = r->repository;
		if (w->source < r->sources.count)
			return r->sources.at[w->source++];
	}
	return NULL;
}

static uint64_t sum(const struct client *s)
{
	struct walk w = { .s = s };
	uint64_t all = 0;
	for (const struct source *source; (source = next(&w));)
		all += source->bytes;
	return all;
}

static unsigned share(const struct source *s, uint64_t all)
{
	return all ? (unsigned)((double)s->bytes * 100 / (double)all + 0.5) : 0;
}

/* ---- as JSON ---------------------------------------------------------------------- */

static void put_faults(json_t *object, const struct source *s)
{
	json_t *faults = json_put_array(object, "faults");
	for (size_t f = 0; f < FAULT_KINDS; f++) {
		if (!s->faults[f])
			continue;
		json_t *fault = json_push_object(faults);
		json_put_string(fault, "fault", source_fault_name((enum source_fault)f));
		json_put_u64(fault, "count", s->faults[f]);
		json_put_string(fault, "detail", s->detail[f]);
	}
}

static void put_source(json_t *object, const char *repository, const struct source *s, uint64_t all)
{
	CLEANUP(mem_free_ptr) char *url = url_redact(s->url);
	json_put_string(object, "repository", repository);
	json_put_string(object, "id", s->id);
	json_put_string(object, "url", url);
	json_put_bool(object, "endpoint", s->endpoint);
	json_put_u64(object, "bytes", s->bytes);
	json_put_u64(object, "share", share(s, all));
	if (s->rate >= 1)
		json_put_u64(object, "rate", (uint64_t)s->rate);
	json_put_u64(object, "wasted", s->wasted);
	json_put_bool(object, "banned", s->banned);
	put_faults(object, s);
}

json_t *session_sources_json(const struct client *s)
{
	struct walk w = { .s = s };
	json_t *sources = json_array();
	uint64_t all = sum(s);
	for (const struct source *source; (source = next(&w));)
		if (source->bytes || source->wasted || source_has_faults(source))
			put_source(json_push_object(sources), w.repository, source, all);
	return sources;
}

/* ---- for people ------------------------------------------------------------------- */

void session_tell_faults(struct cli *cli, const struct client *s)
{
	struct walk w = { .s = s };
	for (const struct source *source; (source = next(&w));) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
		source_describe(source, &text);
		if (text.len)
			report_warn(cli->report, "mirror %s: %s%s", source->id, buf_str(&text),
				    source->banned ? "; not asked again" : "");
	}
}

static bool gave(const struct source *s)
{
	return s->bytes + s->wasted >= LEAST;
}

static bool is_of_interest(const struct client *s, size_t *width)
{
	struct walk w = { .s = s };
	size_t count = 0;
	bool wasted = false;
	for (const struct source *source; (source = next(&w));) {
		if (!gave(source))
			continue;
		count++;
		wasted |= source->wasted >= LEAST;
		*width = MIN(MAX(*width, cli_width(source->id)), ID_MOST);
	}
	return count > 1 || wasted;
}

static void tell(struct cli *cli, const struct source *s, uint64_t all, size_t width)
{
	char size[SIZE_TEXT], rate[SIZE_TEXT];
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	CLEANUP(mem_free_ptr) char *id = cli_cut(s->id, width);
	buf_addf(&text, "from %s%*s  %3u %%  %8s", id, (int)(width - cli_width(id)), "",
		 share(s, all), format_size(size, s->bytes));
	if (s->rate >= 1)
		buf_addf(&text, "  %8s/s", format_size(rate, (uint64_t)s->rate));
	if (s->wasted)
		buf_addf(&text, "  %s wasted", format_size(size, s->wasted));
	report_note(cli->report, "%s", buf_str(&text));
}

void session_tell_sources(struct cli *cli, const struct client *s)
{
	struct walk w = { .s = s };
	size_t width = 0;
	uint64_t all = sum(s);
	/* After Ctrl-C, what had not arrived is always wasted. */
	if (cancel_signal(cli->cancel) || !is_of_interest(s, &width))
		return;
	for (const struct source *source; (source = next(&w));)
		if (gave(source))
			tell(cli, source, all, width);
}
