/* The input is a GGUF file; what opens is then used in every way there is. */
#include "gguf/gguf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_texts(const uint8_t *data, size_t size)
{
	char text[256];
	size_t len = MIN(size, sizeof text - 1);
	memcpy(text, data, len);
	text[len] = '\0';
	struct gguf_name n;
	if (gguf_name_parse(text, &n))
		free(gguf_name_format(&n));
	(void)gguf_template_flags((const char *)data, size);
}

static void use(const struct gguf *g)
{
	const char *const names[] = { "m-00001-of-00002.gguf", "m-00002-of-00002.gguf" };
	const struct gguf *const files[] = { g, g };
	struct err e = ERR_INIT;
	struct gguf_census census;
	struct gguf_ram ram;
	uint64_t tensors = 0;
	json_decref(gguf_json(g));
	gguf_census(files, 2, &census);
	gguf_ram(files, 1, 0, &ram);
	gguf_ram(files, 2, 4096, &ram);
	if (gguf_shards_check(files, names, 1, &e) || gguf_shards_check(files, names, 2, &e))
		err_clear(&e);
	for (size_t i = 0; i < g->tensor_count; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		if (t->offset < g->data_offset || t->padded < t->size ||
		    t->offset + t->padded > g->data_end ||
		    gguf_find_tensor(g, t->name.s) != t)
			__builtin_trap();
		tensors += t->size;
	}
	if (tensors != census.bytes / 2)
		__builtin_trap();
}

static void open_and_use(const uint8_t *data, size_t size, uint64_t file_size)
{
	struct gguf_memory memory = { data, size };
	struct gguf_input source;
	struct gguf_options opts = { .header_only = file_size != size };
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	gguf_input_memory(&source, &memory, file_size);
	source.window = 8192;
	if (gguf_open(&source, "fuzz", &opts, &g, &e) == 0)
		use(g);
	gguf_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gguf_memory memory = { data, size };
	struct gguf_input source;
	struct gguf_report report;
	struct err e = ERR_INIT;
	use_texts(data, size);
	gguf_input_memory(&source, &memory, size);
	if (gguf_check(&source, "a-1B-v1-Q8_0.gguf", &report, &e) == 0)
		gguf_report_release(&report);
	open_and_use(data, size, size);
	if (size)
		open_and_use(data, size, size + ((uint64_t)1 << 40));
	return 0;
}
