#include "cli/frame/output.h"

#include "util/mem.h"

#include <string.h>

#define SHORT_ID 16
#define TEXT_MAX (16 * MIB)

/* A piece of a template. */
struct part {
	const char *at;
	size_t len;
};

static struct part part_until(const char **s, const char *end, const char *stops)
{
	const char *from = *s;
	while (*s < end && !strchr(stops, **s))
		++*s;
	return (struct part){ from, (size_t)(*s - from) };
}

static bool part_is(const struct part *p, const char *word)
{
	return strlen(word) == p->len && memcmp(word, p->at, p->len) == 0;
}

/* "error.message" */
static const json_t *find(const json_t *object, const struct part *path)
{
	const char *s = path->at, *end = s + path->len;
	while (object && s < end) {
		const struct part key = part_until(&s, end, ".");
		CLEANUP(mem_free_ptr) char *name = mem_strndup(key.at, key.len);
		object = json_object_get(object, name);
		s += s < end;
	}
	return object;
}

static uint64_t number(const json_t *value)
{
	return json_is_array(value) ? json_array_size(value) : (uint64_t)json_integer_value(value);
}

static bool is_empty(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_yes(const json_t *value)
{
	bool counts = json_is_integer(value) || json_is_array(value);
	return !is_empty(value) && !json_is_false(value) && !(counts && number(value) == 0);
}

static void add_value(struct buf *out, const json_t *value, const struct part *format)
{
	char size[SIZE_TEXT];
	if (json_is_integer(value) && part_is(format, "size"))
		buf_adds(out, format_size(size, number(value)));
	else if (json_is_integer(value) || json_is_array(value))
		buf_addf(out, "%llu", (unsigned long long)number(value));
	else if (json_is_string(value) && part_is(format, "short"))
		buf_addf(out, "%.*s", SHORT_ID, json_string_value(value));
	else if (json_is_string(value))
		buf_adds(out, json_string_value(value));
}

static void fill_up(struct buf *out, size_t from, const struct part *format)
{
	CLEANUP(mem_free_ptr) char *digits = mem_strndup(format->at, format->len);
	uint64_t width;
	if (parse_u64(digits, &width) && out->len - from < width)
		buf_addf(out, "%*s", (int)(width - (out->len - from)), "");
}

/* Parses the text between the braces, s to end. */
static void add_member(struct buf *out, const json_t *object, const char *s, const char *end)
{
	const struct part path = part_until(&s, end, "?#:|");
	const json_t *value = find(object, &path);
	struct part format = { "", 0 };
	size_t from = out->len;
	if (*s == '?') {
		s++;
		const struct part yes = part_until(&s, end, ":");
		const struct part no = { s + 1, s < end ? (size_t)(end - s - 1) : 0 };
		const struct part *chosen = is_yes(value) ? &yes : &no;
		buf_add(out, chosen->at, chosen->len);
		return;
	}
	if (*s == '#') {
		buf_addf(out, "%llu %.*s%s", (unsigned long long)number(value), (int)(end - s - 1),
			 s + 1, number(value) == 1 ? "" : "s");
		return;
	}
	if (*s == ':') {
		s++;
		format = part_until(&s, end, "|");
	}
	if (is_empty(value) && *s == '|')
		buf_add(out, s + 1, (size_t)(end - s - 1));
	else
		add_value(out, value, &format);
	fill_up(out, from, &format);
}

char *cli_fill(const json_t *object, const char *template)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	const char *open, *close;
	while ((open = strchr(template, '{')) && (close = strchr(open, '}'))) {
		buf_add(&out, template, (size_t)(open - template));
		add_member(&out, object, open + 1, close);
		template = close + 1;
	}
	buf_adds(&out, template);
	return buf_steal(&out);
}

char *cli_join(const json_t *array, const char *template, const char *separator)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	size_t i;
	json_t *element;
	json_array_foreach (array, i, element) {
		CLEANUP(mem_free_ptr) char *text = cli_fill(element, template);
		buf_addf(&out, "%s%s", i ? separator : "", text);
	}
	return buf_steal(&out);
}
