#include "catalog/places.h"
#include "util/mem.h"

#include <string.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be looked up, and written and read again. */
static void check(const struct places *p)
{
	CLEANUP(buf_release) struct buf packed = BUF_INIT(0);
	CLEANUP(places_release) struct places again = { 0 };
	struct err e = ERR_INIT;
	for (size_t i = 0; i < p->count; i++) {
		CLEANUP(mem_free_ptr) char *url = places_url(p, p->at[i].key);
		if (places_find(p, p->at[i].key) != &p->at[i] ||
		    places_has(p, p->at[i].key) != (p->at[i].url != NULL) ||
		    (url == NULL) != (p->at[i].url == NULL) ||
		    places_release_of(p, p->at[i].key) < 1)
			abort();
	}
	if (places_pack(p, &packed, &e) < 0 ||
	    places_read(packed.data, packed.len, "places", &again, &e) < 0 ||
	    again.count != p->count)
		abort();
}

/* Of a text, the URL that it gives as a template, or as a key of a template. */
static void try_template(const char *text)
{
	CLEANUP(mem_free_ptr) char *of_key = places_template_url("https://a.example/{name}", text);
	if (of_key && places_url_fault(of_key))
		abort();
	if (places_template_fault(text))
		return;
	CLEANUP(mem_free_ptr) char *url = places_template_url(
		text, "targets/models/m/"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.m.gguf");
	if (url && places_url_fault(url))
		abort();
}

/* With a first byte of 'z' the rest is compressed already, with 't' it is a template or a key,
 * otherwise it is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(places_release) struct places p = { 0 };
	CLEANUP(mem_free_ptr) char *packed = NULL;
	struct err e = ERR_INIT;
	if (!size)
		return 0;
	char first = (char)*data++;
	size--;
	if (first == 't') {
		packed = mem_strndup((const char *)data, size);
		try_template(packed);
		return 0;
	}
	if (first != 'z') {
		size_t most = ZSTD_compressBound(size);
		packed = mem_alloc(most);
		size = ZSTD_compress(packed, most, data, size, 1);
		data = (const uint8_t *)packed;
	}
	if (places_read(data, size, "places", &p, &e) == 0)
		check(&p);
	return 0;
}
