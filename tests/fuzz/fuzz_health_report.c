/* The reports that `ferry health --merge` joins. What is joined has a state for all, can be
 * printed, and takes each place once. */
#include "cli/health/health.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(json_t *joined)
{
	const json_t *r, *m;
	struct cli cli = { .out = NULL, .silent = true, .json = true };
	enum health_state state;
	size_t i, k;
	merged_end(joined);
	if (!health_state_parse(json_text(joined, "state"), &state))
		abort();
	json_array_foreach (json_object_get(joined, "repositories"), i, r)
		json_array_foreach (json_object_get(r, "mirrors"), k, m)
			if (!health_state_parse(json_text(m, "state"), &state) ||
			    json_number(m, "up_at") > json_array_size(json_object_get(m, "places")))
				abort();
	sheet_print(&cli, joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_limits limits = { .max_bytes = MIB };
	CLEANUP(json_release) json_t *report = NULL;
	CLEANUP(json_release) json_t *joined = json_object();
	struct err e = ERR_INIT;
	if (json_parse(data, size, &limits, "fuzz", &report, &e) < 0)
		return 0;
	merged_begin(joined);
	if (merged_add(joined, report, &e) < 0)
		return 0;
	if (merged_add(joined, report, &e) == 0)
		abort();
	check(joined);
	return 0;
}
