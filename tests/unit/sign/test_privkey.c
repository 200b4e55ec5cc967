#include "sign/privkey.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	char *dir, *path;
	struct privkey *key;
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct err e = ERR_INIT;
	f->dir = scratch_new();
	f->path = path_join(f->dir, "keys/root.pem");
	assert_ok(privkey_new(PRIVKEY_ED25519, &f->key, &e), &e);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	privkey_free(f->key);
	scratch_free(f->dir);
	free(f->path);
	free(f);
	return 0;
}

/* How often a passphrase was asked for. */
static int asked;

static int ask(void *ctx, const char *path, struct buf *out, struct err *e)
{
	(void)path, (void)e;
	asked++;
	buf_adds(out, ctx);
	return 0;
}

static struct passphrases of(const char *passphrase)
{
	return (struct passphrases){ .ask = ask, .ctx = (void *)passphrase };
}

static int try_load(struct fixture *f, const char *passphrase, struct privkey **out, struct err *e)
{
	CLEANUP(passphrase_release) struct passphrases p = of(passphrase);
	return privkey_load(f->path, passphrase ? &p : NULL, out, e);
}

static void save(struct fixture *f, const char *passphrase)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	struct err e = ERR_INIT;
	buf_adds(&text, passphrase ? passphrase : "");
	assert_ok(privkey_save(f->key, f->path, passphrase ? &text : NULL, &e), &e);
}

static void assert_same(struct fixture *f, const char *passphrase)
{
	struct privkey *k;
	struct err e = ERR_INIT;
	assert_ok(try_load(f, passphrase, &k, &e), &e);
	assert_string_equal(privkey_public(k)->id, privkey_public(f->key)->id);
	privkey_free(k);
}

static void an_encrypted_key_needs_its_passphrase(void **state)
{
	struct fixture *f = *state;
	struct privkey *k;
	struct stat st;
	bool encrypted;
	struct err e = ERR_INIT;
	save(f, "open sesame");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(privkey_is_encrypted(f->path, &encrypted, &e), &e);
	assert_true(encrypted);
	asked = 0;
	assert_same(f, "open sesame");
	assert_int_equal(asked, 1);
	assert_int_equal(try_load(f, "open", &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "wrong passphrase for "));
	err_clear(&e);
	assert_int_equal(try_load(f, NULL, &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "is encrypted"));
}

static void what_opened_a_key_is_tried_on_the_next(void **state)
{
	struct fixture *f = *state;
	struct privkey *k;
	struct err e = ERR_INIT;
	CLEANUP(passphrase_release) struct passphrases p = of("first");
	asked = 0;
	save(f, "first");
	for (unsigned i = 1; i <= 2; i++) {
		assert_ok(privkey_load(f->path, &p, &k, &e), &e);
		privkey_free(k);
		assert_int_equal(p.decryptions, i);
	}
	assert_int_equal(asked, 1);
	/* Another key has another one: it is asked for, unless there is but one answer. */
	assert_int_equal(unlink(f->path), 0);
	save(f, "second");
	p.ctx = (char[]){ "second" };
	p.same = true;
	assert_int_equal(privkey_load(f->path, &p, &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "wrong passphrase for "));
	err_clear(&e);
	assert_int_equal(asked, 1);
	p.same = false;
	assert_ok(privkey_load(f->path, &p, &k, &e), &e);
	privkey_free(k);
	assert_int_equal(asked, 2);
}

static void an_unencrypted_key_asks_nobody(void **state)
{
	struct fixture *f = *state;
	bool encrypted;
	struct err e = ERR_INIT;
	save(f, NULL);
	asked = 0;
	assert_same(f, NULL);
	assert_int_equal(asked, 0);
	assert_ok(privkey_is_encrypted(f->path, &encrypted, &e), &e);
	assert_false(encrypted);
}

static void a_key_is_never_overwritten(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct str_list names = { 0 };
	save(f, NULL);
	assert_int_equal(privkey_save(f->key, f->path, NULL, &e), -ERR_CONFLICT);
	assert_same(f, NULL);
	/* Unless that is what is wanted: another passphrase. */
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	buf_adds(&text, "new");
	err_clear(&e);
	assert_ok(privkey_replace(f->key, f->path, &text, &e), &e);
	assert_same(f, "new");
	CLEANUP(mem_free_ptr) char *dir = path_dir(f->path);
	assert_ok(file_list_dir(dir, &names, &e), &e);
	assert_int_equal(names.count, 1);
	str_list_release(&names);
}

static void an_empty_passphrase_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	assert_int_equal(privkey_save(f->key, f->path, &text, &e), -ERR_USAGE);
	assert_false(file_exists(f->path));
}

static void what_others_may_touch_is_refused(void **state)
{
	struct fixture *f = *state;
	struct privkey *k;
	struct err e = ERR_INIT;
	save(f, NULL);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(try_load(f, NULL, &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "other users can read this private key"));
	assert_non_null(strstr(e.hint, "chmod 600"));
	err_clear(&e);
	assert_int_equal(unlink(f->path), 0);
	save(f, "secret");
	assert_int_equal(chmod(f->path, 0644), 0);
	assert_same(f, "secret");
	assert_int_equal(chmod(f->path, 0662), 0);
	assert_int_equal(try_load(f, "secret", &k, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "other users can"));
}

static void what_is_no_key_is_refused(void **state)
{
	struct fixture *f = *state;
	struct privkey *k;
	struct err e = ERR_INIT;
	static const char *const texts[] = {
		"",
		"hello",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE "
		"KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
		"AES-256-CBC,00\n\nAAAA\n-----END PRIVATE KEY-----\n",
	};
	assert_int_equal(try_load(f, NULL, &k, &e), -ERR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		err_clear(&e);
		scratch_write(f->dir, "keys/root.pem", texts[i], strlen(texts[i]));
		assert_int_equal(chmod(f->path, 0600), 0);
		assert_int_equal(try_load(f, "x", &k, &e), -ERR_USAGE);
		assert_non_null(strstr(e.text, i == 2 ? "public key" : "not a private key"));
	}
	err_clear(&e);
	assert_int_equal(privkey_load(f->dir, NULL, &k, &e), -ERR_USAGE);
}

/* `openssl pkey` reads what is written here, and what it writes is read here. */
static void openssl_reads_and_writes_the_same_form(void **state)
{
	struct fixture *f = *state;
	save(f, "secret");
	CLEANUP(mem_free_ptr) char *command = mem_printf(
		"openssl pkey -in %s -passin pass:secret -aes-256-cbc -passout pass:other "
		"-out %s.new && chmod 600 %s.new && mv %s.new %s",
		f->path, f->path, f->path, f->path, f->path);
	assert_int_equal(system(command), 0);
	assert_same(f, "other");
}

static int sign_wrongly(struct signer *s, const void *data, size_t len, struct buf *sig,
			struct err *e)
{
	(void)s, (void)data, (void)len, (void)e;
	buf_adds(sig, "nonsense");
	return 0;
}

static void a_signature_is_checked_before_it_is_believed(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_release) struct buf sig = BUF_INIT(1000);
	struct privkey *k;
	struct err e = ERR_INIT;
	assert_ok(privkey_new(PRIVKEY_ECDSA_P256, &k, &e), &e);
	CLEANUP_PTR(signer_free) struct signer *s = privkey_signer(k, "targets.pem");
	buf_adds(&sig, "before");
	assert_ok(signer_sign(s, "data", 4, &sig, &e), &e);
	assert_true(tuf_key_verify(s->key, "data", 4, sig.data + 6, sig.len - 6));
	s->sign = sign_wrongly;
	assert_int_equal(signer_sign(s, "data", 4, &sig, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "targets.pem does not verify"));
	(void)f;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_encrypted_key_needs_its_passphrase),
		TEST(what_opened_a_key_is_tried_on_the_next),
		TEST(an_unencrypted_key_asks_nobody),
		TEST(a_key_is_never_overwritten),
		TEST(an_empty_passphrase_is_refused),
		TEST(what_others_may_touch_is_refused),
		TEST(what_is_no_key_is_refused),
		TEST(openssl_reads_and_writes_the_same_form),
		TEST(a_signature_is_checked_before_it_is_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
