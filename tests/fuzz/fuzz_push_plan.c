/* A plan of `ferry push --plan`, as somebody may have edited it. */
#include "publish/plan_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_file plan;
	struct err e = ERR_INIT;
	if (plan_file_parse(data, size, "plan", &plan, &e) == 0)
		plan_file_release(&plan);
	return 0;
}
