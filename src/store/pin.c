#include "store/pinned.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>

int store_pin(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *plain = store_variant_plain(v);
	struct store_variant as_plain = *v;
	int rc = 0;
	as_plain.variant = plain;
	as_plain.replaced_s = 0;
	/* The plain name gets the version that has been fetched by its number. */
	if (store_variant_is_numbered(v)) {
		rc = store_unpin(s, &as_plain, e);
		if (rc == 0)
			rc = store_link(s, &as_plain, e);
	}
	if (rc == 0)
		rc = store_pin_record(s, &as_plain, e);
	return rc < 0 && e->sys == EACCES ? err_hint(e, FILE_GROUP_HINT) : rc;
}
