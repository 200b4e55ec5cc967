#include "gguf/gguf.h"

#include "util/mem.h"

#include <ctype.h>

char *gguf_quantization(const struct gguf *const *files, size_t count)
{
	struct gguf_metadata m;
	struct gguf_census census;
	gguf_metadata(files[0], &m);
	gguf_census(files, count, &census);
	if (!census.main_type)
		return NULL;
	char *name = mem_strdup(m.quantization ? m.quantization : census.main_type->name);
	for (char *p = name; !m.quantization && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return name;
}
