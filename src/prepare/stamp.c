#include "prepare/stamp.h"

#include "hash/sha256.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/mark.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>

#define RECORD_MAX MIB
#define NAMES_MAX 1000

void stamp_release(struct stamp *m)
{
	free(m->variant);
	free(m->url);
	free(m->quantization);
	str_list_release(&m->names);
	json_release(&m->warnings);
	*m = (struct stamp){ 0 };
}

static int record_path(const struct workdir *w, const json_t *recipe, char **out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(RECORD_MAX);
	struct digest d;
	char hex[DIGEST_HEX];
	int rc = json_canonical(recipe, &text, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(&text), text.len, &d);
	*out = mem_printf("%s/made-%.16s.json", w->path, digest_hex(hex, &d));
	return 0;
}

static uint64_t number_of(const json_t *file, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(file, key));
}

static bool file_fits(const json_t *file, const char *output_dir, struct stamp *out)
{
	const char *name = json_string_value(json_object_get(file, "name"));
	struct mark m;
	if (!name || !path_is_name(name))
		return false;
	CLEANUP(mem_free_ptr) char *path = path_join(output_dir, name);
	str_list_add(&out->names, name);
	if (!mark_of(path, false, &m) || m.size != number_of(file, "size"))
		return false;
	out->moved = out->moved || m.modified_ns != number_of(file, "modified_ns") ||
		     (m.inode & INT64_MAX) != number_of(file, "inode");
	return true;
}

/* Replacing other bytes was a matter of that run. */
json_t *stamp_warnings(const struct prepare_result *r)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->warning_count; i++) {
		const struct prepare_warning *w = &r->warnings[i];
		if (strcmp(w->code, "replaced") == 0)
			continue;
		json_t *o = json_push_object(list);
		json_put_string(o, "file", w->file);
		json_put_string(o, "code", w->code);
		json_put_string(o, "text", w->text);
	}
	return list;
}

bool stamp_find(const struct workdir *w, const char *output_dir, const json_t *recipe,
		struct stamp *out)
{
	static const struct json_limits limits = { .max_bytes = RECORD_MAX };
	struct err ignored = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = NULL;
	CLEANUP(json_release) json_t *record = NULL;
	CLEANUP(stamp_release) struct stamp m = { 0 };
	json_t *files;
	const char *variant, *url, *quantization;
	if (record_path(w, recipe, &path, &ignored) < 0 ||
	    json_parse_file(path, &limits, &record, &ignored) < 0 ||
	    json_get_string(record, "", "variant", &variant, &ignored) < 0 ||
	    json_opt_string(record, "", "url", &url, &ignored) < 0 ||
	    json_opt_string(record, "", "quantization", &quantization, &ignored) < 0 ||
	    json_opt_bool(record, "", "url_is_file", false, &m.url_is_file, &ignored) < 0 ||
	    json_get_array(record, "", "files", NAMES_MAX, &files, &ignored) < 0 ||
	    json_array_size(files) == 0)
		return false;
	for (size_t i = 0; i < json_array_size(files); i++)
		if (!file_fits(json_array_get(files, i), output_dir, &m))
			return false;
	m.warnings = json_incref(json_object_get(record, "warnings"));
	m.variant = mem_strdup(variant);
	m.url = url ? mem_strdup(url) : NULL;
	m.quantization = quantization ? mem_strdup(quantization) : NULL;
	*out = m;
	m = (struct stamp){ 0 };
	return true;
}

int stamp_save(const struct workdir *w, const char *output_dir, const json_t *recipe,
	       const struct stamp *m, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = NULL;
	CLEANUP(json_release) json_t *record = json_object();
	json_t *files = json_array();
	json_put_string(record, "variant", m->variant);
	json_put_string(record, "url", m->url);
	json_put_string(record, "quantization", m->quantization);
	json_put_bool(record, "url_is_file", m->url_is_file);
	if (m->warnings)
		json_put(record, "warnings", json_incref(m->warnings));
	json_put(record, "files", files);
	for (size_t i = 0; i < m->names.count; i++) {
		struct mark mark;
		CLEANUP(mem_free_ptr) char *file = path_join(output_dir, m->names.at[i]);
		if (!mark_of(file, false, &mark))
			return err_sys(e, errno, "%s", file);
		json_t *o = json_push_object(files);
		json_put_string(o, "name", m->names.at[i]);
		json_put_u64(o, "size", mark.size);
		json_put_u64(o, "modified_ns", mark.modified_ns);
		json_put_u64(o, "inode", mark.inode & INT64_MAX);
	}
	int rc = record_path(w, recipe, &path, e);
	return rc < 0 ? rc : json_write_file(path, record, FILE_MODE, e);
}
