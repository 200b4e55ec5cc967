#include "hub/account.h"

#include "catalog/link.h"
#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX (4 * KIB)

void hub_account_release(struct hub_account *a)
{
	if (a->authorization)
		mem_wipe(a->authorization, strlen(a->authorization));
	free(a->authorization);
	free(a->endpoint);
	free(a->token_from);
	*a = (struct hub_account){ 0 };
}

/* ---- the endpoint ------------------------------------------------------------------- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static int find_endpoint(char **out, struct err *e)
{
	const char *given = variable("HF_ENDPOINT");
	CLEANUP(mem_free_ptr) char *text = url_tidy(given ? given : HUB_ENDPOINT);
	CLEANUP(url_release) struct url u = { 0 };
	int rc = url_parse(text, &u, e);
	if (rc < 0)
		return err_context(e, "HF_ENDPOINT");
	if (u.user || u.query)
		return err_set(e, ERR_USAGE,
			       "HF_ENDPOINT has a user or a query; a token belongs in HF_TOKEN");
	if (link_is_plain_http(u.text)) {
		err_set(e, ERR_USAGE, "HF_ENDPOINT is %s, which anybody on the way can change",
			u.text);
		return err_hint(e, "use https://; http:// is for servers on this machine");
	}
	*out = mem_strndup(u.text, strlen(u.text) - str_ends(u.text, "/"));
	return 0;
}

/* ---- the token ---------------------------------------------------------------------- */

static char *token_path(void)
{
	const char *path = variable("HF_TOKEN_PATH"), *home = variable("HF_HOME");
	CLEANUP(mem_free_ptr) char *cache = NULL;
	struct err none = ERR_INIT;
	if (path)
		return mem_strdup(path);
	if (home)
		return path_join(home, "token");
	if (path_xdg("XDG_CACHE_HOME", ".cache", &cache, &none) < 0)
		return NULL;
	return path_join(cache, "huggingface/token");
}

/* Without the blanks around it: files end with a newline. */
static int take_token(const char *text, const char *from, struct hub_account *a, struct err *e)
{
	text += strspn(text, " \t\r\n");
	size_t len = strcspn(text, " \t\r\n");
	if (!len)
		return 0;
	bool good = text[len + strspn(text + len, " \t\r\n")] == '\0';
	for (size_t i = 0; i < len; i++)
		good = good && text[i] > 0x20 && text[i] < 0x7f;
	if (!good)
		return err_set(e, ERR_USAGE, "%s does not contain a token", from);
	a->authorization = mem_printf("Authorization: Bearer %.*s", (int)len, text);
	a->token_from = mem_strdup(from);
	return 0;
}

static int read_token(const char *path, struct hub_account *a, struct err *e)
{
	CLEANUP(buf_wipe) struct buf text = BUF_INIT(TOKEN_MAX);
	int rc = file_read_all(path, &text, e);
	return rc < 0 ? rc : take_token(buf_str(&text), path, a, e);
}

static int find_token(struct hub_account *a, struct err *e)
{
	const char *given = variable("HF_TOKEN"), *off = variable("HF_HUB_DISABLE_IMPLICIT_TOKEN");
	bool disabled = false;
	if (given)
		return take_token(given, "HF_TOKEN", a, e);
	if (off && parse_bool(off, &disabled) && disabled)
		return 0;
	CLEANUP(mem_free_ptr) char *path = token_path();
	return path && file_exists(path) ? read_token(path, a, e) : 0;
}

int hub_account_find(struct hub_account *out, struct err *e)
{
	CLEANUP(hub_account_release) struct hub_account a = { 0 };
	int rc = find_endpoint(&a.endpoint, e);
	if (rc == 0)
		rc = find_token(&a, e);
	if (rc < 0)
		return rc;
	*out = a;
	a = (struct hub_account){ 0 };
	return 0;
}
