/* Any bytes as faces.json: a list that is accepted names files of faces only, sorted, and is the
 * same when it was written and read again. */
#include "publish/faces_list.h"

#include "util/path.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(faces_list_release) struct faces_list a = { 0 }, b = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * MIB);
	struct err e = ERR_INIT;
	if (faces_list_parse(data, size, &a, &e) < 0) {
		must(e.class && !a.count);
		return 0;
	}
	for (size_t i = 0; i < a.count; i++) {
		must(path_is_key(a.at[i].key));
		must(i == 0 || strcmp(a.at[i - 1].key, a.at[i].key) < 0);
		must(faces_list_find(&a, a.at[i].key) == &a.at[i]);
	}
	must(faces_list_write(&a, &text, &e) == 0);
	must(faces_list_parse(text.data, text.len, &b, &e) == 0 && b.count == a.count);
	return 0;
}
