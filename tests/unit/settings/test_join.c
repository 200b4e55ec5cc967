#include "settings/join.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UPPER "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

static void split_is(const char *word, const char *base, bool has_root)
{
	struct err e = ERR_INIT;
	char *url = NULL, hex[DIGEST_HEX];
	struct digest root;
	bool has;
	assert_ok(join_split(word, &url, &has, &root, &e), &e);
	assert_string_equal(url, base);
	assert_int_equal(has, has_root);
	if (has_root)
		assert_string_equal(digest_hex(hex, &root), HEX);
	free(url);
}

static void a_url_and_its_digest_are_split(void **state)
{
	(void)state;
	split_is("https://models.example.org/#sha256=" HEX, "https://models.example.org/", true);
	split_is("https://models.example.org#sha256=" UPPER, "https://models.example.org", true);
	split_is(" HTTPS://[2001:db8::1]:8443/m/#SHA256=" HEX "\n", "https://[2001:db8::1]:8443/m/",
		 true);
	split_is("oci://ghcr.io/lab/models#sha256=" HEX, "oci://ghcr.io/lab/models", true);
	split_is("https://models.example.org/", "https://models.example.org/", false);
}

static void not_split(const char *word, const char *message)
{
	struct err e = ERR_INIT;
	char *url = NULL;
	struct digest root;
	bool has;
	assert_int_equal(join_split(word, &url, &has, &root, &e), -ERR_USAGE);
	assert_null(url);
	if (!strstr(e.text, message))
		fail_msg("'%s' lacks '%s'", e.text, message);
	assert_null(strstr(e.text, "geheim"));
	assert_true(e.hint[0]);
}

static void what_was_damaged_on_its_way_is_named(void **state)
{
	(void)state;
	not_split("https://x.example.org/#", "is missing");
	not_split("https://x.example.org/#sha256", "has 0 digits");
	not_split("https://x.example.org/#sha256=", "has 0 digits instead of 64: the line was cut");
	not_split("https://x.example.org/#sha256=0123", "has 4 digits instead of 64: the line was");
	not_split("https://x.example.org/#sha256=" HEX "0", "has 65 digits instead of 64");
	not_split("https://x.example.org/#sha256=" HEX ".", "has '.', which is not a hex digit");
	not_split("https://x.example.org/#sha256%3D" HEX, "percent escapes");
	not_split("https://x.example.org/%23sha256=" HEX, "was changed to %23");
	not_split("https://x.example.org/#sha256=" HEX "&sha256=" HEX, "two digests");
	not_split("https://x.example.org/#sha256=" HEX "#sha256=" HEX, "a second '#'");
	not_split("https://x.example.org/#sha256=" HEX "&name=x", "'name' behind the '#'");
	not_split("https://x.example.org/#sha2569=" HEX, "'sha2569' behind the '#'");
	not_split("https://u:geheim@x.example.org/#sha256=1", "has 1 digits");
}

static int parse(const char *text, bool from_net, struct join *j, struct err *e)
{
	return join_parse(text, strlen(text), "there/lab.ferry", from_net, j, e);
}

static void a_file_that_was_written_is_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(join_release) struct join made = { .name = mem_strdup("lab") }, read = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(JOIN_FILE_MAX_BYTES);
	assert_true(digest_parse(&made.root, HEX));
	str_list_add(&made.urls, "https://a.example.org/");
	str_list_add(&made.urls, "https://b.example.org/");
	join_write(&made, "A title\n[fetch]", &text);
	assert_ok(parse(buf_str(&text), true, &read, &e), &e);
	assert_string_equal(read.name, "lab");
	assert_int_equal(read.urls.count, 2);
	assert_string_equal(read.urls.at[1], "https://b.example.org/");
	assert_true(digest_equal(&read.root, &made.root));
}

static void not_read(const char *text, bool from_net, const char *message)
{
	struct err e = ERR_INIT;
	struct join j = { 0 };
	assert_int_equal(parse(text, from_net, &j, &e), -ERR_USAGE);
	assert_null(j.name);
	if (!strstr(e.text, message))
		fail_msg("'%s' lacks '%s'", e.text, message);
	assert_true(e.hint[0]);
}

static void a_file_that_says_something_else_is_refused(void **state)
{
	(void)state;
	static const char section[] = "[repository.lab]\nmetadata = https://a.example.org/\n"
				      "root-sha256 = " HEX "\n";
	char more[1024];
	not_read("<!DOCTYPE html>\n<html>\n", true, "lab.ferry");
	not_read("", true, "it names no repository");
	not_read("[repository.lab]\nroot-sha256 = " HEX "\n", true, "it has no metadata");
	not_read("[repository.lab]\nmetadata = https://a.example.org/\n", true,
		 "it has no root-sha256");
	not_read("[repository.lab]\nmetadata = https://a.example.org/\nroot-sha256 = 12\n", true,
		 "is not a SHA-256");
	snprintf(more, sizeof more, "%s[fetch]\nretries = 1\n", section);
	not_read(more, true, "it has other sections");
	snprintf(more, sizeof more, "%sroot = /etc/passwd\n", section);
	not_read(more, true, "root");
	not_read("[repository.lab]\nmetadata = file:///etc/\nroot-sha256 = " HEX "\n", true,
		 "must not name files of this machine");
	not_read("[repository.lab]\nmetadata = folder\nroot-sha256 = " HEX "\n", true,
		 "must not name files of this machine");
}

static void a_local_file_may_name_the_folder_beside_it(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(join_release) struct join j = { 0 };
	assert_ok(parse("[repository.lab]\nmetadata = tree\nroot-sha256 = " HEX "\n", false, &j,
			&e),
		  &e);
	assert_true(str_starts(j.urls.at[0], "file:///"));
	assert_true(str_ends(j.urls.at[0], "/there/tree"));
}

static void a_file_with_very_many_urls_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	buf_addf(&text, "[repository.lab]\nroot-sha256 = " HEX "\nmetadata =");
	for (int i = 0; i <= JOIN_MAX_URLS; i++)
		buf_addf(&text, "\n https://%d.example.org/", i);
	buf_addc(&text, '\n');
	not_read(buf_str(&text), true, "too many URLs");
	while (text.len <= JOIN_FILE_MAX_BYTES)
		buf_adds(&text, "# and a comment\n");
	not_read(buf_str(&text), true, "too large");
}

static void lines_are_made_without_secrets(void **state)
{
	(void)state;
	struct digest d;
	assert_true(digest_parse(&d, HEX));
	char *url = join_url("https://u:geheim@models.example.org/m", &d);
	assert_string_equal(url, "https://models.example.org/m/#sha256=" HEX);
	free(url);
	url = join_url("oci://ghcr.io/lab/models", &d);
	assert_string_equal(url, "oci://ghcr.io/lab/models#sha256=" HEX);
	free(url);
	url = join_fingerprint(&d, "\n");
	assert_string_equal(url, "0123 4567 89ab cdef 0123 4567 89ab cdef\n"
				 "0123 4567 89ab cdef 0123 4567 89ab cdef");
	free(url);
}

static void files_are_known_by_their_names(void **state)
{
	(void)state;
	assert_true(join_is_file("lab.ferry"));
	assert_true(join_is_file("https://x.example.org/Lab.FERRY#sha256=" HEX));
	assert_false(join_is_file("lab.ferry-bundle"));
	assert_false(join_is_file(".ferry"));
	assert_false(join_is_file("https://x.example.org/#sha256=.ferry"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_and_its_digest_are_split),
		cmocka_unit_test(what_was_damaged_on_its_way_is_named),
		cmocka_unit_test(a_file_that_was_written_is_read),
		cmocka_unit_test(a_file_that_says_something_else_is_refused),
		cmocka_unit_test(a_local_file_may_name_the_folder_beside_it),
		cmocka_unit_test(a_file_with_very_many_urls_is_refused),
		cmocka_unit_test(lines_are_made_without_secrets),
		cmocka_unit_test(files_are_known_by_their_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
