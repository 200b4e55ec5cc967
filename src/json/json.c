#include "json/internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_DEPTH 64

void json_release(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}

/* jansson recurses, with a fixed limit of 2048 levels: count the levels before it parses the
 * text. */
static int check_depth(const char *s, size_t len, unsigned max, struct err *e)
{
	unsigned depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > max)
				return err_set(e, ERR_INTEGRITY, "nested more than %u levels deep",
					       max);
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return 0;
}

static bool has_real(const json_t *value)
{
	const char *key;
	json_t *child;
	size_t i;
	if (json_is_real(value))
		return true;
	json_object_foreach ((json_t *)value, key, child)
		if (has_real(child))
			return true;
	json_array_foreach (value, i, child)
		if (has_real(child))
			return true;
	return false;
}

/* jansson skips NULs behind a number. */
static int check_nul(const char *text, size_t len, struct err *e)
{
	const char *nul = memchr(text, '\0', len);
	int line = 1;
	if (!nul)
		return 0;
	for (const char *c = text; c < nul; c++)
		line += *c == '\n';
	return err_set(e, ERR_INTEGRITY, "line %d: a NUL byte", line);
}

/* RFC 8259 forbids the mark; editors write it. */
static int check_mark(const char *text, size_t len, struct err *e)
{
	static const char *const marks[] = { "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff" };
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (len < strlen(marks[i]) || memcmp(text, marks[i], strlen(marks[i])) != 0)
			continue;
		err_set(e, ERR_INTEGRITY, "line 1: %s",
			i ? "the text is UTF-16" : "a byte order mark in front");
		return err_hint(e, "get the file again as it was published, or save it as UTF-8 "
				   "without a byte order mark");
	}
	return 0;
}

int json_parse_text(const char *text, size_t len, unsigned max_depth, size_t flags, json_t **out,
		    struct err *e)
{
	if (!len)
		text = ""; /* an empty buffer has no memory */
	int rc = check_depth(text, len, max_depth, e);
	if (rc < 0)
		return rc;
	rc = check_mark(text, len, e);
	if (rc == 0)
		rc = check_nul(text, len, e);
	if (rc < 0)
		return rc;
	json_error_t error;
	json_t *value = json_loadb(text, len, flags, &error);
	if (!value) {
		CLEANUP(mem_free_ptr) char *why = text_escaped(error.text);
		return err_set(e, ERR_INTEGRITY, "line %d, column %d: %s", error.line, error.column,
			       why);
	}
	*out = value;
	return 0;
}

static int parse(const void *data, size_t len, const struct json_limits *limits, json_t **out,
		 struct err *e)
{
	json_t *value;
	if (len > limits->max_bytes)
		return err_set(e, ERR_INTEGRITY, "larger than %zu bytes", limits->max_bytes);
	unsigned depth = limits->max_depth ? limits->max_depth : DEFAULT_DEPTH;
	int rc = json_parse_text(data, len, depth, JSON_REJECT_DUPLICATES, &value, e);
	if (rc < 0)
		return rc;
	if (!limits->allow_real && has_real(value)) {
		json_decref(value);
		return err_set(e, ERR_INTEGRITY, "contains a number that is not an integer");
	}
	*out = value;
	return 0;
}

int json_parse(const void *data, size_t len, const struct json_limits *limits, const char *what,
	       json_t **out, struct err *e)
{
	int rc = parse(data, len, limits, out, e);
	return rc < 0 ? err_context(e, "%s", what) : 0;
}

int json_parse_file(const char *path, const struct json_limits *limits, json_t **out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(limits->max_bytes);
	int rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	return json_parse(buf_str(&text), text.len, limits, path, out, e);
}

static void canonical_string(struct buf *out, const char *s, size_t len)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"' || s[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s[i]);
	}
	buf_addc(out, '"');
}

static int canonical(const json_t *value, struct buf *out, struct err *e);

static int canonical_object(const json_t *object, struct buf *out, struct err *e)
{
	size_t count = json_object_size(object), i = 0;
	CLEANUP(mem_free_ptr) const char **keys = mem_alloc((count + 1) * sizeof *keys);
	const char *key;
	json_t *child;
	json_object_foreach ((json_t *)object, key, child)
		keys[i++] = key;
	qsort(keys, count, sizeof *keys, str_compare);
	buf_addc(out, '{');
	for (i = 0; i < count; i++) {
		if (i)
			buf_addc(out, ',');
		canonical_string(out, keys[i], strlen(keys[i]));
		buf_addc(out, ':');
		int rc = canonical(json_object_get(object, keys[i]), out, e);
		if (rc < 0)
			return rc;
	}
	buf_addc(out, '}');
	return 0;
}

static int canonical(const json_t *value, struct buf *out, struct err *e)
{
	size_t i;
	json_t *child;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return canonical_object(value, out, e);
	case JSON_ARRAY:
		buf_addc(out, '[');
		json_array_foreach (value, i, child) {
			if (i)
				buf_addc(out, ',');
			int rc = canonical(child, out, e);
			if (rc < 0)
				return rc;
		}
		buf_addc(out, ']');
		return 0;
	case JSON_STRING:
		canonical_string(out, json_string_value(value), json_string_length(value));
		return 0;
	case JSON_INTEGER:
		buf_addf(out, "%lld", (long long)json_integer_value(value));
		return 0;
	case JSON_TRUE:
		buf_adds(out, "true");
		return 0;
	case JSON_FALSE:
		buf_adds(out, "false");
		return 0;
	case JSON_NULL:
		buf_adds(out, "null");
		return 0;
	case JSON_REAL:
		break;
	}
	return err_set(e, ERR_INTEGRITY, "canonical JSON has no fractional numbers");
}

int json_canonical(const json_t *value, struct buf *out, struct err *e)
{
	int rc = canonical(value, out, e);
	return rc < 0 ? rc : buf_ok(out, "canonical JSON", e);
}

static int add_chunk(const char *data, size_t len, void *out)
{
	buf_add(out, data, len);
	return 0;
}

static int dump(const json_t *value, struct buf *out, size_t flags, struct err *e)
{
	if (json_dump_callback(value, add_chunk, out, flags | JSON_ENCODE_ANY) < 0)
		return err_set(e, ERR_BUG, "cannot write a JSON value");
	return buf_ok(out, "JSON text", e);
}

int json_pretty(const json_t *value, struct buf *out, struct err *e)
{
	int rc = dump(value, out, JSON_INDENT(2), e);
	buf_addc(out, '\n');
	return rc;
}

int json_compact(const json_t *value, struct buf *out, struct err *e)
{
	return dump(value, out, JSON_COMPACT, e);
}

int json_write_file(const char *path, const json_t *value, mode_t mode, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(256 * MIB);
	int rc = json_pretty(value, &text, e);
	if (rc < 0)
		return rc;
	return file_write_atomic(path, text.data, text.len, mode, e);
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = { "an object",  "an array", "a string", "an integer",
					     "a fraction", "true",     "false",    "null" };
	return value ? names[json_typeof(value)] : "missing";
}

static int wrong(const char *at, const char *key, const char *wanted, const json_t *value,
		 struct err *e)
{
	return err_set(e, ERR_INTEGRITY, "%s%s%s: expected %s, but it is %s", at, *at ? "." : "",
		       key, wanted, type_name(value));
}

static bool absent(const json_t *value)
{
	return !value || json_is_null(value);
}

int json_get_string(const json_t *object, const char *at, const char *key, const char **out,
		    struct err *e)
{
	json_t *value = json_object_get(object, key);
	if (!json_is_string(value))
		return wrong(at, key, "a string", value, e);
	*out = json_string_value(value);
	return 0;
}

int json_opt_string(const json_t *object, const char *at, const char *key, const char **out,
		    struct err *e)
{
	if (!absent(json_object_get(object, key)))
		return json_get_string(object, at, key, out, e);
	*out = NULL;
	return 0;
}

int json_get_u64(const json_t *object, const char *at, const char *key, uint64_t *out,
		 struct err *e)
{
	json_t *value = json_object_get(object, key);
	if (!json_is_integer(value))
		return wrong(at, key, "an integer", value, e);
	if (json_integer_value(value) < 0)
		return err_set(e, ERR_INTEGRITY, "%s%s%s: negative", at, *at ? "." : "", key);
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

int json_opt_u64(const json_t *object, const char *at, const char *key, uint64_t def, uint64_t *out,
		 struct err *e)
{
	if (!absent(json_object_get(object, key)))
		return json_get_u64(object, at, key, out, e);
	*out = def;
	return 0;
}

int json_opt_bool(const json_t *object, const char *at, const char *key, bool def, bool *out,
		  struct err *e)
{
	json_t *value = json_object_get(object, key);
	if (!absent(value) && !json_is_boolean(value))
		return wrong(at, key, "true or false", value, e);
	*out = absent(value) ? def : json_is_true(value);
	return 0;
}

int json_get_array(const json_t *object, const char *at, const char *key, size_t max_count,
		   json_t **out, struct err *e)
{
	json_t *value = json_object_get(object, key);
	if (!json_is_array(value))
		return wrong(at, key, "an array", value, e);
	if (json_array_size(value) > max_count)
		return err_set(e, ERR_INTEGRITY, "%s%s%s: more than %zu entries", at,
			       *at ? "." : "", key, max_count);
	*out = value;
	return 0;
}

int json_opt_array(const json_t *object, const char *at, const char *key, size_t max_count,
		   json_t **out, struct err *e)
{
	if (!absent(json_object_get(object, key)))
		return json_get_array(object, at, key, max_count, out, e);
	*out = NULL;
	return 0;
}

int json_get_object(const json_t *object, const char *at, const char *key, json_t **out,
		    struct err *e)
{
	json_t *value = json_object_get(object, key);
	if (!json_is_object(value))
		return wrong(at, key, "an object", value, e);
	*out = value;
	return 0;
}

int json_opt_object(const json_t *object, const char *at, const char *key, json_t **out,
		    struct err *e)
{
	if (!absent(json_object_get(object, key)))
		return json_get_object(object, at, key, out, e);
	*out = NULL;
	return 0;
}

int json_get_hex(const json_t *object, const char *at, const char *key, void *out, size_t len,
		 struct err *e)
{
	const char *text = "";
	int rc = json_get_string(object, at, key, &text, e);
	if (rc < 0)
		return rc;
	if (!hex_decode(out, len, text, false))
		return err_set(e, ERR_INTEGRITY, "%s%s%s: expected %zu lower-case hex digits", at,
			       *at ? "." : "", key, 2 * len);
	return 0;
}

const char *json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

uint64_t json_number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (value && json_object_set_new(object, key, value) < 0)
		abort();
}

void json_put_string(json_t *object, const char *key, const char *value)
{
	if (value)
		json_put(object, key, json_string_lossy(value, strlen(value)));
}

void json_put_u64(json_t *object, const char *key, uint64_t value)
{
	json_put(object, key, json_integer((json_int_t)value));
}

void json_put_bool(json_t *object, const char *key, bool value)
{
	json_put(object, key, json_boolean(value));
}

void json_put_hex(json_t *object, const char *key, const void *data, size_t len)
{
	CLEANUP(mem_free_ptr) char *text = mem_alloc(2 * len + 1);
	hex_encode(text, data, len);
	json_put_string(object, key, text);
}

void json_put_time(json_t *object, const char *key, int64_t time_s)
{
	char text[TIME_TEXT];
	format_time(text, time_s);
	json_put_string(object, key, text);
}

json_t *json_put_object(json_t *object, const char *key)
{
	json_t *value = json_object();
	json_put(object, key, value);
	return value;
}

json_t *json_put_array(json_t *object, const char *key)
{
	json_t *value = json_array();
	json_put(object, key, value);
	return value;
}

void json_push(json_t *array, json_t *value)
{
	if (!value || json_array_append_new(array, value) < 0)
		abort();
}

void json_push_string(json_t *array, const char *value)
{
	json_push(array, json_string_lossy(value, strlen(value)));
}

json_t *json_push_object(json_t *array)
{
	json_t *value = json_object();
	json_push(array, value);
	return value;
}

json_t *json_string_lossy(const char *s, size_t len)
{
	json_t *value = memchr(s, '\0', len) ? NULL : json_stringn(s, len);
	if (value)
		return value;
	struct buf b = BUF_INIT(4 * len + 4);
	while (len) {
		size_t n = 1, most = MIN(len, (size_t)4);
		while (n < most && !utf8_valid(s, n))
			n++;
		if (*s && utf8_valid(s, n)) {
			buf_add(&b, s, n);
		} else {
			buf_adds(&b, "\xef\xbf\xbd");
			n = 1;
		}
		s += n;
		len -= n;
	}
	value = json_stringn(buf_str(&b), b.len);
	buf_release(&b);
	return value;
}

json_t *json_strings(const struct str_list *list)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++)
		json_push_string(array, list->at[i]);
	return array;
}
