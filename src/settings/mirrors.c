#include "settings/mirrors.h"

#include "catalog/catalog.h"
#include "catalog/link.h"
#include "catalog/places.h"
#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

#include <string.h>

static const char *const common_keys[] = { "repository", "kind",  "url",   "region",
					   "priority",   "holds", "stage", "connections",
					   "limit-rate", "price", "faces", NULL };

/* ---- kinds ---- */

static const struct settings_kind *find_kind(const struct settings_kind *kinds, const char *name)
{
	for (; kinds->name; kinds++)
		if (strcmp(kinds->name, name) == 0)
			return kinds;
	return NULL;
}

static bool has_key(const struct settings_kind *kind, const char *key)
{
	for (const char *const *k = kind->keys; *k; k++)
		if (strcmp(*k, key) == 0)
			return true;
	return false;
}

static size_t count_names(const char *const *names)
{
	size_t n = 0;
	while (names[n])
		n++;
	return n;
}

static int check_keys(const struct settings_mirror *m, const struct settings_kind *kind,
		      struct err *e)
{
	size_t common = count_names(common_keys), own = count_names(kind->keys);
	CLEANUP(mem_free_ptr) const char **all = mem_alloc((common + own + 1) * sizeof *all);
	memcpy(all, common_keys, common * sizeof *all);
	memcpy(all + common, kind->keys, own * sizeof *all);
	return conf_check_keys(m->conf, m->section, all, e);
}

/* The kinds as people write them: names is http with another layout. */
static size_t written_kinds(const struct settings_kind *kinds, const char **out)
{
	size_t n = 0;
	for (; kinds->name; kinds++)
		if (!kinds->objects_only)
			out[n++] = kinds->name;
	return n;
}

/* "file, http or s3". */
static void list_names(const char *const *names, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "%s%s", names[i],
			 i + 1 == count   ? ""
			 : i + 2 == count ? " or "
					  : ", ");
}

/* The layout of a web server's files: those of a repository, or names of their own. */
static int read_layout(struct settings_mirror *m, struct err *e)
{
	const char *layout = conf_get(m->section, "layout");
	if (!layout || strcmp(m->kind, "http") != 0 || strcmp(layout, "repository") == 0)
		return 0;
	if (strcmp(layout, "names") != 0)
		return conf_err(m->conf, m->section, "layout", e,
				"layout: must be repository or names, not '%s'", layout);
	m->kind = "names";
	return 0;
}

static int unknown_kind(struct settings_mirror *m, const struct settings_kind *kinds, struct err *e)
{
	CLEANUP(buf_release) struct buf list = BUF_INIT(KIB);
	size_t count = 0;
	while (kinds[count].name)
		count++;
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((count + 1) * sizeof *names);
	count = written_kinds(kinds, names);
	list_names(names, count, &list);
	if (!m->kind)
		return conf_err(m->conf, m->section, NULL, e, "[mirror.%s] needs 'kind': %s", m->id,
				buf_str(&list));
	conf_err(m->conf, m->section, "kind", e, "unknown kind '%s'", m->kind);
	CLEANUP(mem_free_ptr) char *all = mem_printf("the kinds are %s", buf_str(&list));
	return text_hint_nearest(m->kind, names, count, all, e);
}

static int read_kind(struct settings_mirror *m, const struct settings_kind *kinds,
		     const struct settings_kind **out, struct err *e)
{
	const struct settings_kind *given = m->kind ? find_kind(kinds, m->kind) : NULL;
	if (!given || given->objects_only)
		return unknown_kind(m, kinds, e);
	int rc = read_layout(m, e);
	if (rc < 0)
		return rc;
	*out = find_kind(kinds, m->kind);
	return *out ? check_keys(m, *out, e) : unknown_kind(m, kinds, e);
}

/* ---- one section ---- */

static int read_holds(struct settings_mirror *m, const struct settings_kind *kind, struct err *e)
{
	const char *holds = conf_get(m->section, "holds");
	if (kind->metadata_only)
		m->holds = MIRROR_HOLDS_METADATA;
	if (kind->objects_only || kind->no_metadata)
		m->holds = MIRROR_HOLDS_OBJECTS;
	if (holds && !holds_parse(holds, &m->holds))
		return conf_err(m->conf, m->section, "holds", e,
				"holds: must be all, objects or metadata, not '%s'", holds);
	if (kind->metadata_only && m->holds != MIRROR_HOLDS_METADATA)
		return conf_err(m->conf, m->section, "holds", e,
				"holds: a %s mirror holds only metadata, no model files",
				kind->name);
	if (kind->no_metadata && m->holds != MIRROR_HOLDS_OBJECTS) {
		conf_err(m->conf, m->section, "holds", e, "holds: a %s mirror holds only objects",
			 kind->name);
		return err_hint(e, "metadata and catalog go to another mirror, for example one of "
				   "kind git");
	}
	if (kind->objects_only && m->holds != MIRROR_HOLDS_OBJECTS)
		return conf_err(m->conf, m->section, "holds", e,
				"holds: only model files are read from a mirror with layout = "
				"names");
	return 0;
}

static int read_connections(struct settings_mirror *m, struct err *e)
{
	uint64_t n = 1;
	int rc = conf_get_u64(m->conf, m->section, "connections", &n, e);
	if (rc < 0 || !conf_get(m->section, "connections"))
		return rc;
	if (n < 1 || n > THREADS_MAX)
		return conf_err(m->conf, m->section, "connections", e,
				"connections: must be 1 to %d", THREADS_MAX);
	m->connections = (unsigned)n;
	return 0;
}

static int read_faces(struct settings_mirror *m, struct err *e)
{
	const char *text = conf_get(m->section, "faces");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (!text)
		return 0;
	str_list_split(&names, text, " ,");
	for (size_t i = 0; i < names.count; i++) {
		bool oci = strcmp(names.at[i], "oci") == 0;
		if (!oci && strcmp(names.at[i], "hub") != 0)
			return conf_err(m->conf, m->section, "faces", e,
					"faces: must be oci or hub, or both, not '%.100s'",
					names.at[i]);
		m->faces |= oci ? SETTINGS_FACE_OCI : SETTINGS_FACE_HUB;
	}
	return 0;
}

static int read_rest(struct settings_mirror *m, struct err *e)
{
	int rc = 0;
	if (m->region && (!*m->region || strlen(m->region) > 64))
		rc = conf_err(m->conf, m->section, "region", e, "region: must have 1 to 64 bytes");
	if (rc == 0)
		rc = conf_get_bool(m->conf, m->section, "stage", &m->stage, e);
	if (rc == 0)
		rc = conf_get_u64(m->conf, m->section, "priority", &m->priority, e);
	if (rc == 0 && m->priority > INT64_MAX)
		rc = conf_err(m->conf, m->section, "priority", e, "priority: too large");
	if (rc == 0)
		rc = read_connections(m, e);
	if (rc == 0)
		rc = read_faces(m, e);
	if (rc == 0)
		rc = conf_get_rate(m->conf, m->section, "limit-rate", &m->limit_rate, e);
	return rc;
}

static void read_mirror(const struct conf *c, const struct conf_section *s,
			const struct settings_kind *kinds, struct settings_mirror *out)
{
	const struct settings_kind *kind = NULL;
	struct err *e = &out->fault;
	*out = (struct settings_mirror){
		.id = s->name,
		.kind = conf_get(s, "kind"),
		.url = conf_get(s, "url"),
		.repository = conf_get(s, "repository"),
		.region = conf_get(s, "region"),
		.price = conf_get(s, "price"),
		.priority = CATALOG_PRIORITY,
		.conf = c,
		.section = s,
	};
	int rc = *s->name ? 0 : conf_err(c, s, NULL, e, "the section needs a name: [mirror.NAME]");
	if (rc == 0)
		rc = read_kind(out, kinds, &kind, e);
	/* Even for one that cannot be used: whether it counts, and for what. */
	struct err ignored = ERR_INIT;
	static const struct settings_kind any = { 0 };
	int held = read_holds(out, kind ? kind : &any, rc == 0 ? e : &ignored);
	(void)!read_rest(out, rc == 0 && held == 0 ? e : &ignored);
}

/* ---- all of them ---- */

void settings_mirrors_release(struct settings_mirrors *m)
{
	free(m->at);
	*m = (struct settings_mirrors){ 0 };
}

static int belongs(const struct conf *c, const struct conf_section *s, const char *repository,
		   bool *out, struct err *e)
{
	const char *named = conf_get(s, "repository");
	bool any = conf_nth(c, "repository", 0), several = conf_nth(c, "repository", 1);
	*out = !repository || !named || strcmp(named, repository) == 0;
	if (named && any && !conf_find(c, "repository", named))
		return conf_err(c, s, "repository", e, "there is no [repository.%s]", named);
	if (!named && several && repository)
		return conf_err(c, s, NULL, e,
				"[mirror.%s] must name its repository: repository = NAME", s->name);
	return 0;
}

int settings_mirrors_read(const struct conf *c, const char *repository,
			  const struct settings_kind *kinds, struct settings_mirrors *out,
			  struct err *e)
{
	CLEANUP(settings_mirrors_release) struct settings_mirrors all = { 0 };
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "mirror", i)); i++) {
		bool ours;
		int rc = belongs(c, s, repository, &ours, e);
		if (rc < 0)
			return rc;
		if (!ours)
			continue;
		all.at = mem_grow(all.at, all.count, &all.cap, sizeof *all.at);
		read_mirror(c, s, kinds, &all.at[all.count++]);
	}
	*out = all;
	all = (struct settings_mirrors){ 0 };
	return 0;
}

int settings_mirrors_logs(const struct conf *c, const char *name, const struct settings_kind *kinds,
			  struct settings_mirrors *out, struct err *e)
{
	const struct conf_section *s = conf_find(c, "logs", name);
	if (!s)
		return err_set(e, ERR_NOT_FOUND, "there is no [logs.%s]", name);
	*out = (struct settings_mirrors){ .count = 1 };
	out->at = mem_grow(NULL, 0, &out->cap, sizeof *out->at);
	read_mirror(c, s, kinds, &out->at[0]);
	return 0;
}

/* ---- for the catalog ---- */

/* *out is NULL if readers have none. For a kind with a folder, the default is the folder's URL. */
static int public_url(const struct settings_mirror *m, const struct settings_kind *kind, char **out,
		      struct err *e)
{
	bool folder = has_key(kind, "path");
	CLEANUP(mem_free_ptr) char *path = folder ? conf_get_path(m->conf, m->section, "path")
						  : NULL;
	if (folder && !path)
		return conf_err(m->conf, m->section, NULL, e, "a mirror of kind %s needs 'path'",
				kind->name);
	if (!m->url && (strcmp(kind->name, "http") == 0 || kind->objects_only))
		return conf_err(m->conf, m->section, NULL, e, "a mirror of kind http needs 'url'");
	*out = path && !m->url ? path_file_url(path) : NULL;
	if (!m->url && !*out && kind->reader_url)
		*out = kind->reader_url(m->section);
	if (!m->url)
		return 0;
	const char *fault = link_fault(m->url, folder);
	if (!fault && strchr(m->url, '?'))
		fault = "it has a query (?…), but paths are appended to it";
	if (fault) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(m->url);
		return conf_err(m->conf, m->section, "url", e, "url: '%s' cannot be published: %s",
				shown, fault);
	}
	size_t len = strlen(m->url);
	while (len && m->url[len - 1] == '/')
		len--;
	*out = mem_strndup(m->url, len);
	return 0;
}

/* 0: the kind has no parts. */
static int part_size(const struct settings_mirror *m, const struct settings_kind *kind,
		     uint64_t *out, struct err *e)
{
	uint64_t size = SETTINGS_PART_SIZE;
	*out = 0;
	if (!has_key(kind, "part-size"))
		return 0;
	int rc = conf_get_size(m->conf, m->section, "part-size", &size, e);
	if (rc < 0)
		return rc;
	/* A power of two is a whole number of pieces of every grid with pieces of at most that
	 * size. */
	if (size < 8 * MIB || size > GIB || (size & (size - 1)))
		return conf_err(m->conf, m->section, "part-size", e,
				"part-size: must be a power of two from 8MiB to 1GiB");
	*out = size;
	return 0;
}

/* What readers need to know of the kind's own settings. */
static void put_public_keys(json_t *o, const struct settings_mirror *m,
			    const struct settings_kind *kind)
{
	for (const char *const *k = kind->public_keys; k && *k; k++) {
		CLEANUP(mem_free_ptr) char *name = mem_strdup(*k);
		for (char *c = name; *c; c++)
			*c = *c == '-' ? '_' : *c;
		json_put_string(o, name, conf_get(m->section, *k));
	}
}

/* Which models the template is for. */
static int put_template(json_t *o, const struct settings_mirror *m, struct err *e)
{
	const char *template = conf_get(m->section, "template");
	CLEANUP(str_list_release) struct str_list models = { 0 };
	conf_get_words(m->section, "models", &models);
	for (size_t i = 0; i < models.count; i++)
		if (!path_is_id(models.at[i]))
			return conf_err(m->conf, m->section, "models", e,
					"models: '%s' is not the id of a model", models.at[i]);
	if (models.count && !template)
		return conf_err(m->conf, m->section, "models", e,
				"models: they are those of the template, and there is none");
	const char *fault = template ? places_template_fault(template) : NULL;
	if (fault)
		return conf_err(m->conf, m->section, "template", e, "template: %s", fault);
	if (models.count)
		json_put(o, "models", json_strings(&models));
	return 0;
}

/* *out is NULL if readers have no URL for it. */
static int catalog_entry(const struct settings_mirror *m, const struct settings_kind *kinds,
			 json_t **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = NULL;
	uint64_t part;
	*out = NULL;
	if (m->fault.class) {
		*e = m->fault;
		return -(int)e->class;
	}
	const struct settings_kind *kind = find_kind(kinds, m->kind);
	int rc = public_url(m, kind, &url, e);
	if (rc == 0)
		rc = part_size(m, kind, &part, e);
	if (rc < 0 || !url)
		return rc;
	json_t *o = json_object();
	json_put_string(o, "id", m->id);
	json_put_string(o, "kind", m->kind);
	json_put_string(o, "url", url);
	json_put_string(o, "region", m->region);
	json_put_u64(o, "priority", m->priority);
	json_put_string(o, "holds", holds_name(m->holds));
	if (part)
		json_put_u64(o, "part_size", part);
	put_public_keys(o, m, kind);
	if (kind->objects_only)
		rc = put_template(o, m, e);
	if (rc == 0)
		*out = o;
	else
		json_decref(o);
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct settings_mirror *const *x = a, *const *y = b;
	if ((*x)->priority != (*y)->priority)
		return (*x)->priority < (*y)->priority ? -1 : 1;
	return strcmp((*x)->id, (*y)->id);
}

int settings_mirrors_catalog(const struct settings_mirrors *m, const struct settings_kind *kinds,
			     json_t **out, struct str_list *hidden, struct err *e)
{
	CLEANUP(json_release) json_t *array = json_array();
	CLEANUP(mem_free_ptr)
	const struct settings_mirror **sorted = mem_alloc((m->count + 1) * sizeof *sorted);
	for (size_t i = 0; i < m->count; i++)
		sorted[i] = &m->at[i];
	qsort(sorted, m->count, sizeof *sorted, compare);
	for (size_t i = 0; i < m->count; i++) {
		json_t *entry = NULL;
		int rc = catalog_entry(sorted[i], kinds, &entry, e);
		if (rc < 0)
			return rc;
		if (!entry && !sorted[i]->stage && hidden)
			str_list_add(hidden, sorted[i]->id);
		if (entry && !sorted[i]->stage)
			json_push(array, entry);
		else
			json_decref(entry);
	}
	if (json_array_size(array) > CATALOG_MAX_MIRRORS)
		return err_set(e, ERR_USAGE, "more than %d mirrors", CATALOG_MAX_MIRRORS);
	*out = STEAL(array);
	return 0;
}
