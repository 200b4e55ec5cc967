#include "oci/reference.h"

#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME 255
#define MAX_HOST 255
#define MAX_TAG 128

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void oci_reference_release(struct oci_reference *r)
{
	free(r->host);
	free(r->name);
	free(r->origin);
	free(r->base);
	*r = (struct oci_reference){ 0 };
}

/* What may stand between two alphanumeric runs: ".", "_", "__" or any number of "-". */
static bool is_separator(const char *s, size_t len)
{
	if (len == 1)
		return *s == '.' || *s == '_' || *s == '-';
	return (len == 2 && s[0] == '_' && s[1] == '_') || strspn(s, "-") >= len;
}

bool oci_name_is_valid(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > MAX_NAME || !is_alnum(name[0]) || !is_alnum(name[len - 1]))
		return false;
	for (const char *s = name; *s;) {
		if (is_alnum(*s)) {
			s++;
			continue;
		}
		size_t run = strspn(s, "._-");
		bool slash = run == 0 && *s == '/' && is_alnum(s[1]);
		if (!slash && (!run || !is_alnum(s[run]) || !is_separator(s, run)))
			return false;
		s += slash ? 1 : run;
	}
	return true;
}

bool oci_tag_is_valid(const char *tag)
{
	static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
				  ".-";
	size_t len = strlen(tag);
	return len && len <= MAX_TAG && strspn(tag, all) == len && *tag != '.' && *tag != '-';
}

bool oci_digest_parse(const char *text, struct digest *out)
{
	static const char prefix[] = "sha256:";
	size_t skip = sizeof prefix - 1;
	return str_starts(text, prefix) && strlen(text + skip) == 2 * sizeof out->bytes &&
	       hex_decode(out->bytes, sizeof out->bytes, text + skip, false);
}

const char *oci_digest_text(char out[OCI_DIGEST], const struct digest *d)
{
	char hex[DIGEST_HEX];
	snprintf(out, OCI_DIGEST, "sha256:%s", digest_hex(hex, d));
	return out;
}

bool oci_digest_of_key(const char *key, struct digest *out)
{
	const char *name = path_base(key);
	char hex[DIGEST_HEX];
	if (strlen(name) < DIGEST_HEX || name[DIGEST_HEX - 1] != '.')
		return false;
	memcpy(hex, name, DIGEST_HEX - 1);
	hex[DIGEST_HEX - 1] = '\0';
	return hex_decode(out->bytes, sizeof out->bytes, hex, false);
}

bool oci_upload_range(const char *value, uint64_t *size)
{
	char text[64];
	uint64_t last;
	if (str_starts(value, "bytes="))
		value += 6;
	if (!str_starts(value, "0-") || strlen(value) >= sizeof text)
		return false;
	snprintf(text, sizeof text, "%s", value + 2);
	return parse_u64(text, &last) && add_u64(last, 1, size);
}

/* -- parsing ----------------------------------------------------------------------- */

static int refuse(const char *text, const char *why, struct err *e)
{
	const char *start = strstr(text, "://");
	start = start ? start + 3 : text;
	const char *at = memchr(start, '@', strcspn(start, "/"));
	CLEANUP(mem_free_ptr) char *shown = text_escaped(at ? at + 1 : text);
	if (at) {
		err_set(e, ERR_USAGE,
			"'***@%.300s' has a user name or a password: ferry.conf is not the place "
			"for them",
			shown);
		return err_hint(e, "write only oci://HOST/NAME, and give them to `docker login` "
				   "(man ferry-oci)");
	}
	err_set(e, ERR_USAGE, "'%.300s' is not a repository of a registry: %s", shown, why);
	return err_hint(e, "write oci://HOST/NAME, for example oci://ghcr.io/owner/models");
}

static bool is_host(const char *host)
{
	static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  ".-:[]";
	size_t len = strlen(host);
	return len && len <= MAX_HOST && strspn(host, all) == len;
}

static bool is_this_machine(const char *host)
{
	size_t name = strcspn(host, ":");
	return (name == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (str_starts(host, "127.") && strspn(host, "0123456789.") == name) ||
	       str_starts(host, "[::1]");
}

static bool is_docker_hub(const char *host)
{
	return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0;
}

int oci_reference_parse(const char *text, struct oci_reference *out, struct err *e)
{
	bool http = str_starts_nocase(text, "http://"), https = str_starts_nocase(text, "https://");
	const char *scheme = strstr(text, "://");
	const char *at = http || https || str_starts_nocase(text, "oci://") ? scheme + 3 : text;
	const char *slash = strchr(at, '/');
	if (!slash)
		return refuse(text, "there is no '/NAME' after the host", e);
	CLEANUP(mem_free_ptr) char *host = mem_strndup(at, (size_t)(slash - at));
	if (!is_host(host))
		return refuse(text, "the host is not valid", e);
	at = slash + 1;
	if ((http || https) && !str_starts(at, "v2/"))
		return refuse(text, "the path of its URL begins with /v2/", e);
	at += http || https ? 3 : 0;
	size_t len = strlen(at);
	while (len && at[len - 1] == '/')
		len--;
	CLEANUP(mem_free_ptr) char *name = mem_strndup(at, len);
	if (strpbrk(name, ":@"))
		return refuse(text, "a tag or digest does not belong to it", e);
	if (!oci_name_is_valid(name))
		return refuse(text, "names have lower-case letters, digits, '.', '_', '-' and '/'",
			      e);
	bool plain = http || (!https && is_this_machine(host));
	struct oci_reference r = {
		.host = mem_strdup(is_docker_hub(host) ? "registry-1.docker.io" : host),
		.name = STEAL(name),
	};
	r.origin = mem_printf("%s://%s", plain ? "http" : "https", r.host);
	r.base = mem_printf("%s/v2/%s", r.origin, r.name);
	*out = r;
	return 0;
}
