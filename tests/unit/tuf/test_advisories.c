/*
 * What went wrong in other TUF clients, each test named after its advisory.
 */
#include "tuf_sim.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <unistd.h>

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

/* Puts the first signature of a served file in `times` more. */
static void repeat_signature(struct sim *s, const char *role, const json_t *envelope, int times)
{
	CLEANUP(json_release) json_t *copy = json_deep_copy(envelope);
	json_t *list = json_object_get(copy, "signatures");
	for (int i = 0; i < times; i++)
		json_push(list, json_deep_copy(json_array_get(list, 0)));
	sim_serve(s, role, copy);
}

/* A root that fails is not used later on, in this run or the next. */
static void CVE_2020_15163(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct err e = ERR_INIT;
	const int stranger = SIM_SPARE;
	for (int i = 0; i < 4; i++) {
		static const char *const roles[] = { "root", "timestamp", "snapshot", "targets" };
		sim_role_keys(s, roles[i], &stranger, 1, 1);
	}
	sim_bump(s, "root");
	sim_publish(s, "root");
	sim_publish(s, "timestamp");
	assert_ok(sim_open(s, &c, &e), &e);
	assert_int_equal(tuf_client_refresh(c, &e), -ERR_INTEGRITY);
	sim_remove(s, "2.root.json");
	err_clear(&e);
	assert_int_equal(tuf_client_refresh(c, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "timestamp.json"));
	tuf_client_close(c);
	assert_int_equal(sim_trusted(s, "root"), 1);
}

static void duplicate_signatures(struct sim *s)
{
	const int keys[] = { SIM_TIMESTAMP, SIM_SPARE };
	sim_role_keys(s, "timestamp", keys, 2, 2);
	sim_update_root(s);
	CLEANUP(json_release) json_t *envelope = sim_envelope(s, s->timestamp, keys, 1);
	sim_serve(s, "timestamp", envelope);
	sim_refused(s, "1 valid signature, 2 required");
	repeat_signature(s, "timestamp", envelope, 1);
	sim_refused(s, "a key id appears twice");
}

static void CVE_2020_6174(void **state)
{
	duplicate_signatures(*state);
}

static void CVE_2020_15093(void **state)
{
	struct sim *s = *state;
	/* The same key under two ids, both in the role. */
	const int keys[] = { SIM_TIMESTAMP };
	sim_role_keys(s, "timestamp", keys, 1, 2);
	json_put(json_object_get(s->root, "keys"), "another-name",
		 json_deep_copy(sim_key(s, SIM_TIMESTAMP)));
	json_t *role = json_object_get(json_object_get(s->root, "roles"), "timestamp");
	json_push(json_object_get(role, "keyids"), json_string("another-name"));
	sim_update_root(s);
	CLEANUP(json_release) json_t *envelope = sim_envelope(s, s->timestamp, keys, 1);
	json_t *list = json_object_get(envelope, "signatures");
	json_t *again = json_deep_copy(json_array_get(list, 0));
	json_put_string(again, "keyid", "another-name");
	json_push(list, again);
	sim_serve(s, "timestamp", envelope);
	sim_refused(s, "1 valid signature, 2 required");
	/* Either id alone does for a threshold of one. */
	json_put_u64(role, "threshold", 1);
	sim_update_root(s);
	json_array_remove(list, 0);
	sim_serve(s, "timestamp", envelope);
	sim_refreshed(s);
}

static void CVE_2026_6966(void **state)
{
	struct sim *s = *state;
	/* Upper-case hex of the same signature, and a role that lists its key twice. */
	duplicate_signatures(s);
	json_t *role = json_object_get(json_object_get(s->root, "roles"), "timestamp");
	json_push(json_object_get(role, "keyids"), json_string(sim_keyid(s, SIM_TIMESTAMP)));
	sim_update_root(s);
	sim_refused(s, "a key id appears twice");
}

static void CVE_2021_41131(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "../../escaped", "*", SIM_SPARE, false);
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "missing", &t, &e), -ERR_NOT_FOUND);
	CLEANUP(mem_free_ptr) char *inside = mem_printf("%s/..%%2F..%%2Fescaped.json", s->trust);
	assert_true(file_exists(inside));
}

static void CVE_2021_41149(void **state)
{
	(void)state;
	/* Target names become file names only after this question. */
	static const char *const names[] = { "../x", "a/../../x", "/etc/passwd",
					     "a//b", "a/./b",     "a\\..\\x",
					     "",     ".",         "a\nb",
					     "a/" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_false(path_is_key(names[i]));
}

/* New metadata is compared with what was trusted before, in another run, too. */
static void CVE_2022_29173(void **state)
{
	struct sim *s = *state;
	CLEANUP(mem_free_ptr) char *timestamp = mem_strdup(sim_file(s, "timestamp.json")->data);
	sim_update(s, "targets");
	sim_refreshed(s);
	sim_put_text(s, "timestamp.json", timestamp);
	sim_refused(s, "rollback of timestamp from version 2 to 1");
	assert_int_equal(sim_trusted(s, "timestamp"), 2);
}

/* Of two delegations for a path, the first in the file has the word. */
static void CVE_2024_47534(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	/* Neither alphabetic, nor in the order of any hash table. */
	sim_delegate(s, "targets", "zz", "*", SIM_SPARE, false);
	sim_delegate(s, "targets", "aa", "*", SIM_SPARE, false);
	sim_delegate(s, "targets", "mm", "*", SIM_SPARE, false);
	sim_target(s, "zz", "file", "one");
	sim_target(s, "aa", "file", "three");
	sim_target(s, "mm", "file", "fifteen letters");
	sim_update(s, "zz");
	sim_update(s, "aa");
	sim_update(s, "mm");
	sim_update(s, "targets");
	assert_ok(sim_find(s, "file", &t, &e), &e);
	assert_int_equal(t.length, 3);
}

static void CVE_2025_2885(void **state)
{
	struct sim *s = *state;
	sim_bump(s, "root");
	sim_bump(s, "root");
	const int root = SIM_ROOT;
	CLEANUP(json_release) json_t *third = sim_envelope(s, s->root, &root, 1);
	sim_serve(s, "root", third);
	sim_put_text(s, "2.root.json", sim_file(s, "3.root.json")->data);
	sim_refused(s, "only version 2 can follow version 1");
	/* Nor the same one again. */
	sim_put_text(s, "2.root.json", sim_file(s, "1.root.json")->data);
	sim_refused(s, "only version 2 can follow version 1");
	assert_int_equal(sim_trusted(s, "root"), 1);
}

static void CVE_2025_2886(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, true);
	sim_delegate(s, "targets", "B", "*", SIM_SPARE, false);
	sim_target(s, "B", "file", "b");
	sim_update(s, "B");
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_NOT_FOUND);
}

static void CVE_2025_2887(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	sim_target(s, "A", "file", "a");
	sim_update(s, "A");
	sim_update(s, "targets");
	assert_ok(sim_find(s, "file", &t, &e), &e);
	/* The old file under the new name. */
	CLEANUP(mem_free_ptr) char *old = mem_strdup(sim_file(s, "2.A.json")->data);
	sim_update(s, "A");
	sim_put_text(s, "3.A.json", old);
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "3.A.json is version 2, but snapshot lists version 3"));
	/* Snapshot itself takes it back. */
	json_put_u64(sim_body(s, "A"), "version", 2);
	sim_publish(s, "A");
	sim_update_snapshot(s);
	sim_refused(s, "rollback of A.json from version 3 to 2");
	assert_int_equal(sim_trusted(s, "A"), 2);
}

static void CVE_2025_2888(void **state)
{
	struct sim *s = *state;
	/* A timestamp that names a snapshot of the past must not become the stored one. */
	sim_update_snapshot(s);
	sim_refreshed(s);
	json_put(s->timestamp, "meta", json_pack("{s:{s:i}}", "snapshot.json", "version", 1));
	json_put_u64(s->timestamp, "version", 9);
	sim_publish(s, "timestamp");
	sim_refused(s, "rollback of snapshot");
	assert_int_equal(sim_trusted(s, "timestamp"), 2);
	json_put(s->timestamp, "meta", json_pack("{s:{s:i}}", "snapshot.json", "version", 2));
	json_put_u64(s->timestamp, "version", 3);
	sim_publish(s, "timestamp");
	sim_refreshed(s);
	assert_int_equal(sim_trusted(s, "timestamp"), 3);
}

static void CVE_2026_6967(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	s->hashes = true;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	sim_target(s, "A", "file", "a");
	sim_expires(s, "A", SIM_NOW);
	sim_update(s, "A");
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "A.json version 2 has expired"));
	assert_int_equal(sim_trusted(s, "A"), 0);
	/* Well signed, but not the bytes that snapshot lists: by hash, then by length. */
	sim_expires(s, "A", SIM_NOW + SIM_DAY);
	sim_update(s, "A");
	struct sim_file *f = sim_file(s, "3.A.json");
	char *space = strchr(f->data, ' ');
	*space = '\t';
	err_clear(&e);
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "3.A.json: its sha256"));
	*space = ' ';
	CLEANUP(mem_free_ptr) char *longer = mem_printf("%s\n", f->data);
	sim_put_text(s, "3.A.json", longer);
	err_clear(&e);
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "3.A.json is larger than"));
	longer[strlen(longer) - 2] = '\0';
	sim_put_text(s, "3.A.json", longer);
	err_clear(&e);
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "but the signed size is"));
	assert_int_equal(sim_trusted(s, "A"), 0);
	/* A stored one that has expired since is refused, too. */
	sim_publish(s, "A");
	err_clear(&e);
	assert_ok(sim_find(s, "file", &t, &e), &e);
	s->now_s = SIM_NOW + SIM_DAY;
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
}

/* A link in the trust folder is replaced, never written through. */
static void CVE_2026_6968(void **state)
{
	struct sim *s = *state;
	scratch_write(s->dir, "outside", "mine", 4);
	CLEANUP(mem_free_ptr) char *link = path_join(s->trust, "timestamp.json");
	CLEANUP(mem_free_ptr) char *outside = path_join(s->dir, "outside");
	assert_int_equal(symlink("../outside", link), 0);
	sim_refreshed(s);
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(outside, &text, &e), &e);
	assert_string_equal(text.data, "mine");
	assert_int_equal(sim_trusted(s, "timestamp"), 1);
}

/* Each member of each role in turn is something else: refused, and nothing worse. Under valgrind,
 * which is slow, each is only a third of what else it could be, and the next one another third. */
static size_t spoil(struct sim *s, const char *role, const json_t *body, json_t *at, int depth)
{
	json_t *const others[] = { json_null(),      json_true(),  json_integer(-1),
				   json_string("?"), json_array(), json_object() };
	const char *key;
	json_t *value;
	void *next;
	size_t refused = 0, step = getenv("VALGRIND") ? 3 : 1;
	static size_t turn;
	json_object_foreach_safe (at, next, key, value) {
		json_t *kept = json_incref(value);
		for (size_t i = turn++ % step; i < ARRAY_LEN(others); i += step) {
			struct err e = ERR_INIT;
			json_object_set(at, key, others[i]);
			sim_publish(s, role);
			int rc = sim_refresh(s, &e);
			assert_true(rc == 0 || rc == -ERR_INTEGRITY || rc == -ERR_NOT_FOUND);
			refused += rc != 0;
		}
		json_object_set(at, key, kept);
		if (depth && json_is_object(value))
			refused += spoil(s, role, body, value, depth - 1);
		json_decref(kept);
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		json_decref(others[i]);
	return refused;
}

static void CVE_2026_23991(void **state)
{
	static const char *const roles[] = { "timestamp", "snapshot", "targets", "root" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct sim *s = sim_new();
		sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
		sim_target(s, "targets", "file", "x");
		/* A version that is never stored, so that each one is asked for again. */
		if (strcmp(roles[i], "root") == 0)
			sim_bump(s, "root");
		else
			sim_update(s, "targets");
		json_t *body = sim_body(s, roles[i]);
		assert_in_range(spoil(s, roles[i], body, body, 3), getenv("VALGRIND") ? 6 : 20,
				1000);
		sim_free(s);
	}
}

static void CVE_2026_23992(void **state)
{
	struct sim *s = *state;
	static const int thresholds[] = { 0, -1, -2147483647 };
	const int stranger = SIM_SPARE;
	for (size_t i = 0; i < ARRAY_LEN(thresholds); i++) {
		json_t *role = json_object_get(json_object_get(s->root, "roles"), "timestamp");
		json_put(role, "threshold", json_integer(thresholds[i]));
		json_put_u64(s->root, "version", 2);
		sim_publish(s, "root");
		sim_publish_with(s, "timestamp", &stranger, 1);
		sim_refused(s, "threshold");
		assert_int_equal(sim_trusted(s, "root"), 1);
	}
	/* In a delegation, too. */
	sim_remove(s, "2.root.json");
	sim_publish(s, "timestamp");
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	json_t *entry =
		json_array_get(json_object_get(json_object_get(s->targets, "delegations"), "roles"),
			       0);
	json_put_u64(entry, "threshold", 0);
	sim_update(s, "targets");
	sim_refused(s, "the threshold is 0");
}

/* Several signatures of one new root key do not reach the new root's threshold. */
static void GHSA_77hh_43cm_v8j6(void **state)
{
	struct sim *s = *state;
	const int keys[] = { SIM_SPARE, SIM_SPARE + 1 };
	const int signers[] = { SIM_SPARE, SIM_ROOT };
	sim_role_keys(s, "root", keys, 2, 2);
	sim_bump(s, "root");
	CLEANUP(json_release) json_t *envelope = sim_envelope(s, s->root, signers, 2);
	repeat_signature(s, "root", envelope, 1);
	sim_refused(s, "a key id appears twice");
	sim_serve(s, "root", envelope);
	sim_refused(s, "1 valid signature, 2 required by itself");
	assert_int_equal(sim_trusted(s, "root"), 1);
}

/* A role that one delegator vouches for is not trusted on behalf of another. */
static void python_tuf_2977(void **state)
{
	struct sim *s = *state;
	struct tuf_client *c;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "A", "a/*", SIM_SPARE, false);
	sim_delegate(s, "targets", "B", "b/*", SIM_SPARE, false);
	sim_delegate(s, "A", "C", "*/*", SIM_SPARE + 1, false);
	sim_delegate(s, "B", "C", "*/*", SIM_SPARE + 2, false);
	sim_target(s, "C", "a/file", "a");
	sim_target(s, "C", "b/file", "b");
	sim_bump(s, "A");
	sim_publish(s, "A");
	sim_bump(s, "B");
	sim_publish(s, "B");
	sim_update(s, "C"); /* signed for A alone */
	sim_update(s, "targets");
	assert_ok(sim_open(s, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	assert_ok(tuf_client_target(c, "a/file", &t, &e), &e);
	assert_int_equal(tuf_client_target(c, "b/file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "0 valid signatures"));
	err_clear(&e);
	assert_ok(tuf_client_target(c, "a/file", &t, &e), &e);
	tuf_client_close(c);
	/* From the trust folder neither. */
	assert_int_equal(sim_find(s, "b/file", &t, &e), -ERR_INTEGRITY);
	/* With both signatures both may ask, in either order, and it is fetched once. */
	const int both[] = { SIM_SPARE + 1, SIM_SPARE + 2 };
	sim_bump(s, "C");
	sim_publish_with(s, "C", both, 2);
	sim_update_snapshot(s);
	err_clear(&e);
	assert_ok(sim_open(s, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	assert_ok(tuf_client_target(c, "b/file", &t, &e), &e);
	str_list_release(&s->requests);
	assert_ok(tuf_client_target(c, "a/file", &t, &e), &e);
	assert_int_equal(s->requests.count, 0);
	tuf_client_close(c);
}

static void GHSA_j8x2_777p_23fc(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	sim_delegate(s, "A", "B", "*", SIM_SPARE, false);
	sim_delegate(s, "B", "A", "*", SIM_SPARE, false);
	sim_delegate(s, "B", "B", "*", SIM_SPARE, false);
	sim_publish(s, "A");
	sim_publish(s, "B");
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "missing", &t, &e), -ERR_NOT_FOUND);
	assert_string_equal(sim_requests(s), "2.root.json timestamp.json 2.snapshot.json "
					     "2.targets.json 1.A.json 1.B.json");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(CVE_2020_15163),      TEST(CVE_2020_6174),       TEST(CVE_2020_15093),
		TEST(CVE_2026_6966),       TEST(CVE_2021_41131),      TEST(CVE_2021_41149),
		TEST(CVE_2022_29173),      TEST(CVE_2024_47534),      TEST(CVE_2025_2885),
		TEST(CVE_2025_2886),       TEST(CVE_2025_2887),       TEST(CVE_2025_2888),
		TEST(CVE_2026_6967),       TEST(CVE_2026_6968),       TEST(CVE_2026_23991),
		TEST(CVE_2026_23992),      TEST(GHSA_77hh_43cm_v8j6), TEST(python_tuf_2977),
		TEST(GHSA_j8x2_777p_23fc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
