#include "sign/passphrase.h"

#include "util/mem.h"

#include <string.h>

void passphrase_release(struct passphrases *p)
{
	buf_wipe(&p->known);
	p->has_known = false;
}

void passphrase_know(struct passphrases *p, const struct buf *passphrase)
{
	passphrase_release(p);
	buf_init(&p->known, PASSPHRASE_MAX);
	buf_add(&p->known, buf_str(passphrase), passphrase->len);
	p->has_known = true;
}

int passphrase_ask(struct passphrases *p, const char *path, struct err *e)
{
	CLEANUP(buf_wipe) struct buf answer = BUF_INIT(PASSPHRASE_MAX);
	if (!p || !p->ask)
		return err_set(e, ERR_USAGE, "%s is encrypted, and no passphrase was given", path);
	int rc = p->ask(p->ctx, path, &answer, e);
	if (rc == 0)
		passphrase_know(p, &answer);
	return rc;
}

/* ---- weak ones ---- */

#define ENOUGH_CHARACTERS 12
#define ENOUGH_DIFFERENT 5

/* What lists of stolen passwords begin with, as far as their letters are concerned. */
static const char *const common[] = {
	"abc",      "admin",  "administrator", "asdfgh", "changeme", "default",    "dragon",
	"ferry",    "foobar", "football",      "hello",  "iloveyou", "letmein",    "login",
	"master",   "model",  "modelferry",    "monkey", "pass",     "passphrase", "password",
	"passwort", "qwerty", "qwertyuiop",    "qwertz", "root",     "secret",     "shadow",
	"sunshine", "test",   "trustno",       "user",   "welcome",
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The letters alone, in lower case. The caller wipes. */
static void letters_of(const struct buf *p, struct buf *out)
{
	for (const char *c = buf_str(p); *c; c++)
		if (is_letter(*c))
			buf_addc(out, (char)(*c | 0x20));
}

/* Is it one common word, perhaps several times? */
static bool is_common(const struct buf *letters)
{
	for (size_t i = 0; i < ARRAY_LEN(common); i++) {
		size_t len = strlen(common[i]), at = 0;
		while (letters->len - at >= len && !memcmp(letters->data + at, common[i], len))
			at += len;
		if (at && at == letters->len)
			return true;
	}
	return false;
}

/* Of UTF-8: continuation bytes do not count. */
static size_t count_characters(const char *s)
{
	size_t count = 0;
	for (; *s; s++)
		count += ((unsigned char)*s & 0xC0) != 0x80;
	return count;
}

static size_t count_different(const char *s)
{
	bool seen[256] = { false };
	size_t count = 0;
	for (; *s; s++) {
		count += !seen[(unsigned char)*s];
		seen[(unsigned char)*s] = true;
	}
	return count;
}

/* "123456789012", "abcdefghijkl": does each follow the one before? */
static bool is_sequence(const char *s)
{
	for (; s[0] && s[1]; s++)
		if (s[1] != s[0] + 1 && !(s[0] == '9' && s[1] == '0'))
			return false;
	return true;
}

char *passphrase_weakness(const struct buf *passphrase)
{
	CLEANUP(buf_wipe) struct buf letters = BUF_INIT(PASSPHRASE_MAX);
	const char *text = buf_str(passphrase);
	size_t count = count_characters(text);
	letters_of(passphrase, &letters);
	if (letters.len && is_common(&letters))
		return mem_strdup("it is a common word");
	if (count < ENOUGH_CHARACTERS)
		return mem_printf("it is short (%zu character%s)", count, count == 1 ? "" : "s");
	if (is_sequence(text))
		return mem_strdup("each character follows from the one before");
	if (count_different(text) < ENOUGH_DIFFERENT)
		return mem_strdup("it has few different characters");
	return NULL;
}
