#include "settings/alert.h"

#include "http/url.h"
#include "settings/secret.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S 30

static const char *const kinds[] = { "command", "webhook", "slack", "alertmanager" };

const char *settings_alert_kind_name(enum settings_alert_kind kind)
{
	return kinds[kind];
}

static void release(struct settings_alert *a)
{
	free(a->name);
	free(a->repository);
	settings_secret_free(a->url);
	str_list_release(&a->words);
	str_list_release(&a->mirrors);
}

void settings_alerts_release(struct settings_alerts *a)
{
	for (size_t i = 0; i < a->count; i++)
		release(&a->at[i]);
	free(a->at);
	*a = (struct settings_alerts){ 0 };
}

/* -- what all kinds have --------------------------------------------------------------------- */

static int read_word(const struct conf *c, const struct conf_section *s, const char *key,
		     const char *const *words, size_t count, int *out, struct err *e)
{
	const char *value = conf_get(s, key);
	if (!value)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(value, words[i]) == 0) {
			*out = (int)i;
			return 0;
		}
	CLEANUP(buf_release) struct buf all = BUF_INIT(KIB);
	for (size_t i = 0; i < count; i++)
		buf_addf(&all, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
	return conf_err(c, s, key, e, "%s: must be %s, not '%s'", key, buf_str(&all), value);
}

static int read_kind(const struct conf *c, const struct conf_section *s, struct settings_alert *a,
		     struct err *e)
{
	static const char *const states[] = { "unknown", "warning", "critical" };
	int kind = 0, on = SETTINGS_ALERT_ON_WARNING;
	if (!*s->name)
		return conf_err(c, s, NULL, e, "the section needs a name: [alert.NAME]");
	if (!conf_get(s, "kind"))
		return conf_err(c, s, NULL, e,
				"kind: is missing: command, webhook, slack or alertmanager");
	int rc = read_word(c, s, "kind", kinds, ARRAY_LEN(kinds), &kind, e);
	if (rc == 0)
		rc = read_word(c, s, "on", states, ARRAY_LEN(states), &on, e);
	a->name = mem_strdup(s->name);
	a->kind = (enum settings_alert_kind)kind;
	a->on = (enum settings_alert_on)on;
	return rc;
}

static int read_scope(const struct conf *c, const struct conf_section *s, struct settings_alert *a,
		      struct err *e)
{
	const char *repository = conf_get(s, "repository");
	conf_get_words(s, "mirrors", &a->mirrors);
	if (!repository)
		return 0;
	if (!conf_find(c, "repository", repository))
		return conf_err(c, s, "repository", e, "there is no [repository.%s]", repository);
	a->repository = mem_strdup(repository);
	return 0;
}

static int read_times(const struct conf *c, const struct conf_section *s, struct settings_alert *a,
		      struct err *e)
{
	a->timeout_s = TIMEOUT_S;
	int rc = conf_get_duration(c, s, "timeout", &a->timeout_s, e);
	if (rc == 0 && !a->timeout_s)
		rc = conf_err(c, s, "timeout", e, "timeout: must be at least 1s");
	if (rc == 0)
		rc = conf_get_duration(c, s, "repeat", &a->repeat_s, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "resolve-after", &a->resolve_after_s, e);
	return rc;
}

/* -- commands -------------------------------------------------------------------------------- */

/* A program that is a path is relative to the file's folder, as all paths. */
static int read_command(const struct conf *c, const struct conf_section *s,
			struct settings_alert *a, struct err *e)
{
	conf_get_words(s, "command", &a->words);
	if (!a->words.count)
		return conf_err(c, s, "command", e, "command: name the program, and its arguments");
	if (!strchr(a->words.at[0], '/'))
		return 0;
	CLEANUP(mem_free_ptr) char *joined = path_join(c->dir ? c->dir : ".", a->words.at[0]);
	free(a->words.at[0]);
	a->words.at[0] = path_absolute(joined);
	return 0;
}

/* -- URLs ------------------------------------------------------------------------------------ */

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       str_starts(host, "127.");
}

/* Messages name where the URL came from, never the URL: its path may be the secret. */
static int check_url(const struct settings_alert *a, const char *text, const char *from,
		     struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err unsafe = ERR_INIT;
	if (url_parse(text, &url, &unsafe) < 0)
		return err_set(e, ERR_USAGE, "%s has no URL of http or https", from);
	if (a->kind == SETTINGS_ALERT_ALERTMANAGER && url.query)
		return err_set(e, ERR_USAGE,
			       "the URL in %s has a query, but an Alertmanager's URL has "
			       "none",
			       from);
	if (a->kind == SETTINGS_ALERT_SLACK && strcmp(url.scheme, "https") != 0 &&
	    !is_loopback(url.host))
		return err_set(e, ERR_USAGE,
			       "the URL in %s is not https: others could read it on "
			       "the way to Slack",
			       from);
	return 0;
}

static int take_url(struct settings_alert *a, char *text, const char *from, struct err *e)
{
	char *url = url_tidy(text);
	settings_secret_free(text);
	int rc = check_url(a, url, from, e);
	if (rc < 0)
		settings_secret_free(url);
	else
		a->url = url;
	return rc;
}

static int read_url_file(const struct conf *c, const struct conf_section *s,
			 struct settings_alert *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = conf_get_path(c, s, "url-file");
	char *text = NULL;
	int rc = settings_secret_read(path, &text, e);
	return rc < 0 ? rc : take_url(a, text, path, e);
}

static int read_url_variable(const char *name, struct settings_alert *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *from = mem_printf("the environment variable %s", name);
	const char *value = getenv(name);
	if (value && *value)
		return take_url(a, mem_strdup(value), from, e);
	return err_set(e, ERR_USAGE, "%s is not set; it must contain the URL", from);
}

/* The URL of an Alertmanager is the only one that may be no secret. */
static int read_plain_url(const struct conf *c, const struct conf_section *s,
			  struct settings_alert *a, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err why = ERR_INIT;
	const char *text = conf_get(s, "url");
	if (a->kind != SETTINGS_ALERT_ALERTMANAGER)
		return conf_err(c, s, "url", e,
				"url: whoever knows the URL can post there: put it into a file "
				"with mode 0600 and name that with url-file, or into the "
				"environment (url-env)");
	if (url_parse(text, &url, &why) < 0)
		return conf_err(c, s, "url", e, "url: %s", why.text);
	if (url.user || url.query)
		return conf_err(c, s, "url", e,
				"url: has a user name or a query: put it into a file with mode "
				"0600 and name that with url-file");
	a->url = url_tidy(text);
	return 0;
}

static int read_url(const struct conf *c, const struct conf_section *s, struct settings_alert *a,
		    struct err *e)
{
	const char *plain = conf_get(s, "url"), *file = conf_get(s, "url-file"),
		   *variable = conf_get(s, "url-env");
	if (!!plain + !!file + !!variable > 1)
		return conf_err(c, s, NULL, e, "url, url-file and url-env exclude each other");
	if (plain)
		return read_plain_url(c, s, a, e);
	if (!file && !variable)
		return conf_err(c, s, NULL, e, "the kind '%s' needs url-file or url-env%s",
				kinds[a->kind],
				a->kind == SETTINGS_ALERT_ALERTMANAGER ? ", or url" : "");
	int rc = file ? read_url_file(c, s, a, &a->fault)
		      : read_url_variable(variable, a, &a->fault);
	if (rc < 0)
		err_context(&a->fault, "[alert.%s]", a->name);
	return 0;
}

/* -- sections -------------------------------------------------------------------------------- */

static int read_section(const struct conf *c, const struct conf_section *s,
			struct settings_alert *a, struct err *e)
{
	static const char *const common[] = {
		"kind", "on", "mirrors", "timeout", "repository", NULL
	};
	static const char *const own[SETTINGS_ALERT_KINDS][5] = {
		[SETTINGS_ALERT_COMMAND] = { "command", "repeat" },
		[SETTINGS_ALERT_WEBHOOK] = { "url", "url-file", "url-env", "repeat" },
		[SETTINGS_ALERT_SLACK] = { "url", "url-file", "url-env", "repeat" },
		[SETTINGS_ALERT_ALERTMANAGER] = { "url", "url-file", "url-env", "resolve-after" },
	};
	const char *keys[ARRAY_LEN(common) + ARRAY_LEN(own[0])];
	size_t count = 0;
	int rc = read_kind(c, s, a, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; common[i]; i++)
		keys[count++] = common[i];
	for (size_t i = 0; own[a->kind][i]; i++)
		keys[count++] = own[a->kind][i];
	keys[count] = NULL;
	rc = conf_check_keys(c, s, keys, e);
	if (rc == 0)
		rc = read_scope(c, s, a, e);
	if (rc == 0)
		rc = read_times(c, s, a, e);
	if (rc == 0)
		rc = a->kind == SETTINGS_ALERT_COMMAND ? read_command(c, s, a, e)
						       : read_url(c, s, a, e);
	return rc;
}

int settings_alerts_read(const struct conf *c, struct settings_alerts *out, struct err *e)
{
	CLEANUP(settings_alerts_release) struct settings_alerts all = { 0 };
	const struct conf_section *s;
	for (size_t i = 0; (s = conf_nth(c, "alert", i)); i++) {
		all.at = mem_grow(all.at, all.count, &all.cap, sizeof *all.at);
		struct settings_alert *a = &all.at[all.count++];
		*a = (struct settings_alert){ 0 };
		int rc = read_section(c, s, a, e);
		if (rc < 0)
			return rc;
	}
	*out = all;
	all = (struct settings_alerts){ 0 };
	return 0;
}
