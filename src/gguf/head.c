/* The first bytes: is it a GGUF of a supported version? */
#include "gguf/internal.h"
#include "gguf/sniff.h"

#include <string.h>

#define HEADER_BYTES 24

bool gguf_is_magic(const void *data, size_t len)
{
	return len >= 4 && memcmp(data, GGUF_MAGIC, 4) == 0;
}

static int check_version(uint32_t version, struct err *e)
{
	if (version == 2 || version == 3)
		return 0;
	/* A big-endian file has no flag: its version is byte-swapped, like everything
	 * else after the magic. */
	if (version && (version & 0xffff) == 0) {
		err_set(e, ERR_INTEGRITY, "it is a big-endian GGUF (version %u)",
			__builtin_bswap32(version));
		return err_hint(e, "convert it with gguf_convert_endian.py of llama.cpp");
	}
	if (version == 1) {
		err_set(e, ERR_INTEGRITY,
			"it is GGUF version 1, which current engines do not support");
		return err_hint(e, "convert the original model again");
	}
	return err_set(e, ERR_INTEGRITY, "its GGUF version is %u; supported are 2 and 3", version);
}

int gguf_sniff(const uint8_t *head, size_t len, uint64_t file_size, struct err *e)
{
	if (len == 0)
		return sniff_refuse(SNIFF_EMPTY, head, 0, "the file", e);
	if (!gguf_is_magic(head, len)) {
		if (file_size < 4 && memcmp(head, GGUF_MAGIC, len) == 0)
			return err_set(e, ERR_INTEGRITY,
				       "the file is truncated: only %zu bytes of a GGUF's magic",
				       len);
		return sniff_refuse(sniff_bytes(head, len), head, len, "it", e);
	}
	if (len < HEADER_BYTES) {
		err_set(e, ERR_INTEGRITY, "the file is truncated: only %zu bytes of a GGUF header",
			len);
		return err_hint(e, "download the file again");
	}
	return check_version(le32(head + 4), e);
}
