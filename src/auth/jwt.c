#include "auth/jwt.h"

#include "json/json.h"
#include "util/base64.h"
#include "util/mem.h"

#include <string.h>

#define SIGNATURE_MAX KIB /* RSA of 8192 bits */
#define TIME_MAX 1e15     /* seconds: beyond it, a double does not count in ones */
#define DEPTH 16

void auth_jwt_release(struct auth_jwt *t)
{
	buf_release(&t->signature);
}

/* One part as JSON; `what` for messages. */
static int decode(const char *text, size_t len, const char *what, json_t **out, struct err *e)
{
	static const struct json_limits limits = {
		.max_bytes = AUTH_JWT_MAX,
		.max_depth = DEPTH,
		.allow_real = true,
	};
	CLEANUP(buf_release) struct buf json = BUF_INIT(AUTH_JWT_MAX);
	struct err unfit = ERR_INIT; /* its text has some of the token */
	if (!base64_decode_url(&json, text, len) ||
	    json_parse(buf_str(&json), json.len, &limits, what, out, &unfit) < 0)
		return err_set(e, ERR_AUTH, "the token is malformed: %s", what);
	if (!json_is_object(*out)) {
		json_release(out);
		return err_set(e, ERR_AUTH, "the token is malformed: %s", what);
	}
	return 0;
}

/* -- the header ------------------------------------------------------------------------------ */

/* RFC 8725, section 3.11: a token that was made for another purpose says so. */
static bool type_fits(const json_t *header)
{
	const json_t *typ = json_object_get(header, "typ");
	const char *type = json_string_value(typ);
	if (!typ)
		return true;
	if (type && str_starts_nocase(type, "application/"))
		type += strlen("application/");
	return type && (str_eq_nocase(type, "JWT") || str_eq_nocase(type, "at+jwt"));
}

static int read_header(const json_t *header, struct auth_jwt *out, struct err *e)
{
	const char *alg = json_text(header, "alg");
	const json_t *kid = json_object_get(header, "kid");
	if (!alg || !auth_alg_parse(alg, &out->alg))
		return err_set(e, ERR_AUTH,
			       "the token is not signed with HS256, RS256, ES256 or "
			       "EdDSA");
	if (json_object_get(header, "crit") || json_object_get(header, "b64"))
		return err_set(e, ERR_AUTH, "the token has extensions that are not known here");
	if (!type_fits(header))
		return err_set(e, ERR_AUTH, "the token is of another type than JWT");
	if (kid && (!json_is_string(kid) || json_string_length(kid) > AUTH_KID_MAX))
		return err_set(e, ERR_AUTH, "the token is malformed: kid");
	out->has_kid = kid;
	if (kid)
		memcpy(out->kid, json_string_value(kid), json_string_length(kid) + 1);
	return 0;
}

int auth_jwt_parse(const char *text, struct auth_jwt *out, struct err *e)
{
	CLEANUP(json_release) json_t *header = NULL;
	CLEANUP(auth_jwt_release) struct auth_jwt t = { .text = text };
	buf_init(&t.signature, SIGNATURE_MAX);
	size_t len = strnlen(text, AUTH_JWT_MAX + 1);
	if (len > AUTH_JWT_MAX)
		return err_set(e, ERR_AUTH, "the token is longer than %llu bytes",
			       (unsigned long long)AUTH_JWT_MAX);
	size_t first = strcspn(text, "."), dots = 0;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '.') {
			dots++;
			t.signed_len = i;
		}
	if (dots != 2)
		return err_set(e, ERR_AUTH, "not a key, and not a signed token");
	t.claims_at = first + 1;
	int rc = decode(text, first, "header", &header, e);
	if (rc == 0)
		rc = read_header(header, &t, e);
	if (rc == 0 &&
	    !base64_decode_url(&t.signature, text + t.signed_len + 1, len - t.signed_len - 1))
		rc = err_set(e, ERR_AUTH, "the token is malformed: signature");
	if (rc < 0)
		return rc;
	*out = t;
	t.signature = (struct buf)BUF_INIT(0);
	return 0;
}

/* -- the claims ------------------------------------------------------------------------------ */

/* NumericDate: seconds, perhaps with a fraction. 1: there is one. */
static int get_date(const json_t *claims, const char *name, int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(claims, name);
	if (!value)
		return 0;
	double s = json_number_value(value);
	if (!json_is_number(value) || !(s >= 0 && s <= TIME_MAX))
		return err_set(e, ERR_AUTH, "the token is malformed: %s", name);
	*out = (int64_t)s;
	return 1;
}

static int check_times(const json_t *claims, int64_t now_s, int64_t *expires_s, struct err *e)
{
	int64_t not_before = 0;
	int rc = get_date(claims, "exp", expires_s, e);
	if (rc == 0)
		rc = err_set(e, ERR_AUTH, "the token has no time at which it expires");
	if (rc > 0 && now_s >= *expires_s + AUTH_LEEWAY_S)
		rc = err_set(e, ERR_AUTH, "the token has expired");
	if (rc > 0)
		rc = get_date(claims, "nbf", &not_before, e);
	if (rc > 0 && now_s + AUTH_LEEWAY_S < not_before)
		rc = err_set(e, ERR_AUTH, "the token is not valid yet");
	*expires_s += AUTH_LEEWAY_S;
	return rc < 0 ? rc : 0;
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool has_text(const json_t *value, const char *text)
{
	const json_t *one;
	size_t i;
	json_array_foreach (value, i, one)
		if (is_text(one, text))
			return true;
	return is_text(value, text);
}

static int check_parties(const json_t *claims, const struct auth_jwt_terms *terms, struct err *e)
{
	if (terms->issuer && !is_text(json_object_get(claims, "iss"), terms->issuer))
		return err_set(e, ERR_AUTH, "the token is of another issuer");
	if (terms->audience && !has_text(json_object_get(claims, "aud"), terms->audience))
		return err_set(e, ERR_AUTH, "the token is for another audience");
	return 0;
}

static void add_scope(struct auth_who *who, const char *text)
{
	struct err unfit = ERR_INIT;
	struct auth_scope s;
	if (who->count == AUTH_SCOPES_MAX || auth_scope_parse(text, &s, &unfit) < 0)
		return;
	who->scopes = mem_grow(who->scopes, who->count, &who->cap, sizeof *who->scopes);
	who->scopes[who->count++] = s;
}

/* RFC 8693, section 4.2: words between blanks. Some issuers send a list as "scp". */
static void add_scopes(struct auth_who *who, const json_t *value)
{
	CLEANUP(str_list_release) struct str_list words = { 0 };
	const json_t *one;
	size_t i;
	if (json_is_string(value))
		str_list_split(&words, json_string_value(value), " ");
	json_array_foreach (value, i, one)
		if (json_is_string(one))
			str_list_add(&words, json_string_value(one));
	for (i = 0; i < words.count; i++)
		add_scope(who, words.at[i]);
}

static int read_who(const json_t *claims, struct auth_who *out, struct err *e)
{
	const json_t *sub = json_object_get(claims, "sub");
	const char *name = json_string_value(sub);
	size_t len = json_string_length(sub);
	if (!name || !len || len > AUTH_SUBJECT_MAX || !text_is_name(name, len))
		return err_set(e, ERR_AUTH, "the token has no usable subject");
	*out = (struct auth_who){
		.name = mem_printf("%s%s", AUTH_TOKEN_PREFIX, name),
		.known = true,
	};
	add_scopes(out, json_object_get(claims, "scope"));
	add_scopes(out, json_object_get(claims, "scp"));
	return 0;
}

int auth_jwt_verify(const struct auth_jwt *t, const struct auth_jwk *key,
		    const struct auth_jwt_terms *terms, struct auth_who *out, int64_t *expires_s,
		    struct err *e)
{
	CLEANUP(json_release) json_t *claims = NULL;
	if (key->alg != t->alg ||
	    !auth_jwk_verify(key, t->text, t->signed_len, (const uint8_t *)buf_str(&t->signature),
			     t->signature.len))
		return err_set(e, ERR_AUTH, "the signature of the token is wrong");
	int rc = decode(t->text + t->claims_at, t->signed_len - t->claims_at, "claims", &claims, e);
	if (rc == 0)
		rc = check_times(claims, terms->now_s, expires_s, e);
	if (rc == 0)
		rc = check_parties(claims, terms, e);
	return rc < 0 ? rc : read_who(claims, out, e);
}
