#include "settings/repository.h"

#include "catalog/catalog.h"
#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define CLIENT_KEYS "metadata", "catalog-mirrors", "root", "root-sha256", "targets-max-size"
#define TARGETS_MOST GIB
#define CATALOG_MOST (64 * MIB)
#define KEEP_MOST 64

const char *const settings_repository_client_keys[] = { CLIENT_KEYS, NULL };

void settings_repository_release(struct settings_repository *r)
{
	free(r->name);
	free(r->where);
	free(r->title);
	free(r->dir);
	free(r->keys);
	free(r->passphrase_file);
	str_list_release(&r->metadata);
	free(r->root);
	free(r->root_sha256);
	*r = (struct settings_repository){ 0 };
}

void settings_repositories_release(struct settings_repositories *r)
{
	for (size_t i = 0; i < r->count; i++)
		settings_repository_release(&r->at[i]);
	free(r->at);
	*r = (struct settings_repositories){ 0 };
}

/* ---- one section ---- */

static int read_title(const struct conf *c, const struct conf_section *s, char **out, struct err *e)
{
	const char *title = conf_get(s, "title");
	if (title && (!*title || strlen(title) > CATALOG_MAX_TITLE))
		return conf_err(c, s, "title", e, "title: must have 1 to %d bytes",
				CATALOG_MAX_TITLE);
	*out = title ? mem_strdup(title) : NULL;
	return 0;
}

static int read_expiry(const struct conf *c, const struct conf_section *s,
		       struct settings_repository *out, struct err *e)
{
	struct {
		const char *key;
		uint64_t *at;
	} all[] = {
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
			return conf_err(c, s, all[i].key, e, "%s: must be longer than 0",
					all[i].key);
	}
	return 0;
}

static int read_catalog(const struct conf *c, const struct conf_section *s,
			struct settings_repository *out, struct err *e)
{
	const char *keep = conf_get(s, "keep-versions");
	int rc = conf_get_size(c, s, "catalog-max-size", &out->catalog_max, e);
	if (rc == 0 && (out->catalog_max > CATALOG_MOST ||
			(conf_get(s, "catalog-max-size") && out->catalog_max == 0)))
		rc = conf_err(c, s, "catalog-max-size", e, "catalog-max-size: from 1 to 64M");
	out->keep_versions = UINT64_MAX;
	if (rc == 0 && keep &&
	    (!parse_u64(keep, &out->keep_versions) || out->keep_versions > KEEP_MOST))
		rc = conf_err(c, s, "keep-versions", e, "keep-versions: from 0 to %d", KEEP_MOST);
	return rc;
}

/* A folder is accepted in place of its file:// URL. */
static char *endpoint_url(const struct conf *c, const char *word)
{
	if (strstr(word, "://"))
		return mem_strdup(word);
	CLEANUP(mem_free_ptr) char *joined = path_join(c->dir ? c->dir : ".", word);
	CLEANUP(mem_free_ptr) char *path = path_absolute(joined);
	return path_file_url(path);
}

bool settings_repository_reads(const char *url)
{
	return str_starts_nocase(url, "file:") || str_starts_nocase(url, "http://") ||
	       str_starts_nocase(url, "https://") || str_starts_nocase(url, "oci://");
}

static int bad_url(const struct conf *c, const struct conf_section *s, const char *word,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(word);
	return conf_err(c, s, "metadata", e,
			"'%s' is not a file://, http://, https:// or oci:// URL", shown);
}

static int read_endpoints(const struct conf *c, const struct conf_section *s, struct str_list *out,
			  struct err *e)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(s, "metadata", &words);
	for (size_t i = 0; i < words.count; i++) {
		CLEANUP(mem_free_ptr) char *url = endpoint_url(c, words.at[i]);
		if (!settings_repository_reads(url))
			return bad_url(c, s, words.at[i], e);
		str_list_add(out, url);
	}
	return 0;
}

static int read_mirrors(const struct conf *c, const struct conf_section *s, bool *none,
			struct err *e)
{
	bool used = true;
	int rc = conf_get_bool(c, s, "catalog-mirrors", &used, e);
	*none = !used;
	return rc;
}

static int read_trust(const struct conf *c, const struct conf_section *s,
		      struct settings_repository *out, struct err *e)
{
	const char *hex = conf_get(s, "root-sha256"), *max = conf_get(s, "targets-max-size");
	out->root = conf_get_path(c, s, "root");
	out->root_sha256 = hex ? mem_strdup(hex) : NULL;
	int rc = conf_get_size(c, s, "targets-max-size", &out->targets_max, e);
	if (rc == 0 && max && (out->targets_max == 0 || out->targets_max > TARGETS_MOST))
		rc = conf_err(c, s, "targets-max-size", e, "targets-max-size: from 1 to 1G");
	return rc;
}

static int read(const struct conf *c, const struct conf_section *s, struct settings_repository *out,
		struct err *e)
{
	static const char *const keys[] = { "path",
					    "keys",
					    "title",
					    "passphrase-file",
					    "expires-root",
					    "expires-targets",
					    "expires-snapshot",
					    "expires-timestamp",
					    "catalog-max-size",
					    "keep-versions",
					    CLIENT_KEYS,
					    NULL };
	CLEANUP(settings_repository_release) struct settings_repository r = { 0 };
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0 && !*s->name)
		rc = conf_err(c, s, NULL, e, "the section needs a name: [repository.NAME]");
	if (rc == 0)
		rc = read_title(c, s, &r.title, e);
	if (rc == 0)
		rc = read_expiry(c, s, &r, e);
	if (rc == 0)
		rc = read_catalog(c, s, &r, e);
	if (rc == 0)
		rc = read_endpoints(c, s, &r.metadata, e);
	if (rc == 0)
		rc = read_mirrors(c, s, &r.no_mirrors, e);
	if (rc == 0)
		rc = read_trust(c, s, &r, e);
	if (rc < 0)
		return rc;
	r.name = mem_strdup(s->name);
	r.where = mem_printf("%s:%d", c->path ? c->path : "ferry.conf", s->line);
	r.dir = conf_get_path(c, s, "path");
	r.keys = conf_get_path(c, s, "keys");
	r.passphrase_file = conf_get_path(c, s, "passphrase-file");
	*out = r;
	r = (struct settings_repository){ 0 };
	return 0;
}

/* ---- all of them ---- */

int settings_repositories_read(const struct conf *c, struct settings_repositories *out,
			       struct err *e)
{
	CLEANUP(settings_repositories_release) struct settings_repositories all = {
		.path = c->path,
	};
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "repository", i)); i++) {
		all.at = mem_grow(all.at, all.count, &all.cap, sizeof *all.at);
		int rc = read(c, s, &all.at[all.count], e);
		if (rc < 0)
			return rc;
		all.count++;
	}
	*out = all;
	all = (struct settings_repositories){ 0 };
	return 0;
}

static struct settings_repository *place_of(struct settings_repositories *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].name, name) == 0)
			return &all->at[i];
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
	all->at[all->count] = (struct settings_repository){ 0 };
	return &all->at[all->count++];
}

void settings_repositories_add(struct settings_repositories *all,
			       struct settings_repositories *more)
{
	for (size_t i = 0; i < more->count; i++) {
		struct settings_repository *r = &more->at[i];
		if (!r->metadata.count)
			continue;
		struct settings_repository *place = place_of(all, r->name);
		if (place->metadata.count)
			continue;
		settings_repository_release(place);
		*place = *r;
		*r = (struct settings_repository){ 0 };
	}
}

int settings_repositories_unknown(const struct settings_repositories *all, const char *name,
				  enum err_class class, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((all->count + 1) * sizeof *names);
	for (size_t i = 0; i < all->count; i++)
		names[i] = all->at[i].name;
	err_set(e, class, "there is no [repository.%s] in %s", name,
		all->path ? all->path : "ferry.conf");
	return text_hint_nearest(name, names, all->count, NULL, e);
}

const struct settings_repository *settings_repositories_find(const struct settings_repositories *r,
							     const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->at[i].name, name) == 0)
			return &r->at[i];
	return NULL;
}

/* ---- the one to publish ---- */

static const struct conf_section *only_one(const struct conf *c, bool *several)
{
	const struct conf_section *s, *found = NULL, *any = NULL;
	size_t n = 0, published = 0;
	for (; (s = conf_nth(c, "repository", n)); n++) {
		any = s;
		if (conf_get(s, "path")) {
			found = s;
			published++;
		}
	}
	*several = published > 1 || (n > 1 && !found);
	return found ? found : n == 1 ? any : NULL;
}

static int no_section(const struct conf *c, const char *name, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "repository", i)); i++)
		str_list_add(&names, s->name);
	CLEANUP(mem_free_ptr) char *init =
		mem_printf("`ferry catalog init %s` makes a new repository", name);
	err_set(e, ERR_USAGE, "there is no [repository.%s] in %s", name,
		c->path ? c->path : "ferry.conf");
	return text_hint_nearest(name, (const char *const *)names.at, names.count, init, e);
}

int settings_repository_published(const struct conf *c, const char *name,
				  struct settings_repository *out, struct err *e)
{
	bool several = false;
	const struct conf_section *s = name ? conf_find(c, "repository", name)
					    : only_one(c, &several);
	if (name && !s)
		return no_section(c, name, e);
	if (several) {
		err_set(e, ERR_USAGE, "%s has several repositories", c->path);
		return err_hint(e, "choose one with --name");
	}
	if (!s) {
		err_set(e, ERR_USAGE, "%s%sno [repository.NAME]", c->path ? c->path : "",
			c->path ? " has " : "there is no ferry.conf, so ");
		return err_hint(e, "run this in the folder of a ferry.conf, or name the tree with "
				   "--repository; `ferry catalog init NAME` makes a new one");
	}
	return read(c, s, out, e);
}
