#include "settings/join.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void line(const char *word)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *url = NULL;
	struct digest root;
	bool has;
	(void)join_is_file(word);
	if (join_split(word, &url, &has, &root, &e) < 0 || !has)
		return;
	free(join_url(url, &root));
}

/* What was read is read again the same, once it has a name. */
static void file(const char *text, size_t size, const char *title, bool from_net)
{
	struct err e = ERR_INIT;
	CLEANUP(join_release) struct join j = { 0 }, again = { 0 };
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	if (join_parse(text, size, "there/lab.ferry", from_net, &j, &e) < 0)
		return;
	if (!j.name)
		j.name = mem_strdup("lab");
	join_write(&j, title, &out);
	if (out.len <= JOIN_FILE_MAX_BYTES &&
	    (join_parse(buf_str(&out), out.len, "lab.ferry", false, &again, &e) < 0 ||
	     again.urls.count != j.urls.count || !digest_equal(&again.root, &j.root)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	line(text);
	file(text, strlen(text), text, true);
	file((const char *)data, size, text, false);
	return 0;
}
