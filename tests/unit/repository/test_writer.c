#include "publisher.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

enum { OTHER = SPARE, EXTRA };

/* One key for each role, one target, all published. */
static void publish_first(struct publisher *f)
{
	struct writer *w = publisher_open(f, NOW);
	assert_false(writer_has_root(w));
	publisher_add_keys(f, w);
	publisher_set(w, "targets", "models/a/a.gguf", "hello");
	struct writer_saved saved = publisher_save(w, f->keys, 4);
	assert_true(saved.published);
	assert_true(saved.timestamp);
	assert_int_equal(saved.signatures, 4);
	assert_int_equal(saved.waiting, 0);
	writer_close(w);
}

static void assert_versions(struct publisher *f, int64_t now_s, uint64_t root, uint64_t timestamp,
			    uint64_t snapshot, uint64_t targets)
{
	struct tuf_client *c;
	struct tuf_role_state state[4];
	struct err e = ERR_INIT;
	assert_ok(publisher_read(f, now_s, &c, &e), &e);
	assert_int_equal(tuf_client_state(c, state), 4);
	assert_int_equal(state[0].version, root);
	assert_int_equal(state[1].version, timestamp);
	assert_int_equal(state[2].version, snapshot);
	assert_int_equal(state[3].version, targets);
	tuf_client_close(c);
}

/* -- tests ----------------------------------------------------------------------------- */

static void a_client_reads_what_was_published(void **state)
{
	struct publisher *f = *state;
	struct tuf_client *c;
	struct tuf_target t;
	struct digest want;
	struct err e = ERR_INIT;
	publish_first(f);
	assert_ok(publisher_read(f, NOW, &c, &e), &e);
	assert_ok(tuf_client_target(c, "models/a/a.gguf", &t, &e), &e);
	sha256_of("hello", 5, &want);
	assert_int_equal(t.length, 5);
	assert_true(digest_equal(&t.sha256, &want));
	assert_null(t.custom);
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *name = tuf_client_target_name(c, "models/a/a.gguf", &t);
	CLEANUP(mem_free_ptr) char *expected = mem_printf("models/a/%s.a.gguf",
							  digest_hex(hex, &want));
	assert_string_equal(name, expected);
	assert_int_equal(tuf_client_target(c, "models/b/b.gguf", &t, &e), -ERR_NOT_FOUND);
	tuf_client_close(c);
}

static void only_what_changed_gets_a_new_version(void **state)
{
	struct publisher *f = *state;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	publisher_set(w, "targets", "models/a/a.gguf", "hello");
	assert_false(writer_changed(w));
	struct writer_saved saved = publisher_save(w, f->keys, 4);
	assert_true(saved.published);
	assert_false(saved.timestamp);
	assert_int_equal(saved.signatures, 0);
	publisher_set(w, "targets", "models/a/a.gguf", "hello 2");
	assert_true(writer_changed(w));
	saved = publisher_save(w, f->keys, 4);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 3);
	writer_close(w);
	assert_versions(f, NOW, 1, 2, 2, 2);
}

static void refresh_needs_the_online_keys_only(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW + 10 * DAY);
	assert_ok(writer_touch(w, "snapshot", &e), &e);
	assert_ok(writer_touch(w, "timestamp", &e), &e);
	struct writer_saved saved = publisher_save(w, f->keys + SNAPSHOT, 2);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 2);
	writer_close(w);
	/* The first timestamp would have expired by then. */
	assert_versions(f, NOW + 20 * DAY, 1, 2, 2, 1);
}

static void refresh_goes_on_while_a_change_waits(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	publisher_set(w, "targets", "models/b/b.gguf", "b");
	struct writer_saved saved = publisher_save(w, NULL, 0);
	assert_false(saved.published);
	assert_int_equal(saved.waiting, 1);
	writer_close(w);
	w = publisher_open(f, NOW + DAY);
	assert_true(writer_changed(w));
	assert_ok(writer_touch(w, "timestamp", &e), &e);
	saved = publisher_save(w, f->keys + SNAPSHOT, 2);
	assert_false(saved.published);
	assert_true(saved.timestamp);
	writer_close(w);
	assert_versions(f, NOW + DAY, 1, 2, 1, 1);
	w = publisher_open(f, NOW + 2 * DAY);
	saved = publisher_save(w, f->keys, 4);
	assert_true(saved.published);
	writer_close(w);
	assert_versions(f, NOW + 2 * DAY, 1, 3, 2, 2);
}

static void signatures_are_gathered_one_at_a_time(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	/* Two of three for root and targets. */
	struct writer *w = publisher_open(f, NOW);
	for (size_t i = 0; i < 2; i++) {
		const char *role = i ? "targets" : "root";
		assert_ok(writer_key_add(w, role, f->keys[EXTRA]->key, &e), &e);
		assert_ok(writer_key_add(w, role, f->keys[OTHER]->key, &e), &e);
		assert_ok(writer_set_threshold(w, role, 2, &e), &e);
	}
	struct writer_saved saved = publisher_save(w, f->keys, 4);
	assert_false(saved.published);
	assert_false(saved.timestamp);
	/* Targets has one valid signature of two now, so it is renewed as well. */
	assert_int_equal(saved.waiting, 2);
	assert_int_equal(saved.signatures, 2);
	writer_close(w);
	assert_versions(f, NOW, 1, 1, 1, 1);

	w = publisher_open(f, NOW);
	const struct writer_statuses *all;
	assert_ok(writer_status(w, &all, &e), &e);
	assert_string_equal(all->at[0].role, "root");
	assert_true(all->at[0].waiting);
	assert_int_equal(all->at[0].version, 2);
	assert_int_equal(all->at[0].published, 1);
	assert_int_equal(all->at[0].threshold, 2);
	assert_int_equal(all->at[0].valid, 1);
	assert_int_equal(all->at[0].old_threshold, 1);
	assert_int_equal(all->at[0].old_valid, 1);
	assert_int_equal(all->at[0].keyids.count, 3);
	assert_true(str_list_has(&all->at[0].signed_by, f->keys[ROOT]->key->id));
	/* A key that is listed nowhere is of no use. */
	struct err why = ERR_INIT;
	struct privkey *stranger;
	assert_ok(privkey_new(PRIVKEY_ED25519, &stranger, &e), &e);
	CLEANUP_PTR(signer_free) struct signer *nobody = privkey_signer(stranger, "nobody.pem");
	assert_int_equal(writer_save(w, &nobody, 1, &saved, &why), -ERR_USAGE);
	assert_non_null(strstr(why.text, "root needs one of the keys"));
	writer_close(w);

	/* The second person has one of the keys; the rest follows by itself. */
	w = publisher_open(f, NOW);
	saved = publisher_save(w, &f->keys[OTHER], 1);
	assert_false(saved.published);
	assert_int_equal(saved.signatures, 2);
	writer_close(w);
	w = publisher_open(f, NOW);
	saved = publisher_save(w, f->keys + SNAPSHOT, 2);
	assert_true(saved.published);
	writer_close(w);
	assert_versions(f, NOW, 2, 2, 2, 2);
}

static void a_status_is_computed_once_until_something_changes(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const struct writer_statuses *first, *second;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_status(w, &first, &e), &e);
	const struct writer_status *lines = first->at;
	assert_ok(writer_status(w, &second, &e), &e);
	assert_ptr_equal(second->at, lines);
	assert_false(writer_status_of(second, "targets")->waiting);
	/* Not one of these is missed. */
	publisher_set(w, "targets", "models/b/b.gguf", "b");
	assert_ok(writer_status(w, &second, &e), &e);
	assert_true(writer_status_of(second, "targets")->waiting);
	assert_int_equal(writer_status_of(second, "targets")->valid, 0);
	bool complete;
	assert_ok(writer_sign(w, "targets", f->keys, 4, &complete, &e), &e);
	assert_ok(writer_status(w, &second, &e), &e);
	assert_int_equal(writer_status_of(second, "targets")->valid, 1);
	publisher_save(w, f->keys, 4);
	assert_ok(writer_status(w, &second, &e), &e);
	assert_false(writer_status_of(second, "targets")->waiting);
	assert_int_equal(writer_status_of(second, "targets")->published, 2);
	assert_ok(writer_key_add(w, "root", f->keys[OTHER]->key, &e), &e);
	assert_ok(writer_status(w, &second, &e), &e);
	assert_int_equal(writer_status_of(second, "root")->keyids.count, 2);
	writer_close(w);
}

static void a_new_root_needs_the_old_keys(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_key_add(w, "root", f->keys[OTHER]->key, &e), &e);
	assert_ok(writer_key_remove(w, "root", f->keys[ROOT]->key->id, &e), &e);
	struct writer_saved saved = publisher_save(w, &f->keys[OTHER], 1);
	assert_false(saved.published);
	writer_close(w);
	assert_versions(f, NOW, 1, 1, 1, 1);
	w = publisher_open(f, NOW);
	saved = publisher_save(w, &f->keys[ROOT], 1);
	assert_true(saved.published);
	writer_close(w);
	/* Nothing below root had to be signed anew. */
	assert_versions(f, NOW, 2, 1, 1, 1);
	/* From now on the new key alone signs. */
	w = publisher_open(f, NOW);
	assert_ok(writer_touch(w, "root", &e), &e);
	assert_true(publisher_save(w, &f->keys[OTHER], 1).published);
	writer_close(w);
	assert_versions(f, NOW, 3, 1, 1, 1);
}

static void rotated_online_keys_sign_anew(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	assert_versions(f, NOW, 1, 1, 1, 1);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_key_add(w, "timestamp", f->keys[EXTRA]->key, &e), &e);
	assert_ok(writer_key_remove(w, "timestamp", f->keys[TIMESTAMP]->key->id, &e), &e);
	/* Without the new key nothing of it may be published. */
	struct writer_saved saved = publisher_save(w, f->keys, 4);
	assert_false(saved.timestamp);
	writer_close(w);
	assert_versions(f, NOW, 1, 1, 1, 1);
	w = publisher_open(f, NOW);
	assert_true(publisher_save(w, &f->keys[EXTRA], 1).published);
	writer_close(w);
	assert_versions(f, NOW, 2, 2, 1, 1);
}

static void an_interrupted_publication_is_completed(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	CLEANUP(mem_free_ptr) char *timestamp = path_join(f->metadata, "timestamp.json");
	CLEANUP(mem_free_ptr) char *kept = path_join(f->dir, "kept");
	assert_ok(file_copy(timestamp, kept, 0644, NULL, &e), &e);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_key_add(w, "timestamp", f->keys[EXTRA]->key, &e), &e);
	assert_ok(writer_key_remove(w, "timestamp", f->keys[TIMESTAMP]->key->id, &e), &e);
	publisher_set(w, "targets", "models/b/b.gguf", "b");
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	/* As if the power had gone before the last step. */
	assert_ok(file_copy(kept, timestamp, 0644, NULL, &e), &e);
	struct published t;
	assert_int_equal(published_load(f->metadata, &t, &e), -ERR_INTEGRITY);
	w = publisher_open(f, NOW);
	publisher_set(w, "targets", "models/c/c.gguf", "c");
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	assert_versions(f, NOW, 2, 2, 2, 2);
}

static void delegated_roles_are_published(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const char *paths[] = { "models/community/*/*" };
	const struct tuf_key *keys[] = { f->keys[EXTRA]->key };
	struct writer_delegation d = {
		.name = "community-a",
		.paths = paths,
		.path_count = 1,
		.threshold = 1,
		.keys = keys,
		.key_count = 1,
	};
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_delegate(w, &d, &e), &e);
	publisher_set(w, d.name, "models/community/x/x.gguf", "x");
	publisher_set(w, d.name, "models/official/y.gguf", "y");
	assert_true(publisher_save(w, f->keys, 6).published);
	struct err taken = ERR_INIT;
	assert_int_equal(writer_delegate(w, &d, &taken), -ERR_USAGE);
	assert_non_null(strstr(taken.text, "already"));
	err_clear(&taken);
	/* What a URL encodes, a folder or a stick's file system mistakes, or no file can be called.
	 */
	static const char *const odd_names[] = {
		"a/b",     "",
		".",       "..",
		"Targets", "-x",
		"a%2Fb",   "a234567890123456789012345678901234567890123456789012345678901234567890"
	};
	for (size_t i = 0; i < ARRAY_LEN(odd_names); i++) {
		struct writer_delegation odd = d;
		odd.name = odd_names[i];
		assert_int_equal(writer_delegate(w, &odd, &taken), -ERR_USAGE);
		assert_non_null(strstr(taken.text, "is not a valid name for a role"));
		err_clear(&taken);
	}
	writer_close(w);

	struct tuf_client *c;
	struct tuf_target t;
	assert_ok(publisher_read(f, NOW, &c, &e), &e);
	assert_ok(tuf_client_target(c, "models/community/x/x.gguf", &t, &e), &e);
	assert_int_equal(t.length, 1);
	assert_int_equal(tuf_client_target(c, "models/official/y.gguf", &t, &e), -ERR_NOT_FOUND);
	tuf_client_close(c);
	CLEANUP(mem_free_ptr) char *stored = path_join(f->trust, "community-a.json");
	assert_true(file_exists(stored));

	/* Its own people change it, without the key of targets. */
	w = publisher_open(f, NOW);
	publisher_set(w, d.name, "models/community/z/z.gguf", "z");
	assert_true(publisher_save(w, f->keys + SNAPSHOT, 4).published);
	writer_close(w);
	assert_versions(f, NOW, 1, 3, 3, 2);
	/* Another key of the delegated role: its delegator changes, and it is signed anew. */
	w = publisher_open(f, NOW);
	assert_ok(writer_key_add(w, d.name, f->keys[OTHER]->key, &e), &e);
	assert_ok(writer_key_remove(w, d.name, f->keys[EXTRA]->key->id, &e), &e);
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	assert_ok(publisher_read(f, NOW, &c, &(struct err)ERR_INIT), &e);
	err_clear(&e);
	assert_ok(tuf_client_target(c, "models/community/z/z.gguf", &t, &e), &e);
	tuf_client_close(c);
}

static int count_target(void *ctx, const struct published_target *target, struct err *e)
{
	struct str_list *seen = ctx;
	str_list_take(seen,
		      mem_printf("%s:%s:%d", target->role, target->path, (int)target->length));
	(void)e;
	return 0;
}

static void a_tree_gives_its_files_in_order(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct published t;
	assert_int_equal(published_load(f->metadata, &t, &e), -ERR_NOT_FOUND);
	err_clear(&e);
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	publisher_set(w, "targets", "A.txt", "abc");
	assert_ok(writer_touch(w, "root", &e), &e);
	publisher_save(w, f->keys, 4);
	writer_close(w);
	assert_ok(published_load(f->metadata, &t, &e), &e);
	static const char *const names[] = { "1.root.json", "2.root.json", "2.targets.json",
					     "2.snapshot.json", "timestamp.json" };
	assert_int_equal(t.count, ARRAY_LEN(names));
	for (size_t i = 0; i < t.count; i++)
		assert_string_equal(t.files[i].name, names[i]);
	assert_int_equal(published_find(&t, "root")->m->version, 2);
	struct str_list seen = { 0 };
	assert_ok(published_each_target(&t, count_target, &seen, &e), &e);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.at[0], "targets:A.txt:3");
	assert_string_equal(seen.at[1], "targets:models/a/a.gguf:5");
	str_list_release(&seen);
	published_release(&t);
	/* One byte of the targets file. */
	CLEANUP(mem_free_ptr) char *path = path_join(f->metadata, "2.targets.json");
	CLEANUP(buf_release) struct buf raw = BUF_INIT(MIB);
	assert_ok(file_read_all(path, &raw, &e), &e);
	raw.data[raw.len / 2] ^= 1;
	scratch_write(f->metadata, "2.targets.json", raw.data, raw.len);
	assert_int_equal(published_load(f->metadata, &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "2.targets.json"));
}

static void another_publisher_is_a_conflict(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct writer_saved saved;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW), *second;
	assert_int_equal(writer_open(f->tree, NULL, NOW, &second, &e), -ERR_CONFLICT);
	err_clear(&e);
	publisher_set(w, "targets", "models/b/b.gguf", "b");
	/* A lock does not hold off a copy from another machine. */
	scratch_write(f->metadata, "timestamp.json", "{}", 2);
	assert_int_equal(writer_save(w, f->keys, 4, &saved, &e), -ERR_CONFLICT);
	writer_close(w);
}

static void bad_requests_are_refused(void **state)
{
	struct publisher *f = *state;
	struct writer_saved saved;
	struct err e = ERR_INIT;
	struct digest d = { { 0 } };
	struct writer *w = publisher_open(f, NOW);
	assert_int_equal(writer_save(w, f->keys, 4, &saved, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(writer_key_add(w, "mirrors", f->keys[0]->key, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(writer_target_set(w, "targets", "../x", 1, &d, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(writer_target_set(w, "snapshot", "x", 1, &d, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(writer_target_remove(w, "targets", "x", &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(writer_set_threshold(w, "root", 0, &e), -ERR_USAGE);
	err_clear(&e);
	/* A role without keys. */
	assert_ok(writer_key_add(w, "root", f->keys[0]->key, &e), &e);
	assert_int_equal(writer_save(w, f->keys, 4, &saved, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "has 0 keys"));
	writer_close(w);
}

static void drafts_can_be_thrown_away(void **state)
{
	struct publisher *f = *state;
	CLEANUP(str_list_release) struct str_list removed = { 0 };
	struct err e = ERR_INIT;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	publisher_set(w, "targets", "models/b/b.gguf", "b");
	assert_false(publisher_save(w, NULL, 0).published);
	writer_close(w);
	assert_ok(writer_discard(f->tree, &removed, &e), &e);
	assert_int_equal(removed.count, 1);
	assert_string_equal(removed.at[0], "targets");
	w = publisher_open(f, NOW);
	assert_false(writer_changed(w));
	writer_close(w);
}

static void targets_can_be_listed_and_removed(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct published_target t;
	struct str_list paths = { 0 };
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	publisher_set(w, "targets", "B", "b");
	assert_true(writer_target_get(w, "targets", "B", &t));
	assert_string_equal(t.path, "B");
	assert_int_equal(t.length, 1);
	writer_target_paths(w, "targets", &paths);
	assert_int_equal(paths.count, 2);
	assert_string_equal(paths.at[0], "B");
	assert_ok(writer_target_remove(w, "targets", "models/a/a.gguf", &e), &e);
	assert_false(writer_target_get(w, "targets", "models/a/a.gguf", &t));
	assert_true(publisher_save(w, f->keys, 4).published);
	str_list_release(&paths);
	writer_close(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, publisher_set_up, publisher_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_reads_what_was_published),
		TEST(only_what_changed_gets_a_new_version),
		TEST(refresh_needs_the_online_keys_only),
		TEST(refresh_goes_on_while_a_change_waits),
		TEST(signatures_are_gathered_one_at_a_time),
		TEST(a_status_is_computed_once_until_something_changes),
		TEST(a_new_root_needs_the_old_keys),
		TEST(rotated_online_keys_sign_anew),
		TEST(an_interrupted_publication_is_completed),
		TEST(delegated_roles_are_published),
		TEST(a_tree_gives_its_files_in_order),
		TEST(another_publisher_is_a_conflict),
		TEST(bad_requests_are_refused),
		TEST(drafts_can_be_thrown_away),
		TEST(targets_can_be_listed_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
