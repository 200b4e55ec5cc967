/* Who may sign a document, who did, and signing it. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_AUTHORITY_H
#define FERRY_REPOSITORY_WRITER_WRITER_AUTHORITY_H

#include "repository/writer/writer_doc.h"

/* The keys and the threshold of a document, as root or its delegator has them. */
struct writer_authority {
	struct tuf_metadata *m;      /* of the delegator; owned */
	const struct tuf_role *role; /* borrowed from m; NULL: nobody may sign */
};
void writer_authority_release(struct writer_authority *a);
WARN_UNUSED int writer_authority_of(const struct writer *w, const struct writer_doc *d,
				    enum writer_state state, struct writer_authority *out,
				    struct err *e);
/* Who may sign a change: as the state says, and of a root what is published, too. */
WARN_UNUSED int writer_authority_both(const struct writer *w, const struct writer_doc *d,
				      enum writer_state state, struct writer_authority *now,
				      struct writer_authority *old, struct err *e);
bool writer_authority_lists(const struct writer_authority *a, const char *keyid);

/* Did this key of the authority sign m? */
bool writer_authority_signed_by(const struct writer_authority *a, const struct tuf_metadata *m,
				const char *keyid);
/* Valid signatures on the envelope by the authority's keys. */
WARN_UNUSED int writer_authority_count(const struct writer_authority *a, const struct writer_doc *d,
				       json_t *envelope, unsigned *out, struct err *e);
/* Has the envelope the threshold of signatures that the state asks for? */
WARN_UNUSED int writer_authority_verifies(const struct writer *w, const struct writer_doc *d,
					  json_t *envelope, enum writer_state state, bool *out,
					  struct err *e);
/* Do root and the targets roles that are chosen verify together? */
WARN_UNUSED int writer_authority_consistent(const struct writer *w, bool *out, struct err *e);

struct writer_signing {
	struct signer *const *signers;
	size_t count;
	size_t signatures; /* that were added */
};
/* Signs the draft with all that fits; *complete: there are enough signatures now. */
WARN_UNUSED int writer_authority_sign(struct writer *w, struct writer_doc *d,
				      enum writer_state state, struct writer_signing *with,
				      bool *complete, struct err *e);

#endif
