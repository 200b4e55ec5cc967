#include "catalog/provenance.h"

#include "tuf/dsse.h"
#include "util/base64.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define SUBJECTS_MAX 1000
#define SIGNATURES_MAX 64
#define SIGNATURE_BYTES 1024

static const struct json_limits limits = { .max_bytes = PROVENANCE_MAX_BYTES, .allow_real = true };

void provenance_release(struct provenance *p)
{
	json_release(&p->statement);
	json_release(&p->envelope);
	buf_release(&p->payload);
	*p = (struct provenance){ 0 };
}

/* ---- reading ------------------------------------------------------------------------ */

static int need_text(const json_t *object, const char *at, const char *key, const char *wanted,
		     struct err *e)
{
	const char *text;
	int rc = json_get_string(object, at, key, &text, e);
	if (rc == 0 && strcmp(text, wanted) != 0)
		rc = err_set(e, ERR_INTEGRITY, "%s is not %s", key, wanted);
	return rc;
}

static int check_subjects(const json_t *statement, struct err *e)
{
	json_t *subjects, *digest;
	const json_t *subject;
	const char *name;
	struct digest sha256;
	size_t i;
	int rc = json_get_array(statement, "", "subject", SUBJECTS_MAX, &subjects, e);
	if (rc == 0 && !json_array_size(subjects))
		rc = err_set(e, ERR_INTEGRITY, "subject is empty");
	if (rc < 0)
		return rc;
	json_array_foreach (subjects, i, subject) {
		rc = json_get_string(subject, "subject[]", "name", &name, e);
		if (rc == 0)
			rc = json_get_object(subject, "subject[]", "digest", &digest, e);
		if (rc == 0)
			rc = json_get_hex(digest, "subject[].digest", "sha256", sha256.bytes,
					  DIGEST_SIZE, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_statement(const json_t *statement, struct err *e)
{
	json_t *predicate, *part;
	int rc = need_text(statement, "", "_type", PROVENANCE_STATEMENT, e);
	if (rc == 0)
		rc = need_text(statement, "", "predicateType", PROVENANCE_PREDICATE, e);
	if (rc == 0)
		rc = check_subjects(statement, e);
	if (rc == 0)
		rc = json_get_object(statement, "", "predicate", &predicate, e);
	if (rc == 0)
		rc = json_get_object(predicate, "predicate", "buildDefinition", &part, e);
	return rc < 0 ? rc : json_get_object(predicate, "predicate", "runDetails", &part, e);
}

static int check_signatures(const json_t *envelope, struct err *e)
{
	json_t *list;
	const json_t *signature;
	const char *text;
	size_t i;
	int rc = json_get_array(envelope, "", "signatures", SIGNATURES_MAX, &list, e);
	if (rc < 0)
		return rc;
	json_array_foreach (list, i, signature) {
		rc = json_get_string(signature, "signatures[]", "sig", &text, e);
		if (rc == 0)
			rc = json_opt_string(signature, "signatures[]", "keyid", &text, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_envelope(struct provenance *p, struct err *e)
{
	const char *payload;
	int rc = need_text(p->envelope, "", "payloadType", DSSE_IN_TOTO, e);
	if (rc == 0)
		rc = json_get_string(p->envelope, "", "payload", &payload, e);
	if (rc == 0)
		rc = check_signatures(p->envelope, e);
	if (rc < 0)
		return rc;
	if (!base64_decode_all(&p->payload, payload, strlen(payload)))
		return err_set(e, ERR_INTEGRITY, "payload is not Base64");
	return json_parse(buf_str(&p->payload), p->payload.len, &limits, "the statement",
			  &p->statement, e);
}

static int take(struct provenance *p, const void *data, size_t len, const char *what, struct err *e)
{
	json_t *json;
	int rc = json_parse(data, len, &limits, what, &json, e);
	if (rc < 0)
		return rc;
	if (json_object_get(json, "payloadType")) {
		p->envelope = json;
		rc = open_envelope(p, e);
	} else {
		p->statement = json;
		buf_add(&p->payload, data, len);
	}
	if (rc == 0)
		rc = check_statement(p->statement, e);
	return rc < 0 ? err_context(e, "%s: no provenance", what) : 0;
}

int provenance_parse(const void *data, size_t len, const char *what, struct provenance *out,
		     struct err *e)
{
	CLEANUP(provenance_release) struct provenance p = {
		.payload = BUF_INIT(PROVENANCE_MAX_BYTES),
	};
	int rc = take(&p, data, len, what, e);
	if (rc < 0)
		return rc;
	*out = p;
	p = (struct provenance){ 0 };
	return 0;
}

int provenance_load(const char *path, struct provenance *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(PROVENANCE_MAX_BYTES);
	int rc = file_read_all(path, &text, e);
	return rc < 0 ? rc : provenance_parse(buf_str(&text), text.len, path, out, e);
}

/* ---- what it is of ------------------------------------------------------------------ */

bool provenance_is_of(const struct provenance *p, const struct digest *sha256)
{
	char hex[DIGEST_HEX];
	const json_t *subject;
	size_t i;
	digest_hex(hex, sha256);
	json_array_foreach (json_object_get(p->statement, "subject"), i, subject) {
		const char *have = json_text(json_object_get(subject, "digest"), "sha256");
		if (have && strcmp(have, hex) == 0)
			return true;
	}
	return false;
}

bool provenance_is_of_variant(const struct provenance *p, const struct card_variant *v)
{
	bool all = v->file_count > 0;
	for (size_t i = 0; i < v->file_count; i++)
		all = all && provenance_is_of(p, &v->files[i].sha256);
	return all;
}

char *provenance_target(const struct card_variant *v)
{
	return v->file_count ? mem_printf("%s%s", v->files[0].path, PROVENANCE_SUFFIX) : NULL;
}

/* ---- signatures --------------------------------------------------------------------- */

size_t provenance_signatures(const struct provenance *p)
{
	return json_array_size(json_object_get(p->envelope, "signatures"));
}

static const json_t *signature(const struct provenance *p, size_t i)
{
	return json_array_get(json_object_get(p->envelope, "signatures"), i);
}

const char *provenance_key_id(const struct provenance *p, size_t i)
{
	const char *id = json_text(signature(p, i), "keyid");
	return id ? id : "";
}

bool provenance_signed_by(const struct provenance *p, size_t i, const struct tuf_key *k)
{
	const char *text = json_text(signature(p, i), "sig");
	CLEANUP(buf_release) struct buf sig = BUF_INIT(SIGNATURE_BYTES);
	return text && base64_decode_all(&sig, text, strlen(text)) &&
	       dsse_verify(k, p->payload.data, p->payload.len, sig.data, sig.len);
}
