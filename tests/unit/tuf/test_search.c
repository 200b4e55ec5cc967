#include "tuf_sim.h"

#include "tuf/match.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>

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

/* The delegated roles that were asked for, in order, as "A C D". */
static const char *visited(struct sim *s)
{
	static char text[1024];
	size_t len = 0;
	text[0] = '\0';
	for (size_t i = 4; i < s->requests.count; i++) {
		const char *role = strchr(s->requests.at[i], '.') + 1;
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s", len ? " " : "",
					(int)(strlen(role) - strlen(".json")), role);
	}
	return text;
}

/* From an empty trust folder. The cause of the error. */
static enum err_cause find(struct sim *s, const char *path, int want)
{
	static const char *const tops[] = { "timestamp", "snapshot", "targets" };
	struct tuf_target t;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		CLEANUP(mem_free_ptr) char *path_of = mem_printf("%s/%s.json", s->trust, tops[i]);
		assert_ok(file_remove(path_of, &e), &e);
	}
	int rc = sim_find(s, path, &t, &e);
	if (rc != want)
		fail_msg("%s: %d instead of %d: %s", path, rc, want, e.text);
	if (rc == 0)
		tuf_target_release(&t);
	return e.cause;
}

/* -- patterns -------------------------------------------------------------------------- */

static void patterns_match_part_by_part(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *path;
		bool match;
	} cases[] = {
		{ "*", "a", true },
		{ "*", "a/b", false },
		{ "*/*", "a/b", true },
		{ "a/*", "a/b/c", false },
		{ "a/*/c", "a/b/c", true },
		{ "*.tgz", "x.tgz", true },
		{ "*.tgz", "x.tgz.asc", false },
		{ "foo-?.tgz", "foo-1.tgz", true },
		{ "foo-?.tgz", "foo-10.tgz", false },
		{ "A*", "a1", false },
		{ "", "", true },
		{ "*", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "a/", "a", false },
		{ "/a", "a", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[!a-c]x", "ax", false },
		{ "[]]", "]", true },
		{ "[", "[", true },
		{ "[a", "[a", true },
		{ "[a/b]", "a/b]", false },
		{ "[a-]", "-", true },
		{ "?", "\xc3\xa4", true },
		{ "[\xc3\xa4-\xc3\xbc]", "\xc3\xb6", true },
		{ "??", "\xc3\xa4", false },
		{ "\xc3\xa4*", "\xc3\xa4\xc3\xb6", true },
		{ "*a*b*c", "xaybzc", true },
		{ "*a*b*c", "xaybz", false },
		{ "**", "abc", true },
		{ ".*", ".hidden", true },
		{ "*", ".hidden", true },
		{ "a\\*", "a\\b", true },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (tuf_match_pattern(cases[i].pattern, cases[i].path) != cases[i].match)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
}

static void many_stars_are_no_trap(void **state)
{
	(void)state;
	char pattern[4001], path[8001];
	for (int i = 0; i < 4000; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[3999] = 'b';
	pattern[4000] = '\0';
	memset(path, 'a', 8000);
	path[8000] = '\0';
	assert_false(tuf_match_pattern(pattern, path));
}

/* -- the walk -------------------------------------------------------------------------- */

struct edge {
	const char *from, *to, *pattern;
	bool terminating;
};

static void build(struct sim *s, const struct edge *edges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sim_delegate(s, edges[i].from, edges[i].to,
			     edges[i].pattern ? edges[i].pattern : "*", SIM_SPARE,
			     edges[i].terminating);
	const char *role;
	json_t *body;
	json_object_foreach (s->roles, role, body)
		sim_publish(s, role);
	sim_update(s, "targets");
}

static void the_walk_is_preorder_depth_first(void **state)
{
	static const struct {
		struct edge edges[6];
		const char *visits;
	} graphs[] = {
		{ { { "targets", "A", 0, 0 } }, "A" },
		{ { { "targets", "A", 0, 0 }, { "targets", "B", 0, 0 }, { "B", "C", 0, 0 } },
		  "A B C" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "A", "C", 0, 0 },
		    { "A", "D", 0, 0 } },
		  "A C D B" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "A", "C", 0, 1 },
		    { "A", "D", 0, 0 } },
		  "A C" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "A", "C", 0, 1 },
		    { "C", "D", 0, 0 } },
		  "A C D" },
		/* A terminating delegation that does not cover the path ends nothing. */
		{ { { "targets", "A", "x*", 1 }, { "targets", "B", 0, 0 } }, "B" },
		{ { { "targets", "A", "*.py", 0 }, { "targets", "B", 0, 0 }, { "A", "C", 0, 0 } },
		  "B" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "B", "C", 0, 0 },
		    { "C", "D", 0, 0 },
		    { "D", "B", 0, 0 } },
		  "A B C D" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "B", "C", 0, 0 },
		    { "A", "C", 0, 0 } },
		  "A C B" },
		{ { { "targets", "A", 0, 0 },
		    { "targets", "B", 0, 0 },
		    { "B", "C", 0, 0 },
		    { "A", "C", "*.py", 0 } },
		  "A B C" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(graphs); i++) {
		struct sim *s = sim_new();
		size_t count = 0;
		while (count < 6 && graphs[i].edges[count].from)
			count++;
		build(s, graphs[i].edges, count);
		find(s, "missing", -ERR_NOT_FOUND);
		assert_string_equal(visited(s), graphs[i].visits);
		sim_free(s);
	}
}

static void a_role_speaks_only_for_its_paths(void **state)
{
	struct sim *s = *state;
	static const struct edge edges[] = {
		{ "targets", "A", "*.md", 0 },
		{ "targets", "B", "releases/*/*", 0 },
		{ "B", "C", "releases/x/*", 0 },
		{ "B", "D", "releases/y/*.zip", 0 },
	};
	sim_target(s, "targets", "top", "t");
	build(s, edges, ARRAY_LEN(edges));
	sim_target(s, "A", "README.md", "a");
	sim_target(s, "C", "releases/x/v1", "c");
	sim_target(s, "D", "releases/y/v1.zip", "d");
	sim_target(s, "D", "releases/z/v1.zip", "not mine");
	sim_update(s, "A");
	sim_update(s, "C");
	sim_update(s, "D");
	static const struct {
		const char *path;
		int rc;
		const char *visits;
	} cases[] = {
		{ "top", 0, "" },
		{ "README.md", 0, "A" },
		{ "releases/x/v1", 0, "B C" },
		{ "releases/y/v1.zip", 0, "D" }, /* B is stored by now */
		{ "releases/z/v1.zip", -ERR_NOT_FOUND, "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		find(s, cases[i].path, cases[i].rc);
		assert_string_equal(visited(s), cases[i].visits);
	}
}

static void the_walk_has_a_ceiling(void **state)
{
	struct sim *s = *state;
	char from[8] = "targets", to[8];
	for (int i = 1; i <= 34; i++) {
		snprintf(to, sizeof to, "r%d", i);
		sim_delegate(s, from, to, "*", SIM_SPARE, false);
		memcpy(from, to, sizeof from);
	}
	for (int i = 1; i <= 34; i++) {
		snprintf(to, sizeof to, "r%d", i);
		sim_publish(s, to);
	}
	sim_target(s, "r32", "within", "x");
	sim_target(s, "r33", "beyond", "x");
	sim_bump(s, "r32");
	sim_publish(s, "r32");
	sim_update(s, "r33");
	sim_update(s, "targets");
	find(s, "within", 0);
	struct tuf_target t;
	struct err e = ERR_INIT;
	assert_int_equal(sim_find(s, "beyond", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "more than 32 delegated roles"));
}

static void a_broken_role_ends_the_search(void **state)
{
	struct sim *s = *state;
	static const struct edge edges[] = { { "targets", "A", 0, 0 }, { "targets", "B", 0, 0 } };
	build(s, edges, 2);
	sim_target(s, "B", "file", "b");
	sim_update(s, "B");
	const int stranger = SIM_SPARE + 1;
	sim_publish_with(s, "A", &stranger, 1);
	find(s, "file", -ERR_INTEGRITY);
	assert_string_equal(visited(s), "A");
	sim_publish(s, "A");
	find(s, "file", 0);
	CLEANUP(mem_free_ptr) char *stored = mem_printf("%s/A.json", s->trust);
	struct err e = ERR_INIT;
	assert_ok(file_remove(stored, &e), &e);
	sim_remove(s, "1.A.json");
	/* Whether the role lists it is not known. */
	assert_int_equal(find(s, "file", -ERR_NOT_FOUND), CAUSE_NONE);
	assert_string_equal(visited(s), "A");
}

static void delegated_roles_are_stored_and_used_again(void **state)
{
	struct sim *s = *state;
	static const struct edge edges[] = { { "targets", "A", 0, 0 } };
	struct tuf_target t;
	struct err e = ERR_INIT;
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	sim_target(s, "A", "file", "a");
	sim_bump(s, "A");
	build(s, edges, 0);
	assert_ok(sim_find(s, "file", &t, &e), &e);
	assert_int_equal(sim_trusted(s, "A"), 2);
	assert_ok(sim_find(s, "file", &t, &e), &e);
	assert_string_equal(sim_requests(s), "2.root.json timestamp.json");
	sim_update(s, "A");
	assert_ok(sim_find(s, "file", &t, &e), &e);
	assert_int_equal(sim_trusted(s, "A"), 3);
}

/* -- hash prefixes and bins ------------------------------------------------------------ */

static void hash_prefixes_choose_the_role(void **state)
{
	struct sim *s = *state;
	/* SHA-256 of "file3.txt" begins with 38, of "file1.txt" with 55. */
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of("file3.txt", 9, &d);
	digest_hex(hex, &d);
	hex[4] = '\0';
	sim_delegate(s, "targets", "A", "*", SIM_SPARE, false);
	json_t *entry =
		json_array_get(json_object_get(json_object_get(s->targets, "delegations"), "roles"),
			       0);
	json_object_del(entry, "paths");
	json_put(entry, "path_hash_prefixes", json_pack("[s, s]", "ffffffff", hex));
	sim_target(s, "A", "file3.txt", "3");
	sim_target(s, "A", "file1.txt", "1");
	sim_bump(s, "A");
	sim_publish(s, "A");
	sim_update(s, "targets");
	find(s, "file3.txt", 0);
	assert_int_equal(find(s, "file1.txt", -ERR_NOT_FOUND), CAUSE_UNLISTED);
}

static void bins_are_computed_from_the_hash(void **state)
{
	(void)state;
	/* SHA-256 of "a/b" = c14cddc0… */
	static const struct {
		unsigned bits;
		const char *name;
	} cases[] = {
		{ 1, "bin-1" },  { 4, "bin-c" },    { 5, "bin-18" },
		{ 8, "bin-c1" }, { 10, "bin-305" }, { 32, "bin-c14cddc0" },
	};
	struct digest d;
	sha256_of("a/b", 3, &d);
	assert_int_equal(d.bytes[0], 0xc1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tuf_bins bins = { .prefix = "bin", .bit_length = cases[i].bits };
		CLEANUP(mem_free_ptr) char *name = tuf_match_bin(&bins, "a/b");
		assert_string_equal(name, cases[i].name);
	}
}

static void succinct_roles_are_followed(void **state)
{
	struct sim *s = *state;
	json_t *delegations = json_object(), *keys = json_object();
	json_put(keys, sim_keyid(s, SIM_SPARE), json_deep_copy(sim_key(s, SIM_SPARE)));
	json_put(delegations, "keys", keys);
	json_put(delegations, "succinct_roles",
		 json_pack("{s:[s], s:i, s:i, s:s}", "keyids", sim_keyid(s, SIM_SPARE), "threshold",
			   1, "bit_length", 3, "name_prefix", "bin"));
	/* The simulator makes the roles; the delegation is replaced by the bins. */
	for (int i = 0; i < 8; i++) {
		char name[8];
		snprintf(name, sizeof name, "bin-%x", (unsigned)i);
		sim_delegate(s, "targets", name, "*", SIM_SPARE, false);
	}
	json_put(s->targets, "delegations", delegations);
	sim_target(s, "bin-6", "a/b", "x"); /* 0xc1 >> 5 = 6 */
	sim_bump(s, "bin-6");
	sim_publish(s, "bin-6");
	sim_update(s, "targets");
	find(s, "a/b", 0);
	assert_string_equal(visited(s), "bin-6");
	find(s, "xyz", -ERR_NOT_FOUND);
	assert_int_equal(s->requests.count, 5);
}

static void strange_role_names_stay_in_the_folder(void **state)
{
	struct sim *s = *state;
	static const struct {
		const char *role, *request;
	} cases[] = {
		{ "?", "1.%3F.json" },
		{ "#", "1.%23.json" },
		{ "/delegated", "1.%2Fdelegated.json" },
		{ "../delegated", "1...%2Fdelegated.json" },
		{ "a b", "1.a%20b.json" },
		{ "r\xc3\xb6le", "1.r%C3%B6le.json" },
		{ "1.root", "1.1.root.json" },
		{ ".", "1...json" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		sim_delegate(s, "targets", cases[i].role, "*", SIM_SPARE, false);
	sim_update(s, "targets");
	find(s, "missing", -ERR_NOT_FOUND);
	assert_int_equal(s->requests.count, 4 + ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_string_equal(s->requests.at[4 + i], cases[i].request);
		assert_int_equal(sim_trusted(s, cases[i].role), 1);
	}
	struct str_list outside = { 0 };
	struct err e = ERR_INIT;
	assert_ok(file_list_dir(s->dir, &outside, &e), &e);
	assert_int_equal(outside.count, 1);
	str_list_release(&outside);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_part_by_part),
		cmocka_unit_test(many_stars_are_no_trap),
		cmocka_unit_test(the_walk_is_preorder_depth_first),
		TEST(a_role_speaks_only_for_its_paths),
		TEST(the_walk_has_a_ceiling),
		TEST(a_broken_role_ends_the_search),
		TEST(delegated_roles_are_stored_and_used_again),
		TEST(hash_prefixes_choose_the_role),
		cmocka_unit_test(bins_are_computed_from_the_hash),
		TEST(succinct_roles_are_followed),
		TEST(strange_role_names_stay_in_the_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
