#include "catalog/index.h"
#include "util/mem.h"

#include <string.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count_model(void *ctx, const struct index_model *m, struct err *e)
{
	size_t *count = ctx;
	(void)e;
	++*count;
	if (!m->id[0] || !m->title[0] || m->variant_count > CARD_MAX_VARIANTS)
		abort();
	for (size_t i = 0; i < m->variant_count; i++)
		if (!m->variants[i].id[0] || !m->variants[i].version)
			abort();
	return 0;
}

static size_t read_all(const void *data, size_t len)
{
	struct err e = ERR_INIT;
	size_t count = 0;
	if (index_read(data, len, "index", count_model, &count, &e) < 0)
		return SIZE_MAX;
	return count;
}

/* The publisher takes the lines over: they are as many, and can be read again. */
static void check_lines(const void *data, size_t len, size_t count)
{
	CLEANUP(buf_release) struct buf lines = BUF_INIT(MIB), packed = BUF_INIT(0);
	struct err e = ERR_INIT;
	const char *text, *line, *id;
	size_t line_len, id_len, n = 0;
	if (index_lines(data, len, "index", &lines, &e) < 0)
		return; /* more than a MiB */
	text = buf_str(&lines);
	while (index_next(&text, &line, &line_len, &id, &id_len))
		n++;
	if (n != count || index_pack(&lines, count, &packed, &e) < 0 ||
	    read_all(packed.data, packed.len) != count)
		abort();
}

/* With a first byte of 'z' the rest is compressed already, otherwise it is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *packed = NULL;
	if (!size)
		return 0;
	bool text = *data != 'z';
	data++, size--;
	if (text) {
		size_t most = ZSTD_compressBound(size);
		packed = mem_alloc(most);
		size = ZSTD_compress(packed, most, data, size, 1);
		data = (const uint8_t *)packed;
	}
	size_t count = read_all(data, size);
	if (count != SIZE_MAX)
		check_lines(data, size, count);
	return 0;
}
