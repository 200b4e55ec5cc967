#include "s3/bucket.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a server sends: it is changed once, and reads the same after it was written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t = NULL;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *again = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
	struct err e = ERR_INIT;
	char any[] = "*", *list[] = { any };
	const struct str_list origins = { list, 1, 1 };
	if (s3_tree_parse((const char *)data, size, &t, &e) < 0)
		return 0;
	(void)s3_bucket_cors(t, &origins);
	(void)s3_bucket_abort_uploads(t, "m/", 7);
	(void)s3_bucket_allow_public_policy(t);
	if (s3_bucket_cors(t, &origins) || s3_bucket_abort_uploads(t, "m/", 7))
		__builtin_trap();
	s3_tree_write(&text, t);
	if (!text.overflow &&
	    (s3_tree_parse(text.data, text.len, &again, &e) < 0 || !s3_tree_equal(t, again)))
		__builtin_trap();
	return 0;
}
