#include "catalog/license.h"
#include "catalog/lint.h"

#include "util/mem.h"

#include "unit.h"

#include <strings.h>

static char *spelled(const char *text)
{
	CLEANUP(spdx_release) struct spdx s = { 0 };
	struct err e = ERR_INIT;
	return spdx_parse(text, NULL, &s, &e) == 0 ? STEAL(s.text) : NULL;
}

static void check_spelling(const char *text, const char *wanted)
{
	CLEANUP(mem_free_ptr) char *is = spelled(text);
	if (!is || strcmp(is, wanted) != 0)
		fail_msg("'%s' is '%s', not '%s'", text, is ? is : "refused", wanted);
}

/* ---- the list ---- */

static void the_list_is_sorted_whole_and_has_a_version(void **state)
{
	(void)state;
	size_t licenses = 0, exceptions = 0, deprecated = 0;
	for (size_t i = 0; i < spdx_list_count; i++) {
		const struct spdx_entry *entry = &spdx_list[i];
		if (i && strcasecmp(spdx_list[i - 1].id, entry->id) >= 0)
			fail_msg("%s is in the wrong place", entry->id);
		if (spdx_find(entry->id, strlen(entry->id)) != entry)
			fail_msg("%s is not found", entry->id);
		exceptions += (entry->flags & SPDX_EXCEPTION) != 0;
		licenses += (entry->flags & SPDX_EXCEPTION) == 0;
		deprecated += (entry->flags & SPDX_DEPRECATED) != 0;
	}
	assert_in_range(licenses, 700, 5000);
	assert_in_range(exceptions, 80, 1000);
	assert_in_range(deprecated, 27, 200);
	assert_true(spdx_list_version[0] >= '3');
}

static void what_is_not_in_the_list_is_not_found(void **state)
{
	(void)state;
	static const char *const missing[] = { "", "MI", "MIT-", "M", "zzz", "GPL-3.0+", "0BS" };
	for (size_t i = 0; i < ARRAY_LEN(missing); i++)
		if (spdx_find(missing[i], strlen(missing[i])))
			fail_msg("found: %s", missing[i]);
	assert_string_equal(spdx_find("mit-0 OR x", 5)->id, "MIT-0");
}

/* ---- expressions ---- */

static void expressions_are_spelled_as_the_list_does(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "mit", "MIT" },
		{ "MIT OR Apache-2.0", "MIT OR Apache-2.0" },
		{ "mit or\tAPACHE-2.0 ", "MIT OR Apache-2.0" },
		{ "(mit AND apache-2.0)or gpl-2.0+", "(MIT AND Apache-2.0) OR GPL-2.0-or-later" },
		{ "( ( MIT ) )", "((MIT))" },
		{ "gpl-2.0-or-later with classpath-exception-2.0",
		  "GPL-2.0-or-later WITH Classpath-exception-2.0" },
		{ "Apache-2.0 WITH LLVM-exception AND MIT",
		  "Apache-2.0 WITH LLVM-exception AND MIT" },
		{ "CDDL-1.0+", "CDDL-1.0+" },
		{ "licenseref-My.Own-1", "LicenseRef-My.Own-1" },
		{ "documentref-Tool:licenseref-x", "DocumentRef-Tool:LicenseRef-x" },
		{ "MIT with additionref-Mine", "MIT WITH AdditionRef-Mine" },
		{ "MIT WITH DocumentRef-d:AdditionRef-Mine",
		  "MIT WITH DocumentRef-d:AdditionRef-Mine" },
		{ "Foo-1.0 OR mit", "Foo-1.0 OR MIT" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_spelling(cases[i][0], cases[i][1]);
		check_spelling(cases[i][1], cases[i][1]);
	}
}

static void what_is_no_expression_is_refused(void **state)
{
	(void)state;
	static const char *const broken[] = {
		"",
		" ",
		"MIT OR",
		"OR MIT",
		"MIT MIT",
		"(MIT",
		"MIT)",
		"()",
		"MIT WITH",
		"M!T",
		"M_T",
		".",
		"MIT WITH (MIT)",
		"AND",
		"(MIT OR ISC) WITH LLVM-exception",
		"MIT WITH LLVM-exception WITH LLVM-exception",
		"MIT WITH LLVM-exception+",
		"MIT (ISC)",
		"(MIT) ISC",
		"MIT++",
		"+",
		"LicenseRef-",
		"LicenseRef-a_b",
		"LicenseRef-a+",
		"DocumentRef-:LicenseRef-a",
		"DocumentRef-a",
		"DocumentRef-a:MIT",
		"AdditionRef-a",
		"MIT WITH LicenseRef-a",
		"NONE",
		"noassertion",
		"MIT,ISC",
		"MIT\nISC",
	};
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		CLEANUP(mem_free_ptr) char *is = spelled(broken[i]);
		if (is)
			fail_msg("accepted: %s", broken[i]);
	}
}

static void expressions_have_a_maximum_of_length_and_depth(void **state)
{
	(void)state;
	char text[SPDX_MAX_BYTES + 2];
	memset(text, '(', sizeof text);
	for (size_t depth = SPDX_MAX_DEPTH; depth <= SPDX_MAX_DEPTH + 1; depth++) {
		memcpy(text + depth, "MIT", 3);
		memset(text + depth + 3, ')', depth);
		text[2 * depth + 3] = '\0';
		CLEANUP(mem_free_ptr) char *is = spelled(text);
		assert_int_equal(is != NULL, depth == SPDX_MAX_DEPTH);
		memset(text, '(', sizeof text);
	}
	memset(text, 'a', sizeof text);
	text[SPDX_MAX_BYTES + 1] = '\0';
	assert_null(spelled(text));
	text[SPDX_MAX_BYTES] = '\0';
	CLEANUP(mem_free_ptr) char *longest = spelled(text);
	assert_string_equal(longest, text);
	/* Shorter than the maximum, but not when it is spelled. */
	size_t count = SPDX_MAX_BYTES / 12;
	for (size_t i = 0; i < count; i++)
		memcpy(text + 12 * i, "GPL-2.0+ OR ", 12);
	text[12 * count - 4] = '\0';
	assert_null(spelled(text));
}

static void the_first_unknown_and_deprecated_identifiers_are_told(void **state)
{
	(void)state;
	CLEANUP(spdx_release) struct spdx s = { 0 };
	struct err e = ERR_INIT;
	assert_ok(spdx_parse("MIT OR Foo-1.0+ OR Bar OR gpl-3.0", NULL, &s, &e), &e);
	assert_string_equal(s.unknown, "Foo-1.0");
	assert_string_equal(s.deprecated, "GPL-3.0");
	assert_false(s.reference);
	spdx_release(&s);
	assert_ok(spdx_parse("GPL-3.0+ OR LicenseRef-x", NULL, &s, &e), &e);
	assert_null(s.unknown);
	assert_null(s.deprecated);
	assert_true(s.reference);
	spdx_release(&s);
	/* A license is no exception, and an exception no license. */
	assert_ok(spdx_parse("MIT WITH ISC", NULL, &s, &e), &e);
	assert_string_equal(s.unknown, "ISC");
	spdx_release(&s);
	assert_ok(spdx_parse("LLVM-exception", NULL, &s, &e), &e);
	assert_string_equal(s.unknown, "LLVM-exception");
	char instead[64];
	assert_string_equal(spdx_instead("GPL-3.0", instead, sizeof instead),
			    "GPL-3.0-only or GPL-3.0-or-later");
	assert_string_equal(spdx_instead("wxWindows", instead, sizeof instead), "");
}

/* ---- what models say ---- */

static void check_said(const char *text, const char *wanted)
{
	CLEANUP(license_release) struct license said = { 0 };
	license_read(&text, 1, NULL, &said);
	if (wanted ? !said.id || strcmp(said.id, wanted) != 0 : said.id != NULL)
		fail_msg("'%s' is '%s', not '%s'", text, said.id ? said.id : "(nothing)",
			 wanted ? wanted : "(nothing)");
}

/* All of https://huggingface.co/docs/hub/repositories-licenses. */
static void every_word_of_hugging_face_is_known(void **state)
{
	(void)state;
	static const char *const spdx[] = {
		"Apache-2.0",
		"MIT",
		"AFL-3.0",
		"Artistic-2.0",
		"BSL-1.0",
		"BSD-2-Clause",
		"BSD-3-Clause",
		"BSD-3-Clause-Clear",
		"CC0-1.0",
		"CC-BY-2.0",
		"CC-BY-2.5",
		"CC-BY-3.0",
		"CC-BY-4.0",
		"CC-BY-SA-3.0",
		"CC-BY-SA-4.0",
		"CC-BY-NC-2.0",
		"CC-BY-NC-3.0",
		"CC-BY-NC-4.0",
		"CC-BY-ND-4.0",
		"CC-BY-NC-ND-3.0",
		"CC-BY-NC-ND-4.0",
		"CC-BY-NC-SA-2.0",
		"CC-BY-NC-SA-3.0",
		"CC-BY-NC-SA-4.0",
		"CDLA-Sharing-1.0",
		"CDLA-Permissive-1.0",
		"CDLA-Permissive-2.0",
		"WTFPL",
		"ECL-2.0",
		"EPL-1.0",
		"EPL-2.0",
		"etalab-2.0",
		"EUPL-1.1",
		"EUPL-1.2",
		"AGPL-3.0",
		"GPL-2.0",
		"GPL-3.0",
		"LGPL-2.1",
		"LGPL-3.0",
		"ISC",
		"LPPL-1.3c",
		"MS-PL",
		"MPL-2.0",
		"OpenMDW-1.0",
		"OSL-3.0",
		"PostgreSQL",
		"OFL-1.1",
		"NCSA",
		"Unlicense",
		"Zlib",
	};
	static const char *const own[] = {
		"apple-amlr",
		"apple-ascl",
		"bigcode-openrail-m",
		"bigscience-bloom-rail-1.0",
		"bigscience-openrail-m",
		"bsd",
		"cc",
		"creativeml-openrail-m",
		"deepfloyd-if-license",
		"fair-noncommercial-research-license",
		"gemma",
		"gfdl",
		"gpl",
		"grok2-community",
		"h-research",
		"intel-research",
		"lgpl",
		"llama2",
		"llama3",
		"llama3.1",
		"llama3.2",
		"llama3.3",
		"llama4",
		"openmdw-1.1",
		"openrail",
	};
	for (size_t i = 0; i < ARRAY_LEN(spdx); i++) {
		char word[64] = "";
		for (size_t k = 0; spdx[i][k]; k++)
			word[k] = (char)(spdx[i][k] >= 'A' && spdx[i][k] <= 'Z' ? spdx[i][k] + 32
										: spdx[i][k]);
		check_said(word, spdx[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		CLEANUP(mem_free_ptr) char *wanted = mem_printf("LicenseRef-%s", own[i]);
		CLEANUP(license_release) struct license said = { 0 };
		check_said(own[i], wanted);
		license_read(&own[i], 1, NULL, &said);
		if (!said.name)
			fail_msg("%s has no name", own[i]);
	}
	check_said("c-uda", "C-UDA-1.0");
	check_said("lgpl-lr", "LGPLLR");
	check_said("odbl", "ODbL-1.0");
	check_said("odc-by", "ODC-By-1.0");
	check_said("pddl", "PDDL-1.0");
	check_said("openrail++", "LicenseRef-openrail-plus-plus");
	check_said("unknown", NULL);
	check_said("other", NULL);
}

static void licenses_are_read_as_people_write_them(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "MIT OR Apache-2.0", "MIT OR Apache-2.0" },
		{ "gpl-3.0-or-later", "GPL-3.0-or-later" },
		{ " mit\n", "MIT" },
		{ "Apache 2.0", "Apache-2.0" },
		{ "apache-2", "Apache-2.0" },
		{ "Apache License, Version 2.0", "Apache-2.0" },
		{ "The MIT License", "MIT" },
		{ "CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0" },
		{ "CC0", "CC0-1.0" },
		{ "BSD 3-Clause", "BSD-3-Clause" },
		{ "GPLv3", "GPL-3.0" },
		{ "GPLv3+", "GPL-3.0-or-later" },
		{ "GPL v3 or later", "GPL-3.0-or-later" },
		{ "lgpl 2.1 only", "LGPL-2.1-only" },
		{ "gpl-3.0+", "GPL-3.0-or-later" },
		{ "Llama 3.1", "LicenseRef-llama3.1" },
		{ "Llama 3.1 Community License Agreement", "LicenseRef-llama3.1" },
		{ "Llama 3.1 Community License", "LicenseRef-llama3.1" },
		{ "The MIT License (MIT)", "MIT" },
		{ "GNU General Public License v3.0 or later (GPL-3.0-or-later)",
		  "GPL-3.0-or-later" },
		{ "Apache License 2.0 (MIT)", "LicenseRef-Apache-License-2.0-MIT" },
		{ "MIT or Apache 2.0", "MIT OR Apache-2.0" },
		{ "MIT & Apache License 2.0", "MIT AND Apache-2.0" },
		{ "MIT and my own terms", "LicenseRef-MIT-and-my-own-terms" },
		{ "openrail-m", "LicenseRef-openrail-m" },
		{ "llama3.1 or mit", "LicenseRef-llama3.1 OR MIT" },
		{ "openrail++ OR mit", "LicenseRef-openrail-plus-plus OR MIT" },
		{ "foo", "LicenseRef-foo" },
		{ "mit with my_exception", "MIT WITH AdditionRef-my-exception" },
		{ "foo_1 OR mit", "LicenseRef-foo-1 OR MIT" },
		{ "my own!", "LicenseRef-my-own" },
		{ "licenseref-a_b", "LicenseRef-a-b" },
		{ "qwen/qwen-license", "LicenseRef-qwen-qwen-license" },
		{ "!?", NULL },
		{ "none", NULL },
		{ "N/A", NULL },
		{ "NOASSERTION", NULL },
		{ "https://example.org/LICENSE", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_said(cases[i][0], cases[i][1]);
}

static void a_list_asks_for_all_of_its_licenses(void **state)
{
	(void)state;
	static const struct {
		const char *texts[3], *wanted;
		bool list;
	} cases[] = {
		{ { "mit", "apache-2.0" }, "MIT AND Apache-2.0", true },
		{ { "mit", "MIT" }, "MIT", false },
		{ { "mit or isc", "gemma" }, "(MIT OR ISC) AND LicenseRef-gemma", true },
		{ { "mit", "other" }, "MIT AND LicenseRef-other", true },
		{ { "mit,apache-2.0" }, "MIT AND Apache-2.0", true },
		{ { "mit\r\napache-2.0\n" }, "MIT AND Apache-2.0", true },
		{ { "mit/apache-2.0" }, "MIT AND Apache-2.0", true },
		{ { "mit, mit" }, "MIT", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(license_release) struct license said = { 0 };
		size_t count = 0;
		while (cases[i].texts[count])
			count++;
		license_read(cases[i].texts, count, NULL, &said);
		if (!said.id || strcmp(said.id, cases[i].wanted) != 0 || said.list != cases[i].list)
			fail_msg("%s: %s", cases[i].wanted, said.id);
	}
}

static void a_long_list_is_not_dropped(void **state)
{
	(void)state;
	char long_names[LICENSE_MAX + 1][128];
	const char *texts[LICENSE_MAX + 1];
	CLEANUP(license_release) struct license said = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		memset(long_names[i], 'x', 120);
		snprintf(long_names[i] + 120, 8, "%zu", i);
		long_names[i][0] = (char)('a' + i);
		texts[i] = long_names[i];
	}
	license_read(texts, LICENSE_MAX, NULL, &said);
	assert_non_null(said.id);
	assert_null(strstr(said.id, "other"));
	license_release(&said);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		long_names[i][2] = '\0';
	license_read(texts, LICENSE_MAX + 1, NULL, &said);
	assert_true(str_ends(said.id, " AND LicenseRef-other"));
}

static void another_license_is_known_by_its_name(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "agpl-3.0-or-later", "AGPL-3.0-or-later" },
		{ "qwen-research", "LicenseRef-qwen-research" },
		{ "Unknown", NULL },
	};
	const char *other = "other", *mit = "mit";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(license_release) struct license said = { 0 };
		license_read(&other, 1, cases[i][0], &said);
		assert_true(cases[i][1] ? strcmp(said.id, cases[i][1]) == 0 : !said.id);
	}
	CLEANUP(license_release) struct license said = { 0 };
	license_read(&mit, 1, "MIT License, as in LICENSE.txt", &said);
	assert_string_equal(said.id, "MIT");
}

/* A guess must not turn one license into another. */
static void names_of_the_list_mean_themselves(void **state)
{
	(void)state;
	for (size_t i = 0; i < spdx_list_count; i++) {
		const char *id = spdx_list[i].id;
		char words[64];
		if (spdx_list[i].flags & SPDX_EXCEPTION)
			continue;
		check_said(id, id);
		snprintf(words, sizeof words, "%s License", id);
		for (char *p = words; *p; p++)
			*p = (char)(*p == '-' ? ' ' : *p);
		CLEANUP(license_release) struct license said = { 0 };
		const char *text = words;
		license_read(&text, 1, NULL, &said);
		if (!said.id || strcmp(said.id, id) != 0)
			fail_msg("'%s' is '%s', not '%s'", words, said.id, id);
	}
}

/* ---- the linter ---- */

static void check_lint(const char *id, const char *url, const char *wanted)
{
	CLEANUP(lint_release) struct lint_findings f = { 0 };
	CLEANUP(json_release) json_t *json = json_object();
	json_t *license = json_put_object(json, "license");
	json_put_string(license, "id", id);
	json_put_string(license, "url", url);
	struct card card = { .id = "m", .json = json, .license = id };
	lint_license(&card, &f);
	if (wanted ? f.count != 1 || !strstr(f.at[0].text, wanted) : f.count != 0)
		fail_msg("%s: %zu findings, %s", id, f.count, f.count ? f.at[0].text : "");
}

static void the_linter_says_what_is_open(void **state)
{
	(void)state;
	check_lint("MIT OR Apache-2.0", NULL, NULL);
	check_lint("GPL-3.0-or-later", NULL, NULL);
	check_lint("LicenseRef-x", "https://example.org/x", NULL);
	check_lint("LicenseRef-x", NULL, "license.url: missing");
	check_lint("MIT OR LicenseRef-x", NULL, "license.url: missing");
	check_lint("MIT OR LicenseRef-apache-2.0", "https://example.org/x",
		   "'LicenseRef-apache-2.0' is in the SPDX license list: write 'Apache-2.0'");
	check_lint(NULL, NULL, "license.id: missing");
	check_lint("MIT OR", NULL, "'MIT OR' is not an SPDX license expression");
	check_lint("mit", NULL, "'mit' is written 'MIT'");
	check_lint("GPL-3.0", NULL, "write GPL-3.0-only or GPL-3.0-or-later");
	check_lint("wxWindows", NULL, "'wxWindows' is deprecated");
	check_lint("llama3.1", NULL, "did you mean 'LicenseRef-llama3.1'?");
	check_lint("Apache-2", NULL, "did you mean 'Apache-2.0'?");
	check_lint("Apche-2.0", NULL, "did you mean 'Apache-2.0'?");
	check_lint("MIT OR Foo-Bar-Baz-1", NULL, "write LicenseRef-Foo-Bar-Baz-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_sorted_whole_and_has_a_version),
		cmocka_unit_test(what_is_not_in_the_list_is_not_found),
		cmocka_unit_test(expressions_are_spelled_as_the_list_does),
		cmocka_unit_test(what_is_no_expression_is_refused),
		cmocka_unit_test(expressions_have_a_maximum_of_length_and_depth),
		cmocka_unit_test(the_first_unknown_and_deprecated_identifiers_are_told),
		cmocka_unit_test(every_word_of_hugging_face_is_known),
		cmocka_unit_test(licenses_are_read_as_people_write_them),
		cmocka_unit_test(a_list_asks_for_all_of_its_licenses),
		cmocka_unit_test(a_long_list_is_not_dropped),
		cmocka_unit_test(another_license_is_known_by_its_name),
		cmocka_unit_test(names_of_the_list_mean_themselves),
		cmocka_unit_test(the_linter_says_what_is_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
