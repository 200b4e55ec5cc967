#include "ggufbuild.h"
#include "unit.h"

static unsigned flags(const char *text)
{
	return gguf_template_flags(text, strlen(text));
}

/* Constructs of templates in wide use. */
static void honest_templates_pass(void **state)
{
	(void)state;
	static const char *const honest[] = {
		"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
		"message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
		"{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
		"{%- if messages[0]['role'] == 'system' %}{%- set system_message = "
		"messages[0]['content'] %}{%- set loop_messages = messages[1:] %}{%- endif %}",
		"{{- \"Environment: ipython\\n\" }}{%- set date_string = strftime_now(\"%d %b "
		"%Y\") %}",
		"{{ raise_exception('Conversation roles must alternate user/assistant/...') }}",
		"{%- set ns = namespace(is_first=false, system='') -%}{{ ns.system }}",
		"{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | "
		"list | tojson(indent=4) }}",
		"It is important to import nothing, os.system and eval() are but prose here.",
		"{# import os; __class__ is a comment #}",
		"{% for i in range(0, messages|length) %}{{ loop.index0 }}{% endfor %}",
		"{{ content.split('</think>')[-1].lstrip('\\n') }}",
		"{%- macro render(tools) -%}{{ tools }}{%- endmacro -%}",
		"\xf0\x9f\x98\x80 <\xef\xbd\x9c"
		"User\xef\xbd\x9c>",
	};
	for (size_t i = 0; i < ARRAY_LEN(honest); i++)
		if (flags(honest[i]))
			fail_msg("%x: %s", flags(honest[i]), honest[i]);
}

static void suspicious_constructs_are_flagged(void **state)
{
	(void)state;
	/* CVE-2024-34359, llama-cpp-python. */
	assert_int_equal(flags("{% for x in ().__class__.__base__.__subclasses__() %}"
			       "{% if \"warning\" in x.__name__ %}{{x()._module.__builtins__"
			       "['__import__']('os').popen(\"touch x\")}}{%endif%}{% endfor %}") &
				 (GGUF_TEMPLATE_DUNDER | GGUF_TEMPLATE_SYSTEM),
			 GGUF_TEMPLATE_DUNDER | GGUF_TEMPLATE_SYSTEM);
	/* CVE-2026-5760: a template that runs a command in the server. */
	assert_true(flags("{{ lipsum.__globals__['os'].popen('id').read() }}") &
		    GGUF_TEMPLATE_ATTRIBUTE);
	assert_true(flags("{{ lipsum.__globals__['os'].popen('id').read() }}") &
		    GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{% import 'x' as y %}"), GGUF_TEMPLATE_IMPORT);
	assert_int_equal(flags("{%- from 'x' import y %}"), GGUF_TEMPLATE_IMPORT);
	assert_int_equal(flags("{% include '/etc/passwd' %}"), GGUF_TEMPLATE_IMPORT);
	assert_int_equal(flags("{{ x | attr ('y') }}"), GGUF_TEMPLATE_ATTRIBUTE);
	assert_int_equal(flags("{{ x|attr('\\x5f\\x5fclass\\x5f\\x5f') }}"),
			 GGUF_TEMPLATE_ATTRIBUTE | GGUF_TEMPLATE_ESCAPE);
	assert_int_equal(flags("{{ x['\\u005f'] }}"), GGUF_TEMPLATE_ESCAPE);
	assert_int_equal(flags("{{ x['\\137'] }}"), GGUF_TEMPLATE_ESCAPE);
	assert_int_equal(flags("{{ eval('1') }}"), GGUF_TEMPLATE_EVAL);
	assert_int_equal(flags("{{ y.system('id') }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x['popen'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ cycler.mro() }}"), GGUF_TEMPLATE_ATTRIBUTE);
	assert_int_equal(flags("{% for i in range(10000000) %}"), GGUF_TEMPLATE_HUGE_RANGE);
	assert_int_equal(flags("a \xe2\x80\xae b"), GGUF_TEMPLATE_CONTROL);
	assert_int_equal(flags("a \x1b[2J"), GGUF_TEMPLATE_CONTROL);
	assert_int_equal(flags("\xff"), GGUF_TEMPLATE_CONTROL);
	assert_int_equal(flags("{{ \"{0.__class__}\".format(x) }}"), GGUF_TEMPLATE_DUNDER);
	/* Unfinished code is code. */
	assert_int_equal(flags("{{ x.__class__"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '"), 0);
	assert_int_equal(flags("{{ '\\"), 0);
	assert_int_equal(flags("{"), 0);
}

static void a_role_in_a_list_or_a_key_is_not_the_system(void **state)
{
	(void)state;
	/* The first is in the chat template of a current model. */
	static const char *const honest[] = {
		"{%- if tools or messages[0]['role'] in ['system'] -%}x{%- endif -%}",
		"{{ roles['system'] + message['content'] }}",
		"{{ roles [ 'system' ] }}",
		"{% if message['role'] not in ['os'] and ['eval'] %}{% endif %}",
		"{% set names = ['os'] %}{{ ['sys'] }}{{ f(['pty']) }}{{ [['open']] }}",
		"{{ modes['open'] or labels['exec'] }}",
	};
	for (size_t i = 0; i < ARRAY_LEN(honest); i++)
		if (flags(honest[i]))
			fail_msg("%x: %s", flags(honest[i]), honest[i]);
	assert_int_equal(flags("{{ x['system']('id') }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x['open'] ('/etc/passwd') }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x['os'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x.set['os'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x.in['os'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ f()['os'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ x[0]['os'] }}"), GGUF_TEMPLATE_SYSTEM);
	assert_int_equal(flags("{{ 'a'['popen'] }}"), GGUF_TEMPLATE_SYSTEM);
}

static void double_underscores_in_a_text_are_no_name(void **state)
{
	(void)state;
	assert_int_equal(flags("{{ '<|__unused__|>' }}"), 0);
	assert_int_equal(flags("{{ '<__media__>' + \"[__x__]\" }}"), 0);
	assert_int_equal(flags("{{ x['__class__'] }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '__cla' ~ 'ss__' }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ x | map(attribute='a.__class__') }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '<__class__>'[1:-1] }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '<__class__>'.strip('<>') }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '<__class__>' | trim('<>') }}"), GGUF_TEMPLATE_DUNDER);
	assert_int_equal(flags("{{ '{0.__class__}' }}"), GGUF_TEMPLATE_DUNDER);
}

static void flags_are_described(void **state)
{
	(void)state;
	char text[64];
	assert_string_equal(gguf_template_describe(0, text, sizeof text), "");
	assert_string_equal(gguf_template_describe(GGUF_TEMPLATE_IMPORT | GGUF_TEMPLATE_EVAL, text,
						   sizeof text),
			    "import, evaluation of code");
	assert_int_equal(strlen(gguf_template_describe(511, text, sizeof text)), 63);
}

static void templates_are_found_and_hashed(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	build_string(&b, "tokenizer.chat_template", "hello");
	build_string(&b, "tokenizer.chat_template.tool_use", "{{ x.__class__ }}");
	build_string(&b, "tokenizer.chat_templates_are_not", "no");
	struct gguf *g = build_open_ok(&b);
	struct gguf_template t;
	char hex[DIGEST_HEX];
	assert_true(gguf_template(g, 0, &t));
	assert_string_equal(t.key, "tokenizer.chat_template");
	assert_string_equal(t.text.s, "hello");
	assert_int_equal(t.bytes, 5);
	assert_int_equal(t.flags, 0);
	assert_string_equal(digest_hex(hex, &t.sha256),
			    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_true(gguf_template(g, 1, &t));
	assert_string_equal(t.key, "tokenizer.chat_template.tool_use");
	assert_int_equal(t.flags, GGUF_TEMPLATE_DUNDER);
	assert_false(gguf_template(g, 2, &t));
	gguf_free(g);
	build_release(&b);
}

/* Longer than what is kept: hashed all the same. */
static void huge_template_is_hashed_and_flagged(void **state)
{
	(void)state;
	struct ggufbuild b;
	size_t len = (size_t)GGUF_KEEP_STRING + 1;
	char *text = calloc(1, len + 1);
	memset(text, 'a', len);
	build_init_llama(&b);
	build_string(&b, "tokenizer.chat_template", text);
	struct gguf *g = build_open_ok(&b);
	struct gguf_template t;
	struct digest want;
	sha256_of(text, len, &want);
	assert_true(gguf_template(g, 0, &t));
	assert_null(t.text.s);
	assert_int_equal(t.flags, GGUF_TEMPLATE_TOO_LONG);
	assert_true(digest_equal(&t.sha256, &want));
	assert_null(gguf_get_string(g, "tokenizer.chat_template"));
	gguf_free(g);
	build_release(&b);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(honest_templates_pass),
		cmocka_unit_test(suspicious_constructs_are_flagged),
		cmocka_unit_test(a_role_in_a_list_or_a_key_is_not_the_system),
		cmocka_unit_test(double_underscores_in_a_text_are_no_name),
		cmocka_unit_test(flags_are_described),
		cmocka_unit_test(templates_are_found_and_hashed),
		cmocka_unit_test(huge_template_is_hashed_and_flagged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
