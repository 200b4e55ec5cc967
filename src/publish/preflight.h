/*
 * preflight: what could stop a push, checked before its first byte, on all mirrors and all at
 * once: the metadata's expiry, the largest object that a mirror takes, and what its kind checks
 * (mirror_preflight(): permissions, space, the clock, …). Nothing is written.
 */
#ifndef FERRY_PUBLISH_PREFLIGHT_H
#define FERRY_PUBLISH_PREFLIGHT_H

#include "publish/push.h"

struct preflight_mirror {
	struct mirror_need need;
	struct mirror_findings findings;
	bool faulty; /* there are faults, and the mirror's error is the gravest */
};

struct preflight {
	/* in */
	bool remove; /* files are going to be removed */
	bool every;  /* also the kind's checks of mirrors to which nothing has to be sent */
	int64_t now_s;
	/* out; preflight_release() */
	struct mirror_findings release;   /* of the release itself, for all mirrors */
	struct err error;                 /* then: its gravest fault */
	struct preflight_mirror *mirrors; /* one for each of the run's */
	size_t count;
};
void preflight_release(struct preflight *p);

/*
 * The plans of the mirrors are made. A mirror with a fault gets it as its error. Mirrors that
 * failed before only have their error among their findings; mirrors that are not written have
 * none.
 */
void preflight_run(struct preflight *p, const struct tree *t, struct push_mirror *mirrors,
		   size_t count, const struct push_options *o);

#endif
