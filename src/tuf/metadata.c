#include "tuf/metadata_body.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

void tuf_metadata_free(struct tuf_metadata *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->keys.count; i++)
		tuf_key_free(m->keys.at[i]);
	free(m->keys.at);
	for (size_t i = 0; i < TUF_TYPES; i++)
		free(m->roles[i].keyids);
	for (size_t i = 0; i < m->delegated_count; i++)
		free(m->delegated[i].role.keyids);
	free(m->delegated);
	free(m->bins.role.keyids);
	free(m->signatures);
	json_decref(m->json);
	free(m);
}

/* -- the envelope ---------------------------------------------------------------------- */

static int parse_signatures(struct tuf_metadata *m, struct err *e)
{
	json_t *list, *value;
	size_t i;
	int rc = json_get_array(m->json, "", "signatures", TUF_MAX_SIGNATURES, &list, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(list);
	m->signatures = mem_alloc((count + 1) * sizeof *m->signatures);
	CLEANUP(mem_free_ptr) const char **ids = mem_alloc((count + 1) * sizeof *ids);
	json_array_foreach (list, i, value) {
		CLEANUP(mem_free_ptr) char *at = mem_printf("signatures[%zu]", i);
		struct tuf_signature *s = &m->signatures[i];
		if (!json_is_object(value))
			return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
		rc = json_get_string(value, at, "keyid", &s->keyid, e);
		if (rc == 0)
			rc = json_get_string(value, at, "sig", &s->hex, e);
		if (rc < 0)
			return rc;
		ids[i] = s->keyid;
		m->signature_count++;
	}
	if (count)
		qsort(ids, count, sizeof *ids, str_compare);
	if (tuf_metadata_repeated(ids, count))
		return err_set(e, ERR_INTEGRITY, "signatures: a key id appears twice");
	return 0;
}

/* "1" or "1.x" or "1.x.y": only the major version matters. */
static bool spec_version_known(const char *s)
{
	return s[0] == '1' && s[1] == '.' && s[2] && s[strspn(s, "0123456789.")] == '\0';
}

/* The specification's form; fractions of a second, which some tools write, are cut off. */
static bool parse_expires(const char *s, int64_t *out)
{
	char whole[TIME_TEXT];
	size_t len = strlen(s), head = TIME_TEXT - 2;
	if (len > head + 2 && s[head] == '.' && s[len - 1] == 'Z' &&
	    strspn(s + head + 1, "0123456789") == len - head - 2) {
		memcpy(whole, s, head);
		memcpy(whole + head, "Z", 2);
		s = whole;
	}
	return parse_time(s, out);
}

static int parse_common(struct tuf_metadata *m, struct err *e)
{
	const char *type, *spec, *expires;
	int rc = json_get_string(m->body, "signed", "_type", &type, e);
	if (rc == 0)
		rc = json_get_string(m->body, "signed", "spec_version", &spec, e);
	if (rc == 0)
		rc = json_get_u64(m->body, "signed", "version", &m->version, e);
	if (rc == 0)
		rc = json_get_string(m->body, "signed", "expires", &expires, e);
	if (rc < 0)
		return rc;
	if (strcmp(type, tuf_type_name(m->type)) != 0)
		return err_set(e, ERR_INTEGRITY, "not %s metadata", tuf_type_name(m->type));
	if (!spec_version_known(spec)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(spec);
		err_set(e, ERR_INTEGRITY, "specification version \"%.40s\" is not supported",
			shown);
		return err_hint(e, "this program supports TUF 1.x; use a newer version of Model "
				   "Ferry");
	}
	if (m->version < 1)
		return err_set(e, ERR_INTEGRITY, "signed.version: 0");
	if (!parse_expires(expires, &m->expires_s))
		return err_set(e, ERR_INTEGRITY,
			       "signed.expires: expected a time such as 2030-01-02T03:04:05Z");
	return 0;
}

static int parse_all(struct tuf_metadata *m, struct err *e)
{
	json_t *body;
	if (!json_is_object(m->json))
		return err_set(e, ERR_INTEGRITY, "not a JSON object");
	int rc = json_get_object(m->json, "", "signed", &body, e);
	if (rc < 0)
		return rc;
	m->body = body;
	rc = parse_common(m, e);
	if (rc == 0)
		rc = parse_signatures(m, e);
	if (rc < 0)
		return rc;
	return tuf_metadata_parse_body(m, e);
}

int tuf_metadata_from_json(enum tuf_type type, json_t *value, const char *what,
			   struct tuf_metadata **out, struct err *e)
{
	CLEANUP_PTR(tuf_metadata_free) struct tuf_metadata *m = NEW(struct tuf_metadata);
	m->type = type;
	m->json = json_incref(value);
	if (parse_all(m, e) < 0)
		return err_context(e, "%s", what);
	*out = STEAL(m);
	return 0;
}

int tuf_metadata_parse(enum tuf_type type, const void *data, size_t len, const char *what,
		       struct tuf_metadata **out, struct err *e)
{
	struct json_limits limits = { .max_bytes = len };
	CLEANUP(json_release) json_t *value = NULL;
	int rc = json_parse(data, len, &limits, what, &value, e);
	return rc < 0 ? rc : tuf_metadata_from_json(type, value, what, out, e);
}

bool tuf_metadata_meta(const struct tuf_metadata *m, const char *name, struct tuf_meta *out)
{
	struct err ignored = ERR_INIT;
	const json_t *value = m->meta ? json_object_get(m->meta, name) : NULL;
	return value && tuf_metadata_parse_meta(value, "meta", out, &ignored) == 0;
}
