/* The reader of SHA256SUMS, and that what it accepts survives being written. */
#include "catalog/sums.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A name has either entries or a fault. */
static void check_faults(const struct sums *s)
{
	for (size_t i = 0; i < s->fault_count; i++)
		for (size_t k = 0; s->faults[i].name && k < s->count; k++)
			if (strcmp(s->faults[i].name, s->at[k].name) == 0)
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct sums s, again;
	if (sums_parse(data, len, "fuzz", len % 2 ? "m.gguf" : NULL, &s, &e) < 0)
		return 0;
	check_faults(&s);
	struct buf text = BUF_INIT(64 * MIB);
	sums_format(&s, &text);
	if (sums_parse(buf_str(&text), text.len, "again", NULL, &again, &e) < 0 ||
	    again.count != s.count || again.fault_count || again.skipped)
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
