/*
 * A SOURCE on the Hugging Face Hub (hub/name.h): resolved to a commit and to the files of one model
 * before anything is downloaded, so that the same files are not made twice.
 *
 * What is checked while downloading: of a file in LFS, size and SHA-256; of a small file that is in
 * git itself, the SHA-1 of its git blob, which finds damage but not a forgery. All of these are as
 * the Hub lists them for the commit: they say that the files are those that the Hub has, not who
 * made them.
 */
#ifndef FERRY_PREPARE_FROM_HUB_H
#define FERRY_PREPARE_FROM_HUB_H

#include "hash/sha256.h"
#include "hub/hub.h"
#include "hub/pick.h"
#include "prepare/prepare.h"

struct from_hub {
	struct hub *hub;
	struct hub_name name;
	struct hub_repo repo;
	struct hub_pick pick;
	bool any_kind; /* of the caller: a file need not be a model or an archive */
	struct report *report;
	const struct cancel *cancel;
};
void from_hub_release(struct from_hub *s);

/* Asks the Hub. `id` is what the model will be called, for hints. */
WARN_UNUSED int from_hub_open(const char *operand, const char *id, struct report *report,
			      const struct cancel *cancel, struct from_hub *out, struct err *e);

/* ERR_INTEGRITY unless the digests (any number may be given, or none) are those of the files. */
WARN_UNUSED int from_hub_check(const struct from_hub *s, const struct digest *sha256, size_t count,
			       struct err *e);

/* The contents of the files: they, and not the commit, decide what is made. */
json_t *from_hub_identity(const struct from_hub *s);

/* Downloads one file of the pick to `path`. */
WARN_UNUSED int from_hub_download(const struct from_hub *s, size_t i, const char *path,
				  uint64_t *received, struct err *e);

/* What the repository says of the model, into a card that was made from the model's own metadata:
 * its source always; license, base model, languages and tags where the model says nothing. */
void from_hub_describe(const struct from_hub *s, json_t *card);
/* `card` is what became of `before` (or NULL) with that: the revision is that of the files, unless
 * a person gave another source. Says when the revision moved. */
void from_hub_update(const struct from_hub *s, const json_t *before, json_t *card,
		     struct prepare_result *result);
/* Says when the finished card has another license than the repository. */
void from_hub_contradict(const struct from_hub *s, const json_t *card,
			 struct prepare_result *result);

#endif
