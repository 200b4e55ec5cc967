#include "fetch/history.h"

#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	const int64_t now_s = 1700000000;
	struct history h;
	bool known = history_parse(text, now_s, &h);
	if (!known && (h.rate || h.faults_milli || h.wrong_s))
		__builtin_trap();
	if (h.wrong_s > now_s || h.faults_milli > 1000000)
		__builtin_trap();
	return 0;
}
