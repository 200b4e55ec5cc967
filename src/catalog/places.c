#include "catalog/places.h"

#include "catalog/link.h"
#include "hash/sha256.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MODELS "targets/models/"

static void entry_release(struct places_entry *p)
{
	free(p->key);
	free(p->url);
}

void places_release(struct places *p)
{
	for (size_t i = 0; i < p->count; i++)
		entry_release(&p->at[i]);
	free(p->at);
	free(p->template);
	str_list_release(&p->models);
	*p = (struct places){ 0 };
}

void places_free(struct places *p)
{
	if (p)
		places_release(p);
	free(p);
}

/* ---- names ---- */

char *places_target(const char *mirror_id)
{
	return mem_printf(PLACES_FOLDER "%s" PLACES_SUFFIX, mirror_id);
}

bool places_is_target(const char *path)
{
	size_t folder = strlen(PLACES_FOLDER), len = strlen(path);
	if (!str_starts(path, PLACES_FOLDER) || !str_ends(path, PLACES_SUFFIX) ||
	    len <= folder + strlen(PLACES_SUFFIX))
		return false;
	CLEANUP(mem_free_ptr) char *id = mem_strndup(path + folder,
						     len - folder - strlen(PLACES_SUFFIX));
	return path_is_id(id);
}

/* The parts of "targets/models/ID/<sha256>.NAME". */
struct parts {
	const char *model, *sha256, *name;
	size_t model_len;
};

static bool split(const char *key, struct parts *out)
{
	if (!str_starts(key, MODELS) || !path_is_key(key))
		return false;
	const char *model = key + strlen(MODELS), *slash = strchr(model, '/');
	const char *dot = slash ? strchr(slash, '.') : NULL;
	if (!dot || strchr(slash + 1, '/') || dot - (slash + 1) != DIGEST_HEX - 1 || !dot[1])
		return false;
	*out = (struct parts){ model, slash + 1, dot + 1, (size_t)(slash - model) };
	return true;
}

/* ---- what can be a place ---- */

const char *places_key_fault(const char *key)
{
	if (!path_is_key(key) || !str_starts(key, "targets/"))
		return "it is not the key of an object";
	if (!str_starts(key, MODELS) || str_ends(key, ".json"))
		return "only model files can be at a URL";
	return NULL;
}

const char *places_url_fault(const char *url)
{
	return link_fault(url, false);
}

/* ---- the template ---- */

static const char *const placeholders[] = { "{name}", "{model}", "{sha256}" };

/* The placeholder at p, or ARRAY_LEN(placeholders). */
static size_t placeholder_at(const char *p)
{
	size_t i = 0;
	while (i < ARRAY_LEN(placeholders) && !str_starts(p, placeholders[i]))
		i++;
	return i;
}

/* Appends the template with its placeholders replaced. */
static void expand(const char *template, const char *const *values, struct buf *out)
{
	for (const char *p = template; *p;) {
		size_t i = placeholder_at(p);
		if (i < ARRAY_LEN(placeholders)) {
			buf_adds(out, values[i]);
			p += strlen(placeholders[i]);
		} else {
			buf_addc(out, *p++);
		}
	}
}

const char *places_template_fault(const char *template)
{
	static const char *const sample[] = { "name", "model", "sha256" };
	CLEANUP(buf_release) struct buf url = BUF_INIT(2 * LINK_MAX);
	if (strlen(template) > LINK_MAX)
		return "longer than 2048 bytes";
	if (!strstr(template, placeholders[0]))
		return "it lacks {name}, which stands for the name of the file";
	if (strcspn(template, "{") < strcspn(template, "/"))
		return "it does not start with https:// or http://";
	expand(template, sample, &url);
	if (strpbrk(buf_str(&url), "{}"))
		return "it can have {name}, {model} and {sha256}, and no other braces";
	const char *host = strstr(template, "://");
	if (host && strcspn(host + 3, "{") < strcspn(host + 3, "/?"))
		return "its host is not fixed";
	return places_url_fault(buf_str(&url));
}

char *places_template_url(const char *template, const char *key)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT(LINK_MAX);
	struct parts parts;
	if (!split(key, &parts))
		return NULL;
	CLEANUP(mem_free_ptr) char *model = mem_strndup(parts.model, parts.model_len);
	CLEANUP(mem_free_ptr) char *sha256 = mem_strndup(parts.sha256, DIGEST_HEX - 1);
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(parts.name, "");
	const char *const values[] = { name, model, sha256 };
	expand(template, values, &url);
	return url.overflow ? NULL : buf_steal(&url);
}

/* Is the template for the model of this key? */
static bool is_for(const struct places *p, const char *key)
{
	struct parts parts;
	if (!p->template || places_key_fault(key) || !split(key, &parts))
		return false;
	for (size_t i = 0; i < p->models.count; i++)
		if (strlen(p->models.at[i]) == parts.model_len &&
		    memcmp(p->models.at[i], parts.model, parts.model_len) == 0)
			return true;
	return p->models.count == 0;
}

/* ---- looking up ---- */

static int compare(const void *a, const void *b)
{
	const struct places_entry *x = a, *y = b;
	return strcmp(x->key, y->key);
}

const struct places_entry *places_find(const struct places *p, const char *key)
{
	struct places_entry wanted = { .key = (char *)key };
	return p && p->count ? bsearch(&wanted, p->at, p->count, sizeof wanted, compare) : NULL;
}

uint64_t places_release_of(const struct places *p, const char *key)
{
	const struct places_entry *found = places_find(p, key);
	return found && found->release ? found->release : 1;
}

char *places_url(const struct places *p, const char *key)
{
	const struct places_entry *found = places_find(p, key);
	if (found && found->url)
		return mem_strdup(found->url);
	return p && is_for(p, key) ? places_template_url(p->template, key) : NULL;
}

bool places_has(const struct places *p, const char *key)
{
	const struct places_entry *found = places_find(p, key);
	return (found && found->url) || (p && is_for(p, key));
}

/* ---- for the publisher ---- */

static void add(struct places *p, const char *key, uint64_t release, const char *url)
{
	p->at = mem_grow(p->at, p->count, &p->cap, sizeof *p->at);
	p->at[p->count++] = (struct places_entry){
		.key = mem_strdup(key),
		.release = release,
		.url = url ? mem_strdup(url) : NULL,
	};
}

void places_add_release(struct places *p, const char *key, uint64_t release)
{
	add(p, key, release, NULL);
}

void places_add_url(struct places *p, const char *key, const char *url)
{
	add(p, key, 0, url);
}

/* qsort() is not stable, so the order of adding is compared, too. */
struct ordered {
	struct places_entry place;
	size_t at;
};

static int compare_ordered(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int order = strcmp(x->place.key, y->place.key);
	return order ? order : x->at < y->at ? -1 : 1;
}

void places_sort(struct places *p)
{
	CLEANUP(mem_free_ptr) struct ordered *all = mem_alloc((p->count + 1) * sizeof *all);
	size_t kept = 0;
	for (size_t i = 0; i < p->count; i++)
		all[i] = (struct ordered){ p->at[i], i };
	qsort(all, p->count, sizeof *all, compare_ordered);
	for (size_t i = 0; i < p->count; i++) {
		if (i + 1 < p->count && strcmp(all[i].place.key, all[i + 1].place.key) == 0)
			entry_release(&all[i].place);
		else
			p->at[kept++] = all[i].place;
	}
	p->count = kept;
}
