/*
 * Where a model comes from: a statement of in-toto v1 (github.com/in-toto/attestation, spec/v1)
 * with the predicate SLSA Provenance v1 (slsa.dev/spec/v1.0/provenance), as `ferry prepare` writes
 * it: what was made (subject), from what (resolvedDependencies), how (externalParameters) and with
 * what (builder). Schema: schemas/provenance.schema.json.
 *
 * It is beside the first file of a variant, "FILE.provenance.json", and its target path is that of
 * the file with this ending: models without one are found to have none by the signed metadata. It
 * is the bare statement, or a DSSE envelope with it, which `ferry catalog sign` makes.
 */
#ifndef FERRY_CATALOG_PROVENANCE_H
#define FERRY_CATALOG_PROVENANCE_H

#include "catalog/card.h"
#include "tuf/key.h"

#define PROVENANCE_SUFFIX ".provenance.json"
#define PROVENANCE_MAX_BYTES (1 * MIB)
#define PROVENANCE_STATEMENT "https://in-toto.io/Statement/v1"
#define PROVENANCE_PREDICATE "https://slsa.dev/provenance/v1"
/* What `ferry prepare` does, and what does it; ferry-prepare(1) describes both. */
#define PROVENANCE_BUILD "urn:model-ferry:prepare:1"
#define PROVENANCE_BUILDER "urn:model-ferry:ferry-prepare"

struct provenance {
	json_t *statement;  /* owned; its subject and predicate have the right types */
	json_t *envelope;   /* or NULL: it is the bare statement */
	struct buf payload; /* the bytes of the statement */
};
void provenance_release(struct provenance *p);

/* ERR_INTEGRITY for anything else. Signatures are not verified. */
WARN_UNUSED int provenance_parse(const void *data, size_t len, const char *what,
				 struct provenance *out, struct err *e);
WARN_UNUSED int provenance_load(const char *path, struct provenance *out, struct err *e);

/* Is the file with this digest among those that were made? */
bool provenance_is_of(const struct provenance *p, const struct digest *sha256);
/* Are all files of the variant? */
bool provenance_is_of_variant(const struct provenance *p, const struct card_variant *v);

/* The signatures in the envelope; 0 without one. */
size_t provenance_signatures(const struct provenance *p);
/* The id of the key of signature i, borrowed; "" when it names none. */
const char *provenance_key_id(const struct provenance *p, size_t i);
/* Does signature i verify with the key? */
bool provenance_signed_by(const struct provenance *p, size_t i, const struct tuf_key *k);

/* "models/phi-2/phi-2-q4_k_m.gguf.provenance.json"; NULL for a planned variant. Caller frees. */
char *provenance_target(const struct card_variant *v);

#endif
