#include "catalog/notes.h"

#include "unit.h"
#include "util/mem.h"

#define FILE_OF(name) \
	"{\"path\":\"models/m/" name "\",\"size\":2048,\"sha256\":" \
	"\"00000000000000000000000000000000000000000000000000000000000000ab\"}"

/* The notes of a card with these members and variants; the caller frees them. */
static char *notes(const char *members, const char *variants)
{
	struct err e = ERR_INIT;
	CLEANUP(card_release) struct card c = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	buf_addf(&text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\"%s,", members);
	buf_addf(&text, "\"variants\":[%s]}", variants);
	assert_ok(card_parse(text.data, text.len, "test", &c, &e), &e);
	return notes_of_model(&c);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' in:\n%s", part, text);
}

static void notes_say_what_the_card_says(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr)
	char *text = notes(",\"title\":\"Phi 2\",\"summary\":\"A small model.\","
			   "\"license\":{\"id\":\"MIT\",\"url\":\"https://e.org/l\"},"
			   "\"source\":{\"url\":\"https://e.org/s\"}",
			   "{\"id\":\"q4\",\"version\":2,\"label\":\"spring\","
			   "\"changes\":[\"The chat template changed.\"],\"files\":[" FILE_OF(
				   "a.gguf") "]},{\"id\":\"planned\",\"files\":[]}");
	assert_string_equal(text,
			    "# Phi 2\n\nA small model.\n\n- Model: `m`\n- License: MIT\n"
			    "- Text of the license: `https://e.org/l`\n- Source: "
			    "`https://e.org/s`\n"
			    "\n### `q4`: version 2 (spring), 2.0 KiB\n\n"
			    "\nChanges since the version before:\n\n- The chat template changed.\n"
			    "\nFiles:\n\n- `a.gguf`, 2.0 KiB, SHA-256 "
			    "`00000000000000000000000000000000000000000000000000000000000000ab`\n");
}

static void withdrawals_are_named_with_their_replacement(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr)
	char *text = notes(
		",\"withdrawn\":{\"reason\":\"The license was wrong.\"}",
		"{\"id\":\"q4\",\"version\":2,\"files\":[" FILE_OF(
			"b.gguf") "],\"superseded\":[{\"id\":\"q4\",\"version\":1,\"files\":"
				  "[" FILE_OF("a.gguf") "],"
							"\"withdrawn\":{\"reason\":\"A wrong "
							"template.\",\"replacement\":\"m:q4\"}}]}");
	has(text, "- This model was withdrawn: The license was wrong.\n");
	has(text, "- Version 1 was withdrawn: A wrong template. Replacement: `m:q4`\n");
}

/* What a forge would take for markup, a link, a user or an issue. */
static void words_of_a_card_cannot_become_markup(void **state)
{
	(void)state;
	static const struct {
		const char *title, *heading;
	} cases[] = {
		{ "<img src=x>", "# \\<img src=x\\>\n" },
		{ "[a](b)", "# \\[a\\](b)\n" },
		{ "**bold** a_b", "# \\*\\*bold\\*\\* a\\_b\n" },
		{ "&lt;b", "# \\&lt;b\n" },
		{ "hello @user, see #1", "# hello `@user,` see `#1`\n" },
		{ "HTTPS://e.org WWW.e.org gh-12 o/r#3",
		  "# `HTTPS://e.org` `WWW.e.org` `gh-12` `o/r#3`\n" },
		{ "`@user` @a``b", "# `` `@user` `` ``` @a``b ```\n" },
		{ "`code`", "# \\`code\\`\n" },
		{ "1. one", "# 1\\. one\n" },
		{ "- item", "# \\- item\n" },
		{ "a 1. b - c", "# a 1. b - c\n" },
		{ "back\\\\slash", "# back\\\\slash\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr)
		char *member = mem_printf(",\"title\":\"%s\"", cases[i].title);
		CLEANUP(mem_free_ptr) char *text = notes(member, "");
		if (!str_starts(text, cases[i].heading))
			fail_msg("not '%s':\n%s", cases[i].heading, text);
	}
}

static void a_summary_of_several_lines_becomes_one(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr)
	char *text = notes(",\"description\":\"# x\\n# y\",\"withdrawn\":"
			   "{\"reason\":\"a \\u202e b\"}",
			   "");
	has(text, "withdrawn: a \\\\u\\{202e\\} b\n");
	lacks(text, "# x");
}

/* 40 variants with 64 changes of 500 bytes are more than a megabyte. */
static void what_is_too_long_is_counted_and_left_out(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf variants = BUF_INIT(2 * MIB);
	for (int i = 0; i < 40; i++) {
		buf_addf(&variants, "%s{\"id\":\"v%d\",\"changes\":[", i ? "," : "", i);
		for (int k = 0; k < 64; k++)
			buf_addf(&variants, "%s\"%0200d\"", k ? "," : "", k);
		buf_addf(&variants, "],\"files\":[" FILE_OF("a.gguf") "]}");
	}
	CLEANUP(mem_free_ptr) char *text = notes("", variants.data);
	assert_true(strlen(text) <= NOTES_MAX_BYTES);
	has(text, "### `v6`");
	lacks(text, "### `v7`");
	has(text, "\nAnd 33 more variants, which the catalog describes.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_say_what_the_card_says),
		cmocka_unit_test(withdrawals_are_named_with_their_replacement),
		cmocka_unit_test(words_of_a_card_cannot_become_markup),
		cmocka_unit_test(a_summary_of_several_lines_becomes_one),
		cmocka_unit_test(what_is_too_long_is_counted_and_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
