/*
 * verify_work: the part of verify that looks at one mirror's files, with several threads.
 *
 * A thread takes the next part of an object that is being read, else the next file of the tree. So
 * threads read different small objects, and help each other with a large one. A file's verdict is
 * made when its last part was read.
 */
#ifndef FERRY_PUBLISH_VERIFY_WORK_H
#define FERRY_PUBLISH_VERIFY_WORK_H

#include "publish/inventory.h"
#include "publish/verify.h"

struct verify_work {
	const struct tree *tree;
	const struct verify_options *o;
	struct verify_mirror *m;
	const bool *wanted;           /* for each file of the tree: is it looked at? */
	struct inventory_item *items; /* and what is known about it: */
	const bool *known;            /* all that a stat would say */
	pthread_mutex_t *loading; /* shared by all mirrors: a manifest that is being read is much
				     larger than what is kept of it */
};
/* Sets the verdicts of the wanted files. If the mirror cannot be read any more, m->error; the
 * remaining files are unreachable, or not checked if it was interrupted. */
void verify_work_run(const struct verify_work *w);

#endif
