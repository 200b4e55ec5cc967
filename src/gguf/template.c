/*
 * Chat templates. Only code between {{ }} or {% %} runs, so only that is checked: words, and
 * strings that could be names. Other text is ignored: a prompt may contain "important".
 */
#include "gguf/gguf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define TEMPLATE_KEY "tokenizer.chat_template"

struct scan {
	const char *at, *end;
	unsigned flags;
	bool operand;   /* the last token is a value, so that '[' after it is a subscript */
	bool subscript; /* the last token is such a '[' */
	bool member;    /* the last token is '.' */
	bool first;     /* no word yet in this {% %} */
};

struct word {
	const char *text;
	unsigned flag;
	bool call; /* only when '(' follows */
};
static const struct word words[] = {
	{ "import", GGUF_TEMPLATE_IMPORT, false },
	{ "importlib", GGUF_TEMPLATE_IMPORT, false },
	{ "os", GGUF_TEMPLATE_SYSTEM, false },
	{ "sys", GGUF_TEMPLATE_SYSTEM, false },
	{ "subprocess", GGUF_TEMPLATE_SYSTEM, false },
	{ "popen", GGUF_TEMPLATE_SYSTEM, false },
	{ "Popen", GGUF_TEMPLATE_SYSTEM, false },
	{ "socket", GGUF_TEMPLATE_SYSTEM, false },
	{ "shutil", GGUF_TEMPLATE_SYSTEM, false },
	{ "pty", GGUF_TEMPLATE_SYSTEM, false },
	{ "system", GGUF_TEMPLATE_SYSTEM, true },
	{ "open", GGUF_TEMPLATE_SYSTEM, true },
	{ "eval", GGUF_TEMPLATE_EVAL, true },
	{ "exec", GGUF_TEMPLATE_EVAL, true },
	{ "compile", GGUF_TEMPLATE_EVAL, true },
	{ "execfile", GGUF_TEMPLATE_EVAL, true },
	{ "attr", GGUF_TEMPLATE_ATTRIBUTE, true },
	{ "getattr", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "setattr", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "mro", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "subclasses", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "globals", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "builtins", GGUF_TEMPLATE_ATTRIBUTE, false },
	{ "lipsum", GGUF_TEMPLATE_ATTRIBUTE, false },
};
static const char *const statements[] = { "import", "from", "include", "extends" };
/* '[' after one of these starts a list: `role in ['system']`. */
static const char *const operators[] = { "in", "not", "and", "or", "is", "if", "elif", "else" };

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static bool is_any(const char *text, size_t len, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_word(text, len, list[i]))
			return true;
	return false;
}

static char next_char(const char *p, const char *end)
{
	while (p < end && isspace((unsigned char)*p))
		p++;
	return p < end ? *p : '\0';
}

static bool has_dunder(const char *s, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (s[i] == '_' && s[i - 1] == '_')
			return true;
	return false;
}

static void flag_word(struct scan *s, const char *text, size_t len, char after)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (is_word(text, len, words[i].text) && (!words[i].call || after == '('))
			s->flags |= words[i].flag;
}

/* Plain ASCII letters are escaped only to hide them. */
static bool hides_ascii(const char *s, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		unsigned value = 0;
		int n = 0;
		if (s[i] != '\\')
			continue;
		char buf[12] = "";
		memcpy(buf, s + i, MIN(len - i, sizeof buf - 1));
		if ((sscanf(buf, "\\x%2x%n", &value, &n) == 1 && n == 4) ||
		    (sscanf(buf, "\\u%4x%n", &value, &n) == 1 && n == 6) ||
		    (sscanf(buf, "\\%3o%n", &value, &n) == 1 && n == 4))
			if (value >= 0x20 && value < 0x7f)
				return true;
		i++;
	}
	return false;
}

/* Is "__" in a string that can be a name or a part of one ("__cla" ~ "ss__"), or a format
 * ("{0.__class__}")? A text such as "<|__unused__|>" is neither, unless something is cut from it.
 */
static bool names_dunder(const char *text, size_t len, char after)
{
	if (!has_dunder(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.", text[i]))
			return after == '.' || after == '[' || after == '|' || after == '%' ||
			       memchr(text, '{', len) || memchr(text, '\\', len);
	return true;
}

/* The character after the ']' that follows, blanks aside. */
static char after_subscript(const char *p, const char *end)
{
	const char *close = memchr(p, ']', (size_t)(end - p));
	return next_char(close + 1, end);
}

static void scan_string(struct scan *s)
{
	char quote = *s->at++;
	const char *start = s->at;
	while (s->at < s->end && *s->at != quote)
		s->at += *s->at == '\\' && s->at + 1 < s->end ? 2 : 1;
	size_t len = (size_t)(MIN(s->at, s->end) - start);
	s->at = MIN(s->at + 1, s->end);
	char after = next_char(s->at, s->end);
	if (names_dunder(start, len, after))
		s->flags |= GGUF_TEMPLATE_DUNDER;
	if (hides_ascii(start, len))
		s->flags |= GGUF_TEMPLATE_ESCAPE;
	/* x['os'] is x.os; elsewhere a string is only a string. */
	if (s->subscript && after == ']')
		flag_word(s, start, len, after_subscript(s->at, s->end));
	s->operand = true;
	s->member = s->subscript = false;
}

/* Seven digits before the closing parenthesis. */
static bool has_long_number(const char *p, const char *end)
{
	size_t digits = 0;
	for (; p < end && *p != ')' && digits < 7; p++)
		digits = isdigit((unsigned char)*p) || *p == '_' ? digits + 1 : 0;
	return digits >= 7;
}

static void scan_word(struct scan *s)
{
	const char *start = s->at;
	while (s->at < s->end && (isalnum((unsigned char)*s->at) || *s->at == '_'))
		s->at++;
	size_t len = (size_t)(s->at - start);
	char after = next_char(s->at, s->end);
	if (has_dunder(start, len))
		s->flags |= GGUF_TEMPLATE_DUNDER;
	flag_word(s, start, len, after);
	if (s->first && is_any(start, len, statements, ARRAY_LEN(statements)))
		s->flags |= GGUF_TEMPLATE_IMPORT;
	if (is_word(start, len, "range") && after == '(' && has_long_number(s->at, s->end))
		s->flags |= GGUF_TEMPLATE_HUGE_RANGE;
	bool reserved = s->first || is_any(start, len, operators, ARRAY_LEN(operators));
	s->operand = s->member || !reserved;
	s->first = s->member = s->subscript = false;
}

static void scan_mark(struct scan *s)
{
	char c = *s->at++;
	if (isspace((unsigned char)c))
		return;
	s->member = c == '.';
	s->subscript = c == '[' && s->operand;
	s->operand = c == ')' || c == ']' || c == '}';
}

/* From after "{{" or "{%" to after its end. */
static void scan_code(struct scan *s, char close)
{
	s->operand = s->member = s->subscript = false;
	s->first = close == '%';
	while (s->at < s->end) {
		char c = *s->at;
		if (c == close && s->at + 1 < s->end && s->at[1] == '}') {
			s->at += 2;
			return;
		}
		if (c == '\'' || c == '"') {
			scan_string(s);
		} else if (isalnum((unsigned char)c) || c == '_') {
			scan_word(s);
		} else {
			scan_mark(s);
		}
	}
}

static bool has_control(const char *text, size_t len)
{
	if (!utf8_valid(text, len))
		return true;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
			return true;
		/* U+202A to U+202E and U+2066 to U+2069. */
		if (c == 0xe2 && i + 2 < len) {
			unsigned char d = (unsigned char)text[i + 1],
				      f = (unsigned char)text[i + 2];
			if ((d == 0x80 && f >= 0xaa && f <= 0xae) ||
			    (d == 0x81 && f >= 0xa6 && f <= 0xa9))
				return true;
		}
	}
	return false;
}

unsigned gguf_template_flags(const char *text, size_t len)
{
	struct scan s = { .at = text, .end = text + len };
	while (s.at + 1 < s.end) {
		if (s.at[0] != '{' || (s.at[1] != '{' && s.at[1] != '%' && s.at[1] != '#')) {
			s.at++;
			continue;
		}
		char kind = s.at[1];
		s.at += 2;
		if (kind == '#')
			while (s.at + 1 < s.end && (s.at[0] != '#' || s.at[1] != '}'))
				s.at++;
		else
			scan_code(&s, kind == '{' ? '}' : '%');
	}
	if (has_control(text, len))
		s.flags |= GGUF_TEMPLATE_CONTROL;
	return s.flags;
}

static bool is_template_key(const struct gguf_kv *kv)
{
	size_t n = strlen(TEMPLATE_KEY);
	return kv->type == GGUF_STRING && kv->key.len <= 128 &&
	       str_starts(kv->key.s, TEMPLATE_KEY) && (kv->key.s[n] == '\0' || kv->key.s[n] == '.');
}

bool gguf_template(const struct gguf *g, size_t index, struct gguf_template *out)
{
	for (size_t i = 0; index < GGUF_MAX_TEMPLATES && i < g->kv_count; i++) {
		const struct gguf_kv *kv = &g->kvs[i];
		if (!is_template_key(kv))
			continue;
		if (index) {
			index--;
			continue;
		}
		*out = (struct gguf_template){ .key = kv->key.s, .bytes = kv->bytes };
		if (!kv->kept) {
			out->sha256 = kv->sha256;
			out->flags = GGUF_TEMPLATE_TOO_LONG;
			return true;
		}
		out->text = kv->as.string;
		sha256_of(out->text.s, out->text.len, &out->sha256);
		out->flags = gguf_template_flags(out->text.s, out->text.len);
		return true;
	}
	return false;
}

const char *gguf_template_describe(unsigned flags, char *out, size_t size)
{
	static const char *const names[] = { "double underscores",   "import",
					     "access to the system", "evaluation of code",
					     "attribute tricks",     "hidden characters",
					     "a huge range",         "too long to be checked",
					     "control characters" };
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & (1u << i) && len < size) {
			snprintf(out + len, size - len, "%s%s", len ? ", " : "", names[i]);
			len = strlen(out);
		}
	return out;
}
