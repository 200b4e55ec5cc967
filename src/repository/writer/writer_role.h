/* Keys and thresholds of roles in the documents of their delegators. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_ROLE_H
#define FERRY_REPOSITORY_WRITER_WRITER_ROLE_H

#include "repository/writer/writer_doc.h"

/* Makes the description {keyids, threshold} of a role; the keys are added to delegations.keys. */
json_t *writer_role_new(json_t *delegations, const struct tuf_key *const *keys, size_t count,
			unsigned threshold);
/* The same with the current keys and threshold of targets. */
json_t *writer_role_like_targets(const struct writer *w, json_t *delegations);
/* Removes a key from "keys" of a body if no role in it lists the key any more. */
void writer_role_drop_unused_key(json_t *body, const char *id);

#endif
