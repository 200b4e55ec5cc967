#include "settings/site.h"

#include "util/mem.h"

#include <string.h>

void settings_site_release(struct settings_site *s)
{
	free(s->intro);
	free(s->url);
	free(s->output);
	str_list_release(&s->mirrors);
	*s = (struct settings_site){ 0 };
}

/* Pages have it in links, and readers of feeds keep it: no user name, no query. */
static bool is_base(const char *url)
{
	const char *scheme = strstr(url, "://");
	if (!scheme || (!str_starts(url, "https://") && !str_starts(url, "http://")))
		return false;
	const char *host = scheme + strlen("://");
	for (const char *c = host; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
		    strchr("?#@\"'<>\\`{|}^", *c))
			return false;
	return *host && *host != '/';
}

static int read_url(const struct conf *c, const struct conf_section *s, char **out, struct err *e)
{
	const char *url = conf_get(s, "url");
	if (!url)
		return 0;
	if (!is_base(url))
		return conf_err(c, s, "url", e,
				"url: not the URL of a site, such as "
				"https://models.example.org/site/");
	*out = mem_printf("%s%s", url, str_ends(url, "/") ? "" : "/");
	return 0;
}

int settings_site_read(const struct conf *c, struct settings_site *out, struct err *e)
{
	static const char *const keys[] = { "repository", "title",   "intro",  "url",
					    "statistics", "mirrors", "output", NULL };
	const struct conf_section *s = conf_find(c, "site", "");
	CLEANUP(settings_site_release) struct settings_site t = { .statistics = true };
	int rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = conf_get_bool(c, s, "statistics", &t.statistics, e);
	if (rc == 0)
		rc = read_url(c, s, &t.url, e);
	if (rc < 0)
		return rc;
	t.repository = conf_get(s, "repository");
	t.title = conf_get(s, "title");
	t.intro = conf_get_path(c, s, "intro");
	t.output = conf_get_path(c, s, "output");
	conf_get_words(s, "mirrors", &t.mirrors);
	*out = t;
	t = (struct settings_site){ 0 };
	return 0;
}
