/* The steps of a save (writer_save.c) that have files of their own. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_STEPS_H
#define FERRY_REPOSITORY_WRITER_WRITER_STEPS_H

#include "repository/writer/writer_authority.h"

/* Updates snapshot and timestamp for the chosen versions and signs them; *complete. May choose
 * fewer drafts than given (writer_save). */
WARN_UNUSED int writer_online_bring_in_step(struct writer *w, struct writer_signing *with,
					    bool *complete, struct err *e);
/* Writes the chosen envelopes. ERR_CONFLICT if somebody else has published meanwhile. */
WARN_UNUSED int writer_publish_chosen(struct writer *w, struct writer_saved *result, struct err *e);
/* Writes and counts the remaining drafts, and removes the files of the others. */
WARN_UNUSED int writer_publish_drafts(struct writer *w, size_t *waiting, struct err *e);

#endif
