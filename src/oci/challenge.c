#include "oci/challenge.h"

#include "util/buf.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define BLANKS " \t"

void oci_challenge_release(struct oci_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = (struct oci_challenge){ 0 };
}

static size_t token_length(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			 "!#$%&'*+-.^_`|~");
}

/* A quoted string or a token; returns what follows, or NULL if it is neither or too long. */
static const char *read_value(const char *s, struct buf *out)
{
	if (*s != '"') {
		size_t len = token_length(s);
		buf_add(out, s, len);
		return len && !out->overflow ? s + len : NULL;
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		buf_addc(out, *s);
	}
	return *s == '"' && !out->overflow ? s + 1 : NULL;
}

static void set(char **to, struct buf *value)
{
	free(*to);
	*to = mem_strdup(buf_str(value));
}

static void take_param(struct oci_challenge *c, const char *name, struct buf *value)
{
	if (str_eq_nocase(name, "realm"))
		set(&c->realm, value);
	else if (str_eq_nocase(name, "service"))
		set(&c->service, value);
	else if (str_eq_nocase(name, "scope"))
		set(&c->scope, value);
}

static enum oci_scheme scheme_of(const char *name)
{
	if (str_eq_nocase(name, "bearer"))
		return OCI_SCHEME_BEARER;
	return str_eq_nocase(name, "basic") ? OCI_SCHEME_BASIC : OCI_SCHEME_NONE;
}

/* The better of both goes to *out, the other is released. */
static void keep_better(struct oci_challenge *out, struct oci_challenge *c)
{
	bool whole = c->scheme != OCI_SCHEME_BEARER || (c->realm && *c->realm);
	if (whole && c->scheme > out->scheme) {
		oci_challenge_release(out);
		*out = *c;
		*c = (struct oci_challenge){ 0 };
	}
	oci_challenge_release(c);
}

/* name=value, or the name of a scheme; returns what follows, NULL: the rest has no meaning. */
static const char *read_item(const char *s, struct oci_challenge *now, struct oci_challenge *out)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT(OCI_CHALLENGE_VALUE);
	size_t len = token_length(s);
	CLEANUP(mem_free_ptr) char *name = mem_strndup(s, len);
	const char *next = s + len + strspn(s + len, BLANKS);
	if (!len)
		return NULL;
	if (*next == '=' && !strchr("=,", next[1])) {
		next = read_value(next + 1 + strspn(next + 1, BLANKS), &value);
		if (next)
			take_param(now, name, &value);
		return next;
	}
	if (*next == '=' || *next == '/') /* token68, of another scheme */
		return next + strcspn(next, ",");
	keep_better(out, now);
	now->scheme = scheme_of(name);
	return next;
}

void oci_challenge_add(struct oci_challenge *out, const char *value)
{
	CLEANUP(oci_challenge_release) struct oci_challenge now = { 0 }, best = { 0 };
	if (strlen(value) > OCI_CHALLENGE_MAX)
		return;
	for (const char *s = value; s && *(s += strspn(s, BLANKS ","));)
		if (!(s = read_item(s, &now, &best)))
			return;
	keep_better(&best, &now);
	keep_better(out, &best);
}
