#include "util/opt.h"

#include "util/mem.h"

#include <string.h>

struct parser {
	const struct opt_table *tables;
	size_t table_count;
	struct err *e;
};

static bool takes_value(const struct opt *o)
{
	return o->type != OPT_FLAG && o->type != OPT_COUNT;
}

static bool is_option(const struct opt *o)
{
	return o->type != OPT_GROUP && o->type != OPT_MEANT;
}

static const struct opt *find(const struct parser *p, const char *name, size_t len, char letter,
			      bool meant, void **values)
{
	for (size_t t = 0; t < p->table_count; t++) {
		const struct opt *o = p->tables[t].opts;
		for (; o && o->type != OPT_END; o++) {
			if (meant ? o->type != OPT_MEANT : !is_option(o))
				continue;
			if (letter ? o->letter == letter
				   : o->name && strlen(o->name) == len &&
					     !memcmp(o->name, name, len)) {
				*values = p->tables[t].values;
				return o;
			}
		}
	}
	return NULL;
}

static const char *nearest(const struct parser *p, const char *name)
{
	const char *names[256];
	size_t count = 0;
	for (size_t t = 0; t < p->table_count; t++)
		for (const struct opt *o = p->tables[t].opts; o && o->type != OPT_END; o++)
			if (o->name && is_option(o) && count < ARRAY_LEN(names))
				names[count++] = o->name;
	return text_nearest(name, names, count);
}

/* What is called otherwise in other tools. */
static int meant(const struct parser *p, const struct opt *word)
{
	void *values;
	for (const char *at = word->choices ? word->choices : ""; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");
		if (find(p, at, len, 0, false, &values))
			return err_hint(p->e, "did you mean --%.*s?", (int)len, at);
		at += len;
	}
	return word->help ? err_hint(p->e, "%s", word->help) : -ERR_USAGE;
}

static int unknown(const struct parser *p, const char *name, size_t len)
{
	void *values;
	CLEANUP(mem_free_ptr) char *given = mem_strndup(name, len);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(given);
	err_set(p->e, ERR_USAGE, "unknown option --%s", shown);
	const struct opt *word = find(p, name, len, 0, true, &values);
	const char *near = word ? NULL : nearest(p, given);
	if (word)
		return meant(p, word);
	return near ? err_hint(p->e, "did you mean --%s?", near) : -ERR_USAGE;
}

static int unknown_letter(const struct parser *p, const char *arg, char letter)
{
	void *values;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(arg);
	err_set(p->e, ERR_USAGE, "unknown option %s", shown);
	const struct opt *word = find(p, NULL, 0, letter, true, &values);
	return word ? meant(p, word) : -ERR_USAGE;
}

static int choice_index(const char *choices, const char *value)
{
	int index = 0;
	for (const char *c = choices; *c; index++) {
		size_t len = strcspn(c, " ");
		if (strlen(value) == len && memcmp(c, value, len) == 0)
			return index;
		c += len;
		c += strspn(c, " ");
	}
	return -1;
}

static int bad_value(const struct opt *o, const char *value, const char *wanted, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = text_escaped(value);
	return err_set(e, ERR_USAGE, "--%s: '%s' is not %s", o->name, shown, wanted);
}

static int store(const struct opt *o, void *values, const char *value, struct err *e)
{
	void *at = (char *)values + o->offset;
	struct opt_list *list = at;
	switch (o->type) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_COUNT:
		++*(int *)at;
		return 0;
	case OPT_STRING:
		*(const char **)at = value;
		return 0;
	case OPT_LIST:
		list->at = mem_grow(list->at, list->count, &list->cap, sizeof *list->at);
		list->at[list->count++] = value;
		return 0;
	case OPT_U64:
		return parse_u64(value, at) ? 0 : bad_value(o, value, "a whole number", e);
	case OPT_SIZE_MAYBE:
		if (!value) {
			*(uint64_t *)at = OPT_NO_SIZE;
			return 0;
		}
		/* fall through */
	case OPT_SIZE:
		return parse_size(value, at)
			       ? 0
			       : bad_value(o, value, "a size such as 512K, 64MiB or 1.5G", e);
	case OPT_DURATION:
		return parse_duration(value, at)
			       ? 0
			       : bad_value(o, value, "a duration such as 90s, 15m, 36h or 30d", e);
	case OPT_SPAN:
		return parse_duration(value, at) && *(uint64_t *)at
			       ? 0
			       : bad_value(o, value,
					   "a duration above 0, such as 90s, 15m, 36h or 30d", e);
	case OPT_CHOICE:
		*(int *)at = choice_index(o->choices, value);
		if (*(int *)at >= 0)
			return 0;
		bad_value(o, value, "an allowed value", e);
		return err_hint(e, "choose one of: %s", o->choices);
	case OPT_END:
	case OPT_GROUP:
	case OPT_MEANT:
		break;
	}
	return err_set(e, ERR_BUG, "option --%s has no type", o->name);
}

static bool is_size(const char *word)
{
	uint64_t size;
	return parse_size(word, &size) && size >= MIB;
}

/* --name, --name=value, --name value; *i is the index in argv. */
static int parse_long(struct parser *p, char **argv, int argc, int *i)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	void *values;
	const struct opt *o = find(p, name, len, 0, false, &values);
	if (!o)
		return unknown(p, name, len);
	if (!takes_value(o)) {
		if (value)
			return err_set(p->e, ERR_USAGE, "--%s takes no value", o->name);
		return store(o, values, NULL, p->e);
	}
	bool maybe = o->type == OPT_SIZE_MAYBE;
	if (!value && *i + 1 < argc && (!maybe || is_size(argv[*i + 1])))
		value = argv[++*i];
	if (!value && !maybe)
		return err_set(p->e, ERR_USAGE, "--%s needs a value: --%s=%s", o->name, o->name,
			       o->arg);
	return store(o, values, value, p->e);
}

static int parse_letters(struct parser *p, char **argv, int argc, int *i)
{
	for (const char *s = argv[*i] + 1; *s; s++) {
		void *values;
		const struct opt *o = find(p, NULL, 0, *s, false, &values);
		if (!o)
			return unknown_letter(p, argv[*i], *s);
		if (takes_value(o)) {
			const char *value = s[1] ? s + 1 : ++*i < argc ? argv[*i] : NULL;
			if (!value)
				return err_set(p->e, ERR_USAGE, "-%c needs a value: %s", *s,
					       o->arg);
			return store(o, values, value, p->e);
		}
		int rc = store(o, values, NULL, p->e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int opt_parse(const struct opt_table *tables, size_t table_count, int argc, char **argv,
	      bool stop_at_operand, int *operands, struct err *e)
{
	struct parser p = { tables, table_count, e };
	int count = 0, i = 1, rc = 0;
	bool plain = false;
	for (; i < argc; i++) {
		char *arg = argv[i];
		if (!plain && strcmp(arg, "--") == 0 && !(stop_at_operand && count)) {
			plain = true;
		} else if (plain || arg[0] != '-' || !arg[1]) {
			argv[1 + count++] = arg;
			plain = plain || stop_at_operand;
		} else {
			rc = arg[1] == '-' ? parse_long(&p, argv, argc, &i)
					   : parse_letters(&p, argv, argc, &i);
			if (rc < 0)
				return rc;
		}
	}
	*operands = count;
	return 0;
}

static void list_release(struct opt_list *l)
{
	free(l->at);
	*l = (struct opt_list){ 0 };
}

void opt_release(const struct opt *opts, void *values)
{
	for (const struct opt *o = opts; o && o->type != OPT_END; o++)
		if (o->type == OPT_LIST)
			list_release((struct opt_list *)((char *)values + o->offset));
}

/* "-o, --output=FILE" as it stands in the help. */
static void left_column(struct buf *out, const struct opt *o)
{
	if (o->letter)
		buf_addf(out, "-%c, ", o->letter);
	else
		buf_adds(out, "    ");
	buf_addf(out, "--%s", o->name);
	if (o->arg)
		buf_addf(out, o->type == OPT_SIZE_MAYBE ? "[=%s]" : "=%s", o->arg);
}

static void wrap(struct buf *out, const char *text, unsigned indent, unsigned column,
		 unsigned width)
{
	while (*text) {
		size_t word = strcspn(text, " ");
		if (column > indent && column + 1 + word > width) {
			buf_addf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			buf_addc(out, ' ');
			column++;
		}
		buf_add(out, text, word);
		column += (unsigned)word;
		text += word;
		text += strspn(text, " ");
	}
	buf_addc(out, '\n');
}

#define HELP_INDENT 26

void opt_help(struct buf *out, const struct opt *opts, unsigned width)
{
	for (const struct opt *o = opts; o && o->type != OPT_END; o++) {
		if (o->type == OPT_GROUP) {
			buf_addf(out, "\n%s:\n", o->help);
			continue;
		}
		CLEANUP(buf_release) struct buf left = BUF_INIT(256);
		left_column(&left, o);
		buf_addf(out, "  %s", buf_str(&left));
		if (left.len + 4 > HELP_INDENT)
			buf_addf(out, "\n%*s", HELP_INDENT, "");
		else
			buf_addf(out, "%*s", (int)(HELP_INDENT - 2 - left.len), "");
		CLEANUP(buf_release) struct buf help = BUF_INIT(4 * KIB);
		buf_adds(&help, o->help);
		if (o->type == OPT_CHOICE)
			buf_addf(&help, " (%s)", o->choices);
		wrap(out, buf_str(&help), HELP_INDENT, HELP_INDENT, width);
	}
}

/* These characters are special in scdoc. */
static void scdoc_text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("\\*_<>[]#", *s))
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
}

void opt_scdoc(struct buf *out, const struct opt *opts)
{
	for (const struct opt *o = opts; o && o->type != OPT_END; o++) {
		if (o->type == OPT_GROUP) {
			buf_adds(out, "## ");
			for (const char *s = o->help; *s; s++)
				buf_addc(out, *s >= 'a' && *s <= 'z' ? (char)(*s - 32) : *s);
			buf_adds(out, "\n\n");
			continue;
		}
		if (o->letter)
			buf_addf(out, "*-%c*, ", o->letter);
		buf_addf(out, "*--%s*", o->name);
		bool maybe = o->type == OPT_SIZE_MAYBE;
		if (o->arg) {
			buf_adds(out, maybe ? "\\[=_" : "=_");
			scdoc_text(out, o->arg);
			buf_adds(out, maybe ? "_\\]" : "_");
		}
		buf_adds(out, "\n\t");
		scdoc_text(out, o->help);
		if (o->type == OPT_CHOICE) {
			buf_adds(out, " (");
			scdoc_text(out, o->choices);
			buf_adds(out, ")");
		}
		buf_adds(out, ".\n\n");
	}
}
