#include "publish/pages.h"

#include "json/json.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define FORMAT "model-ferry-site"

void pages_release(struct pages *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->at[i].path);
	free(p->at);
	free(p->dir);
	*p = (struct pages){ 0 };
}

void pages_add(struct pages *p, const char *path, uint64_t size, const struct digest *sha256)
{
	p->at = mem_grow(p->at, p->count, &p->cap, sizeof *p->at);
	p->at[p->count++] = (struct pages_file){ mem_strdup(path), size, *sha256 };
}

static int parse_file(const json_t *o, struct pages *p, struct err *e)
{
	const char *path;
	struct digest sha256;
	uint64_t size = 0;
	int rc = json_get_string(o, "files[]", "path", &path, e);
	if (rc == 0)
		rc = json_get_u64(o, "files[]", "size", &size, e);
	if (rc == 0)
		rc = json_get_hex(o, "files[]", "sha256", &sha256, DIGEST_SIZE, e);
	if (rc == 0 && !path_is_key(path))
		rc = err_set(e, ERR_INTEGRITY, "files[]: not a path of a site");
	if (rc == 0)
		pages_add(p, path, size, &sha256);
	return rc;
}

static int parse(const json_t *o, struct pages *p, struct err *e)
{
	const char *format;
	json_t *files, *file;
	size_t i;
	int rc = json_get_string(o, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "its format is not " FORMAT);
	if (rc == 0)
		rc = json_get_u64(o, "", "release", &p->release, e);
	if (rc == 0)
		rc = json_get_array(o, "", "files", PAGES_MAX_FILES, &files, e);
	if (rc < 0)
		return rc;
	json_array_foreach (files, i, file)
		if ((rc = parse_file(file, p, e)) < 0)
			break;
	return rc;
}

int pages_read(const char *dir, struct pages *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = PAGES_LIST_MAX_BYTES };
	CLEANUP(mem_free_ptr) char *path = path_join(dir, PAGES_LIST);
	CLEANUP(json_release) json_t *list = NULL;
	CLEANUP(pages_release) struct pages p = { 0 };
	if (!file_exists(path))
		return err_set(e, ERR_NOT_FOUND, "%s: there is no site", dir);
	int rc = json_parse_file(path, &limits, &list, e);
	if (rc == 0 && (rc = parse(list, &p, e)) < 0)
		err_context(e, "%s", path);
	if (rc < 0)
		return rc;
	p.dir = mem_strdup(dir);
	*out = p;
	p = (struct pages){ 0 };
	return 0;
}

int pages_write(const struct pages *p, const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, PAGES_LIST);
	CLEANUP(json_release) json_t *list = json_object();
	CLEANUP(buf_release) struct buf text = BUF_INIT(PAGES_LIST_MAX_BYTES);
	json_put_string(list, "format", FORMAT);
	json_put_u64(list, "version", 1);
	json_put_u64(list, "release", p->release);
	json_t *files = json_put_array(list, "files");
	for (size_t i = 0; i < p->count; i++) {
		json_t *file = json_push_object(files);
		json_put_string(file, "path", p->at[i].path);
		json_put_u64(file, "size", p->at[i].size);
		json_put_hex(file, "sha256", &p->at[i].sha256, DIGEST_SIZE);
	}
	int rc = json_rows(list, &text, e);
	if (rc == 0)
		rc = buf_ok(&text, "the list of the site's files", e);
	return rc < 0 ? rc : file_write_unsynced(path, text.data, text.len, FILE_PUBLIC_MODE, e);
}
