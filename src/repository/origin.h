/*
 * Where files come from (catalog/provenance.h), in the tree: a record belongs to the first file of
 * a variant, as its manifest does.
 *
 *   cards/<model>/<sha256 of the file>.<file>.provenance.json      what readers get
 *   targets/models/<model>/<sha256>.<file>.provenance.json         its object
 *
 * `ferry prepare` writes a bare statement, which signing puts into an envelope with the keys of
 * targets that are at hand. Without such a key, and for a delegated role, it stays as it is: the
 * metadata signs its digest in any case.
 */
#ifndef FERRY_REPOSITORY_ORIGIN_H
#define FERRY_REPOSITORY_ORIGIN_H

#include "repository/repository.h"
#include "repository/writer/writer.h"
#include "sign/signer.h"
#include "util/mark.h"

/* The path below cards/, and the target path. Callers free. */
char *origin_path(const char *dir, const char *model, const struct card_file *f);
char *origin_target(const struct card_file *f);

/* Of the record; all 0 when there is none. */
struct mark origin_mark(const char *dir, const char *model, const struct card_file *f);

/* Takes the record beside the prepared file `from`, if there is one. *changed becomes true when it
 * says something new. ERR_INTEGRITY when it is none, or of another file. */
WARN_UNUSED int origin_take(const char *dir, const char *model, const struct card_file *f,
			    const char *from, bool *changed, struct err *e);

/* Is there a record that the role (NULL: the one that the paths belong to) lists? */
bool origin_listed(const char *dir, const struct writer *w, const char *role, const char *model,
		   const struct card_file *f);
/* Lists it, and writes its object; does nothing unless origin_listed(). ERR_INTEGRITY as
 * origin_check(). */
WARN_UNUSED int origin_list(const char *dir, struct writer *w, const char *role, const char *model,
			    const struct card_file *f, struct err *e);

/* ERR_INTEGRITY when there is a record that is none, or of another file. */
WARN_UNUSED int origin_check(const char *dir, const char *model, const struct card_file *f,
			     struct err *e);

/* Is there a bare statement that the publisher of targets would sign? */
bool origin_is_unsigned(const char *dir, const struct writer *w, const char *model,
			const struct card_file *f);
/* Puts it into an envelope. */
WARN_UNUSED int origin_sign(const char *dir, const char *model, const struct card_file *f,
			    struct signer *const *signers, size_t count, struct err *e);

#endif
