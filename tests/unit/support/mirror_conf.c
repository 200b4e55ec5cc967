#include "mirror_conf.h"

#include "unit.h"
#include "util/mem.h"

struct mirror *mirror_conf_open(const char *text)
{
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	CLEANUP(conf_release) struct conf c = { 0 };
	struct err e = ERR_INIT;
	CLEANUP(settings_mirrors_release) struct settings_mirrors set = { 0 };
	struct mirror *m = NULL;
	assert_ok(conf_parse(text, strlen(text), "/etc/ferry.conf", &c, &e), &e);
	assert_ok(settings_mirrors_read(&c, NULL, kinds, &set, &e), &e);
	assert_ok(mirror_open(mirror_kinds_all, NULL, &set.at[0], &m, &e), &e);
	return m;
}
