#include "prepare/wanted.h"

int wanted_check(const char *name, const struct digest *got, const struct digest *want,
		 const char *kind, struct err *e)
{
	char a[DIGEST_HEX], b[DIGEST_HEX];
	if (!want || digest_equal(got, want))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is not the expected file: its SHA-256 is %s, not %s", name,
		digest_hex(a, got), digest_hex(b, want));
	return err_hint(e, "check the %s and the digest given with --sha256", kind);
}

int wanted_check_file(const char *path, const char *name, const struct digest *want,
		      const char *kind, const struct cancel *cancel, struct err *e)
{
	struct digest got;
	uint64_t size;
	int rc = want ? sha256_of_file(path, cancel, &got, &size, e) : 0;
	return rc < 0 || !want ? rc : wanted_check(name, &got, want, kind, e);
}
