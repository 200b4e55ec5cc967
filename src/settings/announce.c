#include "settings/announce.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define TIMEOUT_S 60

void settings_announce_release(struct settings_announce *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->at[i].name);
		str_list_release(&a->at[i].words);
	}
	free(a->at);
	*a = (struct settings_announce){ 0 };
}

/* A program that is a path is relative to the file's folder, as all paths. */
static void read_words(const struct conf *c, const struct conf_section *s, struct str_list *out)
{
	conf_get_words(s, "command", out);
	if (!out->count || !strchr(out->at[0], '/'))
		return;
	CLEANUP(mem_free_ptr) char *joined = path_join(c->dir ? c->dir : ".", out->at[0]);
	free(out->at[0]);
	out->at[0] = path_absolute(joined);
}

static int read_hook(const struct conf *c, const struct conf_section *s,
		     struct settings_announce *out, struct err *e)
{
	static const char *const keys[] = { "command", "timeout", "repository", NULL };
	const char *name = *s->name ? s->name : "announce";
	int rc = conf_check_keys(c, s, keys, e);
	if (rc < 0)
		return rc;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	struct settings_hook *hook = &out->at[out->count++];
	*hook = (struct settings_hook){ .name = mem_strdup(name), .timeout_s = TIMEOUT_S };
	read_words(c, s, &hook->words);
	if (!hook->words.count)
		return conf_err(c, s, "command", e, "command: name the program, and its arguments");
	rc = conf_get_duration(c, s, "timeout", &hook->timeout_s, e);
	if (rc == 0 && !hook->timeout_s)
		rc = conf_err(c, s, "timeout", e, "timeout: must be at least 1s");
	return rc;
}

static int check_repository(const struct conf *c, const struct conf_section *s, struct err *e)
{
	const char *name = conf_get(s, "repository");
	return !name || conf_find(c, "repository", name)
		       ? 0
		       : conf_err(c, s, "repository", e, "there is no [repository.%s]", name);
}

static bool is_twice(const struct settings_announce *a)
{
	for (size_t i = 0; i + 1 < a->count; i++)
		if (strcmp(a->at[i].name, a->at[a->count - 1].name) == 0)
			return true;
	return false;
}

int settings_announce_read(const struct conf *c, const char *repository,
			   struct settings_announce *out, struct err *e)
{
	CLEANUP(settings_announce_release) struct settings_announce a = { 0 };
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "announce", i)); i++) {
		const char *of = conf_get(s, "repository");
		int rc = check_repository(c, s, e);
		if (rc == 0 && of && repository && strcmp(of, repository) != 0)
			continue;
		if (rc == 0)
			rc = read_hook(c, s, &a, e);
		if (rc == 0 && is_twice(&a))
			rc = conf_err(c, s, NULL, e, "there are two hooks of this name");
		if (rc < 0)
			return rc;
	}
	*out = a;
	a = (struct settings_announce){ 0 };
	return 0;
}
