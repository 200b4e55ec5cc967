#include "catalog/metalink.h"

#include "unit.h"

#include <stdio.h>

static const struct digest pieces[2] = { { { 1 } }, { { 2 } } };
static const char zeros[] = "00000000000000000000000000000000000000000000000000000000000000";

static struct metalink_file file(const char *name)
{
	return (struct metalink_file){
		.name = name,
		.sha256 = { { 0xab } },
		.pieces = pieces,
		.grid = { .size = 9 * MIB, .piece_length = 8 * MIB, .count = 2 },
	};
}

static char *format(const struct metalink *m)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT(METALINK_MAX_BYTES);
	assert_ok(metalink_format(m, &out, &e), &e);
	return buf_steal(&out);
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no %s in\n%s", what, text);
}

static void a_file_has_its_size_digests_and_addresses(void **state)
{
	(void)state;
	struct metalink_url urls[] = {
		{ .url = (char *)"https://a.example/x?y&z", .priority = 0, .region = "DE" },
		{ .url = (char *)"https://b.example/", .priority = 50, .region = "eu-west" },
		{ .url = (char *)"https://c.example/", .priority = UINT64_MAX, .region = "1a" },
	};
	struct metalink_file f = file("a.gguf");
	f.urls = urls;
	f.url_count = ARRAY_LEN(urls);
	struct metalink m = { .published = "2026-01-01T00:00:00Z", .files = &f, .file_count = 1 };
	char *text = format(&m), *line;
	assert_has(text, "<published>2026-01-01T00:00:00Z</published>");
	assert_has(text, "<file name=\"a.gguf\">");
	assert_has(text, "<size>9437184</size>");
	assert_int_equal(asprintf(&line, "<hash type=\"sha-256\">ab%s</hash>", zeros), 92);
	assert_has(text, line);
	free(line);
	assert_true(asprintf(&line,
			     "<pieces length=\"8388608\" type=\"sha-256\">\n"
			     "      <hash>01%s</hash>\n      <hash>02%s</hash>\n    </pieces>",
			     zeros, zeros) > 0);
	assert_has(text, line);
	free(line);
	assert_has(text, "<url priority=\"1\" location=\"de\">https://a.example/x?y&#38;z</url>");
	assert_has(text, "<url priority=\"50\">https://b.example/</url>");
	assert_has(text, "<url priority=\"999999\">https://c.example/</url>");
	assert_null(strstr(text, "<identity>"));
	assert_null(strstr(text, "<publisher"));
	free(text);
}

static void texts_are_escaped(void **state)
{
	(void)state;
	struct metalink_file f = file("a&\"'<>b\n.gguf");
	f.grid.count = 0;
	struct metalink m = {
		.identity = "</identity><url>",
		.version = "\x01\x1f\x7f",
		.publisher = "A \"B\"",
		.description = "gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80 "
			       "\xEF\xBF\xBE|\xEF\xBF\xBF|]]>\t",
		.files = &f,
		.file_count = 1,
	};
	char *text = format(&m);
	assert_has(text, "<file name=\"a&#38;&#34;&#39;&#60;&#62;b&#10;.gguf\">");
	assert_has(text, "<identity>&#60;/identity&#62;&#60;url&#62;</identity>");
	assert_has(text, "<version>\xEF\xBF\xBD\xEF\xBF\xBD\x7f</version>");
	assert_has(text, "<publisher name=\"A &#34;B&#34;\"/>");
	assert_has(text,
		   "<description>gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80 \xEF\xBF\xBD|\xEF\xBF\xBD|"
		   "]]&#62;&#9;</description>");
	assert_null(strstr(text, "<pieces"));
	free(text);
}

static void the_ceiling_is_told(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct metalink_file f = file("a");
	struct metalink m = { .files = &f, .file_count = 1 };
	struct buf out = BUF_INIT(400);
	assert_int_equal(metalink_format(&m, &out, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "the Metalink document is larger than 400 bytes"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_its_size_digests_and_addresses),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(the_ceiling_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
