/*
 * OpenSSF Model Signing v1.0 with a key: a sigstore bundle with a DSSE envelope, whose payload is
 * an in-toto statement that lists the files of a folder
 * (https://github.com/ossf/model-signing-spec).
 *
 * The subject is always a folder, even with a single file in it: for a single file, the
 * specification and its reference tool disagree on the name.
 */
#ifndef FERRY_SIGN_MODELSIG_H
#define FERRY_SIGN_MODELSIG_H

#include "sign/signer.h"

#define MODELSIG_NAME "model.sig" /* beside the files; verifiers ignore it */
#define MODELSIG_MAX_BYTES (8 * MIB)

struct modelsig_file {
	const char *name; /* below the folder */
	struct digest sha256;
};

/* The in-toto statement, appended to out. `folder` names the model. Files are listed by name,
 * whatever their order here; there is at least one. */
WARN_UNUSED int modelsig_statement(const char *folder, const struct modelsig_file *files,
				   size_t count, struct buf *out, struct err *e);

/* The bundle, appended to out. ERR_USAGE when the key is not ECDSA P-256: the specification
 * has no Ed25519. */
WARN_UNUSED int modelsig_bundle(struct signer *s, const char *folder,
				const struct modelsig_file *files, size_t count, struct buf *out,
				struct err *e);

#endif
