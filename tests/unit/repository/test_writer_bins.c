/* Hash bins from both sides: the writer makes them, the client looks targets up. */
#include "tuf/match.h"
#include "publisher.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

#define FILES 40
enum { BINS = SPARE, OTHER };

static char *file_path(size_t i)
{
	return mem_printf("models/m%zu/m%zu.gguf", i, i);
}

static void publish_first(struct publisher *f)
{
	struct writer *w = publisher_open(f, NOW);
	publisher_add_keys(f, w);
	publisher_set(w, "targets", "catalog.json", "{}");
	for (size_t i = 0; i < FILES; i++) {
		CLEANUP(mem_free_ptr) char *path = file_path(i);
		publisher_set(w, "targets", path, path);
	}
	assert_true(publisher_save(w, f->keys, 4).published);
	writer_close(w);
}

static int delegate(struct publisher *f, struct writer *w, const char *prefix, unsigned bits,
		    int key, struct err *e)
{
	const struct tuf_key *keys[] = { f->keys[key]->key };
	const struct writer_bin_delegation d = {
		.prefix = prefix,
		.bit_length = bits,
		.threshold = 1,
		.keys = keys,
		.key_count = 1,
	};
	return writer_delegate_bins(w, &d, e);
}

/* Every file goes to its owner, and leaves where it was. */
static void move_files(struct writer *w, const char *was)
{
	for (size_t i = 0; i < FILES; i++) {
		CLEANUP(mem_free_ptr) char *path = file_path(i);
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
		struct published_target t;
		struct err e = ERR_INIT;
		publisher_set(w, owner, path, path);
		if (strcmp(owner, was) != 0 && writer_target_get(w, was, path, &t))
			assert_ok(writer_target_remove(w, was, path, &e), &e);
	}
}

static void publish_bins(struct publisher *f, unsigned bits, int key)
{
	struct err e = ERR_INIT;
	struct writer *w = publisher_open(f, NOW);
	assert_ok(delegate(f, w, "bin", bits, key, &e), &e);
	move_files(w, "targets");
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
}

static json_t *published(struct publisher *f, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(f->metadata, name);
	struct json_limits limits = { .max_bytes = MIB };
	struct err e = ERR_INIT;
	json_t *json;
	assert_ok(json_parse_file(path, &limits, &json, &e), &e);
	return json;
}

static bool has_file(struct publisher *f, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(f->metadata, name);
	return file_exists(path);
}

/* -- the reader ------------------------------------------------------------------------ */

static void assert_all_found(struct publisher *f)
{
	struct tuf_client *c;
	struct err e = ERR_INIT;
	struct tuf_target t;
	assert_ok(publisher_read(f, NOW, &c, &e), &e);
	assert_ok(tuf_client_target(c, "catalog.json", &t, &e), &e);
	for (size_t i = 0; i < FILES; i++) {
		CLEANUP(mem_free_ptr) char *path = file_path(i);
		assert_ok(tuf_client_target(c, path, &t, &e), &e);
		assert_int_equal(t.length, strlen(path));
	}
	assert_int_equal(tuf_client_target(c, "models/x/x.gguf", &t, &e), -ERR_NOT_FOUND);
	tuf_client_close(c);
}

/* -- sizes ------------------------------------------------------------------------------- */

/* Few but long, so that it is quick under valgrind, too. */
static char *long_path(size_t i)
{
	return mem_printf("%0240zu/%0240zu/%0240zu/%0240zu", i, i, i, i);
}

static void what_clients_do_not_read_is_not_signed(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct writer_saved saved;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	for (size_t i = 0; i < 6600; i++) {
		CLEANUP(mem_free_ptr) char *path = long_path(i);
		publisher_set(w, "targets", path, "x");
	}
	assert_int_equal(writer_save(w, f->keys, 6, &saved, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "clients read at most 5000000"));
	assert_non_null(strstr(e.hint, "--bins 512"));
	assert_false(has_file(f, "2.targets.json"));
	assert_ok(delegate(f, w, "bin", 8, BINS, &(struct err)ERR_INIT), &e);
	for (size_t i = 0; i < 6600; i++) {
		CLEANUP(mem_free_ptr) char *path = long_path(i);
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, path);
		struct err why = ERR_INIT;
		publisher_set(w, owner, path, "x");
		assert_ok(writer_target_remove(w, "targets", path, &why), &why);
	}
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
}

/* -- names ----------------------------------------------------------------------------- */

static void a_path_belongs_to_the_bin_of_its_first_bits(void **state)
{
	(void)state;
	static const unsigned bits[] = { 1, 3, 4, 5, 8, 12, 16, 32 };
	for (size_t i = 0; i < 200; i++) {
		CLEANUP(mem_free_ptr) char *path = file_path(i);
		struct digest d;
		char hex[DIGEST_HEX], head[9];
		sha256_of(path, strlen(path), &d);
		snprintf(head, sizeof head, "%.8s", digest_hex(hex, &d));
		for (size_t k = 0; k < ARRAY_LEN(bits); k++) {
			struct tuf_bins bins = { .prefix = "b", .bit_length = bits[k] };
			CLEANUP(mem_free_ptr) char *name = tuf_match_bin(&bins, path);
			unsigned long number = strtoul(head, NULL, 16) >> (32 - bits[k]);
			assert_int_equal(strlen(name), 2 + (bits[k] + 3) / 4);
			assert_int_equal(strtoul(name + 2, NULL, 16), number);
			assert_true(tuf_match_is_bin("b", bits[k], name));
		}
	}
}

static void bins_are_told_by_their_names(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		const char *role;
		bool is;
	} cases[] = {
		{ 8, "bin-00", true },   { 8, "bin-ff", true },        { 8, "bin-FF", false },
		{ 8, "bin-100", false }, { 8, "bin-0ff", false },      { 8, "bin-f", false },
		{ 8, "bin-", false },    { 8, "bin", false },          { 8, "bin-0x", false },
		{ 8, "xbin-00", false }, { 8, "bin-00-00", false },    { 7, "bin-7f", true },
		{ 7, "bin-80", false },  { 1, "bin-1", true },         { 1, "bin-2", false },
		{ 12, "bin-fff", true }, { 32, "bin-ffffffff", true }, { 0, "bin-0", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(tuf_match_is_bin("bin", cases[i].bits, cases[i].role),
				 cases[i].is);
	CLEANUP(mem_free_ptr) char *last = tuf_match_bin_name("b", 9, 511);
	assert_string_equal(last, "b-1ff");
}

/* -- the way there and back ------------------------------------------------------------ */

static void a_tree_moves_to_bins_in_one_save(void **state)
{
	struct publisher *f = *state;
	publish_first(f);
	assert_all_found(f);
	publish_bins(f, 4, TARGETS);
	CLEANUP(json_release) json_t *targets = published(f, "2.targets.json");
	CLEANUP(json_release) json_t *snapshot = published(f, "2.snapshot.json");
	json_t *listed = json_object_get(json_object_get(targets, "signed"), "targets");
	assert_int_equal(json_object_size(listed), 1);
	assert_non_null(json_object_get(listed, "catalog.json"));
	json_t *meta = json_object_get(json_object_get(snapshot, "signed"), "meta");
	assert_int_equal(json_object_size(meta), 1 + 16);
	for (unsigned i = 0; i < 16; i++) {
		char name[24];
		snprintf(name, sizeof name, "bin-%x.json", i);
		json_t *entry = json_object_get(meta, name);
		assert_int_equal(json_integer_value(json_object_get(entry, "version")), 1);
		assert_non_null(json_object_get(entry, "hashes"));
		snprintf(name, sizeof name, "1.bin-%x.json", i);
		assert_true(has_file(f, name));
	}
	assert_all_found(f);
}

static void one_look_up_reads_one_bin(void **state)
{
	struct publisher *f = *state;
	struct tuf_client *c;
	struct tuf_target t;
	struct err e = ERR_INIT;
	publish_first(f);
	publish_bins(f, 8, BINS);
	assert_ok(publisher_read(f, NOW, &c, &e), &e);
	assert_ok(tuf_client_target(c, "models/m3/m3.gguf", &t, &e), &e);
	static const char *const wanted[] = { "2.root.json", "timestamp.json", "2.snapshot.json",
					      "2.targets.json" };
	struct digest d;
	sha256_of("models/m3/m3.gguf", 17, &d);
	CLEANUP(mem_free_ptr) char *bin = mem_printf("1.bin-%02x.json", d.bytes[0]);
	assert_int_equal(f->requests.count, 5);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(f->requests.at[i], wanted[i]);
	assert_string_equal(f->requests.at[4], bin);
	tuf_client_close(c);
}

static void only_what_changed_gets_a_version(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	publish_bins(f, 4, BINS);
	struct writer *w = publisher_open(f, NOW + DAY);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, "models/m3/m3.gguf");
	publisher_set(w, owner, "models/m3/m3.gguf", "new");
	/* The key of targets is not needed for it. */
	struct writer_saved saved = publisher_save(w, f->keys + SNAPSHOT, 3);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 3);
	writer_close(w);
	for (unsigned i = 0; i < 16; i++) {
		char name[24], bin[16];
		snprintf(bin, sizeof bin, "bin-%x", i);
		snprintf(name, sizeof name, "2.%s.json", bin);
		assert_int_equal(has_file(f, name), strcmp(bin, owner) == 0);
	}
	assert_false(has_file(f, "3.targets.json"));
	/* A refresh touches no bin. */
	w = publisher_open(f, NOW + 2 * DAY);
	assert_ok(writer_touch(w, "snapshot", &e), &e);
	assert_ok(writer_touch(w, "timestamp", &e), &e);
	saved = publisher_save(w, f->keys + SNAPSHOT, 2);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 2);
	writer_close(w);
	assert_true(has_file(f, "4.snapshot.json"));
}

static void bins_and_targets_wait_for_each_other(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	/* The bins' key is elsewhere: targets must not be published without its files. */
	struct writer *w = publisher_open(f, NOW);
	assert_ok(delegate(f, w, "bin", 4, BINS, &e), &e);
	const struct writer_statuses *all;
	assert_ok(writer_status(w, &all, &e), &e);
	assert_string_equal(all->at[2].role, "bin");
	assert_true(all->at[2].waiting);
	assert_int_equal(all->at[2].version, 1);
	assert_int_equal(all->at[2].published, 0);
	assert_int_equal(all->at[2].valid, 0);
	move_files(w, "targets");
	struct writer_saved saved = publisher_save(w, f->keys, 4);
	assert_false(saved.published);
	assert_int_equal(saved.waiting, 17);
	writer_close(w);
	assert_false(has_file(f, "2.targets.json"));
	assert_all_found(f);
	/* Meanwhile the cron job goes on. */
	w = publisher_open(f, NOW);
	assert_ok(writer_touch(w, "timestamp", &e), &e);
	assert_true(publisher_save(w, f->keys + TIMESTAMP, 1).timestamp);
	writer_close(w);
	w = publisher_open(f, NOW);
	assert_true(publisher_save(w, f->keys + SNAPSHOT, 3).published);
	writer_close(w);
	assert_true(has_file(f, "2.targets.json"));
	assert_all_found(f);
	/* The other way round: a bin that loses a file waits for the catalog that does. */
	w = publisher_open(f, NOW);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, "models/m3/m3.gguf");
	assert_ok(writer_target_remove(w, owner, "models/m3/m3.gguf", &e), &e);
	publisher_set(w, "targets", "catalog.json", "{ }");
	assert_false(publisher_save(w, f->keys + SNAPSHOT, 3).published);
	writer_close(w);
	assert_all_found(f);
}

static void another_number_of_bins(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	publish_bins(f, 3, BINS);
	struct writer *w = publisher_open(f, NOW);
	CLEANUP(str_list_release) struct str_list before = { 0 }, after = { 0 };
	writer_bin_names(w, &before);
	assert_int_equal(before.count, 8);
	assert_ok(delegate(f, w, "bin", 4, BINS, &e), &e);
	writer_bin_names(w, &after);
	assert_int_equal(after.count, 16);
	for (size_t i = 0; i < before.count; i++)
		move_files(w, before.at[i]);
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	assert_all_found(f);
	/* And none: as named before, their versions go on where they ended. */
	w = publisher_open(f, NOW);
	assert_ok(writer_undelegate(w, "bin", &e), &e);
	CLEANUP(str_list_release) struct str_list none = { 0 };
	writer_bin_names(w, &none);
	assert_int_equal(none.count, 0);
	move_files(w, "targets");
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	assert_all_found(f);
	publish_bins(f, 3, TARGETS);
	assert_all_found(f);
	assert_true(has_file(f, "3.bin-7.json"));
}

static void an_older_bin_is_refused(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	struct tuf_client *c;
	struct tuf_target t;
	publish_first(f);
	publish_bins(f, 1, BINS);
	assert_all_found(f);
	struct writer *w = publisher_open(f, NOW);
	CLEANUP(mem_free_ptr) char *owner = writer_owner(w, "models/m3/m3.gguf");
	publisher_set(w, owner, "models/m3/m3.gguf", "new");
	assert_true(publisher_save(w, f->keys, 6).published);
	writer_close(w);
	/* A mirror gives the old one out as the new one. */
	CLEANUP(mem_free_ptr) char *old = mem_printf("%s/1.%s.json", f->metadata, owner);
	CLEANUP(mem_free_ptr) char *new = mem_printf("%s/2.%s.json", f->metadata, owner);
	assert_ok(file_copy(old, new, 0644, NULL, &e), &e);
	assert_ok(publisher_read(f, NOW, &c, &e), &e);
	assert_int_equal(tuf_client_target(c, "models/m3/m3.gguf", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, owner));
	tuf_client_close(c);
}

static void very_many_bins_are_listed_in_brief(void **state)
{
	struct publisher *f = *state;
	publish_first(f);
	publish_bins(f, 9, BINS);
	CLEANUP(json_release) json_t *snapshot = published(f, "2.snapshot.json");
	json_t *meta = json_object_get(json_object_get(snapshot, "signed"), "meta");
	assert_int_equal(json_object_size(meta), 1 + 512);
	assert_int_equal(json_object_size(json_object_get(meta, "bin-1ff.json")), 1);
	assert_int_equal(json_object_size(json_object_get(meta, "targets.json")), 3);
	assert_all_found(f);
}

static void expiring_bins_are_renewed_with_targets(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	publish_bins(f, 2, BINS);
	int64_t later = NOW + 350 * DAY;
	struct writer *w = publisher_open(f, later);
	writer_touch_expiring(w, later);
	assert_false(writer_changed(w));
	writer_touch_expiring(w, later + 30 * DAY);
	struct writer_saved saved = publisher_save(w, f->keys, 6);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 1 + 4 + 2);
	const struct writer_statuses *all;
	assert_ok(writer_status(w, &all, &e), &e);
	/* Bins are one line. */
	assert_int_equal(all->count, 5);
	assert_string_equal(all->at[2].role, "bin");
	assert_int_equal(all->at[2].bins, 4);
	assert_int_equal(all->at[2].version, 2);
	assert_int_equal(all->at[2].valid, 1);
	assert_int_equal(all->at[2].signed_by.count, 1);
	assert_int_equal(all->at[2].expires_s, later + 365 * DAY);
	writer_close(w);
}

static void new_keys_sign_every_bin(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	publish_first(f);
	publish_bins(f, 2, BINS);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_key_add(w, "bin", f->keys[OTHER]->key, &e), &e);
	assert_ok(writer_key_remove(w, "bin", f->keys[BINS]->key->id, &e), &e);
	struct writer_saved saved = publisher_save(w, f->keys, 6);
	assert_true(saved.published);
	assert_int_equal(saved.signatures, 1 + 4 + 2);
	writer_close(w);
	assert_all_found(f);
}

static void bins_and_names_exclude_each_other(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const char *paths[] = { "models/community-*/*" };
	const struct tuf_key *keys[] = { f->keys[OTHER]->key };
	struct writer_delegation d = {
		.name = "community",
		.paths = paths,
		.path_count = 1,
		.threshold = 1,
		.keys = keys,
		.key_count = 1,
	};
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_delegate(w, &d, &e), &e);
	assert_int_equal(delegate(f, w, "bin", 4, BINS, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "named") ? e.text : strstr(e.text, "names"));
	err_clear(&e);
	assert_ok(writer_undelegate(w, "community", &e), &e);
	assert_int_equal(delegate(f, w, "b/n", 4, BINS, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(delegate(f, w, "bin", 0, BINS, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(delegate(f, w, "bin", 17, BINS, &e), -ERR_USAGE);
	err_clear(&e);
	assert_ok(delegate(f, w, "bin", 4, BINS, &e), &e);
	assert_int_equal(writer_delegate(w, &d, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(writer_undelegate(w, "community", &e), -ERR_NOT_FOUND);
	writer_close(w);
}

/* -- roles with names ------------------------------------------------------------------ */

static void a_path_belongs_to_the_first_role_that_covers_it(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const char *wide[] = { "models/c-*/*" }, *narrow[] = { "models/c-a/*", "models/x/*" };
	const struct tuf_key *keys[] = { f->keys[OTHER]->key };
	struct writer_delegation first = {
		.name = "first",
		.paths = narrow,
		.path_count = 2,
		.threshold = 1,
		.keys = keys,
		.key_count = 1,
	};
	struct writer_delegation second = first;
	second.name = "second";
	second.paths = wide;
	second.path_count = 1;
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_delegate(w, &first, &e), &e);
	assert_ok(writer_delegate(w, &second, &e), &e);
	static const char *const cases[][2] = {
		{ "models/c-a/f", "first" },   { "models/c-b/f", "second" },
		{ "models/x/f", "first" },     { "models/x/y/f", "targets" },
		{ "catalog.json", "targets" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *owner = writer_owner(w, cases[i][0]);
		assert_string_equal(owner, cases[i][1]);
	}
	assert_true(writer_covers(w, "second", "models/c-a/f"));
	assert_false(writer_covers(w, "third", "models/c-a/f"));
	writer_close(w);
}

static void a_role_vouches_when_it_has_signed(void **state)
{
	struct publisher *f = *state;
	struct err e = ERR_INIT;
	const char *paths[] = { "models/c/*" };
	const struct tuf_key *keys[] = { f->keys[OTHER]->key };
	struct writer_delegation d = {
		.name = "c",
		.paths = paths,
		.path_count = 1,
		.threshold = 1,
		.keys = keys,
		.key_count = 1,
	};
	struct digest sha256;
	struct published_target listed;
	bool yes, complete;
	sha256_of("x", 1, &sha256);
	publish_first(f);
	struct writer *w = publisher_open(f, NOW);
	assert_ok(writer_delegate(w, &d, &e), &e);
	publisher_set(w, "c", "models/c/x", "x");
	assert_ok(writer_vouched(w, "c", "models/c/x", &listed, &yes, &e), &e);
	assert_false(yes);
	assert_ok(writer_sign(w, "c", f->keys, 4, &complete, &e), &e);
	assert_false(complete);
	assert_ok(writer_sign(w, "c", f->keys, 6, &complete, &e), &e);
	assert_true(complete);
	assert_ok(writer_vouched(w, "c", "models/c/x", &listed, &yes, &e), &e);
	assert_true(yes);
	assert_true(digest_equal(&listed.sha256, &sha256));
	assert_ok(writer_vouched(w, "c", "models/c/y", &listed, &yes, &e), &e);
	assert_false(yes);
	/* Its key is not needed any more. */
	assert_true(publisher_save(w, f->keys, 4).published);
	writer_close(w);
	w = publisher_open(f, NOW);
	assert_ok(writer_undelegate(w, "c", &e), &e);
	assert_ok(writer_vouched(w, "c", "models/c/x", &listed, &yes, &e), &e);
	assert_false(yes);
	assert_true(publisher_save(w, f->keys, 4).published);
	writer_close(w);
	CLEANUP(json_release) json_t *targets = published(f, "3.targets.json");
	assert_null(json_object_get(json_object_get(targets, "signed"), "delegations"));
	assert_all_found(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, publisher_set_up, publisher_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_belongs_to_the_bin_of_its_first_bits),
		cmocka_unit_test(bins_are_told_by_their_names),
		TEST(a_tree_moves_to_bins_in_one_save),
		TEST(one_look_up_reads_one_bin),
		TEST(only_what_changed_gets_a_version),
		TEST(bins_and_targets_wait_for_each_other),
		TEST(another_number_of_bins),
		TEST(an_older_bin_is_refused),
		TEST(very_many_bins_are_listed_in_brief),
		TEST(expiring_bins_are_renewed_with_targets),
		TEST(new_keys_sign_every_bin),
		TEST(bins_and_names_exclude_each_other),
		TEST(what_clients_do_not_read_is_not_signed),
		TEST(a_path_belongs_to_the_first_role_that_covers_it),
		TEST(a_role_vouches_when_it_has_signed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
