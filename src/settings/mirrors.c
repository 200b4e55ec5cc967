#include "settings/mirrors.h"

#include "catalog/catalog.h"
#include "catalog/link.h"
#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define COMMON "repository", "kind", "url", "path", "region", "priority", "holds", "stage"

const char *const catalog_repository_keys[] = {
	"path", "keys", "title", "passphrase-file", "expires-root", "expires-targets",
	"expires-snapshot", "expires-timestamp", "metadata", "root", "root-sha256",
	"targets-max-size", NULL
};

const char *const catalog_mirror_kinds[] = { "file", "http", "s3", "r2", "github", "git", NULL };

static const char *const file_keys[] = { COMMON, NULL };
static const char *const http_keys[] = { COMMON, "netrc", NULL };
static const char *const s3_keys[] = {
	COMMON, "bucket", "prefix", "endpoint", "profile", "path-style", "storage-class",
	"credentials", NULL
};
static const char *const r2_keys[] = {
	COMMON, "account", "bucket", "prefix", "endpoint", "jurisdiction", "profile",
	"credentials", NULL
};
static const char *const github_keys[] = {
	COMMON, "owner", "repo", "tag", "part-size", "api", NULL
};
static const char *const git_keys[] = {
	COMMON, "remote", "branch", "prefix", "author", NULL
};

const char *const *catalog_mirror_keys(const char *kind)
{
	static const char *const *const keys[] = { file_keys, http_keys, s3_keys, r2_keys,
						   github_keys, git_keys };
	for (size_t i = 0; catalog_mirror_kinds[i]; i++)
		if (strcmp(kind, catalog_mirror_kinds[i]) == 0)
			return keys[i];
	return NULL;
}

/* ---- [repository.NAME] ---- */

static int the_section(const struct conf *c, const char *name, const struct conf_section **out,
		       struct err *e)
{
	const struct conf_section *s, *found = NULL, *any = NULL;
	size_t n = 0, published = 0;
	if (name && (*out = conf_find(c, "repository", name)))
		return 0;
	if (name) {
		err_set(e, ERR_USAGE, "there is no [repository.%s] in %s", name,
			c->path ? c->path : "ferry.conf");
		return err_hint(e, "`ferry catalog init %s` makes a new repository", name);
	}
	for (; (s = conf_nth(c, "repository", n)); n++) {
		any = s;
		if (conf_get(s, "path")) {
			found = s;
			published++;
		}
	}
	if (!found && n == 1)
		found = any;
	if (published > 1 || (n > 1 && !found)) {
		err_set(e, ERR_USAGE, "%s has several repositories", c->path);
		return err_hint(e, "say which one with --name");
	}
	if (!found) {
		err_set(e, ERR_USAGE, "%s%sno [repository.NAME]", c->path ? c->path : "",
			c->path ? " has " : "there is no ferry.conf, so ");
		return err_hint(e, "run this in the folder of a ferry.conf, or name the tree with "
				"--repository; `ferry catalog init NAME` makes a new one");
	}
	*out = found;
	return 0;
}

void catalog_source_release(struct catalog_source *s)
{
	free(s->name);
	free(s->title);
	free(s->dir);
	free(s->keys);
	free(s->passphrase_file);
	*s = (struct catalog_source){ 0 };
}

static int load_expiry(const struct conf *c, const struct conf_section *s,
		       struct catalog_source *out, struct err *e)
{
	struct { const char *key; uint64_t *at; } all[] = {
		{ "expires-root", &out->root_s },
		{ "expires-targets", &out->targets_s },
		{ "expires-snapshot", &out->snapshot_s },
		{ "expires-timestamp", &out->timestamp_s },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		int rc = conf_get_duration(c, s, all[i].key, all[i].at, e);
		if (rc < 0)
			return rc;
		if (conf_get(s, all[i].key) && *all[i].at == 0)
			return conf_err(c, s, all[i].key, e, "%s: nothing can expire at once",
					all[i].key);
	}
	return 0;
}

int catalog_source_load(const struct conf *c, const char *name, struct catalog_source *out,
			struct err *e)
{
	CLEANUP(catalog_source_release) struct catalog_source source = { 0 };
	const struct conf_section *s;
	int rc = the_section(c, name, &s, e);
	if (rc < 0 || (rc = conf_check_keys(c, s, catalog_repository_keys, e)) < 0)
		return rc;
	if (!*s->name)
		return conf_err(c, s, NULL, e, "the section wants a name: [repository.NAME]");
	const char *title = conf_get(s, "title");
	if (title && (!*title || strlen(title) > 200))
		return conf_err(c, s, "title", e, "title: 1 to 200 bytes wanted");
	if ((rc = load_expiry(c, s, &source, e)) < 0)
		return rc;
	source.name = mem_strdup(s->name);
	source.title = title ? mem_strdup(title) : NULL;
	source.dir = conf_get_path(c, s, "path");
	source.keys = conf_get_path(c, s, "keys");
	source.passphrase_file = conf_get_path(c, s, "passphrase-file");
	*out = source;
	source = (struct catalog_source){ 0 };
	return 0;
}

/* ---- [mirror.NAME] ---- */

static int mirror_url(const struct conf *c, const struct conf_section *s, const char *kind,
		      char **out, struct err *e)
{
	const char *url = conf_get(s, "url");
	bool file = strcmp(kind, "file") == 0;
	CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, "path");
	if (file && !path)
		return conf_err(c, s, NULL, e, "[mirror.%s] of kind file needs a path", s->name);
	if (!file && path)
		return conf_err(c, s, "path", e, "path is only for mirrors of kind file");
	if (!url && strcmp(kind, "http") == 0)
		return conf_err(c, s, NULL, e, "[mirror.%s] of kind http needs a url", s->name);
	if (!url) {
		*out = file ? path_file_url(path) : NULL;
		return 0;
	}
	const char *fault = link_fault(url, file);
	if (!fault && strchr(url, '?'))
		fault = "it has a query (?…), and paths are appended to it";
	if (fault) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url);
		return conf_err(c, s, "url", e, "url: '%s' cannot be shown to readers: %s", shown,
				fault);
	}
	size_t len = strlen(url);
	while (len && url[len - 1] == '/')
		len--;
	*out = mem_strndup(url, len);
	return 0;
}

static int mirror_part_size(const struct conf *c, const struct conf_section *s,
			    const char *kind, uint64_t *out, struct err *e)
{
	uint64_t size = CATALOG_PART_SIZE;
	if (strcmp(kind, "github") != 0)
		return 0;
	int rc = conf_get_size(c, s, "part-size", &size, e);
	if (rc < 0)
		return rc;
	/* A power of two holds whole pieces of every grid whose pieces are not larger. */
	if (size < 8 * MIB || size > GIB || (size & (size - 1)))
		return conf_err(c, s, "part-size", e,
				"part-size: a power of two from 8MiB to 1GiB is wanted");
	*out = size;
	return 0;
}

static int mirror_words(const struct conf *c, const struct conf_section *s, const char *kind,
			struct err *e)
{
	const char *holds = conf_get(s, "holds"), *region = conf_get(s, "region");
	if (holds && strcmp(holds, "all") != 0 && strcmp(holds, "objects") != 0 &&
	    strcmp(holds, "metadata") != 0)
		return conf_err(c, s, "holds", e, "holds: one of all, objects, metadata is wanted");
	if (holds && strcmp(kind, "git") == 0 && strcmp(holds, "metadata") != 0)
		return conf_err(c, s, "holds", e, "holds: a git mirror holds no model files, "
				"only metadata");
	if (region && (!*region || strlen(region) > 64))
		return conf_err(c, s, "region", e, "region: 1 to 64 bytes wanted");
	return 0;
}

static const char *default_holds(const char *kind)
{
	return strcmp(kind, "git") == 0 ? "metadata" : "all";
}

/* NULL in *out: no mirror that readers see. */
static int mirror_json(const struct conf *c, const struct conf_section *s, json_t **out,
		       bool *stage, struct err *e)
{
	const char *kind = conf_get(s, "kind"), *holds = conf_get(s, "holds");
	CLEANUP(mem_free_ptr) char *url = NULL;
	uint64_t priority = CATALOG_PRIORITY, part_size = 0;
	if (!*s->name)
		return conf_err(c, s, NULL, e, "the section wants a name: [mirror.NAME]");
	if (!kind)
		return conf_err(c, s, NULL, e, "[mirror.%s] needs a kind: file, http, s3, r2, "
				"github or git", s->name);
	if (!catalog_mirror_keys(kind))
		return conf_err(c, s, "kind", e, "kind: '%s' is not one of file, http, s3, r2, "
				"github, git", kind);
	int rc = conf_check_keys(c, s, catalog_mirror_keys(kind), e);
	if (rc < 0 || (rc = mirror_words(c, s, kind, e)) < 0 ||
	    (rc = mirror_url(c, s, kind, &url, e)) < 0 ||
	    (rc = mirror_part_size(c, s, kind, &part_size, e)) < 0 ||
	    (rc = conf_get_u64(c, s, "priority", &priority, e)) < 0 ||
	    (rc = conf_get_bool(c, s, "stage", stage, e)) < 0)
		return rc;
	if (priority > INT64_MAX)
		return conf_err(c, s, "priority", e, "priority: too large");
	*out = NULL;
	if (!url || *stage)
		return 0;
	json_t *mirror = json_object();
	json_put_string(mirror, "id", s->name);
	json_put_string(mirror, "kind", kind);
	json_put_string(mirror, "url", url);
	json_put_string(mirror, "region", conf_get(s, "region"));
	json_put_u64(mirror, "priority", priority);
	json_put_string(mirror, "holds", holds ? holds : default_holds(kind));
	if (part_size)
		json_put_u64(mirror, "part_size", part_size);
	*out = mirror;
	return 0;
}

static int belongs(const struct conf *c, const struct conf_section *s, const char *repository,
		   bool *out, struct err *e)
{
	const char *named = conf_get(s, "repository");
	bool several = conf_nth(c, "repository", 1) != NULL;
	if (named && !conf_find(c, "repository", named))
		return conf_err(c, s, "repository", e, "there is no [repository.%s]", named);
	if (!named && several)
		return conf_err(c, s, NULL, e, "[mirror.%s] does not say of which repository: "
				"repository = NAME", s->name);
	*out = !named || strcmp(named, repository) == 0;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	json_int_t p = json_integer_value(json_object_get(*x, "priority"));
	json_int_t q = json_integer_value(json_object_get(*y, "priority"));
	if (p != q)
		return p < q ? -1 : 1;
	return strcmp(json_string_value(json_object_get(*x, "id")),
		      json_string_value(json_object_get(*y, "id")));
}

int catalog_mirrors(const struct conf *c, const char *repository, json_t **out,
		    struct str_list *hidden, struct err *e)
{
	json_t *found[CATALOG_MAX_MIRRORS];
	size_t count = 0;
	int rc = 0;
	const struct conf_section *s;
	for (size_t i = 0; rc == 0 && (s = conf_nth(c, "mirror", i)); i++) {
		json_t *mirror = NULL;
		bool ours = false, stage = false;
		if ((rc = belongs(c, s, repository, &ours, e)) < 0 || !ours)
			continue;
		rc = mirror_json(c, s, &mirror, &stage, e);
		if (rc == 0 && count == CATALOG_MAX_MIRRORS)
			rc = conf_err(c, s, NULL, e, "more than %d mirrors", CATALOG_MAX_MIRRORS);
		if (rc == 0 && mirror)
			found[count++] = mirror;
		else
			json_decref(mirror);
		if (rc == 0 && !mirror && !stage && hidden)
			str_list_add(hidden, s->name);
	}
	json_t *array = json_array();
	qsort(found, count, sizeof *found, compare);
	for (size_t i = 0; i < count; i++)
		json_push(array, found[i]);
	if (rc == 0)
		*out = json_incref(array);
	json_decref(array);
	return rc;
}
