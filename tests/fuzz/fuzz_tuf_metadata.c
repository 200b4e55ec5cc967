/* Metadata of all four kinds, up to counting its signatures. First byte: the kind. */
#include "tuf/match.h"
#include "tuf/metadata.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(const struct tuf_metadata *m, const struct tuf_role *role)
{
	struct err e = ERR_INIT;
	unsigned valid;
	if (tuf_metadata_count(m, role, &m->keys, &valid, &e) == 0 && valid > m->signature_count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct tuf_metadata *m;
	struct tuf_meta meta;
	if (size < 1 ||
	    tuf_metadata_parse(data[0] % TUF_TYPES, data + 1, size - 1, "input", &m, &e) < 0)
		return 0;
	for (size_t i = 0; i < TUF_TYPES && m->type == TUF_ROOT; i++)
		count(m, &m->roles[i]);
	for (size_t i = 0; i < m->delegated_count; i++) {
		count(m, &m->delegated[i].role);
		tuf_match_delegated(&m->delegated[i], "models/a/a.gguf");
	}
	if (m->bins.bit_length) {
		count(m, &m->bins.role);
		free(tuf_match_bin(&m->bins, "models/a/a.gguf"));
	}
	if (tuf_metadata_meta(m, "snapshot.json", &meta) ||
	    tuf_metadata_meta(m, "targets.json", &meta)) {
		if (meta.version < 1)
			abort();
		if (tuf_meta_check(&meta, data, size, "input", &e) < 0)
			err_clear(&e);
	}
	tuf_metadata_free(m);
	return 0;
}
