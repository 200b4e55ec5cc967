#include "github/github.h"

#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <ctype.h>
#include <string.h>

#define MAX_NETRC MIB

/* -- netrc ------------------------------------------------------------------------ */

/* The next word, with its end; quotes and backslashes as libcurl reads them. False at the end. */
static bool next_word(const char **at, struct buf *out)
{
	const char *c = *at + strspn(*at, " \t\r\n\v\f");
	bool quoted = *c == '"';
	buf_clear(out);
	if (!*c)
		return false;
	for (c += quoted; *c && (quoted ? *c != '"' : !isspace((unsigned char)*c)); c++) {
		if (quoted && *c == '\\' && c[1])
			c++;
		buf_addc(out, *c);
	}
	*at = c + (quoted && *c == '"');
	return true;
}

/* A macro ends with an empty line. */
static const char *skip_macro(const char *at)
{
	const char *end = strstr(at, "\n\n");
	return end ? end : at + strlen(at);
}

char *github_token_netrc(const char *text, const char *host)
{
	CLEANUP(buf_wipe) struct buf word = BUF_INIT(4 * KIB);
	CLEANUP(buf_wipe) struct buf value = BUF_INIT(4 * KIB);
	bool ours = false;
	while (next_word(&text, &word)) {
		const char *key = buf_str(&word);
		if (strcmp(key, "macdef") == 0)
			text = skip_macro(text);
		else if (strcmp(key, "default") == 0)
			ours = false;
		else if (!next_word(&text, &value))
			break;
		else if (strcmp(key, "machine") == 0)
			ours = str_eq_nocase(buf_str(&value), host);
		else if (ours && strcmp(key, "password") == 0 && !value.overflow)
			return mem_strdup(buf_str(&value));
	}
	return NULL;
}

static char *from_netrc(const char *host)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(MAX_NETRC);
	struct err ignored = ERR_INIT;
	const char *named = getenv("NETRC"), *home = getenv("HOME");
	if (!(named && *named) && !home)
		return NULL;
	CLEANUP(mem_free_ptr)
	char *path = named && *named ? mem_strdup(named) : path_join(home, ".netrc");
	if (file_read_all(path, &text, &ignored) < 0)
		return NULL;
	encoding_to_utf8(&text);
	return github_token_netrc(buf_str(&text), host);
}

/* -- the environment --------------------------------------------------------------- */

static const char *const variables[] = { "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN",
					 "GH_TOKEN", "GITHUB_TOKEN" };
#define FOR_ENTERPRISE 2

static int check(const char *token, const char *from, struct err *e)
{
	for (const char *c = token; *c; c++)
		if (!isgraph((unsigned char)*c))
			return err_set(e, ERR_USAGE,
				       "the token in %s has a blank, a line break or another "
				       "character that no token has",
				       from);
	return 0;
}

/* The first of the variables that is set; NULL: none is. */
static const char *set_variable(const char *own, bool is_github_com)
{
	const char *value = own ? getenv(own) : NULL;
	if (value && *value)
		return own;
	for (size_t i = is_github_com ? FOR_ENTERPRISE : 0; i < ARRAY_LEN(variables); i++) {
		value = getenv(variables[i]);
		if (value && *value)
			return variables[i];
	}
	return NULL;
}

int github_token_find(const char *variable, const char *host, bool is_github_com, char **out,
		      char **from, struct err *e)
{
	const char *name = set_variable(variable, is_github_com);
	char *token = name ? mem_strdup(getenv(name)) : from_netrc(host);
	name = name ? name : "netrc";
	int rc = token ? check(token, name, e) : 0;
	if (rc < 0) {
		mem_wipe(token, strlen(token));
		free(token);
		return rc;
	}
	*out = token;
	*from = token ? mem_strdup(name) : NULL;
	return 0;
}
