#include "settings/security.h"

#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

void settings_security_release(struct settings_security *s)
{
	str_list_release(&s->safe_dirs);
}

static char *directory(const struct conf *c, const char *word)
{
	const char *home = getenv("HOME");
	if (strcmp(word, "*") == 0)
		return mem_strdup(word);
	if (str_starts(word, "~/") && home)
		return path_join(home, word + 2);
	return path_join(c->dir ? c->dir : ".", word);
}

int settings_security_read(const struct conf *c, struct settings_security *out, struct err *e)
{
	static const char *const keys[] = { "safe-directory", NULL };
	CLEANUP(str_list_release) struct str_list words = { 0 };
	const struct conf_section *s = conf_find(c, "security", "");
	struct settings_security read = { 0 };
	int rc = conf_check_keys(c, s, keys, e);
	if (rc < 0)
		return rc;
	conf_get_words(s, "safe-directory", &words);
	for (size_t i = 0; i < words.count; i++)
		str_list_take(&read.safe_dirs, directory(c, words.at[i]));
	*out = read;
	return 0;
}
