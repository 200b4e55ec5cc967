#include "json/json.h"

#include <string.h>

/* An array of so few scalars stays on the line of its key. */
#define SHORT_ARRAY 8

static void indent(struct buf *out, unsigned depth)
{
	buf_addc(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_adds(out, "  ");
}

static bool on_one_line(const json_t *array)
{
	size_t i;
	json_t *child;
	if (json_array_size(array) > SHORT_ARRAY)
		return false;
	json_array_foreach (array, i, child)
		if (json_is_object(child) || json_is_array(child))
			return false;
	return true;
}

static int rows_array(const json_t *array, struct buf *out, unsigned depth, struct err *e)
{
	size_t i;
	json_t *child;
	buf_addc(out, '[');
	json_array_foreach (array, i, child) {
		if (i)
			buf_addc(out, ',');
		indent(out, depth + 1);
		int rc = json_compact(child, out, e);
		if (rc < 0)
			return rc;
	}
	indent(out, depth);
	buf_addc(out, ']');
	return 0;
}

static int rows(const json_t *value, struct buf *out, unsigned depth, struct err *e)
{
	const char *key;
	json_t *child;
	bool first = true;
	if (json_is_array(value) && !on_one_line(value))
		return rows_array(value, out, depth, e);
	if (!json_is_object(value) || json_object_size(value) == 0)
		return json_compact(value, out, e);
	buf_addc(out, '{');
	json_object_foreach ((json_t *)value, key, child) {
		if (!first)
			buf_addc(out, ',');
		first = false;
		indent(out, depth + 1);
		json_t *name = json_string_lossy(key, strlen(key));
		int rc = json_compact(name, out, e);
		json_decref(name);
		buf_adds(out, ": ");
		if (rc < 0 || (rc = rows(child, out, depth + 1, e)) < 0)
			return rc;
	}
	indent(out, depth);
	buf_addc(out, '}');
	return 0;
}

int json_rows(const json_t *value, struct buf *out, struct err *e)
{
	int rc = rows(value, out, 0, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, "JSON text", e);
}
