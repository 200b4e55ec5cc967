#include "store/store.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

char *store_blob_path(const struct store *s, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/blobs/sha256/%s", s->home, digest_hex(hex, d));
}

char *store_damaged_path(const struct store *s, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/blobs/sha256/%s.damaged", s->home, digest_hex(hex, d));
}

static char *partial_path(const struct store *s, const struct digest *d, const char *suffix)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/partial/%s.%s", s->home, digest_hex(hex, d), suffix);
}

char *store_part_path(const struct store *s, const struct digest *d)
{
	return partial_path(s, d, "part");
}

char *store_journal_path(const struct store *s, const struct digest *d)
{
	return partial_path(s, d, "journal");
}

char *store_lock_path(const struct store *s, const struct digest *d)
{
	return partial_path(s, d, "lock");
}

char *store_trust_dir(const struct store *s, const char *repository)
{
	return mem_printf("%s/trust/%s", s->home, repository);
}

char *store_cache_dir(const struct store *s, const char *repository)
{
	return mem_printf("%s/trust/%s/cache", s->home, repository);
}

char *store_variant_dir(const struct store *s, const char *repository, const char *model,
			const char *variant)
{
	return mem_printf("%s/models/%s/%s/%s", s->home, repository, model, variant);
}

char *store_file_path(const struct store *s, const char *dir, const struct store_file *f)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, f->name);
	return file_exists(path) ? STEAL(path) : store_blob_path(s, &f->sha256);
}
