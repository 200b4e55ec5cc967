#include "sign/passphrase.h"
#include "util/mem.h"

#include "unit.h"

static void expect(const char *passphrase, const char *why)
{
	CLEANUP(buf_wipe) struct buf b = BUF_INIT(PASSPHRASE_MAX);
	buf_adds(&b, passphrase);
	CLEANUP(mem_free_ptr) char *found = passphrase_weakness(&b);
	if (!why)
		assert_null(found);
	else
		assert_string_equal(found, why);
}

static void short_ones_are_weak(void **state)
{
	(void)state;
	expect("a", "it is short (1 character)");
	expect("x7!kQ9#zLp2", "it is short (11 characters)");
	expect("x7!kQ9#zLp2m", NULL);
	/* Characters count, not bytes. */
	expect("äöüßéèêñ", "it is short (8 characters)");
}

static void common_words_are_weak_however_they_are_dressed_up(void **state)
{
	(void)state;
	expect("password", "it is a common word");
	expect("PassWord-2026!!", "it is a common word");
	expect("qwertyqwerty12", "it is a common word");
	expect("passwords of mine", NULL);
	expect("correct horse", NULL);
}

static void repetitions_and_sequences_are_weak(void **state)
{
	(void)state;
	expect("1234567890123", "each character follows from the one before");
	expect("abcdefghijklmnop", "each character follows from the one before");
	expect("aaaaaaaaaaaaaaaa", "it has few different characters");
	expect("abababababababab", "it has few different characters");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_ones_are_weak),
		cmocka_unit_test(common_words_are_weak_however_they_are_dressed_up),
		cmocka_unit_test(repetitions_and_sequences_are_weak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
