#include "settings/node.h"

#include "unit.h"

static int read_text(const char *text, struct settings_node *out, struct err *e)
{
	CLEANUP(conf_release) struct conf c = { 0 };
	int rc = conf_parse(text, strlen(text), "/etc/ferry/ferry.conf", &c, e);
	return rc < 0 ? rc : settings_node_read(&c, out, e);
}

static void a_model_takes_from_the_machine_what_it_does_not_say_itself(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(settings_node_release) struct settings_node n = { 0 };
	assert_ok(read_text("[node]\nengine = ollama\nowner = o\nkeep = 2\nmemory = 8G\n"
			    "hook = bin/reload now\nhealth = http://127.0.0.1:1/\ncopy = yes\n"
			    "[node.a]\nmodel = m:q\n"
			    "[node.b]\nmodel = n:auto\nengine = none\nkeep = 0\nhook = true\n"
			    "memory = 1G\ncontext = 4096\ncopy = no\n",
			    &n, &e),
		  &e);
	assert_int_equal(n.count, 2);
	const struct settings_node_model *a = &n.at[0], *b = &n.at[1];
	assert_string_equal(a->reference, "m:q");
	assert_string_equal(a->engine, "ollama");
	assert_string_equal(a->owner, "o");
	assert_string_equal(a->hook.at[0], "/etc/ferry/bin/reload");
	assert_string_equal(a->hook.at[1], "now");
	assert_int_equal(a->keep, 2);
	assert_true(a->copy);
	assert_int_equal(a->memory, 8 * GIB);
	assert_null(b->engine);
	assert_string_equal(b->health, "http://127.0.0.1:1/");
	assert_string_equal(b->hook.at[0], "true");
	assert_int_equal(b->hook.count, 1);
	assert_int_equal(b->keep, 0);
	assert_false(b->copy);
	assert_int_equal(b->memory, GIB);
	assert_int_equal(b->context, 4096);
	assert_int_equal(n.memory, 8 * GIB);
}

static void without_keys_the_machine_has_the_defaults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(settings_node_release) struct settings_node n = { 0 };
	assert_ok(read_text("[node.a]\nmodel = m\n", &n, &e), &e);
	assert_int_equal(n.remove, SETTINGS_NODE_REMOVE_OWN);
	assert_int_equal(n.remove_most, 3);
	assert_int_equal(n.hook_timeout_s, 300);
	assert_int_equal(n.at[0].keep, SETTINGS_NODE_KEEP_UNSET);
	assert_int_equal(n.hook.count, 0);
	settings_node_release(&n);
	assert_ok(read_text("", &n, &e), &e);
	assert_int_equal(n.count, 0);
}

static void what_cannot_be_used_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "[node.a]\nengine = ollama\n", "model: is missing" },
		{ "[node.A]\nmodel = m\n", "a name consists of" },
		{ "[node.a]\nmodel = m\nremove = all\n", "unknown key 'remove'" },
		{ "[node]\nmodel = m\n", "unknown key 'model'" },
		{ "[node]\nremove = some\n", "remove: must be own, all or no" },
		{ "[node]\nhook-timeout = 0\n", "hook-timeout: must be at least 1s" },
		{ "[node.a]\nmodel = m\nto = x\n", "to: needs an engine" },
		{ "[node.a]\nmodel = m\nkeep = 2000\n", "keep: must be at most" },
		{ "[node.a]\nmodel = m\nhealth = file:///x\n", "health: must be a URL" },
		{ "[node]\nhealth = http://u@h/\n[node.a]\nmodel = m\n",
		  "ferry.conf:2: health: the URL must have no user" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		CLEANUP(settings_node_release) struct settings_node n = { 0 };
		assert_int_equal(read_text(bad[i].text, &n, &e), -ERR_USAGE);
		if (!strstr(e.text, bad[i].message))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].message);
		assert_int_equal(n.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_takes_from_the_machine_what_it_does_not_say_itself),
		cmocka_unit_test(without_keys_the_machine_has_the_defaults),
		cmocka_unit_test(what_cannot_be_used_is_refused_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
