#include "site/atom.h"

#include "built_site.h"
#include "unit.h"

#include <stdio.h>

#define FILES "\"files\":[" BUILT_FILE("models/m/m.gguf") "]"
#define RELEASED(time) "\"released\":\"" time "\","
#define CARD(members, variants) BUILT_MODEL("\"id\":\"m\",\"title\":\"M\"," members variants)

/* The feed of a catalog; the caller releases it. */
static void feed(struct buf *out, const char *models)
{
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, models);
	b.site.url = "https://m.example.org/site/";
	b.site.root_sha256 = "ab";
	buf_init(out, MIB);
	atom_write(&b.site, out);
}

static size_t count(const struct buf *text, const char *part)
{
	size_t n = 0;
	for (const char *at = buf_str(text); (at = strstr(at, part)); at++)
		n++;
	return n;
}

static void has(const struct buf *text, const char *part)
{
	if (!count(text, part))
		fail_msg("no '%s' in:\n%s", part, buf_str(text));
}

static void lacks(const struct buf *text, const char *part)
{
	if (count(text, part))
		fail_msg("'%s' in:\n%s", part, buf_str(text));
}

/* The id of the first entry with this title. */
static void id_of(const struct buf *text, const char *title, char out[64])
{
	const char *at = strstr(buf_str(text), title);
	assert_non_null(at);
	assert_int_equal(sscanf(strstr(at, "<id>"), "<id>%63[^<]", out), 1);
}

static void new_versions_of_one_time_are_one_entry(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	feed(&f, CARD("\"summary\":\"Small.\",",
		      "\"variants\":[{\"id\":\"q4\"," RELEASED("2026-11-20T10:00:00Z") FILES
		      "},{\"id\":\"q8\"," RELEASED("2026-11-20T10:00:00Z") FILES
		      ",\"version\":2,\"label\":\"spring\",\"changes\":[\"The template.\"]}]"));
	assert_int_equal(count(&f, "<entry>"), 1);
	has(&f, "<title>M: 2 new versions</title>");
	has(&f, "<updated>2026-11-20T10:00:00Z</updated>");
	has(&f, "<p>Small.</p>");
	has(&f, "<li>q4 version 1, 2.0 GiB</li>");
	has(&f, "<li>q8 version 2 (spring), 2.0 GiB: The template.</li>");
	has(&f, "href=\"https://m.example.org/site/models/m.html\"");
}

static void withdrawals_are_entries_with_their_reason(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	feed(&f, CARD("\"withdrawn\":{\"reason\":\"The license.\",\"replacement\":\"n\","
		      "\"since\":\"2026-11-22T00:00:00Z\"},",
		      "\"variants\":[{\"id\":\"q4\"," RELEASED("2026-11-20T10:00:00Z") FILES
		      ",\"withdrawn\":{\"reason\":\"Broken.\",\"since\":"
		      "\"2026-11-21T00:00:00Z\"}}]"));
	assert_int_equal(count(&f, "<entry>"), 3);
	has(&f, "<title>M is withdrawn</title>");
	has(&f, "<li>All versions: The license. Replacement: n</li>");
	has(&f, "<title>M: q4 version 1 is withdrawn</title>");
	has(&f, "<li>q4 version 1, 2.0 GiB: Broken.</li>");
	assert_true(strstr(f.data, "M is withdrawn") < strstr(f.data, "version 1 is withdrawn"));
}

static void earlier_versions_are_older_entries(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	feed(&f, CARD("", "\"variants\":[{\"id\":\"q4\",\"version\":2," RELEASED("2026-11-20T10:00:"
										 "00Z") FILES
		      ",\"superseded\":[{\"version\":1," RELEASED("2026-11-10T10:00:00Z") FILES
		      "}]}]"));
	assert_int_equal(count(&f, "<entry>"), 2);
	assert_true(strstr(f.data, "q4 version 2") < strstr(f.data, "q4 version 1"));
}

static void ids_stay_the_same_when_other_things_change(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf before, after;
	char old[64], new[64], other[64];
	feed(&before,
	     CARD("", "\"variants\":[{\"id\":\"q4\"," RELEASED("2026-11-20T10:00:00Z") FILES "}]"));
	feed(&after, CARD("\"summary\":\"New words.\",",
			  "\"variants\":[{\"id\":\"q8\"," RELEASED("2026-11-21T10:00:00Z") FILES
			  "},{\"id\":\"q4\"," RELEASED("2026-11-20T10:00:00Z") FILES "}]"));
	id_of(&before, "M: q4 version 1", old);
	id_of(&after, "M: q4 version 1", new);
	id_of(&after, "M: q8 version 1", other);
	assert_string_equal(old, new);
	assert_string_not_equal(old, other);
	assert_true(str_starts(old, "urn:uuid:") && old[9 + 14] == '8');
	assert_non_null(strchr("89ab", old[9 + 19]));
}

static void what_is_dated_in_the_future_or_not_at_all_is_no_news(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	feed(&f, CARD("", "\"variants\":[{\"id\":\"q4\"," RELEASED("2036-01-01T00:00:00Z") FILES
		      "},{\"id\":\"q8\"," FILES "}]"));
	assert_int_equal(count(&f, "<entry>"), 0);
	has(&f, "<updated>2026-11-28T00:00:00Z</updated>");
}

static void planned_variants_are_no_news(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, CARD("", "\"variants\":[{\"id\":\"q4\"," FILES "}]"));
	b.site.url = "https://m.example.org/site/";
	b.catalog.models[0].variants[0].file_count = 0;
	b.catalog.models[0].variants[0].released = "2026-11-20T10:00:00Z";
	buf_init(&f, MIB);
	atom_write(&b.site, &f);
	lacks(&f, "<entry>");
}

static void the_feed_ends_after_50_entries(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf f = BUF_INIT(MIB);
	built_site_init_many(&b, 60, ",\"created\":\"2026-11-20T10:00:00Z\"");
	b.site.url = "https://m.example.org/site/";
	atom_write(&b.site, &f);
	assert_int_equal(count(&f, "<entry>"), ATOM_ENTRIES);
}

static void hostile_texts_stay_texts_and_are_cut(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf f;
	CLEANUP(buf_release) struct buf model = BUF_INIT(MIB);
	buf_adds(&model, "{\"format\":\"model-ferry-card\",\"version\":1,\"id\":\"m\",\"title\":"
			 "\"<b>]]>\",\"created\":\"2026-11-20T10:00:00Z\",\"summary\":\"");
	for (int i = 0; i < 150; i++)
		buf_adds(&model, "<x>");
	buf_adds(&model, "\",\"variants\":[{\"id\":\"q4\"," FILES "}]}");
	feed(&f, model.data);
	lacks(&f, "<b>");
	lacks(&f, "]]>");
	assert_int_equal(count(&f, "&lt;x&gt;"), 100);
	has(&f, "…</p>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_versions_of_one_time_are_one_entry),
		cmocka_unit_test(withdrawals_are_entries_with_their_reason),
		cmocka_unit_test(earlier_versions_are_older_entries),
		cmocka_unit_test(ids_stay_the_same_when_other_things_change),
		cmocka_unit_test(what_is_dated_in_the_future_or_not_at_all_is_no_news),
		cmocka_unit_test(planned_variants_are_no_news),
		cmocka_unit_test(the_feed_ends_after_50_entries),
		cmocka_unit_test(hostile_texts_stay_texts_and_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
