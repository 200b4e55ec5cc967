/* The reports that `ferry verify --merge` joins. What is joined can be written, and has no less and
 * no more files than it says. */
#include "publish/verify_report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large tables take their time, and are not what is tested here. */
static bool is_small(const json_t *document)
{
	const json_t *shard = json_object_get(document, "shard");
	return json_number(shard, "tree_files") <= 1000 &&
	       json_array_size(json_object_get(document, "mirrors")) <= 10;
}

static void check(const struct verify_joined *j)
{
	json_t *document = json_object();
	verify_report_json(&j->report, document);
	json_decref(document);
	for (size_t i = 0; i < j->report.count; i++) {
		const struct verify_mirror *m = &j->report.mirrors[i];
		size_t files = 0;
		for (int v = VERIFY_OK; v < VERIFY_VERDICTS; v++)
			files += m->verdicts[v];
		if (files != m->held || files + m->verdicts[VERIFY_NONE] != m->count)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_limits limits = { .max_bytes = MIB };
	struct verify_joined j = { 0 };
	struct err e = ERR_INIT;
	json_t *document = NULL;
	if (json_parse(data, size, &limits, "fuzz", &document, &e) < 0 || !is_small(document)) {
		json_decref(document);
		return 0;
	}
	if (verify_report_add(&j, document, "one", &e) == 0 && verify_report_join(&j, &e) == 0)
		check(&j);
	verify_joined_release(&j);
	/* The same share twice is refused, if one is not. */
	err_clear(&e);
	if (verify_report_add(&j, document, "one", &e) == 0 &&
	    verify_report_add(&j, document, "two", &e) == 0)
		abort();
	verify_joined_release(&j);
	json_decref(document);
	return 0;
}
