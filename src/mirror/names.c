#include "http/url.h"
#include "mirror/kinds.h"
#include "mirror/web.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static const char *const keys[] = { "layout", "template", "models", "netrc", NULL };
static const char *const public_keys[] = { "template", NULL };

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
	struct http_options *options = NEW(struct http_options);
	m->state = options;
	m->can = MIRROR_CAN_RANGE | MIRROR_CAN_SHA256;
	web_options(m, options);
	int rc = c ? conf_get_bool(c, s, "netrc", &options->netrc, e) : 0;
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

/* What the file does not have any more was never ours: it was replaced. */
static int judge(long status, struct err *e)
{
	if (status != 416)
		return -(int)e->class;
	err_context(e, "no longer this version");
	e->cause = CAUSE_CHANGED;
	return -(int)e->class;
}

static int names_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	int rc = find(c, key, &url, e);
	struct web_file f = { .url = url, .linked = true };
	return rc < 0 ? rc : web_stat(c, &f, out, NULL, e);
}

static int names_get(struct mirror_connection *c, const struct mirror_range *range,
		     const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	long status = 0;
	int rc = find(c, range->key, &url, e);
	struct web_file f = { .url = url };
	if (rc == 0 && (rc = web_get(c, &f, range, sink, &status, e)) < 0)
		rc = judge(status, e);
	return rc;
}

/* Asks for a file of the list: nothing else is known to be there. */
static int names_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	const struct places *p = c->mirror->places;
	struct web_file f = { 0 };
	for (size_t i = 0; i < p->count && !f.url; i++)
		f.url = p->at[i].url;
	if (f.url)
		return web_probe(c, &f, path_base(f.url), out, e);
	mirror_findings_add(out, "read", MIRROR_FINDING_OK, "no file of it is signed yet");
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
