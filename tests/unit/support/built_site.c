#include "built_site.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

#define CATALOG_MAX (64 * MIB)

static void parse(struct built_site *b, const struct buf *models)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(CATALOG_MAX);
	*b = (struct built_site){ 0 };
	buf_addf(&text,
		 "{\"format\":\"model-ferry-catalog\",\"version\":1,\"name\":\"lab\","
		 "\"title\":\"The lab\",\"updated\":\"2026-11-28T00:00:00Z\",\"mirrors\":["
		 "{\"id\":\"eu\",\"kind\":\"http\",\"url\":\"https://m.example.org/lab\"}],"
		 "\"models\":[%s]}",
		 buf_str(models));
	assert_ok(catalog_parse(text.data, text.len, "test", &b->catalog, &e), &e);
	catalog_sort(&b->catalog);
	b->site = (struct site){ .catalog = &b->catalog,
				 .name = b->catalog.name,
				 .title = b->catalog.title,
				 .release = 7,
				 .time_s = 1795910400 };
}

static void add_model(struct buf *out, const char *text)
{
	buf_addf(out, "%s{\"format\":\"model-ferry-card\",\"version\":1,%s}", out->len ? "," : "",
		 text);
}

void built_site_init(struct built_site *b, const char *models)
{
	CLEANUP(buf_release) struct buf all = BUF_INIT(CATALOG_MAX);
	buf_adds(&all, models);
	parse(b, &all);
}

/* The members with the number in place of %zu. */
static void add_members(struct buf *out, const char *members, size_t number)
{
	const char *at = strstr(members, "%zu");
	if (!at) {
		buf_adds(out, members);
		return;
	}
	buf_add(out, members, (size_t)(at - members));
	buf_addf(out, "%zu%s", number, at + strlen("%zu"));
}

void built_site_init_many(struct built_site *b, size_t count, const char *members)
{
	CLEANUP(buf_release) struct buf all = BUF_INIT(CATALOG_MAX);
	for (size_t i = 0; i < count; i++) {
		struct buf text = BUF_INIT(MIB);
		buf_addf(&text, "\"id\":\"m%04zu\"", i);
		add_members(&text, members, i);
		buf_addf(&text,
			 ",\"variants\":[{\"id\":\"q4\",\"files\":[{\"path\":\"models/m%04zu/"
			 "m.gguf\","
			 "\"size\":%zu,\"sha256\":\"%064zx\"}]}]",
			 i, i + 1, i);
		add_model(&all, buf_str(&text));
		buf_release(&text);
	}
	parse(b, &all);
}

static int keep(void *ctx, const char *path, const void *data, size_t len, struct err *e)
{
	struct built_site *b = ctx;
	(void)e;
	assert_false(str_list_has(&b->paths, path));
	str_list_add(&b->paths, path);
	str_list_take(&b->files, mem_strndup(data, len));
	return 0;
}

void built_site_make(struct built_site *b)
{
	struct err e = ERR_INIT;
	assert_ok(site_make(&b->site, keep, b, &e), &e);
}

void built_site_release(struct built_site *b)
{
	str_list_release(&b->paths);
	str_list_release(&b->files);
	catalog_release(&b->catalog);
}

const char *built_site_find(const struct built_site *b, const char *path)
{
	for (size_t i = 0; i < b->paths.count; i++)
		if (strcmp(b->paths.at[i], path) == 0)
			return b->files.at[i];
	return NULL;
}

const char *built_site_file(const struct built_site *b, const char *path)
{
	const char *file = built_site_find(b, path);
	if (!file)
		fail_msg("no %s", path);
	return file;
}

void built_site_has(const struct built_site *b, const char *path, const char *text)
{
	const char *file = built_site_file(b, path);
	if (!strstr(file, text))
		fail_msg("no '%s' in %s:\n%s", text, path, file);
}

void built_site_lacks(const struct built_site *b, const char *path, const char *text)
{
	const char *file = built_site_file(b, path);
	if (strstr(file, text))
		fail_msg("'%s' in %s:\n%s", text, path, file);
}
