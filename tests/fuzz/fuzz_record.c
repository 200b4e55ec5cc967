#include "publish/verified.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verified r = VERIFIED_INIT;
	struct mirror_stat st = { .size = 10, .modified_s = 5, .etag = "\"e\"" };
	char key[] = "targets/a";
	struct repository_file f = { .key = key, .size = 10 };
	r.first_line = mem_strdup("ferry-push-record 1 a:file%3A///m");
	verified_parse(&r, (const char *)data, size);
	for (size_t i = 1; i < r.count; i++)
		if (strcmp(r.at[i - 1].key, r.at[i].key) >= 0)
			__builtin_trap();
	(void)!verified_vouches(&r, &f, &st);
	verified_close(&r);
	return 0;
}
