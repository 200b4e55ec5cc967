/* Parts of a new file that other files have; the candidates are given, the mirrors are in memory.
 */
#include "fetch/delta_header.h"
#include "fetch/delta_internal.h"

#include "fake_clock.h"
#include "ggufbuild.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <unistd.h>

#define KEY "targets/models/tiny/tiny.gguf"
#define BLOCKS 6
#define ROWS 512 /* of 256 elements: 512 KiB as f32 */

/* What a model differs in. */
struct kind {
	const char *template;
	size_t tokens;
	unsigned first_token; /* of token_type: a vocabulary of the same length */
	const char *down;     /* type of a third of the large tensors */
	unsigned seed;        /* of the tensors of the blocks from `changed` on */
	unsigned changed;
	bool odd; /* a small tensor with padding behind it */
};
#define SAME BRACES(.template = "short", .tokens = 20000, .down = "f16", .changed = BLOCKS)

struct fixture {
	char *dir;
	struct fake_clock clock;
	struct mirror_mem *mirrors[2];
	struct source_list sources;
	struct manifest wanted;
	struct buf file; /* the new one */
	struct delta_files files;
	struct delta *d;
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	fake_clock_init(&f->clock);
	f->sources = (struct source_list){
		.clock = &f->clock.clock,
		.random = &random_largest,
		.max_failures = 4,
	};
	for (size_t i = 0; i < ARRAY_LEN(f->mirrors); i++) {
		char id[2] = { (char)('a' + i), 0 };
		f->mirrors[i] = mirror_mem_new();
		struct source *s = source_add(&f->sources, id, id, false);
		s->objects = true;
		s->mirror = mirror_mem_open(f->mirrors[i], id);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	delta_close(f->d);
	delta_files_release(&f->files);
	source_list_release(&f->sources);
	for (size_t i = 0; i < ARRAY_LEN(f->mirrors); i++)
		mirror_mem_free(f->mirrors[i]);
	manifest_release(&f->wanted);
	buf_release(&f->file);
	scratch_free(f->dir);
	free(f);
	return 0;
}

/* ---- the files ---- */

static void build(struct ggufbuild *b, const struct kind *k)
{
	char name[64];
	build_init_llama(b);
	build_string(b, "tokenizer.ggml.model", "gpt2");
	build_tokens(b, "tokenizer.ggml.tokens", k->tokens);
	CLEANUP(mem_free_ptr) int32_t *types = mem_alloc((k->tokens + 1) * sizeof *types);
	for (size_t i = 0; i < k->tokens; i++)
		types[i] = i < k->first_token ? 3 : 1;
	build_array(b, "tokenizer.ggml.token_type", GGUF_I32, k->tokens, types, 4 * k->tokens);
	build_tokens(b, "tokenizer.ggml.merges", k->tokens);
	build_string(b, "tokenizer.chat_template", k->template);
	build_u32(b, "general.quantization_version", 2);
	for (unsigned i = 0; i < BLOCKS; i++) {
		snprintf(name, sizeof name, "blk.%u.attn.weight", i);
		build_tensor(b, name, "f16", 256, ROWS);
		snprintf(name, sizeof name, "blk.%u.norm.weight", i);
		build_tensor(b, name, "f32", k->odd ? 3 : 256, 0);
		snprintf(name, sizeof name, "blk.%u.down.weight", i);
		build_tensor(b, name, i % 3 == 0 ? k->down : "f16", 256, ROWS);
	}
}

/* Fills each tensor with bytes that depend on its name, its type and the seed. */
static void fill(const struct kind *k, struct buf *file)
{
	struct memory_input memory = { file->data, file->len };
	struct gguf_input input;
	struct gguf *g;
	struct err e = ERR_INIT;
	memory_input_init(&input, &memory);
	assert_ok(gguf_open(&input, "built", NULL, &g, &e), &e);
	for (size_t i = 0; i < g->tensor_count; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		uint64_t x = 1 + i + 100 * t->type->id;
		if (i >= (size_t)3 * k->changed)
			x += 1000 * (uint64_t)k->seed;
		for (uint64_t n = 0; n < t->size; n++) {
			x = x * 6364136223846793005U + 1442695040888963407U;
			file->data[t->offset + n] = (char)(x >> 56);
		}
	}
	gguf_free(g);
}

/* The path of the file; the caller frees. */
static char *write_model(const struct fixture *f, const char *name, const struct kind *k,
			 struct buf *copy)
{
	struct ggufbuild b;
	build(&b, k);
	build_file(&b);
	fill(k, &b.out);
	scratch_write(f->dir, name, b.out.data, b.out.len);
	if (copy) {
		buf_init(copy, 64 * MIB);
		buf_add(copy, b.out.data, b.out.len);
	}
	build_release(&b);
	return path_join(f->dir, name);
}

/* The file that is wanted: on all mirrors. */
static void want(struct fixture *f, const struct kind *k)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = write_model(f, "tiny.gguf", k, &f->file);
	assert_ok(manifest_create(path, NULL, NULL, &f->wanted, &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(f->mirrors); i++)
		mirror_mem_set(f->mirrors[i], KEY, f->file.data, f->file.len);
}

/* A file of the store; with its manifest or without. */
static struct delta_file *stored_file(struct fixture *f, char *path, bool manifest)
{
	struct err e = ERR_INIT;
	f->files.at = mem_grow(f->files.at, f->files.count, &f->files.cap, sizeof *f->files.at);
	struct delta_file *file = &f->files.at[f->files.count++];
	*file = (struct delta_file){ .path = path, .fd = -1, .has_manifest = manifest };
	if (manifest)
		assert_ok(manifest_create(path, NULL, NULL, &file->manifest, &e), &e);
	assert_ok(file_size(path, &file->size, &e), &e);
	return file;
}

static struct delta_file *store(struct fixture *f, const char *name, const struct kind *k,
				bool manifest)
{
	return stored_file(f, write_model(f, name, k, NULL), manifest);
}

static void make(struct fixture *f)
{
	struct err e = ERR_INIT;
	assert_ok(delta_make(&f->wanted, &f->files, f->dir, NULL, NULL, &f->d, &e), &e);
}

static void read_header(struct fixture *f)
{
	struct err e = ERR_INIT;
	assert_ok(delta_read_header(f->d, &f->sources, KEY, NULL, &e), &e);
}

/* ---- what is expected ---- */

/* Makes the range of the new file as the engine does. Fails if a byte is wrong. Returns how many
 * are to be downloaded. */
static uint64_t download(struct fixture *f, uint64_t from, uint64_t length)
{
	static struct delta_part parts[256];
	struct err e = ERR_INIT;
	size_t count = delta_parts(f->d, from, length, parts, ARRAY_LEN(parts));
	uint64_t at = from, gaps = 0;
	for (size_t i = 0; i < count; i++) {
		const struct delta_part *p = &parts[i];
		assert_true(p->offset >= at && p->length > 0);
		assert_true(p->offset + p->length <= from + length);
		CLEANUP(mem_free_ptr) char *data = mem_alloc(p->length);
		assert_ok(file_pread(p->fd, data, p->length, p->at, "part", &e), &e);
		assert_memory_equal(data, f->file.data + p->offset, p->length);
		gaps += p->offset - at;
		at = p->offset + p->length;
	}
	return gaps + (from + length - at);
}

static uint64_t download_all(struct fixture *f)
{
	uint64_t whole = download(f, 0, f->file.len), pieces = 0;
	for (uint64_t at = 0; at < f->file.len; at += 1000003)
		pieces += download(f, at, MIN(1000003, f->file.len - at));
	assert_int_equal(pieces, whole);
	assert_int_equal(f->d->bytes, f->file.len - whole);
	return whole;
}

static void assert_nobody_is_blamed(const struct fixture *f)
{
	for (size_t i = 0; i < f->sources.count; i++) {
		assert_false(source_has_faults(f->sources.at[i]));
		assert_false(f->sources.at[i]->banned);
	}
}

/* ---- tensors ---- */

static void tensors_that_moved_are_taken_from_the_older_file(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "a template that is so much longer that all tensors move";
	want(f, &after);
	store(f, "old", &before, true);
	make(f);
	assert_int_equal(download_all(f), f->wanted.header_size);
}

static void without_a_manifest_the_tensors_are_hashed(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "another, longer template, that moves all tensors of the file";
	after.changed = BLOCKS - 1;
	after.seed = 7;
	want(f, &after);
	store(f, "old", &before, false);
	make(f);
	/* Two tensors are others, and the small one between them is not worth a request. */
	assert_int_equal(download_all(f), f->wanted.header_size + 2 * 2 * 256 * ROWS + 1024);
}

static void another_variant_gives_the_tensors_of_the_same_type(void **state)
{
	struct fixture *f = *state;
	struct kind other = SAME, mine = SAME;
	other.down = "f32";
	for (int manifest = 0; manifest < 2; manifest++) {
		tear_down(state);
		set_up(state);
		f = *state;
		want(f, &mine);
		store(f, "other", &other, manifest);
		make(f);
		assert_int_equal(download_all(f), f->wanted.header_size + 2 * 2 * 256 * ROWS);
	}
}

static void several_files_complete_each_other(void **state)
{
	struct fixture *f = *state;
	struct kind mine = SAME, changed = SAME, other = SAME;
	changed.changed = 3;
	changed.seed = 5;
	other.down = "f32";
	want(f, &mine);
	store(f, "changed", &changed, true);
	store(f, "other", &other, false);
	make(f);
	/* Only the downs of blocks 3 are in neither. */
	assert_int_equal(download_all(f), f->wanted.header_size + 2 * 256 * ROWS);
}

static void a_stranger_is_left_after_a_sample(void **state)
{
	struct fixture *f = *state;
	struct kind mine = SAME, stranger = SAME;
	stranger.changed = 0;
	stranger.seed = 3;
	want(f, &mine);
	store(f, "stranger", &stranger, false);
	make(f);
	assert_null(f->d);
}

static void padding_is_made_or_taken(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	before.odd = after.odd = true;
	before.down = "f32"; /* so that parts from two files meet */
	after.template = "longer";
	want(f, &after);
	store(f, "variant", &before, true);
	before.down = "f16";
	before.changed = 0;
	before.seed = 9;
	store(f, "stranger", &before, true);
	make(f);
	assert_true(download_all(f) < f->wanted.header_size + 3 * 2 * 256 * ROWS);
}

static void a_short_part_between_two_downloads_is_downloaded(void **state)
{
	struct fixture *f = *state;
	struct kind mine = SAME, other = SAME;
	other.changed = 0;
	other.seed = 4;
	want(f, &mine);
	struct delta_file *file = store(f, "other", &other, true);
	/* Of all its tensors, only two are equal: a small one, and a large one. */
	file->manifest.tensors[4].sha256 = f->wanted.tensors[4].sha256;
	file->manifest.tensors[6].sha256 = f->wanted.tensors[6].sha256;
	make(f);
	struct delta_part parts[4];
	assert_int_equal(delta_parts(f->d, 0, f->file.len, parts, 4), 1);
	assert_int_equal(parts[0].offset, f->wanted.tensors[6].offset);
	assert_int_equal(parts[0].length, 2 * 256 * ROWS);
}

static void no_more_parts_are_given_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;
	struct kind mine = SAME, other = SAME;
	struct delta_part parts[2];
	other.down = "f32";
	want(f, &mine);
	store(f, "other", &other, true);
	make(f);
	assert_int_equal(delta_parts(f->d, 0, f->file.len, parts, 2), 2);
	assert_int_equal(delta_parts(f->d, 0, f->file.len, parts, 0), 0);
	assert_int_equal(delta_parts(f->d, 0, 10, parts, 2), 0);
}

/* ---- what is not as it should be ---- */

static void a_delta_that_gave_a_wrong_piece_gives_no_more_parts(void **state)
{
	struct fixture *f = *state;
	struct kind same = SAME;
	struct delta_part part;
	want(f, &same);
	store(f, "old", &same, true);
	make(f);
	assert_int_equal(delta_parts(f->d, 0, f->file.len, &part, 1), 1);
	delta_distrust(f->d);
	assert_int_equal(delta_parts(f->d, 0, f->file.len, &part, 1), 0);
}

static void a_file_that_disappeared_or_changed_its_size_is_downloaded(void **state)
{
	struct fixture *f = *state;
	struct kind same = SAME;
	struct delta_part part;
	for (int gone = 0; gone < 2; gone++) {
		tear_down(state);
		set_up(state);
		f = *state;
		want(f, &same);
		CLEANUP(mem_free_ptr) char *path = mem_strdup(store(f, "old", &same, true)->path);
		make(f);
		assert_int_equal(gone ? unlink(path) : truncate(path, 1000), 0);
		assert_int_equal(delta_parts(f->d, 0, f->file.len, &part, 1), 0);
	}
}

static void a_file_that_is_no_gguf_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct kind same = SAME;
	want(f, &same);
	scratch_write(f->dir, "text", "GGUF and no more", 16);
	stored_file(f, path_join(f->dir, "text"), false);
	stored_file(f, path_join(f->dir, "tiny.gguf"), false);
	make(f);
	assert_int_equal(download_all(f), f->wanted.header_size);
}

/* ---- pieces ---- */

static void whole_pieces_of_another_kind_of_file_are_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	size_t size = 24 * MIB + 100;
	buf_init(&f->file, size);
	char *data = buf_reserve(&f->file, size);
	uint64_t x = 1;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)((x = x * 6364136223846793005U + 1442695040888963407U) >> 56);
	buf_commit(&f->file, size);
	scratch_write(f->dir, "new", data, size);
	CLEANUP(mem_free_ptr) char *path = path_join(f->dir, "new");
	assert_ok(manifest_create(path, NULL, NULL, &f->wanted, &e), &e);
	CLEANUP(mem_free_ptr) char *old = mem_alloc(size);
	memcpy(old, data, size);
	old[9 * MIB] ^= 1;
	scratch_write(f->dir, "old", old, size);
	stored_file(f, path_join(f->dir, "old"), true);
	make(f);
	assert_int_equal(download_all(f), 8 * MIB);
}

/* ---- the header ---- */

static void the_list_of_tensors_is_made_from_the_manifest_unless_a_type_is_not_known(void **state)
{
	struct fixture *f;
	struct kind before = SAME, after = SAME;
	before.odd = after.odd = true;
	after.template = "longer than before";
	for (int unknown = 0; unknown < 2; unknown++) {
		tear_down(state);
		set_up(state);
		f = *state;
		want(f, &after);
		if (unknown)
			strcpy(f->wanted.tensors[0].type, "?");
		store(f, "old", &before, true);
		make(f);
		read_header(f);
		assert_int_equal(download_all(f), unknown ? f->wanted.header_size : 0);
	}
}

static void a_changed_template_costs_a_few_kilobytes(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *template = mem_alloc(9000);
	memset(template, 'x', 8999);
	struct kind before = SAME, after = SAME;
	before.tokens = after.tokens = 150000;
	after.template = template;
	want(f, &after);
	assert_true(f->wanted.header_size > 4 * MIB);
	store(f, "old", &before, true);
	make(f);
	assert_in_range(delta_bytes(f->d), f->file.len - 64 * KIB, f->file.len - 1);
	read_header(f);
	assert_int_equal(delta_bytes(f->d), f->file.len);
	assert_int_equal(download_all(f), 0);
	assert_true(delta_received(f->d) < 40 * KIB);
	assert_int_equal(f->sources.at[0]->bytes, delta_received(f->d));
	assert_int_equal(f->sources.at[0]->wasted, 0);
	assert_nobody_is_blamed(f);
	assert_true(mirror_mem_calls(f->mirrors[0])->count < 8);
}

static void a_template_of_the_same_length_is_not_mistaken_for_the_older_one(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *a = mem_alloc(9000), *b = mem_alloc(9000);
	struct kind before = SAME, after = SAME;
	memset(a, 'a', 8999);
	memset(b, 'b', 8999);
	before.template = a;
	after.template = b;
	want(f, &after);
	store(f, "old", &before, false);
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), 0);
}

static void a_large_template_that_is_the_same_is_not_read(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *a = mem_alloc(60000);
	struct kind before = SAME, after = SAME;
	memset(a, 'a', 59999);
	before.template = after.template = a;
	before.down = "f32";
	want(f, &after);
	store(f, "variant", &before, true);
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), 2 * 2 * 256 * ROWS);
	assert_true(delta_received(f->d) < 40 * KIB);
}

static void another_vocabulary_is_downloaded(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.first_token = 5;
	want(f, &after);
	store(f, "old", &before, true);
	make(f);
	assert_int_equal(delta_bytes(f->d), f->file.len - f->wanted.header_size);
	read_header(f);
	assert_int_equal(delta_received(f->d), 0);
	assert_int_equal(download_all(f), f->wanted.header_size);
}

static void an_older_header_that_was_damaged_is_noticed_and_nobody_blamed(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "longer than before";
	want(f, &after);
	struct delta_file *file = store(f, "old", &before, true);
	FILE *damage = fopen(file->path, "r+b");
	assert_non_null(damage);
	assert_int_equal(fseek(damage, 50000, SEEK_SET), 0);
	assert_int_equal(fputc('X', damage), 'X');
	assert_int_equal(fclose(damage), 0);
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), f->wanted.header_size);
	assert_int_equal(f->sources.at[0]->wasted, delta_received(f->d));
	assert_int_equal(f->sources.at[0]->bytes, 0);
	assert_nobody_is_blamed(f);
}

static void another_mirror_is_asked_when_one_fails(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "longer than before";
	want(f, &after);
	store(f, "old", &before, true);
	mirror_mem_fault(f->mirrors[0], &(struct mem_fault){ .call = MEM_GET,
							     .skip = 1,
							     .times = 1000,
							     .harm = MEM_CUT,
							     .at = 10 });
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), 0);
	assert_true(f->sources.at[0]->wasted > 0);
	assert_true(f->sources.at[1]->bytes > 0);
	assert_nobody_is_blamed(f);
}

static void a_header_that_no_mirror_gives_in_parts_is_left_to_the_engine(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "longer than before";
	want(f, &after);
	store(f, "old", &before, true);
	for (size_t i = 0; i < ARRAY_LEN(f->mirrors); i++)
		mirror_mem_fault(f->mirrors[i],
				 &(struct mem_fault){ .call = MEM_GET, .times = 1000 });
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), f->wanted.header_size);
	assert_nobody_is_blamed(f);
}

/* A mirror that sends another header is found by the digest; nothing of it is kept. */
static void a_lying_mirror_gives_no_header(void **state)
{
	struct fixture *f = *state;
	struct kind before = SAME, after = SAME;
	after.template = "longer than before";
	want(f, &after);
	store(f, "old", &before, true);
	mirror_mem_fault(f->mirrors[0],
			 &(struct mem_fault){
				 .call = MEM_GET, .times = 1000, .harm = MEM_FLIP, .at = 40 });
	make(f);
	read_header(f);
	assert_int_equal(download_all(f), f->wanted.header_size);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tensors_that_moved_are_taken_from_the_older_file),
		TEST(without_a_manifest_the_tensors_are_hashed),
		TEST(another_variant_gives_the_tensors_of_the_same_type),
		TEST(several_files_complete_each_other),
		TEST(a_stranger_is_left_after_a_sample),
		TEST(padding_is_made_or_taken),
		TEST(a_short_part_between_two_downloads_is_downloaded),
		TEST(no_more_parts_are_given_than_there_is_room_for),
		TEST(a_delta_that_gave_a_wrong_piece_gives_no_more_parts),
		TEST(a_file_that_disappeared_or_changed_its_size_is_downloaded),
		TEST(a_file_that_is_no_gguf_is_passed_over),
		TEST(whole_pieces_of_another_kind_of_file_are_found),
		TEST(the_list_of_tensors_is_made_from_the_manifest_unless_a_type_is_not_known),
		TEST(a_changed_template_costs_a_few_kilobytes),
		TEST(a_template_of_the_same_length_is_not_mistaken_for_the_older_one),
		TEST(a_large_template_that_is_the_same_is_not_read),
		TEST(another_vocabulary_is_downloaded),
		TEST(an_older_header_that_was_damaged_is_noticed_and_nobody_blamed),
		TEST(another_mirror_is_asked_when_one_fails),
		TEST(a_header_that_no_mirror_gives_in_parts_is_left_to_the_engine),
		TEST(a_lying_mirror_gives_no_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
