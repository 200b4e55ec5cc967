/* Keys, the header, and who somebody is. Tokens against npm's jose: tests/cli/test_serve_tokens.py.
 */
#include "auth/auth.h"

#include "auth/header.h"
#include "auth/jwk.h"
#include "auth/key.h"
#include "util/base64.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include "unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t wall;

static int64_t wall_s(void *ctx)
{
	(void)ctx;
	return wall;
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return (uint64_t)wall * 1000000;
}

static const struct clock clock_of_test = { .wall_s = wall_s, .now_us = now_us };

static const char *const pull_some[] = { "pull:main/phi-*", "metrics" };

static void add(struct auth_keys *keys, const char *name, int64_t expires_s,
		char text[AUTH_KEY_LEN + 1])
{
	struct err e = ERR_INIT;
	struct auth_key_order o = {
		.name = name,
		.scopes = pull_some,
		.count = ARRAY_LEN(pull_some),
		.now_s = 1000,
		.expires_s = expires_s,
	};
	assert_ok(auth_keys_add(keys, &o, text, &e), &e);
}

/* A server that knows the keys of the file. */
struct world {
	char *dir, *path;
	struct auth *auth;
	char text[AUTH_KEY_LEN + 1];
	struct auth_memo memo; /* of one connection, over which everything comes */
};

static void world_open(struct world *w, bool open)
{
	struct err e = ERR_INIT;
	struct auth_keys keys = { 0 };
	w->dir = scratch_new();
	w->memo = (struct auth_memo){ 0 };
	w->path = path_join(w->dir, "keys.json");
	wall = 2000;
	add(&keys, "team", 5000, w->text);
	assert_ok(auth_keys_write(w->path, &keys, &e), &e);
	auth_keys_release(&keys);
	struct auth_options o = { .open = open, .keys = w->path, .clock = &clock_of_test };
	assert_ok(auth_new(&o, &w->auth, &e), &e);
}

static void world_close(struct world *w)
{
	auth_memo_release(&w->memo);
	auth_free(w->auth);
	free(w->path);
	scratch_free(w->dir);
}

static enum auth_result shown(struct world *w, const char *scheme, const char *text,
			      struct auth_who *who, struct err *e)
{
	CLEANUP(mem_free_ptr) char *value = mem_printf("%s %s", scheme, text);
	*e = (struct err)ERR_INIT;
	return auth_check(w->auth, value, &w->memo, who, e);
}

static void a_key_is_who_it_was_made_for(void **state)
{
	(void)state;
	struct world w;
	struct err e;
	struct auth_who who;
	world_open(&w, false);
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_OK);
	assert_string_equal(who.name, "team");
	assert_true(who.known && !who.trusted);
	assert_true(auth_may(&who, AUTH_PULL, "main", "phi-2"));
	assert_true(auth_may(&who, AUTH_METRICS, NULL, NULL));
	assert_false(auth_may(&who, AUTH_PULL, "main", "llama"));
	assert_false(auth_may(&who, AUTH_ADMIN, NULL, NULL));
	auth_who_release(&who);

	CLEANUP(buf_release) struct buf basic = BUF_INIT(KIB);
	CLEANUP(mem_free_ptr) char *pair = mem_printf("anybody:%s", w.text);
	base64_add(&basic, pair, strlen(pair));
	assert_int_equal(shown(&w, "Basic", buf_str(&basic), &who, &e), AUTH_OK);
	assert_string_equal(who.name, "team");
	auth_who_release(&who);
	world_close(&w);
}

static void a_connection_may_show_one_key_after_the_other(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	struct auth_who who;
	struct auth_keys keys = { 0 };
	char other[AUTH_KEY_LEN + 1];
	world_open(&w, false);
	assert_ok(auth_keys_load(w.path, &keys, &e), &e);
	add(&keys, "other", 0, other);
	assert_ok(auth_keys_write(w.path, &keys, &e), &e);
	auth_keys_release(&keys);
	assert_ok(auth_reload(w.auth, &e), &e);
	for (int i = 0; i < 4; i++) {
		const char *text = i % 2 ? other : w.text;
		assert_int_equal(shown(&w, "Bearer", text, &who, &e), AUTH_OK);
		assert_string_equal(who.name, i % 2 ? "other" : "team");
		auth_who_release(&who);
		assert_int_equal(shown(&w, "Bearer", "ferry_", &who, &e), AUTH_REFUSED);
	}
	world_close(&w);
}

static void a_wrong_key_is_refused_without_a_word_of_it(void **state)
{
	(void)state;
	struct world w;
	struct err e, other;
	struct auth_who who;
	world_open(&w, true);
	w.text[AUTH_KEY_LEN - 1] ^= 1;
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_REFUSED);
	assert_int_equal(e.class, ERR_AUTH);
	assert_null(strstr(e.text, w.text + AUTH_KEY_LEN - 8));
	/* One that is not there answers with the same words. */
	w.text[sizeof AUTH_KEY_PREFIX] ^= 1;
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &other), AUTH_REFUSED);
	assert_string_equal(e.text, other.text);
	assert_int_equal(shown(&w, "Bearer", "ferry_", &who, &other), AUTH_REFUSED);
	assert_int_equal(shown(&w, "Digest", w.text, &who, &other), AUTH_REFUSED);
	assert_int_equal(shown(&w, "Bearer", "a b", &who, &other), AUTH_REFUSED);
	world_close(&w);
}

static void a_key_ends_when_it_expires_and_when_it_is_revoked(void **state)
{
	(void)state;
	struct world w;
	struct err e;
	struct auth_who who;
	struct auth_keys none = { 0 };
	world_open(&w, false);
	wall = 4999;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_OK);
		assert_string_equal(who.name, "team");
		assert_non_null(w.memo.key);
		auth_who_release(&who);
	}
	wall = 5000;
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_REFUSED);
	assert_string_equal(e.text, "the key has expired");
	wall = 2000;
	e = (struct err)ERR_INIT;
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_OK);
	auth_who_release(&who);
	assert_ok(auth_keys_write(w.path, &none, &e), &e);
	assert_ok(auth_reload(w.auth, &e), &e);
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_REFUSED);
	world_close(&w);
}

/* A half-written file must not lock everybody out, nor let a revoked key in for ever. */
static void a_broken_file_leaves_the_keys_and_a_missing_one_none(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	struct auth_who who;
	struct auth_stats stats;
	world_open(&w, false);
	scratch_write(w.dir, "keys.json", "{\"version\": 1, ", 15);
	assert_int_equal(auth_reload(w.auth, &e), -ERR_INTEGRITY);
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_OK);
	auth_who_release(&who);
	assert_int_equal(remove(w.path), 0);
	e = (struct err)ERR_INIT;
	assert_ok(auth_reload(w.auth, &e), &e);
	assert_int_equal(shown(&w, "Bearer", w.text, &who, &e), AUTH_REFUSED);
	auth_stats(w.auth, &stats);
	assert_int_equal(stats.keys, 0);
	assert_false(stats.set);
	world_close(&w);
}

static void without_credentials_it_depends_on_whether_it_is_open(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	struct auth_who who;
	world_open(&w, true);
	assert_int_equal(auth_check(w.auth, NULL, NULL, &who, &e), AUTH_OK);
	assert_false(who.known);
	assert_true(auth_may(&who, AUTH_PULL, "any", NULL));
	assert_false(auth_may(&who, AUTH_METRICS, NULL, NULL));
	assert_false(auth_may(&who, AUTH_PRELOAD, "any", NULL));
	auth_who_release(&who);
	/* Wrong ones are not taken for none. */
	assert_int_equal(auth_check(w.auth, "Bearer ferry_x", NULL, &who, &e), AUTH_REFUSED);
	assert_true(auth_has_credentials(w.auth));
	world_close(&w);

	world_open(&w, false);
	assert_int_equal(auth_check(w.auth, NULL, NULL, &who, &e), AUTH_REFUSED);
	world_close(&w);
}

static void the_file_has_no_secret_and_only_its_owner_reads_it(void **state)
{
	(void)state;
	struct world w;
	struct err e = ERR_INIT;
	struct stat st;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	world_open(&w, false);
	assert_ok(file_read_all(w.path, &text, &e), &e);
	assert_null(strstr(buf_str(&text), w.text + AUTH_KEY_LEN - AUTH_KEY_SECRET));
	assert_int_equal(stat(w.path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	world_close(&w);
}

static void names_are_unique_and_a_key_is_removed_by_name_or_id(void **state)
{
	(void)state;
	struct auth_keys keys = { 0 };
	struct err e = ERR_INIT;
	char text[AUTH_KEY_LEN + 1], id[AUTH_KEY_ID + 1], *name = NULL;
	add(&keys, "a", 0, text);
	add(&keys, "b", 0, text);
	struct auth_key_order again = { .name = "a", .now_s = 1 };
	assert_int_equal(auth_keys_add(&keys, &again, text, &e), -ERR_CONFLICT);
	e = (struct err)ERR_INIT;
	again.name = "a key";
	assert_int_equal(auth_keys_add(&keys, &again, text, &e), -ERR_USAGE);
	e = (struct err)ERR_INIT;
	memcpy(id, keys.at[0].id, sizeof id);
	assert_ok(auth_keys_remove(&keys, id, &name, &e), &e);
	free(name);
	assert_int_equal(auth_keys_remove(&keys, id, &name, &e), -ERR_NOT_FOUND);
	e = (struct err)ERR_INIT;
	CLEANUP(mem_free_ptr) char *left = mem_strdup(keys.at[0].name);
	assert_ok(auth_keys_remove(&keys, left, &name, &e), &e);
	assert_string_equal(name, left);
	free(name);
	assert_int_equal(keys.count, 0);
	auth_keys_release(&keys);
}

/* -- signatures: the examples of the standards ------------------------------------------------- */

static bool verifies(const char *jwk, const char *kid, enum auth_alg alg, const char *signed_text,
		     const char *signature)
{
	struct err e = ERR_INIT;
	struct auth_jwks set = { 0 };
	CLEANUP(mem_free_ptr) char *text = mem_printf("{\"keys\":[%s]}", jwk);
	CLEANUP(buf_release) struct buf raw = BUF_INIT(KIB);
	assert_ok(auth_jwks_parse(text, strlen(text), true, "test", &set, &e), &e);
	const struct auth_jwk *k = auth_jwks_find(&set, kid, alg);
	assert_non_null(k);
	assert_true(base64_decode_url(&raw, signature, strlen(signature)));
	bool good = auth_jwk_verify(k, signed_text, strlen(signed_text), (uint8_t *)raw.data,
				    raw.len);
	if (good) { /* another text, and another signature */
		assert_false(auth_jwk_verify(k, signed_text, strlen(signed_text) - 1,
					     (uint8_t *)raw.data, raw.len));
		raw.data[raw.len / 2] ^= 1;
		assert_false(auth_jwk_verify(k, signed_text, strlen(signed_text),
					     (uint8_t *)raw.data, raw.len));
		assert_false(auth_jwk_verify(k, signed_text, strlen(signed_text),
					     (uint8_t *)raw.data, raw.len - 1));
	}
	auth_jwks_release(&set);
	return good;
}

#define CLAIMS \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt" \
	"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static void the_examples_of_rfc_7515_and_8037_verify(void **state)
{
	(void)state;
	assert_true(verifies("{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
			     "EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
			     NULL, AUTH_HS256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS,
			     "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
	assert_true(verifies("{\"kty\":\"EC\",\"crv\":\"P-256\","
			     "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			     "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
			     NULL, AUTH_ES256, "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
			     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
			     "pmWQxfKTUJqPP3-Kg6NU1Q"));
	assert_true(verifies("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
			     "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
			     NULL, AUTH_EDDSA,
			     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
			     "hgyY0il_MGCjP0JzlnLWG1PPOt7-"
			     "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
			     "MuM0KAg"));
}

static void keys_that_cannot_be_used_are_left_out(void **state)
{
	(void)state;
	static const char *const unusable[] = {
		"{}",
		"1",
		"{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}",
		"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}",
		/* not on the curve */
		"{\"kty\":\"EC\",\"crv\":\"P-256\","
		"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		"\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
		/* for something else */
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\","
		"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"HS256\","
		"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"sign\"],"
		"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	};
	static const char *const everybodys[] = {
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA",
		"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
		"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
		"7P_______________________________________38",
		"7f________________________________________8",
	};
	for (size_t i = 0; i < ARRAY_LEN(everybodys); i++) {
		struct err e = ERR_INIT;
		struct auth_jwks set = { 0 };
		CLEANUP(mem_free_ptr)
		char *text = mem_printf("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
					"\"x\":\"%s\"}]}",
					everybodys[i]);
		assert_int_equal(auth_jwks_parse(text, strlen(text), true, "test", &set, &e),
				 -ERR_INTEGRITY);
	}
	for (size_t i = 0; i < ARRAY_LEN(unusable); i++) {
		struct err e = ERR_INIT;
		struct auth_jwks set = { 0 };
		CLEANUP(mem_free_ptr) char *text = mem_printf("{\"keys\":[%s]}", unusable[i]);
		if (auth_jwks_parse(text, strlen(text), true, "test", &set, &e) == 0)
			fail_msg("used %s", unusable[i]);
	}
}

/* What everybody can read has no secret. */
static void a_secret_in_a_set_from_a_url_is_not_used(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct auth_jwks set = { 0 };
	static const char text[] =
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
		"EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}";
	assert_int_equal(auth_jwks_parse(text, sizeof text - 1, false, "test", &set, &e),
			 -ERR_INTEGRITY);
}

static void a_file_with_a_secret_must_be_private(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct auth *a = NULL;
	static const char text[] =
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
		"EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}";
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "set.json");
	scratch_write(dir, "set.json", text, sizeof text - 1);
	struct auth_options o = { .jwks = path, .clock = &clock_of_test };
	assert_int_equal(auth_new(&o, &a, &e), -ERR_USAGE); /* without an audience */
	e = (struct err)ERR_INIT;
	o.audience = "edge";
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(auth_new(&o, &a, &e), -ERR_USAGE);
	assert_non_null(strstr(e.hint, "chmod 600"));
	e = (struct err)ERR_INIT;
	assert_int_equal(chmod(path, 0600), 0);
	assert_ok(auth_new(&o, &a, &e), &e);
	auth_free(a);
	e = (struct err)ERR_INIT;
	o.jwks = "http://192.0.2.1/jwks.json";
	assert_int_equal(auth_new(&o, &a, &e), -ERR_USAGE);
	scratch_free(dir);
}

struct crowd {
	struct auth *auth;
	atomic_int done;
};

static void *read_set(void *ctx)
{
	struct crowd *c = ctx;
	auth_refresh(c->auth);
	atomic_fetch_add(&c->done, 1);
	return NULL;
}

/* A port that refuses connections until listen(). */
static int reserve_port(char url[64])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snprintf(url, 64, "http://127.0.0.1:%d/jwks.json", ntohs(at.sin_port));
	return fd;
}

/* Unknown names of keys come from everybody: they must not take all workers for as long as the
 * server of the set does not answer. */
static void only_few_wait_for_a_key_set_that_does_not_answer(void **state)
{
	(void)state;
	static const char token[] = "Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.AA";
	char url[64];
	int fd = reserve_port(url);
	struct cancel cancel = { 0 };
	struct err e = ERR_INIT;
	struct auth_options o = {
		.jwks = url, .audience = "edge", .clock = &clock_of_test, .cancel = &cancel
	};
	struct crowd c = { 0 };
	struct auth_who who = { 0 };
	pthread_t threads[2];
	wall = 1000;
	assert_ok(auth_new(&o, &c.auth, &e), &e);
	assert_int_equal(listen(fd, 1), 0);
	wall += 60;
	assert_int_equal(auth_check(c.auth, token, NULL, &who, &e), AUTH_WAIT);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_set, &c), 0);
	do
		e = (struct err)ERR_INIT;
	while (auth_check(c.auth, token, NULL, &who, &e) != AUTH_LATER);
	auth_refresh(c.auth);
	assert_int_equal(c.done, 0);
	cancel_ask(&cancel, SIGTERM);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	auth_free(c.auth);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_who_it_was_made_for),
		cmocka_unit_test(a_connection_may_show_one_key_after_the_other),
		cmocka_unit_test(a_wrong_key_is_refused_without_a_word_of_it),
		cmocka_unit_test(a_key_ends_when_it_expires_and_when_it_is_revoked),
		cmocka_unit_test(a_broken_file_leaves_the_keys_and_a_missing_one_none),
		cmocka_unit_test(without_credentials_it_depends_on_whether_it_is_open),
		cmocka_unit_test(the_file_has_no_secret_and_only_its_owner_reads_it),
		cmocka_unit_test(names_are_unique_and_a_key_is_removed_by_name_or_id),
		cmocka_unit_test(the_examples_of_rfc_7515_and_8037_verify),
		cmocka_unit_test(keys_that_cannot_be_used_are_left_out),
		cmocka_unit_test(a_secret_in_a_set_from_a_url_is_not_used),
		cmocka_unit_test(a_file_with_a_secret_must_be_private),
		cmocka_unit_test(only_few_wait_for_a_key_set_that_does_not_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
