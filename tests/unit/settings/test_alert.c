#include "settings/alert.h"

#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#include <sys/stat.h>

static void parse(const char *text, const char *dir, struct conf *out)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ferry.conf");
	assert_ok(conf_parse(text, strlen(text), path, out, &e), &e);
}

static void assert_says(const char *text, const char *message)
{
	if (!strstr(text, message))
		fail_msg("\"%s\" does not say \"%s\"", text, message);
}

static void every_kind_is_read_with_its_keys(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(settings_alerts_release) struct settings_alerts all = { 0 };
	CLEANUP(conf_release) struct conf c = { 0 };
	setenv("HOOK_OF_TEST", "https://example.org/secret", 1);
	parse("[repository.lab]\npath = x\n"
	      "[alert.page]\nkind = command\ncommand = bin/page --loud\non = critical\n"
	      "mirrors = eu us\nrepeat = 6h\ntimeout = 5s\nrepository = lab\n"
	      "[alert.hook]\nkind = webhook\nurl-env = HOOK_OF_TEST\n"
	      "[alert.am]\nkind = alertmanager\nurl = http://127.0.0.1:9093\nresolve-after = 2d\n",
	      "/etc", &c);
	assert_ok(settings_alerts_read(&c, &all, &e), &e);
	assert_int_equal(all.count, 3);
	assert_string_equal(all.at[0].name, "page");
	assert_int_equal(all.at[0].on, SETTINGS_ALERT_ON_CRITICAL);
	assert_string_equal(all.at[0].words.at[0], "/etc/bin/page");
	assert_string_equal(all.at[0].words.at[1], "--loud");
	assert_string_equal(all.at[0].repository, "lab");
	assert_int_equal(all.at[0].mirrors.count, 2);
	assert_int_equal(all.at[0].repeat_s, 6 * 3600);
	assert_int_equal(all.at[0].timeout_s, 5);
	assert_string_equal(all.at[1].url, "https://example.org/secret");
	assert_int_equal(all.at[1].on, SETTINGS_ALERT_ON_WARNING);
	assert_int_equal(all.at[1].repeat_s, 0);
	assert_int_equal(all.at[1].timeout_s, 30);
	assert_string_equal(all.at[2].url, "http://127.0.0.1:9093");
	assert_int_equal(all.at[2].resolve_after_s, 2 * 86400);
	unsetenv("HOOK_OF_TEST");
}

static void what_cannot_be_used_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[alert]\nkind = command\ncommand = x\n",
		  "ferry.conf:1: the section needs a name" },
		{ "[alert.a]\ncommand = x\n", "kind: is missing" },
		{ "[alert.a]\nkind = mail\n",
		  "command, webhook, slack or alertmanager, not 'mail'" },
		{ "[alert.a]\nkind = command\n", "command: name the program" },
		{ "[alert.a]\nkind = slack\nurl = https://hooks.slack.com/T/secret\n", "url-file" },
		{ "[alert.a]\nkind = webhook\n", "needs url-file or url-env" },
		{ "[alert.a]\nkind = webhook\nurl-file = a\nurl-env = B\n", "exclude each other" },
		{ "[alert.a]\nkind = webhook\ncommand = a\n",
		  "ferry.conf:3: unknown key 'command'" },
		{ "[alert.a]\nkind = alertmanager\nurl = http://u:secret@h\n", "url-file" },
		{ "[alert.a]\nkind = alertmanager\nurl = gopher://h\n", "ferry.conf:3: url:" },
		{ "[alert.a]\nkind = alertmanager\nurl = http://h\nrepeat = 1h\n", "unknown key" },
		{ "[alert.a]\nkind = command\ncommand = x\non = ok\n", "on: must be" },
		{ "[alert.a]\nkind = command\ncommand = x\ntimeout = 0\n", "at least 1s" },
		{ "[alert.a]\nkind = command\ncommand = x\nrepository = z\n", "[repository.z]" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct settings_alerts all = { 0 };
		CLEANUP(conf_release) struct conf c = { 0 };
		parse(bad[i].text, "/etc", &c);
		assert_int_equal(settings_alerts_read(&c, &all, &e), -ERR_USAGE);
		assert_says(e.text, bad[i].message);
		assert_null(strstr(e.text, "secret"));
	}
}

/* Reads one [alert.a] of this kind whose url-file has this text and mode. */
static void read_file_with(const char *kind, const char *text, mode_t mode,
			   struct settings_alerts *out)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "hook.url");
	CLEANUP(mem_free_ptr) char *section =
		mem_printf("[alert.a]\nkind = %s\nurl-file = hook.url\n", kind);
	if (text) {
		scratch_write(dir, "hook.url", text, strlen(text));
		assert_int_equal(chmod(path, mode), 0);
	}
	parse(section, dir, &c);
	assert_ok(settings_alerts_read(&c, out, &e), &e);
	scratch_free(dir);
}

static void a_url_file_that_others_can_read_is_refused_with_the_way_out(void **state)
{
	(void)state;
	CLEANUP(settings_alerts_release) struct settings_alerts all = { 0 };
	read_file_with("webhook", "https://h/secret\n", 0640, &all);
	assert_null(all.at[0].url);
	assert_int_equal(all.at[0].fault.class, ERR_USAGE);
	assert_says(all.at[0].fault.text, "[alert.a]");
	assert_says(all.at[0].fault.text, "other users can read this file");
	assert_says(all.at[0].fault.hint, "chmod 600 ");
	settings_alerts_release(&all);
	read_file_with("webhook", "https://h/secret\n", 0600, &all);
	assert_string_equal(all.at[0].url, "https://h/secret");
	assert_int_equal(all.at[0].fault.class, ERR_NONE);
}

static void a_fault_of_the_secret_never_shows_it(void **state)
{
	(void)state;
	static const struct {
		const char *kind, *text, *message;
	} bad[] = {
		{ "webhook", NULL, "hook.url" },
		{ "webhook", "", "no URL" },
		{ "webhook", "ftp://h/secret", "no URL of http" },
		{ "slack", "http://hooks.slack.com/services/secret", "not https" },
		{ "alertmanager", "http://h/?token=secret", "has a query" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(settings_alerts_release) struct settings_alerts all = { 0 };
		read_file_with(bad[i].kind, bad[i].text, 0600, &all);
		assert_null(all.at[0].url);
		assert_says(all.at[0].fault.text, bad[i].message);
		assert_null(strstr(all.at[0].fault.text, "secret"));
		assert_null(strstr(all.at[0].fault.hint, "secret"));
	}
}

static void a_variable_that_is_not_set_is_named(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(settings_alerts_release) struct settings_alerts all = { 0 };
	CLEANUP(conf_release) struct conf c = { 0 };
	parse("[alert.a]\nkind = slack\nurl-env = NOT_SET_HERE\n", "/etc", &c);
	assert_ok(settings_alerts_read(&c, &all, &e), &e);
	assert_says(all.at[0].fault.text, "variable NOT_SET_HERE is not set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read_with_its_keys),
		cmocka_unit_test(what_cannot_be_used_is_refused_with_its_line),
		cmocka_unit_test(a_url_file_that_others_can_read_is_refused_with_the_way_out),
		cmocka_unit_test(a_fault_of_the_secret_never_shows_it),
		cmocka_unit_test(a_variable_that_is_not_set_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
