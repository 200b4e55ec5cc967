#include "util/buf.h"
#include "settings/conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an edit makes is read again by itself; here only that it ends, and in bounds. */
static void edit(const uint8_t *data, size_t size, const struct conf *c)
{
	struct err ignored = ERR_INIT;
	struct buf text = BUF_INIT(MIB);
	buf_add(&text, data, size);
	if (conf_edit_append(&text, "ferry.conf", "[repository.new]\nroot = x\n", &ignored) < 0)
		err_clear(&ignored);
	for (size_t i = 0; i < c->count && i < 4; i++) {
		if (conf_edit_remove(&text, "ferry.conf", c->sections[i].kind, c->sections[i].name,
				     &ignored) < 0)
			err_clear(&ignored);
	}
	buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct conf c = { 0 };
	if (conf_parse((const char *)data, size, "ferry.conf", &c, &e) < 0)
		return 0;
	static const char *const keys[] = { "kind", "url", "metadata", NULL };
	for (size_t i = 0; i < c.count; i++) {
		struct err fault = ERR_INIT;
		struct str_list words = { 0 };
		struct rate_table table;
		uint64_t number = 0;
		conf_get_words(&c.sections[i], "metadata", &words);
		str_list_release(&words);
		free(conf_get_path(&c, &c.sections[i], "path"));
		if (conf_check_keys(&c, &c.sections[i], keys, &fault) < 0 ||
		    conf_get_rate(&c, &c.sections[i], "limit-rate", &table, &fault) < 0 ||
		    conf_get_size(&c, &c.sections[i], "part-size", &number, &fault) < 0)
			continue;
	}
	edit(data, size, &c);
	conf_release(&c);
	return 0;
}
