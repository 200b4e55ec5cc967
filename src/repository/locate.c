#include "repository/locate.h"

#include "catalog/places.h"
#include "http/url.h"
#include "repository/internal.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <strings.h>

void locate_rules_release(struct locate_rules *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->at[i].mirror);
		free(r->at[i].file);
		free(r->at[i].url);
	}
	free(r->at);
	*r = (struct locate_rules){ 0 };
}

/* ---- mirrors ---- */

static bool is_names(const json_t *mirror)
{
	const char *kind = json_text(mirror, "kind");
	return kind && strcmp(kind, "names") == 0;
}

static const json_t *mirror_called(const json_t *mirrors, const char *id, size_t len)
{
	const json_t *m;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, m) {
		const char *is = json_text(m, "id");
		if (is && strlen(is) == len && strncmp(is, id, len) == 0)
			return m;
	}
	return NULL;
}

/* Whole parts of its path only. */
static size_t common_base(const json_t *mirror, const char *url)
{
	const char *base = json_text(mirror, "url");
	size_t len = base ? strlen(base) : 0;
	return len && strncmp(base, url, len) == 0 && strchr("/?", url[len]) ? len : 0;
}

/* Of a template, what is before its first placeholder. */
static size_t common_template(const json_t *mirror, const char *url)
{
	const char *template = json_text(mirror, "template");
	size_t len = template ? strcspn(template, "{") : 0;
	return len && strncmp(template, url, len) == 0 ? len : 0;
}

static const json_t *mirror_of(const json_t *mirrors, const char *url)
{
	const json_t *m, *best = NULL;
	size_t i, longest = 0;
	json_array_foreach ((json_t *)mirrors, i, m) {
		size_t base = common_base(m, url), template = common_template(m, url);
		if (is_names(m) && MAX(base, template) > longest) {
			longest = MAX(base, template);
			best = m;
		}
	}
	return best;
}

static void list_names(const json_t *mirrors, struct buf *out)
{
	const json_t *m;
	size_t i;
	json_array_foreach ((json_t *)mirrors, i, m)
		if (is_names(m))
			buf_addf(out, "%s%s", out->len ? ", " : "", json_text(m, "id"));
}

static int no_mirror(const char *url, const json_t *mirrors, struct err *e)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT(4 * KIB);
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	list_names(mirrors, &names);
	err_set(e, ERR_USAGE,
		"--at %s: no mirror with `layout = names` has a url that it begins with", shown);
	if (!names.len)
		return err_hint(e,
				"add one to ferry.conf: [mirror.NAME] with kind = http, layout = "
				"names and url = the part that its files have in common");
	return err_hint(e, "write MIRROR=URL; such mirrors are: %s", buf_str(&names));
}

/* ---- parsing ---- */

/* Cuts "WORD=" off, unless the '=' belongs to the URL. */
static char *take_word(const char **text)
{
	const char *equals = strchr(*text, '='), *scheme = strstr(*text, "://");
	if (!equals || !scheme || equals > scheme)
		return NULL;
	char *word = mem_strndup(*text, (size_t)(equals - *text));
	*text = equals + 1;
	return word;
}

static int check_url(const char *url, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *whole = str_ends(url, "/") ? mem_printf("%s{name}", url)
							       : mem_strdup(url);
	bool template = strchr(whole, '{');
	const char *fault = template ? places_template_fault(whole) : places_url_fault(whole);
	if (fault) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url);
		return err_set(e, ERR_USAGE, "--at %s: it cannot be published: %s", shown, fault);
	}
	*out = STEAL(whole);
	return 0;
}

static int check_mirror(const json_t *mirror, const char *id, const json_t *mirrors, struct err *e)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT(4 * KIB);
	if (mirror && is_names(mirror))
		return 0;
	list_names(mirrors, &names);
	err_set(e, ERR_USAGE,
		mirror ? "--at: mirror %s gets its files from `ferry push`, under their own keys"
		       : "--at: there is no mirror %s",
		id);
	return err_hint(e, "name one with `layout = names`: %s",
			names.len ? buf_str(&names) : "ferry.conf has none");
}

/* Of one word, only the mirrors know whether it is a mirror or a file. */
static int read_words(const char **text, const json_t *mirrors, struct locate_rule *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *first = take_word(text),
				   *second = first ? take_word(text) : NULL;
	if (!first)
		return 0;
	const json_t *mirror = mirror_called(mirrors, first, strlen(first));
	if (!mirror && !second) {
		out->file = STEAL(first);
		return 0;
	}
	int rc = check_mirror(mirror, first, mirrors, e);
	out->mirror = STEAL(first);
	out->file = STEAL(second);
	return rc;
}

int locate_rule_parse(const char *text, const json_t *mirrors, struct locate_rules *out,
		      struct err *e)
{
	CLEANUP(locate_rules_release) struct locate_rules one = { .at = NEW(struct locate_rule),
								  .count = 1 };
	struct locate_rule *r = one.at;
	int rc = read_words(&text, mirrors, r, e);
	if (rc == 0)
		rc = check_url(text, &r->url, e);
	if (rc < 0)
		return rc;
	const json_t *mirror = r->mirror ? NULL : mirror_of(mirrors, r->url);
	if (!r->mirror && !mirror)
		return no_mirror(text, mirrors, e);
	if (mirror)
		r->mirror = mem_strdup(json_text(mirror, "id"));
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = *r;
	*r = (struct locate_rule){ 0 };
	return 0;
}

/* ---- noting ---- */

/* The files of what was added. */
struct files {
	struct card_file_at {
		char *key, *name;
	} * at;
	size_t count, cap;
};

static void files_release(struct files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->at[i].key);
		free(f->at[i].name);
	}
	free(f->at);
}

static void add_files(const struct card_variant *v, struct files *out)
{
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *name = repository_object_name(v->files[i].path,
									  &v->files[i].sha256);
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = (struct card_file_at){
			.key = mem_printf("targets/%s", name),
			.name = mem_strdup(v->files[i].name),
		};
	}
}

static int find_files(const struct repository *r, const struct repository_changes *changes,
		      struct files *out, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < changes->count; i++) {
		CLEANUP(card_release) struct card card = { 0 };
		rc = repository_card_load(r, changes->at[i].model, &card, e);
		const struct card_variant *v = rc == 0 ? card_variant(&card, changes->at[i].variant)
						       : NULL;
		if (v)
			add_files(v, out);
	}
	return rc;
}

/* The last part of a URL, decoded. */
static char *name_in(const char *url)
{
	size_t len = strcspn(url, "?");
	CLEANUP(mem_free_ptr) char *path = mem_strndup(url, len);
	char *name = mem_strdup(path_base(path));
	if (!path_percent_decode(name))
		*name = '\0';
	return name;
}

static bool fits(const struct locate_rule *rule, const struct card_file_at *f, size_t count)
{
	if (rule->file)
		return strcmp(rule->file, f->name) == 0;
	if (strchr(rule->url, '{') || count == 1)
		return true;
	CLEANUP(mem_free_ptr) char *name = name_in(rule->url);
	return strcasecmp(name, f->name) == 0;
}

/* A later version has a number in its key, "phi-2-q4_0.v2.gguf", but not elsewhere. */
static char *url_of(const struct locate_rule *rule, const struct card_file_at *f)
{
	if (!strchr(rule->url, '{'))
		return mem_strdup(rule->url);
	size_t folder = (size_t)(path_base(f->key) - f->key);
	CLEANUP(mem_free_ptr) char *plain = mem_printf("%.*s.%s", (int)(folder + DIGEST_HEX - 1),
						       f->key, f->name);
	return places_template_url(rule->url, plain);
}

static size_t apply(const struct locate_rule *rule, const struct files *files, struct located *out)
{
	size_t n = 0;
	for (size_t i = 0; i < files->count; i++) {
		const struct card_file_at *f = &files->at[i];
		if (!fits(rule, f, files->count))
			continue;
		CLEANUP(mem_free_ptr) char *url = url_of(rule, f);
		if (url)
			located_add(out, f->key, rule->mirror, url);
		n += url != NULL;
	}
	return n;
}

static int fits_none(const struct locate_rule *rule, const struct files *files, struct err *e)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT(400);
	CLEANUP(mem_free_ptr) char *shown = url_redact(rule->url);
	for (size_t i = 0; i < files->count && !names.overflow; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", files->at[i].name);
	err_set(e, ERR_USAGE, "--at %s: it is not clear which file is there", shown);
	return err_hint(e, "write FILE=URL; the files are: %s", buf_str(&names));
}

int locate(struct repository *r, const struct repository_changes *changes,
	   const struct locate_rules *rules, struct located *added, struct err *e)
{
	CLEANUP(files_release) struct files files = { 0 };
	CLEANUP(located_release) struct located record = { 0 };
	int rc = find_files(r, changes, &files, e);
	if (rc == 0)
		rc = located_read(r->dir, &record, e);
	for (size_t i = 0; rc == 0 && i < rules->count; i++)
		if (!apply(&rules->at[i], &files, added))
			rc = fits_none(&rules->at[i], &files, e);
	if (rc < 0)
		return rc;
	located_sort(added);
	for (size_t i = 0; i < added->count; i++)
		located_add(&record, added->at[i].key, added->at[i].mirror, added->at[i].url);
	located_sort(&record);
	return located_save(&record, r->dir, e);
}
