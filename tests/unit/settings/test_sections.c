#include "settings/fetch.h"
#include "settings/prepare.h"
#include "settings/publish.h"
#include "settings/repository.h"
#include "settings/stats.h"

#include "unit.h"
#include "util/mem.h"

static struct conf parsed(const char *text)
{
	struct err e = ERR_INIT;
	struct conf c;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", &c, &e), &e);
	return c;
}

static void assert_says(const struct err *e, const char *message)
{
	if (!strstr(e->text, message))
		fail_msg("\"%s\" does not say \"%s\"", e->text, message);
}

/* ---- [repository.NAME] ---- */

static void the_published_one_is_that_with_a_path(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct settings_repository r;
	struct conf c = parsed("[repository.client]\nmetadata = https://x\n"
			       "[repository.lab]\npath = tree\nkeys = /k\ntitle = The Lab\n"
			       "expires-timestamp = 2d\n");
	assert_ok(settings_repository_published(&c, NULL, &r, &e), &e);
	assert_string_equal(r.name, "lab");
	assert_string_equal(r.where, "/etc/ferry.conf:3");
	assert_string_equal(r.title, "The Lab");
	assert_string_equal(r.dir, "/etc/tree");
	assert_string_equal(r.keys, "/k");
	assert_int_equal(r.timestamp_s, 2 * 86400);
	assert_int_equal(r.root_s, 0);
	assert_int_equal(r.metadata.count, 0);
	settings_repository_release(&r);
	assert_int_equal(settings_repository_published(&c, "other", &r, &e), -ERR_USAGE);
	assert_says(&e, "[repository.other]");
	conf_release(&c);
}

static void an_unclear_one_is_not_published(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "", "no [repository.NAME]" },
		{ "[repository.a]\npath=a\n[repository.b]\npath=b\n", "several" },
		{ "[repository.a]\npath=a\nkey=b\n", "ferry.conf:3: unknown key 'key'" },
		{ "[repository.a]\npath=a\nexpires-root=0\n", "ferry.conf:3: expires-root" },
		{ "[repository]\npath=a\n", "ferry.conf:1: the section needs a name" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct settings_repository r;
		struct conf c = parsed(bad[i].text);
		assert_int_equal(settings_repository_published(&c, NULL, &r, &e), -ERR_USAGE);
		assert_says(&e, bad[i].message);
		conf_release(&c);
	}
}

static void what_clients_need_is_read_with_the_rest(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(settings_repositories_release) struct settings_repositories all = { 0 };
	struct conf c = parsed("[repository.b]\npath = x\n"
			       "[repository.a]\nmetadata = https://h/m ../far/models\n"
			       "root = a.root.json\nroot-sha256 = ab\ntargets-max-size = 9K\n");
	assert_ok(settings_repositories_read(&c, &all, &e), &e);
	assert_int_equal(all.count, 2);
	assert_string_equal(all.path, "/etc/ferry.conf");
	assert_null(settings_repositories_find(&all, "c"));
	const struct settings_repository *r = settings_repositories_find(&all, "a");
	assert_ptr_equal(r, &all.at[1]);
	assert_int_equal(r->metadata.count, 2);
	assert_string_equal(r->metadata.at[0], "https://h/m");
	assert_string_equal(r->metadata.at[1], "file:///far/models");
	assert_string_equal(r->root, "/etc/a.root.json");
	assert_string_equal(r->root_sha256, "ab");
	assert_int_equal(r->targets_max, 9 * KIB);
	conf_release(&c);
}

static void a_fault_in_any_section_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[repository.a]\nmetadata = ftp://h/\n", "ferry.conf:2: 'ftp://h/' is not a" },
		{ "[repository.a]\nmetdata = https://h/\n", "did you mean 'metadata'?" },
		{ "[repository.a]\npath = x\n[repository.b]\ntargets-max-size = 2G\n",
		  "ferry.conf:4: targets-max-size: from 1 to 1G" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct settings_repositories all;
		struct conf c = parsed(bad[i].text);
		assert_int_equal(settings_repositories_read(&c, &all, &e), -ERR_USAGE);
		assert_says(&e, bad[i].message);
		conf_release(&c);
	}
}

/* ---- [fetch] and [publish] ---- */

static void sections_that_are_not_there_are_the_defaults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct settings_fetch f;
	struct settings_publish p;
	const struct conf none = { 0 };
	assert_ok(settings_fetch_read(&none, &f, &e), &e);
	assert_ok(settings_publish_read(&none, &p, &e), &e);
	assert_int_equal(f.limit_rate.count, 0);
	assert_int_equal(p.limit_rate.count, 0);
	assert_int_equal(f.stall_s, 0);
	assert_int_equal(f.retries, 5);
	assert_int_equal(f.timestamp_deadline_ms, 5000);
	assert_true(f.keep_versions == UINT64_MAX);
	assert_int_equal(p.quorum, 0);
	assert_int_equal(p.prune_after_s, 30 * 86400);
}

static void their_values_are_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct settings_fetch f;
	struct settings_publish p;
	struct conf c = parsed("[fetch]\nlimit-rate = 2M\nstall-time = 1m\nretries = 1\n"
			       "timestamp-deadline = 2s\nconfirm-above = 512M\nkeep-versions = 2\n"
			       "[publish]\nquorum = 3\nprune-after = 2d\n"
			       "limit-rate = 08:00,20MiB 19:00,off\n");
	assert_ok(settings_fetch_read(&c, &f, &e), &e);
	assert_ok(settings_publish_read(&c, &p, &e), &e);
	assert_int_equal(rate_table_at(&f.limit_rate, 0), 2 * MIB);
	assert_int_equal(rate_table_at(&p.limit_rate, 9 * 60), 20 * MIB);
	assert_int_equal(rate_table_at(&p.limit_rate, 20 * 60), 0);
	assert_int_equal(f.stall_s, 60);
	assert_int_equal(f.retries, 1);
	assert_int_equal(f.timestamp_deadline_ms, 2000);
	assert_int_equal(f.confirm_above, 512 * MIB);
	assert_int_equal(f.keep_versions, 2);
	assert_int_equal(p.quorum, 3);
	assert_int_equal(p.prune_after_s, 2 * 86400);
	conf_release(&c);
}

static void their_faults_name_the_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[fetch]\nretries = 0\n", "ferry.conf:2: retries: from 1 to 1000" },
		{ "[fetch]\ntimestamp-deadline = 11m\n", ":2: timestamp-deadline: from 1s to 10m" },
		{ "[fetch]\nconfirm-above = never\n", "ferry.conf:2: confirm-above" },
		{ "[fetch]\nkeep-versions = some\n", "ferry.conf:2: keep-versions" },
		{ "[fetch]\nretry = 3\n", "ferry.conf:2: unknown key 'retry'" },
		{ "[publish]\nquorum = 0\n", "ferry.conf:2: quorum: must be at least 1" },
		{ "[publish]\nlimit-rate = 25:00,1M\n", "ferry.conf:2: limit-rate: '25:00,1M' is" },
		{ "[publish]\nprune-after = soon\n", "ferry.conf:2: prune-after" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct settings_fetch f;
		struct settings_publish p;
		struct conf c = parsed(bad[i].text);
		int rc = settings_fetch_read(&c, &f, &e);
		if (rc == 0)
			rc = settings_publish_read(&c, &p, &e);
		assert_int_equal(rc, -ERR_USAGE);
		assert_says(&e, bad[i].message);
		conf_release(&c);
	}
}

/* ---- [prepare] ---- */

static void a_path_that_leads_nowhere_is_named_with_its_line(void **state)
{
	(void)state;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *text = mem_printf("[prepare]\npython = %s/python\n", dir);
	CLEANUP(mem_free_ptr) char *missing =
		mem_printf("/etc/ferry.conf:2: python: %s/python is missing", dir);
	CLEANUP(mem_free_ptr) char *folder =
		mem_printf("/etc/ferry.conf:2: python: %s/python is not executable", dir);
	struct settings_prepare p;
	struct err e = ERR_INIT;
	struct conf c = parsed(text);
	assert_int_equal(settings_prepare_read(&c, &p, &e), -ERR_USAGE);
	assert_string_equal(e.text, missing);
	err_clear(&e);
	scratch_write(dir, "python/x", "", 0);
	assert_int_equal(settings_prepare_read(&c, &p, &e), -ERR_USAGE);
	assert_says(&e, folder);
	conf_release(&c);
	scratch_free(dir);
}

/* ---- [stats] ---- */

static void logs_may_name_their_mirrors(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct settings_stats s;
	struct conf c = parsed("[stats]\nlogs = eu=/logs/nginx r2=logs:access/\n  other.log a/b=c\n"
			       "country = c.mmdb\ncatalogs = a.json /b.json\nkeep = 30d\n"
			       "database = postgresql://stats@db/ferry\n");
	assert_ok(settings_stats_read(&c, &s, &e), &e);
	assert_int_equal(s.count, 4);
	assert_string_equal(s.logs[0].mirror, "eu");
	assert_string_equal(s.logs[0].where, "/logs/nginx");
	assert_string_equal(s.logs[1].mirror, "r2");
	assert_string_equal(s.logs[1].where, "logs:access/");
	assert_null(s.logs[2].mirror);
	assert_null(s.logs[3].mirror);
	assert_string_equal(s.logs[3].where, "a/b=c");
	assert_string_equal(s.country, "/etc/c.mmdb");
	assert_string_equal(s.catalogs.at[0], "/etc/a.json");
	assert_string_equal(s.catalogs.at[1], "/b.json");
	assert_string_equal(s.database, "postgresql://stats@db/ferry");
	assert_int_equal(s.keep_s, 30 * 86400);
	settings_stats_release(&s);
	conf_release(&c);
}

static void faults_of_stats_name_the_line(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[stats]\nkeep = 6d\n", "ferry.conf:2: keep: at least 7d" },
		{ "[stats]\nlogs = Not_a_name!=x\n", "ferry.conf:2: logs: MIRROR=WHERE" },
		{ "[stats]\nlogs = eu=\n", "ferry.conf:2: logs: MIRROR=WHERE" },
		{ "[stats]\nlog = x\n", "did you mean 'logs'?" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct settings_stats s;
		struct conf c = parsed(bad[i].text);
		assert_int_equal(settings_stats_read(&c, &s, &e), -ERR_USAGE);
		assert_says(&e, bad[i].message);
		conf_release(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_one_is_that_with_a_path),
		cmocka_unit_test(an_unclear_one_is_not_published),
		cmocka_unit_test(what_clients_need_is_read_with_the_rest),
		cmocka_unit_test(a_fault_in_any_section_is_told),
		cmocka_unit_test(sections_that_are_not_there_are_the_defaults),
		cmocka_unit_test(their_values_are_read),
		cmocka_unit_test(their_faults_name_the_line),
		cmocka_unit_test(a_path_that_leads_nowhere_is_named_with_its_line),
		cmocka_unit_test(logs_may_name_their_mirrors),
		cmocka_unit_test(faults_of_stats_name_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
