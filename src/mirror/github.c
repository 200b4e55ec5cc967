#include "mirror/github.h"

#include "mirror/kinds.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *const keys[] = { "owner", "repo", "tag", "part-size", "api", "immutable", NULL };
static const char *const public_keys[] = { "tag", "api", NULL };

/* ---- opening -------------------------------------------------------------------- */

static int read_tag(struct mirror_github *g, const struct conf *c, const struct conf_section *s,
		    struct err *e)
{
	const char *tag = conf_get(s, "tag");
	if (!tag)
		return 0;
	if (!github_name_is_base(tag))
		return conf_err(c, s, "tag", e,
				"tag: must consist of a-z, 0-9, '.', '_' and '-', not '%.100s'",
				tag);
	free(g->tag);
	g->tag = mem_strdup(tag);
	return 0;
}

/* The rules of settings/mirrors.c, which writes it into the catalog. */
static int read_part_size(struct mirror_github *g, const struct conf *c,
			  const struct conf_section *s, struct err *e)
{
	uint64_t size = SETTINGS_PART_SIZE;
	int rc = conf_get_size(c, s, "part-size", &size, e);
	if (rc == 0 && (size < GRID_MIN_PIECE || size > GIB || (size & (size - 1))))
		rc = conf_err(c, s, "part-size", e,
			      "part-size: must be a power of two from 8MiB to 1GiB");
	g->part_size = size;
	return rc;
}

static char *reader_url(const struct conf_section *s)
{
	const char *owner = conf_get(s, "owner"), *repo = conf_get(s, "repo");
	return owner && repo ? github_place_downloads(conf_get(s, "api"), owner, repo) : NULL;
}

static int open_place(struct mirror *m, struct mirror_github *g, const struct conf *c,
		      const struct conf_section *s, struct err *e)
{
	CLEANUP(mem_free_ptr) char *token = mirror_variable_name(m, "FERRY_", "_TOKEN");
	const char *instead = mirror_variable(m, "FERRY_ENDPOINT_", "");
	struct github_place_options o = {
		.api = instead ? instead : conf_get(s, "api"),
		.variable = token,
		.owner = conf_get(s, "owner"),
		.repo = conf_get(s, "repo"),
		.own = true,
		.clock = m->env.clock,
		.cancel = m->env.cancel,
	};
	const char *missing = !o.owner ? "owner" : !o.repo ? "repo" : NULL;
	if (missing)
		return conf_err(c, s, NULL, e, "a mirror of kind github needs '%s'", missing);
	int rc = github_place_open(&g->place, &o, e);
	if (rc < 0)
		return rc;
	g->has_api = true;
	g->is_private = instead; /* the public URL is that of another server */
	m->place = mem_printf("%s/%s/%s %s", g->place.api, o.owner, o.repo, g->tag);
	return 0;
}

static int github_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		       struct err *e)
{
	if (!s)
		return mirror_github_read.open(m, NULL, NULL, e);
	struct mirror_github *g = mirror_github_state(m);
	g->writes = true;
	m->can = MIRROR_CAN_WRITE | MIRROR_CAN_LIST | MIRROR_CAN_RANGE | MIRROR_CAN_CREATE_ONLY |
		 MIRROR_CAN_SHA256 | MIRROR_IN_ORDER;
	bool immutable; /* it is for the signature, which places new objects (repository/allocate.h)
			 */
	int rc = conf_get_bool(c, s, "immutable", &immutable, e);
	if (rc == 0)
		rc = read_tag(g, c, s, e);
	if (rc == 0)
		rc = read_part_size(g, c, s, e);
	if (rc == 0)
		rc = open_place(m, g, c, s, e);
	m->max_object = GITHUB_NAME_MAX_ASSETS * g->part_size;
	return rc;
}

/* ---- reading: a mirror of a catalog as clients do --------------------------------------- */

static bool writes(const struct mirror_connection *c)
{
	const struct mirror_github *g = c->mirror->state;
	return g->writes;
}

static int github_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		       struct err *e)
{
	return writes(c) ? mirror_github_stat(c, key, out, e)
			 : mirror_github_read.stat(c, key, out, e);
}

static int github_get(struct mirror_connection *c, const struct mirror_range *r,
		      const struct mirror_sink *sink, struct err *e)
{
	return writes(c) ? mirror_github_get(c, r, sink, e) : mirror_github_read.get(c, r, sink, e);
}

const struct mirror_ops mirror_github = {
	.kind = "github",
	.keys = keys,
	.public_keys = public_keys,
	.reader_url = reader_url,
	.no_metadata = true,
	.wants_models = true,
	.no_empty = true,
	.packs = true,
	.reads_entries = true,
	.small_connections = 8,
	.open = github_open,
	.has_credentials = mirror_github_has_credentials,
	.close = mirror_github_close,
	.connect = web_connect,
	.disconnect = web_disconnect,
	.stat = github_stat,
	.get = github_get,
	.list = mirror_github_list,
	.remove = mirror_github_remove,
	.upload_open = mirror_github_upload_open,
	.upload_put = mirror_github_upload_put,
	.upload_commit = mirror_github_upload_commit,
	.upload_close = mirror_github_upload_close,
	.upload_abandon = mirror_github_upload_abandon,
	.publish = mirror_github_publish,
	.leftovers = mirror_github_leftovers,
	.leftover_remove = mirror_github_leftover_remove,
	.downloads = mirror_github_downloads,
	.quota = mirror_github_quota,
	.preflight = mirror_github_preflight,
	.probe = mirror_github_probe,
	.setup = mirror_github_setup,
};
