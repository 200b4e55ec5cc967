#include "github/github.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define DOWNLOADS "/releases/download"

/* -- names ------------------------------------------------------------------------ */

/* They are parts of URLs. */
static int check_name(const char *what, const char *name, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = name ? strlen(name) : 0;
	if (len && len <= 100 && strspn(name, letters) == len && strspn(name, ".") != len)
		return 0;
	CLEANUP(mem_free_ptr) char *shown = text_escaped(name ? name : "");
	return err_set(e, ERR_USAGE, "'%.100s' is not a valid name of %s on GitHub", shown, what);
}

static bool is_loopback(const struct url *u)
{
	return strcmp(u->host, "127.0.0.1") == 0 || strcmp(u->host, "[::1]") == 0 ||
	       strcmp(u->host, "localhost") == 0;
}

static bool is_github_com(const struct url *u)
{
	return strcmp(u->host, "api.github.com") == 0 ||
	       (str_starts(u->host, "api.") && str_ends(u->host, ".ghe.com"));
}

/* Is it the user's own choice that this host gets the token? */
static bool is_trusted(const struct url *u, bool own)
{
	const char *host = getenv("GH_HOST");
	return own || is_github_com(u) || (host && *host && str_eq_nocase(host, u->host));
}

/* -- opening ---------------------------------------------------------------------- */

static int take_api(struct github_place *p, const char *text, struct url *url, struct err *e)
{
	int rc = url_parse(text, url, e);
	if (rc < 0)
		return err_context(e, "api");
	if (url->user || url->query) {
		err_set(e, ERR_USAGE, "the API's URL has a user name or a query");
		return err_hint(e, "write only https://HOST/api/v3; the token is read from "
				   "GH_TOKEN (man ferry-github)");
	}
	if (strcmp(url->scheme, "https") != 0 && !is_loopback(url))
		return err_set(e, ERR_USAGE,
			       "the API's URL must begin with https://: a token is "
			       "sent there");
	size_t len = strlen(url->text);
	while (len && url->text[len - 1] == '/')
		len--;
	p->api = mem_strndup(url->text, len);
	p->paced = is_github_com(url);
	return 0;
}

int github_place_open(struct github_place *out, const struct github_place_options *o, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct github_place p = { .clock = o->clock, .cancel = o->cancel };
	int rc = check_name("an owner", o->owner, e);
	if (rc == 0)
		rc = check_name("a repository", o->repo, e);
	if (rc == 0)
		rc = take_api(&p, o->api ? o->api : GITHUB_API, &url, e);
	if (rc == 0 && is_trusted(&url, o->own))
		rc = github_token_find(o->variable, url.host, is_github_com(&url), &p.token,
				       &p.token_from, e);
	if (rc < 0) {
		free(p.api);
		return rc;
	}
	p.owner = mem_strdup(o->owner);
	p.repo = mem_strdup(o->repo);
	*out = p;
	pthread_mutex_init(&out->lock, NULL);
	return 0;
}

void github_place_release(struct github_place *p)
{
	if (!p->owner)
		return;
	if (p->token)
		mem_wipe(p->token, strlen(p->token));
	pthread_mutex_destroy(&p->lock);
	free(p->api);
	free(p->owner);
	free(p->repo);
	free(p->token);
	free(p->token_from);
	*p = (struct github_place){ 0 };
}

struct github_limits github_place_limits(struct github_place *p)
{
	pthread_mutex_lock(&p->lock);
	struct github_limits limits = p->limits;
	pthread_mutex_unlock(&p->lock);
	return limits;
}

/* -- public URLs ------------------------------------------------------------------- */

/* https://docs.github.com/enterprise-server/rest/enterprise-admin */
static char *api_of(const struct url *u)
{
	if (strcmp(u->host, "github.com") == 0)
		return mem_strdup(GITHUB_API);
	CLEANUP(mem_free_ptr) char *host = url_host_header(u);
	if (str_ends(u->host, ".ghe.com"))
		return mem_printf("%s://api.%s", u->scheme, host);
	return mem_printf("%s://%s/api/v3", u->scheme, host);
}

bool github_place_of_url(const char *text, char **api, char **owner, char **repo)
{
	CLEANUP(url_release) struct url url = { 0 };
	CLEANUP(str_list_release) struct str_list parts = { 0 };
	struct err ignored = ERR_INIT;
	if (url_parse(text, &url, &ignored) < 0 || url.query)
		return false;
	str_list_split(&parts, url.path, "/");
	size_t n = parts.count;
	if (n < 4 || strcmp(parts.at[n - 1], "download") != 0 ||
	    strcmp(parts.at[n - 2], "releases") != 0)
		return false;
	*api = api_of(&url);
	*owner = mem_strdup(parts.at[n - 4]);
	*repo = mem_strdup(parts.at[n - 3]);
	return true;
}

char *github_place_downloads(const char *api, const char *owner, const char *repo)
{
	const char *from = api ? api : GITHUB_API, *host = strstr(from, "://");
	host = host ? host + 3 : from;
	int scheme = (int)(host - from), len = (int)strcspn(host, "/");
	if (str_starts(host, "api.")) {
		host += strlen("api.");
		len -= (int)strlen("api.");
	}
	return mem_printf("%.*s%.*s/%s/%s" DOWNLOADS, scheme, from, len, host, owner, repo);
}

/* -- the token's time ---------------------------------------------------------------- */

/* Seconds east of UTC. */
static bool parse_zone(const char *s, int64_t *out_s)
{
	uint64_t n;
	*out_s = 0;
	if (strcmp(s, "UTC") == 0)
		return true;
	if ((s[0] != '+' && s[0] != '-') || strlen(s) != 5 || !parse_u64(s + 1, &n))
		return false;
	*out_s = (int64_t)(n / 100 * 3600 + n % 100 * 60) * (s[0] == '-' ? -1 : 1);
	return true;
}

bool github_parse_expiry(const char *text, int64_t *out_s)
{
	int64_t time_s, zone_s;
	if (strlen(text) < 21 || text[10] != ' ' || text[19] != ' ' ||
	    !parse_zone(text + 20, &zone_s))
		return false;
	CLEANUP(mem_free_ptr) char *rfc = mem_printf("%.10sT%.8sZ", text, text + 11);
	if (!parse_time(rfc, &time_s))
		return false;
	*out_s = time_s - zone_s;
	return true;
}
