/* The steps of a save (writer_save.c) that have files of their own. */
#ifndef FERRY_REPOSITORY_WRITER_WRITER_STEPS_H
#define FERRY_REPOSITORY_WRITER_WRITER_STEPS_H

#include "repository/writer/writer_authority.h"

/* Snapshot and timestamp say what they must for what is chosen, and are signed; *complete. May
 * choose less than it was given (writer_save). */
WARN_UNUSED int writer_online_bring_in_step(struct writer *w, struct writer_signing *with,
					    bool *complete, struct err *e);
/* Writes what is chosen. ERR_CONFLICT when somebody else has published here meanwhile. */
WARN_UNUSED int writer_publish_chosen(struct writer *w, struct writer_saved *result, struct err *e);
/* Writes the drafts that are left, counting them, and removes the files of others. */
WARN_UNUSED int writer_publish_drafts(struct writer *w, size_t *waiting, struct err *e);

#endif
