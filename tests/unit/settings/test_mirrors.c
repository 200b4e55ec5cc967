#include "settings/mirrors.h"

#include "catalog/lint.h"

#include "unit.h"

static struct conf parsed(const char *text)
{
	struct err e = ERR_INIT;
	struct conf c;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", &c, &e), &e);
	return c;
}

static const char *member(const json_t *array, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(array, i), key));
}

static const char *const no_keys[] = { NULL };
static const char *const file_keys[] = { "path", NULL };
static const char *const http_keys[] = { "netrc", "layout", NULL };
static const char *const names_keys[] = { "netrc", "layout", "template", "models", NULL };
static const char *const names_public[] = { "template", NULL };
static const char *const s3_keys[] = { "bucket", "profile", "account", NULL };
static const char *const github_keys[] = { "owner", "repo", "tag", "part-size", NULL };
static const char *const git_keys[] = { "remote", "branch", NULL };
static const char *const github_public[] = { "tag", NULL };
static const struct settings_kind kinds[] = {
	{ .name = "file", .keys = file_keys },
	{ .name = "http", .keys = http_keys },
	{ .name = "names", .keys = names_keys, .public_keys = names_public, .objects_only = true },
	{ .name = "s3", .keys = s3_keys },
	{ .name = "github", .keys = github_keys, .public_keys = github_public },
	{ .name = "git", .keys = git_keys, .metadata_only = true },
	{ .keys = no_keys },
};

static int mirrors_of(const struct conf *c, const char *repository, json_t **out,
		      struct str_list *hidden, struct err *e)
{
	CLEANUP(settings_mirrors_release) struct settings_mirrors all = { 0 };
	int rc = settings_mirrors_read(c, repository, kinds, &all, e);
	return rc < 0 ? rc : settings_mirrors_catalog(&all, kinds, out, hidden, e);
}

static void every_kind_is_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct conf c = parsed(
		"[repository.lab]\npath = tree\n"
		"[mirror.disk]\nkind = file\npath = ./mirrors/a b\n"
		"[mirror.web]\nkind = http\nurl = https://x.org/models/\npriority = 10\n"
		"[mirror.s3]\nkind = s3\nbucket = models\nregion = eu-west-1\nprofile = p\n"
		"url = https://models.s3.eu-west-1.amazonaws.com\n"
		"[mirror.s4]\nkind = s3\naccount = abc\nbucket = models\nurl = https://cdn.x.org\n"
		"[mirror.gh]\nkind = github\nowner = o\nrepo = r\ntag = t\npart-size = 512MiB\n"
		"url = https://github.com/o/r/releases/download/t\nholds = objects\n"
		"[mirror.git]\nkind = git\nremote = git@x:r.git\nbranch = main\n"
		"url = https://raw.x.org/r/main\n"
		"[mirror.test]\nkind = file\npath = /stage\nstage = yes\n"
		"[mirror.private]\nkind = s3\nbucket = b\n");
	json_t *mirrors;
	struct str_list hidden = { 0 };
	assert_ok(mirrors_of(&c, "lab", &mirrors, &hidden, &e), &e);
	assert_int_equal(json_array_size(mirrors), 6);
	assert_string_equal(member(mirrors, 0, "id"), "web");
	assert_string_equal(member(mirrors, 0, "url"), "https://x.org/models");
	assert_string_equal(member(mirrors, 1, "id"), "disk");
	assert_string_equal(member(mirrors, 1, "url"), "file:///etc/mirrors/a%20b");
	assert_string_equal(member(mirrors, 2, "id"), "gh");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(mirrors, 2),
							    "part_size")),
			 512 * MIB);
	assert_string_equal(member(mirrors, 3, "holds"), "metadata");
	assert_string_equal(member(mirrors, 4, "region"), "eu-west-1");
	assert_null(json_object_get(json_array_get(mirrors, 4), "bucket"));
	assert_int_equal(hidden.count, 1);
	assert_string_equal(hidden.at[0], "private");
	str_list_release(&hidden);
	json_decref(mirrors);
	conf_release(&c);
}

static void faults_name_their_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[mirror.a]\nkind = ftp\n", "ferry.conf:2: unknown kind 'ftp'" },
		{ "[mirror.a]\nurl = https://x\n",
		  "[mirror.a] needs 'kind': file, http, s3, github or git" },
		{ "[mirror.a]\nkind = http\nulr = https://x\n", "ferry.conf:3: unknown key 'ulr'" },
		{ "[mirror.a]\nkind = http\nbucket = x\n", "ferry.conf:3: unknown key 'bucket'" },
		{ "[mirror.a]\nkind = http\n", "needs 'url'" },
		{ "[mirror.a]\nkind = file\n", "needs 'path'" },
		{ "[mirror.a]\nkind = http\nurl = x\n", "ferry.conf:3: url: 'x'" },
		{ "[mirror.a]\nkind = http\nurl = https://u:p@h/\n", "user name or password" },
		{ "[mirror.a]\nkind = s3\nurl = https://h/b?X-Amz-Signature=s\n",
		  "X-Amz-Signature=***' cannot be published: it has a query" },
		{ "[mirror.a]\nkind = s3\nurl = file:///x\n", "ferry.conf:3: url: " },
		{ "[mirror.a]\nkind = http\nurl = https://x\nholds = some\n",
		  "ferry.conf:4: holds: must be all, objects or metadata, not 'some'" },
		{ "[mirror.a]\nkind = git\nurl = https://x\nholds = all\n", "no model files" },
		{ "[mirror.a]\nkind = github\nurl = https://x\npart-size = 3GiB\n",
		  "ferry.conf:4: part-size" },
		{ "[repository.a]\n[mirror.a]\nkind = http\nurl = https://x\nrepository = z\n"
		  "[repository.a]\npath = a\n",
		  "ferry.conf:5: there is no [repository.z]" },
		{ "[mirror.a]\nkind = http\nurl = https://x\npriority = high\n",
		  "ferry.conf:4: priority" },
		{ "[mirror.a]\nkind = http\nurl = https://x\nconnections = 17\n",
		  "ferry.conf:4: connections: must be 1 to 16" },
		{ "[mirror.a]\nkind = http\nurl = https://x\nconnections = 0\n",
		  "ferry.conf:4: connections: must be 1 to 16" },
		{ "[repository.a]\npath=a\n[repository.b]\npath=b\n"
		  "[mirror.a]\nkind = http\nurl = https://x\n",
		  "must name its repository" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct conf c = parsed(bad[i].text);
		json_t *mirrors;
		assert_int_equal(mirrors_of(&c, "a", &mirrors, NULL, &e), -ERR_USAGE);
		if (!strstr(e.text, bad[i].message))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
		conf_release(&c);
	}
}

/* Whether a mirror counts, and what for, is known also of one that cannot be used. */
static void a_fault_leaves_what_could_be_read(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct settings_mirrors m;
	struct conf c = parsed("[mirror.a]\nkind = tape\nholds = objects\nstage = yes\n"
			       "priority = 7\nreel = 3\n");
	assert_ok(settings_mirrors_read(&c, NULL, kinds, &m, &e), &e);
	assert_int_equal(m.at->fault.class, ERR_USAGE);
	assert_string_equal(m.at->fault.text, "/etc/ferry.conf:2: unknown kind 'tape'");
	assert_string_equal(m.at->fault.hint, "the kinds are file, http, s3, github or git");
	assert_string_equal(m.at->kind, "tape");
	assert_int_equal(m.at->holds, MIRROR_HOLDS_OBJECTS);
	assert_true(m.at->stage);
	assert_int_equal(m.at->priority, 7);
	settings_mirrors_release(&m);
	conf_release(&c);
	c = parsed("[mirror.a]\nkind = s4\n");
	assert_ok(settings_mirrors_read(&c, NULL, kinds, &m, &e), &e);
	assert_string_equal(m.at->fault.hint, "did you mean 's3'?");
	assert_int_equal(m.at->priority, 50);
	settings_mirrors_release(&m);
	conf_release(&c);
}

static void lint_looks_at_mirrors(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct lint_findings f = { 0 };
	json_t *mirrors;
	struct conf c =
		parsed("[repository.a]\npath = x\n"
		       "[mirror.b]\nkind = http\nurl = http://x.org\nholds = objects\n"
		       "[mirror.c]\nkind = http\nurl = http://x.org\nholds = objects\n"
		       "[mirror.d]\nkind = http\nurl = http://localhost:80\nholds = objects\n");
	assert_ok(mirrors_of(&c, "a", &mirrors, NULL, &e), &e);
	lint_mirrors(mirrors, &f);
	assert_int_equal(f.count, 4);
	assert_string_equal(f.at[0].where, "mirror b");
	assert_non_null(strstr(f.at[0].text, "not https"));
	assert_non_null(strstr(f.at[2].text, "another mirror has the same"));
	assert_non_null(strstr(f.at[3].text, "none holds the metadata"));
	lint_release(&f);
	json_decref(mirrors);
	conf_release(&c);
}

#define NAMES "[repository.lab]\npath = t\n[mirror.hub]\nkind = http\nlayout = names\n"

static void files_under_their_own_names_are_a_kind_of_its_own(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct conf c = parsed(NAMES "url = https://h.org/o/r\nmodels = phi-2 phi-3\n"
				     "template = https://h.org/o/r/resolve/abc/{name}\n");
	json_t *mirrors;
	assert_ok(mirrors_of(&c, "lab", &mirrors, NULL, &e), &e);
	assert_string_equal(member(mirrors, 0, "kind"), "names");
	assert_string_equal(member(mirrors, 0, "holds"), "objects");
	assert_string_equal(member(mirrors, 0, "template"), "https://h.org/o/r/resolve/abc/{name}");
	json_t *models = json_object_get(json_array_get(mirrors, 0), "models");
	assert_int_equal(json_array_size(models), 2);
	assert_string_equal(json_string_value(json_array_get(models, 1)), "phi-3");
	json_decref(mirrors);
	conf_release(&c);
	c = parsed("[mirror.web]\nkind = http\nlayout = repository\nurl = https://h.org\n");
	assert_ok(mirrors_of(&c, NULL, &mirrors, NULL, &e), &e);
	assert_string_equal(member(mirrors, 0, "kind"), "http");
	json_decref(mirrors);
	conf_release(&c);
}

static void wrong_settings_of_names_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ NAMES, "needs 'url'" },
		{ NAMES "url = https://h.org\nholds = all\n", "only model files are read" },
		{ NAMES "url = https://h.org\nholds = metadata\n", "only model files are read" },
		{ NAMES "url = https://h.org\ntemplate = https://h.org/x\n", "lacks {name}" },
		{ NAMES "url = https://h.org\nmodels = a\n", "there is none" },
		{ NAMES "url = https://h.org\ntemplate = https://h.org/{name}\nmodels = A\n",
		  "'A' is not the id of a model" },
		{ "[mirror.web]\nkind = http\nlayout = flat\nurl = https://h.org\n",
		  "must be repository or names, not 'flat'" },
		{ "[mirror.web]\nkind = http\ntemplate = x\nurl = https://h.org\n",
		  "unknown key 'template'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct conf c = parsed(cases[i].text);
		json_t *mirrors = NULL;
		assert_int_equal(mirrors_of(&c, NULL, &mirrors, NULL, &e), -ERR_USAGE);
		if (!strstr(e.text, cases[i].fault))
			fail_msg("\"%s\" does not say \"%s\"", e.text, cases[i].fault);
		conf_release(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_under_their_own_names_are_a_kind_of_its_own),
		cmocka_unit_test(wrong_settings_of_names_are_refused),
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(faults_name_their_line),
		cmocka_unit_test(a_fault_leaves_what_could_be_read),
		cmocka_unit_test(lint_looks_at_mirrors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
