#include "tuf_sim.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

static int set_up(void **state)
{
	*state = sim_new();
	return 0;
}

static int tear_down(void **state)
{
	sim_free(*state);
	return 0;
}

static void assert_trusted(const struct sim *s, uint64_t root, uint64_t timestamp,
			   uint64_t snapshot, uint64_t targets)
{
	assert_int_equal(sim_trusted(s, "root"), root);
	assert_int_equal(sim_trusted(s, "timestamp"), timestamp);
	assert_int_equal(sim_trusted(s, "snapshot"), snapshot);
	assert_int_equal(sim_trusted(s, "targets"), targets);
}

/* Only the metadata is there under a .json name. */
static size_t json_files(const struct sim *s)
{
	struct str_list names = { 0 };
	struct err e = ERR_INIT;
	size_t count = 0;
	assert_ok(file_list_dir(s->trust, &names, &e), &e);
	for (size_t i = 0; i < names.count; i++)
		count += str_ends(names.at[i], ".json");
	str_list_release(&names);
	return count;
}

/* -- the ordinary way ------------------------------------------------------------------ */

static void a_first_refresh_asks_for_four_files(void **state)
{
	struct sim *s = *state;
	sim_refreshed(s);
	assert_string_equal(sim_requests(s),
			    "2.root.json timestamp.json 1.snapshot.json 1.targets.json");
	assert_trusted(s, 1, 1, 1, 1);
	assert_int_equal(json_files(s), 4);
	/* Byte for byte as received. */
	CLEANUP(mem_free_ptr) char *path = path_join(s->trust, "snapshot.json");
	CLEANUP(buf_release) struct buf raw = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(path, &raw, &e), &e);
	const struct sim_file *f = sim_file(s, "1.snapshot.json");
	assert_int_equal(raw.len, f->len);
	assert_memory_equal(raw.data, f->data, f->len);
}

static void a_second_refresh_asks_for_what_may_be_new(void **state)
{
	struct sim *s = *state;
	sim_refreshed(s);
	sim_refreshed(s);
	assert_string_equal(sim_requests(s), "2.root.json timestamp.json");
	sim_update(s, "targets");
	sim_refreshed(s);
	assert_string_equal(sim_requests(s),
			    "2.root.json timestamp.json 2.snapshot.json 2.targets.json");
	assert_trusted(s, 1, 2, 2, 2);
}

static void without_consistent_snapshots_names_are_bare(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct tuf_target t;
	struct err e = ERR_INIT;
	json_put_bool(s->root, "consistent_snapshot", false);
	sim_update_root(s);
	sim_target(s, "targets", "dir/file", "text");
	sim_update(s, "targets");
	sim_refreshed(s);
	assert_string_equal(sim_requests(s), "2.root.json 3.root.json timestamp.json "
					     "snapshot.json targets.json");
	assert_ok(sim_open(s, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	assert_ok(tuf_client_target(c, "dir/file", &t, &e), &e);
	CLEANUP(mem_free_ptr) char *name = tuf_client_target_name(c, "dir/file", &t);
	assert_string_equal(name, "dir/file");
	tuf_client_close(c);
}

static void hashes_and_lengths_are_compared(void **state)
{
	struct sim *s = *state;
	s->hashes = true;
	sim_update(s, "targets");
	sim_refreshed(s);
	assert_trusted(s, 1, 2, 2, 2);
	/* The same version with other bytes, well signed. */
	sim_update_snapshot(s);
	json_put_u64(s->snapshot, "extra", 1);
	sim_publish(s, "snapshot");
	sim_refused(s, "3.snapshot.json");
	assert_trusted(s, 1, 3, 2, 2);
}

static void a_wrong_hash_of_targets_is_refused(void **state)
{
	struct sim *s = *state;
	s->hashes = true;
	sim_update(s, "targets");
	struct sim_file *f = sim_file(s, "2.targets.json");
	char *colon = strchr(f->data, ':');
	colon[1] = '\t'; /* the same JSON, another byte */
	sim_refused(s, "sha256 differs from the signed one");
	assert_trusted(s, 1, 2, 2, 0);
}

static void unknown_members_are_kept_and_signed(void **state)
{
	struct sim *s = *state;
	json_put_string(s->root, "custom-field", "v\u00e4lue \\ \"");
	json_put(json_object_get(json_object_get(s->root, "keys"), sim_keyid(s, SIM_ROOT)), "extra",
		 json_pack("{s:i, s:[n, b]}", "a", 1, "b", 1));
	sim_update_root(s);
	sim_refreshed(s);
	assert_trusted(s, 2, 1, 1, 1);
}

static void custom_is_given_in_canonical_form(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_target(s, "targets", "file", "text");
	json_put(json_object_get(json_object_get(s->targets, "targets"), "file"), "custom",
		 json_pack("{s:i, s:s}", "b", 1, "a", "x"));
	sim_update(s, "targets");
	assert_ok(sim_find(s, "file", &t, &e), &e);
	assert_string_equal(t.custom, "{\"a\":\"x\",\"b\":1}");
	tuf_target_release(&t);
	tuf_target_release(&t);
}

static void a_target_without_sha256_is_refused(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	json_put(json_object_get(s->targets, "targets"), "file",
		 json_pack("{s:i, s:{s:s}}", "length", 1, "hashes", "md5", "00"));
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "no SHA-256"));
}

static void state_tells_versions_and_expiry(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct tuf_role_state out[4];
	struct err e = ERR_INIT;
	assert_ok(sim_open(s, &c, &e), &e);
	assert_int_equal(tuf_client_state(c, out), 1);
	struct tuf_target t;
	assert_int_equal(tuf_client_target(c, "x", &t, &e), -ERR_BUG);
	err_clear(&e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	assert_int_equal(tuf_client_state(c, out), 4);
	assert_string_equal(out[2].role, "snapshot");
	assert_int_equal(out[2].version, 1);
	assert_int_equal(out[2].expires_s, 2114380800);
	tuf_client_close(c);
}

/* -- root ------------------------------------------------------------------------------ */

static void root_is_followed_step_by_step(void **state)
{
	struct sim *s = *state;
	/* Each root has another key; each is signed by the one before, too. */
	for (int i = 0; i < 4; i++) {
		int keys[] = { SIM_SPARE + i, i ? SIM_SPARE + i - 1 : SIM_ROOT };
		sim_role_keys(s, "root", keys, 1, 1);
		sim_bump(s, "root");
		sim_publish_with(s, "root", keys, 2);
	}
	sim_refreshed(s);
	assert_trusted(s, 5, 1, 1, 1);
	assert_string_equal(sim_requests(s), "2.root.json 3.root.json 4.root.json 5.root.json "
					     "6.root.json timestamp.json 1.snapshot.json "
					     "1.targets.json");
}

static void root_without_the_old_key_is_refused(void **state)
{
	struct sim *s = *state;
	int key = SIM_SPARE;
	sim_role_keys(s, "root", &key, 1, 1);
	sim_update_root(s);
	sim_refused(s, "2.root.json version 2: 0 valid signatures, 1 required by root version 1");
	assert_trusted(s, 1, 0, 0, 0);
}

static void root_without_the_new_key_is_refused(void **state)
{
	struct sim *s = *state;
	int keys[] = { SIM_SPARE, SIM_ROOT };
	sim_role_keys(s, "root", keys, 1, 1);
	sim_bump(s, "root");
	sim_publish_with(s, "root", keys + 1, 1);
	sim_refused(s, "required by itself");
	assert_trusted(s, 1, 0, 0, 0);
}

static void expired_roots_on_the_way_are_fine(void **state)
{
	struct sim *s = *state;
	sim_expires(s, "root", SIM_NOW - SIM_DAY);
	sim_update_root(s);
	sim_expires(s, "root", SIM_NOW + SIM_DAY);
	sim_update_root(s);
	sim_refreshed(s);
	assert_trusted(s, 3, 1, 1, 1);
}

static void an_expired_last_root_is_kept_and_refused(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	sim_expires(s, "root", SIM_NOW);
	sim_update_root(s);
	assert_int_equal(sim_refresh(s, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "root version 2 has expired at 2027-01-15T08:00:00Z");
	assert_non_null(strstr(e.hint, "clock"));
	assert_string_equal(sim_requests(s), "2.root.json 3.root.json");
	assert_trusted(s, 2, 0, 0, 0);
}

static void root_rotations_have_a_ceiling(void **state)
{
	struct sim *s = *state;
	struct tuf_limits limits = tuf_limits_default;
	struct tuf_transport transport = sim_transport(s);
	struct tuf_client *c;
	struct err e = ERR_INIT;
	limits.root_rotations = 3;
	for (int i = 0; i < 5; i++)
		sim_update_root(s);
	assert_ok(tuf_client_open(s->trust, &transport, &limits, SIM_NOW, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	assert_trusted(s, 4, 1, 1, 1);
	tuf_client_close(c);
	sim_refreshed(s);
	assert_trusted(s, 6, 1, 1, 1);
}

/* -- rollback, freeze, mix and match --------------------------------------------------- */

static void timestamp_rollback_is_refused(void **state)
{
	struct sim *s = *state;
	sim_update_timestamp(s);
	sim_refreshed(s);
	json_put_u64(s->timestamp, "version", 1);
	sim_publish(s, "timestamp");
	sim_refused(s, "rollback of timestamp from version 2 to 1");
	assert_trusted(s, 1, 2, 1, 1);
}

static void the_same_timestamp_version_keeps_the_old_one(void **state)
{
	struct sim *s = *state;
	sim_refreshed(s);
	json_put(s->timestamp, "meta", json_pack("{s:{s:i}}", "snapshot.json", "version", 100));
	sim_publish(s, "timestamp");
	sim_refreshed(s);
	assert_string_equal(sim_requests(s), "2.root.json timestamp.json");
}

static void snapshot_rollback_in_timestamp_is_refused(void **state)
{
	struct sim *s = *state;
	sim_update_snapshot(s);
	sim_refreshed(s);
	json_put_u64(s->snapshot, "version", 1);
	sim_update_timestamp(s);
	sim_refused(s, "rollback of snapshot from version 2 to 1");
	assert_trusted(s, 1, 2, 2, 1);
}

static void targets_rollback_in_snapshot_is_refused(void **state)
{
	struct sim *s = *state;
	for (int hashes = 0; hashes < 2; hashes++) {
		/* The stored snapshot counts although its hash no longer fits. */
		s->hashes = hashes;
		sim_bump(s, "targets");
		sim_update(s, "targets");
		sim_refreshed(s);
		uint64_t version = sim_version(s, "targets");
		json_put_u64(s->targets, "version", version - 1);
		sim_publish(s, "targets");
		sim_update_snapshot(s);
		sim_refused(s, "rollback of targets.json");
		assert_int_equal(sim_trusted(s, "targets"), version);
		json_put_u64(s->targets, "version", version);
		sim_update(s, "targets");
		sim_refreshed(s);
	}
}

static void a_role_that_vanishes_from_snapshot_is_refused(void **state)
{
	struct sim *s = *state;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	sim_update(s, "targets");
	sim_refreshed(s);
	json_object_del(s->roles, "A");
	json_object_del(json_object_get(s->snapshot, "meta"), "A.json");
	sim_update_snapshot(s);
	sim_refused(s, "no longer lists A.json");
}

static void a_frozen_timestamp_is_refused(void **state)
{
	struct sim *s = *state;
	sim_expires(s, "timestamp", SIM_NOW + SIM_DAY);
	sim_update_timestamp(s);
	sim_refreshed(s);
	s->now_s = SIM_NOW + SIM_DAY;
	sim_refused(s, "timestamp version 2 has expired");
	/* A newer one heals it, although the stored one has expired. */
	sim_expires(s, "timestamp", SIM_NOW + 2 * SIM_DAY);
	sim_update_timestamp(s);
	sim_refreshed(s);
	assert_trusted(s, 1, 3, 1, 1);
}

static void expired_metadata_is_not_stored(void **state)
{
	struct sim *s = *state;
	sim_expires(s, "timestamp", SIM_NOW - SIM_DAY);
	sim_update_timestamp(s);
	sim_refused(s, "timestamp.json version 2 has expired");
	assert_trusted(s, 1, 0, 0, 0);
	sim_expires(s, "timestamp", SIM_NOW + SIM_DAY);
	sim_expires(s, "snapshot", SIM_NOW - SIM_DAY);
	sim_update_snapshot(s);
	sim_refused(s, "2.snapshot.json version 2 has expired");
	assert_int_equal(sim_trusted(s, "snapshot"), 0);
	sim_expires(s, "snapshot", SIM_NOW + SIM_DAY);
	sim_expires(s, "targets", SIM_NOW - SIM_DAY);
	sim_update(s, "targets");
	sim_refused(s, "2.targets.json version 2 has expired");
	assert_int_equal(sim_trusted(s, "targets"), 0);
}

/* Only the reason of this very failure is told as expiry. */
static void what_is_stored_and_expired_is_no_reason(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct err e = ERR_INIT;
	const int stranger = SIM_SPARE;
	sim_expires(s, "snapshot", SIM_NOW + SIM_DAY);
	sim_update_snapshot(s);
	sim_refreshed(s);
	s->now_s = SIM_NOW + SIM_DAY;
	assert_ok(sim_open(s, &c, &e), &e);
	assert_int_equal(tuf_client_refresh(c, &e), -ERR_INTEGRITY);
	assert_string_equal(tuf_client_expired(c), "snapshot");
	tuf_client_close(c);
	sim_publish_with(s, "snapshot", &stranger, 1);
	err_clear(&e);
	assert_ok(sim_open(s, &c, &e), &e);
	assert_int_equal(tuf_client_refresh(c, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "0 valid signatures"));
	assert_null(tuf_client_expired(c));
	tuf_client_close(c);
}

/* A client that lives long begins each refresh with what is stored: keys that were taken away
 * in between take their word along. */
static void a_second_refresh_recovers_from_fast_forward(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct err e = ERR_INIT;
	const int keys[] = { SIM_SPARE, SIM_SPARE + 1 };
	json_put_u64(s->timestamp, "version", 99999);
	json_put_u64(s->snapshot, "version", 99999);
	sim_publish(s, "snapshot");
	sim_publish(s, "timestamp");
	json_put(s->timestamp, "meta", json_pack("{s:{s:i}}", "snapshot.json", "version", 99999));
	sim_publish(s, "timestamp");
	assert_ok(sim_open(s, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	json_put_u64(s->timestamp, "version", 1);
	json_put_u64(s->snapshot, "version", 1);
	json_put(s->timestamp, "meta", json_pack("{s:{s:i}}", "snapshot.json", "version", 1));
	sim_role_keys(s, "timestamp", &keys[0], 1, 1);
	sim_role_keys(s, "snapshot", &keys[1], 1, 1);
	sim_update_root(s);
	sim_publish(s, "snapshot");
	sim_publish(s, "timestamp");
	assert_ok(tuf_client_refresh(c, &e), &e);
	tuf_client_close(c);
	assert_trusted(s, 2, 1, 1, 1);
}

static void stored_snapshot_and_targets_that_expired_are_refused(void **state)
{
	struct sim *s = *state;
	sim_expires(s, "snapshot", SIM_NOW + SIM_DAY);
	sim_update_snapshot(s);
	sim_refreshed(s);
	s->now_s = SIM_NOW + SIM_DAY;
	sim_refused(s, "snapshot.json version 2 has expired");
	sim_expires(s, "snapshot", SIM_NOW + 9 * SIM_DAY);
	sim_expires(s, "targets", SIM_NOW + 2 * SIM_DAY);
	sim_update(s, "targets");
	sim_refreshed(s);
	s->now_s = SIM_NOW + 2 * SIM_DAY;
	sim_refused(s, "targets.json version 2 has expired");
}

static void mixed_versions_are_refused(void **state)
{
	struct sim *s = *state;
	/* The server has another snapshot than the timestamp names, and another targets
	 * than the snapshot names. */
	sim_update(s, "targets");
	CLEANUP(mem_free_ptr) char *old = mem_strdup(sim_file(s, "1.snapshot.json")->data);
	sim_put_text(s, "2.snapshot.json", old);
	sim_refused(s, "2.snapshot.json is version 1, but timestamp lists version 2");
	assert_trusted(s, 1, 2, 0, 0);
	sim_publish(s, "snapshot");
	CLEANUP(mem_free_ptr) char *targets = mem_strdup(sim_file(s, "1.targets.json")->data);
	sim_put_text(s, "2.targets.json", targets);
	sim_refused(s, "2.targets.json is version 1, but snapshot lists version 2");
	assert_trusted(s, 1, 2, 2, 0);
}

static void missing_files_are_not_found(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	sim_update(s, "targets");
	sim_remove(s, "2.targets.json");
	assert_int_equal(sim_refresh(s, &e), -ERR_NOT_FOUND);
	assert_trusted(s, 1, 2, 2, 0);
	err_clear(&e);
	json_object_del(json_object_get(s->snapshot, "meta"), "targets.json");
	sim_bump(s, "snapshot");
	sim_publish(s, "snapshot");
	sim_update_timestamp(s);
	sim_remove(s, "2.snapshot.json");
	assert_int_equal(sim_refresh(s, &e), -ERR_INTEGRITY);
}

/* -- keys ------------------------------------------------------------------------------ */

static void wrong_signatures_are_refused(void **state)
{
	struct sim *s = *state;
	static const char *const roles[] = { "timestamp", "snapshot", "targets" };
	const int stranger = SIM_SPARE;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		sim_update(s, "targets");
		sim_publish_with(s, roles[i], &stranger, 1);
		sim_refused(s, "0 valid signatures, 1 required by root version 1");
	}
}

static void a_key_of_another_role_does_not_count(void **state)
{
	struct sim *s = *state;
	const int targets = SIM_TARGETS;
	sim_publish_with(s, "timestamp", &targets, 1);
	sim_refused(s, "timestamp.json version 1: 0 valid");
}

static void thresholds_count_distinct_keys(void **state)
{
	struct sim *s = *state;
	const int keys[] = { SIM_SPARE, SIM_SPARE + 1, SIM_SPARE + 2 };
	sim_role_keys(s, "snapshot", keys, 3, 2);
	sim_update_root(s);
	sim_bump(s, "snapshot");
	sim_publish_with(s, "snapshot", keys, 1);
	sim_update_timestamp(s);
	sim_refused(s, "2.snapshot.json version 2: 1 valid signature, 2 required by root "
		       "version 2");
	sim_publish_with(s, "snapshot", keys + 1, 2);
	sim_refreshed(s);
	assert_trusted(s, 2, 2, 2, 1);
}

static void rotating_timestamp_keys_recovers_from_fast_forward(void **state)
{
	struct sim *s = *state;
	const int key = SIM_SPARE;
	json_put_u64(s->timestamp, "version", 99999);
	sim_publish(s, "timestamp");
	sim_refreshed(s);
	json_put_u64(s->timestamp, "version", 1);
	sim_publish(s, "timestamp");
	sim_refused(s, "rollback of timestamp");
	sim_role_keys(s, "timestamp", &key, 1, 1);
	sim_update_root(s);
	sim_publish(s, "timestamp");
	sim_refreshed(s);
	assert_trusted(s, 2, 1, 1, 1);
}

static void rotating_snapshot_keys_recovers_from_fast_forward(void **state)
{
	struct sim *s = *state;
	const int key = SIM_SPARE;
	json_put_u64(s->targets, "version", 50000);
	json_put_u64(s->snapshot, "version", 99999);
	sim_update(s, "targets");
	sim_refreshed(s);
	/* Only the snapshot key changes: the stored timestamp names the high version still. */
	sim_role_keys(s, "snapshot", &key, 1, 1);
	sim_update_root(s);
	json_put_u64(s->targets, "version", 1);
	json_put_u64(s->snapshot, "version", 1);
	sim_publish(s, "targets");
	sim_update_snapshot(s);
	sim_refreshed(s);
	assert_trusted(s, 2, 3, 2, 1);
}

static void adding_a_key_recovers_nothing(void **state)
{
	struct sim *s = *state;
	const int keys[] = { SIM_TIMESTAMP, SIM_SPARE };
	sim_update_timestamp(s);
	sim_refreshed(s);
	sim_role_keys(s, "timestamp", keys, 2, 1);
	sim_update_root(s);
	json_put_u64(s->timestamp, "version", 1);
	sim_publish(s, "timestamp");
	sim_refused(s, "rollback of timestamp");
	assert_trusted(s, 2, 2, 1, 1);
}

/* -- hostile servers and damaged folders ----------------------------------------------- */

static void an_endless_body_is_cut(void **state)
{
	struct sim *s = *state;
	static const struct {
		const char *name;
		size_t max;
	} files[] = {
		{ "2.root.json", 512000 },
		{ "timestamp.json", 16384 },
		{ "1.snapshot.json", 2000000 },
		{ "1.targets.json", 5000000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		s->endless = files[i].name;
		s->served = 0;
		sim_refused(s, "is larger than");
		assert_in_range(s->served, files[i].max - 10, files[i].max + 10);
	}
	/* A signed length is the ceiling where there is one. */
	s->endless = NULL;
	s->hashes = true;
	sim_update(s, "targets");
	s->endless = "2.targets.json";
	s->served = 0;
	sim_refused(s, "is larger than");
	assert_in_range(s->served, 100, 2000);
}

static const struct {
	const char *what, *text;
} broken[] = {
	{ "nothing", "" },
	{ "a page", "<!doctype html><html></html>" },
	{ "an array", "[]" },
	{ "null", "null" },
	{ "cut", "{\"signed\": {\"_type\": \"timesta" },
	{ "no signatures", "{\"signed\": {}}" },
	{ "nulls", "{\"signed\": null, \"signatures\": null}" },
	{ "twice", "{\"signed\": {}, \"signed\": {}, \"signatures\": []}" },
	{ "a fraction", "{\"signed\": {\"version\": 1.0}, \"signatures\": []}" },
	{ "huge", "{\"signed\": {\"version\": 99999999999999999999}, \"signatures\": []}" },
	{ "NUL", "{\"signed\": {\"_type\": \"a\\u0000b\"}, \"signatures\": []}" },
	{ "bad UTF-8", "{\"signed\": {\"_type\": \"\xff\xfe\"}, \"signatures\": []}" },
	{ "more", "{\"signed\": {}, \"signatures\": []} {}" },
};

static void malformed_bytes_are_refused(void **state)
{
	struct sim *s = *state;
	static const char *const names[] = { "2.root.json", "timestamp.json", "2.snapshot.json",
					     "2.targets.json" };
	sim_update(s, "targets");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct sim_file *f = sim_file(s, names[i]);
		CLEANUP(mem_free_ptr) char *good = f ? mem_strdup(f->data) : NULL;
		for (size_t j = 0; j < ARRAY_LEN(broken); j++) {
			sim_put_text(s, names[i], broken[j].text);
			sim_refused(s, names[i]);
		}
		if (good)
			sim_put_text(s, names[i], good);
		else
			sim_remove(s, names[i]);
	}
	CLEANUP(mem_free_ptr) char *deep = mem_alloc(10001);
	memset(deep, '[', 10000);
	sim_put_text(s, "timestamp.json", deep);
	sim_refused(s, "nested more than");
}

static void damaged_stored_files_heal(void **state)
{
	struct sim *s = *state;
	static const char *const names[] = { "timestamp.json", "snapshot.json", "targets.json" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		sim_refreshed(s);
		scratch_write(s->trust, names[i], "{\"cut", 5);
		sim_refreshed(s);
		assert_trusted(s, 1, 1, 1, 1);
	}
}

static void a_damaged_stored_root_says_what_to_do(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	const struct sim_file *root = sim_file(s, "1.root.json");
	sim_refreshed(s);
	scratch_write(s->trust, "root.json", root->data, root->len / 2);
	assert_int_equal(sim_refresh(s, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "root.json"));
	assert_non_null(strstr(e.hint, "remove it and start again"));
	/* Pinning the root again repairs it. */
	err_clear(&e);
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	sim_refreshed(s);
}

static bool serve_the_good_one(struct sim *s, const char *name, const struct err *why)
{
	CLEANUP(mem_free_ptr) char *other = mem_printf("good/%s", name);
	const struct sim_file *good = sim_file(s, other);
	assert_true(err_is(why, ERR_INTEGRITY));
	if (!good)
		return false;
	CLEANUP(mem_free_ptr) char *data = mem_strndup(good->data, good->len);
	sim_put(s, name, data, good->len);
	sim_remove(s, other);
	return true;
}

static void another_endpoint_is_asked_when_one_lies(void **state)
{
	struct sim *s = *state;
	static const char *const names[] = { "timestamp.json", "2.snapshot.json",
					     "2.targets.json" };
	s->rejected = serve_the_good_one;
	sim_update(s, "targets");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(mem_free_ptr) char *good = mem_printf("good/%s", names[i]);
		sim_put_text(s, good, sim_file(s, names[i])->data);
	}
	/* One is rubbish, one is old, one has a bad signature. */
	CLEANUP(mem_free_ptr) char *old = mem_strdup(sim_file(s, "1.snapshot.json")->data);
	const int stranger = SIM_SPARE;
	sim_put_text(s, "timestamp.json", "rubbish");
	sim_put_text(s, "2.snapshot.json", old);
	sim_publish_with(s, "targets", &stranger, 1);
	sim_refreshed(s);
	assert_string_equal(sim_requests(s),
			    "2.root.json timestamp.json timestamp.json 2.snapshot.json "
			    "2.snapshot.json 2.targets.json 2.targets.json");
	assert_trusted(s, 1, 2, 2, 2);
}

/* -- pinning --------------------------------------------------------------------------- */

static void init_keeps_what_is_the_same_or_newer(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	const int keys[] = { SIM_SPARE, SIM_ROOT };
	sim_role_keys(s, "root", keys, 1, 1);
	sim_bump(s, "root");
	sim_publish_with(s, "root", keys, 2);
	sim_role_keys(s, "root", keys, 1, 1);
	sim_update_root(s);
	sim_refreshed(s);
	assert_int_equal(sim_trusted(s, "root"), 3);
	/* The first root no longer vouches for the third, but it is the pinned one. */
	const struct sim_file *root = sim_file(s, "1.root.json");
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	assert_int_equal(sim_trusted(s, "root"), 3);
	root = sim_file(s, "2.root.json");
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	assert_int_equal(sim_trusted(s, "root"), 3);
	/* A newer one of the same chain is taken. */
	sim_update_root(s);
	root = sim_file(s, "4.root.json");
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	assert_int_equal(sim_trusted(s, "root"), 4);
}

static void init_refuses_another_repository(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	struct sim *other = sim_new();
	const struct sim_file *root = sim_file(other, "1.root.json");
	assert_int_equal(tuf_client_init(s->trust, root->data, root->len, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.hint, s->trust));
	sim_free(other);
	sim_refreshed(s);
}

static void init_refuses_a_root_that_does_not_verify(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *fresh = path_join(s->dir, "fresh");
	const int stranger = SIM_SPARE;
	assert_false(tuf_client_is_initialised(fresh));
	sim_publish_with(s, "root", &stranger, 1);
	const struct sim_file *root = sim_file(s, "1.root.json");
	assert_int_equal(tuf_client_init(fresh, root->data, root->len, &e), -ERR_INTEGRITY);
	assert_false(file_exists(fresh));
	err_clear(&e);
	struct tuf_client *c;
	assert_int_equal(tuf_client_open(fresh, NULL, NULL, SIM_NOW, &c, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.hint, "root file"));
}

static void init_refuses_a_newer_root_of_another_repository(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	struct sim *other = sim_new();
	sim_update_root(other);
	const struct sim_file *root = sim_file(other, "2.root.json");
	assert_int_equal(tuf_client_init(s->trust, root->data, root->len, &e), -ERR_CONFLICT);
	assert_int_equal(sim_trusted(s, "root"), 1);
	/* Nor an older one. */
	sim_update_root(s);
	sim_refreshed(s);
	root = sim_file(other, "1.root.json");
	err_clear(&e);
	assert_int_equal(tuf_client_init(s->trust, root->data, root->len, &e), -ERR_CONFLICT);
	sim_free(other);
	sim_refreshed(s);
	assert_int_equal(sim_trusted(s, "root"), 2);
}

/* -- offline --------------------------------------------------------------------------- */

static int load_offline(struct sim *s, struct tuf_client **out, const char **expired, struct err *e)
{
	struct err opened = ERR_INIT;
	str_list_release(&s->requests);
	assert_ok(sim_open(s, out, &opened), &opened);
	return tuf_client_load_offline(*out, expired, e);
}

static void offline_uses_what_is_stored(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct tuf_target t;
	const char *expired;
	struct err e = ERR_INIT;
	sim_target(s, "targets", "file", "text");
	sim_expires(s, "snapshot", SIM_NOW + SIM_DAY);
	sim_update(s, "targets");
	sim_refreshed(s);
	assert_ok(load_offline(s, &c, &expired, &e), &e);
	assert_null(expired);
	assert_ok(tuf_client_target(c, "file", &t, &e), &e);
	tuf_client_close(c);
	s->now_s = SIM_NOW + 2 * SIM_DAY;
	assert_ok(load_offline(s, &c, &expired, &e), &e);
	assert_string_equal(expired, "snapshot");
	assert_ok(tuf_client_target(c, "file", &t, &e), &e);
	tuf_client_close(c);
	assert_int_equal(s->requests.count, 0);
}

static void offline_still_verifies(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	const char *expired;
	struct err e = ERR_INIT;
	const int stranger = SIM_SPARE;
	assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_NOT_FOUND);
	tuf_client_close(c);
	sim_refreshed(s);
	sim_publish_with(s, "snapshot", &stranger, 1);
	const struct sim_file *f = sim_file(s, "1.snapshot.json");
	scratch_write(s->trust, "snapshot.json", f->data, f->len);
	err_clear(&e);
	assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_INTEGRITY);
	tuf_client_close(c);
}

/* A refresh that was interrupted leaves the timestamp newer, never the other way round. */
static void offline_a_snapshot_behind_its_timestamp_is_refused(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	const char *expired;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *old = mem_strdup(sim_file(s, "timestamp.json")->data);
	sim_update_snapshot(s);
	sim_refreshed(s);
	scratch_write(s->trust, "timestamp.json", old, strlen(old));
	assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "newer than the stored timestamp"));
	tuf_client_close(c);
	sim_refreshed(s);
}

static void offline_works_after_an_interrupted_refresh(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	const char *expired;
	struct err e = ERR_INIT;
	sim_refreshed(s);
	sim_update(s, "targets");
	sim_remove(s, "2.targets.json");
	assert_int_equal(sim_refresh(s, &e), -ERR_NOT_FOUND);
	assert_trusted(s, 1, 2, 2, 1);
	err_clear(&e);
	assert_ok(load_offline(s, &c, &expired, &e), &e);
	tuf_client_close(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_refresh_asks_for_four_files),
		TEST(a_second_refresh_asks_for_what_may_be_new),
		TEST(without_consistent_snapshots_names_are_bare),
		TEST(hashes_and_lengths_are_compared),
		TEST(a_wrong_hash_of_targets_is_refused),
		TEST(unknown_members_are_kept_and_signed),
		TEST(custom_is_given_in_canonical_form),
		TEST(a_target_without_sha256_is_refused),
		TEST(state_tells_versions_and_expiry),
		TEST(root_is_followed_step_by_step),
		TEST(root_without_the_old_key_is_refused),
		TEST(root_without_the_new_key_is_refused),
		TEST(expired_roots_on_the_way_are_fine),
		TEST(an_expired_last_root_is_kept_and_refused),
		TEST(root_rotations_have_a_ceiling),
		TEST(timestamp_rollback_is_refused),
		TEST(the_same_timestamp_version_keeps_the_old_one),
		TEST(snapshot_rollback_in_timestamp_is_refused),
		TEST(targets_rollback_in_snapshot_is_refused),
		TEST(a_role_that_vanishes_from_snapshot_is_refused),
		TEST(a_frozen_timestamp_is_refused),
		TEST(expired_metadata_is_not_stored),
		TEST(what_is_stored_and_expired_is_no_reason),
		TEST(a_second_refresh_recovers_from_fast_forward),
		TEST(stored_snapshot_and_targets_that_expired_are_refused),
		TEST(mixed_versions_are_refused),
		TEST(missing_files_are_not_found),
		TEST(wrong_signatures_are_refused),
		TEST(a_key_of_another_role_does_not_count),
		TEST(thresholds_count_distinct_keys),
		TEST(rotating_timestamp_keys_recovers_from_fast_forward),
		TEST(rotating_snapshot_keys_recovers_from_fast_forward),
		TEST(adding_a_key_recovers_nothing),
		TEST(an_endless_body_is_cut),
		TEST(malformed_bytes_are_refused),
		TEST(damaged_stored_files_heal),
		TEST(a_damaged_stored_root_says_what_to_do),
		TEST(another_endpoint_is_asked_when_one_lies),
		TEST(init_keeps_what_is_the_same_or_newer),
		TEST(init_refuses_another_repository),
		TEST(init_refuses_a_newer_root_of_another_repository),
		TEST(init_refuses_a_root_that_does_not_verify),
		TEST(offline_uses_what_is_stored),
		TEST(offline_still_verifies),
		TEST(offline_a_snapshot_behind_its_timestamp_is_refused),
		TEST(offline_works_after_an_interrupted_refresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
