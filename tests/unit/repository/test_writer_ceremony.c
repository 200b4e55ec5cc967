#include "repository/writer/published.h"
#include "publisher.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

enum { ALICE = SPARE, BOB, CAROL, NEW };
static const char *const roles[] = { [SNAPSHOT] = "snapshot", [TIMESTAMP] = "timestamp" };

static struct writer *open_tree(const char *tree)
{
	struct writer *w;
	struct err e = ERR_INIT;
	assert_ok(writer_open(tree, NULL, NOW, &w, &e), &e);
	return w;
}

static struct writer_saved save(struct writer *w, struct signer *const *signers, size_t count)
{
	struct writer_saved saved = publisher_save(w, signers, count);
	writer_close(w);
	return saved;
}

/* A published tree whose root is held by ROOT. */
static int set_up(void **state)
{
	publisher_set_up(state);
	struct publisher *f = *state;
	struct writer *w = open_tree(f->tree);
	publisher_add_keys(f, w);
	assert_true(save(w, f->keys, 4).published);
	return 0;
}

/* Alice, Bob and Carol in place of the first key, two of them enough. */
static void propose(struct publisher *f)
{
	struct err e = ERR_INIT;
	struct writer *w = open_tree(f->tree);
	for (size_t i = ALICE; i <= CAROL; i++)
		assert_ok(writer_key_add(w, "root", f->keys[i]->key, &e), &e);
	assert_ok(writer_key_remove(w, "root", f->keys[ROOT]->key->id, &e), &e);
	assert_ok(writer_set_threshold(w, "root", 2, &e), &e);
	assert_false(save(w, &f->keys[ROOT], 1).published);
}

static void copy_folder(struct publisher *f, const char *copy, const char *folder)
{
	CLEANUP(mem_free_ptr) char *from = path_join(f->tree, folder);
	CLEANUP(mem_free_ptr) char *base = path_join(f->dir, copy);
	CLEANUP(mem_free_ptr) char *to = path_join(base, folder);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err e = ERR_INIT;
	assert_ok(file_list_dir(from, &names, &e), &e);
	assert_ok(file_mkdirs(to, 0755, &e), &e);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *a = path_join(from, names.at[i]);
		CLEANUP(mem_free_ptr) char *b = path_join(to, names.at[i]);
		assert_ok(file_copy(a, b, 0644, NULL, &e), &e);
	}
}

/* Somebody signs on a copy; the caller frees its path. */
static char *signed_copy(struct publisher *f, const char *name, size_t key)
{
	copy_folder(f, name, "metadata");
	copy_folder(f, name, "drafts");
	char *copy = path_join(f->dir, name);
	save(open_tree(copy), &f->keys[key], 1);
	return copy;
}

static size_t merge(struct writer *w, const char *path)
{
	size_t signatures;
	struct err e = ERR_INIT;
	assert_ok(writer_merge(w, path, &signatures, &e), &e);
	return signatures;
}

static void copies_are_merged(void **state)
{
	struct publisher *f = *state;
	propose(f);
	CLEANUP(mem_free_ptr) char *a = signed_copy(f, "alice", ALICE);
	CLEANUP(mem_free_ptr) char *b = signed_copy(f, "bob", BOB);
	struct writer *w = open_tree(f->tree);
	assert_int_equal(merge(w, a), 1);
	assert_int_equal(merge(w, a), 0);
	assert_false(save(w, NULL, 0).published);
	w = open_tree(f->tree);
	assert_int_equal(merge(w, b), 1);
	struct writer_saved saved = save(w, NULL, 0);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 0);
	/* What is published already is found, and adds nothing. */
	w = open_tree(f->tree);
	assert_int_equal(merge(w, b), 0);
	writer_close(w);
}

static void a_copy_that_published_gives_its_signatures(void **state)
{
	struct publisher *f = *state;
	propose(f);
	CLEANUP(mem_free_ptr) char *copy = signed_copy(f, "stick", ALICE);
	assert_true(save(open_tree(copy), &f->keys[BOB], 1).published);
	struct writer *w = open_tree(f->tree);
	assert_int_equal(merge(w, copy), 2);
	assert_true(save(w, NULL, 0).published);
}

/* Copied over the tree instead of merged: the draft that stayed is done. */
static void a_draft_of_what_is_published_is_tidied_up(void **state)
{
	struct publisher *f = *state;
	propose(f);
	CLEANUP(mem_free_ptr) char *copy = signed_copy(f, "stick", ALICE);
	assert_true(save(open_tree(copy), &f->keys[BOB], 1).published);
	CLEANUP(mem_free_ptr) char *from = path_join(copy, "metadata/2.root.json");
	CLEANUP(mem_free_ptr) char *to = path_join(f->tree, "metadata/2.root.json");
	struct err e = ERR_INIT;
	assert_ok(file_copy(from, to, 0644, NULL, &e), &e);
	struct writer *w = open_tree(f->tree);
	assert_false(writer_changed(w));
	writer_close(w);
}

static void other_documents_are_not_merged(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	size_t merged;
	propose(f);
	CLEANUP(mem_free_ptr) char *copy = signed_copy(f, "stick", ALICE);
	struct writer *w = open_tree(f->tree);
	assert_ok(writer_set_threshold(w, "root", 3, &e), &e);
	assert_int_equal(writer_merge(w, copy, &merged, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "version 2 of root differs from the one that waits here"));
	writer_close(w);
	struct err none = ERR_INIT;
	w = open_tree(f->tree);
	assert_int_equal(writer_merge(w, f->dir, &merged, &none), -ERR_NOT_FOUND);
	writer_close(w);
}

/* New keys that wait for root's people must not keep cron from its work. */
static void refresh_goes_on_while_new_online_keys_wait(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct writer *w = open_tree(f->tree);
	for (size_t i = SNAPSHOT; i <= TIMESTAMP; i++) {
		assert_ok(writer_key_add(w, roles[i], f->keys[NEW]->key, &e), &e);
		assert_ok(writer_key_remove(w, roles[i], f->keys[i]->key->id, &e), &e);
	}
	assert_int_equal(save(w, NULL, 0).waiting, 1);
	w = open_tree(f->tree);
	assert_ok(writer_touch(w, "snapshot", &e), &e);
	assert_ok(writer_touch(w, "timestamp", &e), &e);
	struct writer_saved saved = save(w, &f->keys[SNAPSHOT], 2);
	assert_true(saved.timestamp);
	assert_false(saved.published);
	w = open_tree(f->tree);
	const struct writer_statuses *all;
	assert_ok(writer_status(w, &all, &e), &e);
	assert_string_equal(all->at[3].role, "timestamp");
	assert_false(all->at[3].waiting);
	assert_int_equal(all->at[3].version, 2);
	assert_int_equal(all->at[3].valid, 1);
	/* With root's signature the new key signs what is to be in force then. */
	struct signer *both[] = { f->keys[ROOT], f->keys[NEW] };
	assert_true(save(w, both, 2).published);
}

static void touch_online(struct writer *w)
{
	struct err e = ERR_INIT;
	assert_ok(writer_touch(w, "snapshot", &e), &e);
	assert_ok(writer_touch(w, "timestamp", &e), &e);
}

/* Root has its signatures, and the new keys are on another machine than cron's. */
static void refresh_goes_on_until_new_online_keys_are_there(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct writer *w = open_tree(f->tree);
	for (size_t i = SNAPSHOT; i <= TIMESTAMP; i++) {
		assert_ok(writer_key_add(w, roles[i], f->keys[NEW]->key, &e), &e);
		assert_ok(writer_key_remove(w, roles[i], f->keys[i]->key->id, &e), &e);
	}
	struct writer_saved saved = save(w, &f->keys[ROOT], 1);
	assert_false(saved.timestamp);
	for (unsigned i = 2; i <= 3; i++) {
		w = open_tree(f->tree);
		touch_online(w);
		saved = save(w, &f->keys[SNAPSHOT], 2);
		assert_true(saved.timestamp);
		assert_false(saved.targets);
		assert_int_equal(saved.signatures, 2);
		assert_int_equal(saved.waiting, 1);
		w = open_tree(f->tree);
		assert_int_equal(writer_version(w, "timestamp"), i);
		assert_int_equal(writer_version(w, "root"), 1);
		writer_close(w);
	}
	/* One of the two keys is not enough for either of them. */
	w = open_tree(f->tree);
	touch_online(w);
	assert_false(save(w, &f->keys[SNAPSHOT], 1).timestamp);
	w = open_tree(f->tree);
	touch_online(w);
	assert_true(save(w, &f->keys[NEW], 1).published);
	w = open_tree(f->tree);
	assert_int_equal(writer_version(w, "root"), 2);
	writer_close(w);
}

/* A key that several roles have signs only what it was asked for. */
static void a_save_can_be_limited(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct signer *all[] = { f->keys[ROOT], f->keys[TARGETS], f->keys[SNAPSHOT],
				 f->keys[TIMESTAMP] };
	struct writer *w = open_tree(f->tree);
	assert_ok(writer_touch(w, "targets", &e), &e);
	assert_ok(writer_touch(w, "root", &e), &e);
	writer_limit(w, (const char *const[]){ "root" }, 1);
	struct writer_saved saved = save(w, all, 4);
	assert_int_equal(saved.waiting, 1);
	assert_false(saved.targets);
	w = open_tree(f->tree);
	assert_int_equal(writer_version(w, "root"), 2);
	assert_true(writer_waits(w, "targets"));
	touch_online(w);
	writer_limit(w, NULL, 0);
	saved = save(w, all, 4);
	assert_true(saved.timestamp);
	assert_int_equal(saved.waiting, 1);
	w = open_tree(f->tree);
	assert_true(save(w, all, 4).targets);
}

/* A publication that was killed between root and timestamp. */
static void what_is_not_vouched_for_is_signed_again(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *timestamp = path_join(f->tree, "metadata/timestamp.json");
	CLEANUP(buf_release) struct buf old = BUF_INIT(MIB);
	struct published tree = { 0 };
	assert_ok(file_read_all(timestamp, &old, &e), &e);
	struct writer *w = open_tree(f->tree);
	assert_ok(writer_key_add(w, "timestamp", f->keys[NEW]->key, &e), &e);
	assert_ok(writer_key_remove(w, "timestamp", f->keys[TIMESTAMP]->key->id, &e), &e);
	struct signer *both[] = { f->keys[ROOT], f->keys[NEW] };
	assert_true(save(w, both, 2).published);
	assert_ok(file_write_atomic(timestamp, old.data, old.len, 0644, &e), &e);
	CLEANUP(mem_free_ptr) char *metadata = path_join(f->tree, "metadata");
	assert_int_equal(published_load(metadata, &tree, &e), -ERR_INTEGRITY);
	err_clear(&e);
	assert_ok(published_load_partial(metadata, &tree, &e), &e);
	/* Success leaves no word of the roots that did not fit. */
	assert_int_equal(e.class, ERR_NONE);
	published_release(&tree);
	w = open_tree(f->tree);
	assert_false(writer_changed(w));
	assert_true(writer_repair(w));
	assert_false(writer_repair(w));
	assert_true(writer_waits(w, "timestamp"));
	assert_true(save(w, &f->keys[NEW], 1).published);
	assert_ok(published_load(metadata, &tree, &e), &e);
	published_release(&tree);
}

static void a_waiting_root_says_what_it_changes(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const struct writer_statuses *all;
	propose(f);
	struct writer *w = open_tree(f->tree);
	assert_ok(writer_key_add(w, "timestamp", f->keys[NEW]->key, &e), &e);
	assert_ok(writer_status(w, &all, &e), &e);
	assert_int_equal(all->changes.count, 2);
	assert_string_equal(all->changes.at[0].role, "root");
	assert_int_equal(all->changes.at[0].added.count, 3);
	assert_int_equal(all->changes.at[0].removed.count, 1);
	assert_string_equal(all->changes.at[0].removed.at[0], f->keys[ROOT]->key->id);
	assert_int_equal(all->changes.at[0].old_threshold, 1);
	assert_int_equal(all->changes.at[0].threshold, 2);
	assert_string_equal(all->changes.at[1].role, "timestamp");
	assert_int_equal(all->changes.at[1].removed.count, 0);
	assert_int_equal(all->at[0].old_keyids.count, 1);
	CLEANUP(str_list_release) struct str_list signers = { 0 }, keys = { 0 };
	writer_signers(w, "root", &signers);
	assert_int_equal(signers.count, 4);
	assert_ok(writer_keys(w, "root", &keys, &e), &e);
	assert_int_equal(keys.count, 3);
	assert_int_equal(writer_keys(w, "boot", &keys, &e), -ERR_USAGE);
	writer_close(w);
}

static void drafts_that_do_not_open_can_be_discarded(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct writer *w;
	propose(f);
	CLEANUP(mem_free_ptr) char *draft = path_join(f->tree, "drafts/root.json");
	assert_ok(file_write_atomic(draft, "{", 1, 0644, &e), &e);
	assert_int_equal(writer_open(f->tree, NULL, NOW, &w, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.hint, "discard"));
	CLEANUP(str_list_release) struct str_list removed = { 0 };
	struct err again = ERR_INIT;
	assert_ok(writer_discard(f->tree, &removed, &again), &again);
	assert_int_equal(removed.count, 1);
	assert_string_equal(removed.at[0], "root");
	writer_close(open_tree(f->tree));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, publisher_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(copies_are_merged),
		TEST(a_copy_that_published_gives_its_signatures),
		TEST(a_draft_of_what_is_published_is_tidied_up),
		TEST(other_documents_are_not_merged),
		TEST(refresh_goes_on_while_new_online_keys_wait),
		TEST(refresh_goes_on_until_new_online_keys_are_there),
		TEST(a_save_can_be_limited),
		TEST(what_is_not_vouched_for_is_signed_again),
		TEST(a_waiting_root_says_what_it_changes),
		TEST(drafts_that_do_not_open_can_be_discarded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
