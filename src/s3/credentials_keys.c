#include "s3/credentials_internal.h"

#include "util/mem.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ANSWER (64 * KIB)
#define MAX_SECRET 8192

/* -- for all sources --------------------------------------------------------------- */

const char *credentials_env(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

bool credentials_env_true(const char *name)
{
	const char *value = credentials_env(name);
	return value && str_eq_nocase(value, "true");
}

void credentials_tried(struct credentials_search *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_addf(&s->tried, "%s%s", s->tried.len ? ", " : "", text);
}

void credentials_came_from(struct credentials_search *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	free(s->source);
	s->source = text_escaped(text);
}

/* -- keys -------------------------------------------------------------------------- */

static void wipe_text(char **text)
{
	if (*text)
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void s3_keys_release(struct s3_keys *k)
{
	wipe_text(&k->id);
	wipe_text(&k->secret);
	wipe_text(&k->token);
	k->expires_s = 0;
}

void credentials_set(struct s3_keys *out, const char *id, const char *secret, const char *token)
{
	s3_keys_release(out);
	out->id = mem_strdup(id);
	out->secret = mem_strdup(secret);
	out->token = token && *token ? mem_strdup(token) : NULL;
}

/* The offset from UTC in "+01:30" or "+0130". */
static bool parse_offset(const char *text, int64_t *out_s)
{
	unsigned hours, minutes;
	int end = 0;
	if (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || text[1 + end])
		if (sscanf(text + 1, "%2u%2u%n", &hours, &minutes, &end) != 2 || text[1 + end])
			return false;
	*out_s = (int64_t)(hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
	return true;
}

bool credentials_time(const char *text, int64_t *out_s)
{
	char utc[TIME_TEXT];
	int64_t offset_s = 0;
	if (strlen(text) < 20)
		return false;
	snprintf(utc, sizeof utc, "%.19sZ", text);
	if (!parse_time(utc, out_s))
		return false;
	const char *zone = text + 19;
	if (*zone == '.')
		zone += 1 + strspn(zone + 1, "0123456789");
	if ((*zone == '+' || *zone == '-') && !parse_offset(zone, &offset_s))
		return false;
	*out_s -= offset_s;
	return *zone == '+' || *zone == '-' || strcmp(zone, "Z") == 0 || strcmp(zone, "UTC") == 0;
}

/* -- documents with secrets ---------------------------------------------------------- */

int credentials_json(const struct buf *text, const char *what, json_t **out, struct err *e)
{
	struct err hidden = ERR_INIT; /* it would show the text near the fault */
	if (json_lenient(buf_str(text), text->len, MAX_ANSWER, what, out, &hidden) < 0 ||
	    !json_is_object(*out))
		return err_set(e, ERR_AUTH, "%s is not a valid JSON object", what);
	return 0;
}

void credentials_json_wipe(json_t **value)
{
	const char *key;
	json_t *child;
	if (json_is_string(*value))
		mem_wipe((char *)json_string_value(*value), json_string_length(*value));
	json_object_foreach (*value, key, child)
		if (json_is_string(child))
			mem_wipe((char *)json_string_value(child), json_string_length(child));
	json_release(value);
}

static int need_text(const json_t *object, const char *key, const char *what, const char **out,
		     struct err *e)
{
	*out = json_string_value(json_object_get(object, key));
	if (!*out || !**out || strlen(*out) > MAX_SECRET)
		return err_set(e, ERR_AUTH, "%s has no usable %s", what, key);
	return 0;
}

int credentials_from_json(const json_t *object, const char *token, const char *what,
			  struct s3_keys *out, struct err *e)
{
	const char *id, *secret;
	const char *session = json_text(object, token), *expires = json_text(object, "Expiration");
	int64_t expires_s = 0;
	int rc = need_text(object, "AccessKeyId", what, &id, e);
	if (rc == 0)
		rc = need_text(object, "SecretAccessKey", what, &secret, e);
	if (rc == 0 && expires && !credentials_time(expires, &expires_s))
		rc = err_set(e, ERR_AUTH, "%s has an Expiration that is not a time", what);
	if (rc < 0)
		return rc;
	credentials_set(out, id, secret, session);
	out->expires_s = expires_s;
	return 0;
}
