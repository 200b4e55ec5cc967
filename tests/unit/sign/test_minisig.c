#include "sign/minisig.h"

#include "util/base64.h"
#include "sign/privkey.h"
#include "util/mem.h"
#include "util/text.h"

#include "unit.h"

#define DATA "what is signed"
#define TRUSTED "repository:lab\tversion:3"

static struct signer *signer_of(enum privkey_kind kind)
{
	struct err e = ERR_INIT;
	struct privkey *k;
	assert_ok(privkey_new(kind, &k, &e), &e);
	return privkey_signer(k, "a key");
}

static void sign(struct signer *s, struct buf *out)
{
	struct err e = ERR_INIT;
	buf_init(out, MINISIG_MAX_BYTES);
	assert_ok(minisig_sign(s, DATA, strlen(DATA), "who", TRUSTED, out, &e), &e);
}

static struct minisig parsed(const struct buf *text)
{
	struct err e = ERR_INIT;
	struct minisig m;
	assert_ok(minisig_parse(text->data, text->len, "x", &m, &e), &e);
	return m;
}

/* ---- base64 ---- */

static void base64_has_one_form(void **state)
{
	(void)state;
	static const char *const texts[] = { "Zg==", "Zm8=", "Zm9v", "Zm9vYg==" };
	char out[8];
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf b = BUF_INIT(100);
		base64_add(&b, "foob", i + 1);
		assert_string_equal(buf_str(&b), texts[i]);
		assert_true(base64_decode(out, i + 1, texts[i], strlen(texts[i])));
		assert_memory_equal(out, "foob", i + 1);
		assert_false(base64_decode(out, i + 2, texts[i], strlen(texts[i])));
		buf_release(&b);
	}
	/* Unused bits, blanks, other characters, missing padding. */
	static const char *const bad[] = { "Zh==", " Zg=", "Zg= ", "Z-==", "Zg", "Zg=\n", "====" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(base64_decode(out, 1, bad[i], strlen(bad[i])));
	struct buf small = BUF_INIT(7);
	base64_add(&small, "foob", 4);
	assert_true(small.overflow);
	buf_release(&small);
}

/* ---- signatures ---- */

static void a_signature_verifies_with_its_key_alone(void **state)
{
	(void)state;
	struct signer *s = signer_of(PRIVKEY_ED25519), *other = signer_of(PRIVKEY_ED25519);
	struct buf text;
	sign(s, &text);
	struct minisig m = parsed(&text);
	assert_string_equal(m.trusted, TRUSTED);
	assert_true(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	assert_false(minisig_verify(&m, other->key, DATA, strlen(DATA)));
	assert_false(minisig_verify(&m, s->key, DATA "!", strlen(DATA) + 1));
	assert_false(minisig_verify(&m, s->key, NULL, 0));
	m.trusted[0] ^= 1;
	assert_false(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	m.trusted[0] ^= 1;
	m.key_id[0] ^= 1;
	assert_false(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	m.key_id[0] ^= 1;
	m.sig[5] ^= 1;
	assert_false(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	m.sig[5] ^= 1;
	m.global[5] ^= 1;
	assert_false(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	m.global[5] ^= 1;
	assert_true(minisig_verify(&m, s->key, DATA, strlen(DATA)));
	minisig_release(&m);
	buf_release(&text);
	signer_free(s);
	signer_free(other);
}

static void minisign_shows_the_beginning_of_the_key_id(void **state)
{
	(void)state;
	struct signer *s = signer_of(PRIVKEY_ED25519);
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(KIB), sig;
	uint8_t blob[42];
	char shown[17];
	assert_ok(minisig_public(s->key, "mine", &text, &e), &e);
	assert_true(str_starts(text.data, "untrusted comment: mine\n"));
	const char *line = strchr(text.data, '\n') + 1;
	assert_true(base64_decode(blob, sizeof blob, line, strlen(line) - 1));
	assert_memory_equal(blob, "Ed", 2);
	for (int i = 0; i < 8; i++)
		hex_encode(shown + 2 * i, &blob[2 + 7 - i], 1);
	assert_memory_equal(shown, s->key->id, 16);
	sign(s, &sig);
	struct minisig m = parsed(&sig);
	assert_memory_equal(m.key_id, blob + 2, 8);
	minisig_release(&m);
	buf_release(&sig);
	buf_release(&text);
	signer_free(s);
}

static void what_minisign_cannot_hold_is_refused(void **state)
{
	(void)state;
	struct signer *ec = signer_of(PRIVKEY_ECDSA_P256), *s = signer_of(PRIVKEY_ED25519);
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT(MINISIG_MAX_BYTES);
	char longest[MINISIG_COMMENT_MAX + 2];
	assert_false(minisig_fits(ec->key));
	assert_int_equal(minisig_public(ec->key, "x", &out, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "ECDSA P-256"));
	err_clear(&e);
	assert_int_equal(minisig_sign(ec, "x", 1, "", "", &out, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(minisig_sign(s, "x", 1, "", "two\nlines", &out, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(minisig_sign(s, "x", 1, "a\rb", "", &out, &e), -ERR_USAGE);
	err_clear(&e);
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(minisig_sign(s, "x", 1, "", longest, &out, &e), -ERR_USAGE);
	assert_int_equal(out.len, 0);
	err_clear(&e);
	assert_ok(minisig_sign(s, "x", 1, longest + 1, longest + 1, &out, &e), &e);
	struct minisig m = parsed(&out);
	assert_string_equal(m.trusted, longest + 1);
	minisig_release(&m);
	buf_release(&out);
	signer_free(ec);
	signer_free(s);
}

/* ---- reading ---- */

/* As minisign 0.11 writes them. */
#define LINE1 "untrusted comment: signature from minisign secret key\n"
#define LINE3 "trusted comment: timestamp:1767225600\tfile:x\thashed\n"

static void assert_refused(const char *text, size_t len)
{
	struct err e = ERR_INIT;
	struct minisig m;
	assert_int_equal(minisig_parse(text, len, "x.minisig", &m, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "x.minisig: not a minisign signature"));
}

static void only_the_whole_file_is_a_signature(void **state)
{
	(void)state;
	struct signer *s = signer_of(PRIVKEY_ED25519);
	struct buf text;
	sign(s, &text);
	for (size_t len = 0; len < text.len; len++)
		assert_refused(text.data, len);
	buf_addc(&text, '\n');
	assert_refused(text.data, text.len);
	assert_refused("", 0);
	buf_release(&text);
	signer_free(s);
}

static void the_legacy_form_is_refused(void **state)
{
	(void)state;
	uint8_t blob[74] = "Ed", global[64] = { 0 };
	struct buf text = BUF_INIT(MINISIG_MAX_BYTES);
	for (int prehashed = 0; prehashed < 2; prehashed++) {
		buf_clear(&text);
		blob[1] = prehashed ? 'D' : 'd';
		buf_adds(&text, LINE1);
		base64_add(&text, blob, sizeof blob);
		buf_adds(&text, "\r\n" LINE3);
		base64_add(&text, global, sizeof global);
		buf_addc(&text, '\n');
		if (!prehashed)
			assert_refused(text.data, text.len);
	}
	/* The same, prehashed, and with a line end of another system, is read. */
	struct minisig m = parsed(&text);
	assert_string_equal(m.trusted, "timestamp:1767225600\tfile:x\thashed");
	minisig_release(&m);
	text.data[strlen(LINE1) - 3] = '\0';
	assert_refused(text.data, text.len);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_has_one_form),
		cmocka_unit_test(a_signature_verifies_with_its_key_alone),
		cmocka_unit_test(minisign_shows_the_beginning_of_the_key_id),
		cmocka_unit_test(what_minisign_cannot_hold_is_refused),
		cmocka_unit_test(only_the_whole_file_is_a_signature),
		cmocka_unit_test(the_legacy_form_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
