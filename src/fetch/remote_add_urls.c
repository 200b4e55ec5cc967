/* The URLs of the endpoints: those that were given, and those of the signed catalog. */
#include "fetch/remote_add_internal.h"

#include "http/url.h"
#include "oci/reference.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MORE_MAX 8 /* of the catalog's: so many are enough to find it again */

/* -- given --------------------------------------------------------------------------------- */

/* As written to the configuration. */
static int check_url(const char *word, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(word);
	CLEANUP(mem_free_ptr) char *shown = url_redact(tidy);
	if (!strstr(tidy, "://")) {
		CLEANUP(mem_free_ptr) char *path = path_absolute(word);
		if (!file_exists(path)) {
			err_set(e, ERR_USAGE, "%s is neither a URL nor a folder or bundle", shown);
			return err_hint(e, "give the URL of a mirror: https://…");
		}
		*out = path_file_url(path);
		return 0;
	}
	word = tidy;
	for (const char *c = word; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return err_set(e, ERR_USAGE, "%s: a URL must not contain blanks", shown);
	if (str_starts_nocase(word, "oci://")) {
		CLEANUP(oci_reference_release) struct oci_reference place = { 0 };
		int rc = oci_reference_parse(word, &place, e);
		if (rc < 0)
			return rc;
	} else if (!str_starts_nocase(word, "file://")) {
		CLEANUP(url_release) struct url url = { 0 };
		int rc = url_parse(word, &url, e);
		if (rc < 0)
			return rc;
		if (url.query)
			return err_set(e, ERR_USAGE, "%s: a base URL must not have a query", shown);
		if (url.user || url.password) {
			err_set(e, ERR_USAGE,
				"%s: the URL must not contain a user name or password", shown);
			return err_hint(e, "the configuration must not contain secrets: give the "
					   "URL without them");
		}
	}
	*out = mem_strdup(word);
	return 0;
}

int remote_add_check_urls(const struct remote_add *what, struct str_list *urls, struct err *e)
{
	for (size_t i = 0; i < what->url_count; i++) {
		char *url = NULL;
		int rc = check_url(what->urls[i], &url, e);
		if (rc < 0)
			return rc;
		if (str_list_has(urls, url))
			free(url);
		else
			str_list_take(urls, url);
	}
	return 0;
}

/* -- of the catalog ---------------------------------------------------------------------------- */

static bool same_scheme(const char *a, const char *b)
{
	size_t len = strcspn(a, ":");
	return strcspn(b, ":") == len && strncasecmp(a, b, len) == 0;
}

/* A publisher's list may name folders of the publisher's machine, and must not lead from encrypted
 * connections to others. */
static bool is_as_safe(const struct remote_adding *a, const char *url)
{
	if (str_starts_nocase(url, "https://") || str_starts_nocase(url, "oci://"))
		return true;
	for (size_t i = 0; i < a->given; i++)
		if (same_scheme(a->urls.at[i], url))
			return true;
	return false;
}

/* Is it an endpoint as soon as its URL is known? Other mirrors need their entry in the catalog. */
static bool works_by_url(const struct endpoint *p)
{
	const struct source *s = p->source;
	return !s->endpoint && s->entry &&
	       (p->state == ENDPOINT_OK || p->state == ENDPOINT_STALE) &&
	       (catalog_mirror_has(s->entry, MIRROR_HOLDS_METADATA) ||
		str_starts_nocase(s->url, "oci://"));
}

void remote_add_more_urls(struct remote_adding *a)
{
	size_t count;
	const struct endpoint *p = endpoints_all(&a->remote->endpoints, &count);
	for (size_t i = 0; i < count && a->urls.count < a->given + MORE_MAX; i++) {
		struct err ignored = ERR_INIT;
		char *url = NULL;
		if (!works_by_url(&p[i]) || !is_as_safe(a, p[i].source->url) ||
		    check_url(p[i].source->url, &url, &ignored) < 0)
			continue;
		str_list_take(&a->urls, url);
	}
}

bool remote_add_is_plain(const char *text)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err ignored = ERR_INIT;
	return str_starts_nocase(text, "http://") && url_parse(text, &url, &ignored) == 0 &&
	       strcmp(url.host, "localhost") != 0 && !str_ends(url.host, ".localhost") &&
	       !str_starts(url.host, "127.") && strcmp(url.host, "[::1]") != 0;
}
