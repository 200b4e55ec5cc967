/*
 * export: the signed catalog in the formats of other tools.
 *
 * What always holds here: only what the signed metadata refers to is exported, and it is
 * verified; unsigned cards are not exported, and model files are not read.
 */
#ifndef FERRY_REPOSITORY_EXPORT_H
#define FERRY_REPOSITORY_EXPORT_H

#include "repository/repository.h"
#include "sign/signer.h"
#include "catalog/sums.h"

struct export
{
	char *dir;
	struct catalog catalog;
	struct repository_files files;
	uint64_t version; /* of targets */
};
void export_release(struct export *x);

/* Errors as of repository_published(). */
WARN_UNUSED int export_open(const char *dir, struct export *out, struct err *e);

/* The model and variant of a reference; without a variant, the default one. ERR_USAGE;
 * ERR_NOT_FOUND with the nearest names, also for a variant without files. */
WARN_UNUSED int export_find(const struct export *x, const char *reference,
			    const struct card **model, const struct card_variant **variant,
			    struct err *e);

/* The files of the current versions of all models by target path, which together with the digest
 * makes the URL. With a reference, those of the variant or version, or of all variants of the
 * model, by the names that readers have, without the folder that they share. Sorted by name. */
WARN_UNUSED int export_sums(const struct export *x, const char *reference, struct sums *out,
			    struct err *e);

/* One Metalink document, appended to out, with the mirrors of the signed catalog that serve model
 * files over http(s) under their target path. ERR_NOT_FOUND when there is none. */
WARN_UNUSED int export_metalink(const struct export *x, const struct card *model,
				const struct card_variant *variant, struct buf *out, struct err *e);

/* The bundle of OpenSSF Model Signing over the variant's folder (modelsig.h). */
WARN_UNUSED int export_model_signature(const struct export *x, const struct card *model,
				       const struct card_variant *variant, struct signer *s,
				       struct buf *out, struct err *e);

#endif
