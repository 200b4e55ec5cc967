#include "publish/tree_pack.h"

#include "catalog/pack.h"
#include "mirror_mem.h"
#include "publish/push.h"
#include "release.h"
#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

/* A tree with two models: a card, a manifest and a file each. */
struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store[2]; /* the first takes packs, the second single files */
	struct mirror *handle[2];
	struct mirror_ops packing;
	struct push_mirror m[2];
	struct push_options o;
	struct push_result result;
	struct err e;
};

static void add(struct repository_files *f, const char *dir, const char *folder, const char *name,
		const char *text)
{
	char hex[DIGEST_HEX];
	struct digest d;
	sha256_of(text, strlen(text), &d);
	f->at = mem_grow(f->at, f->count, &f->cap, sizeof *f->at);
	struct repository_file *file = &f->at[f->count++];
	*file = (struct repository_file){ .size = strlen(text), .sha256 = d };
	if (strcmp(folder, "metadata") == 0) {
		file->key = mem_printf("metadata/%s", name);
		file->class = REPOSITORY_TIMESTAMP;
	} else {
		file->key = mem_printf("%s/%s.%s", folder, digest_hex(hex, &d), name);
		file->class = REPOSITORY_OBJECT;
	}
	scratch_write(dir, file->key, text, strlen(text));
}

#define CARD(id) "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"" id "\",\"variants\":[]}"

static struct world *world_new(void)
{
	static const char timestamp[] = "{\"signed\":{\"_type\":\"timestamp\",\"version\":1,"
					"\"expires\":\"2030-01-01T00:00:00Z\"}}";
	struct world *w = NEW(struct world);
	struct repository_files files = { 0 };
	w->dir = scratch_new();
	add(&files, w->dir, "targets/models/a", "a.card.json", CARD("a"));
	add(&files, w->dir, "targets/models/a", "a.gguf", "bytes of a");
	add(&files, w->dir, "targets/models/a", "a.gguf.manifest.json", "manifest of a");
	add(&files, w->dir, "targets/models/a-b", "a-b.card.json", CARD("a-b"));
	add(&files, w->dir, "targets/models/a-b", "a-b.gguf", "bytes of a-b");
	add(&files, w->dir, "targets/models/a-b", "a-b.gguf.manifest.json", "manifest of a-b");
	add(&files, w->dir, "targets", "other.json", "{}");
	add(&files, w->dir, "metadata", "timestamp.json", timestamp);
	assert_ok(tree_from_files(w->dir, &files, &w->t, &w->e), &w->e);
	w->o = (struct push_options){ .threads = 1, .retry = &retry_once };
	for (size_t i = 0; i < 2; i++) {
		w->store[i] = mirror_mem_new();
		w->handle[i] = mirror_mem_open(w->store[i], i ? "single" : "packs");
		w->handle[i]->holds = MIRROR_HOLDS_OBJECTS;
	}
	w->packing = *w->handle[0]->ops;
	w->packing.packs = true;
	w->handle[0]->ops = &w->packing;
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		push_mirror_release(&w->m[i]);
		mirror_close(w->handle[i]);
		mirror_mem_free(w->store[i]);
	}
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
}

static int push(struct world *w)
{
	assert_ok(tree_pack_for(&w->t, w->handle[0], &w->e), &w->e);
	for (size_t i = 0; i < 2; i++) {
		push_mirror_release(&w->m[i]);
		w->m[i] = (struct push_mirror){
			.id = w->handle[i]->id,
			.mirror = w->handle[i],
			.holds = MIRROR_HOLDS_OBJECTS,
		};
	}
	err_clear(&w->e);
	return push_run(&w->t, w->m, 2, &w->o, &w->result, &w->e);
}

/* The file of the tree whose key ends so. */
static const struct repository_file *file(const struct world *w, const char *end)
{
	for (size_t i = 0; i < w->t.files.count; i++)
		if (str_ends(w->t.files.at[i].key, end))
			return &w->t.files.at[i];
	fail_msg("no file %s", end);
	return NULL;
}

static void each_model_has_a_pack_of_its_small_files(void **state)
{
	(void)state;
	struct world *w = world_new();
	assert_ok(tree_pack_for(&w->t, w->handle[0], &w->e), &w->e);
	assert_ok(tree_pack_for(&w->t, w->handle[0], &w->e), &w->e);
	assert_int_equal(w->t.files.count, 10);
	assert_string_equal(file(w, ".a.card.json")->pack_key, file(w, ".a.pack")->key);
	assert_string_equal(file(w, ".a.gguf.manifest.json")->pack_key, file(w, ".a.pack")->key);
	assert_string_equal(file(w, ".a-b.card.json")->pack_key, file(w, ".a-b.pack")->key);
	assert_null(file(w, ".a.gguf")->pack_key);
	assert_null(file(w, ".other.json")->pack_key);
	assert_true(file(w, ".a.pack")->is_pack);
	world_free(w);
}

static void a_mirror_with_packs_gets_them_instead_of_small_files(void **state)
{
	(void)state;
	struct world *w = world_new();
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].puts, 4); /* a document of no model stays elsewhere */
	assert_int_equal(w->m[1].puts, 7);
	assert_non_null(mirror_mem_object(w->store[0], file(w, ".a.pack")->key));
	assert_null(mirror_mem_object(w->store[0], file(w, ".a.card.json")->key));
	assert_null(mirror_mem_object(w->store[1], file(w, ".a.pack")->key));
	assert_non_null(mirror_mem_object(w->store[1], file(w, ".a.card.json")->key));
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m[0].outcome, PUSH_UP_TO_DATE);
	world_free(w);
}

static void a_file_that_changed_since_is_noticed(void **state)
{
	(void)state;
	struct world *w = world_new();
	assert_ok(tree_pack_for(&w->t, w->handle[0], &w->e), &w->e);
	scratch_write(w->dir, file(w, ".a.gguf.manifest.json")->key, "manifest of b", 13);
	assert_int_equal(push(w), -ERR_INTEGRITY);
	assert_null(mirror_mem_object(w->store[0], file(w, ".a.pack")->key));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_model_has_a_pack_of_its_small_files),
		cmocka_unit_test(a_mirror_with_packs_gets_them_instead_of_small_files),
		cmocka_unit_test(a_file_that_changed_since_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
