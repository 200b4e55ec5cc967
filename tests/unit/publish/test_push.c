#include "publish/push.h"

#include "mirror_conf.h"
#include "release.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <limits.h>
#include <stdio.h>

/* ---- helpers -------------------------------------------------------------------- */

#define MIRRORS 3

/* Two releases and up to three mirrors in memory. */
struct world {
	char *dir[3];
	struct tree release[3]; /* by version: 1 and 2 */
	struct mirror_mem *store[MIRRORS];
	struct mirror *handle[MIRRORS];
	struct push_mirror m[MIRRORS];
	size_t count;
	struct push_options o;
	struct push_result result;
	struct err e;
};

static const char *const ids[] = { "a", "b", "c" };

static struct world *world_new(size_t count)
{
	struct world *w = NEW(struct world);
	w->count = count;
	w->o = (struct push_options){ .threads = 1, .retry = &retry_once };
	for (unsigned v = 1; v <= 2; v++) {
		w->dir[v] = scratch_new();
		release_make(w->dir[v], v, false, &w->release[v]);
	}
	for (size_t i = 0; i < count; i++) {
		w->store[i] = mirror_mem_new();
		w->handle[i] = mirror_mem_open(w->store[i], ids[i]);
		w->m[i].holds = MIRROR_HOLDS_ALL;
	}
	return w;
}

static void world_free(struct world *w)
{
	for (unsigned v = 1; v <= 2; v++) {
		tree_release(&w->release[v]);
		scratch_free(w->dir[v]);
	}
	for (size_t i = 0; i < w->count; i++) {
		push_mirror_release(&w->m[i]);
		mirror_close(w->handle[i]);
		mirror_mem_free(w->store[i]);
	}
	free(w);
}

static int push(struct world *w, unsigned version)
{
	for (size_t i = 0; i < w->count; i++) {
		struct push_mirror *m = &w->m[i];
		push_mirror_release(m);
		*m = (struct push_mirror){
			.id = ids[i],
			.mirror = w->handle[i],
			.holds = m->holds,
			.stage = m->stage,
			.count_only = m->count_only,
		};
	}
	err_clear(&w->e);
	return push_run(&w->release[version], w->m, w->count, &w->o, &w->result, &w->e);
}

static void assert_view(const struct world *w, size_t i, enum release_view view, unsigned want)
{
	unsigned version;
	assert_int_equal(release_view(w->store[i], &version), view);
	if (view == VIEW_WHOLE)
		assert_int_equal(version, want);
}

static size_t puts_of(const struct world *w, size_t i, struct str_list *keys)
{
	const struct str_list *calls = mirror_mem_calls(w->store[i]);
	size_t n = 0;
	for (size_t k = 0; k < calls->count; k++)
		if (str_starts(calls->at[k], "put ")) {
			n++;
			if (keys)
				str_list_add(keys, calls->at[k] + 4);
		}
	return n;
}

static void forget(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		mirror_mem_forget_calls(w->store[i]);
}

static int rank(const char *key)
{
	return str_starts(key, "targets/")       ? 0
	       : !strcmp(key, "catalog.json")    ? 2
	       : !strcmp(key, RELEASE_TIMESTAMP) ? 3
						 : 1;
}

/* ---- order and idempotence ------------------------------------------------------ */

static void objects_first_timestamp_last(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct str_list keys = { 0 };
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(w->m[0].outcome, PUSH_DONE);
	assert_int_equal(w->m[0].puts, RELEASE_FILES);
	assert_int_equal(puts_of(w, 0, &keys), RELEASE_FILES);
	for (size_t i = 1; i < keys.count; i++)
		assert_true(rank(keys.at[i - 1]) <= rank(keys.at[i]));
	assert_string_equal(keys.at[keys.count - 1], RELEASE_TIMESTAMP);
	assert_view(w, 0, VIEW_WHOLE, 1);
	str_list_release(&keys);
	world_free(w);
}

static void second_push_writes_nothing(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	assert_ok(push(w, 1), &w->e);
	assert_true(w->result.changed);
	forget(w);
	assert_ok(push(w, 1), &w->e);
	assert_false(w->result.changed);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(w->m[i].outcome, PUSH_UP_TO_DATE);
		assert_int_equal(puts_of(w, i, NULL), 0);
	}
	world_free(w);
}

static void next_release_puts_only_what_is_new(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_ok(push(w, 1), &w->e);
	forget(w);
	assert_ok(push(w, 2), &w->e);
	/* Not the object that stayed, and not the root. */
	assert_int_equal(puts_of(w, 0, NULL), RELEASE_FILES - 2);
	assert_view(w, 0, VIEW_WHOLE, 2);
	world_free(w);
}

static void dry_run_writes_nothing_and_tells_the_plan(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->o.dry_run = true;
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(puts_of(w, 0, NULL), 0);
	assert_int_equal(w->m[0].outcome, PUSH_PLANNED);
	assert_int_equal(w->m[0].plan.puts, RELEASE_FILES);
	for (size_t i = 0; i < w->m[0].plan.count; i++) {
		assert_int_equal(w->m[0].plan.steps[i].action, STEP_PUT);
		assert_string_equal(push_step_reason(&w->m[0].plan.steps[i]), "missing");
	}
	world_free(w);
}

/* ---- interruption --------------------------------------------------------------- */

/* Whatever happens to the k-th put: the reader sees the old release,
 * and the next push does only the rest. */
static void interrupt_at_each_put(enum mem_harm harm)
{
	for (unsigned k = 0;; k++) {
		struct world *w = world_new(1);
		assert_ok(push(w, 1), &w->e);
		forget(w);
		mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT,
								   .skip = k,
								   .times = UINT_MAX,
								   .harm = harm });
		int rc = push(w, 2);
		if (rc == 0) {
			assert_int_equal(k, RELEASE_FILES - 2);
			world_free(w);
			return;
		}
		assert_int_equal(rc, -ERR_NETWORK);
		unsigned version;
		assert_int_equal(release_view(w->store[0], &version), VIEW_WHOLE);
		assert_int_equal(version, 1);
		mirror_mem_mend(w->store[0]);
		forget(w);
		assert_ok(push(w, 2), &w->e);
		assert_int_equal(puts_of(w, 0, NULL), RELEASE_FILES - 2 - k);
		assert_view(w, 0, VIEW_WHOLE, 2);
		world_free(w);
	}
}

static void interrupted_before_any_put(void **state)
{
	(void)state;
	interrupt_at_each_put(MEM_FAIL);
}

static void interrupted_within_any_put(void **state)
{
	(void)state;
	interrupt_at_each_put(MEM_CUT);
}

/* The mirror tells the digest of what it has: nothing is sent again. */
static void lost_answers_are_no_failure(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT,
							   .times = UINT_MAX,
							   .harm = MEM_AFTER });
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(puts_of(w, 0, NULL), RELEASE_FILES);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

/* A first push that is interrupted shows nothing at all. */
static void first_push_shows_nothing_until_the_end(void **state)
{
	(void)state;
	for (unsigned k = 0; k < RELEASE_FILES; k++) {
		struct world *w = world_new(1);
		mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT,
								   .skip = k,
								   .times = UINT_MAX });
		assert_int_equal(push(w, 1), -ERR_NETWORK);
		assert_view(w, 0, VIEW_NOTHING, 0);
		world_free(w);
	}
}

static void transient_faults_are_tried_again(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->o.retry = &retry_thrice;
	for (unsigned k = 0; k < RELEASE_FILES; k++)
		mirror_mem_fault(w->store[0],
				 &(struct mem_fault){ .call = MEM_PUT,
						      .skip = k,
						      .times = 1,
						      .harm = k % 2 ? MEM_FAIL : MEM_AFTER });
	assert_ok(push(w, 1), &w->e);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

struct meter {
	struct report report;
	uint64_t total;
	int64_t done;
};

static void measure(struct report *r, const struct report_event *event)
{
	struct meter *m = (struct meter *)r;
	if (event->kind == REPORT_BEGIN)
		m->total = event->total;
	if (event->kind == REPORT_ADVANCE)
		m->done += event->bytes;
}

static void progress_ends_at_the_total(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct meter meter = { .report = { measure } };
	w->o.retry = &retry_thrice;
	w->o.report = &meter.report;
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT,
							   .key = "targets/models/m/1.gguf",
							   .times = 2,
							   .harm = MEM_AFTER });
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(meter.total, w->m[0].put_bytes);
	assert_int_equal(meter.done, meter.total);
	world_free(w);
}

static void other_faults_are_not_tried_again(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	w->o.retry = &retry_thrice;
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT, .class = ERR_AUTH });
	assert_int_equal(push(w, 1), -ERR_AUTH);
	assert_int_equal(puts_of(w, 0, NULL), 1);
	world_free(w);
}

/* ---- several mirrors ------------------------------------------------------------ */

static void one_bad_mirror_holds_the_release_back(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	assert_ok(push(w, 1), &w->e);
	mirror_mem_fault(w->store[1], &(struct mem_fault){ .call = MEM_PUT,
							   .key = "targets/models/m/2.gguf",
							   .times = UINT_MAX });
	assert_int_equal(push(w, 2), -ERR_NETWORK);
	assert_non_null(strstr(w->e.text, "2 of the 3 required mirrors"));
	assert_int_equal(w->result.quorum, 3);
	assert_int_equal(w->result.holding, 2);
	assert_int_equal(w->m[0].outcome, PUSH_HELD_BACK);
	assert_int_equal(w->m[1].outcome, PUSH_FAILED);
	assert_int_equal(w->m[2].outcome, PUSH_HELD_BACK);
	for (size_t i = 0; i < 3; i++)
		assert_view(w, i, VIEW_WHOLE, 1);
	/* The others have all the objects already. */
	mirror_mem_mend(w->store[1]);
	forget(w);
	assert_ok(push(w, 2), &w->e);
	assert_int_equal(puts_of(w, 0, NULL), 2);
	for (size_t i = 0; i < 3; i++)
		assert_view(w, i, VIEW_WHOLE, 2);
	world_free(w);
}

static void with_a_quorum_the_others_go_on(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	w->o.threads = 3;
	assert_ok(push(w, 1), &w->e);
	w->o.quorum = 2;
	mirror_mem_fault(w->store[1], &(struct mem_fault){ .call = MEM_PUT,
							   .times = UINT_MAX,
							   .class = ERR_AUTH });
	assert_int_equal(push(w, 2), -ERR_AUTH);
	assert_non_null(strstr(w->e.text, "1 of 3 mirrors failed"));
	assert_int_equal(w->m[0].outcome, PUSH_DONE);
	assert_int_equal(w->m[1].outcome, PUSH_FAILED);
	assert_view(w, 0, VIEW_WHOLE, 2);
	assert_view(w, 1, VIEW_WHOLE, 1);
	assert_view(w, 2, VIEW_WHOLE, 2);
	world_free(w);
}

static void quorum_over_the_mirrors_is_refused(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->o.quorum = 3;
	assert_int_equal(push(w, 1), -ERR_USAGE);
	assert_int_equal(puts_of(w, 0, NULL), 0);
	assert_non_null(strstr(w->e.text, "quorum is 3"));
	world_free(w);
}

static void gravest_failure_decides(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT, .class = ERR_AUTH });
	mirror_mem_fault(w->store[2], &(struct mem_fault){ .call = MEM_STAT });
	assert_int_equal(push(w, 1), -ERR_AUTH);
	assert_non_null(strstr(w->e.text, "mirror a"));
	assert_int_equal(w->m[2].error.class, ERR_NETWORK);
	world_free(w);
}

static void parts_go_where_they_are_held(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	w->m[1].holds = MIRROR_HOLDS_OBJECTS;
	w->m[2].holds = MIRROR_HOLDS_METADATA;
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(puts_of(w, 0, NULL), RELEASE_FILES);
	assert_int_equal(puts_of(w, 1, NULL), 3);
	assert_int_equal(puts_of(w, 2, NULL), RELEASE_FILES - 2);
	assert_null(mirror_mem_object(w->store[1], RELEASE_TIMESTAMP));
	assert_null(mirror_mem_object(w->store[2], "targets/models/m/1.gguf"));
	assert_non_null(mirror_mem_object(w->store[2], "targets/1.catalog.json"));
	assert_int_equal(w->result.counted, 2);
	assert_int_equal(w->m[1].outcome, PUSH_DONE);
	world_free(w);
}

static void mirror_that_only_counts_is_not_written(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->o.quorum = 2;
	w->m[1].count_only = true;
	assert_int_equal(push(w, 1), -ERR_NOT_FOUND);
	assert_int_equal(puts_of(w, 1, NULL), 0);
	assert_view(w, 0, VIEW_NOTHING, 0);
	w->m[1].count_only = false;
	assert_ok(push(w, 1), &w->e);
	w->m[1].count_only = true;
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(w->m[1].outcome, PUSH_EXAMINED);
	assert_true(w->m[1].holds_objects);
	world_free(w);
}

/* ---- stage ---------------------------------------------------------------------- */

static void stage_shows_the_release_on_stage_only(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->m[1].stage = true;
	assert_ok(push(w, 1), &w->e);
	w->o.stage = true;
	assert_ok(push(w, 2), &w->e);
	assert_view(w, 0, VIEW_WHOLE, 1);
	assert_view(w, 1, VIEW_WHOLE, 2);
	assert_non_null(mirror_mem_object(w->store[0], "targets/models/m/2.gguf"));
	assert_int_equal(w->m[0].outcome, PUSH_OBJECTS_ONLY);
	/* Promotion sends the rest. */
	w->o.stage = false;
	forget(w);
	assert_ok(push(w, 2), &w->e);
	assert_int_equal(puts_of(w, 0, NULL), RELEASE_FILES - 2 - 2);
	assert_int_equal(puts_of(w, 1, NULL), 0);
	assert_view(w, 0, VIEW_WHOLE, 2);
	world_free(w);
}

static void failing_stage_protects_production(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	w->m[1].stage = true;
	assert_ok(push(w, 1), &w->e);
	mirror_mem_fault(w->store[1], &(struct mem_fault){ .call = MEM_PUT,
							   .key = RELEASE_TIMESTAMP,
							   .times = UINT_MAX });
	assert_int_equal(push(w, 2), -ERR_NETWORK);
	assert_view(w, 0, VIEW_WHOLE, 1);
	assert_int_equal(w->m[0].outcome, PUSH_HELD_BACK);
	assert_non_null(strstr(w->e.text, "stage mirror failed"));
	world_free(w);
}

/* ---- other publishers ----------------------------------------------------------- */

static void newer_release_is_a_conflict(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_ok(push(w, 2), &w->e);
	forget(w);
	assert_int_equal(push(w, 1), -ERR_CONFLICT);
	assert_non_null(strstr(w->e.text, "newer"));
	assert_int_equal(puts_of(w, 0, NULL), 0);
	assert_view(w, 0, VIEW_WHOLE, 2);
	world_free(w);
}

static void same_version_with_other_bytes_is_a_conflict(void **state)
{
	(void)state;
	static const char other[] =
		"{\"signed\":{\"version\":2,\"expires\":\"2031-01-01T00:00:00Z\"}}";
	struct world *w = world_new(1);
	mirror_mem_set(w->store[0], RELEASE_TIMESTAMP, other, strlen(other));
	assert_int_equal(push(w, 2), -ERR_CONFLICT);
	assert_int_equal(puts_of(w, 0, NULL), 0);
	world_free(w);
}

static void damaged_timestamp_is_replaced(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_ok(push(w, 1), &w->e);
	mirror_mem_set(w->store[0], RELEASE_TIMESTAMP, "{\"sig", 5);
	assert_ok(push(w, 1), &w->e);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

static void other_metadata_of_the_same_version_is_a_conflict(void **state)
{
	(void)state;
	static const char other[] =
		"{\"signed\":{\"version\":2,\"expires\":\"2031-01-01T00:00:00Z\"}}";
	struct world *w = world_new(1);
	assert_ok(push(w, 1), &w->e);
	mirror_mem_set(w->store[0], "metadata/2.targets.json", other, strlen(other));
	assert_int_equal(push(w, 2), -ERR_CONFLICT);
	assert_non_null(strstr(w->e.text, "2.targets.json"));
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

static void another_repository_is_a_conflict(void **state)
{
	(void)state;
	static const char other[] =
		"{\"signed\":{\"version\":1,\"expires\":\"2031-01-01T00:00:00Z\"}}";
	struct world *w = world_new(1);
	mirror_mem_set(w->store[0], "metadata/1.root.json", other, strlen(other));
	assert_int_equal(push(w, 1), -ERR_CONFLICT);
	assert_non_null(strstr(w->e.hint, "another repository"));
	world_free(w);
}

static void damaged_metadata_is_replaced(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_ok(push(w, 1), &w->e);
	mirror_mem_set(w->store[0], "metadata/1.targets.json", "not json", 8);
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(w->m[0].puts, 1);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

/* The other publisher is faster between our plan and our timestamp. */
struct racer {
	struct report report;
	struct mirror_mem *store;
	const struct tree *theirs;
};

static void race(struct report *r, const struct report_event *event)
{
	struct racer *racer = (struct racer *)r;
	if (event->kind != REPORT_BEGIN)
		return;
	const struct tree *t = racer->theirs;
	for (size_t i = 0; i < t->files.count; i++) {
		const struct buf *b = tree_small(t, &t->files.at[i]);
		if (b)
			mirror_mem_set(racer->store, t->files.at[i].key, b->data, b->len);
	}
}

static void lost_race_is_a_conflict(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	struct racer racer = { { race }, w->store[0], &w->release[2] };
	w->o.report = &racer.report;
	assert_int_equal(push(w, 1), -ERR_CONFLICT);
	struct buf const *b = mirror_mem_object(w->store[0], RELEASE_TIMESTAMP);
	assert_non_null(strstr(b->data, "\"version\": 2"));
	world_free(w);
}

/* Without conditions, another publisher's files are found by reading. */
static struct world *blind_world(void)
{
	struct world *w = world_new(1);
	w->handle[0]->can &= ~(unsigned)(MIRROR_CAN_CREATE_ONLY | MIRROR_CAN_REPLACE_IF);
	return w;
}

static void a_lost_race_is_found_without_conditions(void **state)
{
	(void)state;
	struct world *w = blind_world();
	struct racer racer = { { race }, w->store[0], &w->release[2] };
	w->o.report = &racer.report;
	assert_int_equal(push(w, 1), -ERR_CONFLICT);
	struct buf const *b = mirror_mem_object(w->store[0], RELEASE_TIMESTAMP);
	assert_non_null(strstr(b->data, "\"version\": 2"));
	world_free(w);
}

static void what_was_overwritten_at_once_is_found_without_conditions(void **state)
{
	(void)state;
	struct world *w = blind_world();
	/* Before it is written, there is no timestamp.json to be read. */
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_GET,
							   .key = RELEASE_TIMESTAMP,
							   .times = 1,
							   .harm = MEM_FLIP,
							   .at = 5 });
	assert_int_equal(push(w, 1), -ERR_CONFLICT);
	assert_non_null(strstr(w->m[0].error.text, "another publisher wrote at the same time"));
	world_free(w);
}

static void a_push_without_conditions_succeeds(void **state)
{
	(void)state;
	struct world *w = blind_world();
	assert_ok(push(w, 1), &w->e);
	assert_ok(push(w, 2), &w->e);
	assert_view(w, 0, VIEW_WHOLE, 2);
	world_free(w);
}

/* ---- what is wrong on mirrors, and here ------------------------------------------ */

static void wrong_objects_are_replaced(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	assert_ok(push(w, 1), &w->e);
	mirror_mem_set(w->store[0], "targets/models/m/1.gguf", "short", 5);
	mirror_mem_set(w->store[0], "targets/models/m/same.gguf", "The same in every release", 25);
	assert_ok(push(w, 1), &w->e);
	assert_int_equal(w->m[0].puts, 2);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

static void each_piece_is_read_once_for_all_mirrors(void **state)
{
	(void)state;
	struct world *w = world_new(3);
	uint64_t objects = 0;
	w->o.retry = &retry_thrice;
	mirror_mem_fault(w->store[1],
			 &(struct mem_fault){ .call = MEM_PIECE, .skip = 1, .times = 2 });
	assert_ok(push(w, 1), &w->e);
	for (size_t i = 0; i < w->release[1].files.count; i++)
		if (w->release[1].files.at[i].class == REPOSITORY_OBJECT)
			objects += w->release[1].files.at[i].size;
	assert_int_equal(w->result.source_bytes, objects);
	assert_int_equal(w->result.reread_bytes, 0);
	for (size_t i = 0; i < 3; i++)
		assert_view(w, i, VIEW_WHOLE, 1);
	world_free(w);
}

static void damage_on_the_way_is_noticed(void **state)
{
	(void)state;
	struct world *w = world_new(1);
	mirror_mem_fault(w->store[0], &(struct mem_fault){ .call = MEM_PUT,
							   .key = "targets/models/m/1.gguf",
							   .harm = MEM_FLIP,
							   .at = 3 });
	assert_int_equal(push(w, 1), -ERR_INTEGRITY);
	assert_view(w, 0, VIEW_NOTHING, 0);
	assert_ok(push(w, 1), &w->e);
	assert_view(w, 0, VIEW_WHOLE, 1);
	world_free(w);
}

static void damaged_local_object_is_never_published(void **state)
{
	(void)state;
	struct world *w = world_new(2);
	scratch_write(w->dir[1], "targets/models/m/1.gguf", "only in release X", 17);
	assert_int_equal(push(w, 1), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "targets/models/m/1.gguf"));
	for (size_t i = 0; i < 2; i++) {
		assert_null(mirror_mem_object(w->store[i], "targets/models/m/1.gguf"));
		assert_view(w, i, VIEW_NOTHING, 0);
	}
	scratch_write(w->dir[1], "targets/models/m/1.gguf", "longer", 6);
	assert_int_equal(push(w, 1), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "6 bytes instead of 17"));
	world_free(w);
}

static void piece_of_a_large_object_is_checked_before_it_leaves(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	struct tree t;
	struct tree_object o;
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(8 * MIB);
	release_make(dir, 1, true, &t);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, RELEASE_BIG);
	FILE *f = fopen(path, "r+");
	fseek(f, 8 * MIB + 10, SEEK_SET);
	fputc('!', f);
	fclose(f);
	const struct repository_file *big = tree_find(&t, RELEASE_BIG);
	assert_ok(tree_object_open(&t, big, &o, &e), &e);
	assert_int_equal(o.pieces.grid.count, 2);
	assert_ok(tree_object_read(&o, 0, data, &e), &e);
	assert_int_equal(tree_object_read(&o, 1, data, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "piece 1"));
	assert_non_null(strstr(e.text, RELEASE_BIG));
	tree_object_close(&o);
	tree_release(&t);
	scratch_free(dir);
}

/* ---- a mirror that tells no digest ----------------------------------------------- */

static struct mirror *folder(const char *dir)
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.f]\nkind = file\npath = %s\n", dir);
	return mirror_conf_open(text);
}

static void recorded_objects_are_not_read_again(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new(), *place = scratch_new();
	struct tree t;
	struct push_result result;
	struct mirror *m = folder(place);
	release_make(dir, 1, true, &t);
	struct push_options o = { .threads = 1, .retry = &retry_once, .record_dir = dir };
	struct push_mirror pm = { .id = "f", .mirror = m };
	assert_ok(push_run(&t, &pm, 1, &o, &result, &e), &e);
	assert_int_equal(pm.outcome, PUSH_DONE);
	push_mirror_release(&pm);

	pm = (struct push_mirror){ .id = "f", .mirror = m };
	assert_ok(push_run(&t, &pm, 1, &o, &result, &e), &e);
	assert_int_equal(pm.outcome, PUSH_UP_TO_DATE);
	assert_int_equal(pm.reads, 0);
	push_mirror_release(&pm);

	/* A change of the same size is noticed by its time. */
	scratch_write(place, "targets/models/m/1.gguf", "only in release 7", 17);
	pm = (struct push_mirror){ .id = "f", .mirror = m };
	assert_ok(push_run(&t, &pm, 1, &o, &result, &e), &e);
	assert_int_equal(pm.outcome, PUSH_DONE);
	assert_int_equal(pm.puts, 1);
	push_mirror_release(&pm);

	/* Without a record everything is read back once; nothing is written. */
	o.record_dir = NULL;
	pm = (struct push_mirror){ .id = "f", .mirror = m };
	assert_ok(push_run(&t, &pm, 1, &o, &result, &e), &e);
	assert_int_equal(pm.outcome, PUSH_UP_TO_DATE);
	assert_int_equal(pm.puts, 0);
	assert_true(pm.read_bytes > 8 * MIB);
	push_mirror_release(&pm);
	mirror_close(m);
	tree_release(&t);
	scratch_free(dir);
	scratch_free(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_first_timestamp_last),
		cmocka_unit_test(second_push_writes_nothing),
		cmocka_unit_test(next_release_puts_only_what_is_new),
		cmocka_unit_test(dry_run_writes_nothing_and_tells_the_plan),
		cmocka_unit_test(interrupted_before_any_put),
		cmocka_unit_test(interrupted_within_any_put),
		cmocka_unit_test(lost_answers_are_no_failure),
		cmocka_unit_test(first_push_shows_nothing_until_the_end),
		cmocka_unit_test(transient_faults_are_tried_again),
		cmocka_unit_test(progress_ends_at_the_total),
		cmocka_unit_test(other_faults_are_not_tried_again),
		cmocka_unit_test(one_bad_mirror_holds_the_release_back),
		cmocka_unit_test(with_a_quorum_the_others_go_on),
		cmocka_unit_test(quorum_over_the_mirrors_is_refused),
		cmocka_unit_test(gravest_failure_decides),
		cmocka_unit_test(parts_go_where_they_are_held),
		cmocka_unit_test(mirror_that_only_counts_is_not_written),
		cmocka_unit_test(stage_shows_the_release_on_stage_only),
		cmocka_unit_test(failing_stage_protects_production),
		cmocka_unit_test(newer_release_is_a_conflict),
		cmocka_unit_test(same_version_with_other_bytes_is_a_conflict),
		cmocka_unit_test(damaged_timestamp_is_replaced),
		cmocka_unit_test(other_metadata_of_the_same_version_is_a_conflict),
		cmocka_unit_test(another_repository_is_a_conflict),
		cmocka_unit_test(damaged_metadata_is_replaced),
		cmocka_unit_test(lost_race_is_a_conflict),
		cmocka_unit_test(a_lost_race_is_found_without_conditions),
		cmocka_unit_test(what_was_overwritten_at_once_is_found_without_conditions),
		cmocka_unit_test(a_push_without_conditions_succeeds),
		cmocka_unit_test(wrong_objects_are_replaced),
		cmocka_unit_test(each_piece_is_read_once_for_all_mirrors),
		cmocka_unit_test(damage_on_the_way_is_noticed),
		cmocka_unit_test(damaged_local_object_is_never_published),
		cmocka_unit_test(piece_of_a_large_object_is_checked_before_it_leaves),
		cmocka_unit_test(recorded_objects_are_not_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
