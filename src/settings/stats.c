#include "settings/stats.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DAY_S ((uint64_t)86400)

void settings_stats_release(struct settings_stats *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->logs[i].mirror);
		free(s->logs[i].where);
	}
	free(s->logs);
	free(s->database);
	free(s->country);
	str_list_release(&s->catalogs);
	*s = (struct settings_stats){ 0 };
}

bool settings_stats_log_parse(const char *text, struct settings_stats_log *out)
{
	const char *equals = strchr(text, '='), *slash = strchr(text, '/');
	/* A path may contain '=', a name no '/'. */
	if (!equals || (slash && slash < equals)) {
		*out = (struct settings_stats_log){ NULL, mem_strdup(text) };
		return true;
	}
	CLEANUP(mem_free_ptr) char *name = mem_strndup(text, (size_t)(equals - text));
	if (!path_is_id(name) || !equals[1])
		return false;
	*out = (struct settings_stats_log){ STEAL(name), mem_strdup(equals + 1) };
	return true;
}

static int read_logs(const struct conf *c, const struct conf_section *s, struct settings_stats *t,
		     struct err *e)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(s, "logs", &words);
	for (size_t i = 0; i < words.count; i++) {
		t->logs = mem_grow(t->logs, t->count, &t->cap, sizeof *t->logs);
		if (!settings_stats_log_parse(words.at[i], &t->logs[t->count]))
			return conf_err(c, s, "logs", e,
					"logs: MIRROR=WHERE, where MIRROR is the name of a mirror");
		t->count++;
	}
	return 0;
}

/* A file beside ferry.conf; a URL stays as it is. */
static char *read_place(const struct conf *c, const struct conf_section *s, const char *key)
{
	const char *value = conf_get(s, key);
	return value && strstr(value, "://") ? mem_strdup(value) : conf_get_path(c, s, key);
}

static void read_catalogs(const struct conf *c, const struct conf_section *s,
			  struct settings_stats *t)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	conf_get_words(s, "catalogs", &words);
	for (size_t i = 0; i < words.count; i++)
		str_list_take(&t->catalogs, path_join(c->dir ? c->dir : ".", words.at[i]));
}

int settings_stats_read(const struct conf *c, struct settings_stats *out, struct err *e)
{
	static const char *const keys[] = {
		"database", "country", "logs", "catalogs", "keep", NULL
	};
	const struct conf_section *s = conf_find(c, "stats", "");
	CLEANUP(settings_stats_release) struct settings_stats t = { 0 };
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "keep", &t.keep_s, e);
	if (rc == 0 && t.keep_s && t.keep_s < 7 * DAY_S)
		rc = conf_err(c, s, "keep", e, "keep: at least 7d");
	if (rc == 0)
		rc = read_logs(c, s, &t, e);
	if (rc < 0)
		return rc;
	t.database = read_place(c, s, "database");
	t.country = conf_get_path(c, s, "country");
	read_catalogs(c, s, &t);
	*out = t;
	t = (struct settings_stats){ 0 };
	return 0;
}
