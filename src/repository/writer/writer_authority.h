/* Who may sign a document, who has signed it, and signing it. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_AUTHORITY_H
#define FERRY_REPOSITORY_WRITER_WRITER_AUTHORITY_H

#include "repository/writer/writer_doc.h"

/* The keys and the threshold for a document, from root or its delegator. */
struct writer_authority {
	struct tuf_metadata *m;      /* of the delegator; owned */
	const struct tuf_role *role; /* borrowed from m; NULL: nobody may sign */
};
void writer_authority_release(struct writer_authority *a);
WARN_UNUSED int writer_authority_of(const struct writer *w, const struct writer_doc *d,
				    enum writer_state state, struct writer_authority *out,
				    struct err *e);
/* Who may sign a change: according to the state, and for a root also according to the published
 * root. */
WARN_UNUSED int writer_authority_both(const struct writer *w, const struct writer_doc *d,
				      enum writer_state state, struct writer_authority *now,
				      struct writer_authority *old, struct err *e);
bool writer_authority_lists(const struct writer_authority *a, const char *keyid);

/* Did this key of the authority sign m? */
bool writer_authority_signed_by(const struct writer_authority *a, const struct tuf_metadata *m,
				const char *keyid);
/* The number of valid signatures by the authority's keys. */
WARN_UNUSED int writer_authority_count(const struct writer_authority *a, const struct writer_doc *d,
				       json_t *envelope, unsigned *out, struct err *e);
/* Does the envelope have the threshold of signatures required by the state? */
WARN_UNUSED int writer_authority_verifies(const struct writer *w, const struct writer_doc *d,
					  json_t *envelope, enum writer_state state, bool *out,
					  struct err *e);
/* Do the chosen root and targets roles verify together? */
WARN_UNUSED int writer_authority_consistent(const struct writer *w, bool *out, struct err *e);

struct writer_signing {
	struct signer *const *signers;
	size_t count;
	size_t signatures; /* that were added */
};
/* Signs the draft with all usable signers; *complete: there are now enough signatures. */
WARN_UNUSED int writer_authority_sign(struct writer *w, struct writer_doc *d,
				      enum writer_state state, struct writer_signing *with,
				      bool *complete, struct err *e);

#endif
