#include "util/conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
		uint64_t number = 0;
		conf_get_words(&c.sections[i], "metadata", &words);
		str_list_release(&words);
		free(conf_get_path(&c, &c.sections[i], "path"));
		if (conf_check_keys(&c, &c.sections[i], keys, &fault) < 0 ||
		    conf_get_size(&c, &c.sections[i], "limit-rate", &number, &fault) < 0)
			continue;
	}
	conf_release(&c);
	return 0;
}
