/* XML of S3 and STS: paths are in step with the elements, and what STS gives is complete. */
#include "s3/credentials_internal.h"
#include "s3/xml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	unsigned depth = 1;
	for (const char *at = path; *at; at++)
		depth += *at == '/';
	if (!*path || depth > S3_XML_DEPTH || strlen(text) > S3_XML_TEXT)
		abort();
	return ++*(unsigned *)ctx == 1000 ? err_set(e, ERR_CONFLICT, "enough") : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT, of_sts = ERR_INIT;
	struct s3_keys keys = { 0 };
	struct buf text = BUF_INIT(MIB);
	unsigned count = 0;
	int rc = s3_xml_parse((const char *)data, len, on_element, &count, &e);
	if ((rc == 0 && !count) || rc != -(int)e.class)
		abort();
	buf_add(&text, data, len);
	rc = credentials_sts_answer(&text, &keys, &of_sts);
	if (rc == 0 && (!keys.id || !keys.secret || !keys.token))
		abort();
	s3_keys_release(&keys);
	buf_release(&text);
	return 0;
}
