#include "mirror/git_remote.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>

void mirror_git_remote_release(struct mirror_git_remote *r)
{
	free(r->url);
	free(r->user);
	free(r->host);
	free(r->path);
	*r = (struct mirror_git_remote){ 0 };
}

static int refuse(const char *text, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(text);
	CLEANUP(mem_free_ptr) char *safe = text_escaped(shown);
	return err_set(e, ERR_USAGE, "remote '%.200s': %s", safe, why);
}

/* ---- http ------------------------------------------------------------------------ */

static int parse_http(const char *text, struct mirror_git_remote *out, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(text, &url, e);
	if (rc < 0)
		return err_context(e, "remote");
	if (url.password)
		return refuse(text, "has a password: ferry.conf is not the place for it", e);
	if (url.query)
		return refuse(text, "has a query (?…)", e);
	*out = (struct mirror_git_remote){ .way = MIRROR_GIT_HTTP };
	size_t len = strlen(url.text);
	while (len && url.text[len - 1] == '/')
		len--;
	out->url = mem_strndup(url.text, len);
	out->user = url.user ? mem_strdup(url.user) : NULL;
	out->host = mem_strdup(url.host);
	out->path = mem_strdup(url.path);
	out->https = strcmp(url.scheme, "https") == 0;
	return 0;
}

/* ---- ssh ------------------------------------------------------------------------- */

static bool is_plain(const char *s, const char *more)
{
	for (const char *c = s; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		      (*c >= '0' && *c <= '9') || strchr(more, *c)))
			return false;
	return *s && *s != '-';
}

/* "USER@HOST:PORT", "[::1]:22" */
static bool take_host(const char *text, size_t len, struct mirror_git_remote *out)
{
	CLEANUP(mem_free_ptr) char *whole = mem_strndup(text, len);
	char *at = strrchr(whole, '@'), *host = at ? at + 1 : whole, *end = strrchr(host, ']');
	uint64_t port = 0;
	if (at)
		*at = '\0';
	if (at && !is_plain(whole, "._-+"))
		return false;
	char *colon = strchr(end ? end : host, ':');
	if (colon && (!parse_u64(colon + 1, &port) || !port || port > 65535))
		return false;
	if (colon)
		*colon = '\0';
	if (end && *host == '[') {
		*end = '\0';
		host++;
	}
	if (!is_plain(host, end ? ".:" : "._-"))
		return false;
	out->user = at ? mem_strdup(whole) : NULL;
	out->host = mem_strdup(host);
	out->port = (unsigned)port;
	return true;
}

static int take_ssh(const char *text, const char *host, size_t len, char *path,
		    struct mirror_git_remote *out, struct err *e)
{
	CLEANUP(mirror_git_remote_release) struct mirror_git_remote r = { .way = MIRROR_GIT_SSH };
	r.path = path;
	r.url = mem_strdup(text);
	if (!take_host(host, len, &r))
		return refuse(text, "its user, host or port is not valid", e);
	/* "helper::address" would run a program. */
	if (!*path || *path == '-' || *path == ':')
		return refuse(text, "its path is not valid", e);
	*out = r;
	r = (struct mirror_git_remote){ 0 };
	return 0;
}

static int parse_ssh_url(const char *text, struct mirror_git_remote *out, struct err *e)
{
	const char *host = text + strlen("ssh://");
	size_t len = strcspn(host, "/");
	const char *path = host + len;
	/* ssh://HOST/~USER/PATH: the folder of a user */
	CLEANUP(mem_free_ptr) char *decoded = mem_strdup(str_starts(path, "/~") ? path + 1 : path);
	if (!path_percent_decode(decoded))
		return refuse(text, "its path is not valid", e);
	return take_ssh(text, host, len, STEAL(decoded), out, e);
}

/* ---- files ----------------------------------------------------------------------- */

static int parse_file(const char *text, struct mirror_git_remote *out, struct err *e)
{
	char *path = NULL;
	int rc = str_starts_nocase(text, "file:") ? url_file_path(text, &path, e) : 0;
	if (rc < 0)
		return err_context(e, "remote");
	if (!path && *text != '/')
		return refuse(text, "is neither a URL nor an absolute path", e);
	*out = (struct mirror_git_remote){ .way = MIRROR_GIT_FILE };
	out->path = path ? path : mem_strdup(text);
	out->url = mem_strdup(text);
	out->host = mem_strdup("");
	return 0;
}

int mirror_git_remote_parse(const char *text, struct mirror_git_remote *out, struct err *e)
{
	size_t colon = strcspn(text, ":/");
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return refuse(text, "has a control character", e);
	if (str_starts_nocase(text, "https://") || str_starts_nocase(text, "http://"))
		return parse_http(text, out, e);
	if (str_starts_nocase(text, "ssh://"))
		return parse_ssh_url(text, out, e);
	if (str_starts_nocase(text, "file:") || *text == '/')
		return parse_file(text, out, e);
	if (strstr(text, "://"))
		return refuse(text, "must begin with https://, ssh:// or file://", e);
	if (text[colon] == ':')
		return take_ssh(text, text, colon, mem_strdup(text + colon + 1), out, e);
	return parse_file(text, out, e);
}

char *mirror_git_remote_raw_url(const struct mirror_git_remote *r, const char *branch,
				const char *prefix)
{
	if (strcmp(r->host, "github.com") != 0)
		return NULL;
	const char *path = r->path + (*r->path == '/');
	size_t len = strlen(path);
	while (len && path[len - 1] == '/')
		len--;
	if (len > 4 && strncmp(path + len - 4, ".git", 4) == 0)
		len -= 4;
	CLEANUP(mem_free_ptr) char *tree = mem_printf("%.*s/%s/%s", (int)len, path, branch, prefix);
	CLEANUP(mem_free_ptr) char *code = path_percent_encode(tree, "/");
	size_t end = strlen(code);
	return mem_printf("https://raw.githubusercontent.com/%.*s", (int)end - 1, code);
}

bool mirror_git_remote_is_loopback(const struct mirror_git_remote *r)
{
	bool address = r->host[strspn(r->host, "0123456789.")] == '\0';
	return (address && str_starts(r->host, "127.")) || strcmp(r->host, "localhost") == 0 ||
	       strcmp(r->host, "[::1]") == 0 || strcmp(r->host, "::1") == 0;
}
