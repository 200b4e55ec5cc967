/* The reader of SHA256SUMS, and that what it accepts survives being written. */
#include "catalog/sums.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct sums s, again;
	if (sums_parse(data, len, "fuzz", &s, &e) < 0)
		return 0;
	struct buf text = BUF_INIT(64 * MIB);
	sums_format(&s, &text);
	if (sums_parse(buf_str(&text), text.len, "again", &again, &e) < 0 || again.count != s.count)
		abort();
	for (size_t i = 0; i < s.count; i++) {
		if (strcmp(s.at[i].name, again.at[i].name) != 0 ||
		    !digest_equal(&s.at[i].sha256, &again.at[i].sha256) ||
		    !sums_name_ok(s.at[i].name))
			abort();
	}
	sums_release(&again);
	sums_release(&s);
	buf_release(&text);
	return 0;
}
