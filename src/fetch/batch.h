/*
 * A batch: the models of a run that are in one repository. All their files are one run of the
 * engine; a file that several of them have is fetched once.
 *
 * A model is linked as soon as its last file is there, on the thread that received it. What becomes
 * ready meanwhile is linked next, all of it together: many small models need few syncs, and a large
 * one does not wait.
 */
#ifndef FERRY_FETCH_BATCH_H
#define FERRY_FETCH_BATCH_H

#include "fetch/fetch_internal.h"

/* Settles every model of this remote that is not, and has no error yet. Negative only when it was
 * cancelled: those that are complete are settled then, too. */
WARN_UNUSED int batch_run(struct fetch_run *run, struct remote *remote, struct err *e);

#endif
