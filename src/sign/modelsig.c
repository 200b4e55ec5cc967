#include "sign/modelsig.h"

#include "tuf/dsse.h"
#include "util/base64.h"
#include "util/mem.h"

#include <string.h>

/* ---- the statement ---- */

static int by_name(const void *a, const void *b)
{
	const struct modelsig_file *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static json_t *resource_json(const struct modelsig_file *f)
{
	json_t *object = json_object();
	json_put_string(object, "name", f->name);
	json_put_string(object, "algorithm", "sha256");
	json_put_hex(object, "digest", f->sha256.bytes, DIGEST_SIZE);
	return object;
}

static json_t *serialization_json(void)
{
	json_t *object = json_object(), *ignored = json_array();
	json_put_string(object, "method", "files");
	json_put_string(object, "hash_type", "sha256");
	json_put_bool(object, "allow_symlinks", false);
	json_push(ignored, json_string(MODELSIG_NAME));
	json_put(object, "ignore_paths", ignored);
	return object;
}

static json_t *subject_json(const char *folder, const struct digest *root)
{
	json_t *array = json_array(), *object = json_object(), *digest = json_object();
	json_put_hex(digest, "sha256", root->bytes, DIGEST_SIZE);
	json_put_string(object, "name", folder);
	json_put(object, "digest", digest);
	json_push(array, object);
	return array;
}

int modelsig_statement(const char *folder, const struct modelsig_file *files, size_t count,
		       struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct modelsig_file *sorted = mem_alloc(count * sizeof *sorted);
	CLEANUP(json_release) json_t *statement = json_object();
	CLEANUP_PTR(sha256_free) struct sha256 *hash = sha256_new();
	json_t *predicate = json_object(), *resources = json_array();
	struct digest root;
	memcpy(sorted, files, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, by_name);
	for (size_t i = 0; i < count; i++) {
		sha256_add(hash, sorted[i].sha256.bytes, DIGEST_SIZE);
		json_push(resources, resource_json(&sorted[i]));
	}
	sha256_final(hash, &root);
	json_put(predicate, "serialization", serialization_json());
	json_put(predicate, "resources", resources);
	json_put_string(statement, "_type", "https://in-toto.io/Statement/v1");
	json_put(statement, "subject", subject_json(folder, &root));
	json_put_string(statement, "predicateType", "https://model_signing/signature/v1.0");
	json_put(statement, "predicate", predicate);
	return json_compact(statement, out, e);
}

/* ---- the bundle ---- */

static json_t *base64_json(const struct buf *data)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * MODELSIG_MAX_BYTES);
	base64_add(&text, buf_str(data), data->len);
	return json_string(buf_str(&text));
}

static json_t *envelope_json(const struct buf *payload, const struct buf *sig)
{
	json_t *object = json_object(), *signatures = json_array(), *signature = json_object();
	json_put(signature, "sig", base64_json(sig));
	json_put_string(signature, "keyid", "");
	json_push(signatures, signature);
	json_put(object, "payload", base64_json(payload));
	json_put_string(object, "payloadType", DSSE_IN_TOTO);
	json_put(object, "signatures", signatures);
	return object;
}

/* The hint is the hash of the key's PEM text. */
static int material_json(const struct tuf_key *k, json_t **out, struct err *e)
{
	CLEANUP(buf_release) struct buf pem = BUF_INIT(16 * KIB);
	struct digest hint;
	int rc = tuf_key_to_pem(k, &pem, e);
	if (rc < 0)
		return rc;
	sha256_of(pem.data, pem.len, &hint);
	json_t *material = json_object(), *key = json_object();
	json_put_hex(key, "hint", hint.bytes, DIGEST_SIZE);
	json_put(material, "publicKey", key);
	json_put(material, "tlogEntries", json_array());
	*out = material;
	return 0;
}

int modelsig_bundle(struct signer *s, const char *folder, const struct modelsig_file *files,
		    size_t count, struct buf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf payload = BUF_INIT(MODELSIG_MAX_BYTES);
	CLEANUP(buf_release) struct buf pae = BUF_INIT(MODELSIG_MAX_BYTES + KIB);
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4 * KIB);
	CLEANUP(json_release) json_t *bundle = json_object();
	json_t *material;
	if (s->key->scheme != TUF_ECDSA_P256) {
		err_set(e, ERR_USAGE, "%s is of type %s, but model signatures need ECDSA P-256",
			s->name, tuf_key_kind(s->key));
		return err_hint(e, "`ferry catalog key new NAME --type ecdsa-p256` makes a key");
	}
	int rc = modelsig_statement(folder, files, count, &payload, e);
	if (rc < 0)
		return rc;
	dsse_pae(payload.data, payload.len, &pae);
	if ((rc = buf_ok(&pae, "the statement", e)) < 0 ||
	    (rc = signer_sign(s, pae.data, pae.len, &sig, e)) < 0 ||
	    (rc = material_json(s->key, &material, e)) < 0)
		return rc;
	json_put_string(bundle, "mediaType", "application/vnd.dev.sigstore.bundle.v0.3+json");
	json_put(bundle, "verificationMaterial", material);
	json_put(bundle, "dsseEnvelope", envelope_json(&payload, &sig));
	return json_pretty(bundle, out, e);
}
