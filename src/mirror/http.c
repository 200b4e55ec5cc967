#include "http/http.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <string.h>

static const char *const keys[] = { "netrc", "layout", NULL };
static const char *const schemes[] = { "http://", "https://", NULL };

static int check_base(const struct mirror *m, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(m->url, &url, e);
	if (rc == 0 && url.query) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url.text);
		err_set(e, ERR_USAGE, "the base URL %s has a query", shown);
		rc = err_hint(e, "leave out the '?' and what follows it");
	}
	return rc;
}

static int http_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	if (!m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind http needs 'url'");
	struct http_options *options = NEW(struct http_options);
	m->state = options;
	m->can = MIRROR_CAN_RANGE;
	web_options(m, options);
	int rc = c ? conf_get_bool(c, s, "netrc", &options->netrc, e) : 0;
	return rc < 0 ? rc : check_base(m, e);
}

static void http_close(struct mirror *m)
{
	mem_free_ptr(&m->state);
}

static struct web_file file_of(const char *key, const char *url)
{
	return (struct web_file){
		.url = url,
		.page = str_ends(key, ".html") || str_ends(key, ".htm"),
	};
}

static int http_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		     struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_join(c->mirror->url, key);
	struct web_file f = file_of(key, url);
	return web_stat(c, &f, out, e);
}

static int http_get(struct mirror_connection *c, const struct mirror_range *range,
		    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_join(c->mirror->url, range->key);
	struct web_file f = file_of(range->key, url);
	return web_get(c, &f, range, sink, e);
}

#define PROBE_KEY "metadata/timestamp.json"

/* Asks for a file that every repository has. */
static int http_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_join(c->mirror->url, PROBE_KEY);
	struct web_file f = file_of(PROBE_KEY, url);
	return web_probe(c, &f, PROBE_KEY, out, e);
}

const struct mirror_ops mirror_http = {
	.kind = "http",
	.keys = keys,
	.schemes = schemes,
	.open = http_open,
	.close = http_close,
	.connect = web_connect,
	.disconnect = web_disconnect,
	.stat = http_stat,
	.get = http_get,
	.probe = http_probe,
};
