#include "mirror/git.h"
#include "mirror/kinds.h"

#include "mirror_conf.h"
#include "mirror_contract.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <sys/stat.h>

/* -- a remote on disk ---------------------------------------------------------------- */

struct place {
	char *dir;    /* scratch */
	char *remote; /* a bare repository in it, empty */
};

/* What a host does besides takes most of the time. */
static void make_fast(git_repository *repo)
{
	git_config *config = NULL;
	assert_int_equal(git_repository_config(&config, repo), 0);
	assert_int_equal(git_config_set_bool(config, "receive.autogc", false), 0);
	assert_int_equal(git_config_set_string(config, "core.fsync", "none"), 0);
	git_config_free(config);
}

static int place_new(void **state)
{
	struct place *p = NEW(struct place);
	git_repository *repo = NULL;
	p->dir = scratch_new();
	p->remote = path_join(p->dir, "remote.git");
	git_libgit2_init();
	assert_int_equal(git_repository_init(&repo, p->remote, true), 0);
	make_fast(repo);
	git_repository_free(repo);
	*state = p;
	return 0;
}

static int place_free(void **state)
{
	struct place *p = *state;
	scratch_free(p->dir);
	free(p->remote);
	free(p);
	return 0;
}

static struct mirror *open_with(const struct place *p, const char *more)
{
	CLEANUP(mem_free_ptr) char *text =
		mem_printf("[mirror.meta]\nkind = git\nremote = %s\nauthor = A B <a@b.example>\n%s",
			   p->remote, more);
	return mirror_conf_open(text);
}

static struct mirror *open_remote(const struct place *p)
{
	return open_with(p, "");
}

static int put(struct mirror *m, const char *key, const char *text, const struct mirror_put *how,
	       struct err *e)
{
	return mirror_put_small(m, key, text, strlen(text), how, NULL, e);
}

static void stage(struct mirror *m, const char *key, const char *text)
{
	struct err e = ERR_INIT;
	assert_ok(put(m, key, text, NULL, &e), &e);
}

static int publish(struct mirror *m, struct err *e)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	struct mirror_publication p = { .name = "demo", .version = 7, .shown = true };
	return mirror_publish(m, &p, &found, e);
}

static void publish_ok(struct mirror *m)
{
	struct err e = ERR_INIT;
	assert_ok(publish(m, &e), &e);
}

/* What a new reader finds: "" when it is not there. */
static char *read_with(const struct place *p, const char *key, const char *more)
{
	CLEANUP_PTR(mirror_close) struct mirror *m = open_with(p, more);
	struct buf text = BUF_INIT(100);
	struct err e = ERR_INIT;
	int rc = mirror_get_small(m, key, 0, &text, &e);
	if (rc < 0)
		assert_int_equal(rc, -ERR_NOT_FOUND);
	char *out = mem_strdup(buf_str(&text));
	buf_release(&text);
	return out;
}

#define assert_there(p, key, want) \
	do { \
		CLEANUP(mem_free_ptr) char *text_ = read_with((p), (key), ""); \
		assert_string_equal(text_, want); \
	} while (0)

/* The branch's commit, opened in the remote itself. */
static git_repository *open_there(const struct place *p)
{
	git_repository *repo = NULL;
	assert_int_equal(git_repository_open_bare(&repo, p->remote), 0);
	return repo;
}

static git_commit *tip_of(git_repository *repo)
{
	git_oid id;
	git_commit *commit = NULL;
	assert_int_equal(git_reference_name_to_id(&id, repo, "refs/heads/main"), 0);
	assert_int_equal(git_commit_lookup(&commit, repo, &id), 0);
	return commit;
}

static unsigned count_commits(const struct place *p)
{
	unsigned count = 1;
	git_repository *repo = open_there(p);
	git_commit *at = tip_of(repo), *parent;
	while (git_commit_parent(&parent, at, 0) == 0) {
		git_commit_free(at);
		at = parent;
		count++;
	}
	git_commit_free(at);
	git_repository_free(repo);
	return count;
}

/* -- the contract -------------------------------------------------------------------- */

static void run_all(struct mirror *m)
{
	struct err e = ERR_INIT;
	struct contract c;
	assert_ok(contract_begin(&c, m, &e), &e);
	for (size_t i = 0; i < contract_test_count; i++) {
		if (!contract_applies(&c, &contract_tests[i]))
			continue;
		if (contract_run(&c, &contract_tests[i]) < 0)
			fail_msg("%s: %s", contract_tests[i].name, c.failure);
		if (c.writable)
			publish_ok(m);
	}
	assert_ok(contract_end(&c, &e), &e);
}

static void the_kind_git_keeps_the_contract(void **state)
{
	CLEANUP_PTR(mirror_close) struct mirror *m = open_with(*state, "prefix = a/folder\n");
	run_all(m);
	publish_ok(m);
}

/* -- publishing ---------------------------------------------------------------------- */

static void the_first_push_makes_the_branch(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	stage(m, "metadata/timestamp.json", "1");
	stage(m, "catalog.json", "c");
	assert_there(p, "catalog.json", "");
	publish_ok(m);
	assert_there(p, "catalog.json", "c");
	assert_there(p, "metadata/timestamp.json", "1");
	assert_int_equal(count_commits(p), 1);
	git_repository *repo = open_there(p);
	git_commit *tip = tip_of(repo);
	assert_string_equal(git_commit_message(tip), "demo: release 7\n");
	assert_string_equal(git_commit_author(tip)->name, "A B");
	assert_string_equal(git_commit_committer(tip)->email, "a@b.example");
	git_commit_free(tip);
	git_repository_free(repo);
}

static void what_is_not_shown_is_not_pushed(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	struct mirror_publication hidden = { .name = "demo", .version = 7 };
	struct err e = ERR_INIT;
	stage(m, "a", "1");
	assert_ok(mirror_publish(m, &hidden, &found, &e), &e);
	assert_int_equal(found.count, 0);
	assert_there(p, "a", "");
	publish_ok(m);
	assert_there(p, "a", "1");
}

static void nothing_new_makes_no_commit(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	stage(m, "a", "1");
	publish_ok(m);
	publish_ok(m);
	stage(m, "a", "1");
	publish_ok(m);
	assert_int_equal(count_commits(p), 1);
}

static void removing_everything_leaves_an_empty_branch(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	struct err e = ERR_INIT;
	stage(m, "x/y/z", "1");
	publish_ok(m);
	assert_ok(mirror_remove(m, "x/y/z", &e), &e);
	publish_ok(m);
	assert_there(p, "x/y/z", "");
	assert_int_equal(count_commits(p), 2);
}

static void the_files_of_others_stay(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *top = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *below = open_with(p, "prefix = models/\n");
	stage(top, "README.md", "hello");
	publish_ok(top);
	stage(below, "a", "1");
	publish_ok(below);
	assert_there(p, "README.md", "hello");
	assert_there(p, "models/a", "1");
}

static void another_branch_is_another_place(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *pages = open_with(p, "branch = pages\n");
	stage(m, "a", "main");
	publish_ok(m);
	stage(pages, "a", "pages");
	publish_ok(pages);
	CLEANUP(mem_free_ptr) char *there = read_with(p, "a", "branch = pages\n");
	assert_string_equal(there, "pages");
	assert_there(p, "a", "main");
}

static struct mirror *open_kept(const struct place *p, struct mirror_env *env)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.meta]\nkind = git\nremote = %s\n",
						      p->remote);
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(settings_mirrors_release) struct settings_mirrors set = { 0 };
	struct err e = ERR_INIT;
	struct mirror *m = NULL;
	env->state_dir = p->dir;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", &c, &e), &e);
	assert_ok(settings_mirrors_read(&c, NULL, kinds, &set, &e), &e);
	assert_ok(mirror_open(mirror_kinds_all, env, &set.at[0], &m, &e), &e);
	return m;
}

static int64_t wall_s(void *ctx)
{
	return *(int64_t *)ctx;
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return 0;
}

static int tell_time(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct buf *b = ctx;
	(void)e;
	buf_addf(b, "%s=%lld ", entry->key, (long long)entry->stat.modified_s);
	return 0;
}

static void a_listing_tells_when_files_were_changed(void **state)
{
	const struct place *p = *state;
	int64_t now_s = 1000;
	const struct clock clock = { .now_us = now_us, .wall_s = wall_s, .ctx = &now_s };
	struct mirror_env env = { .clock = &clock };
	CLEANUP_PTR(mirror_close) struct mirror *m = open_kept(p, &env);
	CLEANUP(buf_release) struct buf b = BUF_INIT(1000);
	struct err e = ERR_INIT;
	stage(m, "a/old", "1");
	stage(m, "a/changed", "1");
	publish_ok(m);
	now_s = 2000;
	stage(m, "a/changed", "2");
	publish_ok(m);
	now_s = 3000;
	stage(m, "b", "1");
	publish_ok(m);
	stage(m, "c", "1");
	assert_ok(mirror_list(m, "", tell_time, &b, &e), &e);
	assert_string_equal(buf_str(&b), "a/changed=2000 a/old=1000 b=3000 c=0 ");
}

/* -- other publishers ---------------------------------------------------------------- */

static void a_push_goes_on_top_of_what_others_pushed(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *other = open_remote(p);
	stage(m, "ours", "1");
	stage(other, "theirs", "2");
	publish_ok(other);
	publish_ok(m);
	assert_there(p, "ours", "1");
	assert_there(p, "theirs", "2");
	assert_int_equal(count_commits(p), 2);
}

static void the_second_of_two_publishers_of_a_file_is_refused(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *other = open_remote(p);
	struct err e = ERR_INIT;
	stage(m, "timestamp.json", "ours");
	stage(m, "hidden", "ours");
	stage(other, "timestamp.json", "theirs");
	publish_ok(other);
	assert_int_equal(publish(m, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "another publisher has changed timestamp.json"));
	assert_there(p, "timestamp.json", "theirs");
	assert_there(p, "hidden", "");
}

static void two_publishers_may_push_the_same_bytes(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *other = open_remote(p);
	stage(m, "a", "same");
	stage(other, "a", "same");
	publish_ok(other);
	publish_ok(m);
	assert_int_equal(count_commits(p), 1);
}

/* What another publisher does between our fetch and our push. */
static void a_push_that_comes_too_late_changes_nothing(void **state)
{
	const struct place *p = *state;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	CLEANUP_PTR(mirror_close) struct mirror *other = open_remote(p);
	struct mirror_git *g = m->state;
	struct err e = ERR_INIT;
	bool moved;
	stage(m, "a", "1");
	publish_ok(m);
	git_oid ours = g->tip;
	stage(other, "b", "2");
	publish_ok(other);
	pthread_mutex_lock(&g->lock);
	assert_ok(mirror_git_push(m, &ours, &moved, &e), &e);
	pthread_mutex_unlock(&g->lock);
	assert_true(moved);
	assert_there(p, "b", "2");
}

/* -- a branch that was rewritten ------------------------------------------------------- */

/* Sets the branch back by one commit: git push --force. */
static void force_back(const struct place *p)
{
	git_repository *repo = open_there(p);
	git_commit *tip = tip_of(repo);
	git_reference *ref = NULL;
	assert_int_equal(git_reference_create(&ref, repo, "refs/heads/main",
					      git_commit_parent_id(tip, 0), true, NULL),
			 0);
	git_reference_free(ref);
	git_commit_free(tip);
	git_repository_free(repo);
}

static void setup(struct mirror *m)
{
	CLEANUP(mirror_findings_release) struct mirror_findings found = { 0 };
	struct err e = ERR_INIT;
	assert_ok(mirror_setup(m, false, &found, &e), &e);
	for (size_t i = 0; i < found.count; i++)
		assert_int_equal(found.at[i].class, ERR_NONE);
}

static void a_branch_that_was_rewritten_is_left_alone_until_set_up(void **state)
{
	const struct place *p = *state;
	struct mirror_env env = { 0 };
	struct err e = ERR_INIT;
	struct mirror *m = open_kept(p, &env);
	stage(m, "a", "1");
	publish_ok(m);
	stage(m, "a", "2");
	publish_ok(m);
	mirror_close(m);
	force_back(p);
	m = open_kept(p, &env);
	CLEANUP(buf_release) struct buf text = BUF_INIT(10);
	assert_ok(mirror_get_small(m, "a", 0, &text, &e), &e); /* reading is possible */
	assert_int_equal(put(m, "a", "3", NULL, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "the branch main was rewritten"));
	assert_non_null(strstr(e.hint, "ferry mirror setup --mirror meta"));
	assert_there(p, "a", "1");
	setup(m);
	stage(m, "a", "3");
	publish_ok(m);
	mirror_close(m);
	assert_there(p, "a", "3");
}

static void a_branch_that_was_removed_is_not_made_again_unasked(void **state)
{
	const struct place *p = *state;
	struct mirror_env env = { 0 };
	struct err e = ERR_INIT;
	struct mirror *m = open_kept(p, &env);
	stage(m, "a", "1");
	publish_ok(m);
	mirror_close(m);
	git_repository *repo = open_there(p);
	assert_int_equal(git_reference_remove(repo, "refs/heads/main"), 0);
	git_repository_free(repo);
	m = open_kept(p, &env);
	assert_int_equal(put(m, "a", "2", NULL, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "was removed"));
	setup(m);
	stage(m, "a", "2");
	publish_ok(m);
	mirror_close(m);
	assert_there(p, "a", "2");
}

/* -- a server that refuses ------------------------------------------------------------- */

static void a_hook_that_refuses_is_quoted(void **state)
{
	static const char hook[] = "#!/bin/sh\necho 'GH006: Protected branch update failed' >&2\n"
				   "exit 1\n";
	const struct place *p = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(p->remote, "hooks/pre-receive");
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(p);
	struct err e = ERR_INIT;
	scratch_write(p->remote, "hooks/pre-receive", hook, strlen(hook));
	chmod(path, 0755);
	stage(m, "a", "1");
	assert_int_equal(publish(m, &e), -ERR_AUTH);
	assert_non_null(strstr(e.text, "GH006: Protected branch update failed"));
	assert_non_null(strstr(e.text, "pre-receive hook declined"));
	assert_there(p, "a", "");
	assert_ok(file_remove(path, &(struct err)ERR_INIT), &e);
	err_clear(&e);
	assert_ok(publish(m, &e), &e); /* what was staged is still staged */
	assert_there(p, "a", "1");
}

static void a_remote_that_is_not_there_is_not_found(void **state)
{
	const struct place *p = *state;
	struct place elsewhere = { .dir = p->dir };
	CLEANUP(mem_free_ptr) char *remote = path_join(p->dir, "none.git");
	elsewhere.remote = remote;
	CLEANUP_PTR(mirror_close) struct mirror *m = open_remote(&elsewhere);
	struct err e = ERR_INIT;
	assert_int_equal(mirror_stat_key(m, "a", NULL, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "does not appear to be a git repository"));
	assert_non_null(strstr(e.hint, "create the repository"));
}

static void a_cancelled_call_ends(void **state)
{
	struct cancel cancel = CANCEL_INIT;
	struct mirror_env env = { .cancel = &cancel };
	CLEANUP_PTR(mirror_close) struct mirror *m = open_kept(*state, &env);
	struct err e = ERR_INIT;
	stage(m, "a", "1");
	cancel_ask(&cancel, 2);
	assert_int_equal(publish(m, &e), -ERR_CANCELLED);
	assert_there(*state, "a", "");
}

/* -- remotes --------------------------------------------------------------------------- */

static void remotes_are_what_git_takes(void **state)
{
	static const struct {
		const char *text;
		enum mirror_git_means way;
		const char *user, *host;
		unsigned port;
		const char *path;
	} good[] = {
		{ "https://github.com/o/r.git/", MIRROR_GIT_HTTP, NULL, "github.com", 0,
		  "/o/r.git/" },
		{ "http://me@HOST:8080/r", MIRROR_GIT_HTTP, "me", "host", 0, "/r" },
		{ "ssh://git@h.example:2222/o/r%20s.git", MIRROR_GIT_SSH, "git", "h.example", 2222,
		  "/o/r s.git" },
		{ "ssh://h/~me/r", MIRROR_GIT_SSH, NULL, "h", 0, "~me/r" },
		{ "ssh://[::1]:22/r", MIRROR_GIT_SSH, NULL, "::1", 22, "/r" },
		{ "git@github.com:o/r.git", MIRROR_GIT_SSH, "git", "github.com", 0, "o/r.git" },
		{ "file:///srv/r%20s.git", MIRROR_GIT_FILE, NULL, "", 0, "/srv/r s.git" },
		{ "/srv/r.git", MIRROR_GIT_FILE, NULL, "", 0, "/srv/r.git" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { 0 };
		struct err e = ERR_INIT;
		assert_ok(mirror_git_remote_parse(good[i].text, &r, &e), &e);
		assert_int_equal(r.way, good[i].way);
		assert_string_equal(r.host, good[i].host);
		assert_string_equal(r.path, good[i].path);
		assert_int_equal(r.port, good[i].port);
		assert_string_equal(r.user ? r.user : "-", good[i].user ? good[i].user : "-");
	}
}

static void remotes_that_would_be_dangerous_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"relative/path",
		"ftp://h/r",
		"git://h/r",
		"ext::sh -c x",
		"https://me:secret@h/r",
		"https://h/r?x=1",
		"ssh://-oProxyCommand=x/r",
		"ssh://h:0/r",
		"ssh://h",
		"ssh://me:secret@h/r",
		"-oProxyCommand=x:r",
		"h:-r",
		"h:",
		"ssh://h/a\nb",
		"file://other/r",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mirror_git_remote r = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(mirror_git_remote_parse(bad[i], &r, &e), -ERR_USAGE);
		assert_null(r.url);
		assert_null(strstr(e.text, "secret"));
	}
}

static void only_this_machine_is_loopback(void **state)
{
	static const char *const here[] = { "http://127.0.0.1:80/r", "http://localhost/r",
					    "http://[::1]:80/r" };
	static const char *const elsewhere[] = { "http://127.0.0.1.example/r", "http://h/r" };
	struct err e = ERR_INIT;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(here); i++) {
		CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { 0 };
		assert_ok(mirror_git_remote_parse(here[i], &r, &e), &e);
		assert_true(mirror_git_remote_is_loopback(&r));
	}
	for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
		CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { 0 };
		assert_ok(mirror_git_remote_parse(elsewhere[i], &r, &e), &e);
		assert_false(mirror_git_remote_is_loopback(&r));
	}
}

static void github_serves_the_files_of_a_branch(void **state)
{
	static const struct {
		const char *remote, *branch, *prefix, *url;
	} cases[] = {
		{ "https://github.com/o/r.git", "main", "",
		  "https://raw.githubusercontent.com/o/r/main" },
		{ "https://github.com/o/r/", "a#b", "x y/",
		  "https://raw.githubusercontent.com/o/r/a%23b/x%20y" },
		{ "git@github.com:o/r.git", "main", "",
		  "https://raw.githubusercontent.com/o/r/main" },
		{ "ssh://git@github.com/o/r.git", "main", "m/",
		  "https://raw.githubusercontent.com/o/r/main/m" },
		{ "https://git.example/o/r.git", "main", "", NULL },
		{ "/github.com", "main", "", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { 0 };
		struct err e = ERR_INIT;
		assert_ok(mirror_git_remote_parse(cases[i].remote, &r, &e), &e);
		CLEANUP(mem_free_ptr) char *url = mirror_git_remote_raw_url(&r, cases[i].branch,
									    cases[i].prefix);
		assert_string_equal(url ? url : "", cases[i].url ? cases[i].url : "");
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, place_new, place_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kind_git_keeps_the_contract),
		TEST(the_first_push_makes_the_branch),
		TEST(what_is_not_shown_is_not_pushed),
		TEST(nothing_new_makes_no_commit),
		TEST(removing_everything_leaves_an_empty_branch),
		TEST(the_files_of_others_stay),
		TEST(another_branch_is_another_place),
		TEST(a_listing_tells_when_files_were_changed),
		TEST(a_push_goes_on_top_of_what_others_pushed),
		TEST(the_second_of_two_publishers_of_a_file_is_refused),
		TEST(two_publishers_may_push_the_same_bytes),
		TEST(a_push_that_comes_too_late_changes_nothing),
		TEST(a_branch_that_was_rewritten_is_left_alone_until_set_up),
		TEST(a_branch_that_was_removed_is_not_made_again_unasked),
		TEST(a_hook_that_refuses_is_quoted),
		TEST(a_remote_that_is_not_there_is_not_found),
		TEST(a_cancelled_call_ends),
		cmocka_unit_test(remotes_are_what_git_takes),
		cmocka_unit_test(remotes_that_would_be_dangerous_are_refused),
		cmocka_unit_test(only_this_machine_is_loopback),
		cmocka_unit_test(github_serves_the_files_of_a_branch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
