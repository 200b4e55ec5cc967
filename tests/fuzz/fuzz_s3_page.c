/* What S3 servers answer: pages of lists, and errors. */
#include "s3/page.h"
#include "s3/s3.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT, http = ERR_INIT, fault = ERR_INIT;
	struct s3_page p = { 0 };
	struct http_response r = { .status = 400 };
	char code[S3_CODE], region[S3_REGION];
	if (s3_page_parse((const char *)data, len, &p, &e) == 0)
		for (size_t i = 0; i < p.count; i++)
			if (!p.at[i].name || !p.at[i].id || !p.at[i].etag)
				abort();
	s3_page_release(&p);
	err_set(&http, ERR_USAGE, "HTTP 400");
	struct s3_failure f = { &r, (const char *)data, len, 0, &http };
	if (s3_fault(&f, code, &fault) == 0 || !fault.class)
		abort();
	s3_fault_region(&f, region);
	return 0;
}
