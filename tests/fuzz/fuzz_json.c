/* The strict parser, and that what it accepts can be written and read again. */
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void again(const json_t *value, const struct buf *text, const struct json_limits *limits)
{
	struct err e = ERR_INIT;
	json_t *copy;
	if (json_parse(text->data, text->len, limits, "again", &copy, &e) < 0 ||
	    !json_equal(value, copy))
		abort();
	json_decref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct json_limits limits = { .max_bytes = 65536 };
	/* Indentation and escapes make the text longer. */
	static const struct json_limits wide = { .max_bytes = 64 * MIB };
	struct err e = ERR_INIT;
	json_t *value;
	if (json_parse(data, len, &limits, "fuzz", &value, &e) < 0)
		return 0;
	struct buf pretty = BUF_INIT(64 * MIB), rows = BUF_INIT(64 * MIB);
	struct buf canonical = BUF_INIT(MIB);
	if (json_pretty(value, &pretty, &e) < 0 || json_rows(value, &rows, &e) < 0 ||
	    json_canonical(value, &canonical, &e) < 0)
		abort();
	again(value, &pretty, &wide);
	again(value, &rows, &wide);
	buf_release(&pretty);
	buf_release(&rows);
	buf_release(&canonical);
	json_decref(value);
	return 0;
}
