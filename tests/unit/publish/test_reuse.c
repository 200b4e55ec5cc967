#include "publish/reuse.h"

#include "ggufbuild.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

#define FOLDER "targets/models/m/"
#define ROW (1 * MIB) /* bytes of f32 */

/* A GGUF file in memory, and its manifest. */
struct model {
	struct buf bytes;
	struct manifest manifest;
};

/* A tensor's data: no period that a wrong offset could hide behind. */
static void fill_tensor(uint8_t *at, uint64_t len, uint64_t seed)
{
	const uint64_t step = 0x9e3779b97f4a7c15u;
	uint64_t x = (seed * 1000003 + 1) * step;
	for (uint64_t i = 0; i < len; i++, x += step)
		at[i] = (uint8_t)(x >> 56);
}

struct part {
	const char *name;
	uint64_t rows; /* of ROW bytes */
	uint64_t seed; /* of its content */
};

/* Padding is zero; tensors differ by their seeds. */
static void fill(struct model *m, const struct part *parts, size_t count)
{
	uint64_t data = 0;
	for (size_t i = 0; i < count; i++)
		data += (parts[i].rows * ROW - 4 + 31) / 32 * 32;
	uint8_t *at = (uint8_t *)m->bytes.data + m->bytes.len - data;
	for (size_t i = 0; i < count; i++) {
		uint64_t len = parts[i].rows * ROW - 4;
		fill_tensor(at, len, parts[i].seed);
		at += (len + 31) / 32 * 32;
	}
}

static void model_make(struct model *m, const char *name, const char *template_text,
		       const struct part *parts, size_t count)
{
	struct ggufbuild b;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	build_init_llama(&b);
	b.fill = 0;
	build_string(&b, "tokenizer.chat_template", template_text);
	for (size_t i = 0; i < count; i++)
		build_tensor(&b, parts[i].name, "f32", parts[i].rows * ROW / 4 - 1, 0);
	const struct buf *file = build_file(&b);
	*m = (struct model){ .bytes = BUF_INIT(GIB) };
	buf_add(&m->bytes, file->data, file->len);
	build_release(&b);
	fill(m, parts, count);
	scratch_write(dir, name, m->bytes.data, m->bytes.len);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	assert_ok(manifest_create(path, NULL, NULL, &m->manifest, &e), &e);
	scratch_free(dir);
}

static void model_release(struct model *m)
{
	buf_release(&m->bytes);
	manifest_release(&m->manifest);
}

static const struct part PARTS[] = {
	{ "token_embd.weight", 10, 1 },
	{ "blk.0.attn_norm.weight", 1, 2 },
	{ "blk.0.ffn_up.weight", 20, 3 },
	{ "output.weight", 9, 4 },
};

/* The same model, and with a longer template: made once. */
static struct model model, longer;

static int make_models(void **state)
{
	(void)state;
	model_make(&model, "m.gguf", "short", PARTS, ARRAY_LEN(PARTS));
	model_make(&longer, "m.gguf", "a template that is longer by more than the alignment", PARTS,
		   ARRAY_LEN(PARTS));
	return 0;
}

static int release_models(void **state)
{
	(void)state;
	model_release(&model);
	model_release(&longer);
	return 0;
}

struct matched {
	struct reuse_object older; /* borrows the manifest */
	struct reuse_source *sources;
	uint32_t found;
};

static char OLD[] = "old";

static struct matched match(const struct model *wanted, const struct model *older)
{
	struct matched r = { .older = { .key = OLD, .manifest = older->manifest } };
	uint32_t count = wanted->manifest.grid.count;
	r.sources = mem_alloc(count * sizeof *r.sources);
	r.found = count - reuse_match(&wanted->manifest, &r.older, r.sources);
	return r;
}

/* Every source has exactly the bytes of its piece. */
static void assert_right(const struct matched *r, const struct model *wanted,
			 const struct model *older)
{
	const struct grid *g = &wanted->manifest.grid;
	uint32_t found = 0;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct reuse_source *s = &r->sources[i];
		if (!s->key)
			continue;
		uint64_t len = grid_length(g, i);
		assert_true(s->offset + len <= older->bytes.len);
		assert_memory_equal(wanted->bytes.data + grid_offset(g, i),
				    older->bytes.data + s->offset, len);
		found++;
	}
	assert_int_equal(found, r->found);
}

static void a_longer_template_leaves_all_pieces_but_the_first(void **state)
{
	(void)state;
	assert_true(longer.bytes.len > model.bytes.len);
	assert_int_equal(longer.manifest.grid.count, 6);
	struct matched r = match(&longer, &model);
	assert_int_equal(r.found, 5);
	assert_null(r.sources[0].key);
	assert_right(&r, &longer, &model);
	free(r.sources);
	r = match(&model, &longer); /* and a shorter one */
	assert_int_equal(r.found, 5);
	assert_right(&r, &model, &longer);
	free(r.sources);
}

static void only_the_pieces_of_a_changed_tensor_are_sent(void **state)
{
	(void)state;
	struct part changed[ARRAY_LEN(PARTS)];
	struct model wanted;
	memcpy(changed, PARTS, sizeof changed);
	changed[1].seed = 99; /* after 10 MiB: in the second piece */
	model_make(&wanted, "m.gguf", "a template that is longer by more than the alignment",
		   changed, ARRAY_LEN(changed));
	struct matched r = match(&wanted, &model);
	assert_null(r.sources[0].key);
	assert_null(r.sources[1].key);
	assert_int_equal(r.found, 4);
	assert_right(&r, &wanted, &model);
	free(r.sources);
	model_release(&wanted);
}

static void tensors_in_another_order_are_found_within_themselves(void **state)
{
	(void)state;
	struct part moved[ARRAY_LEN(PARTS)] = { PARTS[3], PARTS[2], PARTS[1], PARTS[0] };
	struct model wanted;
	model_make(&wanted, "m.gguf", "short", moved, ARRAY_LEN(moved));
	struct matched r = match(&wanted, &model);
	/* output 0-9, ffn_up 9-29, attn_norm 29-30, token_embd 30-40 MiB */
	assert_null(r.sources[1].key);
	assert_non_null(r.sources[2].key);
	assert_null(r.sources[3].key);
	assert_non_null(r.sources[4].key);
	assert_right(&r, &wanted, &model);
	free(r.sources);
	model_release(&wanted);
}

static void equal_tensors_are_told_apart_by_their_names(void **state)
{
	(void)state;
	static const struct part twins[] = { { "a.weight", 10, 7 },
					     { "b.weight", 10, 7 },
					     { "c.weight", 10, 7 } };
	struct model older, wanted;
	model_make(&older, "m.gguf", "short", twins, ARRAY_LEN(twins));
	model_make(&wanted, "m.gguf", "a template that is longer by more than the alignment", twins,
		   ARRAY_LEN(twins));
	struct matched r = match(&wanted, &older);
	assert_int_equal(r.found, wanted.manifest.grid.count - 1);
	assert_right(&r, &wanted, &older);
	free(r.sources);
	model_release(&older);
	model_release(&wanted);
}

static void pieces_with_the_same_digest_are_found_at_another_place(void **state)
{
	(void)state;
	struct manifest wanted = { 0 };
	struct reuse_object older = { .key = OLD };
	struct reuse_source sources[3] = { 0 };
	struct digest digests[4];
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 4; i++)
		sha256_of(&i, sizeof i, &digests[i]);
	struct digest a[] = { digests[1], digests[0], digests[3] };
	struct digest b[] = { digests[0], digests[1], digests[2] };
	assert_ok(grid_for(20 * MIB, &wanted.grid, &e), &e);
	older.manifest.grid = wanted.grid;
	wanted.pieces = a;
	older.manifest.pieces = b;
	assert_int_equal(reuse_match(&wanted, &older, sources), 1);
	assert_true(sources[0].key && sources[0].offset == 8 * MIB);
	assert_true(sources[1].key && sources[1].offset == 0);
	assert_null(sources[2].key);
}

static void a_file_with_nothing_in_common_has_no_sources(void **state)
{
	(void)state;
	static const struct part others[] = { { "a.weight", 10, 70 }, { "b.weight", 10, 71 } };
	struct model older;
	model_make(&older, "m.gguf", "short", others, ARRAY_LEN(others));
	struct matched r = match(&model, &older);
	assert_int_equal(r.found, 0);
	free(r.sources);
	model_release(&older);
}

/* ---- on a mirror ------------------------------------------------------------------ */

/* A tree that lists one object with its manifest, and a mirror. */
struct place {
	struct tree tree;
	struct mirror_mem *store;
	struct mirror *mirror;
	char *older_key, *older_manifest;
};

static char *key_of(const struct digest *sha256, const char *name)
{
	char hex[DIGEST_HEX];
	return mem_printf(FOLDER "%s.%s", digest_hex(hex, sha256), name);
}

static struct repository_file *list(struct repository_files *files, char *key, uint64_t size,
				    const struct digest *sha256)
{
	files->at = mem_grow(files->at, files->count, &files->cap, sizeof *files->at);
	struct repository_file *f = &files->at[files->count++];
	*f = (struct repository_file){ .key = key, .size = size, .sha256 = *sha256 };
	return f;
}

static char *manifest_bytes(const struct model *m, struct buf *text)
{
	struct err e = ERR_INIT;
	struct digest sha256;
	CLEANUP(json_release) json_t *json = manifest_json(&m->manifest);
	buf_init(text, MIB);
	assert_ok(json_pretty(json, text, &e), &e);
	sha256_of(text->data, text->len, &sha256);
	return key_of(&sha256, "m.gguf" MANIFEST_SUFFIX);
}

static int set_up(void **state)
{
	struct place *p = NEW(struct place);
	struct buf text;
	struct digest sha256;
	p->tree.dir = scratch_new();
	char *key = manifest_bytes(&longer, &text);
	scratch_write(p->tree.dir, key, text.data, text.len);
	sha256_of(text.data, text.len, &sha256);
	list(&p->tree.files, key, text.len, &sha256);
	buf_release(&text);
	list(&p->tree.files, key_of(&longer.manifest.sha256, "m.gguf"), longer.bytes.len,
	     &longer.manifest.sha256)
		->manifest_key = mem_strdup(key);
	repository_files_index(&p->tree.files);
	p->store = mirror_mem_new();
	p->mirror = mirror_mem_open(p->store, "mem");
	p->older_key = key_of(&model.manifest.sha256, "m.gguf");
	p->older_manifest = manifest_bytes(&model, &text);
	mirror_mem_set(p->store, p->older_key, model.bytes.data, model.bytes.len);
	mirror_mem_set(p->store, p->older_manifest, text.data, text.len);
	buf_release(&text);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	mirror_close(p->mirror);
	mirror_mem_free(p->store);
	scratch_free(p->tree.dir);
	repository_files_release(&p->tree.files);
	free(p->older_key);
	free(p->older_manifest);
	free(p);
	return 0;
}

static uint32_t found(const struct place *p)
{
	struct reuse r;
	uint32_t n = 0;
	reuse_find(&p->tree, &p->tree.files.at[1], p->mirror, &r);
	for (uint32_t i = 0; i < longer.manifest.grid.count; i++) {
		const struct reuse_source *s = reuse_source(&r, i);
		if (s)
			assert_string_equal(s->key, p->older_key);
		n += s != NULL;
	}
	reuse_release(&r);
	return n;
}

static void the_older_version_on_the_mirror_is_found_by_its_manifest_there(void **state)
{
	assert_int_equal(found(*state), 5);
}

static void a_manifest_in_the_tree_is_not_read_from_the_mirror(void **state)
{
	struct place *p = *state;
	struct buf text;
	free(manifest_bytes(&model, &text));
	scratch_write(p->tree.dir, p->older_manifest, text.data, text.len);
	buf_release(&text);
	mirror_mem_fault(p->store, &(struct mem_fault){ .call = MEM_GET, .times = UINT32_MAX });
	assert_int_equal(found(p), 5);
}

static void an_older_version_that_is_gone_or_cut_is_not_used(void **state)
{
	struct place *p = *state;
	mirror_mem_set(p->store, p->older_key, model.bytes.data, model.bytes.len - 1);
	assert_int_equal(found(p), 0);
	mirror_mem_remove(p->store, p->older_key);
	assert_int_equal(found(p), 0);
}

static void a_damaged_manifest_on_the_mirror_is_not_used(void **state)
{
	struct place *p = *state;
	struct buf text;
	free(manifest_bytes(&model, &text));
	buf_adds(&text, " ");
	mirror_mem_set(p->store, p->older_manifest, text.data, text.len);
	buf_release(&text);
	assert_int_equal(found(p), 0);
}

static void a_mirror_that_cannot_copy_is_not_asked(void **state)
{
	struct place *p = *state;
	p->mirror->can &= ~(unsigned)MIRROR_CAN_COPY_PIECES;
	assert_int_equal(found(p), 0);
	assert_int_equal(mirror_mem_calls(p->store)->count, 0);
}

int main(void)
{
#define WITH_MIRROR(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_longer_template_leaves_all_pieces_but_the_first),
		cmocka_unit_test(only_the_pieces_of_a_changed_tensor_are_sent),
		cmocka_unit_test(tensors_in_another_order_are_found_within_themselves),
		cmocka_unit_test(equal_tensors_are_told_apart_by_their_names),
		cmocka_unit_test(pieces_with_the_same_digest_are_found_at_another_place),
		cmocka_unit_test(a_file_with_nothing_in_common_has_no_sources),
		WITH_MIRROR(the_older_version_on_the_mirror_is_found_by_its_manifest_there),
		WITH_MIRROR(a_manifest_in_the_tree_is_not_read_from_the_mirror),
		WITH_MIRROR(an_older_version_that_is_gone_or_cut_is_not_used),
		WITH_MIRROR(a_damaged_manifest_on_the_mirror_is_not_used),
		WITH_MIRROR(a_mirror_that_cannot_copy_is_not_asked),
	};
	return cmocka_run_group_tests(tests, make_models, release_models);
}
