/*
 * subject: what is expected of the mirrors: the newest release of the repository, verified.
 *
 * It is the publisher's tree, if the settings have one. Else it is what a client would trust: the
 * newest release that one of the mirrors has (publish/newest.h), copied into a folder. The copy is
 * kept: it is the subject when no mirror can be read.
 */
#ifndef FERRY_HEALTH_SUBJECT_H
#define FERRY_HEALTH_SUBJECT_H

#include "health/probe.h"
#include "publish/newest.h"

struct health_subject_from {
	const struct settings_repository *repository;
	const char *dir; /* of the copy; created */
	const struct newest_candidate *candidates;
	size_t count;
	int64_t now_s;
	uint64_t ms;      /* that it may take */
	uint64_t last_ms; /* that the tree may be read from a mirror, from then on */
	const struct cancel *cancel;
};

struct health_subject {
	enum {
		HEALTH_SUBJECT_TREE,   /* the publisher's */
		HEALTH_SUBJECT_MIRROR, /* read in this run */
		HEALTH_SUBJECT_COPY,   /* from an earlier run */
	} origin;
	char *mirror; /* that it was read from; or NULL */
	struct tree tree;
	struct catalog catalog; /* its mirrors; of a large repository without models */
	struct probe_roles roles;
	uint64_t models, variants, bytes; /* of model files, all versions together */
	struct newest_result newest;      /* what reads the tree, of HEALTH_SUBJECT_MIRROR */
	struct err why;                   /* HEALTH_SUBJECT_COPY: why it is no newer one */
};
/* The subject must not be moved while it is used. */
void health_subject_release(struct health_subject *s);

/* ERR_CANCELLED after a signal, else the reason why nothing is known of the repository. */
WARN_UNUSED int health_subject_open(const struct health_subject_from *from,
				    struct health_subject *out, struct err *e);

#endif
