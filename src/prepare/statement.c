#include "prepare/statement.h"

#include "catalog/provenance.h"
#include "http/url.h"
#include "prepare/from_hub.h"
#include "prepare/tools.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- resource descriptors (in-toto, spec/v1/resource_descriptor.md) ------------------ */

static json_t *resource(json_t *list, const char *uri, const char *name)
{
	json_t *o = json_push_object(list);
	json_put_string(o, "uri", uri);
	if (name)
		json_put_string(o, "name", name);
	return json_put_object(o, "digest");
}

static int hash_file(const struct statement *s, json_t *digest, const char *path, struct err *e)
{
	struct digest d;
	uint64_t size;
	int rc = sha256_of_file(path, s->p->cancel, &d, &size, e);
	if (rc == 0)
		json_put_hex(digest, "sha256", d.bytes, DIGEST_SIZE);
	return rc;
}

/* ---- the subject -------------------------------------------------------------------- */

static void put_subject(const struct statement *s, json_t *o)
{
	json_t *list = json_put_array(o, "subject");
	for (size_t i = 0; i < s->count; i++)
		json_put_hex(resource(list, NULL, s->manifests[i].name), "sha256",
			     s->manifests[i].sha256.bytes, DIGEST_SIZE);
}

/* ---- parameters --------------------------------------------------------------------- */

/* As it is asked for by a person: a URL without its secrets, a local file by its name. */
static char *shown_source(const char *source)
{
	if (hub_name_is(source))
		return mem_strdup(source);
	if (strstr(source, "://"))
		return url_redact(source);
	CLEANUP(mem_free_ptr) char *whole = path_absolute(source);
	return mem_strdup(path_base(whole));
}

static void put_sources(const struct statement *s, json_t *list)
{
	for (size_t i = 0; i < s->p->source_count; i++) {
		CLEANUP(mem_free_ptr) char *shown = shown_source(s->p->sources[i]);
		json_push_string(list, shown);
	}
}

static void put_companions(const struct statement *s, json_t *o)
{
	json_t *list = s->companions->count ? json_put_array(o, "companions") : NULL;
	for (size_t i = 0; i < s->companions->count; i++) {
		const struct companion *c = &s->companions->at[i];
		CLEANUP(mem_free_ptr) char *shown = shown_source(c->source);
		json_t *one = json_push_object(list);
		json_put_string(one, "role", c->role);
		json_put_string(one, "source", shown);
		json_put_string(one, "revision", c->hub.hub ? c->hub.repo.model.commit : NULL);
	}
}

static void put_parameters(const struct statement *s, json_t *o)
{
	const struct prepare *p = s->p;
	json_put_string(o, "name", p->name);
	json_put_string(o, "variant", s->result->variant);
	put_sources(s, json_put_array(o, "sources"));
	json_put_string(o, "revision", s->hub ? s->hub->repo.model.commit : NULL);
	json_put_string(o, "outtype", p->outtype);
	json_put_string(o, "quantize", p->quantize);
	json_put_string(o, "imatrix", p->imatrix ? path_base(p->imatrix) : NULL);
	put_companions(s, o);
	if (p->allow_requantize)
		json_put_bool(o, "allow_requantize", true);
	if (p->allow_foreign_types)
		json_put_bool(o, "allow_foreign_types", true);
}

static void push_option(json_t *words, const char *option, const char *value)
{
	if (!value)
		return;
	json_push_string(words, option);
	json_push_string(words, value);
}

static void push_companions(const struct statement *s, json_t *words)
{
	for (size_t i = 0; i < s->companions->count; i++) {
		const struct companion *c = &s->companions->at[i];
		CLEANUP(mem_free_ptr) char *option = mem_printf("--%s", c->role);
		CLEANUP(mem_free_ptr) char *shown = shown_source(c->source);
		/* It is that of --quantize already. */
		if (s->p->imatrix && strcmp(c->role, CARD_IMATRIX) == 0)
			json_push_string(words, "--keep-imatrix");
		else
			push_option(words, option, shown);
	}
}

/* What would make the same files again. */
static void put_command(const struct statement *s, json_t *o)
{
	const struct prepare *p = s->p;
	json_t *words = json_put_array(o, "command");
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s:%s", p->name, s->result->variant);
	json_push_string(words, "ferry");
	json_push_string(words, "prepare");
	json_push_string(words, name);
	put_sources(s, words);
	push_option(words, "--outtype", p->outtype);
	push_option(words, "--quantize", p->quantize);
	push_option(words, "--imatrix", p->imatrix ? path_base(p->imatrix) : NULL);
	push_companions(s, words);
	if (p->allow_requantize)
		json_push_string(words, "--allow-requantize");
	if (p->allow_foreign_types)
		json_push_string(words, "--allow-foreign-types");
}

/* ---- what it was made from ---------------------------------------------------------- */

/* The digest of a file that was installed as it is was just made. */
static const struct digest *installed(const struct statement *s, const struct obtain_source *from)
{
	if (s->result->quantized || s->result->converted)
		return NULL;
	for (size_t i = 0; i < s->model->count && i < s->count; i++)
		if (strcmp(s->model->at[i].path, from->path) == 0)
			return &s->manifests[i].sha256;
	return NULL;
}

/* known: its digest, or NULL. */
static int put_source(const struct statement *s, const struct obtain_source *from,
		      const struct digest *known, json_t *list, struct err *e)
{
	json_t *digest = resource(list, from->uri, from->name);
	known = from->has_sha256 ? &from->sha256 : known;
	if (known)
		json_put_hex(digest, "sha256", known->bytes, DIGEST_SIZE);
	else if (from->has_git_blob)
		json_put_hex(digest, "gitBlob", from->git_blob, sizeof from->git_blob);
	else
		return hash_file(s, digest, from->path, e);
	return 0;
}

/* Those of companions; one that was installed as it is has the digest of the file. */
static int put_companion_sources(const struct statement *s, json_t *list, struct err *e)
{
	size_t models = s->count - s->companions->count;
	int rc = 0;
	for (size_t i = 0; i < s->companions->count; i++) {
		const struct companion *c = &s->companions->at[i];
		for (size_t k = 0; rc == 0 && k < c->obtained.source_count; k++) {
			const struct obtain_source *from = &c->obtained.sources[k];
			bool same = strcmp(c->model.at[0].path, from->path) == 0;
			rc = put_source(s, from, same ? &s->manifests[models + i].sha256 : NULL,
					list, e);
		}
	}
	return rc;
}

static int put_dependencies(const struct statement *s, json_t *o, struct err *e)
{
	json_t *list = json_put_array(o, "resolvedDependencies");
	int rc = 0;
	if (s->hub) {
		CLEANUP(mem_free_ptr) char *page = hub_page_url(s->hub->hub,
								s->hub->repo.model.repo);
		CLEANUP(mem_free_ptr) char *uri = mem_printf("git+%s@%s", page,
							     s->hub->repo.model.commit);
		json_put_string(resource(list, uri, NULL), "gitCommit", s->hub->repo.model.commit);
	}
	for (size_t i = 0; rc == 0 && i < s->source->source_count; i++)
		rc = put_source(s, &s->source->sources[i], installed(s, &s->source->sources[i]),
				list, e);
	if (rc == 0)
		rc = put_companion_sources(s, list, e);
	if (rc == 0 && s->p->imatrix)
		rc = hash_file(s, resource(list, NULL, path_base(s->p->imatrix)), s->p->imatrix, e);
	return rc;
}

/* ---- with what ---------------------------------------------------------------------- */

/* Takes the path. */
static int put_tool(const struct statement *s, char *path, const char *name, json_t *list,
		    struct err *e)
{
	CLEANUP(mem_free_ptr) char *owned = path;
	return owned ? hash_file(s, resource(list, NULL, name), owned, e) : 0;
}

static int put_builder(const struct statement *s, json_t *o, struct err *e)
{
	const struct prepare_result *r = s->result;
	json_put_string(o, "id", PROVENANCE_BUILDER);
	json_t *version = json_put_object(o, "version");
	json_put_string(version, "ferry", FERRY_VERSION);
	json_put_string(version, "llama-quantize", r->tool_build);
	json_t *list = json_array();
	int rc = 0;
	if (r->converted)
		rc = put_tool(s, tools_convert_path(s->p->settings), "convert_hf_to_gguf.py", list,
			      e);
	if (rc == 0 && r->quantized)
		rc = put_tool(s, tools_quantize_path(s->p->settings), "llama-quantize", list, e);
	if (json_array_size(list))
		json_put(o, "builderDependencies", json_incref(list));
	json_decref(list);
	return rc;
}

static int put_byproducts(const struct statement *s, json_t *o, struct err *e)
{
	json_t *list = json_put_array(o, "byproducts");
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("%s" MANIFEST_SUFFIX,
							      s->manifests[i].name);
		CLEANUP(mem_free_ptr) char *path = path_join(s->result->output_dir, name);
		rc = hash_file(s, resource(list, NULL, name), path, e);
	}
	return rc;
}

static int put_run(const struct statement *s, json_t *o, struct err *e)
{
	int rc = put_builder(s, json_put_object(o, "builder"), e);
	json_put_time(json_put_object(o, "metadata"), "startedOn", s->p->now_s);
	return rc < 0 ? rc : put_byproducts(s, o, e);
}

/* ---- all of it ---------------------------------------------------------------------- */

static int make(const struct statement *s, json_t *o, struct err *e)
{
	json_put_string(o, "_type", PROVENANCE_STATEMENT);
	put_subject(s, o);
	json_put_string(o, "predicateType", PROVENANCE_PREDICATE);
	json_t *predicate = json_put_object(o, "predicate");
	json_t *build = json_put_object(predicate, "buildDefinition");
	json_put_string(build, "buildType", PROVENANCE_BUILD);
	put_parameters(s, json_put_object(build, "externalParameters"));
	put_command(s, json_put_object(build, "internalParameters"));
	int rc = put_dependencies(s, build, e);
	return rc < 0 ? rc : put_run(s, json_put_object(predicate, "runDetails"), e);
}

int statement_write(const struct statement *s, char **path, struct err *e)
{
	CLEANUP(json_release) json_t *o = json_object();
	CLEANUP(mem_free_ptr) char *to = mem_printf("%s/%s" PROVENANCE_SUFFIX,
						    s->result->output_dir, s->manifests[0].name);
	int rc = make(s, o, e);
	if (rc == 0)
		rc = json_write_file(to, o, FILE_MODE, e);
	if (rc < 0)
		return rc;
	*path = STEAL(to);
	return 0;
}
