#include "built_site.h"

#include "unit.h"

#define PAGE "models/phi-2.html"
#define SHA "00000000000000000000000000000000000000000000000000000000000000ab"
#define A_FILE BUILT_FILE("models/phi-2/phi-2.gguf")

/* So that there is a choice of families. */
#define OTHER \
	BUILT_MODEL("\"id\":\"other\",\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE( \
		"models/other/o.gguf") "]}]")

static void make(struct built_site *b, const char *models)
{
	built_site_init(b, models);
	built_site_make(b);
}

static void a_page_says_what_the_card_says(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b,
	     BUILT_MODEL("\"id\":\"phi-2\",\"title\":\"Phi 2\",\"summary\":\"A small model.\","
			 "\"description\":\"First.\\n\\nSecond.\",\"family\":\"phi\","
			 "\"parameters\":2700000000,\"context_length\":2048,"
			 "\"license\":{\"id\":\"MIT\"},\"tags\":[\"chat\"],\"languages\":[\"en\"],"
			 "\"source\":{\"url\":\"https://e.org/phi\",\"author\":\"E\"},"
			 "\"variants\":[{\"id\":\"q4\",\"quantization\":\"Q4_0\",\"version\":2,"
			 "\"label\":\"spring\",\"released\":\"2026-11-20T03:04:05Z\","
			 "\"changes\":[\"The template changed.\"],"
			 "\"ram\":{\"context\":2048,\"bytes\":3221225472},\"files\":[" A_FILE
			 "]}]") "," OTHER);
	static const char *const texts[] = {
		"<h1>Phi 2</h1>",
		"<p class=\"lead\">A small model.</p>",
		"<p>First.</p><p>Second.</p>",
		"<dd>2.7 B</dd>",
		"<dd>2048 tokens</dd>",
		"<a href=\"../by/family/phi/index.html\">phi</a>",
		"href=\"https://spdx.org/licenses/MIT.html\"",
		"<li>chat</li>",
		"<li>en</li>",
		"href=\"https://e.org/phi\"",
		"<td>Q4_0</td>",
		"data-sort=\"2147483648\">2.0 GiB</td>",
		"Version 2 (spring), released <time",
		"<li>The template changed.</li>",
		"About 3.0 GiB of memory with 2048 tokens of context.",
		"<code class=\"digest\">" SHA "</code>",
		"href=\"https://m.example.org/lab/targets/models/phi-2/" SHA ".phi-2.gguf\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		built_site_has(&b, PAGE, texts[i]);
}

static void withdrawals_and_deprecations_are_said_with_what_to_use(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b,
	     BUILT_MODEL("\"id\":\"new\",\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE(
		     "models/new/n.gguf") "]}]") "," BUILT_MODEL("\"id\":\"phi-2\",\"deprecated\":{"
								 "\"reason\":\"It is old\","
								 "\"replacement\":\"new\"},"
								 "\"variants\":[{\"id\":\"q4\","
								 "\"version\":2,\"withdrawn\":{"
								 "\"reason\":\"Its template is "
								 "wrong.\",\"replacement\":"
								 "\"new:q4\"},\"files\":[" A_FILE
								 "]}]"));
	built_site_has(&b, PAGE,
		       "<strong>Deprecated</strong>: It is old. Use "
		       "<a href=\"../models/new.html\">new</a>.");
	built_site_has(&b, PAGE,
		       "<strong>Withdrawn</strong>: Its template is wrong. Use "
		       "<a href=\"../models/new.html\">new:q4</a>.");
	built_site_lacks(&b, PAGE, "ferry fetch");
	built_site_has(&b, "index.html", "<span class=\"badge warn\">deprecated</span>");
	built_site_has(&b, "models/new.html", "ferry fetch lab/new:q4");
}

static void earlier_versions_have_the_names_that_fetch_them(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, BUILT_MODEL("\"id\":\"phi-2\",\"variants\":[{\"id\":\"q4\",\"version\":2,"
			     "\"superseded\":[{\"version\":1,\"withdrawn\":{\"reason\":\"No.\"},"
			     "\"files\":[" A_FILE "]}],\"files\":[" A_FILE "]}]"));
	built_site_has(&b, PAGE, "<code>phi-2:q4@1</code>");
	built_site_has(&b, PAGE, "<strong>Withdrawn</strong>: No.");
}

static void hostile_texts_are_only_texts(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b,
	     BUILT_MODEL("\"id\":\"phi-2\",\"title\":\"</title><script>x()</script>\","
			 "\"summary\":\"\\\" onmouseover=\\\"x()\",\"description\":\"<b>\\u202e\","
			 "\"family\":\"<i>\",\"tags\":[\"<u>\"],\"license\":{\"id\":\"LicenseRef-"
			 "x\",\"name\":\"<s>\"},\"variants\":[{\"id\":\"q4\",\"label\":\"a\","
			 "\"changes\":[\"<img src=x>\"],\"files\":["
			 "{\"path\":\"models/phi-2/$(id).gguf\",\"size\":1,\"sha256\":\"" SHA
			 "\"}]}]"));
	for (size_t i = 0; i < b.paths.count; i++) {
		static const char *const markup[] = { "<script>", "onmouseover=\"",
						      "<b>",      "<i>",
						      "<u>",      "<s>",
						      "<img",     "\xE2\x80\xAE" };
		for (size_t k = 0; str_ends(b.paths.at[i], ".html") && k < ARRAY_LEN(markup); k++)
			built_site_lacks(&b, b.paths.at[i], markup[k]);
	}
	built_site_has(&b, PAGE, "&lt;script&gt;x()");
}

static void very_many_variants_and_files_are_counted(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct buf text = BUF_INIT(MIB);
	buf_adds(&text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"phi-2\","
			"\"variants\":[");
	for (int i = 0; i < 100; i++)
		buf_addf(&text,
			 "%s{\"id\":\"v%d\",\"files\":[{\"path\":\"models/phi-2/%d.gguf\","
			 "\"size\":1,\"sha256\":\"" SHA "\"}]}",
			 i ? "," : "", i, i);
	buf_adds(&text, "]}");
	make(&b, buf_str(&text));
	buf_release(&text);
	built_site_has(&b, PAGE, "and 36 more variants");
	built_site_has(&b, PAGE, "<a href=\"#v-v63\">v63</a>");
	built_site_has(&b, PAGE, "<span>v99</span>");
}

/* A card of nearly a megabyte, from names that grow most when they are quoted and escaped. */
static void no_card_makes_a_page_too_large(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB), name = BUF_INIT(KIB);
	for (int i = 0; i < 120; i++)
		buf_addc(&name, '\'');
	buf_adds(&text, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"phi-2\","
			"\"variants\":[");
	for (int i = 0; text.len < 900 * KIB; i++) {
		buf_addf(&text, "%s{\"id\":\"v%d\",\"files\":[", i ? "," : "", i);
		for (int k = 0; k < 200; k++)
			buf_addf(&text,
				 "%s{\"path\":\"models/phi-2/%s%d\",\"name\":\"%s%d\","
				 "\"size\":1,\"sha256\":\"" SHA "\"}",
				 k ? "," : "", buf_str(&name), k, buf_str(&name), k);
		buf_adds(&text, "]}");
	}
	buf_adds(&text, "]}");
	make(&b, buf_str(&text));
	assert_true(strlen(built_site_file(&b, PAGE)) < 8 * MIB);
	built_site_has(&b, PAGE, "more variants");
	built_site_has(&b, PAGE, "and 136 more files");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_says_what_the_card_says),
		cmocka_unit_test(withdrawals_and_deprecations_are_said_with_what_to_use),
		cmocka_unit_test(earlier_versions_have_the_names_that_fetch_them),
		cmocka_unit_test(hostile_texts_are_only_texts),
		cmocka_unit_test(very_many_variants_and_files_are_counted),
		cmocka_unit_test(no_card_makes_a_page_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
