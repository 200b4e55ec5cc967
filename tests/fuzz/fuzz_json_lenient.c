/* The lenient reader: it never fails on what the strict one accepts, agrees with it, and what it
 * gives can be written and read strictly. */
#include "json/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct json_limits limits = { .max_bytes = 64 * MIB,
					   .max_depth = 1000,
					   .allow_real = true };

static void agree_with_strict(const json_t *lenient, const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	json_t *strict;
	if (json_parse(data, len, &limits, "strict", &strict, &e) < 0)
		return;
	if (!lenient || !json_equal(lenient, strict))
		abort();
	json_decref(strict);
}

static void write_and_read(const json_t *value)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(64 * MIB);
	json_t *again;
	if (json_compact(value, &text, &e) < 0)
		abort();
	if (!json_is_object(value) && !json_is_array(value)) {
		buf_release(&text);
		return;
	}
	if (json_parse(text.data, text.len, &limits, "again", &again, &e) < 0)
		abort();
	json_decref(again);
	buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	if (json_lenient(data, len, 65536, "fuzz", &value, &e) == 0)
		write_and_read(value);
	if (len <= 65536)
		agree_with_strict(value, data, len);
	json_decref(value);
	return 0;
}
