/* A layout and its record. */
#include "store/links.h"

#include "store/record.h"
#include "util/mem.h"

#include <string.h>

#define FORMAT "model-ferry-layout"
#define ID_DIGITS (STORE_LINKS_ID - 1)

static const char *const hows[] = {
	[STORE_LINKS_SYMLINK] = "symlink", [STORE_LINKS_HARDLINK] = "hardlink",
	[STORE_LINKS_CLONE] = "clone",     [STORE_LINKS_COPY] = "copy",
	[STORE_LINKS_WRITTEN] = "written",
};

const char *store_links_how_name(enum store_links_how how)
{
	return hows[how];
}

/* -- a layout -------------------------------------------------------------------------------- */

void store_layout_release(struct store_layout *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->files[i].path);
		free(l->files[i].target);
	}
	free(l->files);
	free(l->engine);
	free(l->root);
	free(l->name);
	free(l->repository);
	free(l->model);
	free(l->variant);
	*l = (struct store_layout){ 0 };
}

struct store_links_file *store_layout_add(struct store_layout *l, char *path,
					  enum store_links_how how, const struct digest *sha256,
					  uint64_t size, char *target)
{
	l->files = mem_grow(l->files, l->count, &l->cap, sizeof *l->files);
	l->files[l->count] = (struct store_links_file){
		.path = path, .how = how, .sha256 = *sha256, .size = size, .target = target
	};
	return &l->files[l->count++];
}

const struct store_links_file *store_layout_find(const struct store_layout *l, const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->files[i].path, path) == 0)
			return &l->files[i];
	return NULL;
}

void store_layout_identify(struct store_layout *l)
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	const char *const parts[] = { l->engine, l->root, l->name };
	struct digest d;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		sha256_add(h, parts[i], strlen(parts[i]) + 1);
	sha256_final(h, &d);
	hex_encode(l->id, d.bytes, ID_DIGITS / 2);
}

/* -- its record ------------------------------------------------------------------------------ */

static json_t *file_json(const struct store_links_file *f)
{
	json_t *file = json_object();
	char text[MARK_TEXT];
	json_put_string(file, "path", f->path);
	json_put_string(file, "how", store_links_how_name(f->how));
	json_put_hex(file, "sha256", &f->sha256, DIGEST_SIZE);
	json_put_u64(file, "size", f->size);
	json_put_string(file, "target", f->target);
	if (f->made && f->how != STORE_LINKS_SYMLINK)
		json_put_string(file, "mark", mark_text(text, &f->mark));
	return file;
}

json_t *store_links_json(const struct store_layout *l)
{
	json_t *object = json_object();
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_put_string(object, "engine", l->engine);
	json_put_string(object, "root", l->root);
	json_put_string(object, "name", l->name);
	json_put_string(object, "repository", l->repository);
	json_put_string(object, "model", l->model);
	json_put_string(object, "variant", l->variant);
	json_put_u64(object, "variant_version", l->version);
	json_put_time(object, "made", l->made_s);
	json_put_bool(object, "complete", l->complete);
	json_t *files = json_put_array(object, "files");
	for (size_t i = 0; i < l->count; i++)
		json_push(files, file_json(&l->files[i]));
	return object;
}

static bool parse_how(const char *name, enum store_links_how *out)
{
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		if (strcmp(name, hows[i]) != 0)
			continue;
		*out = (enum store_links_how)i;
		return true;
	}
	return false;
}

static int load_file(const json_t *object, struct store_layout *l, struct err *e)
{
	const char *path, *how_name, *target, *mark;
	struct store_links_file f = { 0 };
	int rc;
	if ((rc = json_get_string(object, "files", "path", &path, e)) < 0 ||
	    (rc = json_get_string(object, "files", "how", &how_name, e)) < 0 ||
	    (rc = json_get_hex(object, "files", "sha256", &f.sha256, DIGEST_SIZE, e)) < 0 ||
	    (rc = json_get_u64(object, "files", "size", &f.size, e)) < 0 ||
	    (rc = json_opt_string(object, "files", "target", &target, e)) < 0 ||
	    (rc = json_opt_string(object, "files", "mark", &mark, e)) < 0)
		return rc;
	if (path[0] != '/' || !parse_how(how_name, &f.how) ||
	    (f.how == STORE_LINKS_SYMLINK && !target) || (mark && !mark_parse(mark, &f.mark)) ||
	    (l->complete && (f.how == STORE_LINKS_SYMLINK) == (mark != NULL)))
		return err_set(e, ERR_INTEGRITY, "a file is not described as it must be");
	struct store_links_file *to = store_layout_add(l, mem_strdup(path), f.how, &f.sha256,
						       f.size, target ? mem_strdup(target) : NULL);
	to->made = l->complete;
	to->mark = f.mark;
	return 0;
}

static int load_members(const json_t *object, struct store_layout *l, struct err *e)
{
	const char *format = NULL, *time = NULL;
	struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "engine", &l->engine }, { "root", &l->root },
		{ "name", &l->name },     { "repository", &l->repository },
		{ "model", &l->model },   { "variant", &l->variant },
	};
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "not the record of a layout");
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++) {
		const char *text = NULL;
		rc = json_get_string(object, "", texts[i].key, &text, e);
		if (rc == 0)
			*texts[i].to = mem_strdup(text);
	}
	if (rc == 0)
		rc = json_get_u64(object, "", "variant_version", &l->version, e);
	if (rc == 0)
		rc = json_get_string(object, "", "made", &time, e);
	if (rc == 0)
		rc = json_opt_bool(object, "", "complete", false, &l->complete, e);
	if (rc == 0 && !parse_time(time, &l->made_s))
		rc = err_set(e, ERR_INTEGRITY, "'made' is not a time");
	return rc;
}

static int load_layout(const json_t *object, struct store_layout *l, struct err *e)
{
	json_t *files = NULL, *file;
	size_t i;
	int rc = load_members(object, l, e);
	if (rc == 0)
		rc = json_get_array(object, "", "files", 2 * RECORD_MAX_FILES, &files, e);
	json_array_foreach (files, i, file)
		if (rc == 0)
			rc = load_file(file, l, e);
	if (rc == 0)
		store_layout_identify(l);
	return rc;
}

int store_links_parse(const void *data, size_t len, const char *what, struct store_layout *out,
		      struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 2 * RECORD_MAX_BYTES };
	CLEANUP(json_release) json_t *object = NULL;
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	int rc = json_parse(data, len, &limits, what, &object, e);
	if (rc < 0)
		return rc;
	rc = load_layout(object, &l, e);
	if (rc < 0)
		return err_context(e, "%s", what);
	*out = l;
	l = (struct store_layout){ 0 };
	return 0;
}
