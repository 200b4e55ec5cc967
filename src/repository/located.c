#include "repository/located.h"

#include "catalog/places.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_BYTES PLACES_MAX_TEXT

static void file_release(struct located_file *f)
{
	free(f->key);
	free(f->mirror);
	free(f->url);
}

void located_release(struct located *l)
{
	for (size_t i = 0; i < l->count; i++)
		file_release(&l->at[i]);
	free(l->at);
	*l = (struct located){ 0 };
}

void located_add(struct located *l, const char *key, const char *mirror, const char *url)
{
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct located_file){
		.key = mem_strdup(key),
		.mirror = mem_strdup(mirror),
		.url = mem_strdup(url),
	};
}

static int compare(const struct located_file *a, const struct located_file *b)
{
	int order = strcmp(a->key, b->key);
	return order ? order : strcmp(a->mirror, b->mirror);
}

/* qsort() is not stable, so the order of adding is compared, too. */
struct ordered {
	struct located_file file;
	size_t at;
};

static int compare_ordered(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int order = compare(&x->file, &y->file);
	return order ? order : x->at < y->at ? -1 : 1;
}

void located_sort(struct located *l)
{
	CLEANUP(mem_free_ptr) struct ordered *all = mem_alloc((l->count + 1) * sizeof *all);
	size_t kept = 0;
	for (size_t i = 0; i < l->count; i++)
		all[i] = (struct ordered){ l->at[i], i };
	qsort(all, l->count, sizeof *all, compare_ordered);
	for (size_t i = 0; i < l->count; i++) {
		if (i + 1 < l->count && compare(&all[i].file, &all[i + 1].file) == 0)
			file_release(&all[i].file);
		else
			l->at[kept++] = all[i].file;
	}
	l->count = kept;
}

size_t located_keep(struct located *l, bool (*stays)(void *ctx, const struct located_file *f),
		    void *ctx)
{
	size_t kept = 0, before = l->count;
	for (size_t i = 0; i < before; i++) {
		if (stays(ctx, &l->at[i]))
			l->at[kept++] = l->at[i];
		else
			file_release(&l->at[i]);
	}
	l->count = kept;
	return before - kept;
}

/* ---- the file ---- */

static char *path_of(const char *dir)
{
	return mem_printf("%s/cards/" LOCATED_FILE, dir);
}

static int check(const char *key, const char *mirror, const char *url, struct err *e)
{
	const char *fault = places_key_fault(key);
	if (!fault)
		fault = places_url_fault(url);
	if (!fault && !path_is_id(mirror))
		fault = "it is not the name of a mirror";
	return fault ? err_set(e, ERR_INTEGRITY, "it cannot be signed: %s", fault) : 0;
}

static int parse_line(struct located *l, const char *line, size_t len, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = PLACES_MAX_LINE, .max_depth = 4 };
	CLEANUP(json_release) json_t *object = NULL;
	const char *key, *mirror, *url;
	int rc = json_parse(line, len, &limits, "the line", &object, e);
	if (rc == 0)
		rc = json_get_string(object, "", "key", &key, e);
	if (rc == 0)
		rc = json_get_string(object, "", "mirror", &mirror, e);
	if (rc == 0)
		rc = json_get_string(object, "", "url", &url, e);
	if (rc == 0)
		rc = check(key, mirror, url, e);
	if (rc == 0)
		located_add(l, key, mirror, url);
	return rc;
}

int located_read(const char *dir, struct located *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir);
	CLEANUP(located_release) struct located l = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	unsigned number = 0;
	int rc = file_exists(path) ? file_read_all(path, &text, e) : 0;
	if (rc < 0)
		return rc;
	for (const char *line = buf_str(&text); *line;) {
		size_t len = strcspn(line, "\n");
		number++;
		if (len && (rc = parse_line(&l, line, len, e)) < 0)
			return err_context(e, "%s:%u", path, number);
		line += len + (line[len] == '\n');
	}
	located_sort(&l);
	*out = l;
	l = (struct located){ 0 };
	return 0;
}

static int print(const struct located_file *f, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *object = json_object();
	json_put_string(object, "key", f->key);
	json_put_string(object, "mirror", f->mirror);
	json_put_string(object, "url", f->url);
	int rc = json_compact(object, out, e);
	buf_addc(out, '\n');
	return rc;
}

int located_save(const struct located *l, const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(dir);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MAX_BYTES);
	int rc = 0;
	if (!l->count)
		return file_exists(path) ? file_remove(path, e) : 0;
	for (size_t i = 0; rc == 0 && i < l->count; i++)
		rc = print(&l->at[i], &text, e);
	if (rc == 0)
		rc = buf_ok(&text, path, e);
	return rc < 0 ? rc : file_write_atomic(path, buf_str(&text), text.len, FILE_MODE, e);
}
