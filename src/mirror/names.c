#include "http/url.h"
#include "hub/account.h"
#include "mirror/kinds.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <string.h>

static const char *const keys[] = { "layout", "template", "models", "netrc", NULL };
static const char *const public_keys[] = { "template", NULL };

struct names {
	struct http_options options; /* first: see web.h */
	atomic_bool with_token;      /* the Hub has asked for one */
};

/* As the mirror's entry in the catalog has it. */
static json_t *entry_of(const struct conf_section *s)
{
	CLEANUP(str_list_release) struct str_list models = { 0 };
	json_t *entry = json_object();
	json_put_string(entry, "template", conf_get(s, "template"));
	conf_get_words(s, "models", &models);
	json_put(entry, "models", json_strings(&models));
	return entry;
}

static int read_template(struct mirror *m, const struct conf_section *s, struct err *e)
{
	CLEANUP(json_release) json_t *entry = s ? entry_of(s) : json_incref((json_t *)m->entry);
	m->places = NEW(struct places);
	int rc = places_read_entry(entry, "the mirror", m->places, e);
	if (rc < 0 && s)
		err_class_set(e, ERR_USAGE);
	return rc;
}

static int names_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		      struct err *e)
{
	struct names *n = NEW(struct names);
	m->state = n;
	m->can = MIRROR_CAN_RANGE | MIRROR_CAN_SHA256;
	web_options(m, &n->options);
	int rc = c ? conf_get_bool(c, s, "netrc", &n->options.netrc, e) : 0;
	return rc < 0 ? rc : read_template(m, s, e);
}

static void names_close(struct mirror *m)
{
	mem_free_ptr(&m->state);
}

static bool names_has(const struct mirror *m, const char *key)
{
	return places_has(m->places, key);
}

static int find(const struct mirror_connection *c, const char *key, char **out, struct err *e)
{
	char *url = places_url(c->mirror->places, key);
	if (!url)
		return err_set(e, ERR_NOT_FOUND, "the publisher names no place for it there");
	*out = url;
	return 0;
}

/* -- the token ------------------------------------------------------------------- */

/* Is the URL on the Hub that the environment names? */
static bool is_on_hub(const char *url, const struct hub_account *a)
{
	CLEANUP(url_release) struct url here = { 0 }, hub = { 0 };
	struct err none = ERR_INIT;
	return a->endpoint && url_parse(url, &here, &none) == 0 &&
	       url_parse(a->endpoint, &hub, &none) == 0 && url_same_origin(&here, &hub);
}

static bool find_token(const char *url, struct hub_account *a)
{
	struct err none = ERR_INIT;
	hub_account_release(a);
	return hub_account_find(a, &none) == 0 && is_on_hub(url, a) && a->authorization;
}

/* One request; `ask` asks with the headers. The token is sent only where it is wanted, and only to
 * the Hub: redirects get none (http.h). */
struct request {
	const char *url;
	int (*ask)(struct mirror_connection *c, const struct web_file *f, void *ctx, struct err *e);
	void *ctx;
};

static int ask_with(struct mirror_connection *c, const struct request *q, const char *authorization,
		    struct err *e)
{
	const char *const headers[] = { authorization, NULL };
	struct web_file f = { .url = q->url, .headers = headers, .linked = true };
	return q->ask(c, &f, q->ctx, e);
}

static int perform(struct mirror_connection *c, const struct request *q, struct err *e)
{
	CLEANUP(hub_account_release) struct hub_account account = { 0 };
	struct names *n = c->mirror->state;
	struct err why = ERR_INIT;
	if (n->with_token && find_token(q->url, &account))
		return ask_with(c, q, account.authorization, e);
	int rc = ask_with(c, q, NULL, &why);
	if (rc == -ERR_AUTH && find_token(q->url, &account)) {
		n->with_token = true;
		return ask_with(c, q, account.authorization, e);
	}
	/* In the text, since a report of several sources has no room for hints. */
	if (rc == -ERR_AUTH && is_on_hub(q->url, &account))
		return err_set(e, ERR_AUTH, "%s: set HF_TOKEN to a token that may read it",
			       why.text);
	if (rc < 0)
		*e = why;
	return rc;
}

/* -- reading --------------------------------------------------------------------- */

static int ask_stat(struct mirror_connection *c, const struct web_file *f, void *ctx, struct err *e)
{
	return web_stat(c, f, ctx, e);
}

static int names_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	int rc = find(c, key, &url, e);
	struct request q = { .url = url, .ask = ask_stat, .ctx = out };
	return rc < 0 ? rc : perform(c, &q, e);
}

struct reading {
	const struct mirror_range *range;
	const struct mirror_sink *sink;
};

static int ask_get(struct mirror_connection *c, const struct web_file *f, void *ctx, struct err *e)
{
	struct reading *r = ctx;
	return web_get(c, f, r->range, r->sink, e);
}

/* Bytes that it does not have, or that are wrong, were never ours to damage: the file was
 * replaced. */
static int judge(struct err *e)
{
	if (!err_is(e, ERR_INTEGRITY) || e->cause != CAUSE_NONE)
		return -(int)e->class;
	err_context(e, "no longer this version");
	e->cause = CAUSE_CHANGED;
	return -(int)e->class;
}

static int names_get(struct mirror_connection *c, const struct mirror_range *range,
		     const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	struct reading r = { .range = range, .sink = sink };
	int rc = find(c, range->key, &url, e);
	struct request q = { .url = url, .ask = ask_get, .ctx = &r };
	if (rc == 0 && (rc = perform(c, &q, e)) < 0)
		rc = judge(e);
	return rc;
}

/* No file has a name that every repository has. */
static int names_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	(void)c, (void)e;
	mirror_findings_add(out, "read", MIRROR_FINDING_OK,
			    "each file has a place of its own there: `ferry verify` asks for them");
	return 0;
}

const struct mirror_ops mirror_names = {
	.kind = "names",
	.keys = keys,
	.public_keys = public_keys,
	.others_files = true,
	.reads_entries = true,
	.open = names_open,
	.close = names_close,
	.connect = web_connect,
	.disconnect = web_disconnect,
	.has = names_has,
	.stat = names_stat,
	.get = names_get,
	.probe = names_probe,
};
