#include "util/opt.h"

#include "unit.h"

struct values {
	bool force;
	int verbose;
	const char *output;
	struct opt_list set;
	uint64_t rate;
	uint64_t age, fits, pause;
	int mode;
};

static const struct opt opts[] = {
	OPT_HEADING("Options"),
	OPT_ENTRY(OPT_FLAG, values, force, 'f', "force", NULL, "do it anyway"),
	OPT_ENTRY(OPT_COUNT, values, verbose, 'v', "verbose", NULL, "say more"),
	OPT_HINTED(OPT_STRING, values, output, 'o', "output", "FILE", HINT_FILE,
		   "where the result goes, which may be a long story that has to be wrapped"),
	OPT_ENTRY(OPT_LIST, values, set, 0, "set", "KEY=VALUE", "set a member"),
	OPT_ENTRY(OPT_SIZE, values, rate, 0, "limit-rate", "SIZE", "bytes a second"),
	OPT_ENTRY(OPT_SIZE_MAYBE, values, fits, 0, "fits", "SIZE", "memory"),
	OPT_ENTRY(OPT_DURATION, values, age, 0, "age", "TIME", "how old"),
	OPT_ENTRY(OPT_SPAN, values, pause, 0, "pause", "TIME", "how long"),
	OPT_ENUM(values, mode, 0, "mode", "MODE", "auto plain none", "how to draw"),
	OPT_LAST,
};

static int parse(struct values *v, int argc, char **argv, bool stop, int *count, struct err *e)
{
	const struct opt_table table = { opts, v };
	return opt_parse(&table, 1, argc, argv, stop, count, e);
}

#define ARGS(...) \
	const char *given[] = { "ferry", __VA_ARGS__, NULL }; \
	char **argv = (char **)given; \
	int argc = (int)ARRAY_LEN(given) - 1, count = -1

static void all_spellings_work(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct values v = { 0 };
	ARGS("one", "-fvv", "-oX", "--set", "a=1", "--set=b=2", "--limit-rate=1.5M", "two", "--age",
	     "2h", "--mode=plain", "--", "--three");
	assert_ok(parse(&v, argc, argv, false, &count, &e), &e);
	assert_int_equal(count, 3);
	assert_string_equal(argv[3], "--three");
	assert_true(v.force);
	assert_int_equal(v.verbose, 2);
	assert_string_equal(v.output, "X");
	assert_int_equal(v.set.count, 2);
	assert_string_equal(v.set.at[1], "b=2");
	assert_int_equal(v.rate, 1536 * KIB);
	assert_int_equal(v.age, 7200);
	assert_int_equal(v.mode, 1);
	opt_release(opts, &v);
}

static void options_end_at_the_first_operand_if_asked(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct values v = { 0 };
	ARGS("-f", "phi-2", "--", "cmd", "-v");
	assert_ok(parse(&v, argc, argv, true, &count, &e), &e);
	assert_int_equal(count, 4);
	assert_string_equal(argv[2], "--");
	assert_int_equal(v.verbose, 0);
}

static void fits_is(uint64_t fits, int operands, const char *option, const char *next)
{
	const char *argv[] = { "ferry", option, next, NULL };
	struct err e = ERR_INIT;
	struct values v = { 0 };
	int count;
	assert_ok(parse(&v, next ? 3 : 2, (char **)argv, false, &count, &e), &e);
	assert_int_equal(v.fits, fits);
	assert_int_equal(count, operands);
}

static void a_value_may_be_missing_where_the_table_says_so(void **state)
{
	(void)state;
	fits_is(OPT_NO_SIZE, 0, "--fits", NULL);
	fits_is(16 * GIB, 0, "--fits=16G", NULL);
	fits_is(16 * GIB, 0, "--fits", "16G");
	fits_is(7, 0, "--fits=7b", NULL);
	/* Words that could be meant otherwise. */
	fits_is(OPT_NO_SIZE, 1, "--fits", "7b");
	fits_is(OPT_NO_SIZE, 1, "--fits", "phi-2");
	fits_is(OPT_NO_SIZE, 0, "--fits", "--force");
}

static void refused(const char *message, const char *arg)
{
	const char *argv[] = { "ferry", arg, NULL };
	struct err e = ERR_INIT;
	struct values v = { 0 };
	int count;
	assert_int_equal(parse(&v, 2, (char **)argv, false, &count, &e), -ERR_USAGE);
	if (!strstr(e.text, message) && !strstr(e.hint, message))
		fail_msg("'%s' and '%s' lack '%s'", e.text, e.hint, message);
	opt_release(opts, &v);
}

static void mistakes_are_named(void **state)
{
	(void)state;
	refused("unknown option --outptu", "--outptu=x");
	refused("did you mean --output?", "--outptu=x");
	refused("unknown option -x", "-x");
	refused("--output needs a value", "--output");
	refused("--force takes no value", "--force=1");
	refused("'much' is not a size", "--fits=much");
	refused("'soon' is not a duration", "--age=soon");
	refused("'soon' is not a duration above 0", "--pause=soon");
	refused("'0s' is not a duration above 0", "--pause=0s");
	refused("'loud' is not an allowed value", "--mode=loud");
	refused("\\x1b", "--\033[31m");
}

static const char *hint_of(const char *arg)
{
	static const struct opt words[] = {
		{ .type = OPT_MEANT, .name = "dest", .choices = "target output" },
		{ .type = OPT_MEANT, .name = "out", .choices = "target" },
		{ .type = OPT_MEANT, .name = "ago", .help = "ask the clock" },
		{ .type = OPT_MEANT, .letter = 'F', .choices = "force", .help = "no" },
		OPT_LAST,
	};
	static struct err e;
	struct values v = { 0 };
	const struct opt_table tables[] = { { opts, &v }, { words, NULL } };
	const char *argv[] = { "ferry", arg, NULL };
	int count;
	e = (struct err){ 0 };
	assert_int_equal(opt_parse(tables, 2, 2, (char **)argv, false, &count, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "unknown option"));
	return e.hint;
}

static void the_options_of_other_tools_are_translated(void **state)
{
	(void)state;
	assert_string_equal(hint_of("--dest=x"), "did you mean --output?");
	assert_string_equal(hint_of("-F"), "did you mean --force?");
	assert_string_equal(hint_of("--ago"), "ask the clock");
	/* Its meaning is known, and not there: --output would only look similar. */
	assert_string_equal(hint_of("--out"), "");
	/* Without that, the nearest is taken. */
	assert_string_equal(hint_of("--outpu"), "did you mean --output?");
	assert_string_equal(hint_of("--desk"), "");
}

static void help_wraps_and_lists_everything(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf help = BUF_INIT(64 * KIB);
	opt_help(&help, opts, 60);
	assert_non_null(strstr(buf_str(&help), "  -f, --force             do it anyway\n"));
	assert_non_null(strstr(buf_str(&help), "--fits[=SIZE] "));
	assert_non_null(strstr(buf_str(&help), "(auto plain none)"));
	for (const char *line = buf_str(&help); *line;) {
		size_t len = strcspn(line, "\n");
		assert_true(len <= 60);
		line += len + (line[len] == '\n');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_spellings_work),
		cmocka_unit_test(options_end_at_the_first_operand_if_asked),
		cmocka_unit_test(a_value_may_be_missing_where_the_table_says_so),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(the_options_of_other_tools_are_translated),
		cmocka_unit_test(help_wraps_and_lists_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
