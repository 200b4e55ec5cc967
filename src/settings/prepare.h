/* [prepare]: where llama.cpp's tools are, and how large foreign files may be. */
#ifndef FERRY_SETTINGS_PREPARE_H
#define FERRY_SETTINGS_PREPARE_H

#include "settings/conf.h"

struct settings_prepare {
	/* Absolute paths; NULL: search on PATH. */
	char *llama_quantize, *convert_hf_to_gguf, *python;
	uint64_t archive_max;  /* bytes, unpacked; 0: the default of prepare/archive.h */
	uint64_t download_max; /* bytes, without a known length; 0: that of prepare/download.h */
};
void settings_prepare_release(struct settings_prepare *p);

/* ERR_USAGE with the line, also if a path does not exist. */
WARN_UNUSED int settings_prepare_read(const struct conf *c, struct settings_prepare *out,
				      struct err *e);

#endif
