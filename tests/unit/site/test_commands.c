#include "built_site.h"

#include "unit.h"

#define PAGE "models/m.html"
#define SHA "00000000000000000000000000000000000000000000000000000000000000ab"
#define A_FILE(name, more) \
	"{\"path\":\"models/m/" name "\",\"size\":1,\"sha256\":\"" SHA "\"" more "}"
#define VARIANT(members, files) \
	BUILT_MODEL("\"id\":\"m\",\"variants\":[{\"id\":\"q4\"" members ",\"files\":[" files "]}" \
		    "]")
#define URL "https://m.example.org/lab/targets/models/m/" SHA

static void make(struct built_site *b, const char *models)
{
	built_site_init(b, models);
	built_site_make(b);
}

static void a_variant_of_one_file_has_all_ways(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, VARIANT("", A_FILE("m.gguf", "")));
	static const char *const commands[] = {
		"<code>ferry fetch lab/m:q4</code>",
		"<code>ferry run lab/m:q4 -- llama-server -m {}</code>",
		"ferry store link lab/m:q4 --engine ollama\nollama run m:q4</code>",
		"<code>curl -fL -C - -o m.gguf " URL
		".m.gguf\nsha256sum -c &lt;&lt;&#39;EOF&#39;\n" SHA "  m.gguf\nEOF</code>",
		"<code>llama-server -m ./m.gguf</code>",
		"FROM ./m.gguf&#39; &gt; Modelfile\nollama create m:q4 -f Modelfile</code>",
	};
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		built_site_has(&b, PAGE, commands[i]);
}

static void shards_are_all_downloaded_and_not_offered_to_ollama(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, VARIANT("", A_FILE("a.gguf", "") "," A_FILE("b.gguf", "")));
	built_site_has(&b, PAGE, "-o a.gguf " URL ".a.gguf\ncurl -fL -C - -o b.gguf");
	built_site_has(&b, PAGE, SHA "  a.gguf\n" SHA "  b.gguf\nEOF");
	built_site_lacks(&b, PAGE, "ollama");
}

static void companions_are_given_to_the_engine(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, VARIANT("", A_FILE("m.gguf", "") "," A_FILE("p.gguf", ",\"role\":\"projector\"")));
	built_site_has(&b, PAGE, "llama-server -m {} --mmproj {projector}</code>");
	built_site_has(&b, PAGE, "llama-server -m ./m.gguf --mmproj ./p.gguf</code>");
}

static void what_an_engine_cannot_load_alone_is_only_fetched(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b, c;
	make(&b, VARIANT(",\"kind\":\"adapter\"", A_FILE("m.gguf", "")));
	built_site_has(&b, PAGE, "ferry fetch");
	built_site_lacks(&b, PAGE, "llama-server");
	make(&c, VARIANT(",\"engine\":\"other.cpp\"", A_FILE("m.gguf", "")));
	built_site_has(&c, PAGE, "Of all engines, only other.cpp can load it.");
	built_site_lacks(&c, PAGE, "llama-server");
}

static void names_are_quoted_for_the_shell(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, VARIANT("", A_FILE("x", ",\"name\":\"$(id) 'a.gguf\"")));
	built_site_has(&b, PAGE, "-o &#39;$(id) &#39;\\&#39;&#39;a.gguf&#39; https");
	built_site_lacks(&b, PAGE, "Modelfile");
}

static void a_name_is_neither_an_option_nor_standard_input(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, VARIANT("", A_FILE("x", ",\"name\":\"-\"")));
	built_site_has(&b, PAGE, "-o ./- https");
	built_site_has(&b, PAGE, SHA "  ./-\n");
}

static void trust_begins_with_a_fingerprint_to_compare(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, VARIANT("", A_FILE("m.gguf", "")));
	b.site.invite = "https://m.example.org/lab#sha256=" SHA;
	b.site.root_sha256 = SHA;
	built_site_make(&b);
	static const char *const pages[] = { PAGE, "index.html" };
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		built_site_has(&b, pages[i],
			       "<code>ferry repository add "
			       "&#39;https://m.example.org/lab#sha256=" SHA "&#39;</code>");
		built_site_has(&b, pages[i], "0000 0000 0000 00ab</code>");
	}
}

static void without_a_mirror_for_browsers_nothing_is_downloaded_with_curl(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, VARIANT("", A_FILE("m.gguf", "")));
	b.catalog.mirrors[0].kind = "github";
	built_site_make(&b);
	built_site_has(&b, PAGE, "ferry fetch");
	built_site_lacks(&b, PAGE, "curl");
	built_site_has(&b, PAGE, "<span>m.gguf</span>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_variant_of_one_file_has_all_ways),
		cmocka_unit_test(shards_are_all_downloaded_and_not_offered_to_ollama),
		cmocka_unit_test(companions_are_given_to_the_engine),
		cmocka_unit_test(what_an_engine_cannot_load_alone_is_only_fetched),
		cmocka_unit_test(names_are_quoted_for_the_shell),
		cmocka_unit_test(a_name_is_neither_an_option_nor_standard_input),
		cmocka_unit_test(trust_begins_with_a_fingerprint_to_compare),
		cmocka_unit_test(without_a_mirror_for_browsers_nothing_is_downloaded_with_curl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
