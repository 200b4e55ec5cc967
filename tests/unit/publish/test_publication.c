#include "publish/push.h"

#include "mirror_mem.h"
#include "release.h"
#include "unit.h"
#include "util/mem.h"

#include <limits.h>

/* A mirror that makes visible later what was put, and notes when it is asked to. */
static struct {
	unsigned calls, shown;
	bool objects_there, timestamp_there; /* at the first call, and when it was shown */
	size_t others;                       /* files, of which */
	size_t there;                        /* are on the mirror */
	unsigned failures;                   /* to come */
	enum err_class class;
	bool changes;
} seen;

static int note(struct mirror_connection *c, const struct mirror_publication *p,
		struct mirror_findings *out, struct err *e)
{
	struct mirror_mem *s = c->mirror->state;
	bool timestamp = mirror_mem_object(s, "metadata/timestamp.json");
	seen.calls++;
	if (seen.failures && seen.failures--)
		return err_set(e, seen.class, "injected failure");
	if (!p->shown) {
		seen.objects_there = mirror_mem_object(s, "targets/models/m/same.gguf") &&
				     !timestamp;
		seen.others = p->other_count;
		seen.there = 0;
		for (size_t i = 0; i < p->other_count; i++)
			seen.there += p->others[i].there;
	}
	seen.shown += p->shown;
	seen.timestamp_there = timestamp;
	if (seen.changes)
		mirror_findings_add(out, "release", MIRROR_FINDING_CHANGED, "published");
	return 0;
}

struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store;
	struct mirror *handle;
	struct mirror_ops ops;
	struct push_mirror m;
	struct push_options o;
	struct push_result result;
	struct err e;
};

static struct world *world_new(void)
{
	struct world *w = NEW(struct world);
	memset(&seen, 0, sizeof seen);
	w->dir = scratch_new();
	release_make(w->dir, 1, false, &w->t);
	w->store = mirror_mem_new();
	w->handle = mirror_mem_open(w->store, "late");
	w->ops = *w->handle->ops;
	w->ops.publish = note;
	w->handle->ops = &w->ops;
	w->o = (struct push_options){ .threads = 1, .retry = &retry_thrice };
	return w;
}

static void world_free(struct world *w)
{
	push_mirror_release(&w->m);
	mirror_close(w->handle);
	mirror_mem_free(w->store);
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
}

static int push(struct world *w)
{
	push_mirror_release(&w->m);
	w->m = (struct push_mirror){ .id = "late", .mirror = w->handle };
	err_clear(&w->e);
	return push_run(&w->t, &w->m, 1, &w->o, &w->result, &w->e);
}

static void objects_are_published_before_the_release_is_shown(void **state)
{
	(void)state;
	struct world *w = world_new();
	assert_ok(push(w), &w->e);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.shown, 1);
	assert_true(seen.objects_there);
	assert_true(seen.timestamp_there);
	/* All but catalog.json and timestamp.json, and roots. */
	assert_in_range(seen.there, 1, seen.others - 2);
	world_free(w);
}

static void what_a_killed_run_has_not_published_is_published_by_the_next(void **state)
{
	(void)state;
	struct world *w = world_new();
	assert_ok(push(w), &w->e);
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m.outcome, PUSH_UP_TO_DATE);
	assert_false(w->result.changed);
	seen.changes = true;
	assert_ok(push(w), &w->e);
	assert_int_equal(w->m.outcome, PUSH_DONE);
	assert_int_equal(w->m.puts, 0);
	assert_true(w->result.changed);
	world_free(w);
}

static void publishing_is_tried_again_after_network_errors(void **state)
{
	(void)state;
	struct world *w = world_new();
	seen.failures = 2;
	seen.class = ERR_NETWORK;
	assert_ok(push(w), &w->e);
	assert_int_equal(seen.calls, 4);
	assert_int_equal(w->m.retries, 2);
	world_free(w);
}

static void a_conflict_keeps_the_release_from_being_shown(void **state)
{
	(void)state;
	struct world *w = world_new();
	unsigned version;
	seen.failures = 1;
	seen.class = ERR_CONFLICT;
	assert_int_equal(push(w), -ERR_CONFLICT);
	assert_int_equal(release_view(w->store, &version), VIEW_NOTHING);
	assert_int_equal(w->m.outcome, PUSH_FAILED);
	world_free(w);
}

static void nothing_is_published_without_the_quorum(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mirror_mem *store = mirror_mem_new();
	struct mirror *other = mirror_mem_open(store, "other");
	struct push_mirror both[] = {
		{ .id = "late", .mirror = w->handle, .holds = MIRROR_HOLDS_OBJECTS },
		{ .id = "other", .mirror = other },
	};
	mirror_mem_fault(store, &(struct mem_fault){ .call = MEM_PUT, .times = UINT_MAX });
	w->handle->holds = MIRROR_HOLDS_OBJECTS;
	assert_int_equal(push_run(&w->t, both, 2, &w->o, &w->result, &w->e), -ERR_NETWORK);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(both[0].outcome, PUSH_HELD_BACK);
	mirror_mem_mend(store);
	for (size_t i = 0; i < 2; i++) {
		push_mirror_release(&both[i]);
		both[i] = (struct push_mirror){ .id = both[i].id,
						.mirror = both[i].mirror,
						.holds = both[i].holds };
	}
	err_clear(&w->e);
	assert_ok(push_run(&w->t, both, 2, &w->o, &w->result, &w->e), &w->e);
	assert_int_equal(seen.calls, 1);
	for (size_t i = 0; i < 2; i++)
		push_mirror_release(&both[i]);
	mirror_close(other);
	mirror_mem_free(store);
	world_free(w);
}

static void a_dry_run_publishes_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->o.dry_run = true;
	assert_ok(push(w), &w->e);
	assert_int_equal(seen.calls, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_published_before_the_release_is_shown),
		cmocka_unit_test(what_a_killed_run_has_not_published_is_published_by_the_next),
		cmocka_unit_test(publishing_is_tried_again_after_network_errors),
		cmocka_unit_test(a_conflict_keeps_the_release_from_being_shown),
		cmocka_unit_test(nothing_is_published_without_the_quorum),
		cmocka_unit_test(a_dry_run_publishes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
