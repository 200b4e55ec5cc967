#include "publish/push.h"
#include "publish/verify.h"

#include "release.h"
#include "unit.h"
#include "util/mem.h"

#include <limits.h>

#define BEFORE_EXPIRY 1800000000 /* the releases expire in 2030 */
#define AFTER_EXPIRY 1900000000

/* A release on one mirror in memory; `blind` hides the digests that it tells. */
struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store;
	struct mirror *handle;
	struct mirror_ops ops;
	struct verify_mirror m;
	struct verify_options o;
	struct err e;
};

/* The mem kind's functions with the digests left out: what a plain web server knows. */
static const struct mirror_ops *seeing;

static int blind_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		      struct err *e)
{
	int rc = seeing->stat(c, key, out, e);
	out->has_sha256 = out->has_pieces_sha256 = false;
	return rc;
}

static struct world *world_new(bool big, bool blind)
{
	struct world *w = NEW(struct world);
	struct push_result result;
	struct push_options o = { .threads = 1, .retry = &retry_once };
	w->dir = scratch_new();
	release_make(w->dir, 1, big, &w->t);
	w->store = mirror_mem_new();
	w->handle = mirror_mem_open(w->store, "a");
	struct push_mirror pm = { .id = "a", .mirror = w->handle };
	assert_ok(push_run(&w->t, &pm, 1, &o, &result, &w->e), &w->e);
	push_mirror_release(&pm);
	if (blind) {
		seeing = w->handle->ops;
		w->ops = *seeing;
		w->ops.stat = blind_stat;
		w->ops.list = NULL;
		w->handle->ops = &w->ops;
		w->handle->can &= ~(unsigned)(MIRROR_CAN_SHA256 | MIRROR_CAN_PIECES_SHA256 |
					      MIRROR_CAN_LIST);
	}
	w->o = (struct verify_options){
		.now_s = BEFORE_EXPIRY,
		.threads = 1,
		.retry = &retry_once,
		.samples = 1,
		.seed = 1,
	};
	mirror_mem_forget_calls(w->store);
	return w;
}

static void world_free(struct world *w)
{
	verify_mirror_release(&w->m);
	if (w->handle->ops == &w->ops)
		w->handle->ops = seeing;
	mirror_close(w->handle);
	mirror_mem_free(w->store);
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
}

static int verify(struct world *w, enum verify_mode mode)
{
	verify_mirror_release(&w->m);
	w->m = (struct verify_mirror){ .id = "a", .mirror = w->handle, .holds = w->handle->holds };
	w->o.mode = mode;
	err_clear(&w->e);
	return verify_run(&w->t, &w->m, 1, &w->o, &w->e);
}

static const struct verify_file *file(const struct world *w, const char *key)
{
	const struct repository_file *f = tree_find(&w->t, key);
	assert_non_null(f);
	return &w->m.files[tree_index(&w->t, f)];
}

#define SAME "targets/models/m/same.gguf"

static void damage(struct world *w, const char *key, size_t at)
{
	const struct buf *b = mirror_mem_object(w->store, key);
	CLEANUP(mem_free_ptr) char *copy = mem_strndup(b->data, b->len);
	memcpy(copy, b->data, b->len);
	copy[at] = (char)~copy[at];
	mirror_mem_set(w->store, key, copy, b->len);
}

static void told_digests_make_quick_ok(void **state)
{
	(void)state;
	struct world *w = world_new(false, false);
	assert_ok(verify(w, VERIFY_QUICK), &w->e);
	assert_int_equal(w->m.verdicts[VERIFY_OK], RELEASE_FILES);
	assert_int_equal(file(w, SAME)->how, VERIFY_BY_DIGEST);
	assert_int_equal(file(w, "metadata/1.targets.json")->how, VERIFY_BY_BYTES);
	world_free(w);
}

static void a_size_alone_is_never_ok(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	assert_ok(verify(w, VERIFY_QUICK), &w->e);
	assert_int_equal(w->m.verdicts[VERIFY_UNVERIFIED], 3);
	assert_int_equal(w->m.verdicts[VERIFY_OK], RELEASE_FILES - 3);
	assert_int_equal(file(w, SAME)->verdict, VERIFY_UNVERIFIED);
	world_free(w);
}

static void quick_reads_no_object(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	assert_ok(verify(w, VERIFY_QUICK), &w->e);
	const struct str_list *calls = mirror_mem_calls(w->store);
	for (size_t i = 0; i < calls->count; i++)
		assert_false(str_starts(calls->at[i], "get targets/"));
	world_free(w);
}

static void missing_and_short_files_are_named(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	mirror_mem_remove(w->store, "targets/models/m/1.gguf");
	mirror_mem_set(w->store, SAME, "short", 5);
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_FAULT);
	assert_int_equal(file(w, "targets/models/m/1.gguf")->verdict, VERIFY_MISSING);
	assert_int_equal(file(w, SAME)->verdict, VERIFY_WRONG_SIZE);
	assert_int_equal(file(w, SAME)->actual_size, 5);
	assert_true(verify_is_bad(&w->m));
	world_free(w);
}

static void full_finds_the_piece_that_differs(void **state)
{
	(void)state;
	struct world *w = world_new(true, true);
	damage(w, RELEASE_BIG, 8 * MIB + 77);
	assert_ok(verify(w, VERIFY_QUICK), &w->e);
	assert_int_equal(verify(w, VERIFY_FULL), -ERR_FAULT);
	const struct verify_file *f = file(w, RELEASE_BIG);
	assert_int_equal(f->verdict, VERIFY_CORRUPT);
	assert_int_equal(f->audit.pieces, 2);
	assert_int_equal(f->audit.bad_count, 1);
	assert_int_equal(f->audit.bad[0].index, 1);
	assert_int_equal(f->audit.bad[0].offset, 8 * MIB);
	assert_int_equal(f->audit.bad[0].length, 5000);
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	verify_describe(f, &text);
	assert_string_equal(buf_str(&text), "piece 1 (bytes 8388608-8393607)");
	assert_int_equal(w->m.verdicts[VERIFY_CORRUPT], 1);
	world_free(w);
}

/* Of two pieces, a sample of one finds the damage in about half of the runs, and in the
 * same ones when repeated. */
static void sample_reads_what_the_seed_says(void **state)
{
	(void)state;
	struct world *w = world_new(true, true);
	unsigned found = 0;
	damage(w, RELEASE_BIG, 8 * MIB + 77);
	for (uint64_t seed = 0; seed < 16; seed++) {
		w->o.seed = seed;
		int first = verify(w, VERIFY_SAMPLE);
		const struct verify_file *f = file(w, RELEASE_BIG);
		assert_int_equal(f->audit.pieces, 1);
		assert_int_equal(f->how, VERIFY_BY_SAMPLE);
		assert_int_equal(verify(w, VERIFY_SAMPLE), first);
		found += first != 0;
	}
	assert_in_range(found, 2, 14);
	world_free(w);
}

static void sample_of_all_pieces_is_all_bytes(void **state)
{
	(void)state;
	struct world *w = world_new(true, true);
	w->o.samples = 9;
	assert_ok(verify(w, VERIFY_SAMPLE), &w->e);
	assert_int_equal(file(w, RELEASE_BIG)->how, VERIFY_BY_BYTES);
	assert_int_equal(file(w, SAME)->how, VERIFY_BY_BYTES);
	assert_int_equal(w->m.verdicts[VERIFY_UNVERIFIED], 0);
	world_free(w);
}

static void digest_that_differs_is_corrupt_without_reading(void **state)
{
	(void)state;
	struct world *w = world_new(false, false);
	damage(w, SAME, 2);
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_FAULT);
	assert_int_equal(file(w, SAME)->verdict, VERIFY_CORRUPT);
	assert_int_equal(file(w, SAME)->how, VERIFY_BY_DIGEST);
	world_free(w);
}

static void older_release_is_stale(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	struct tree newer;
	char *dir = scratch_new();
	release_make(dir, 2, false, &newer);
	verify_mirror_release(&w->m);
	w->m = (struct verify_mirror){ .id = "a", .mirror = w->handle };
	assert_int_equal(verify_run(&newer, &w->m, 1, &w->o, &w->e), -ERR_FAULT);
	assert_int_equal(w->m.release.state, RELEASE_OLDER);
	assert_int_equal(w->m.release.version, 1);
	/* timestamp.json and catalog.json */
	assert_int_equal(w->m.verdicts[VERIFY_STALE], 2);
	tree_release(&newer);
	scratch_free(dir);
	world_free(w);
}

static void newer_release_is_foreign(void **state)
{
	(void)state;
	static const char other[] =
		"{\"signed\":{\"version\":9,\"expires\":\"2031-01-01T00:00:00Z\"}}";
	struct world *w = world_new(false, true);
	mirror_mem_set(w->store, RELEASE_TIMESTAMP, other, strlen(other));
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_FAULT);
	assert_int_equal(file(w, RELEASE_TIMESTAMP)->verdict, VERIFY_FOREIGN);
	world_free(w);
}

static void damaged_metadata_is_corrupt_even_when_quick(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	damage(w, "metadata/1.snapshot.json", 20);
	mirror_mem_set(w->store, RELEASE_TIMESTAMP, "{", 1);
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_FAULT);
	assert_int_equal(file(w, "metadata/1.snapshot.json")->verdict, VERIFY_CORRUPT);
	assert_int_equal(file(w, RELEASE_TIMESTAMP)->verdict, VERIFY_CORRUPT);
	world_free(w);
}

static void expired_timestamp_is_bad(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	w->o.now_s = AFTER_EXPIRY;
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_FAULT);
	assert_true(w->m.expired);
	assert_int_equal(w->m.verdicts[VERIFY_OK], RELEASE_FILES - 3);
	world_free(w);
}

static void mirror_that_does_not_answer_is_unreachable(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	mirror_mem_fault(w->store, &(struct mem_fault){ .times = UINT_MAX });
	assert_int_equal(verify(w, VERIFY_QUICK), -ERR_NETWORK);
	assert_int_equal(w->m.verdicts[VERIFY_UNREACHABLE], RELEASE_FILES);
	assert_false(verify_is_bad(&w->m));
	assert_non_null(strstr(w->e.text, "could not be verified"));
	world_free(w);
}

/* What is proven to be bad outweighs what could not be asked. */
static void a_fault_outweighs_an_unreachable_mirror(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	struct verify_mirror both[2] = {
		{ .id = "a", .mirror = w->handle },
		{ .id = "gone", .error = { .class = ERR_NETWORK, .text = "no route" } },
	};
	mirror_mem_remove(w->store, SAME);
	assert_int_equal(verify_run(&w->t, both, 2, &w->o, &w->e), -ERR_FAULT);
	assert_int_equal(both[1].verdicts[VERIFY_UNREACHABLE], RELEASE_FILES);
	verify_mirror_release(&both[0]);
	verify_mirror_release(&both[1]);
	world_free(w);
}

static void reading_goes_on_where_it_broke_off(void **state)
{
	(void)state;
	struct world *w = world_new(true, true);
	w->o.retry = &retry_thrice;
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.key = RELEASE_BIG,
							.harm = MEM_CUT,
							.at = 8 * MIB + 100 });
	assert_ok(verify(w, VERIFY_FULL), &w->e);
	assert_int_equal(file(w, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_true(str_list_has(mirror_mem_calls(w->store), "get " RELEASE_BIG " 8388608 5000"));
	world_free(w);
}

static void without_a_manifest_the_whole_is_compared(void **state)
{
	(void)state;
	struct world *w = world_new(true, true);
	struct repository_file *big =
		&w->t.files.at[tree_index(&w->t, tree_find(&w->t, RELEASE_BIG))];
	free(big->manifest_key);
	big->manifest_key = NULL;
	w->o.retry = &retry_thrice;
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.key = RELEASE_BIG,
							.harm = MEM_CUT,
							.at = 8 * MIB + 100 });
	assert_ok(verify(w, VERIFY_FULL), &w->e);
	assert_int_equal(file(w, RELEASE_BIG)->verdict, VERIFY_OK);
	assert_true(str_list_has(mirror_mem_calls(w->store), "get " RELEASE_BIG " 8388608 5000"));
	damage(w, RELEASE_BIG, 9);
	assert_int_equal(verify(w, VERIFY_FULL), -ERR_FAULT);
	assert_int_equal(file(w, RELEASE_BIG)->verdict, VERIFY_CORRUPT);
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	verify_describe(file(w, RELEASE_BIG), &text);
	assert_string_equal(buf_str(&text), "the file as a whole");
	world_free(w);
}

static void one_unreadable_file_does_not_stop_the_rest(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	mirror_mem_fault(w->store,
			 &(struct mem_fault){ .call = MEM_GET, .key = SAME, .times = UINT_MAX });
	assert_int_equal(verify(w, VERIFY_FULL), -ERR_NETWORK);
	assert_int_equal(w->m.verdicts[VERIFY_UNREACHABLE], 1);
	assert_int_equal(w->m.verdicts[VERIFY_OK], RELEASE_FILES - 1);
	world_free(w);
}

static void only_what_is_held_is_judged(void **state)
{
	(void)state;
	struct world *w = world_new(false, true);
	w->handle->holds = MIRROR_HOLDS_OBJECTS;
	mirror_mem_remove(w->store, RELEASE_TIMESTAMP);
	assert_ok(verify(w, VERIFY_FULL), &w->e);
	assert_int_equal(w->m.verdicts[VERIFY_OK], 3);
	assert_int_equal(w->m.verdicts[VERIFY_NONE], RELEASE_FILES - 3);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_digests_make_quick_ok),
		cmocka_unit_test(a_size_alone_is_never_ok),
		cmocka_unit_test(quick_reads_no_object),
		cmocka_unit_test(missing_and_short_files_are_named),
		cmocka_unit_test(full_finds_the_piece_that_differs),
		cmocka_unit_test(sample_reads_what_the_seed_says),
		cmocka_unit_test(sample_of_all_pieces_is_all_bytes),
		cmocka_unit_test(digest_that_differs_is_corrupt_without_reading),
		cmocka_unit_test(older_release_is_stale),
		cmocka_unit_test(newer_release_is_foreign),
		cmocka_unit_test(damaged_metadata_is_corrupt_even_when_quick),
		cmocka_unit_test(expired_timestamp_is_bad),
		cmocka_unit_test(mirror_that_does_not_answer_is_unreachable),
		cmocka_unit_test(a_fault_outweighs_an_unreachable_mirror),
		cmocka_unit_test(reading_goes_on_where_it_broke_off),
		cmocka_unit_test(without_a_manifest_the_whole_is_compared),
		cmocka_unit_test(one_unreadable_file_does_not_stop_the_rest),
		cmocka_unit_test(only_what_is_held_is_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
