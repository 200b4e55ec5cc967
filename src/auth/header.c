#include "auth/header.h"

#include "auth/key.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define HUB_PREFIX "hf_"

/* Behind the word of the scheme and at least one blank; else NULL. */
static const char *behind(const char *value, const char *scheme)
{
	size_t len = strlen(scheme);
	if (!str_starts_nocase(value, scheme) || value[len] != ' ')
		return NULL;
	return value + len + strspn(value + len, " ");
}

static size_t without_blanks(const char *s)
{
	size_t len = strlen(s);
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	return len;
}

static bool is_token(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return len;
}

static bool basic(const char *text, size_t len, struct buf *out)
{
	CLEANUP(buf_wipe) struct buf pair = BUF_INIT(AUTH_HEADER_MAX);
	if (!base64_decode_all(&pair, text, len))
		return false;
	const char *colon = pair.len ? memchr(pair.data, ':', pair.len) : NULL;
	if (!colon)
		return false;
	size_t password = pair.len - (size_t)(colon + 1 - pair.data);
	if (!is_token(colon + 1, password))
		return false;
	buf_add(out, colon + 1, password);
	return !out->overflow;
}

/* "hf_<id><secret>" becomes "ferry_<id>_<secret>". */
static void respell(struct buf *token, size_t from)
{
	const char *text = buf_str(token) + from;
	const size_t len = AUTH_KEY_ID + AUTH_KEY_SECRET;
	if (!str_starts(text, HUB_PREFIX) || strlen(text) != strlen(HUB_PREFIX) + len ||
	    strspn(text + strlen(HUB_PREFIX), "0123456789abcdef") != len)
		return;
	char key[AUTH_KEY_LEN + 1];
	snprintf(key, sizeof key, AUTH_KEY_PREFIX "%.*s_%s", AUTH_KEY_ID, text + strlen(HUB_PREFIX),
		 text + strlen(HUB_PREFIX) + AUTH_KEY_ID);
	token->len = from;
	buf_add(token, key, strlen(key));
	mem_wipe(key, sizeof key);
}

static bool parse(const char *value, struct buf *out)
{
	const char *text;
	if (strnlen(value, AUTH_HEADER_MAX + 1) > AUTH_HEADER_MAX)
		return false;
	if ((text = behind(value, "Basic")))
		return basic(text, without_blanks(text), out);
	if (!(text = behind(value, "Bearer")))
		return false;
	size_t len = without_blanks(text);
	if (!is_token(text, len))
		return false;
	buf_add(out, text, len);
	return !out->overflow;
}

bool auth_header_parse(const char *value, struct buf *out)
{
	size_t from = out->len;
	if (!parse(value, out))
		return false;
	respell(out, from);
	return !out->overflow;
}
