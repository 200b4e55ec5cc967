/* Keys and thresholds of roles, as the documents list them that delegate to the roles. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_ROLE_H
#define FERRY_REPOSITORY_WRITER_WRITER_ROLE_H

#include "repository/writer/writer_doc.h"

/* A description {keyids, threshold} of a role; the keys themselves go into delegations.keys. */
json_t *writer_role_new(json_t *delegations, const struct tuf_key *const *keys, size_t count,
			unsigned threshold);
/* The same with the keys and the threshold that targets has now. */
json_t *writer_role_like_targets(const struct writer *w, json_t *delegations);
/* Takes a key out of "keys" of a body that no role of it lists any more. */
void writer_role_drop_unused_key(json_t *body, const char *id);

#endif
