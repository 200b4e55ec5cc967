#include "mirror/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mirror_record r = { 0 };
	struct err e = ERR_INIT;
	bool can;
	uint64_t number;
	int rc = mirror_record_parse((const char *)data, size, "file:///m", &r, &e);
	if (rc == 0 && (r.probed_s <= 0 || !r.can || !r.measured))
		__builtin_trap();
	(void)!mirror_record_can(&r, "replace-if", &can);
	if (mirror_record_measured(&r, MIRROR_RECORD_UPLOAD, &number) && number > INT64_MAX)
		__builtin_trap();
	mirror_record_release(&r);
	return 0;
}
