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
	(void)gguf_name_parse(text, &n);
	(void)gguf_template_flags((const char *)data, size);
}

static void use(const struct gguf *g)
{
	const char *const names[] = { "m-00001-of-00002.gguf", "m-00002-of-00002.gguf" };
	const struct gguf *const files[] = { g, g };
	struct err e = ERR_INIT;
	struct gguf_census census;
	struct gguf_ram ram;
	struct gguf_findings findings = { 0 };
	uint64_t tensors = 0;
	json_decref(gguf_json(g));
	gguf_census(files, 2, &census);
	gguf_ram(files, 1, 0, &ram);
	gguf_ram(files, 2, 4096, &ram);
	if (gguf_shards_check(files, names, 1, &e) || gguf_shards_check(files, names, 2, &e))
		err_clear(&e);
	gguf_blocks_check(files, 2, &findings);
	gguf_findings_release(&findings);
	for (size_t i = 0; i < g->tensor_count; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		if (t->offset < g->data_offset || t->padded < t->size ||
		    t->offset + t->padded > g->data_end || gguf_find_tensor(g, t->name.s) != t)
			__builtin_trap();
		tensors += t->size;
	}
	if (tensors != census.bytes / 2)
		__builtin_trap();
}

/* In steps, as a file is read. */
static void use_data(const struct gguf *g, const uint8_t *data, size_t size)
{
	struct gguf_findings findings = { 0 };
	size_t step = 8 * (1 + size % 7);
	struct gguf_data *d = gguf_data_new(g);
	for (size_t i = 0; i < size; i += step)
		gguf_data_add(d, data + i, size - i < step ? size - i : step);
	gguf_data_findings(d, &findings);
	gguf_findings_release(&findings);
	gguf_data_free(d);
}

struct input {
	const uint8_t *data;
	size_t size;
};

static int read_input(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct input *in = ctx;
	if (offset > in->size || len > in->size - offset)
		return err_set(e, ERR_BUG, "a read past the end");
	memcpy(data, in->data + offset, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct gguf_input source = { .read_at = read_input, .ctx = &in, .size = size };
	struct gguf_report report;
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	use_texts(data, size);
	if (gguf_check(&source, "a-1B-v1-Q8_0.gguf", true, &report, &e) == 0)
		gguf_report_release(&report);
	err_clear(&e);
	source.window = 8192;
	if (gguf_open(&source, "fuzz", NULL, &g, &e) == 0) {
		use(g);
		use_data(g, data, size);
	}
	gguf_free(g);
	return 0;
}
