#include "catalog/catalog.h"

#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define VERSION_MAX 80 /* "sha256:" and 64 digits */

static int bad_reference(const char *text, const char *why, struct err *e)
{
	err_set(e, ERR_USAGE, "'%s' is not a model reference: %s", text, why);
	if (strstr(text, "://"))
		return err_hint(e, "models are named as in the catalog, MODEL[:VARIANT]; `ferry "
				   "repository add 'URL#sha256=HEX'` adds a repository, `ferry "
				   "prepare NAME URL` takes a file over for publishing");
	if (strpbrk(text, "*?["))
		return err_hint(e, "`ferry list '%s'` lists the models that match", text);
	return err_hint(e, "a reference is [REPOSITORY/]MODEL[:VARIANT][@VERSION], for example "
			   "phi-2:q4_k_m");
}

static bool is_version(const char *s)
{
	static const char digest[] = "sha256:";
	if (!str_starts(s, digest))
		return path_is_id(s);
	s += strlen(digest);
	return strlen(s) >= 12 && strlen(s) <= 64 && strspn(s, "0123456789abcdef") == strlen(s);
}

/* Cuts a word at the separator; returns what is after it, or NULL when there is none. */
static char *cut(char *word, char separator)
{
	char *at = strchr(word, separator);
	if (at)
		*at++ = '\0';
	return at;
}

/* The parts of [REPOSITORY/]MODEL[:VARIANT][@VERSION], in lower case. */
static void split(const char *text, struct reference *out)
{
	CLEANUP(mem_free_ptr) char *first = mem_strdup(text);
	for (char *p = first; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	const char *version = cut(first, '@'), *variant = cut(first, ':'), *model = cut(first, '/');
	*out = (struct reference){
		.repository = model ? mem_strdup(first) : NULL,
		.model = mem_strdup(model ? model : first),
		.variant = variant ? mem_strdup(variant) : NULL,
		.version = version ? mem_strdup(version) : NULL,
	};
}

/* What is wrong with it, or NULL. */
static const char *fault_of(const struct reference *r)
{
	if (r->version && !is_version(r->version))
		return "after '@' there must be a version: its number, its label, or sha256: and "
		       "at least 12 digits";
	if (r->variant && strchr(r->variant, '/'))
		return "'/' after ':'";
	if (!path_is_id(r->model))
		return *r->model ? "the model's name is not valid" : "the model is missing";
	if (r->repository && !path_is_id(r->repository))
		return "the repository's name is not valid";
	if (r->variant && !path_is_id(r->variant))
		return *r->variant ? "the variant's name is not valid"
				   : "the variant after ':' is missing";
	return NULL;
}

int reference_parse(const char *text, struct reference *out, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	if (strlen(text) > 3 * 64 + 2 + 1 + VERSION_MAX)
		return bad_reference(text, "too long", e);
	split(text, &r);
	const char *fault = fault_of(&r);
	if (fault)
		return bad_reference(text, fault, e);
	*out = r;
	r = (struct reference){ 0 };
	return 0;
}

void reference_release(struct reference *r)
{
	free(r->repository);
	free(r->model);
	free(r->variant);
	free(r->version);
	*r = (struct reference){ 0 };
}

/* "a, b, c, …" */
static void list_names(char *out, size_t size, const char *const *names, size_t count)
{
	size_t used = 0;
	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t need = strlen(names[i]) + 8;
		if (used + need >= size) {
			snprintf(out + used, size - used, ", …");
			return;
		}
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
	}
}

static int hint_names(const char *wanted, const char *what, const char *const *names, size_t count,
		      struct err *e)
{
	char list[300];
	const char *near = text_nearest(wanted, names, count);
	for (size_t i = 0; i < count && !near; i++)
		if (strlen(wanted) > 2 && strstr(names[i], wanted))
			near = names[i];
	list_names(list, sizeof list, names, count);
	if (near)
		return err_hint(e, "did you mean '%s'? (available: %s)", near, list);
	return count ? err_hint(e, "available: %s", list)
		     : err_hint(e, "there are no %s yet", what);
}

bool reference_names_variant(const char *wanted, const char *model, const char *variant)
{
	static const char suffix[] = ".gguf";
	size_t len = strlen(model);
	size_t end = strlen(wanted) - (str_ends(wanted, suffix) ? strlen(suffix) : 0);
	CLEANUP(mem_free_ptr) char *stem = mem_strndup(wanted, end);
	return strncmp(stem, model, len) == 0 && stem[len] && strchr("-._", stem[len]) &&
	       strcmp(stem + len + 1, variant) == 0;
}

/* "phi-2-q8_0", and with the suffix, when a file has that name. */
static bool names_variant(const struct card *m, const struct card_variant *v, const char *wanted)
{
	if (reference_names_variant(wanted, m->id, v->id))
		return true;
	for (size_t i = 0; i < v->file_count; i++) {
		const char *name = v->files[i].name;
		size_t stem = strlen(name) - (str_ends(name, ".gguf") ? strlen(".gguf") : 0);
		CLEANUP(mem_free_ptr) char *shorter = mem_strndup(name, stem);
		if (str_eq_nocase(name, wanted) || str_eq_nocase(shorter, wanted))
			return true;
	}
	return false;
}

/* The only variant that is meant; NULL: none, or several. */
static const struct card_variant *find_variant(const struct catalog *c, const char *wanted,
					       bool by_id, const struct card **of)
{
	const struct card_variant *found = NULL;
	size_t count = 0;
	for (size_t i = 0; i < c->model_count; i++)
		for (size_t k = 0; k < c->models[i].variant_count; k++) {
			const struct card *m = &c->models[i];
			const struct card_variant *v = &m->variants[k];
			if (by_id ? strcmp(v->id, wanted) != 0 : !names_variant(m, v, wanted))
				continue;
			count++;
			found = v;
			*of = m;
		}
	return count == 1 ? found : NULL;
}

/* A variant, where a model is expected. */
static void hint_variant(const struct catalog *c, const char *wanted, struct err *e)
{
	const struct card *of = NULL;
	const struct card_variant *v = find_variant(c, wanted, false, &of);
	if (!v)
		v = find_variant(c, wanted, true, &of);
	if (v)
		err_hint(e, "did you mean '%s:%s'?", of->id, v->id);
}

int reference_no_model(const char *where, const char *id, const char *const *names, size_t count,
		       struct err *e)
{
	err_set(e, ERR_NOT_FOUND, "%s has no model '%s'", where, id);
	return hint_names(id, "models in it", names, count, e);
}

static int no_model(const struct catalog *c, const char *id, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((c->model_count + 1) * sizeof *names);
	CLEANUP(mem_free_ptr) char *where = mem_printf("the catalog '%s'", c->name);
	for (size_t i = 0; i < c->model_count; i++)
		names[i] = c->models[i].id;
	err_set(e, ERR_NOT_FOUND, "%s has no model '%s'", where, id);
	hint_variant(c, id, e);
	return hint_names(id, "models in it", names, c->model_count, e);
}

static int no_variant(const struct card *m, const char *id, struct err *e)
{
	const char *names[CARD_MAX_VARIANTS];
	for (size_t i = 0; i < m->variant_count; i++)
		names[i] = m->variants[i].id;
	err_set(e, ERR_NOT_FOUND, "the model '%s' has no variant '%s'", m->id, id);
	if (strcmp(id, "latest") == 0)
		return err_hint(e, "'%s' alone is its default variant, in the newest version",
				m->id);
	return hint_names(id, "variants of it", names, m->variant_count, e);
}

static int no_version(const struct card *m, const struct card_variant *v, const char *version,
		      struct err *e)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT(300);
	for (size_t i = 0; i <= v->superseded_count; i++) {
		const struct card_variant *one = i ? &v->superseded[i - 1] : v;
		buf_addf(&have, "%s%llu%s%s%s", i ? ", " : "", (unsigned long long)one->version,
			 one->label ? " (" : "", one->label ? one->label : "",
			 one->label ? ")" : "");
	}
	err_set(e, ERR_NOT_FOUND, "%s:%s has no version '%s'", m->id, v->id, version);
	return err_hint(e, "available: %s; the publisher may have removed older ones",
			buf_str(&have));
}

int reference_resolve(const struct card *model, const char *variant, const char *version,
		      const struct card_variant **out, struct err *e)
{
	const struct card_variant *v = card_variant(model, variant);
	if (!v)
		return no_variant(model, variant ? variant : "(default)", e);
	*out = card_version(v, version);
	return *out ? 0 : no_version(model, v, version, e);
}

int catalog_resolve(const struct catalog *c, const struct reference *r, const struct card **model,
		    const struct card_variant **variant, struct err *e)
{
	*model = catalog_model(c, r->model);
	return *model ? reference_resolve(*model, r->variant, r->version, variant, e)
		      : no_model(c, r->model, e);
}
