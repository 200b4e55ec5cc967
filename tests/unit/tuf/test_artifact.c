#include "tuf/artifact.h"
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

static int get(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct sim *s = ctx;
	const struct sim_file *f = sim_file(s, name);
	str_list_add(&s->requests, name);
	if (!f)
		return err_set(e, ERR_NOT_FOUND, "%s: not found", name);
	buf_add(out, f->data, f->len);
	return buf_ok(out, name, e);
}

/* Serves the text under the hashed name, too. */
static void add(struct sim *s, const char *path, const char *text)
{
	struct digest d;
	char hex[DIGEST_HEX];
	const char *base = path_base(path);
	sha256_of(text, strlen(text), &d);
	CLEANUP(mem_free_ptr) char *name =
		mem_printf("%.*s%s.%s", (int)(base - path), path, digest_hex(hex, &d), base);
	sim_put_text(s, name, text);
	sim_target(s, "targets", path, text);
	sim_update(s, "targets");
}

static int fetch(struct sim *s, const char *path, struct err *e)
{
	CLEANUP_PTR(tuf_client_close) struct tuf_client *c = NULL;
	struct err opened = ERR_INIT;
	assert_ok(sim_open(s, &c, &opened), &opened);
	assert_ok(tuf_client_refresh(c, &opened), &opened);
	str_list_release(&s->requests);
	return tuf_artifact_fetch(c, path, get, s, s->dir, e);
}

static void assert_content(struct sim *s, const char *name, const char *text)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, name);
	CLEANUP(buf_release) struct buf raw = BUF_INIT(1000);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(path, &raw, &e), &e);
	assert_string_equal(buf_str(&raw), text);
}

static void a_target_is_fetched_once(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	add(s, "a/file.txt", "one");
	assert_ok(fetch(s, "a/file.txt", &e), &e);
	assert_int_equal(s->requests.count, 1);
	assert_content(s, "a%2Ffile.txt", "one");
	assert_ok(fetch(s, "a/file.txt", &e), &e);
	assert_int_equal(s->requests.count, 0);
	add(s, "a/file.txt", "two!");
	assert_ok(fetch(s, "a/file.txt", &e), &e);
	assert_content(s, "a%2Ffile.txt", "two!");
	/* What was spoilt here is fetched again. */
	scratch_write(s->dir, "a%2Ffile.txt", "spoi", 4);
	assert_ok(fetch(s, "a/file.txt", &e), &e);
	assert_content(s, "a%2Ffile.txt", "two!");
}

static void other_bytes_are_refused(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	add(s, "file", "good");
	assert_ok(fetch(s, "file", &e), &e);
	add(s, "file", "better");
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of("better", 6, &d);
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.file", digest_hex(hex, &d));
	static const char *const bad[] = { "BETTER", "better and longer", "bett" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		sim_put_text(s, name, bad[i]);
		assert_int_equal(fetch(s, "file", &e), -ERR_INTEGRITY);
		assert_content(s, "file", "good");
		err_clear(&e);
	}
	assert_int_equal(fetch(s, "other", &e), -ERR_NOT_FOUND);
}

static void any_known_hash_will_do(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	/* SHA-512 of "abc" (FIPS 180-2). */
	static const char sha512[] =
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
	json_t *targets = json_object_get(s->targets, "targets");
	json_put(targets, "x", json_pack("{s:i, s:{s:s, s:s}}", "length", 3, "hashes", "blake2b",
					 "00", "sha512", sha512));
	json_put(targets, "y", json_pack("{s:i, s:{s:s}}", "length", 3, "hashes", "md5", "00"));
	sim_update(s, "targets");
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s.x", sha512);
	sim_put_text(s, name, "abc");
	assert_ok(fetch(s, "x", &e), &e);
	assert_content(s, "x", "abc");
	assert_int_equal(fetch(s, "y", &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "known algorithm"));
}

/* They are held in memory: what is larger is not asked for. */
static void very_large_targets_are_refused(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	add(s, "file", "text");
	json_t *entry = json_object_get(json_object_get(s->targets, "targets"), "file");
	json_put_u64(entry, "length", TUF_ARTIFACT_MAX + 1);
	sim_update(s, "targets");
	assert_int_equal(fetch(s, "file", &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "file: 1073741825 bytes are signed, too many for this client");
	assert_int_equal(s->requests.count, 0);
	json_put_u64(entry, "length", TUF_ARTIFACT_MAX);
	sim_update(s, "targets");
	err_clear(&e);
	assert_int_equal(fetch(s, "file", &e), -ERR_INTEGRITY);
	assert_int_equal(s->requests.count, 1);
}

/* No path leaves the folder. */
static void CVE_2021_41149(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	static const struct { const char *path, *file; } cases[] = {
		{ "../x", "..%2Fx" },
		{ "/abs", "%2Fabs" },
		{ "a b", "a%20b" },
		{ "..", "%.." },
		{ ".", "%." },
		{ "", "%" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		add(s, cases[i].path, "text");
		assert_ok(fetch(s, cases[i].path, &e), &e);
		assert_content(s, cases[i].file, "text");
	}
}

/* An absolute path is a name like others; a link in a target's place is replaced, not
 * followed. */
static void CVE_2026_6968(void **state)
{
	struct sim *s = *state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *outside = path_join(s->trust, "absolute");
	add(s, outside, "text");
	assert_ok(fetch(s, outside, &e), &e);
	assert_false(file_exists(outside));
	scratch_write(s->trust, "victim", "mine", 4);
	CLEANUP(mem_free_ptr) char *link = path_join(s->dir, "link");
	assert_int_equal(symlink("trust/victim", link), 0);
	add(s, "link", "text");
	assert_ok(fetch(s, "link", &e), &e);
	assert_content(s, "link", "text");
	assert_content(s, "trust/victim", "mine");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_target_is_fetched_once),
		TEST(other_bytes_are_refused),
		TEST(any_known_hash_will_do),
		TEST(very_large_targets_are_refused),
		TEST(CVE_2021_41149),
		TEST(CVE_2026_6968),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
