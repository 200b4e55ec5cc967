#include "oci/config.h"

#include "json/json.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define MAX_SECRET 16384 /* bytes of "auth", decoded */
#define DOCKER_HUB "https://index.docker.io/v1/"

static void wipe(char **text)
{
	if (*text)
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void oci_config_release(struct oci_config *c)
{
	free(c->server);
	free(c->helper);
	free(c->user);
	wipe(&c->password);
	wipe(&c->identity);
	wipe(&c->token);
	*c = (struct oci_config){ 0 };
}

static void wipe_json(json_t **value)
{
	json_release(value);
}

/* "https://ghcr.io/v2/" and "ghcr.io" are the same registry. */
static bool is_of(const char *entry, const char *host)
{
	const char *scheme = strstr(entry, "://");
	const char *at = scheme ? scheme + 3 : entry;
	size_t len = strcspn(at, "/");
	bool hub = (len == 15 && strncmp(at, "index.docker.io", len) == 0) ||
		   (len == 9 && strncmp(at, "docker.io", len) == 0);
	if (hub && strcmp(host, "registry-1.docker.io") == 0)
		return true;
	return len == strlen(host) && strncmp(at, host, len) == 0;
}

static const json_t *find(const json_t *object, const char *host)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)object, key, value) {
		if (is_of(key, host))
			return value;
	}
	return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text && *text ? text : NULL;
}

static void take(char **to, const char *text)
{
	if (text) {
		wipe(to);
		*to = mem_strdup(text);
	}
}

/* base64_decode() takes so many bytes at a time. */
#define BLOCK 1020

static bool decode(char *out, size_t bytes, const char *text, size_t len)
{
	for (; bytes > BLOCK; bytes -= BLOCK, out += BLOCK, text += BLOCK / 3 * 4) {
		if (len < BLOCK / 3 * 4 || !base64_decode(out, BLOCK, text, BLOCK / 3 * 4))
			return false;
		len -= BLOCK / 3 * 4;
	}
	return base64_decode(out, bytes, text, len);
}

/* base64(user:password) */
static int read_auth(const char *text, const char *what, struct oci_config *out, struct err *e)
{
	char plain[MAX_SECRET + 1] = "";
	size_t len = strlen(text), pad = 0;
	while (pad < 2 && len > pad && text[len - 1 - pad] == '=')
		pad++;
	size_t bytes = len / 4 * 3 - MIN(pad, len / 4 * 3);
	char *colon = NULL;
	if (bytes && bytes <= MAX_SECRET && decode(plain, bytes, text, len) &&
	    !memchr(plain, 0, bytes))
		colon = strchr(plain, ':');
	if (colon) {
		*colon = '\0';
		take(&out->user, plain);
		take(&out->password, colon + 1);
	}
	mem_wipe(plain, sizeof plain);
	return colon ? 0
		     : err_set(e, ERR_USAGE, "%s: \"auth\" is not base64 of USER:PASSWORD", what);
}

static int read_entry(const json_t *entry, const char *what, struct oci_config *out, struct err *e)
{
	const char *auth = text_of(entry, "auth");
	int rc = auth ? read_auth(auth, what, out, e) : 0;
	if (rc < 0)
		return rc;
	take(&out->user, text_of(entry, "username"));
	take(&out->password, text_of(entry, "password"));
	take(&out->identity, text_of(entry, "identitytoken"));
	take(&out->token, text_of(entry, "registrytoken"));
	return 0;
}

/* A part of a file name: nothing that could lead to another folder. */
static bool is_helper(const char *name)
{
	size_t len = strlen(name);
	return len && len <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       len;
}

static int read_helper(const json_t *root, const char *what, const char *host,
		       struct oci_config *out, struct err *e)
{
	const char *name = json_string_value(find(json_object_get(root, "credHelpers"), host));
	if (!name)
		name = json_string_value(json_object_get(root, "credsStore"));
	if (!name || !*name)
		return 0;
	if (!is_helper(name))
		return err_set(e, ERR_USAGE, "%s: the name of the credential helper is not valid",
			       what);
	out->helper = mem_strdup(name);
	bool hub = strcmp(host, "registry-1.docker.io") == 0;
	out->server = mem_strdup(hub ? DOCKER_HUB : host);
	return 0;
}

int oci_config_parse(const void *data, size_t len, const char *what, const char *host,
		     struct oci_config *out, struct err *e)
{
	CLEANUP(wipe_json) json_t *root = NULL;
	CLEANUP(oci_config_release) struct oci_config c = { 0 };
	struct err bad = ERR_INIT;
	if (json_lenient(data, len, OCI_CONFIG_MAX, what, &root, &bad) < 0)
		return err_set(e, ERR_USAGE, "%s", bad.text);
	if (!json_is_object(root))
		return err_set(e, ERR_USAGE, "%s: not a JSON object", what);
	int rc = read_helper(root, what, host, &c, e);
	if (rc == 0)
		rc = read_entry(find(json_object_get(root, "auths"), host), what, &c, e);
	if (rc < 0)
		return rc;
	*out = c;
	c = (struct oci_config){ 0 };
	return 0;
}

int oci_config_helper_answer(const void *data, size_t len, struct oci_config *out, struct err *e)
{
	CLEANUP(wipe_json) json_t *root = NULL;
	struct err bad = ERR_INIT;
	bool ok = json_lenient(data, len, OCI_CONFIG_MAX, "the answer", &root, &bad) == 0;
	const char *user = text_of(root, "Username"), *secret = text_of(root, "Secret");
	if (!ok || !user || !secret)
		return err_set(e, ERR_AUTH,
			       "the answer of the credential helper has no Username and Secret");
	if (strcmp(user, "<token>") == 0) {
		take(&out->identity, secret);
		return 0;
	}
	take(&out->user, user);
	take(&out->password, secret);
	return 0;
}
