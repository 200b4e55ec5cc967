#include "sign/command.h"
#include "sign/privkey.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A folder that stands for an HSM: a private key, and a script that signs with it. */
struct hsm {
	char *dir, *key, *file;
	struct privkey *private;
};

static int set_up(void **state)
{
	struct hsm *h = NEW(struct hsm);
	struct err e = ERR_INIT;
	h->dir = scratch_new();
	h->key = path_join(h->dir, "hidden.pem");
	h->file = path_join(h->dir, "hsm.command");
	assert_ok(privkey_new(PRIVKEY_ECDSA_P256, &h->private, &e), &e);
	assert_ok(privkey_save(h->private, h->key, NULL, &e), &e);
	*state = h;
	return 0;
}

static int tear_down(void **state)
{
	struct hsm *h = *state;
	privkey_free(h->private);
	scratch_free(h->dir);
	free(h->key);
	free(h->file);
	free(h);
	return 0;
}

static void write_bytes(struct hsm *h, const char *data, size_t len)
{
	struct err e = ERR_INIT;
	assert_ok(file_write_atomic(h->file, data, len, 0644, &e), &e);
}

static void write_command(struct hsm *h, const char *text)
{
	write_bytes(h, text, strlen(text));
}

/* A command whose program is a shell script with this text. */
static void write_script(struct hsm *h, const char *script)
{
	CLEANUP(mem_free_ptr) char *path = path_join(h->dir, "sign");
	CLEANUP(mem_free_ptr) char *text = mem_printf("#!/bin/sh\n%s\n", script);
	struct err e = ERR_INIT;
	assert_ok(file_write_atomic(path, text, strlen(text), 0755, &e), &e);
	write_command(h, "# the HSM of the tests\n./sign\n\nwith a blank\n");
}

static int sign(struct hsm *h, struct buf *sig, struct err *e)
{
	CLEANUP_PTR(signer_free) struct signer *s = NULL;
	int rc = command_signer(h->file, privkey_public(h->private), NULL, &s, e);
	return rc < 0 ? rc : signer_sign(s, "data", 4, sig, e);
}

static void assert_signs(struct hsm *h)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4096);
	assert_ok(sign(h, &sig, &e), &e);
	assert_true(tuf_key_verify(privkey_public(h->private), "data", 4, sig.data, sig.len));
}

static void assert_refused(struct hsm *h, const char *text)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4096);
	assert_int_equal(sign(h, &sig, &e), -ERR_USAGE);
	if (!strstr(e.text, text))
		fail_msg("'%s' is not in '%s'", text, e.text);
}

static void a_program_signs(void **state)
{
	struct hsm *h = *state;
	write_script(h, "exec openssl dgst -sha256 -sign hidden.pem");
	assert_signs(h);
	write_command(h, "openssl\ndgst\n-sha256\n-sign\nhidden.pem\n");
	assert_signs(h);
}

static void a_command_that_windows_saved_is_read(void **state)
{
	static const char text[] = "\xff\xfe"
				   "o\0p\0e\0n\0s\0s\0l\0\r\0\n\0d\0g\0s\0t\0\r\0\n\0"
				   "-\0s\0h\0a\0002\0005\0006\0\r\0\n\0-\0s\0i\0g\0n\0\r\0\n\0"
				   "h\0i\0d\0d\0e\0n\0.\0p\0e\0m\0\r\0\n";
	struct hsm *h = *state;
	write_command(h, "\xef\xbb\xbfopenssl\r\ndgst\r\n-sha256\r\n-sign\r\nhidden.pem\r\n");
	assert_signs(h);
	write_bytes(h, text, sizeof text); /* the last NUL belongs to it */
	assert_signs(h);
}

/* PKCS#11 gives r and s side by side. */
static void r_and_s_become_der(void **state)
{
	struct hsm *h = *state;
	write_script(h, "openssl dgst -sha256 -sign hidden.pem | openssl asn1parse -inform DER | "
			"sed -n 's/.*INTEGER *://p' | while read n; do "
			"printf '%064s' $n | tr ' ' 0; done | "
			"perl -ne 'print pack \"H*\", $_'");
	assert_signs(h);
}

static void words_are_handed_over_as_they_are(void **state)
{
	struct hsm *h = *state;
	write_script(h,
		     "test \"$1\" = 'with a blank' && test $# = 1 && test -z \"$FERRY_PASSPHRASE\" "
		     "&& test \"$HSM_PIN\" = 1234 && exec openssl dgst -sha256 -sign hidden.pem");
	setenv("FERRY_PASSPHRASE", "hush", 1);
	setenv("HSM_PIN", "1234", 1);
	assert_signs(h);
	unsetenv("FERRY_PASSPHRASE");
}

static void what_goes_wrong_is_told(void **state)
{
	struct hsm *h = *state;
	write_script(h, "echo 'slot is empty' >&2; exit 3");
	assert_refused(h, "ended with status 3: slot is empty");
	write_script(h, "true");
	assert_refused(h, "wrote no signature");
	write_script(h, "cat; echo more");
	assert_refused(h, "does not verify");
	write_script(h, "cat /dev/zero");
	assert_refused(h, "wrote more output than allowed");
	write_script(h, "kill -SEGV $$");
	assert_refused(h, "SIGSEGV");
	/* Signs, but says that it failed. */
	write_script(h, "openssl dgst -sha256 -sign hidden.pem; exit 1");
	assert_refused(h, "ended with status 1");
}

static void descriptions_are_checked(void **state)
{
	struct hsm *h = *state;
	struct err e = ERR_INIT, mode = ERR_INIT;
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4096);
	assert_int_equal(sign(h, &sig, &e), -ERR_NOT_FOUND);
	write_command(h, "# nothing\n\n");
	assert_refused(h, "names no program");
	write_command(h, "no-such-program-anywhere\n");
	assert_refused(h, "the program 'no-such-program-anywhere' is not on PATH");
	write_command(h, "./missing\n");
	assert_refused(h, "/missing is missing");
	write_command(h, "./hidden.pem\n");
	assert_refused(h, "not executable");
	write_script(h, "true");
	assert_int_equal(chmod(h->file, 0666), 0);
	assert_ok(command_check(h->file, &mode), &mode);
	assert_refused(h, "other users can");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_signs),         TEST(a_command_that_windows_saved_is_read),
		TEST(r_and_s_become_der),      TEST(words_are_handed_over_as_they_are),
		TEST(what_goes_wrong_is_told), TEST(descriptions_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
