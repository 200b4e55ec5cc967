#include "stocked.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static int64_t wall_s(void *ctx)
{
	return ((const struct stocked *)ctx)->now_s;
}

static int no_sleep(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	(void)ctx, (void)ms;
	return cancel_check(cancel, e);
}

struct stocked *stocked_new(void)
{
	struct err e = ERR_INIT;
	struct stocked *s = NEW(struct stocked);
	s->dir = scratch_new();
	s->now_s = 1800000000;
	s->clock = (struct clock){ .wall_s = wall_s, .sleep_ms = no_sleep, .ctx = s };
	CLEANUP(mem_free_ptr) char *home = path_join(s->dir, "home");
	assert_ok(store_open(home, &s->store, &e), &e);
	s->store.clock = &s->clock;
	return s;
}

void stocked_free(struct stocked *s)
{
	store_close(&s->store);
	scratch_free(s->dir);
	free(s);
}

char *stocked_blob(const struct stocked *s, const char *text)
{
	struct digest d;
	sha256_of(text, strlen(text), &d);
	return store_blob_path(&s->store, &d);
}

bool stocked_has(const struct stocked *s, const char *text)
{
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, text);
	return file_exists(blob);
}

void stocked_put(const struct stocked *s, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(s->store.home, name);
	assert_ok(file_mkdirs_for(path, FILE_DIR_MODE, &e), &e);
	assert_ok(file_write_atomic(path, text, strlen(text), FILE_MODE, &e), &e);
}

struct store_variant stocked_add(struct stocked *s, const char *model, const char *variant,
				 const char *const *texts)
{
	struct err e = ERR_INIT;
	struct store_variant v = {
		.repository = mem_strdup("r"),
		.model = mem_strdup(model),
		.variant = mem_strdup(variant),
		.version = 1,
		.dir = store_variant_dir(&s->store, "r", model, variant),
		.fetched_s = s->now_s,
		.complete = true,
	};
	v.files = mem_alloc(8 * sizeof *v.files);
	for (size_t i = 0; texts[i]; i++) {
		struct store_file *file = &v.files[v.file_count++];
		file->name = mem_printf("%zu.gguf", i);
		file->size = strlen(texts[i]);
		v.size += file->size;
		sha256_of(texts[i], strlen(texts[i]), &file->sha256);
		CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, texts[i]);
		if (!file_exists(blob))
			assert_ok(file_write_atomic(blob, texts[i], file->size, FILE_READ_ONLY, &e),
				  &e);
	}
	assert_ok(store_link(&s->store, &v, &e), &e);
	return v;
}
