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
	bool faulty; /* there are faults, and the mirror's error is the most serious */
};

struct preflight {
	/* in */
	bool remove; /* files are going to be removed */
	bool every;  /* also the kind's checks of mirrors to which nothing has to be sent */
	int64_t now_s;
	/* out; preflight_release() */
	struct mirror_findings release;   /* of the release itself, for all mirrors */
	struct err error;                 /* the most serious of its faults */
	struct preflight_mirror *mirrors; /* one for each of the run's */
	size_t count;
};
void preflight_release(struct preflight *p);

/*
 * Call it when the mirrors are planned. A fault of a mirror becomes its error. The findings of a
 * mirror that failed before are only its error; a mirror that is not written has no findings.
 */
void preflight_run(struct preflight *p, const struct tree *t, struct push_mirror *mirrors,
		   size_t count, const struct push_options *o);

#endif
